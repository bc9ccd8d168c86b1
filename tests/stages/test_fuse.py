"""The network corrects the classical result, says what it was, and never runs unasked."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from jsonschema import validate
from networks import PREPARATION, TINY, WIDE, lively, tiny_card, write_checkpoint
from simulated import after, stack_of

from burst.__main__ import main
from burst.files.digest import file_digest
from burst.models.restorer import Restorer
from burst.network.apply import correct, familiarity, load_once
from burst.network.card import LevelRange
from burst.network.checkpoint import CheckpointError, save
from burst.network.inputs import deconvolved, prepare, restore
from burst.network.preparation import Preparation
from burst.pipeline import Step, load, run_step
from burst.records import FIELDS, Burst, Level
from burst.report.summary import SCHEMA_FILE
from burst.stages import fuse

FUSE = "fuse.checkpoint={}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the only folder in which checkpoints are found."""
    monkeypatch.setattr(
        "burst.network.checkpoint.search_path", lambda *names: [tmp_path / "checkpoints"]
    )
    return tmp_path / "checkpoints"


def run(**settings: object) -> Burst:
    """Run the stage on the 192x192 medium stack."""
    return run_step(Step("fuse", fuse, fuse.Config(**settings)), after("deconvolve"))


def test_a_network_that_knows_nothing_yet_changes_nothing(folder):
    save(folder / "new.safetensors", Restorer(tiny_card().spec).state_dict(), tiny_card("new"))
    torch.testing.assert_close(run().image, after("deconvolve").image, atol=1e-6, rtol=1e-5)


def test_it_changes_the_image_and_nothing_else(folder):
    write_checkpoint(folder)
    given, result = after("deconvolve"), run()
    changed = [f for f in FIELDS if getattr(result, f) is not getattr(given, f)]
    assert changed == ["image", "correction"]
    assert result.image.shape == (192, 192)
    assert bool(result.image.isfinite().all())
    assert not torch.allclose(result.image, given.image)
    assert not result.image.requires_grad


def test_what_it_needs_is_enough(folder):
    write_checkpoint(folder)
    given = after("deconvolve")
    bare = replace(Burst(given.stack), **{name: getattr(given, name) for name in fuse.NEEDS})
    assert run_step(Step("fuse", fuse, fuse.Config()), bare).image is not None


def test_the_same_input_gives_the_same_bytes(folder):
    write_checkpoint(folder)
    for prior in ("encoder", "diffusion", "none"):
        assert torch.equal(run(prior=prior).image, run(prior=prior).image)


def test_the_report_names_the_network(folder):
    path = write_checkpoint(folder)
    numbers = run().report.numbers("fuse")
    assert numbers["checkpoint"] == "tiny"
    assert numbers["checkpoint_sha256"] == file_digest(path)
    assert numbers["prior"] == "encoder"
    assert numbers["correction_rms"] > 0
    assert json.loads(json.dumps(numbers)) == numbers


def test_the_prior_is_taken_from_where_it_was_asked_for(folder):
    write_checkpoint(folder)
    images = [run(prior=prior).image for prior in ("encoder", "diffusion", "none")]
    assert not torch.allclose(images[0], images[1])
    assert not torch.allclose(images[0], images[2])
    assert torch.equal(run().image, images[0])


def test_a_prior_that_the_network_does_not_have_is_refused(folder):
    write_checkpoint(folder, priors=("encoder",))
    with pytest.raises(CheckpointError, match="a prior from encoder, found prior = 'diff"):
        run(prior="diffusion")


def test_a_teacher_is_refused(folder):
    spec = replace(tiny_card().spec, teacher=True)
    path = write_checkpoint(folder, spec=spec, priors=("truth",))
    with pytest.raises(
        CheckpointError, match="that does without the truth, for 1 channel, found a teacher"
    ):
        run(checkpoint=str(path))


def test_a_network_for_colour_is_refused(folder):
    write_checkpoint(folder, spec=replace(tiny_card().spec, channels=3))
    with pytest.raises(CheckpointError, match=r"for 1 channel, found 3 channels"):
        run()


def test_a_stack_outside_of_all_ranges_runs_and_warns(folder):
    write_checkpoint(folder, level=LevelRange((0.0005, 0.001), (0.1, 20)))
    warnings = run().report.warnings
    assert len(warnings) == 1
    assert "'tiny' was trained on 0.0005 to 0.001" in warnings[0]


