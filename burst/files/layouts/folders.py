"""The published layouts of rolling-shutter sets in folders of images, one function each.

A function gets a folder and its visible entries, and returns the sequences in it: none if the
folder has another layout.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from burst.files.folder import visible_entries
from burst.files.layouts.listing import MIDDLE, Listing, Timing, TruthFile
from burst.records import Shutter, StackError

Entries = list[Path]
Find = Callable[["Layout", Path, Entries], list[Listing]]

_PAIR = ("t2b", "b2t")
_LAST_TRUTH = 8  # of the nine over one readout, numbered from 0


@dataclass(frozen=True)
class Layout:
    """A layout: pattern of its file names, timing of its shutter, and the function to find it."""

    name: str
    pattern: str
    timing: Timing
    find: Find

    def listing(
        self, folder: Path, frames: Iterable[Path], truths: Iterable[TruthFile] = (), name: str = ""
    ) -> list[Listing]:
        """Return the one sequence of a folder; none without frames."""
        paths = tuple(frames)
        ordered = tuple(sorted(truths, key=lambda truth: (truth.frame, truth.share)))
        listing = Listing(name or str(folder), self.name, folder, paths, self.timing, ordered)
        return [listing] if paths else []


def find_bs_rscd(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find rolling/<seq>/<n>.png, with global/<seq>/<n>.png as truths."""
    if folder / "rolling" not in entries:
        return []
    found = []
    for place in filter(Path.is_dir, visible_entries(folder / "rolling")):
        frames = _named(_inside(place), r"(\d+)\.png")
        truths = _named(_inside(folder / "global" / place.name), r"(\d+)\.png")
        name = str(folder / place.name)
        found += layout.listing(place, frames.values(), _one_each(frames, truths, MIDDLE), name)
    return found


