"""Restore stacks: frames of one scene in, one sharp image and a report out, for each."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from burst.command import Exit, main_of
from burst.files.find import find_stacks
from burst.files.folder import stem_of
from burst.files.write import WriteError, read_json, write_text
from burst.jobs.bar import Show, bar_of
from burst.jobs.batch import RECORD, Outcome, log_outcome, run_all, table
from burst.jobs.budget import share_memory
from burst.jobs.cluster import run_on_cluster
from burst.jobs.restore import BYTES_PER_PROCESS, Job
from burst.jobs.watch import accepted, watch
from burst.log import LOG
from burst.machine import available_memory, cpu_count, devices_of
from burst.options import add_machine, add_reading, add_settings, reading_of, size_in_bytes
from burst.pipeline import load
from burst.settings import ConfigError

BESIDE = "restored"  # the folder of results where none is named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst run`."""
    parser.add_argument(
        "--stack", nargs="+", required=True, metavar="PATH",
        help="a file, a folder that is one stack, a folder of stacks, or a glob",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR",
        help="results go to DIR/<stem>/ for each stack (default: `restored` beside the first)",
    )  # fmt: skip
    settings = parser.add_argument_group("settings")
    add_settings(settings)
    settings.add_argument("--until", metavar="STAGE", help="stop after this stage; keep all stages")
    add_reading(parser.add_argument_group("reading"))
    machine = parser.add_argument_group("machine")
    add_machine(machine)
    machine.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="hand the stacks to the Dask cluster at tcp://HOST:PORT, instead of --jobs",
    )  # fmt: skip
    machine.add_argument(
        "--memory", type=size_in_bytes, metavar="SIZE",
        help="at most this much in all, such as 2G or 800M; stacks that need more are read block by"
        " block (default: the free memory)",
    )  # fmt: skip
    _add_output(parser.add_argument_group("output"))


def execute(args: argparse.Namespace) -> int:
    """Restore every stack; return 0, the code of a lone failure, 4 if some of a batch failed."""
    if args.scheduler and args.jobs > 1:
        raise ConfigError("--jobs: expected it without --scheduler, whose workers set the number.")
    args.out = args.out or str(Path(os.path.abspath(args.stack[0])).parent / BESIDE)
    pipeline = load(args.pipeline, args.set)
    if args.until:
        pipeline.until(args.until)
    if args.watch:
        return _watch(args)
    jobs = _make_jobs(args)
    outcomes = []
    with bar_of(len(jobs), args.quiet) as show:
        for outcome in _restore_all(jobs, args, show):
            outcomes.append(outcome)
            log_outcome(outcome)
    places = {job.folder: i for i, job in enumerate(jobs)}
    outcomes.sort(key=lambda outcome: places[outcome.job.folder])
    code = _exit_code(outcomes)
    rows = [_as_json(outcome) for outcome in outcomes]
    if args.json:
        print(json.dumps({"exit": code, "stacks": rows}, indent=1))
    else:
        for outcome in outcomes:
            _print_paths(outcome)
    record = Path(args.out) / RECORD
    if len(outcomes) > 1 or record.exists():
        _record(record, rows)
    if len(outcomes) > 1:
        LOG.info(table(outcomes))
    return code