def test_a_stack_within_the_range_gives_no_warning(folder):
    write_checkpoint(folder, level=WIDE)
    assert run().report.warnings == after("deconvolve").report.warnings


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("select.keep=0.5", "trained with select.keep = 0.5, not 1.0"),
        ("align.reference=key", "trained with align.reference = key, not"),
    ],
)
def test_other_settings_than_in_training_give_a_warning(folder, assignment, words):
    write_checkpoint(folder, pipeline=load("classical", [assignment]).to_toml())
    assert words in run().report.warnings[-1]


def test_other_stages_than_in_training_give_a_warning(folder):
    write_checkpoint(folder, pipeline=load("classical").before("blur").to_toml())
    assert (
        "was trained on the stages noise, select, align, row_motion but"
        in run().report.warnings[-1]
    )


@pytest.fixture
def command(folder, tmp_path, capsys):
    """Return a function that runs `burst run` with the stage in the pipeline, on a small stack."""
    text = load("classical").to_toml().replace('    "deconvolve",', '    "deconvolve", "fuse",')
    (tmp_path / "fuse.toml").write_text(text)
    np.save(tmp_path / "a.npy", stack_of("medium", 64, 12).stack.frames)

    def call(*words: str, out: str = "out"):
        always = ["--pipeline", tmp_path / "fuse.toml", "--threads", 1, "--device", "cpu"]
        where = ["--stack", tmp_path / "a.npy", "--out", tmp_path / out]
        code = main(["run", *map(str, [*always, *where, *words])])
        return code, capsys.readouterr().err

    return call


def test_image_and_report_name_the_checkpoint(folder, command, tmp_path):
    path = write_checkpoint(folder)
    assert command()[0] == 0
    report = json.loads((tmp_path / "out/a/report.json").read_text())
    validate(report, json.loads(SCHEMA_FILE.read_text()))
    assert report["checkpoint"] == "tiny"
    assert report["checkpoint_sha256"] == file_digest(path)
    assert file_digest(path).encode() in (tmp_path / "out/a/restored.tif").read_bytes()


def test_resume_skips_until_the_checkpoint_changes(folder, command, tmp_path):
    write_checkpoint(folder)
    command("--keep-stages")
    image = tmp_path / "out/a/restored.npy"
    first = image.stat().st_mtime_ns
    command("--resume")
    assert image.stat().st_mtime_ns == first
    write_checkpoint(folder, seed=1)
    code, log = command("--resume", "--keep-stages")
    assert code == 0
    assert "a: goes on after deconvolve" in log
    assert image.stat().st_mtime_ns > first


def test_a_missing_checkpoint_is_told_before_anything_is_computed(command, tmp_path):
    code, log = command("--set", FUSE.format("none-such"))
    assert code == 5
    assert "checkpoint none-such: expected one of" in log
    assert command()[0] == 5
    assert not (tmp_path / "out/a/report.json").exists()


def test_without_a_network_the_pipeline_has_to_say_so(command):
    code, log = command("--set", FUSE.format("none"))
    assert code == 2
    assert "restore by pipelines/classical.toml instead" in log


def test_a_broken_checkpoint_is_exit_5(folder, command):
    path = write_checkpoint(folder)
    path.write_bytes(path.read_bytes()[:-9])
    code, log = command("--set", FUSE.format("tiny"))
    assert code == 5
    assert "expected a whole safetensors file" in log


def test_ensemble_is_the_mean_of_eight(folder):
    write_checkpoint(folder)
    given = after("deconvolve")
    evidence = prepare(given, tiny_card().preparation)
    with torch.no_grad():
        residual = lively().predict(evidence.planes[None], evidence.scalars[None], "encoder", 8)
    expected = restore(evidence.base + residual[0, 0], evidence)
    torch.testing.assert_close(run().image, expected)
    assert not torch.allclose(run(ensemble=1).image, expected)


def test_what_a_network_was_not_trained_on_is_not_corrected(folder):
    write_checkpoint(folder, level=LevelRange((0.0005, 0.001), (0.1, 20)))
    result = run()
    assert torch.equal(result.image, after("deconvolve").image)
    assert result.report.numbers("fuse")["correction_share"] == 0
    assert result.report.warnings[-1].endswith("0% of its correction is used.")


