"""The stacks of a challenge are found in folders, counted, and told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toys import write_stack

from burst.submission.challenge import SubmissionError
from burst.submission.stacks import digest_inputs, find_challenge_stacks


def test_stacks_are_found_in_folders_in_order(stacks, challenge):
    sources = find_challenge_stacks(stacks, challenge)
    assert [source.place for source in sources] == ["high/c", "high/d", "low/a", "low/b"]
    assert sources[0].image == "c_out.npy"
    assert sources[0].path == stacks / "high/c.npy"


def test_truth_and_sidecar_are_no_stacks(stacks, challenge):
    (stacks / "low/a.toml").write_text("white_level = 4095\n")
    (stacks / "low/a.truth.npz").write_bytes(b"")
    assert len(find_challenge_stacks(stacks, challenge)) == 4


def test_folder_of_frames_is_one_stack(tmp_path, challenge):
    for name in ("one", "two"):
        (tmp_path / "low" / name).mkdir(parents=True)
        (tmp_path / "low" / name / "0.png").write_bytes(b"")
    sources = find_challenge_stacks(tmp_path, replace(challenge, count=None))
    assert [source.place for source in sources] == ["low/one", "low/two"]


def test_every_wrong_count_is_told(stacks, challenge):
    (stacks / "low/a.npy").rename(stacks / "high/a.npy")
    write_stack(stacks / "high/e.npy")
    with pytest.raises(SubmissionError) as caught:
        find_challenge_stacks(stacks, challenge)
    total, low, high = str(caught.value).splitlines()
    assert total.startswith(f"--stacks {stacks}: expected 4 stacks, found 5.")
    assert low == f"{stacks / 'low'}: expected 2 stacks, found 1."
    assert high == f"{stacks / 'high'}: expected 2 stacks, found 4."


def test_images_of_one_name_are_refused_unless_named_by_folder(stacks, challenge):
    (stacks / "low/a.npy").rename(stacks / "low/C.npy")
    with pytest.raises(SubmissionError, match=r"high/c.npy and low/C.npy: expected an image name"):
        find_challenge_stacks(stacks, challenge)
    named = replace(challenge, image="{folder}_{stem}_out.npy")
    images = {source.image for source in find_challenge_stacks(stacks, named)}
    assert images == {"high_c_out.npy", "high_d_out.npy", "low_C_out.npy", "low_b_out.npy"}


@pytest.mark.parametrize("name", ["none", "empty", "file"])
def test_place_without_stacks_is_refused(tmp_path, challenge, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(SubmissionError, match=f"--stacks {tmp_path / name}: expected"):
        find_challenge_stacks(tmp_path / name, challenge)


def test_sidecar_is_part_of_a_stack_s_digest(stacks, challenge):
    source = find_challenge_stacks(stacks, challenge)[2]
    alone = digest_inputs(source, stacks)
    (stacks / "low/a.toml").write_text("white_level = 4095\n")
    both = digest_inputs(source, stacks)
    assert list(both) == ["low/a.npy", "low/a.toml"]
    assert {"low/a.npy": both["low/a.npy"]} == alone