def find_bs_rsc(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find RS/<n>.png, with GS/<n>.png as truths."""
    frames = _named(_inside(folder / "RS", entries), r"(\d+)\.png")
    truths = _named(_inside(folder / "GS", entries), r"(\d+)\.png")
    return layout.listing(folder, frames.values(), _one_each(frames, truths, MIDDLE))


def find_rs_gopro(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find RS/<n>_rs_<t2b|b2t>.png, with GS/<n>_gs_<k>.png and FL/<n>_fl_<t2b|b2t>_<k>.npy."""
    keys, frames = _pairs(_inside(folder / "RS", entries), r"(\d+)_rs_(t2b|b2t)\.png")
    truths = _named(_inside(folder / "GS", entries), r"(\d+_gs_\d+)\.png")
    flows = _named(_inside(folder / "FL", entries), r"(\d+_fl_(?:t2b|b2t)_\d+)\.npy")
    shares = sorted({key.partition("_gs_")[2] for key in truths})
    files = []
    for index, key in enumerate(keys):
        for k in shares:
            path = _required(truths, f"{key}_gs_{k}", next(iter(truths.values())))
            flow = [
                _required(flows, f"{key}_fl_{way}_{k}", next(iter(flows.values())))
                for way in (_PAIR if flows else ())
            ]
            share = int(k) / _LAST_TRUTH
            files.append(TruthFile(path, 2 * index, share, flow=tuple(flow)))
    return layout.listing(folder, frames, files)


def find_dual_pairs(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find <i>_t2b.png and <i>_b2t.png: numbers are one sequence, other names a scene each."""
    keys, frames = _pairs(entries, r"(.+)_(t2b|b2t)\.png")
    pairs = list(zip(keys, frames[::2], frames[1::2], strict=True))
    numbered = [path for key, *pair in pairs if key.isdecimal() for path in pair]
    found = layout.listing(folder, numbered)
    for key, *pair in pairs:
        if not key.isdecimal():
            found += layout.listing(folder, pair, name=str(folder / key))
    return found


def find_rsgr(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find RSGR/PNG/<name>.png, with GS/PNG/<name>.png as truths."""
    if folder / "RSGR" not in entries:
        return []
    frames = _named(_inside(folder / "RSGR" / "PNG"), r"(.+)\.png")
    truths = _named(_inside(folder / "GS" / "PNG"), r"(.+)\.png")
    return layout.listing(folder, frames.values(), _one_each(frames, truths, 0.0))


def find_fastec(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find <n>_rolling.png, with <n>_global_first.png and <n>_global_middle.png as truths."""
    frames = _named(entries, r"(\d+)_rolling\.png")
    first = _named(entries, r"(\d+)_global_first\.png")
    middle = _named(entries, r"(\d+)_global_middle\.png")
    truths = [*_one_each(frames, first, 0.0), *_one_each(frames, middle, MIDDLE)]
    return layout.listing(folder, frames.values(), truths)


def find_carla(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find <n>_rs.png, with <n>_gs_f.png and <n>_gs_m.png as truths and <n>_mask.png for both."""
    frames = _named(entries, r"(\d+)_rs\.png")
    masks = _named(entries, r"(\d+)_mask\.png")
    first, middle = _named(entries, r"(\d+)_gs_f\.png"), _named(entries, r"(\d+)_gs_m\.png")
    truths = [*_one_each(frames, first, 0.0, masks), *_one_each(frames, middle, MIDDLE, masks)]
    return layout.listing(folder, frames.values(), truths)


def find_demo(layout: Layout, folder: Path, entries: Entries) -> list[Listing]:
    """Find rs_<i>.png, with those of gs_<i>_f.png and gs_<i>_m.png that are there as truths."""
    frames = _named(entries, r"rs_(\d+)\.png")
    truths = []
    for letter, share in (("f", 0.0), ("m", MIDDLE)):
        there = _named(entries, rf"gs_(\d+)_{letter}\.png")
        truths += [TruthFile(there[k], i, share) for i, k in enumerate(frames) if k in there]
    return layout.listing(folder, frames.values(), truths)


LAYOUTS = (
    # 15 frames a second; readout during a quarter of the time.
    Layout(
        "bs-rscd", "rolling/<seq>/<n>.png and global/<seq>/<n>.png",
        Timing(readout_ratio=0.25, frame_time=1 / 15), find_bs_rscd,
    ),
    # Made of 15360 frames a second, one for each of 540 rows, 24 times a second.
    Layout(
        "rs-gopro", "RS/<n>_rs_<t2b|b2t>.png, GS/<n>_gs_<k>.png, FL/<n>_fl_<t2b|b2t>_<k>.npy",
        Timing(Shutter.DUAL_REVERSED, 540 * 24 / 15360, 1 / 24), find_rs_gopro,
    ),
    # Fitted to pairs of the set; published methods assume 0.45.
    Layout(
        "bs-rsc", "RS/<n>.png and GS/<n>.png",
        Timing(readout_ratio=0.425), find_bs_rsc,
    ),
    # Within a pair the readout is the unit of time, however long it is.
    Layout(
        "dual-pairs", "<i>_t2b.png and <i>_b2t.png",
        Timing(Shutter.DUAL_REVERSED, 1.0), find_dual_pairs,
    ),
    Layout(
        "rsgr", "RSGR/PNG/<name>.png and GS/PNG/<name>.png",
        Timing(Shutter.GLOBAL_RESET), find_rsgr,
    ),
    Layout(
        "fastec", "<n>_rolling.png and <n>_global_<first|middle>.png",
        Timing(readout_ratio=1.0), find_fastec,
    ),
    Layout(
        "carla", "<n>_rs.png, <n>_gs_<f|m>.png and <n>_mask.png",
        Timing(readout_ratio=1.0), find_carla,
    ),
    Layout("demo", "rs_<i>.png and gs_<i>_<f|m>.png", Timing(), find_demo),
)  # fmt: skip


def _inside(folder: Path, among: Entries | None = None) -> Entries:
    """Return the entries of a folder; none if it does not exist, or is not among those listed."""
    there = folder.is_dir() if among is None else folder in among and folder.is_dir()
    return visible_entries(folder) if there else []


def _named(entries: Entries, pattern: str) -> dict[str, Path]:
    """Return the files whose whole name matches, by the first group of the pattern, in order."""
    found = ((re.fullmatch(pattern, path.name), path) for path in entries)
    return {match[1]: path for match, path in found if match}


def _pairs(entries: Entries, pattern: str) -> tuple[list[str], list[Path]]:
    """Return the keys of dual reversed pairs, and their files, t2b before b2t."""
    matches = ((re.fullmatch(pattern, path.name), path) for path in entries)
    found = {(match[1], match[2]): path for match, path in matches if match}
    keys = list(dict.fromkeys(key for key, _ in found))
    for key in keys:
        for way, other in (_PAIR, _PAIR[::-1]):
            if (key, way) in found and (key, other) not in found:
                path = found[key, way]
                raise StackError(
                    f"{path}: expected {path.name.replace(way, other)} beside it, found none."
                    " Add it, or take this one away."
                )
    return keys, [found[key, way] for key in keys for way in _PAIR]


def _one_each(
    frames: dict[str, Path],
    truths: dict[str, Path],
    share: float,
    masks: dict[str, Path] | None = None,
) -> list[TruthFile]:
    """Return the truth of every frame, with its mask; none if the set has no truths."""
    if not truths:
        return []
    a_truth = next(iter(truths.values()))
    files = []
    for index, key in enumerate(frames):
        path = _required(truths, key, a_truth)
        mask = _required(masks, key, next(iter(masks.values()))) if masks else None
        files.append(TruthFile(path, index, share, mask))
    return files


def _required(files: dict[str, Path], key: str, other: Path) -> Path:
    if key not in files:
        raise StackError(
            f"{other.parent}: expected a file for '{key}' like {other.name}, found none."
            " Add it, or take the frame away."
        )
    return files[key]
