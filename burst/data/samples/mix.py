"""Which stacks training sees: shares of worlds, optics and histories, and how one is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat

from burst.data.exposures import Optics
from burst.data.faults import FRAME_FAULTS, apply_fault
from burst.data.histories import History, with_history
from burst.data.levels import Conditions
from burst.data.samples.draws import between, between_logs, choose, draw, one_of
from burst.data.turbulence import Camera, SimulatedStack, simulate
from burst.ops.turbulence.air import Air
from burst.ops.turbulence.layers import Layer, LayeredAir, draw_drift

# Ranges that nobody needs to change, chosen by hand; (low, high), drawn evenly unless said.
LAYERS = (1, 8)
WIDTH = (0.05, 0.99)  # of the beam in a layer, over the aperture
STRENGTH = (0.3, 1.0)  # of one layer against another
WIND = (0.02, 2.0)  # diameters a frame, by logarithm
DEFOCUS = (0.4, 1.5)  # rad rms
PIXEL = (0.6, 1.0)  # side of the area that gathers light
EXPOSURE = (1e-4, 0.5)  # of the frame time, by logarithm
SHAKE = (0.3, 2.5)  # px rms per axis of a camera in the hand
NO_BLUR = 4.0  # sampling at which optics blur nothing that pixels show
CALM = 1e-3  # D/r0
LIKE_WEAK = 1.5  # power of an even share that gives D/r0: strong air is rarer
DENOISE, SHARPEN = (0.5, 2.5), (0.2, 1.0)
ENLARGE = (1.2, 2.5)
JPEG, VIDEO = (70, 97), (2.0, 16.0)
FAULTY = (0.03, 0.15)  # of the frames
MISLED = 0.7  # largest logarithm of a told D/r0 over the true one

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Mix:
    """Shares of the stacks that come from elsewhere than the simulator's usual air and camera.

    layers       through layers of air, drawn with the ranges below
    still        through no air, by a camera in the hand whose optics blur nothing
    optics       of both: out of focus, or with pixels that gather light over an area, or both
    histories    of both: interpolated, denoised, sharpened, enlarged or compressed
    faults       of both: with some bad frames
    told         of those: the sensor's file says its true sampling, otherwise 1
    misled       of layers: the blur stage is told a wrong D/r0
    beam         px, diameter of the aperture at the scene, by logarithm
    outer_scale  diameters, by logarithm
    d_over_r0    of layers
    sampling     of layers, by logarithm
    """

    layers: Share = 0.0
    still: Share = 0.0
    optics: Share = 0.0
    histories: Share = 0.0
    faults: Share = 0.0
    told: Share = 0.5
    misled: Share = 0.0
    beam: tuple[PositiveFloat, PositiveFloat] = (8.0, 200.0)
    outer_scale: tuple[PositiveFloat, PositiveFloat] = (3.0, 300.0)
    d_over_r0: tuple[NonNegativeFloat, NonNegativeFloat] = (0.0, 9.0)
    sampling: tuple[PositiveFloat, PositiveFloat] = (0.5, 2.0)

    def __post_init__(self) -> None:
        if self.layers + self.still > 1:
            raise ValueError(
                "layers, still: expected shares of at most 1 together, found"
                f" {self.layers + self.still:g}."
            )


@dataclass(frozen=True)
class World:
    """How one stack comes about; `told` is the sampling that its sensor states, None for the true
    one, `fault` the name of a fault and the share of its frames, `blur` the D/r0 that the blur
    stage is told, 0 for none."""

    conditions: Conditions
    camera: Camera
    air: Air | LayeredAir
    history: History = field(default_factory=History)
    told: float | None = None
    fault: tuple[str, float] | None = None
    blur: float = 0.0


def draw_world(mix: Mix, conditions: Conditions, generator: torch.Generator) -> World:
    """Draw a world. Where the mix has no other worlds, no random number is taken."""
    usual = World(conditions, Camera(), Air(1.0))
    if not mix.layers + mix.still:
        return usual
    kind = draw(generator)
    if kind >= mix.layers + mix.still:
        return usual
    camera = _draw_camera(mix, generator)
    if kind < mix.layers:
        weakest, strongest = mix.d_over_r0
        strength = weakest + (strongest - weakest) * draw(generator) ** LIKE_WEAK
        conditions = replace(conditions, d_over_r0=max(strength, CALM))
        air: Air | LayeredAir = _draw_air(mix, generator)
        blur = 0.0
        if draw(generator) < mix.misled:
            blur = conditions.d_over_r0 * math.exp(MISLED * (2 * draw(generator) - 1))
    else:
        shake = between(SHAKE, generator)
        conditions = replace(conditions, d_over_r0=CALM, vibration=shake)
        air, blur = Air(1.0, sampling=NO_BLUR), 0.0
    return World(
        conditions,
        camera,
        air,
        _draw_history(mix, generator),
        None if draw(generator) < mix.told else 1.0,
        _draw_fault(mix, generator),
        blur,
    )


def _draw_air(mix: Mix, generator: torch.Generator) -> LayeredAir:
    """Draw layers anywhere along the path, of any strength relative to each other."""
    beam = between_logs(mix.beam, generator)
    wind, angle = between_logs(WIND, generator), 2 * math.pi * draw(generator)
    layers = []
    for _ in range(LAYERS[0] + choose(LAYERS[1] - LAYERS[0] + 1, generator)):
        width = between(WIDTH, generator)
        layers.append(
            Layer(
                between(STRENGTH, generator) / width,
                width,
                (1 - width) / beam,
                draw_drift(wind, angle, generator),
            )
        )
    outer = between_logs(mix.outer_scale, generator)
    return LayeredAir(tuple(layers), outer, between_logs(mix.sampling, generator))


def _draw_camera(mix: Mix, generator: torch.Generator) -> Camera:
    camera = Camera()
    exposure = between_logs(EXPOSURE, generator) * camera.sensor.frame_time
    sensor = replace(camera.sensor, exposure_time=exposure)
    optics = Optics()
    if draw(generator) < mix.optics:
        defocus, pixel = between(DEFOCUS, generator), between(PIXEL, generator)
        optics = one_of((Optics(defocus), Optics(0.0, pixel), Optics(defocus, pixel)), generator)
    return replace(camera, sensor=sensor, optics=optics)


def _draw_history(mix: Mix, generator: torch.Generator) -> History:
    """Draw what was done to the frames, each step in half of those that have a history."""
    if draw(generator) >= mix.histories:
        return History()
    is_display = draw(generator) < 0.7
    codec = one_of(("", "jpeg", "video"), generator) if is_display else ""
    return History(
        mosaic=one_of(("", "RGGB"), generator),
        denoise=_in_half(DENOISE, generator),
        sharpen=_in_half(SHARPEN, generator),
        display=is_display,
        enlarge=max(1.0, _in_half(ENLARGE, generator)),
        jpeg=round(between(JPEG, generator)) if codec == "jpeg" else 0,
        codec=between_logs(VIDEO, generator) if codec == "video" else 0.0,
    )


def _draw_fault(mix: Mix, generator: torch.Generator) -> tuple[str, float] | None:
    if draw(generator) >= mix.faults:
        return None
    return one_of(tuple(FRAME_FAULTS), generator), between(FAULTY, generator)


def _in_half(bounds: tuple[float, float], generator: torch.Generator) -> float:
    """Return a number between two others in half of the cases, else 0."""
    drawn = between(bounds, generator)
    return drawn if draw(generator) < 0.5 else 0.0


def record_world(
    world: World, scene: torch.Tensor, frames: int, size: int, generator: torch.Generator
) -> SimulatedStack:
    """Simulate `frames` frames of `size` x `size` px of a world, bad ones among them where it has a
    fault, and the truth."""
    small = round(size / world.history.enlarge)
    simulated = simulate(
        scene, world.conditions, generator, frames, (small, small), world.camera, world.air
    )
    # Just so much that the size comes out whole.
    simulated = with_history(simulated, replace(world.history, enlarge=size / small))
    stack = simulated.stack
    sensor = stack.sensor
    if world.told is not None:
        sensor = replace(sensor, sampling=world.told)
    dn = stack.frames
    if world.fault is not None:
        name, share = world.fault
        seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        dn = apply_fault(name, dn, sensor, seed, share).frames
    return replace(simulated, stack=replace(stack, frames=dn, sensor=sensor))
