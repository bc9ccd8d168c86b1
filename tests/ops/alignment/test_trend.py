"""Smooth courses are found, and chance has none."""

import torch

from burst.ops.alignment import trend as module
from burst.ops.alignment.trend import DRIFT, nearest, trend


def test_a_cubic_course_is_its_own_trend():
    times = torch.arange(40)
    values = torch.stack([times.float() ** 3 / 1000 - times, 3 + 0 * times.float()], dim=1)
    torch.testing.assert_close(trend(values, times, times), values, atol=1e-3, rtol=1e-4)


def test_a_course_goes_through_where_frames_are_missing():
    times = torch.tensor([0, 1, 2, 3, 5, 8, 9, 15, 16, 17, 30])
    wanted = torch.arange(31)
    torch.testing.assert_close(trend(2.0 * times, times, wanted), 2.0 * wanted)


def test_complex_values_keep_their_parts():
    times = torch.arange(12)
    values = torch.complex(1.0 * times, -2.0 * times)
    torch.testing.assert_close(trend(values, times, times), values)


def test_few_frames_have_no_course():
    values = torch.tensor([1.0, 5.0, 3.0])
    torch.testing.assert_close(trend(values, torch.arange(3), torch.arange(3)), values * 0 + 3)


def test_chance_follows_no_course():
    draw = torch.Generator().manual_seed(0)
    for frames in (10, 20, 30, 60):
        values = torch.randn(frames, 300, generator=draw)
        values = values - values.mean(0)
        course = trend(values, torch.arange(frames), torch.arange(frames))
        share = course.square().mean(0) / values.square().mean(0)
        assert float((share > DRIFT).float().mean()) < 0.01


def test_the_nearest_time_is_the_earlier_of_two():
    times, wanted = torch.tensor([2, 3, 7, 20]), torch.tensor([0, 2, 5, 6, 13, 14, 90])
    apart = (wanted[:, None] - times[None]).abs()
    assert nearest(wanted, times).tolist() == apart.argmin(1).tolist() == [0, 0, 1, 2, 2, 3, 3]
    assert nearest(wanted[::2], times).tolist() == [0, 1, 2, 3]


def test_long_courses_are_made_part_by_part(monkeypatch):
    times = torch.arange(100)
    values = torch.randn(100, generator=torch.Generator().manual_seed(0))
    at_once = trend(values, times, times)
    monkeypatch.setattr(module, "MOST_WEIGHTS", 700)
    torch.testing.assert_close(trend(values, times, times), at_once)