@pytest.mark.parametrize(
    ("name", "value", "share"),
    [
        ("psf_sigma", -3.2, 0), ("psf_sigma", -1.9, 1), ("psf_sigma", 2.4, 1), ("shot", 4, 0),
        ("shot", -4, 1), ("shot", -5, 0.5), ("misfit", 4, 0), ("misfit", 3.8, 1),
        ("misfit", -3.2, 0.5), ("strength", -3.2, 0.5),
        ("row_motion", -4, 1), ("noise", 2.9, 1),
    ],
)  # fmt: skip
def test_every_scalar_has_to_be_like_those_in_training(name, value, share):
    card = replace(tiny_card(), preparation=Preparation(("merged", "restored"), (name,)))
    found, reason = familiarity(card, Level(0.01, 1.0), [value])
    assert found == pytest.approx(share)
    assert (reason is None) == (share == 1)


def test_what_a_network_has_seen_is_not_strange():
    for name, value, share in (("shot", 4.0, 1), ("misfit", 4.0, 0.5), ("misfit", 3.0, 1)):
        card = replace(tiny_card(), preparation=Preparation(("merged", "restored"), (name,)))
        seen = replace(card, ranges={name: (-1.0, 4.0)})
        assert familiarity(seen, Level(0.01, 1.0), [value])[0] == share
        assert familiarity(card, Level(0.01, 1.0), [4.0])[0] == 0


@pytest.mark.parametrize(("share", "warned"), [(0.9, 0), (0.5, 1)])
def test_a_warning_stands_where_much_of_a_correction_is_not_used(
    folder, monkeypatch, share, warned
):
    write_checkpoint(folder)
    found = "burst.network.apply.familiarity"
    monkeypatch.setattr(found, lambda *_: (share, "It is strange."))
    result = run()
    assert result.report.numbers("fuse")["correction_share"] == share
    told = [text for text in result.report.warnings if "It is strange." in text]
    assert len(told) == warned


def test_nothing_is_missed_where_no_blur_is_undone(folder, monkeypatch):
    write_checkpoint(folder)
    monkeypatch.setattr("burst.network.apply.familiarity", lambda *_: (0.0, "It is strange."))
    burst = after("deconvolve")
    still = replace(burst, turbulence=replace(burst.turbulence, source="none"))
    for air, warned in ((burst, True), (still, False)):
        found = run_step(Step("fuse", fuse, fuse.Config()), air).report.warnings
        assert any("It is strange." in text for text in found) == warned


def test_a_correction_that_the_frames_speak_against_is_scaled_back(folder):
    card = tiny_card("wild")
    model = lively()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.ones_like(parameter))
    save(folder / "wild.safetensors", model.state_dict(), card)
    numbers = run().report.numbers("fuse")
    assert numbers["correction_share"] < 1
    assert "times the noise where the frames show it" in run().report.warnings[-1]


def test_a_network_that_says_a_deviation_gives_one_in_linear_light(folder, monkeypatch):
    monkeypatch.setattr(fuse, "_unexplained", lambda *_: 0.0)  # all of the correction is used
    for name in ("BLUR_DOUBT", "PRIOR_DOUBT", "PLACE_DOUBT"):
        monkeypatch.setattr(fuse, name, 0.0)
    monkeypatch.setattr(fuse, "SAID", 1.0)
    write_checkpoint(folder, spec=replace(TINY, deviation=True))
    result = run()
    assert result.deviation.shape == result.image.shape
    assert bool((result.deviation > 0).all())
    evidence = prepare(after("deconvolve"), PREPARATION)
    whole, said = correct(
        load_once(folder / "tiny.safetensors", result.image.device), evidence, "encoder", 8
    )
    higher = restore(evidence.base + whole + 1e-3 * said, evidence)
    moved = (higher - result.image) / 1e-3
    torch.testing.assert_close(moved, result.deviation, rtol=0.05, atol=1e-3)


def test_what_a_narrower_blur_would_change_is_counted_as_doubt(folder, monkeypatch):
    write_checkpoint(folder, spec=replace(TINY, deviation=True))
    whole = run().deviation
    monkeypatch.setattr(fuse, "BLUR_DOUBT", 0.0)
    more = whole.square() - run().deviation.square()
    narrower, usual = (deconvolved(after("deconvolve"), 1.0, power) for power in (0.7, 1.0))
    torch.testing.assert_close(more, (2.0 * (narrower - usual)).square(), rtol=1e-2, atol=1e-6)


