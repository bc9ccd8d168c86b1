"""The specification from which a network is built; all widths follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import ge
from typing import Literal

STEM = 2  # the network works at half the image's resolution
GRID = 4  # cells along each side of a grid of priors
WIDEST, DEEPEST = 1024, 64


@dataclass(frozen=True)
class RestorerSpec:
    """A restorer of `channels` images from `evidence` planes and `scalars` numbers.

    width, depths    channels of the finest scale, doubled at each coarser one; number of blocks at
                     each scale, the last of which is the bottom of the U-net
    head_width       channels of one attention head
    prior            "vector": one prior for the image; "grid": one for each of 4 x 4 parts of it
    diffusion_steps  from noise to the prior
    teacher          the prior comes from an encoder that sees the truth
    deviation        it also says how far the corrected image may be off
    """

    evidence: int
    scalars: int
    channels: int = 1
    width: int = 32
    depths: tuple[int, ...] = (1, 1, 3)
    blocks: Literal["naf", "attention"] = "naf"
    head_width: int = 32
    prior: Literal["none", "vector", "grid"] = "vector"
    prior_width: int = 64
    diffusion_steps: int = 4
    teacher: bool = False
    deviation: bool = False

    def __post_init__(self) -> None:
        for name in ("evidence", "channels", "width", "head_width", "prior_width"):
            _check(name, getattr(self, name), 1, WIDEST)
        _check("scalars", self.scalars, 0, WIDEST)
        _check("diffusion_steps", self.diffusion_steps, 1, DEEPEST)
        _check("number of depths", len(self.depths), 1, 6)
        for depth in self.depths:
            _check("depths", depth, 0, DEEPEST)
        if self.width % min(self.head_width, self.width):
            raise ValueError(
                f"spec: expected a width that head_width {self.head_width} divides,"
                f" found {self.width}."
            )
        if self.deviation and self.channels != 1:
            raise ValueError(
                f"spec: expected one channel where a deviation is told, found {self.channels}."
            )
        if self.teacher and self.prior == "none":
            raise ValueError("spec: expected a prior for a teacher to give, found 'none'.")

    def extends(self, other: RestorerSpec) -> bool:
        """Whether this is the other network with as many or more blocks at each scale, and with a
        deviation or as the other."""
        alike = replace(self, depths=other.depths, deviation=other.deviation) == other
        deeper = len(self.depths) == len(other.depths) and all(map(ge, self.depths, other.depths))
        return alike and deeper and self.deviation >= other.deviation

    @property
    def multiple(self) -> int:
        """Height and width inside the network are multiples of this, in pixels."""
        return int(STEM * 2 ** (len(self.depths) - 1))

    @property
    def tokens(self) -> int:
        """The number of prior vectors of one image."""
        return {"none": 0, "vector": 1, "grid": GRID**2}[self.prior]


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"spec: expected {name} from {least} to {most}, found {value}.")
