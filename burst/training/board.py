"""Curves and pictures of a run for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from burst.about import optional
from burst.settings import ConfigError

Scores = Mapping[str, Mapping[str, float]]  # noise level -> image -> PSNR in dB


class TensorBoardLog:
    """What `tensorboard --logdir` shows of one run."""

    def __init__(self, folder: Path, step: int) -> None:
        board = optional("torch.utils.tensorboard", "train", ConfigError, "training")
        # Entries after the last saved state of an interrupted run are replaced.
        self.writer: Any = board.SummaryWriter(str(folder.resolve()), purge_step=step)

    def losses(self, step: int, rate: float, parts: Mapping[str, float]) -> None:
        """Add the loss, its parts, the prior's statistics and the learning rate."""
        self.writer.add_scalar("rate", rate, step)
        for name, value in parts.items():
            group = "prior" if name.startswith("prior_") else "loss"
            self.writer.add_scalar(f"{group}/{name}", value, step)

    def scores(self, step: int, scores: Scores) -> None:
        """Add the PSNR of every image on the samples held out, level by level."""
        for level, images in scores.items():
            for name, psnr in images.items():
                self.writer.add_scalar(f"psnr {level}/{name}", psnr, step)

    def picture(self, step: int, name: str, images: list[torch.Tensor]) -> None:
        """Show images [c, h, w], encoded, side by side."""
        strip = torch.cat([image.clamp(0, 1).cpu() for image in images], dim=-1)
        self.writer.add_image(name, strip, step)

    def priors(self, step: int, name: str, tokens: torch.Tensor) -> None:
        """Show how the values of prior tokens are distributed."""
        self.writer.add_histogram(f"prior/{name}", tokens.float().cpu(), step)

    def close(self) -> None:
        """Write all pending entries."""
        self.writer.close()
