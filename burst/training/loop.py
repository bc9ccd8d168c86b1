"""The training loop: draw a batch, take a step, and at intervals check, log and save."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from burst.data.samples.draws import generator_of
from burst.data.samples.turbulence import SampleKey
from burst.machine import repeating_gradients
from burst.models.restorer import Restorer
from burst.progress import advance, part
from burst.training.batches import Pool
from burst.training.board import TensorBoardLog
from burst.training.calibration import calibrate, train_deviation_alone
from burst.training.checks import CheckedSample, check, mean_gain, with_parent_scores
from burst.training.gradients import Gradients, make_gradients
from burst.training.helpers import TICKS, make_average, make_scheduler
from burst.training.losses import Objective, as_numbers, choose_source, draw_noise
from burst.training.pairs import CycleObjective, PairPool
from burst.training.ranks import Ranks
from burst.training.recipe import Training
from burst.training.run import Run, State
from burst.training.workers import Workers, as_time

FIRST_SAMPLES = 4  # samples of each level that have to be made before training begins
LOSS_EVERY = 20  # steps between two checks of the loss
LOG_EVERY = 20.0  # seconds between two lines of progress
SAVE_EVERY = 60.0  # seconds
WORST = -3.0  # dB; training stops where the image is worse than the classical one by more

Scores = dict[str, dict[str, float]]


class TrainingError(RuntimeError):
    """Training that cannot go on."""


@dataclass
class Trainer:
    """One run: a network, its samples, its workers and its folder."""

    model: Restorer
    teacher: Restorer | None
    settings: Training
    pool: Pool
    held_out: Pool
    workers: Workers
    run: Run
    ranks: Ranks
    log: Callable[[str], None]
    step: int = 0
    seconds: float = 0.0
    scores: Scores = field(default_factory=dict)
    board: TensorBoardLog | None = None  # the first process has one
    parent: Restorer | None = None  # the network that training started from, unless a teacher
    parent_scores: Scores = field(default_factory=dict)
    compared: bool = False  # whether the times of samples and training were compared

    def __post_init__(self) -> None:
        s = self.settings
        if s.loss == "likelihood":
            train_deviation_alone(self.model)
        self.average = make_average(self.model, s.average)
        # On the CPU, fused and foreach steps round differently from machine to machine; the plain
        # one does not. On a GPU it would take as long as the rest of the step.
        self.optimizer = torch.optim.AdamW(
            [p for p in self.model.parameters() if p.requires_grad],
            s.rate,
            betas=(0.9, 0.99),
            weight_decay=s.decay,
            fused=self.ranks.on_gpu or None,
        )
        self.scheduler = make_scheduler(self.optimizer, s.warm_up)
        kind = CycleObjective if isinstance(self.pool, PairPool) else Objective
        objective = kind(self.model, self.teacher, s)
        self.gradients: Gradients = make_gradients(self.ranks.wrap(objective), self.ranks, s)
        self.logged = self.saved = time.monotonic()

    def train(self) -> Scores:
        """Train until the budget is spent and return the PSNR on the samples held out.

        TrainingError where it goes wrong; what was saved before stays.
        """
        try:
            self._begin()
            # On a GPU a fixed order would take twice as long; the card says that there is none.
            with nullcontext() if self.ranks.on_gpu else repeating_gradients():
                return self._run()
        finally:
            if self.board:
                self.board.close()

    def _run(self) -> Scores:
        started = time.monotonic() - self.seconds
        while (share := self._share()) < 1:
            parts = self._step(share)
            self.step += 1
            self.seconds = self.ranks.broadcast(time.monotonic() - started)
            advance(min(1.0, self._share()))
            last = self._share() >= 1
            check = last or self.step % self.settings.check_every == 0
            if check or self.step % LOSS_EVERY == 0:
                self._check_loss(parts)
            if check:
                self._check(last)
                self._save()
            elif self.ranks.first and time.monotonic() > self.saved + SAVE_EVERY:
                self._save()
        self.ranks.wait_for_all()
        return self.scores

    def state(self) -> State:
        """Return all that is needed to continue after this step."""
        return State(
            self.step,
            self.seconds,
            self.model.state_dict(),
            self.average.module.state_dict(),
            self.optimizer.state_dict(),
            self.scores,
        )

    def restore(self, state: State) -> None:
        """Continue from a state."""
        self.step, self.seconds, self.scores = state.step, state.seconds, state.scores
        self.model.load_state_dict(state.model)
        self.average.module.load_state_dict(state.average)
        self.optimizer.load_state_dict(state.optimizer)

    def _begin(self) -> None:
        if self.ranks.first:
            self.board = TensorBoardLog(self.run.board, self.step)
            first = [key for key in self.pool.keys if key.index < FIRST_SAMPLES]
            self._wait(first)
            if self.settings.seconds:
                self._warn_if_samples_are_slow(self.settings.seconds - self.seconds)
        self.ranks.wait_for_all()

    def _wait(self, keys: Sequence[SampleKey]) -> None:
        """Wait for samples; the progress of training stays where it is."""
        share = min(1.0, self._share())
        with part("waiting for samples", share, share):
            self.workers.wait(keys, self.log)

    def _warn_if_samples_are_slow(self, left: float) -> None:
        """Warn where samples take longer than the training that is `left`, in seconds."""
        self.compared = True
        keys = (*self.pool.keys, *self.held_out.keys)
        missing = self.workers.seconds_left(keys)
        if missing is not None and missing > left:
            self.log(
                f"samples are the wait: those that are missing take another {as_time(missing)}, and"
                f" training {as_time(left)}, most of it on few samples. Make them beforehand by"
                f" burst train --prepare-only {self.settings.samples}, with the same --images,"
                " --samples and recipe."
            )

    def _share(self) -> float:
        s = self.settings
        return self.seconds / s.seconds if s.seconds else self.step / s.steps

    def _step(self, share: float) -> dict[str, torch.Tensor]:
        s = self.settings
        self.scheduler.step_update(TICKS * share)
        # All processes take their priors from the same source, each for crops of its own.
        source = choose_source(self.model.sources, generator_of(s.seed, self.step, 0))
        generator = generator_of(s.seed, self.step, 1 + self.ranks.rank)
        batch = self.pool.draw(s.batch, s.crop, generator)
        if s.jitter:
            added = torch.randn(batch.scalars.shape, generator=generator).to(batch.scalars)
            batch = replace(batch, scalars=batch.scalars + s.jitter * added)
        images = batch.base.shape[0] * batch.base.shape[1]
        noise = draw_noise(self.model, images, source, generator)
        parts = self.gradients(batch, source, noise)
        parts["gradient"] = nn.utils.clip_grad_norm_(self.model.parameters(), s.clip)
        self.optimizer.step()
        self.average.update(self.model, step=self.step)
        return parts

    def _check_loss(self, parts: dict[str, torch.Tensor]) -> None:
        numbers = as_numbers(parts)
        for name in ("total", "gradient"):
            if not math.isfinite(numbers[name]):
                raise TrainingError(
                    f"{self.run.folder}: expected a finite {name}, found {numbers[name]} at step"
                    f" {self.step}. Look at the rate's peak in TensorBoard; lower training.rate or"
                    " training.clip, and --resume from the last state."
                )
        if self.board:
            self.board.losses(self.step, self.optimizer.param_groups[0]["lr"], numbers)
            if time.monotonic() > self.logged + LOG_EVERY:
                self.logged = time.monotonic()
                self.log(self._progress_line(numbers["image"]))
                if not self.compared:
                    self._warn_if_samples_are_slow(self._left())

    def _left(self) -> float:
        """Return the remaining seconds of training at the present pace."""
        # The last check of the samples held out may exceed the budget.
        share = min(1.0, self._share())
        return self.seconds / share * (1 - share)

    def _progress_line(self, loss: float) -> str:
        share, left = min(1.0, self._share()), as_time(self._left())
        samples = f"{len(self.pool.samples)} of {len(self.pool.keys)} samples"
        pace = self.step / self.seconds
        return (
            f"step {self.step}, {share:.0%}, loss {loss:.5f}, {pace:.2f} steps/s, {samples},"
            f" {left} left"
        )

    def _check(self, last: bool) -> None:
        """Score the samples held out in the first process, while the others wait; in the `last`
        check a deviation is calibrated with them."""
        if self.board:
            self._wait(self.held_out.keys)
            model = self.average.module
            assert isinstance(model, Restorer)
            model.eval()
            if last and self.settings.loss == "likelihood":
                factor = calibrate(model, self.held_out, self.held_out.keys)
                self.log(f"step {self.step}: deviations are multiplied by {factor:.3f}")
            scores = check(model, self.held_out, self.held_out.keys, self._show)
            self.scores = with_parent_scores(scores, self._parent_scores())
            self.board.scores(self.step, self.scores)
            self.log(f"step {self.step}: " + scores_text(self.scores))
        self.ranks.wait_for_all()
        gain = self.ranks.broadcast(mean_gain(self.scores) if self.board else 0.0)
        if not gain > WORST:
            raise TrainingError(
                f"{self.run.folder}: expected an image no worse than the classical one, found it"
                f" {-gain:.1f} dB worse at step {self.step}. Look at the pictures in TensorBoard;"
                " lower training.rate, or train for more steps."
            )

    def _parent_scores(self) -> Scores:
        """Return the scores of the network that training started from, on the same samples."""
        if self.parent is not None and not self.parent_scores:
            self.parent.eval()
            keys = self.held_out.keys
            self.parent_scores = check(self.parent, self.held_out, keys, lambda _: None)
        return self.parent_scores

    def _show(self, seen: CheckedSample) -> None:
        assert self.board
        name = f"{seen.key.noise_level}/{seen.source}: classical, network, truth"
        self.board.picture(self.step, name, [seen.base, seen.output, seen.truth])
        if seen.tokens is not None:
            self.board.priors(self.step, f"{seen.source} {seen.key.noise_level}", seen.tokens)

    def _save(self) -> None:
        if not self.board:
            return
        self.run.save_state(self.state())
        self.saved = time.monotonic()
        if self.scores:
            samples = list(self.pool.samples.values())
            self.run.save_network(self.state(), samples)


def scores_text(scores: Scores) -> str:
    """Return the scores in one line."""
    return "; ".join(
        f"{level} " + ", ".join(f"{name} {psnr:.2f}" for name, psnr in images.items()) + " dB"
        for level, images in scores.items()
    )
