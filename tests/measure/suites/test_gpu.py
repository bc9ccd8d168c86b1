"""The suite that holds a GPU against the CPU, with the CPU in the GPU's place, at a small size."""

from __future__ import annotations

import json

import pytest
from training_toys import SETTINGS

from burst.measure.gpu_page import gpu_tables, write_gpu_page
from burst.measure.suites.gpu import PIPELINES, GpuBench, Task, tasks

SMALL = tuple(s for s in SETTINGS if s.startswith(("network.", "samples.", "training.crop")))
BENCH = GpuBench("cpu", steps=2, stacks=1, samples=2, makers=1, assignments=SMALL)


def test_every_pipeline_comes_first():
    found = tasks(PIPELINES, (96, 128), 12, 0)
    assert [task.subject for task in found[:8]] == list(PIPELINES)
    assert {task.part for task in found} == {"image", "stages", "training", "stacks"}


@pytest.mark.parametrize("name", ["turbulence", "global_reset_geometry"])
def test_the_same_device_gives_the_same_image(name):
    record = BENCH.measure(Task("image", name, 12, 96, 0))
    assert record["difference"] == record["largest"] == record["psnr_difference"] == 0
    assert record["same_bytes"]
    assert record["psnr"] > 15


def test_all_parts_make_a_page(tmp_path):
    cases = [
        Task("stages", "96 px", 4, 96, 0),
        Task("stacks", "1 processes", 4, 96, 0),
        Task("training", "student", 4, 96, 0),
    ]
    records = [{"case": vars(case), **BENCH.measure(case)} for case in cases]
    assert "deconvolve" in records[0]["seconds"]
    assert records[1]["stacks_a_second"] > 0
    assert records[2]["samples_a_second"] > 0
    assert records[2]["steps_a_second"] > 0
    machine = {"processor": "p", "cores": 2, "date": "today", "libraries": {"torch": "t"}}
    results = {"machine": machine, "records": records}
    (tmp_path / "gpu.json").write_text(json.dumps(results))
    write_gpu_page(tmp_path / "gpu.md", tmp_path)
    page = (tmp_path / "gpu.md").read_text("utf-8")
    assert gpu_tables(records) in page
    assert "| student |" in page
