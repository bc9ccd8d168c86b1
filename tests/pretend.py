"""A pretend GPU, for machines that have none: what would fail on a real one fails here too.

Inside `with pretend():` a tensor may say that it is on "cuda:0", and computes on the CPU. To mix
tensors of two devices fails, and so does asking a far tensor for its NumPy array. It follows
autograd, optimizers and generators, because every far tensor is a wrapper around a near one that
does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import safetensors
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_leaves, tree_map

from burst.ops.blocks import ABOUT, BlockTensor

HOST = torch.device("cpu")
# Which GPU is pretended; Apple's ("mps") knows no numbers of 64 bits.
GPU = torch.device("cuda:0")

_NEW = {
    getattr(torch.Tensor, f"new_{kind}") for kind in ("zeros", "ones", "full", "empty", "tensor")
}
_LIKE = {
    getattr(torch, f"{kind}_like")
    for kind in ("zeros", "ones", "full", "empty", "rand", "randn", "randint")
}
_PLAIN = {torch.Tensor.tolist, torch.Tensor.item}
_TO_NUMPY = {torch.Tensor.numpy, torch.Tensor.__array__}


class Far(torch.Tensor):
    """A tensor that says that it is on the GPU; `near` is the one that computes."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> Far:
        far: Far = torch.Tensor._make_wrapper_subclass(
            cls,
            near.size(),
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=GPU,
            requires_grad=near.requires_grad,
        )
        if GPU.type == "mps" and near.dtype in (torch.float64, torch.complex128):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype.")
        far.near = near
        return far

    def __repr__(self, **_: Any) -> str:
        return f"Far({self.near})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{func} of a far tensor outside of pretend()")


_real_generator, _real_autocast = torch.Generator, torch.autocast


class _Generator(torch.Generator):
    """Random numbers of the CPU that say that they are the GPU's."""

    def __new__(cls, device: Any = "cpu") -> torch.Generator:
        return super().__new__(cls if _is_gpu(device) else _real_generator, "cpu")

    def __init__(self, device: Any = "cpu") -> None:
        """Take the argument of `__new__`."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The device that it is said to be on."""
        return GPU


class PretendGpu(TorchFunctionMode):
    """Watch every call of torch: where its tensors are, and where what it makes belongs."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if any(isinstance(leaf, BlockTensor) for leaf in tree_leaves((args, kwargs))):
            return self._in_blocks(func, types, args, kwargs)
        if func in _TO_NUMPY and isinstance(args[0], Far):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu().")
        if special := _SPECIAL.get(_name_of(func)):
            return special(*args, **kwargs)
        target = self._target(func, args, kwargs)
        fars = {id(leaf.near): leaf for leaf in _fars(args, kwargs)}
        near_args, near_kwargs = tree_map(_near, (args, kwargs))
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*near_args, **near_kwargs)
        if func in _PLAIN:
            return out

        def back(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            # What was worked on in place stays the object that it was.
            if id(value) in fars:
                return fars[id(value)]
            return Far(value) if target == GPU and not isinstance(value, Far) else value

        return tree_map(back, out)

    def _in_blocks(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Have frames that are read block by block do what they do, with the blocks watched."""
        if func.__name__ in ABOUT:
            return BlockTensor.__torch_function__(func, types, args, kwargs)
        with self:
            return BlockTensor.__torch_function__(func, types, args, kwargs)

    def _target(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.device:
        """Return where the result is; RuntimeError where the tensors are on two devices."""
        fars = _fars(args, kwargs)
        if func in _device_constructors() or func in _NEW or func in _LIKE:
            device = kwargs.pop("device", None)
            if device is None and (func in _NEW or func in _LIKE):
                return GPU if fars else HOST
            _check_generator(kwargs.get("generator"), device)
            return GPU if _is_gpu(device) else HOST
        if func is torch.Tensor.copy_:
            return GPU if isinstance(args[0], Far) else HOST
        _check_generator(kwargs.get("generator"), GPU if fars else HOST)
        # A number may come from anywhere; the GPU may be indexed from the host.
        index = func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__)
        near = [
            leaf
            for leaf in tree_leaves((args, kwargs) if not index else (args[0], args[2:]))
            if isinstance(leaf, torch.Tensor) and not isinstance(leaf, Far) and leaf.dim()
        ]
        if fars and near:
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices,"
                f" cuda:0 and cpu! ({_name_of(func)})"
            )
        return GPU if fars else HOST