def test_what_a_softer_prior_would_change_is_counted_as_doubt(folder, monkeypatch):
    write_checkpoint(folder, spec=replace(TINY, deviation=True))
    whole = run().deviation
    monkeypatch.setattr(fuse, "PRIOR_DOUBT", 0.0)
    more = whole.square() - run().deviation.square()
    hard, soft = (deconvolved(after("deconvolve"), strength) for strength in (0.3, 3.0))
    assert bool((more > -1e-6).all())
    assert float(more.mean()) == pytest.approx(float((hard - soft).square().mean()), rel=0.05)


def test_edges_are_doubted_where_the_scene_may_rest_elsewhere(folder, monkeypatch):
    write_checkpoint(folder, spec=replace(TINY, deviation=True))
    before = after("deconvolve")
    stage, whole = Step("fuse", fuse, fuse.Config()), run()
    drift = torch.linspace(-2, 2, len(before.flow))[:, None, None, None]
    slow = before.flow + drift * torch.linspace(-1, 1, 192)
    more = run_step(stage, replace(before, flow=slow)).deviation.square() - whole.deviation.square()
    steep = torch.stack(torch.gradient(whole.image)).square().sum(0)
    edges = steep > steep.flatten().quantile(0.95)
    assert float(more[edges].mean()) > 5 * float(more[~edges].mean()) > 0


def test_where_no_blur_is_undone_the_noise_is_the_least_doubt(folder):
    write_checkpoint(folder, spec=replace(TINY, deviation=True))
    before = after("deconvolve")
    still = replace(before, turbulence=replace(before.turbulence, source="none"))
    result = run_step(Step("fuse", fuse, fuse.Config()), still)
    assert torch.equal(result.image, before.image)
    assert bool((result.deviation >= 1.5 * before.merging.noise_std * 0.999).all())


def test_a_correction_that_is_taken_back_is_counted_as_doubt(folder, monkeypatch):
    monkeypatch.setattr(fuse, "_unexplained", lambda *_: 0.0)
    monkeypatch.setattr(fuse, "PLACE_DOUBT", 0.0)  # the images have other edges
    write_checkpoint(folder, spec=replace(TINY, deviation=True))
    sure = run()
    far = LevelRange((0.9, 1.0), (90.0, 100.0))
    write_checkpoint(folder, spec=replace(TINY, deviation=True), level=far)
    doubted = run()
    assert torch.equal(doubted.image, after("deconvolve").image)
    assert bool((doubted.deviation >= sure.deviation * 0.99).all())


def test_a_correction_counts_half_where_the_blur_is_that_of_optics(folder, monkeypatch):
    monkeypatch.setattr(fuse, "_unexplained", lambda *_: 0.0)
    write_checkpoint(folder)
    whole, before = run(), after("deconvolve")
    air = replace(before.turbulence, source="witnesses", share=1.0, d_over_r0=fuse.WEAK_AIR[1])
    strong = run_step(Step("fuse", fuse, fuse.Config()), replace(before, turbulence=air))
    assert strong.report.numbers("fuse")["correction_share"] == 1
    air = replace(air, d_over_r0=fuse.WEAK_AIR[0])
    half = run_step(Step("fuse", fuse, fuse.Config()), replace(before, turbulence=air))
    numbers = half.report.numbers("fuse")
    assert numbers["correction_share"] == fuse.OTHER_BLUR
    assert half.correction.rms == pytest.approx(fuse.OTHER_BLUR * whole.correction.rms, rel=1e-5)
    assert not half.report.warnings[len(before.report.warnings) :]


def test_a_correction_counts_half_where_pixels_are_coarse(folder, monkeypatch):
    monkeypatch.setattr(fuse, "_unexplained", lambda *_: 0.0)
    write_checkpoint(folder)
    before = after("deconvolve")
    for sampling, share in ((fuse.COARSE_PIXELS[0], 1), (2.0, fuse.OTHER_BLUR)):
        stack = replace(before.stack, sensor=replace(before.stack.sensor, sampling=sampling))
        found = run_step(Step("fuse", fuse, fuse.Config()), replace(before, stack=stack))
        assert found.report.numbers("fuse")["correction_share"] == share
