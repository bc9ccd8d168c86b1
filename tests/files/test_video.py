"""Video is display-encoded light at the frame rate that it states."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from burst.files.read import read_stack


def test_frames_and_rate_of_a_lossless_video(tmp_path: Path) -> None:
    y, x = np.mgrid[:32, :48]
    frames = np.stack([2 * x + y + 10 * k for k in range(4)]).astype(np.uint8)
    code = cv2.VideoWriter.fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), code, 50.0, (48, 32), isColor=True)
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no lossless video")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    stack = read_stack(tmp_path / "clip.avi")
    assert stack.frames.shape == (4, 32, 48)
    assert np.abs(stack.frames.astype(int) - frames).max() <= 3
    assert stack.sensor.frame_time == pytest.approx(1 / 50)
    assert (stack.sensor.white_level, stack.sensor.transfer) == (255, "srgb")
