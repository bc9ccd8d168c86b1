"""Small rolling-shutter recordings that several tests share; each is made once."""

from __future__ import annotations

from functools import lru_cache

import torch
from simulated import camera_scene

from burst.data.rolling import Drift, Layers, simulate_shutter
from burst.files.sequence import Sequence
from burst.ops.color import linear_to_display
from burst.ops.flow import match, to_bytes
from burst.ops.rolling.recording import Recording
from burst.ops.rolling.unroll import clock
from burst.ops.vibration import Vibration
from burst.pipeline import Pipeline, load
from burst.records import Sensor, Shutter

SIZE = (128, 160)
FRAME_TIME = 0.04  # s


@lru_cache(maxsize=16)
def recording(
    shutter: Shutter = Shutter.ROLLING,
    frames: int = 2,
    ratio: float = 0.8,
    speed: float = 200.0,
    swing: float = 0.0,
    object_speed: float = 0.0,
    shake: float = 0.0,
) -> Sequence:
    """Return frames of the camera man: the camera pans at `speed` px/s, swings by `swing` px in
    0.3 s and shakes by `shake` px rms; with `object_speed` (px/s) a disc of the mirrored scene
    moves before him."""
    layers = _layers(speed, swing, object_speed, shake)
    sensor = Sensor(
        white_level=255,
        shutter=shutter,
        frame_time=FRAME_TIME,
        row_time=ratio * FRAME_TIME / SIZE[0],
        transfer="srgb",
    )
    return simulate_shutter(layers, sensor, frames)


@lru_cache(maxsize=16)
def reset_recording(frames: int, light: float = 0.15) -> Sequence:
    """Return linear frames of a pan at 100 px/s after a global reset: the last row is exposed six
    times as long as the first, and saturates at a `light` above 0.17."""
    sensor = Sensor(
        white_level=4000,
        shutter=Shutter.GLOBAL_RESET,
        frame_time=FRAME_TIME,
        exposure_time=0.1 * FRAME_TIME,
        row_time=0.5 * FRAME_TIME / SIZE[0],
    )
    return simulate_shutter(_layers(100.0, 0.0, 0.0), sensor, frames, light=light)


def _layers(speed: float, swing: float, object_speed: float, shake: float = 0.0) -> Layers:
    still = linear_to_display(camera_scene())
    y, x = torch.meshgrid(torch.arange(512.0) - 256, torch.arange(512.0) - 256, indexing="ij")
    cover = ((x**2 + y**2).sqrt() < 30).float() if object_speed else torch.zeros(512, 512)
    vibration = Vibration(shake, torch.Generator().manual_seed(7)) if shake else None
    return Layers(
        background=still,
        object=still.flip(0),
        cover=cover,
        camera_path=Drift((speed, speed / 5), (swing, 0.0), 0.3, vibration),
        object_path=Drift((object_speed, 0.0)),
        size=SIZE,
    )


def known_of(sequence: Sequence, order: int = 1) -> Recording:
    """Return what is known of a sequence, in units of its frame time."""
    grey = to_bytes(torch.from_numpy(sequence.frames / 255))
    matches = {(k, k + 1): match(grey[k], grey[k + 1]) for k in range(len(grey) - 1)}
    times = clock(sequence.sensor, sequence.height, sequence.scan)
    paired = sequence.sensor.shutter is Shutter.DUAL_REVERSED
    return Recording(torch.from_numpy(grey).float(), matches, times, order, paired)


def truth(sequence: Sequence, frame: int, share: float) -> torch.Tensor:
    """Return the truth [h, w] of a share of a frame's readout, white 1."""
    moments = zip(sequence.truth_frame, sequence.truth_share, strict=True)
    index = next(i for i, (f, s) in enumerate(moments) if f == frame and abs(s - share) < 1e-6)
    return torch.from_numpy(sequence.truths[index] / sequence.sensor.white_level).float()


def without_network(name: str, said: list[str]) -> Pipeline:
    """Load the geometry in place of what needs a checkpoint."""
    plain = name.endswith("_geometry")
    return load(name if plain else f"{name}_geometry", said)
