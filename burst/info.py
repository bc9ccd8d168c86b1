"""Show versions, device, and which pipelines and checkpoints are found."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from burst.about import __version__
from burst.command import Exit, main_of, positive
from burst.config import find_pipeline, names_in
from burst.files.digest import file_digest
from burst.lazy import torch
from burst.machine import available_memory, cpu_count, library_version
from burst.models import compute_cost as models_compute_cost
from burst.network import checkpoint
from burst.network.card import card_text
from burst.pipeline import Step, load
from burst.settings import ConfigError, settings_of

LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "opencv-python-headless", "rawpy")


WIDTH, INDENT = 96, "      "  # of the list of settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst info`."""
    parser.add_argument(
        "--pipeline", metavar="NAME|FILE",
        help="list every setting of every stage: its value, unit, what may stand there, and what"
        " it does",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", metavar="NAME", help="print the card of one checkpoint, by name or path"
    )
    parser.add_argument(
        "--size", nargs=2, type=positive, metavar=("H", "W"),
        help="with --checkpoint: count what the network computes for an image of H x W",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute(args: argparse.Namespace) -> int:
    """Print what is asked for; CheckpointError for a checkpoint that is missing or broken."""
    if args.pipeline:
        steps = load(args.pipeline).steps
        if args.json:
            print(json.dumps({step.name: _as_rows(step) for step in steps}, indent=1))
        else:
            print(_pipeline_text(args.pipeline, steps))
        return Exit.DONE
    if args.size and not args.checkpoint:
        raise ConfigError("--size: expected --checkpoint with it, found none. Pass --checkpoint.")
    work = _work(args.checkpoint, *args.size) if args.size else {}
    if args.checkpoint and not args.json:
        print(_card(args.checkpoint))
        if work:
            print(_as_text(work))
        return Exit.DONE
    facts = _facts() if args.checkpoint is None else _facts_of(checkpoint.find(args.checkpoint))
    print(json.dumps({**facts, **work}, indent=1) if args.json else _as_text(facts))
    return Exit.DONE


def _facts() -> dict[str, Any]:
    free = available_memory()
    return {
        "burst": __version__,
        "python": platform.python_version(),
        "libraries": {name: library_version(name) for name in LIBRARIES},
        "device": _device(),
        "processors": cpu_count(),
        "free memory": "unknown" if free is None else f"{free / 1e9:.1f} GB",
        # The first folder of the search wins.
        "pipelines": {name: str(find_pipeline(name)) for name in names_in("pipelines")},
        "checkpoints": {str(path): file_digest(path) for path in checkpoint.all_checkpoints()},
        "looked for checkpoints in": [str(folder) for folder in checkpoint.checkpoint_folders()],
    }


def _facts_of(path: Path) -> dict[str, Any]:
    return {"file": str(path), "sha256": file_digest(path), **checkpoint.inspect(path)}


def _card(name: str) -> str:
    """Return the card of a checkpoint, with the file it stands for; no weight is read."""
    path = checkpoint.find(name)
    card = card_text(checkpoint.read_card(path))
    return f"{card}\nfile: {path}\nsha256: {file_digest(path)}"


def _work(name: str, height: int, width: int) -> dict[str, Any]:
    """Return what a network computes for an image; a MAC is a multiplication with addition."""
    work = models_compute_cost.compute_cost(
        checkpoint.read_card(checkpoint.find(name)).spec, height, width
    )
    counted = {
        "image": f"{height} x {width}",
        "weights": work.weights,
        "GMAC of the restorer": round(work.restorer / 1e9, 2),
        "GMAC of the prior": round(work.prior / 1e9, 2),
    }
    return {"computes": counted}


def _device() -> str:
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return f"cpu ({torch.get_num_threads()} threads)"


def _pipeline_text(name: str, steps: Sequence[Step]) -> str:
    """Return all settings of a pipeline, as `--set` takes them, with what each does."""
    lines = [f"{find_pipeline(name)}: {', '.join(step.name for step in steps)}"]
    for step in steps:
        does = (step.stage.__doc__ or "").strip().partition("\n")[0]
        lines += ["", f"{step.name}: {does}"]
        for row in _as_rows(step):
            lines.append(f"  {step.name}.{row['name']}={_toml(row['value'])}")
            said = [row["unit"], row["allowed"], _default(row)]
            words = f"{row['help']} ({'; '.join(filter(None, said))})"
            lines += textwrap.wrap(words, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return "\n".join(lines)


def _as_rows(step: Step) -> list[dict[str, Any]]:
    return [
        {**asdict(one), "value": getattr(step.config, one.name)}
        for one in settings_of(type(step.config))
    ]


def _default(row: Mapping[str, Any]) -> str:
    """Return the default as text where the pipeline sets another value."""
    if row["value"] == row["default"]:
        return ""
    return "no default" if row["default"] is None else f"default {_toml(row['default'])}"


def _toml(value: Any) -> str:
    """Write a value as it is typed after `--set`."""
    return value if isinstance(value, str) else json.dumps(value)


def _as_text(facts: dict[str, Any]) -> str:
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {name}: {item}" for name, item in value.items())]
        elif isinstance(value, list):
            lines += [f"{key}:", *(f"  {item}" for item in value)]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main_of("info", add_arguments, execute))
