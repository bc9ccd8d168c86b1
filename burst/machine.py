"""The machine: device, threads, memory, and settings for exactly repeatable results."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import platform
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from burst.lazy import cv2, psutil, torch
from burst.records import Stack, StackError
from burst.settings import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")

# Peak memory of a run over the pixels of its stack, as `burst bench --suite scaling` finds it.
BYTES_PER_PIXEL = 60
# Of a run that reads frames block by block, over the pixels of one frame: a frame at a time, the
# images that are made of all of them, and a part of the network's.
BYTES_PER_FIELD_PIXEL = 160
# The same of a GPU's memory, as `make gpu` finds it.
BYTES_PER_PIXEL_ON_GPU = 75

# Of malloc.h; values are C ints.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 1 << 30  # bytes

# Locks by process: a fork may copy one that nobody will release.
_TURNS: dict[int, Any] = defaultdict(threading.RLock)
_CGROUP = Path("/sys/fs/cgroup")


def resolve_device(name: str) -> str:
    """Return "cpu", "cuda" or "mps"; "auto" takes an NVIDIA or AMD GPU if there is one, ConfigError
    if asked in vain."""
    if name == "cpu":
        return name
    if name == "mps":
        # What Apple's GPUs lack runs on the CPU; torch reads this when it is imported.
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    there = torch.backends.mps.is_available() if name == "mps" else torch.cuda.is_available()
    if there or name == "auto":
        return "mps" if name == "mps" else "cuda" if there else "cpu"
    kind = "an Apple GPU" if name == "mps" else "a GPU"
    raise ConfigError(
        f"--device {name}: expected {kind} that torch can use, found none. Pass --device cpu."
    )


def devices_of(name: str) -> tuple[str, str | None]:
    """Return the device of a name, as `resolve_device` does, and the fallback where its memory is
    too small: the CPU with "auto", None with a named device."""
    device = resolve_device(name)
    return device, "cpu" if name == "auto" and device != "cpu" else None


def drawing_device(device: str) -> str:
    """Return where stacks are simulated for a device: Apple's GPUs lack 64 bits for the times."""
    return "cpu" if device == "mps" else device


def cpu_count() -> int:
    """Return how many processors this process may use, which psutil does not know on a Mac."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_up(threads: int) -> None:
    """Fix the number of threads, and make torch deterministic where it can be."""
    _keep_freed_memory()
    if torch.cuda.is_available():
        # cuBLAS reads this once, before its first use, and repeats itself only with it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    # Nothing that a stage does depends on chance but the choice of a convolution. To have torch
    # watch over it (`use_deterministic_algorithms`) would take as long as to import torch.
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


@contextlib.contextmanager
def as_before() -> Iterator[None]:
    """Work as a process of its own would, whatever this one has set for torch and NumPy, and put
    back what is changed for all of it; of several threads one works after another."""
    cudnn: Any = torch.backends.cudnn
    gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with _TURNS[os.getpid()], contextlib.ExitStack() as around:
        around.callback(torch.set_num_threads, torch.get_num_threads())
        around.callback(cv2.setNumThreads, cv2.getNumThreads())
        around.callback(torch.set_default_dtype, torch.get_default_dtype())
        around.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        around.callback(setattr, cudnn, "deterministic", cudnn.deterministic)
        around.callback(setattr, cudnn, "benchmark", cudnn.benchmark)
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
        around.enter_context(torch.random.fork_rng(gpus))
        around.enter_context(np.errstate(all="warn", under="ignore"))
        for kind in ("cpu", "cuda"):
            around.enter_context(torch.autocast(kind, enabled=False))
        # The context makes every call slower.
        if torch.get_default_device().type != "cpu":
            around.enter_context(torch.device("cpu"))
        yield


@contextlib.contextmanager
def repeating_gradients() -> Iterator[None]:
    """Make torch sum gradients in a fixed order within the context."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory before it is written takes time, and nothing reads it before.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=True)


def _keep_freed_memory() -> None:
    """Make the C library keep freed memory for the next array instead of returning it.

    Frames are megabytes each; to have the system map and clear new pages for every temporary
    array costs a fifth of a run.
    """
    with contextlib.suppress(OSError, AttributeError):  # a C library other than GNU's
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST_KEPT)


def return_freed_memory() -> None:
    """Return memory that is no longer used to the system, which `set_up` has the C library keep."""
    with contextlib.suppress(OSError, AttributeError):  # a C library other than GNU's
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def memory_needed(stack: Stack, made: int) -> int:
    """Return the bytes of restoring a stack with all frames in memory and what is `made`."""
    return stack.count * stack.height * stack.width * BYTES_PER_PIXEL + made


def check_memory(stack: Stack, made: int, limit: int | None, in_blocks: bool = False) -> None:
    """Raise StackError if restoring a stack, and what is `made` beside it, needs more bytes than
    `limit`; None means unknown. `in_blocks`: frames may be read block by block."""
    need, advice = memory_needed(stack, made), "Crop the frames, take fewer of them"
    if in_blocks:
        need = min(need, stack.height * stack.width * BYTES_PER_FIELD_PIXEL + made)
        advice = "Raise --memory, crop the frames"
    if limit is not None and need > limit:
        raise StackError(
            f"{stack.source}: expected a stack that fits into {limit / 1e9:.1f} GB of free memory,"
            f" found {stack.count} frames of {stack.height}x{stack.width}, which need about"
            f" {need / 1e9:.1f} GB with all that is made of them. {advice}, ask for fewer images,"
            " or lower --jobs."
        )


def gpu_need(stack: Stack) -> str:
    """Return a sentence on the GPU memory that restoring a stack takes and on what was found."""
    need = stack.count * stack.height * stack.width * BYTES_PER_PIXEL_ON_GPU
    there = torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else 0
    return (
        f"{stack.source}: expected a GPU with about {need / 1e9:.1f} GB of free memory for"
        f" {stack.count} frames of {stack.height}x{stack.width}, found one of {there / 1e9:.1f} GB"
        " that ran out of it."
    )


def available_memory(at_most: int | None = None) -> int | None:
    """Return the bytes of free memory, or fewer; None where the system does not report them."""
    known = (at_most, _system_memory(), _container_memory())
    return min((size for size in known if size is not None), default=None)


def _system_memory() -> int | None:
    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, NotImplementedError):
        # A sandbox that hides /proc, or a system that psutil does not know.
        return None


def _container_memory() -> int | None:
    """Return the bytes that the limit of a container leaves, which psutil does not know."""
    try:
        limit = (_CGROUP / "memory.max").read_text("ascii").strip()
        used = (_CGROUP / "memory.current").read_text("ascii")
    except OSError:
        # Not in a container.
        return None
    return None if limit == "max" else max(0, int(limit) - int(used))


def end_with_parent(patience: float) -> None:
    """Have this process, started by `multiprocessing`, end when the one that started it ends.

    It is asked to, and after `patience` seconds it is made to: an interrupt can be lost in a
    callback that lets no error out.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        # No such file outside Linux.
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def library_version(library: str) -> str:
    """Return the version of an installed package."""
    try:
        return version(library)
    except PackageNotFoundError:
        # conda-forge ships OpenCV under another name.
        return "unknown"
