"""Numbers as text for people: the facts at the top of the page, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

TableRow = tuple[str, str]

TIMES = ("exposure_time", "row_time", "frame_time")
SUPERSCRIPTS = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)
SHORT_LIST = 6  # longer lists are summed up: all their values stand in report.json


def facts(summary: Mapping[str, Any]) -> list[TableRow]:
    """Return label and value of the main facts, as far as they are known."""
    stack, numbers = summary["stack"], {s["stage"]: s["numbers"] for s in summary["stages"]}
    level = summary["measured"]["level"] or {}

    def number(stage: str, name: str) -> float | None:
        value = numbers.get(stage, {}).get(name)
        return float(value) if isinstance(value, int | float) else None

    noise = level["noise"] if level else number("noise", "mid_grey_std")
    known: list[tuple[str, Any, Callable[[Any], str]]] = [
        ("Frames", _frames(summary), str),
        ("Size", f"{stack['width']} \N{MULTIPLICATION SIGN} {stack['height']} px", str),
        ("Noise at mid grey", noise, lambda x: f"{x:.2%} of white"),
        ("Defects of the sensor", _defects(numbers.get("noise", {})), str),
        ("Displacement", level.get("displacement"), lambda x: f"{x:.2f} px rms"),
        ("Shutter", _unrolled(summary), lambda name: name.replace("_", " ")),
        ("Turbulence D/r0", number("blur", "d_over_r0"), lambda x: f"{x:.2f}"),
        ("PSF width (std)", number("blur", "psf_sigma"), lambda x: f"{x:.2f} px"),
        ("Effective frames", number("deconvolve", "effective_frames"), lambda x: f"{x:.0f}"),
        (
            "Readout",
            number("unroll", "readout_ratio"),
            lambda x: "the whole frame time" if x == 1 else f"{x:.3g} of the frame time",
        ),
        ("PSNR", summary["truth"], _psnr),
        (
            f"Time of channel {summary['channel']}" if summary["channel"] else "Time",
            sum(s["seconds"] or 0.0 for s in summary["stages"]),
            lambda x: f"{x:.1f} s",
        ),
    ]
    return [(label, write(value)) for label, value, write in known if value is not None]


def subject(summary: Mapping[str, Any]) -> str:
    """Return a sentence on what image the report is of, and how frames are counted."""
    stack = summary["stack"]
    counted = f"Frames are counted from 0 to {stack['frames'] - 1}, as in settings."
    channel, cfa = summary["channel"], stack["sensor"]["cfa"]
    if channel is None:
        return counted
    if cfa == "mono":
        return (
            "The image is in colour. Frames and motion were found on the luminance; all other"
            f" numbers and plots are of the {channel} channel. {counted}"
        )
    return (
        f"The image is of all four planes of a colour mosaic ({cfa}). Frames and motion were found"
        f" on all samples together; all other numbers and plots are of its plane {channel}. A pixel"
        f" is two of the mosaic wide. {counted}"
    )


def origin_rows(summary: Mapping[str, Any]) -> list[TableRow]:
    """Return what made the image: version, source, seed, threads, device, checkpoint."""
    rows = [
        ("Version", f"burst {summary['version']}"),
        ("Source", summary["source"] or "not recorded"),
        ("Seed", str(summary["seed"])),
        ("Threads", str(summary["threads"])),
        ("Device", summary["device"]),
        ("Checkpoint", summary["checkpoint"] or "none: no network was used"),
        ("Files", ", ".join(summary["outputs"])),
    ]
    digest = summary["checkpoint_sha256"]
    return [*rows, ("Checkpoint SHA-256", digest)] if digest else rows


def sensor_rows(summary: Mapping[str, Any]) -> list[TableRow]:
    """Return the fields of the sensor, times in units that suit them."""
    sensor = summary["stack"]["sensor"]
    rows = dict(table_rows(sensor))
    rows |= {name: _duration(sensor[name]) for name in TIMES}
    if sensor["noise"] is None:
        rows["noise"] = "not told"
    unrolled = _unrolled(summary)
    if unrolled and unrolled != sensor["shutter"]:
        rows["shutter"] = f"{sensor['shutter']}; unrolled as {unrolled}"
    return [(name.replace("_", " "), text) for name, text in rows.items()]


def _unrolled(summary: Mapping[str, Any]) -> str | None:
    """Return the shutter whose rows were unrolled; None where none was."""
    found = (s["settings"].get("shutter") for s in summary["stages"] if s["stage"] == "unroll")
    return next(found, None)


def _duration(seconds: float) -> str:
    """Return seconds as text with a suitable unit; 0 means not known."""
    if seconds == 0:
        return "not told"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("\N{MICRO SIGN}s", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds / 1e-9:.4g} ns"


def table_rows(values: Mapping[str, Any]) -> list[TableRow]:
    """Return name and text of every value; a table within a table becomes `outer.inner`."""
    rows: list[TableRow] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and _is_repetitive(value):
            rows.append((name, _grouped_text(value)))
        elif isinstance(value, Mapping) and value:
            rows += [(f"{name}.{inner}", text) for inner, text in table_rows(value)]
        else:
            rows.append((name, value_text(value)))
    return rows


def value_text(value: Any) -> str:
    """Write a value of the report for a person; a long list as its length and range."""
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, list):
        return _list_text(value)
    return str(value)


def number_text(value: float, digits: int = 4) -> str:
    """Write a number with so many digits, a power of ten as one."""
    mantissa, e, power = f"{value:.{digits}g}".partition("e")
    if not e:
        return mantissa
    raised = str(int(power)).translate(SUPERSCRIPTS)
    return f"{mantissa} \N{MULTIPLICATION SIGN} 10{raised}"


def _is_repetitive(table: Mapping[str, Any]) -> bool:
    """Return whether a table has few different texts for many names, as the reasons of frames."""
    texts = list(table.values())
    return all(isinstance(t, str) for t in texts) and len(set(texts)) <= len(texts) / 2


def _grouped_text(table: Mapping[str, str]) -> str:
    """Return a repetitive table as each text followed by its names."""
    groups: dict[str, list[str]] = {}
    for name, text in table.items():
        groups.setdefault(text, []).append(name)
    return "; ".join(f"{text}: {', '.join(names)}" for text, names in groups.items())


def _list_text(values: list[Any]) -> str:
    if len(values) <= SHORT_LIST:
        return ", ".join(value_text(value) for value in values)
    numbers = [v for v in values if isinstance(v, int | float)]
    if not numbers:
        return f"{len(values)} values"
    return f"{len(values)} values, {value_text(min(numbers))} to {value_text(max(numbers))}"


def _frames(summary: Mapping[str, Any]) -> str:
    count, weights = summary["stack"]["frames"], summary["measured"]["weights"]
    if weights is None:
        return str(count)
    return f"{sum(w is not None and w > 0 for w in weights)} of {count} kept"


def _defects(noise: Mapping[str, Any]) -> str | None:
    """Write how many defects of each kind were found, such as "3 pixels, 1 row"; None if none."""
    counts = {kind: count for kind, count in noise.get("defects", {}).items() if count}
    texts = [f"{n} {kind if n > 1 else kind.removesuffix('s')}" for kind, n in counts.items()]
    return ", ".join(texts) or None


def _psnr(truth: list[Mapping[str, float | None]]) -> str:
    """Write the mean PSNR of frames and of images over all truths; null is no error at all."""
    means = []
    for name in ("frame_psnr", "psnr"):
        known = [value for score in truth if (value := score[name]) is not None]
        means.append(f"{sum(known) / len(known):.1f}" if known else "\N{INFINITY}")
    return f"{means[0]} \N{RIGHTWARDS ARROW} {means[1]} dB"