def name_folders(paths: Sequence[Path]) -> list[str]:
    """Return one folder name per stack: its stem, made longer where two stacks share it.

    First the suffix is added (`a.npy`, `a.ser`: `a-npy`, `a-ser`), then folders (`monday-a-npy`).
    Upper and lower case count as the same, as they do on many disks.
    """
    lengths = [0] * len(paths)
    for _ in range(1 + max(len(path.resolve().parts) for path in paths)):
        names = [_name(path, length) for path, length in zip(paths, lengths, strict=True)]
        counts = Counter(name.casefold() for name in names)
        clashing = [i for i, name in enumerate(names) if counts[name.casefold()] > 1]
        for i in clashing:
            lengths[i] += 1
    # Names that differ in case alone are told apart by their place.
    return [f"{name}-{i + 1}" if i in clashing else name for i, name in enumerate(names)]


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--keep-stages", action="store_true", help="keep what every stage gave in stages/*.npz"
    )
    group.add_argument(
        "--resume", action="store_true",
        help="skip stacks that are done and start after the last kept stage that is still valid",
    )  # fmt: skip
    group.add_argument(
        "--colours", choices=("srgb", "display-p3"), default="srgb",
        help="space of restored.tif and .png, if in colour (default: srgb)",
    )  # fmt: skip
    group.add_argument(
        "--watch", action="store_true",
        help="live stacking: restore the folder again whenever frames were added, until Ctrl-C",
    )  # fmt: skip
    group.add_argument(
        "--idle", type=float, metavar="SECONDS",
        help="with --watch: end when nothing was added for so long",
    )  # fmt: skip
    group.add_argument(
        "--no-report", action="store_true", help="write report.json alone, not the page with plots"
    )
    group.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    group.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def _make_jobs(args: argparse.Namespace) -> list[Job]:
    paths = list({path.resolve(): path for path in find_stacks(args.stack)}.values())
    names = name_folders(paths)
    return [_job(args, path, name, len(paths)) for path, name in zip(paths, names, strict=True)]


def _job(args: argparse.Namespace, path: Path, name: str, stacks: int) -> Job:
    """Return the job of one of several stacks, whose results go to a folder of this name."""
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    # What a worker of a cluster has is for it to say.
    device, fallback = (args.device, None) if args.scheduler else devices_of(args.device)
    return Job(
        path=path,
        folder=out / name,
        pipeline=args.pipeline,
        assignments=tuple(args.set),
        until=args.until,
        reading=reading_of(args),
        device=device,
        fallback=fallback,
        threads=_threads_of_each(args, stacks),
        seed=args.seed,
        colours=args.colours,
        keep_stages=args.keep_stages or args.until is not None,
        resume=args.resume,
        page=not args.no_report,
    )


def _watch(args: argparse.Namespace) -> int:
    """Restore a folder while it grows; return the code of the last restoration."""
    if len(args.stack) != 1 or not Path(args.stack[0]).is_dir():
        raise ConfigError("--watch: expected --stack with one folder, to which frames are added.")
    if args.scheduler or args.jobs > 1 or args.resume:
        raise ConfigError("--watch: expected it without --scheduler, --jobs and --resume.")
    path, code = Path(args.stack[0]), Exit.DONE
    jobs = [_job(args, path, path.resolve().name, 1)]
    (job,) = share_memory(jobs, 1, available_memory(), args.memory)

    def restored(job: Job) -> Outcome:
        return next(run_all([job], 1, args.quiet, show))

    with bar_of(1, args.quiet) as show:
        for outcome in watch(job, restored, args.idle):
            log_outcome(outcome)
            code = outcome.exit
            if outcome.result is not None:
                LOG.info("%s: %s", job.path, accepted(job.folder))
                _print_paths(outcome)
    return code


def _threads_of_each(args: argparse.Namespace, stacks: int) -> int:
    threads: int | None = args.threads
    if args.scheduler:
        return threads or 1
    processes: int = min(args.jobs, stacks)
    return max(1, (threads or cpu_count()) // processes)


def _restore_all(jobs: list[Job], args: argparse.Namespace, show: Show | None) -> Iterator[Outcome]:
    """Have the jobs done by this process, by several, or by a cluster."""
    if args.scheduler:
        limit = None if args.memory is None else max(0, args.memory - BYTES_PER_PROCESS)
        return run_on_cluster([replace(job, memory=limit) for job in jobs], args.scheduler, show)
    workers = min(args.jobs, len(jobs))
    limited = share_memory(jobs, workers, available_memory(), args.memory)
    return run_all(limited, workers, args.quiet, show)


def _name(path: Path, length: int) -> str:
    """Return a name of growing length: the stem, with the suffix, with one folder more each."""
    whole = path.resolve()
    stem = whole.name if whole.is_dir() else stem_of(whole)
    if length == 0:
        return stem
    suffix = "" if whole.is_dir() else whole.suffix.replace(".", "-")
    folders = whole.parts[1:-1][-(length - 1) :] if length > 1 else ()
    return "-".join((*folders, stem + suffix))


def _exit_code(outcomes: Sequence[Outcome]) -> Exit:
    if len(outcomes) == 1:
        return outcomes[0].exit
    return Exit.DONE if all(o.exit is Exit.DONE for o in outcomes) else Exit.SOME_FAILED


def _as_json(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "stack": str(outcome.job.path),
        "folder": str(outcome.job.folder),
        "status": outcome.status,
        "exit": outcome.exit,
        "seconds": round(outcome.seconds, 3),
        "files": [str(path) for path in result.files] if result else [],
        "warnings": list(result.warnings) if result else [],
        "message": outcome.message,
    }


def _record(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Keep how the stacks fared, beside those of earlier batches into the same folder."""
    known: dict[str, dict[str, Any]] = {}
    # A record that is broken or missing has nothing to add.
    with suppress(LookupError, TypeError):
        known = {row["folder"]: row for row in read_json(path)["stacks"]}
    known.update({row["folder"]: row for row in rows})
    try:
        write_text(path, json.dumps({"stacks": list(known.values())}, indent=1) + "\n")
    except WriteError as error:
        # The results are there; that their list is not must not hide how they fared.
        LOG.error("%s", error)


def _print_paths(outcome: Outcome) -> None:
    for path in outcome.result.files if outcome.result else ():
        print(path)


if __name__ == "__main__":
    sys.exit(main_of("run", add_arguments, execute))
