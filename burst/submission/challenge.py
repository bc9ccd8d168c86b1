"""What a challenge requires: number of images, their names, size, values, and a readme."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveInt

from burst.config import find_settings, read_toml
from burst.records import StackError
from burst.settings import ConfigError, build, did_you_mean

FOLDER = "submissions/challenges"
README = "readme.txt"
SUFFIXES = (".npy", ".png")

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_IN_NAMES = ("stem", "folder")
_IN_README = ("runtime", "cpu", "extra_data", "description")

Share = Annotated[float, Field(ge=0, le=1)]


class SubmissionError(StackError):
    """Files that a challenge does not accept; one line for each fault."""


def raise_faults(path: Path, faults: Iterable[str]) -> None:
    """Raise SubmissionError where an archive has faults."""
    if lines := [f"{path}: {fault}" for fault in faults]:
        raise SubmissionError("\n".join(lines))


@dataclass(frozen=True)
class Challenge:
    """The requirements of a challenge.

    title     of the challenge
    image     name of a stack's image, with {stem} of the stack and {folder} of its folder;
              without a slash all files lie in the root of the archive
    dtype     of the values
    maximum   value of white; black is 0
    transfer  "linear" or "srgb", encoding of the values
    count     of images; None is any
    folders   names of the folders of stacks
    size      (rows, columns); None is that of the frames
    channels  1 for grey, 3 for colour
    stretch   two quantiles that become black and white; None keeps black 0 and white 1
    megabytes of the archive, at most
    readme    template of readme.txt
    """

    title: str
    image: str
    dtype: Literal["uint8", "uint16"]
    maximum: PositiveInt
    transfer: Literal["linear", "srgb"]
    count: PositiveInt | None = None
    folders: tuple[str, ...] = ()
    size: tuple[PositiveInt, PositiveInt] | None = None
    channels: Literal[1, 3] = 1
    stretch: tuple[Share, Share] | None = None
    megabytes: PositiveInt = 300
    readme: str | None = None

    @property
    def suffix(self) -> str:
        """The suffix of an image, which determines its format."""
        return PurePosixPath(self.image).suffix

    @property
    def flat(self) -> bool:
        """Whether all files lie in the root of the archive."""
        return "/" not in self.image

    def image_of(self, stem: str, folder: str) -> str:
        """Return the name of the image of a stack."""
        return self.image.replace("{stem}", stem).replace("{folder}", folder)

    def names_image(self, name: str) -> bool:
        """Return whether a file name may be that of some stack's image."""
        folder = "|".join(map(re.escape, self.folders)) or "[^/]+"
        stands_for = {"stem": "[^/]+", "folder": f"(?:{folder})"}
        parts = _PLACEHOLDER.split(self.image)
        pattern = "".join(
            stands_for[part] if i % 2 else re.escape(part) for i, part in enumerate(parts)
        )
        return re.fullmatch(pattern, name) is not None

    def readme_lines(self) -> list[str]:
        """Return how each line of the readme must begin; empty without a readme."""
        lines = (self.readme or "").strip().splitlines()
        return [line.partition("{")[0].rstrip() for line in lines]


def find_challenge(name: str) -> Path:
    """Return the file of a challenge given by path or by name; ConfigError if there is none."""
    return find_settings("challenge", name, FOLDER)


def read_challenge(path: Path) -> Challenge:
    """Read the file of a challenge; ConfigError if it is invalid."""
    challenge = build(Challenge, read_toml(path), str(path))
    _check_placeholders(f"{path} image", challenge.image, _IN_NAMES)
    _check_placeholders(f"{path} readme", challenge.readme or "", _IN_README)
    if "{stem}" not in challenge.image:
        raise ConfigError(f"{path} image: expected {{stem}} in the name, found {challenge.image}.")
    _check_place(f"{path} image", challenge.image)
    if challenge.suffix not in SUFFIXES:
        raise ConfigError(
            f"{path} image: expected a name that ends in {' or '.join(SUFFIXES)},"
            f" found {challenge.image}."
        )
    if challenge.maximum > np.iinfo(challenge.dtype).max:
        raise ConfigError(
            f"{path} maximum: expected what {challenge.dtype} holds, found {challenge.maximum}."
        )
    shares = len(challenge.folders) or 1
    if (challenge.count or 0) % shares:
        raise ConfigError(
            f"{path} count: expected equal shares for {shares} folders, found {challenge.count}."
        )
    if challenge.stretch and challenge.stretch[0] >= challenge.stretch[1]:
        raise ConfigError(
            f"{path} stretch: expected a lower and a higher quantile, found {challenge.stretch}."
        )
    return challenge


def _check_placeholders(where: str, text: str, known: tuple[str, ...]) -> None:
    for name in _PLACEHOLDER.findall(text):
        if name not in known:
            raise ConfigError(
                f"{where}: unknown placeholder {{{name}}}.{did_you_mean(name, known)}"
                f" Known are {', '.join(known)}."
            )


def _check_place(where: str, image: str) -> None:
    parts = image.split("/")
    if "\\" in image or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"{where}: expected a name inside the archive, found {image}.")