@contextmanager
def pretend(kind: str = "cuda") -> Iterator[None]:
    """Have a GPU, "cuda" or "mps", as long as the context lasts."""
    patches = [
        mock.patch(f"{__name__}.GPU", torch.device(kind, 0)),
        mock.patch.object(torch.backends.mps, "is_available", _always),
        mock.patch.object(torch.cuda, "is_available", _always),
        mock.patch.object(torch.cuda, "get_device_name", _name),
        mock.patch.object(torch.cuda, "is_bf16_supported", _always),
        mock.patch.object(torch.cuda, "synchronize", _nothing),
        mock.patch.object(torch, "Generator", _Generator),
        mock.patch.object(torch, "autocast", _autocast),
        mock.patch.object(torch, "set_default_device", _refuse_default),
        mock.patch.object(safetensors, "safe_open", _open),
    ]
    for patch in patches:
        patch.start()
    try:
        with PretendGpu():
            yield
    finally:
        for patch in patches:
            patch.stop()


def near(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor of the CPU in a far one, as seen from outside of `pretend`."""
    return tensor.near if isinstance(tensor, Far) else tensor


def _near(value: Any) -> Any:
    return value.near if isinstance(value, Far) else value


def _fars(*values: Any) -> list[Far]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Far)]


def _name_of(func: Any) -> str:
    name = getattr(func, "__name__", "")
    if name in ("__get__", "__set__"):
        return f"{name} {getattr(func.__self__, '__name__', '')}"
    return str(name)


def _is_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == GPU.type


def _check_generator(generator: torch.Generator | None, device: Any) -> None:
    if generator is not None and _is_gpu(generator.device) != _is_gpu(device):
        raise RuntimeError(f"Expected a {device} generator, found one of {generator.device}.")


def _always(*_: Any) -> bool:
    return True


def _name(*_: Any) -> str:
    return "a pretend GPU"


def _nothing(*_: Any) -> None:
    pass


def _refuse_default(device: Any) -> None:
    raise AssertionError(f"A default device {device} is set: devices follow the input.")


def _to(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Move and convert as `Tensor.to` does, which returns what is already so."""
    device = kwargs.pop("device", None)
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("non_blocking", None)
    for value in args:
        if isinstance(value, torch.Tensor):
            device, dtype = (GPU if isinstance(value, Far) else HOST), value.dtype
        elif isinstance(value, torch.dtype):
            dtype = value
        elif isinstance(value, (str, torch.device)):
            device = value
    far = isinstance(tensor, Far)
    there = far if device is None else _is_gpu(device)
    with torch._C.DisableTorchFunctionSubclass():
        source = _near(tensor)
        made = source.to(dtype=dtype, **kwargs)
        if there == far and made is source:
            return tensor
        if made is source:
            # Another device is other memory; autograd follows a clone as it follows a copy.
            made = source.clone()
    return Far(made) if there else made


def _set_grad(tensor: torch.Tensor, grad: torch.Tensor | None) -> None:
    with torch._C.DisableTorchFunctionSubclass():
        _near(tensor).grad = _near(grad)


_SPECIAL: dict[str, Callable[..., Any]] = {
    "to": _to,
    "cpu": lambda tensor: _to(tensor, "cpu"),
    "cuda": lambda tensor: _to(tensor, "cuda"),
    # A module that moves gets new parameters.
    "_has_compatible_shallow_copy_type": lambda *_: False,
    "__get__ device": lambda tensor, *_: GPU if isinstance(tensor, Far) else HOST,
    "__get__ is_cuda": lambda tensor, *_: isinstance(tensor, Far) and GPU.type == "cuda",
    "__set__ grad": _set_grad,
}

_real_open = safetensors.safe_open


def _autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
    """Return the autocast of the CPU, which is where all is computed."""
    return _real_autocast("cpu", *args, **kwargs)


class _open:
    """Read a safetensors file to the device that is asked for."""

    def __init__(self, path: Any, framework: str = "pt", device: Any = "cpu") -> None:
        self.file, self.far = _real_open(path, framework=framework), _is_gpu(device)

    def __enter__(self) -> _open:
        self.file = self.file.__enter__()
        return self

    def __exit__(self, *failure: Any) -> Any:
        return self.file.__exit__(*failure)

    def get_tensor(self, name: str) -> torch.Tensor:
        """Return a tensor on the device."""
        tensor: torch.Tensor = self.file.get_tensor(name)
        return Far(tensor) if self.far else tensor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
