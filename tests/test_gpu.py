"""Everything runs on a GPU as on the CPU: on a pretend one here, on a real one by `make gpu`."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from pretend import Far, near, pretend
from rolled import recording, reset_recording
from simulated import camera_scene, planet_stack, stack_of
from training_toys import SMALL

from burst.config import search_path
from burst.data.handheld import simulate_handheld
from burst.data.levels import find_level
from burst.data.recording import Recording, record
from burst.data.samples.turbulence import SampleKey, make_sample
from burst.data.scenes import read_scene
from burst.data.things import pass_through
from burst.data.turbulence import Truth, simulate
from burst.jobs.restore import Job
from burst.jobs.restore import restore as restore_job
from burst.machine import devices_of
from burst.network.inputs import prepare, restore
from burst.network.preparation import Preparation
from burst.ops.blocks import BlockTensor
from burst.pipeline import load
from burst.records import Burst, Shutter, StackError
from burst.settings import ConfigError

PIPELINES = {
    "planet": lambda: planet_stack(drift=40.0).stack,
    "turbulence": lambda: stack_of("medium", 96, 12).stack,
    "handheld": lambda: simulate_handheld(camera_scene()[None, :220, :220], 400, 4).stack,
    "classical": lambda: stack_of("high", 96, 12).stack,
    "rolling": lambda: recording(Shutter.ROLLING).luminance(),
    "rolling_geometry": lambda: recording(Shutter.ROLLING).luminance(),
    "dual_reversed": lambda: recording(Shutter.DUAL_REVERSED).luminance(),
    "dual_reversed_geometry": lambda: recording(Shutter.DUAL_REVERSED).luminance(),
    "global_reset": lambda: reset_recording(2).luminance(),
    "global_reset_geometry": lambda: reset_recording(2).luminance(),
}


def test_every_pipeline_is_tried():
    files = {path.stem for folder in search_path("pipelines") for path in folder.glob("*.toml")}
    assert files - {"levels"} == set(PIPELINES)


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_gives_the_image_of_the_cpu(name):
    stack, pipeline = PIPELINES[name](), load(name)
    here = pipeline.run(Burst(stack))
    with pretend():
        there = pipeline.run(Burst(stack, "cuda"))
        assert there.image.device.type == "cuda"
    # Sums over frames are split otherwise.
    torch.testing.assert_close(near(there.image), here.image, rtol=0, atol=1e-5)
    assert [entry.numbers.keys() for entry in there.report.entries] == [
        entry.numbers.keys() for entry in here.report.entries
    ]
    assert there.report.warnings == here.report.warnings


def test_frames_that_are_read_block_by_block_go_to_the_gpu():
    stack, pipeline = stack_of("medium", 64, 8).stack, load("classical")
    here = pipeline.run(Burst(stack))
    with pretend():
        there = pipeline.run(Burst(stack, "cuda", memory=1_000_000))
        assert isinstance(there.linear, BlockTensor)
        assert there.linear.device.type == there.image.device.type == "cuda"
    torch.testing.assert_close(near(there.image), here.image, rtol=0, atol=1e-4)


def test_frames_and_all_that_is_made_of_them_stay_on_the_gpu():
    stack = stack_of("medium", 96, 12).stack
    with pretend():
        burst = load("turbulence").run(Burst(stack, "cuda"))
    tensors = {f.name: getattr(burst, f.name) for f in fields(Burst)}
    here = [n for n, t in tensors.items() if isinstance(t, torch.Tensor) and not isinstance(t, Far)]
    assert here == []


@pytest.mark.parametrize("name", ["turbulence", "rolling"])
def test_apple_s_gpus_do_without_64_bits(name):
    stack, pipeline = PIPELINES[name](), load(name)
    here = pipeline.run(Burst(stack))
    with pretend("mps"):
        there = pipeline.run(Burst(stack, "mps"))
        assert there.image.device.type == "mps"
    torch.testing.assert_close(near(there.image), here.image, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_what_moves_is_shown_alike(kind):
    scene = camera_scene()[180:308, 180:308]
    scenes, _ = pass_through(scene, read_scene("grass"), 16, 1.5, 12)
    conditions, generator = find_level("low").point(), torch.Generator().manual_seed(5)
    stack = simulate(scenes, conditions, generator, 12, (96, 96)).stack
    here = load("turbulence").run(Burst(stack))
    with pretend(kind):
        there = load("turbulence").run(Burst(stack, kind))
    assert torch.equal(near(there.moving.mask), here.moving.mask)
    torch.testing.assert_close(near(there.image), here.image, rtol=0, atol=1e-3)


def test_64_bits_on_apple_s_gpus_are_found():
    with pretend("mps"), pytest.raises(TypeError, match="float64"):
        torch.zeros(2, dtype=torch.float64, device="mps")


def test_a_tensor_left_on_the_host_is_found():
    with pretend(), pytest.raises(RuntimeError, match="same device"):
        torch.ones(3, device="cuda") + torch.ones(3)


def test_a_default_device_is_found():
    with pretend(), pytest.raises(AssertionError, match="default device"):
        torch.set_default_device("cuda")


def test_a_run_writes_the_files_of_the_cpu_and_goes_on_from_kept_stages(tmp_path):
    np.save(tmp_path / "a.npy", stack_of("medium", 96, 12).stack.frames)
    job = Job(tmp_path / "a.npy", tmp_path / "cpu", "classical")
    restore_job(job, lambda *_: None)
    with pretend():
        far = replace(job, folder=tmp_path / "gpu", device="cuda", keep_stages=True)
        restore_job(replace(far, until="blur"), lambda *_: None)
        done = []
        restore_job(replace(far, resume=True), lambda _, stage, __: done.append(stage))
    assert done == ["deconvolve"]
    images = [np.load(tmp_path / place / "restored.npy") for place in ("cpu", "gpu")]
    np.testing.assert_allclose(*images, rtol=0, atol=1e-5)
    assert "--device cuda" in (tmp_path / "gpu" / "pipeline.toml").read_text("utf-8")


def test_the_simulator_draws_on_the_gpu():
    conditions = find_level("high").point()

    def drawn(device):
        generator = torch.Generator(device).manual_seed(3)
        return simulate(camera_scene(), conditions, generator, 4, (64, 64))

    here = drawn("cpu")
    with pretend():
        there = drawn("cuda")
    # Air that is summed in another order may round a value to the next number.
    assert np.abs(here.stack.frames.astype(int) - there.stack.frames).max() <= 1
    for f in fields(Truth):
        value, far = getattr(here.truth, f.name), getattr(there.truth, f.name)
        assert not isinstance(value, torch.Tensor) or torch.allclose(near(far), value, atol=1e-4), (
            f.name
        )


def test_layers_of_air_are_drawn_on_the_gpu():
    recording = Recording("telescope", pixel=1.0, exposure=0.5, display=True, enlarge=1.2)
    conditions = find_level("low").point()

    def drawn(device):
        generator = torch.Generator(device).manual_seed(3)
        return record(recording, camera_scene(), conditions, 3, 48, generator)

    here = drawn("cpu")
    with pretend():
        there = drawn("cuda")
    assert np.abs(here.stack.frames.astype(int) - there.stack.frames).max() <= 1
    for name in ("flow", "psf", "noiseless"):
        value, far = getattr(here.truth, name), getattr(there.truth, name)
        assert isinstance(far, Far)
        torch.testing.assert_close(near(far), value, rtol=0, atol=1e-4)


def test_evidence_of_a_network_is_made_and_undone_on_the_gpu():
    stack = stack_of("medium", 96, 12).stack
    with pretend():
        burst = load("classical").run(Burst(stack, "cuda"))
        evidence = prepare(burst, Preparation())
        assert evidence.planes.device.type == evidence.scalars.device.type == "cuda"
        undone = restore(evidence.base, evidence)
    torch.testing.assert_close(near(undone), near(burst.image), rtol=1e-5, atol=1e-6)


def test_a_sample_is_made_on_the_gpu():
    key = SampleKey("low", 0)
    here = make_sample(key, SMALL, [["camera"]])
    with pretend():
        there = make_sample(key, SMALL, [["camera"]], "cuda")
    for name in ("planes", "scalars", "base", "truth"):
        far = getattr(there, name)
        assert far.device.type == "cuda" or isinstance(far, Far)
        assert near(far).shape == getattr(here, name).shape
        assert torch.isfinite(near(far)).all()


@pytest.fixture
def full_gpu(monkeypatch):
    """Have the GPU run out of memory in alignment."""
    from burst.stages import align

    run = align.run

    def fails(burst, config):
        if burst.device == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return run(burst, config)

    monkeypatch.setattr(align, "run", fails)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (10**9, 16 * 10**9))


def test_the_cpu_goes_on_where_a_gpu_is_full(tmp_path, full_gpu, caplog):
    np.save(tmp_path / "a.npy", stack_of("medium", 96, 12).stack.frames)
    job = Job(tmp_path / "a.npy", tmp_path / "out", "classical", device="cuda", fallback="cpu")
    with pretend():
        restore_job(job, lambda *_: None)
    assert "found one of 16.0 GB that ran out of it. The CPU goes on" in caplog.text
    assert "--device cpu" in (tmp_path / "out" / "pipeline.toml").read_text("utf-8")


def test_a_full_gpu_that_was_asked_for_is_told(tmp_path, full_gpu):
    np.save(tmp_path / "a.npy", stack_of("medium", 96, 12).stack.frames)
    job = Job(tmp_path / "a.npy", tmp_path / "out", "classical", device="cuda")
    with pretend(), pytest.raises(StackError, match=r"about 0\.0 GB .* Pass --device cpu"):
        restore_job(job, lambda *_: None)


def test_auto_has_the_cpu_to_spare():
    with pretend():
        assert devices_of("auto") == ("cuda", "cpu")
        assert devices_of("cuda") == ("cuda", None)
        assert devices_of("mps") == ("mps", None)
    assert devices_of("cpu") == ("cpu", None)
    with pytest.raises(ConfigError, match="expected an Apple GPU"):
        devices_of("mps")


def test_a_planet_is_restored_on_a_gpu_as_on_the_cpu():
    said = ["rotate.period=9.925", "deconvolve.scale=1.5", "select.keep=0.5"]
    pipeline, stack = load("planet", said), planet_stack(drift=40.0).stack
    here = pipeline.run(Burst(stack)).image
    with pretend():
        there = near(pipeline.run(Burst(stack, "cuda:0")).image)
    torch.testing.assert_close(there, here, atol=1e-4, rtol=0)
