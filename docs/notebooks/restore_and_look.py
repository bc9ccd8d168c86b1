# %% [markdown]
# # Restore a stack and look at what was found
#
# This page is a notebook: open `docs/notebooks/restore_and_look.py` in Jupyter (with jupytext), in VS Code
# or in PyCharm and run it cell by cell, or run it as a script. It takes half a minute.
#
# The stack is simulated, so that the truth is known. With frames of your own, replace the next cell by
# `stack = burst.read("frames.npy", white_level=4095)`.

# %%
import burst

simulated = burst.simulate("camera", level="medium", frames=16, size=64, seed=0)
stack = simulated.stack
print(stack.count, "frames of", stack.height, "x", stack.width, "px")
print("black level", stack.sensor.black_level, "DN, white level", stack.sensor.white_level, "DN")

# %% [markdown]
# ## Restore it
#
# `classical` uses no network. `turbulence`, the default, corrects its result with a trained network.
# A setting of a stage is given by the name of the stage: here the sharper three quarters of the frames
# are kept.

# %%
result = burst.restore(stack, "classical", select={"keep": 0.75}, progress=False)
print("image", result.image.shape, result.image.dtype)
for warning in result.warnings:
    print("warning:", warning)

# %%
result.show()

# %% [markdown]
# ## What was measured
#
# The noise of one frame: its variance is `shot * x + read` where the image has the linear value `x`
# (black is 0, white is 1).

# %%
print(result.noise)
print(f"standard deviation at mid grey: {result.noise.std(0.18):.4f}")

# %% [markdown]
# The weight of each frame of the stack. A frame that was left out has weight 0; `result.kept` numbers
# those that took part, and all that has an axis of frames, such as the flow, holds these alone.

# %%
print(result.weights.round(2))
print("took part:", result.kept)

# %% [markdown]
# The flow says by how many pixels each point of each frame was displaced, and the PSF how each aligned
# frame is still blurred.

# %%
print("flow [frames, (dx, dy), rows, columns]:", result.flow.shape)
print(f"displacement, rms per axis: {(result.flow**2).mean() ** 0.5:.2f} px")
print("psf [frames, rows, columns]:", result.psf.shape)

# %% [markdown]
# The report holds the numbers of each stage, with its settings and its seconds.

# %%
for entry in result.report.entries:
    print(f"{entry.stage:12} {entry.seconds:5.1f} s  {', '.join(list(entry.numbers)[:4])}")

# %% [markdown]
# ## How good is it?
#
# `burst.score` compares with the truth, in dB of PSNR among others; the plain mean of all frames is what
# anybody would try first.

# %%
for name, image in (("plain mean", burst.plain_mean(stack)), ("restored", result)):
    scores = burst.score(image, simulated)
    print(f"{name:10}  {scores.psnr:.2f} dB, SSIM {scores.ssim:.3f}")

# %% [markdown]
# ## Keep it
#
# `save` writes what `burst run` writes: the image as NPY, TIFF and PNG, the report as JSON and as a page
# for the browser, and the settings that repeat it.

# %%
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
for path in result.save(folder):
    print(path.name)

# %% [markdown]
# The written settings make the same image again, to the bit.

# %%
import numpy as np

again = burst.restore(stack, folder / "pipeline.toml", progress=False)
print("the same:", np.array_equal(again.image, result.image))
assert np.array_equal(again.image, result.image)
