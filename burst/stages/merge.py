"""Gather the samples of all frames onto one grid; what moves comes from one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from burst.lazy import torch
from burst.ops.frames import gains
from burst.ops.gathering import belief, gather, kernels, refine, sites
from burst.records import Burst, Gathered, NoiseModel, Report, Stack, given
from burst.settings import checked, setting

NEEDS = ("linear", "noise", "camera")
GIVES = ("image", "gathered", "camera")
MAY_GIVE = ("weights",)  # always; `select` is what other stages want them from
COLOUR = True
MOSAIC = True

BYTES_PER_SAMPLE = 2  # of a frame: how far it is believed, twice
BYTES_PER_PIXEL = 64  # of the result: two images of three channels, weights, kernels, green
SOME = 1 << 15  # samples of a frame, of which a median is taken
# Shares of what a comparison with the samples finds that the image is changed by. Detail returns
# slowly on a finer grid, so that it is changed by more than is found; the first finds colours, the
# last one quiets. Chosen on charts and photographs of ISO 100 and 3200.
STEPS, STEPS_FINER = (1.0, 1.0, 1.0), (1.0, 2.0, 3.0, 1.0)
NOISE_ALONE = 1.5  # energy of what is found over that of the noise in it, below which it is noise
LITTLE = 0.1  # mean belief in a frame, below which a person is told


@checked
@dataclass(frozen=True)
class Config:
    """The grid, and what is believed."""

    scale: Annotated[
        float, setting("pixels of the image along one of the frames, such as 1.5 or 2", ge=1, le=2)
    ] = 1.0
    moving: Annotated[
        bool, setting("take what moves by itself from the reference, so that it shows once")
    ] = True
    rounds: Annotated[
        int,
        setting("comparisons of the image with all samples; 0: 3, or 4 above scale 1", ge=0),
    ] = 0
    width: Annotated[
        float, setting("of the kernels; above 1 smoother, below 1 sharper", ge=0.5, le=2)
    ] = 1.0


def memory(stack: Stack, config: Config) -> int:
    """Return the bytes of what is gathered, and of what it is gathered from."""
    layers = 1 if stack.colour is None else 3
    sides = stack.count * layers * BYTES_PER_SAMPLE + config.scale**2 * BYTES_PER_PIXEL
    return round(stack.height * stack.width * sides)


def run(burst: Burst, config: Config) -> Burst:
    """Return the burst with an image of all frames, and how far each was believed where."""
    frames = _Frames.of(burst)
    view, channels = frames.view, tuple(range(len(frames.view.balance)))
    # Green first, of which there is most; then by how much all samples differ from it, which
    # changes less from place to place than colours do (iterated back-projection, Irani and Peleg,
    # CVGIP 53, 231, 1991).
    gathering, believed = _start(frames, config)
    leader = min(sites.GREEN, len(channels) - 1)
    image = gathering.gather(lambda k: frames.share(k, frames.samples(k), believed[k]), (leader,))
    camera = refine.refine(gathering.flow, view.samples, view.planes, image[0, 0], config.scale)
    excess: list[float] = []
    for turn, step in enumerate(_steps(config)):
        kernel = _kernels(image, believed, config)
        gathering = replace(gathering, flow=camera, kernels=kernel)
        if turn == 1 and gains.differ(burst.gain):
            frames, excess = frames.measured(excess), []
        left = _Left(frames, gathering, gathering.as_sampled(image), believed, excess)
        if turn and config.moving:
            left = replace(left, guide=left.guide_of_image())
        found = gathering.gather(left.share, channels)
        signal, noise = found.square().mean((1, 2, 3)).tolist()
        image = found.mul_(step).add_(image)
        if turn and config.scale == 1 and not config.rounds and signal < NOISE_ALONE * noise:
            break
    # Detail of a mosaic is taken for noise when that is measured on its planes; what differs from
    # the image of all frames is noise alone, in most places.
    image[1] /= max(1.0, sorted(excess)[len(excess) // 2])
    image, example = image.div_(torch.tensor(view.balance).to(image)[:, None, None])
    report = _report(burst, image, believed.mean((1, 2)))
    mono = len(image) == 1
    return replace(
        burst,
        image=image[0] if mono else image,
        camera=camera,
        weights=believed.mean((1, 2)) / believed.mean(),
        gathered=Gathered(believed.mean(0), example[0] if mono else example),
        report=report,
    )


@dataclass(frozen=True)
class _Frames:
    """The frames of a burst, by their places among the used ones, and one over their noise variance
    [n] (on the CPU) relative to that of the model; it differs between exposures of a bracket."""

    view: sites.View
    noise: NoiseModel
    precision: torch.Tensor

    @classmethod
    def of(cls, burst: Burst) -> _Frames:
        count, gain = len(given(burst.linear)), burst.gain
        # Light alone decides at first: the variance of its noise, as divided by the gain, falls so.
        precision = gain if gain is not None and gains.differ(gain) else torch.ones(count)
        return cls(sites.View.of(burst), given(burst.noise), precision.float().cpu())

    def measured(self, excess: list[float]) -> _Frames:
        """Return the frames with the precision that what is left of them shows; `excess` [n] is how
        much stronger their noise was expected to be."""
        return replace(self, precision=self.precision * torch.tensor(excess).square())

    def share(self, frame: int, planes: gather.Samples, believed: torch.Tensor) -> gather.Share:
        """Return what a frame gives, so far believed [h / 2, w / 2]."""
        every, valid = self.view.burst.valid, None
        if every is not None and not bool(every[frame].all()):
            counted = every[frame][None].to(planes[0])
            valid = [plane.of(counted).contiguous() for plane in self.view.planes]
        return gather.Share(planes, believed * float(self.precision[frame]), valid)

    def colours(self, frame: int) -> torch.Tensor:
        """Return the small colours [c, h / 2, w / 2] of a frame."""
        return self.view.small(self.view.samples(frame))

    def samples(self, frame: int) -> list[torch.Tensor]:
        """Return the white-balanced samples of each plane of a frame beside an example of their
        noise [2, h, w]."""
        draw = torch.Generator().manual_seed(frame)
        both = []
        for plane, samples in zip(self.view.planes, self.view.samples(frame), strict=True):
            gain = self.view.balance[plane.channel]
            variance = gain**2 * self.noise.variance(samples / gain) / float(self.precision[frame])
            example = torch.randn(samples.shape, generator=draw).to(samples)
            both.append(torch.stack([samples, variance.sqrt_().mul_(example)]))
        return both


@dataclass(frozen=True)
class _Left:
    """What an image does not show of the samples of each frame.

    expected  [2, c, H, W] the image as sampled, and its noise
    believed  [n, h / 2, w / 2] how far each frame is; found anew if there is a `guide`
    excess    how much stronger than what is left the noise of frames is expected to be
    """

    frames: _Frames
    gathering: gather.Gathering
    expected: torch.Tensor
    believed: torch.Tensor
    excess: list[float]
    guide: belief.Guide | None = None

    def guide_of_image(self) -> belief.Guide:
        """Return the guide by which frames are believed that differ little from the image."""
        view = self.frames.view
        shown = torch.nn.functional.interpolate(self.expected[:1], view.size, mode="area")[0]
        return belief.guide_of_residuals(shown, view.small_noise(self.frames.noise))

    def share(self, frame: int) -> gather.Share:
        """Return what a frame gives."""
        rest = self.gathering.residual(self.frames.samples(frame), frame, self.expected)
        share = self.frames.share(frame, rest, self.believed[frame])
        middle = rest[len(rest) // 2].flatten(1)
        if share.valid is not None and bool(share.valid[len(rest) // 2].any()):
            middle = middle[:, share.valid[len(rest) // 2].flatten() > 0]
        own, example = middle[:, :: 1 + middle.shape[1] // SOME].abs()
        self.excess.append(float(example.median() / own.median().clamp(min=1e-12)))
        flow = self.gathering.flow
        if self.guide is not None and frame != flow.reference:
            planes = [part[0] for part in rest]
            if share.valid is not None:
                planes = [part * valid for part, valid in zip(planes, share.valid, strict=True)]
            small = self.frames.view.small(planes)
            small *= float(self.frames.precision[frame]) ** 0.5  # in units of its noise
            self.believed[frame] = belief.belief_of(self.guide, small, flow, frame)[0]
            share = self.frames.share(frame, rest, self.believed[frame])
        return share


def _start(frames: _Frames, config: Config) -> tuple[gather.Gathering, torch.Tensor]:
    """Return what is gathered from where, and how far frames are believed [n, h / 2, w / 2], by
    their small colours."""
    view, camera = frames.view, given(frames.view.burst.camera)
    guide = belief.guide_of(frames.colours(camera.reference), view.small_noise(frames.noise))
    believed, mean = belief.mean_guide(frames.colours, guide, camera)
    if not config.moving:
        believed = torch.ones_like(believed)
    grey = sites.grey_of(mean)
    example = torch.randn(grey.shape, generator=torch.Generator().manual_seed(0)).to(grey)
    example *= (view.grey_noise(frames.noise).variance(grey) / believed.sum(0)).sqrt()
    kernel = _kernels(torch.stack([grey, example])[:, None], believed, config)
    return gather.Gathering(view.planes, camera, kernel, config.scale), believed


def _kernels(image: torch.Tensor, believed: torch.Tensor, config: Config) -> torch.Tensor:
    """Return the kernels for an image and an example of its noise [2, c, H, W]."""
    grey, noise = (sites.grey_of(part) for part in image)
    return kernels.inverse_covariances(grey, noise, believed.sum(0)) / config.width**2


def _steps(config: Config) -> tuple[float, ...]:
    """Return by how much of what is found in each round the image is changed."""
    plain = (1.0,) * config.rounds
    return plain or (STEPS_FINER if config.scale > 1 else STEPS)


def _report(burst: Burst, image: torch.Tensor, trusted: torch.Tensor) -> Report:
    """Return the report with the size of an image, how far frames were believed [n], and a warning
    of those that gave nothing."""
    numbers = list(range(len(trusted))) if burst.kept is None else burst.kept.tolist()
    shares = dict(zip(map(str, numbers), trusted.tolist(), strict=True))
    report = burst.report.note(size=list(image.shape[-2:]), believed=shares)
    strangers = [number for number, share in shares.items() if share < LITTLE]
    if not strangers:
        return report
    return report.warn(
        f"Give nothing, counted from 0: {', '.join(strangers)}; nearly nothing of them agrees with"
        " the reference: things move, or the camera moved too far."
    )
