"""`import burst`: what a person gets who restores from Python."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import pydoc
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import burst
from burst import api
from burst.__main__ import main
from burst.api import restoring, simulating, training
from burst.files.sidecar import sidecar_text

EXAMPLES = [
    example
    for module in (restoring, simulating, training)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module)
]


@pytest.fixture(scope="module")
def stack():
    return burst.simulate("camera", frames=8, size=48).stack


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.examples], ids=lambda e: e.name)
def test_the_example_of_a_docstring_runs(example):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(example).failed == 0


def test_every_public_function_has_an_example():
    shown = {e.name.rpartition(".")[2] for e in EXAMPLES if e.examples}
    functions = {name for name in burst.__all__ if name.islower() and name != "stages"}
    assert functions <= shown


def test_the_package_hands_on_what_the_api_has():
    assert {*burst.__all__, *burst._MORE} == {*api.__all__, "stages"}
    assert set(api.__all__) <= set(dir(burst))
    for name in api.__all__:
        assert getattr(burst, name) is getattr(api, name)


def test_help_fits_on_a_few_screens():
    lines = pydoc.plaintext.document(burst).splitlines()
    assert len(lines) < 600
    for name in api.__all__:
        assert any(name in line for line in lines[:40]), name


def test_importing_costs_next_to_nothing():
    code = (
        "import sys, time\nstarted = time.process_time()\nimport burst\n"
        "seconds = time.process_time() - started\ndir(burst)\n"
        "heavy = {'torch', 'numpy', 'cv2', 'scipy', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert seconds < 0.1, seconds\n"
        "burst.Sensor(shutter='rolling'), burst.pipelines(), burst.load_pipeline('turbulence')\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


@pytest.mark.parametrize("name", ["simulate", "score", "train"])
def test_functions_are_not_hidden_by_the_commands_of_their_names(name):
    module = importlib.import_module(f"burst.{name}")
    assert module.add_arguments
    assert getattr(burst, name) is getattr(api, name)


def test_stages_are_listed_and_loaded_by_their_names():
    assert {"noise", "align", "deconvolve"} <= set(dir(burst.stages))
    assert burst.stages.select.Config(keep=1).keep == 1.0
    with pytest.raises(AttributeError, match=r"no stage 'selct'. Known are align"):
        _ = burst.stages.selct


def test_memory_and_files_give_the_same_bytes(stack, tmp_path):
    np.save(tmp_path / "a.npy", stack.frames)
    words = ["--pipeline", "classical", "--threads", "1", "--device", "cpu", "--quiet"]
    main(["run", "--stack", str(tmp_path / "a.npy"), "--out", str(tmp_path / "out"), *words])
    read = burst.read(tmp_path / "a.npy")
    result = burst.restore(read, "classical", device="cpu", threads=1, progress=False)
    paths = result.save(tmp_path / "saved")
    written = {path.name for path in (tmp_path / "out/a").iterdir()}
    assert {path.name for path in paths} == written
    for name in ("restored.npy", "restored.tif", "restored.png"):
        assert (tmp_path / "saved" / name).read_bytes() == (tmp_path / "out/a" / name).read_bytes()
    assert np.array_equal(np.load(tmp_path / "out/a/restored.npy"), result.image)
    one, other = (
        json.loads((tmp_path / place / "report.json").read_text()) for place in ("out/a", "saved")
    )
    assert one.keys() == other.keys()
    assert one["fingerprint"] == other["fingerprint"]
    settings = [
        (tmp_path / place / "pipeline.toml").read_text().partition("\n")[2]
        for place in ("out/a", "saved")
    ]
    assert settings[0] == settings[1] == result.settings


def test_a_mosaic_takes_the_way_of_its_planes_in_memory_and_in_files(stack, tmp_path):
    sensor = replace(stack.sensor, cfa="RGGB", noise=None, orientation=6)
    mosaic = burst.Stack(stack.frames[:, :, :44], sensor)
    result = burst.restore(mosaic, "classical", threads=1, device="cpu", progress=False)
    assert result.image.shape == (44, 48, 3)
    assert result.burst.stack.frames.shape == (8, 24, 22)
    np.save(tmp_path / "a.npy", mosaic.frames)
    (tmp_path / "a.toml").write_text(sidecar_text(sensor, None))
    read = burst.read(tmp_path / "a.npy", axis="frames-first")
    of_file = burst.restore(read, "classical", threads=1, device="cpu", progress=False)
    words = ["--pipeline", "classical", "--threads", "1", "--device", "cpu", "--quiet"]
    words += ["--axis", "frames-first", "--stack", str(tmp_path / "a.npy")]
    main(["run", *words, "--out", str(tmp_path / "out")])
    assert np.array_equal(np.load(tmp_path / "out/a/restored.npy"), result.image)
    assert np.array_equal(of_file.image, result.image)


def test_a_pipeline_that_is_run_by_hand_does_not_take_a_mosaic_for_grey(stack):
    mosaic = burst.Stack(stack.frames, replace(stack.sensor, cfa="RGGB"))
    with pytest.raises(burst.StackError, match=r"found a mosaic of RGGB\. Pass it to burst\.rest"):
        burst.load_pipeline("classical").run(burst.Burst(mosaic))


def test_the_result_of_another_stack_is_not_written_over(stack, tmp_path):
    other = replace(stack, source="other.npy")
    for seed, one in ((0, stack), (0, stack), (1, stack)):
        burst.restore(one, "classical", until="noise", seed=seed, progress=False).save(tmp_path)
    result = burst.restore(other, "classical", until="noise", progress=False, seed=2)
    with pytest.raises(burst.ConfigError, match=r"found that of simulated\. Choose another folder"):
        result.save(tmp_path)


def test_an_array_comes_with_its_sensor(stack):
    array = np.moveaxis(stack.frames, 0, -1) / 4095
    sensor = burst.Sensor(black_level=256 / 4095, white_level=1)
    result = burst.restore(array, "classical", sensor=sensor, until="noise", progress=False)
    assert result.image is None
    assert result.stack.frames.shape == stack.frames.shape
    assert result.noise is not None


def test_the_process_is_afterwards_as_before(stack):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    threads = torch.get_num_threads()
    burst.restore(stack, "classical", until="noise", threads=threads + 1, progress=False)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(1), expected)


@contextmanager
def changed_process():
    """Set for torch and NumPy what a program may set."""
    with ExitStack() as around:
        around.callback(torch.set_default_dtype, torch.get_default_dtype())
        around.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        around.enter_context(np.errstate(all="raise"))
        around.enter_context(torch.autocast("cpu", dtype=torch.bfloat16))
        around.enter_context(torch.device("meta"))
        yield


def test_what_the_process_has_set_changes_nothing(stack):
    expected = burst.restore(stack, progress=False).image
    before = dict(os.environ)
    with changed_process():
        image = burst.restore(stack, progress=False).image
        simulated = burst.simulate("camera", frames=8, size=48).stack
        burst.score(image, image)
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_default_device().type == "meta"
        assert np.geterr()["under"] == "raise"
    assert np.array_equal(image, expected)
    assert np.array_equal(simulated.frames, stack.frames)
    assert dict(os.environ) == before


def test_threads_that_restore_at_once_do_not_disturb_one_another(stack):
    class Draw:
        """Draw a random image, so that a change of its seed meanwhile is seen."""

        NEEDS, GIVES = ("stack",), ("image",)

        @dataclass(frozen=True)
        class Config:
            pass

        def run(self, known, config):
            rows = []
            for _ in range(20):
                rows.append(torch.rand(48))
                time.sleep(0.001)
            return replace(known, image=torch.stack(rows))

    pipeline = burst.load_pipeline("classical").until("noise").with_stage("draw", Draw())

    def image(seed):
        return burst.restore(stack, pipeline, seed=seed, threads=1, progress=False).image

    expected = [image(seed) for seed in range(4)]
    torch.manual_seed(7)
    state = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(image, range(4)))
    assert all(map(np.array_equal, found, expected))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "given",
    [
        lambda frames: torch.from_numpy(frames.astype(np.float64)).requires_grad_(),
        lambda frames: torch.from_numpy((frames >> 4).astype(np.float32)).bfloat16() * 16,
        lambda frames: list(frames),
        lambda frames: frames.tolist(),
        lambda frames: np.asfortranarray(frames.astype(">f4")),
        lambda frames: frames[:, ::-1, ::-1].copy()[:, ::-1, ::-1],
        lambda frames: frames[:, None],
        lambda frames: frames[None, ..., None],
    ],
)
def test_numbers_of_any_kind_are_the_same_stack(stack, given):
    frames = stack.frames >> 4 << 4
    sensor = burst.Sensor(white_level=4095)
    found = burst.read(given(frames), sensor=sensor).frames
    assert np.array_equal(found, burst.read(frames, sensor=sensor).frames)


def test_masked_values_are_not_measured(stack):
    frames = np.ma.masked_greater(stack.frames, 3000)
    frames.data[0, :4] = 65535
    frames[0, :4] = np.ma.masked
    read = burst.read(frames, sensor=stack.sensor)
    assert not read.measured[0, :4].any()
    assert read.frames.max() <= 3000


def test_what_was_found_is_there_in_numbers(stack):
    result = burst.restore(stack, "classical", select={"keep": 0.5}, progress=False)
    assert result.weights.shape == (8,)
    assert (result.weights > 0).sum() == len(result.kept) == len(result.flow) == 4
    assert result.flow.shape[1:] == (2, 48, 48)
    assert result.level.displacement > 0
    assert result.image.dtype == np.float32


def test_a_result_is_drawn(stack):
    import matplotlib.pyplot as plt

    result = burst.restore(stack, "classical", progress=False)
    figure = result.figure()
    assert [axis.get_title() for axis in figure.axes if axis.get_visible()] == [
        "frame 5 of 8", "restored", "weight of each frame", "mean PSF, px",
    ]  # fmt: skip
    plt.close(figure)
    result.show()
    plt.close("all")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"stack": 3}, "StackError", "expected a Stack, a path, an array, a tensor.* found a int"),
        ({"stack": [np.zeros((20, 20)), np.zeros((9, 20))]}, "StackError", "frames of one size"),
        ({"stack": "nowhere.npy"}, "StackError", "nowhere.npy: expected a file or folder"),
        ({"stack": np.zeros((20, 20))}, "StackError", "expected three axes"),
        ({"stack": np.zeros((20, 20, 20))}, "StackError", 'Pass axis="frames-first" or axis="fra'),
        ({"stack": np.full((9, 20, 20), 5e3)}, "StackError", "Pass white_level=8191"),
        ({"pipeline": "turbulance"}, "ConfigError", "Did you mean 'turbulence'"),
        ({"selct": {"keep": 1}}, "ConfigError", "selct: no such stage .*Did you mean 'select'"),
        ({"select": {"keep": 7}}, "ConfigError", "keep: expected less than or equal to 1"),
        ({"select": 7}, "ConfigError", "select: expected its settings as"),
        ({"device": "gpu"}, "ConfigError", "device: expected one of auto, cpu, cuda, mps"),
        ({"until": "algn"}, "ConfigError", "'algn': no such stage .*Did you mean 'align'"),
        ({"threads": 0}, "ConfigError", "Execution threads: expected greater than or equal to 1"),
        ({"threads": 1.5}, "ConfigError", "threads: expected"),
        ({"seed": "a"}, "ConfigError", "seed: expected an integer, found 'a'"),
        ({"seed": 2**70}, "ConfigError", "seed: expected"),
        ({"memory": "2G"}, "ConfigError", "memory: expected"),
        ({"device": None}, "ConfigError", "device: expected one of .* found 'None'"),
        ({"until": 3}, "ConfigError", "'3': no such stage"),
        ({"pipeline": None}, "ConfigError", 'pipeline="None": expected one of'),
        ({"sensor": burst.Sensor()}, "StackError", "sensor: expected it with an array"),
    ],
)
def test_mistakes_are_told_in_words(stack, wrong, error, message):
    words = {"stack": stack, "pipeline": "classical", "progress": False, **wrong}
    with pytest.raises(getattr(burst, error), match=message):
        burst.restore(words.pop("stack"), **words)


def test_frames_along_the_last_axis_of_a_stack_are_found():
    frames = np.zeros((64, 64, 8), np.uint16)
    with pytest.raises(burst.StackError, match=r"looks like \(h, w, n\)"):
        burst.restore(burst.Stack(frames, burst.Sensor()), progress=False)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((8, 4, 5), np.uint16), "expected frames of at least 16 x 16 pixels, found 4 x 5"),
        (np.full((8, 20, 24), 5000, np.uint16), "found a maximum of 5000. Pass white_level="),
    ],
)
def test_a_stack_that_no_file_could_hold_is_refused(frames, message):
    with pytest.raises(burst.StackError, match=message):
        burst.restore(burst.Stack(frames, burst.Sensor()), "classical", progress=False)


def test_a_stage_of_one_s_own_joins_a_pipeline(stack):
    class Darken:
        """Darken the image by a factor."""

        NEEDS = ("image",)
        GIVES = ("image",)

        @dataclass(frozen=True)
        class Config:
            factor: float = 0.5

        def run(self, known, config):
            report = known.report.note(factor=config.factor)
            return replace(known, image=known.image * config.factor, report=report)

    pipeline = burst.load_pipeline("classical")
    darker = pipeline.with_stage("darken", Darken(), factor=0.25)
    one, other = (burst.restore(stack, p, progress=False) for p in (pipeline, darker))
    np.testing.assert_allclose(other.image, one.image * 0.25, rtol=1e-6)
    assert other.report.numbers("darken") == {"factor": 0.25}
    with pytest.raises(burst.ConfigError, match="'darken' needs 'image'"):
        pipeline.with_stage("darken", Darken(), after="align")
    with pytest.raises(burst.ConfigError, match="unknown key 'facto'"):
        pipeline.with_stage("darken", Darken(), facto=1)


def test_settings_of_a_loaded_pipeline_can_be_changed():
    pipeline = burst.load_pipeline("classical", blur={"size": 21})
    changed = burst.load_pipeline(pipeline, select=burst.stages.select.Config(keep=0.5))
    settings = {step.name: step.config for step in changed.steps}
    assert (settings["blur"].size, settings["select"].keep) == (21, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda image: burst.score(np.full_like(image, np.nan), image), "image: .* finite numbers"),
        (lambda image: burst.score("a.npy", image), "image: expected a grey image"),
        (lambda image: burst.score(image[:40], image), "^truth=?: expected a scene of"),
        (lambda image: burst.simulate(frames=2.5), r"frames 2\.5, size 271: expected at least 2"),
        (lambda image: burst.simulate("nope"), '^image="nope": expected a file or one of'),
    ],
)
def test_mistakes_of_a_simulation_and_a_score_are_told_in_words(stack, call, message):
    with pytest.raises((burst.StackError, burst.ConfigError), match=message):
        call(burst.plain_mean(stack))


def test_a_result_that_cannot_be_written_is_told(stack, tmp_path):
    (tmp_path / "file").write_text("")
    result = burst.restore(stack, "classical", until="noise", progress=False)
    with pytest.raises(burst.WriteError, match=r"file/.*: expected to write it"):
        result.save(tmp_path / "file")


def test_a_score_takes_what_is_at_hand(stack):
    simulated = burst.simulate("camera", frames=8, size=48)
    scene = simulated.truth.scene
    assert burst.score(scene.numpy(), simulated).ssim == pytest.approx(1)
    assert burst.score(scene, simulated.truth).ssim == pytest.approx(1)
    with pytest.raises(burst.StackError, match=r"image: expected a grey image \(h, w\)"):
        burst.score(np.zeros((3, 4, 5)), simulated)


def test_gaps_of_an_array_are_those_of_a_file(tmp_path):
    frames = np.random.default_rng(0).uniform(0.2, 0.8, (8, 20, 20))
    frames[2, 5:8, 6] = np.nan
    np.save(tmp_path / "a.npy", frames)
    one, other = burst.read(frames), burst.read(tmp_path / "a.npy")
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.measured, other.measured)
    assert not one.measured[2, 5:8, 6].any()
