"""Make a checkpoint of a trained network, with its card."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from burst.about import install
from burst.command import Exit, main_of, positive
from burst.lazy import torch
from burst.log import LOG
from burst.models import restorer
from burst.network.card import Card
from burst.network.checkpoint import (
    FOLDER,
    SUFFIX,
    CheckpointError,
    Loaded,
    choosable,
    load,
    read_card,
    save,
)
from burst.settings import ConfigError
from burst.training import graph as training_graph
from burst.training import run as training_run

USUAL_SIZE = 271  # px
LEAST_ALIKE = 0.5  # correlation of weights; that of networks from one parent is nearly 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `burst export`."""
    parser.add_argument("run", metavar="RUN", help="the run's folder, or a checkpoint")
    parser.add_argument("--name", required=True, help="of the checkpoint, such as turbulence-high")
    parser.add_argument(
        "--mean-with", nargs="+", default=[], metavar="RUN",
        help="take the mean of the weights of this run and others that began as the same network;"
        " one that is named twice counts twice",
    )  # fmt: skip
    parser.add_argument(
        "--half", action="store_true", help="weights of 16 bits: half the file, nearly as exact"
    )
    use = parser.add_mutually_exclusive_group()
    use.add_argument(
        "--by-name", action="store_true", default=None,
        help="never choose it for a stack by itself; it is used where it is named (default, unless"
        " it takes the place of a checkpoint of the same name that is chosen)",
    )  # fmt: skip
    use.add_argument(
        "--choose", dest="by_name", action="store_false", default=None,
        help="choose it for the stacks that it was trained on, before wider networks",
    )  # fmt: skip
    parser.add_argument("--licences", metavar="TEXT", help="of the images trained on, for the card")
    parser.add_argument(
        "--onnx", type=positive, nargs="?", const=USUAL_SIZE, metavar="PX",
        help="also write NAME.onnx, for images of PX x PX (default: %(const)s)",
    )  # fmt: skip
    parser.add_argument("--out", default=FOLDER, metavar="DIR", help="default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="only warnings and errors on stderr")


def execute(args: argparse.Namespace) -> int:
    """Write what is asked for; print its paths."""
    if Path(args.name).name != args.name or args.name.endswith(SUFFIX):
        raise ConfigError(f"--name {args.name}: expected a name without a folder or a suffix.")
    if args.onnx:
        _require_onnx()
    trained = load(training_run.network_of(args.run))
    others = [load(training_run.network_of(run)) for run in args.mean_with]
    card = _renamed(_together(trained.card, others), args)
    path = Path(args.out) / f"{args.name}{SUFFIX}"
    save(path, _mean_weights([trained, *others]), card, args.half)
    print(path)
    print(path.with_suffix(".md"))
    LOG.info("%s: %s", args.name, use_of(card))
    if args.onnx:
        graph = path.with_suffix(".onnx")
        difference = training_graph.write_graph(graph, load(path), args.onnx)
        LOG.info("%s: differs from torch by at most %.1e", graph, difference)
        print(graph)
    return Exit.DONE


def use_of(card: Card) -> str:
    """Return a sentence on the stacks for which a checkpoint is used from now on."""
    kind = card.preparation.kind
    stage = {"turbulence": "fuse", "handheld": "denoise"}.get(kind, "correct")
    named = f"used where it is named: --set {stage}.checkpoint={card.name}"
    if card.spec.teacher:
        return f"a teacher, which needs the truth; {named}"
    if kind != "turbulence":
        return named
    if card.by_name:
        return f"{named}. Pass --choose to have it chosen for stacks by itself"
    (quiet, loud), (calm, wild) = card.level.noise, card.level.displacement
    after = [
        other.name
        for other in choosable().values()
        if other.name != card.name
        and other.level.overlaps(card.level)
        and other.level.width > card.level.width
    ]
    before = f", before {', '.join(after)}" if after else ""
    return (
        f"chosen from now on for stacks with noise of {quiet:.2g} to {loud:.2g} at mid grey and"
        f" displacements of {calm:.2g} to {wild:.2g} px{before}. Pass --by-name to have it used"
        " where it is named alone"
    )


def _together(card: Card, others: Sequence[Loaded]) -> Card:
    """Return the card of the mean of networks; CheckpointError unless only weights differ."""
    if not others:
        return card
    for other in others:
        if other.card.preparation != card.preparation or not card.spec.extends(other.card.spec):
            raise CheckpointError(
                f"--mean-with {other.card.name}: expected the network and preparation of"
                f" '{card.name}', or one less deep, found {other.card.spec} from"
                f" {other.card.preparation}."
            )
    runs = [f"{o.card.name} ({o.card.training.get('steps', 'unknown')} steps)" for o in others]
    # What was scored is each network alone.
    return replace(card, training={**card.training, "mean of weights with": runs}, scores={})


def _mean_weights(networks: Sequence[Loaded]) -> dict[str, torch.Tensor]:
    """Return the mean of weights; CheckpointError where networks did not begin as the same one,
    whose mean would do nothing well. None is deeper than the first."""
    deepest = networks[0].model.state_dict()
    weights = [restorer.add_blocks(network.model.state_dict(), deepest) for network in networks]
    first, *others = (torch.cat([t.flatten() for t in w.values()]) for w in weights)
    for network, other in zip(networks[1:], others, strict=True):
        alike = float(torch.cosine_similarity(first, other, dim=0))
        if alike < LEAST_ALIKE:
            raise CheckpointError(
                f"--mean-with {network.card.name}: expected a network that began as the same,"
                f" found weights with a correlation of {alike:.2f}. Export one of the two."
            )
    return {name: torch.stack([w[name] for w in weights]).mean(0) for name in deepest}


def _renamed(card: Card, args: argparse.Namespace) -> Card:
    training = {**card.training, "bits of a weight": 16 if args.half else 32}
    if args.licences:
        training["licences"] = args.licences
    elif "licences" not in training:
        LOG.warning("%s: the card names no licences; pass --licences", args.name)
    former, by_name = Path(args.out) / f"{args.name}{SUFFIX}", args.by_name
    if by_name is None:  # as the one that it replaces
        by_name = read_card(former).by_name if former.is_file() else True
    return replace(card, name=args.name, training=training, by_name=by_name)


def _require_onnx() -> None:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--onnx: expected the packages {', '.join(missing)}, found none."
            f" Install them by {install('onnx')}."
        )


if __name__ == "__main__":
    sys.exit(main_of("export", add_arguments, execute))
