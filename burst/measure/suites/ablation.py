"""What each stage is worth: the pipeline with one change, compared with the pipeline unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import torch

from burst.data.turbulence import Truth
from burst.measure.peers.oracle import displacement_of
from burst.measure.results import Record
from burst.measure.scores import score
from burst.measure.stacks import Case, simulate_case, stack_cases
from burst.measure.suite import Options, Suite
from burst.measure.tables import grouped, markdown, mean
from burst.ops.alignment.registration import aligned_mean, recentre
from burst.pipeline import Pipeline, Step, load, run_step
from burst.records import Burst, given

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Variant:
    """One change: overrides, in which "{d_over_r0}" is the true value; stages left out; stages
    whose result the truth replaces; the image of the burst that is scored."""

    name: str
    settings: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    image: Callable[[Burst], torch.Tensor | None] = lambda burst: burst.image


VARIANTS = (
    Variant(AS_IT_IS),
    Variant("select: all frames weigh the same", ("select.emphasis=0",)),
    Variant("align: to a key frame", ("align.reference=key",)),
    Variant("align: displacement known", known=("align",)),
    Variant("row_motion: left out", without=("row_motion",)),
    Variant("blur: D/r0 known", ("blur.d_over_r0={d_over_r0}",)),
    Variant("blur: PSF known", known=("blur",)),
    Variant("align, blur: displacement and PSF known", known=("align", "blur")),
    Variant("deconvolve: half the prior", ("deconvolve.strength=0.5",)),
    Variant("deconvolve: twice the prior", ("deconvolve.strength=2",)),
    Variant("deconvolve: left out", image=lambda burst: burst.merged),
)
OF_NETWORK = (
    Variant("fuse: left out", without=("fuse",)),
    Variant("fuse: prior by the encoder", ("fuse.prior=encoder",)),
    Variant("fuse: prior by diffusion", ("fuse.prior=diffusion",)),
    Variant("fuse: without the ensemble", ("fuse.ensemble=1",)),
)


def measure(options: Options, variants: Sequence[Variant], case: Case) -> Record:
    """Simulate a case and score every variant of the pipeline on it."""
    simulated, _ = simulate_case(case)
    truth = simulated.truth
    runner = _Runner(Burst(simulated.stack))
    scores = {}
    for variant in variants:
        pipeline = _pipeline(options, variant, truth)
        image = variant.image(runner.run(pipeline, truth, variant.known))
        scores[variant.name] = asdict(score(given(image), truth.scene))
    return {"variants": scores}


def _pipeline(options: Options, variant: Variant, truth: Truth) -> Pipeline:
    known = {"d_over_r0": truth.conditions.d_over_r0}
    settings = [assignment.format(**known) for assignment in variant.settings]
    pipeline = load(options.pipeline, (*options.settings, *settings))
    steps = tuple(step for step in pipeline.steps if step.name not in variant.without)
    return replace(pipeline, steps=steps)


@dataclass(frozen=True)
class _Runner:
    """Runs variants of a pipeline on a burst; `after` holds what the stages of the first one made,
    by the steps up to there."""

    start: Burst
    after: dict[tuple[Step, ...], Burst] = field(default_factory=dict)

    def run(self, pipeline: Pipeline, truth: Truth, known: Sequence[str]) -> Burst:
        """Run a pipeline; after the stages in `known` the truth replaces the estimate."""
        burst, shared, first = self.start, True, not self.after and not known
        for number, step in enumerate(pipeline.steps, start=1):
            steps = pipeline.steps[:number]
            shared = shared and steps in self.after and step.name not in known
            burst = self.after[steps] if shared else run_step(step, burst)
            if step.name in known:
                burst = TRUTHS[step.name](burst, truth)
            if first:
                self.after[steps] = burst
        return burst


def _with_true_flow(burst: Burst, truth: Truth) -> Burst:
    """Put in the true displacements, less their mean over the frames, which no stack holds."""
    linear, weights = given(burst.linear), given(burst.weights)
    flow = recentre(displacement_of(burst, truth))
    return replace(burst, flow=flow, merged=aligned_mean(linear, flow, weights))


TRUTHS: Mapping[str, Callable[[Burst, Truth], Burst]] = {
    "align": _with_true_flow,
    "blur": lambda burst, truth: replace(burst, psf=truth.of_frames(burst.kept).psf),
}


def gains(records: Sequence[Record]) -> Mapping[str, float]:
    """Return the mean PSNR without warp (dB) of each variant over that of no change."""
    figure = "psnr_without_warp"
    return {
        name: mean(r["variants"][name][figure] - r["variants"][AS_IT_IS][figure] for r in records)
        for name in records[0]["variants"]
    }


def _table(records: Sequence[Record]) -> str:
    groups = {level: gains(group) for level, group in grouped(records, "level").items()}
    names = list(next(iter(groups.values())))
    rows = [[name, *(f"{group[name]:+.2f}" for group in groups.values())] for name in names]
    return markdown(["change, and what it does to PSNR without warp, dB", *groups], rows)


def _bench(options: Options) -> Callable[[Case], Record]:
    stages = {step.name for step in options.load().steps}
    return partial(measure, options, VARIANTS + (OF_NETWORK if "fuse" in stages else ()))


SUITE = Suite(
    title="What each stage is worth",
    cases=stack_cases,
    measure=_bench,
    table=_table,
)
