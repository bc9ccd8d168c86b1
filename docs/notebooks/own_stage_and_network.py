# %% [markdown]
# # Write a stage of your own and train a small network
#
# This page is a notebook: open `docs/notebooks/own_stage_and_network.py` in Jupyter (with jupytext), in VS
# Code or in PyCharm and run it cell by cell, or run it as a script. It takes a minute or two. Training needs
# `pip install 'burst-restoration[train]'`.

# %%
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

import burst

simulated = burst.simulate("camera", level="medium", frames=12, size=64)
stack = simulated.stack

# %% [markdown]
# ## A stage
#
# A stage is anything with four parts:
#
# - `NEEDS` and `GIVES` name fields of `burst.Burst`, which is all that is known of a stack so far. They are
#   checked when the stage joins a pipeline.
# - `Config` holds the settings with their defaults. Their types and ranges are checked.
# - `run` takes a burst and returns one that knows more. It notes in the report what it found.
#
# This one sharpens the image: it adds to it what a blur takes away. `burst.image` is a torch tensor [h, w],
# linear, with black 0 and white 1.


# %%
class Sharpen:
    """Add to the image what a blur takes away from it."""

    NEEDS = ("image",)
    GIVES = ("image",)

    @dataclass(frozen=True)
    class Config:
        """How much is added, and the width of the blur in px."""

        amount: Annotated[float, Field(ge=0, le=3)] = 0.5
        width: Annotated[int, Field(ge=3)] = 5

    def run(self, burst, config):
        half = config.width // 2
        padded = torch.nn.functional.pad(burst.image[None, None], (half,) * 4, mode="reflect")
        blurred = torch.nn.functional.avg_pool2d(padded, 2 * half + 1, stride=1)[0, 0]
        detail = burst.image - blurred
        report = burst.report.note(detail=float(detail.std()))
        return replace(burst, image=burst.image + config.amount * detail, report=report)


# %% [markdown]
# It joins a pipeline at its end, or after a stage that is named by `after`. Settings follow.

# %%
pipeline = burst.load_pipeline("classical").with_stage("sharpen", Sharpen(), amount=0.3)
print([step.name for step in pipeline.steps])

result = burst.restore(stack, pipeline, progress=False)
print(result.report.numbers("sharpen"))

# %% [markdown]
# A setting out of its range, or a stage that comes too early, is refused in words.

# %%
for mistake in ({"amount": 7}, {"after": "align"}):
    try:
        burst.load_pipeline("classical").with_stage("sharpen", Sharpen(), **mistake)
    except burst.ConfigError as error:
        print(error)

# %% [markdown]
# A stage that is a file `burst/stages/sharpen.py` with these four parts, as `CONTRIBUTING.md` says, can be
# named in pipeline files as well.
#
# ## A network
#
# Training simulates stacks, restores them by the stages before the network, and has the network learn what
# is still wrong. The recipe says what is trained; settings of its tables are changed like those of stages.
# Everything here is far too small to be of use: two samples and ten steps. `docs/training.md` says what it
# takes to train a good one.

# %%
runs = Path(tempfile.mkdtemp())
networks = burst.train(
    runs / "tiny",
    "student",
    levels="low",
    samples_in=runs / "samples",
    workers=0,  # samples are made here, before training begins
    device="cpu",
    network={"width": 8, "depths": [1, 1], "prior_width": 8, "head_width": 8},
    samples={"size": 64, "frames": [4, 6], "pipeline": "classical"},
    training={
        "samples": 2, "held_out": 1, "batch": 2, "crop": 32, "steps": 10, "check_every": 5,
        "each": 0,
    },
)  # fmt: skip
network = burst.load_network(networks[0])
print(network.card.name, "learnt in", network.card.training["steps"], "steps")
print("PSNR of samples that it has not seen:", network.card.scores)

# %% [markdown]
# The stage `fuse` uses it, where its path is named.

# %%
result = burst.restore(stack, "turbulence", fuse={"checkpoint": str(networks[0])}, progress=False)
print(f"{burst.score(result, simulated).psnr:.2f} dB")
for warning in result.warnings:
    print("warning:", warning)
