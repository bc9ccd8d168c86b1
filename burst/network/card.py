"""The card of a checkpoint: what the network is, what it was trained on, how well it did."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from burst.models.spec import RestorerSpec
from burst.network.preparation import Kind, Preparation
from burst.records import Level
from burst.settings import setting

CORRECTS: dict[Kind, str] = {
    "turbulence": "what the classical stages restored of a stack of raw frames",
    "rolling": "images of single instants that geometry made of frames of a rolling shutter",
    "dual_reversed": "images of single instants that geometry made of dual reversed pairs",
    "global_reset": "frames of a global reset, whose rows are exposed for different times",
    "handheld": "photographs that `denoise` made of the frames of a hand-held camera",
}
Ways = Literal[1, 2, 4, 8]
PriorSetting = Annotated[
    Literal["auto", "encoder", "diffusion", "none"],
    setting("where the network's prior comes from; auto: the first that its card names"),
]
LEAST_NOISE, LEAST_DISPLACEMENT = 1e-4, 0.05  # linear, px; smaller values count as these


@dataclass(frozen=True)
class LevelRange:
    """The range of levels that a network was trained on: (low, high) of both values of a
    `Level`."""

    noise: tuple[float, float]
    displacement: tuple[float, float]

    def __post_init__(self) -> None:
        for low, high in (self.noise, self.displacement):
            if not 0 <= low <= high < math.inf:
                raise ValueError(f"expected a range from low to high, found {low} to {high}.")

    @property
    def width(self) -> float:
        """The product of both spans on logarithmic scales."""
        return math.prod(math.log(high / low) for low, high in self._bounds())

    def distance(self, level: Level) -> float:
        """Return the distance of a level from the range, on logarithmic scales; 0 inside."""
        values = (max(level.noise, LEAST_NOISE), max(level.displacement, LEAST_DISPLACEMENT))
        pairs = zip(values, self._bounds(), strict=True)
        return math.hypot(*(math.log(x / min(max(x, low), high)) for x, (low, high) in pairs))

    def overlaps(self, other: LevelRange) -> bool:
        """Return whether the two ranges have a level in common."""
        pairs = zip(self._bounds(), other._bounds(), strict=True)
        return all(own[0] <= its[1] and its[0] <= own[1] for own, its in pairs)

    def _bounds(self) -> list[tuple[float, float]]:
        limits = ((self.noise, LEAST_NOISE), (self.displacement, LEAST_DISPLACEMENT))
        return [(max(low, least), max(high, least)) for (low, high), least in limits]


@dataclass(frozen=True)
class Card:
    """The description of a network, stored in its checkpoint.

    pipeline   TOML text of the stages whose results the network was trained on
    level      of the stacks that it is chosen for
    training   recipe, steps, seconds, device, seed, data and its licences, and what else matters
    scores     what it reached, by the name of what was measured
    parent     the checkpoint that training started from
    priors     where the prior may come from; the first is used unless another is asked for
    by_name    never chosen for a stack, only used where it is named
    ranges     of the scalars in the stacks trained on, (low, high) by name; empty if not known
    """

    name: str
    spec: RestorerSpec
    preparation: Preparation
    pipeline: str
    level: LevelRange
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None
    priors: tuple[Literal["truth", "encoder", "diffusion", "none"], ...] = ("encoder",)
    by_name: bool = False
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = (self.spec.evidence, self.spec.scalars)
        given = (len(self.preparation.evidence), len(self.preparation.scalars))
        if counts != given:
            raise ValueError(
                "expected as many planes and scalars in spec as in preparation,"
                f" found {counts} and {given}."
            )
        known = self._known_priors()
        if not self.priors or not set(self.priors) <= set(known):
            raise ValueError(
                f"priors: expected some of {', '.join(known)} for this network,"
                f" found {', '.join(self.priors) or 'none named'}."
            )
        try:
            tomllib.loads(self.pipeline)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"pipeline: expected TOML, {error}.") from error

    def _known_priors(self) -> tuple[str, ...]:
        if self.spec.teacher:
            return ("truth",)
        return ("none",) if self.spec.prior == "none" else ("encoder", "diffusion", "none")


def card_text(card: Card) -> str:
    """Return the card as Markdown."""
    (quiet, loud), (calm, wild) = card.level.noise, card.level.displacement
    planes, scalars = card.preparation.evidence, card.preparation.scalars
    made_for = {
        "noise at mid grey (std, white is 1)": f"{quiet:.3g} to {loud:.3g}",
        "displacement (px rms)": f"{calm:.3g} to {wild:.3g}",
        "channels": card.spec.channels,
        "planes": ", ".join(planes),
        "scalars": ", ".join(scalars) or "none",
        **{f"{name}, standardised": f"{a:.2g} to {b:.2g}" for name, (a, b) in card.ranges.items()},
        "priors, the usual one first": ", ".join(card.priors),
        "trained from": card.parent or "nothing",
    }
    what = f"Corrects {CORRECTS[card.preparation.kind]}."
    what += " A teacher: it needs the truth." if card.spec.teacher else ""
    what += " Used only where it is named." if card.by_name else ""
    tables = (
        *_table("Made for", made_for),
        *_table("Network", asdict(card.spec)),
        *_table("Training", card.training),
        *_table("Scores", card.scores),
    )
    stages = ("## Stages before it", "", "```toml", card.pipeline.strip(), "```", "")
    return "\n".join((f"# {card.name}", "", what, "", *tables, *stages))


def _table(title: str, rows: Mapping[str, Any]) -> list[str]:
    """Return a section with a table; rows that are tables themselves make the columns."""
    if not rows:
        return []
    values, columns = {key: {"": value} for key, value in rows.items()}, [""]
    if all(isinstance(value, Mapping) for value in rows.values()):
        values = {key: dict(value) for key, value in rows.items()}
        columns = list(dict.fromkeys(name for value in rows.values() for name in value))
    lines = [_line(["", *columns]), "|---" * (len(columns) + 1) + "|"]
    lines += [_line([k, *(v.get(name, "") for name in columns)]) for k, v in values.items()]
    return [f"## {title}", "", *lines, ""]


def _line(cells: Sequence[Any]) -> str:
    return "|" + "".join(f" {text} |" if (text := _cell(cell)) else " |" for cell in cells)


def _cell(value: Any) -> str:
    """Return a value as one line of text; numbers are shortened, nested values are JSON."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(text.replace("|", "\\|").split())
