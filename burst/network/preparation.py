"""Which planes and scalars a network takes, of all those of its kind of measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["turbulence", "rolling", "dual_reversed", "global_reset", "handheld"]

# The aligned frames' mean and what was made of it; means of frames grouped tile by tile by their
# sharpness; and, in encoded units, how far frames differ beyond noise and the mean's own noise.
GROUPS = ("sharp", "middle", "dull", "lucky")
EVIDENCE = ("merged", "restored", "soft", "hard", *GROUPS, "spread", "noise")

# Natural logarithms of what was measured of the whole stack, as (middle, spread) over all levels.
STANDARD = {
    "noise": (-5.0, 1.0),  # std of the merged image's noise, encoded
    "shot": (-6.5, 1.6),
    "read": (-10.0, 2.5),
    "frames": (3.9, 0.5),  # that would average noise as well
    "psf_sigma": (0.3, 0.4),  # px
    "displacement": (0.0, 0.7),  # px rms
    "row_motion": (-1.5, 0.8),  # px rms within a frame
    "misfit": (0.5, 0.6),  # variance that alignment leaves, in noise
    "strength": (1.0, 0.7),  # D/r0
}
SCALARS = tuple(STANDARD)

# Of one instant: the image that geometry made; what the nearest frames alone show, how long before
# or after, and how far that is trusted; the image displaced by half of the blur to either side;
# the length of the blur, the exposure of the row, and the image's own noise.
FRAMES = ("first", "second", "third")
SHUTTER_EVIDENCE = (
    "blended", *FRAMES,
    *(f"{name}_later" for name in FRAMES), *(f"{name}_trust" for name in FRAMES),
    "ahead", "behind", "blur", "exposure", "noise",
)  # fmt: skip
SHUTTER_STANDARD = {
    "readout_ratio": (-0.6, 0.5),
    "exposure": (-1.8, 0.8),  # frame times
    "displacement": (2.0, 1.0),  # px rms, from frame to frame
    "relative_displacement": (2.0, 1.0),  # the same where the shorter side is 320 px long
    "noise": (-4.5, 1.0),  # std of a frame at mid grey
    "frames": (1.1, 0.4),
}
SHUTTER_SCALARS = tuple(SHUTTER_STANDARD)

# Of a burst by hand, in each colour: the merged image, what `denoise` made of it, and the std of
# the noise; and the std of what is left of the noise in the mean of colours and neighbours.
COLOURS = ("red", "green", "blue")
HANDHELD_EVIDENCE = (
    *(f"{name}_{colour}" for name in ("merged", "restored", "noise") for colour in COLOURS),
    "noise_coarse",
)

LEAST = 1e-7
FARTHEST = 4.0  # standardised


def evidence_of(kind: Kind) -> tuple[str, ...]:
    """Return all planes of a kind of measurement."""
    return {"turbulence": EVIDENCE, "handheld": HANDHELD_EVIDENCE}.get(kind, SHUTTER_EVIDENCE)


def scalars_of(kind: Kind) -> tuple[str, ...]:
    """Return all scalars of a kind of measurement."""
    known: dict[Kind, tuple[str, ...]] = {"turbulence": SCALARS, "handheld": ()}
    return known.get(kind, SHUTTER_SCALARS)


@dataclass(frozen=True)
class Preparation:
    """The planes and scalars that a network was trained with, in their order."""

    evidence: tuple[str, ...] = EVIDENCE
    scalars: tuple[str, ...] = SCALARS
    kind: Kind = "turbulence"

    def __post_init__(self) -> None:
        for name, chosen, known in (
            ("evidence", self.evidence, evidence_of(self.kind)),
            ("scalars", self.scalars, scalars_of(self.kind)),
        ):
            unknown = [item for item in chosen if item not in known]
            if unknown or len(set(chosen)) != len(chosen):
                raise ValueError(
                    f"{name}: expected some of {', '.join(known)}, each once, found {chosen}."
                )
        if not self.evidence:
            raise ValueError("evidence: expected at least one plane, found none.")


def standardise(value: float | None, middle: float, spread: float) -> float:
    """Return the logarithm of a value, standardised to the order of 1; 0 if it was not measured."""
    if value is None or not math.isfinite(value):
        return 0.0
    standard = (math.log(max(value, LEAST)) - middle) / spread
    return min(max(standard, -FARTHEST), FARTHEST)
