"""What all commands share: exit codes, error messages, logging, signals."""

from __future__ import annotations

import argparse
import errno
import gc
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any, Never, TextIO

from burst.files.write import WriteError
from burst.log import LOG
from burst.network.checkpoint import CheckpointError
from burst.records import StackError
from burst.settings import ConfigError

# Errors that another path, another disk or other rights resolve.
PATH_ERRORS = (
    errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ELOOP,
    errno.ENAMETOOLONG, errno.ENOENT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS,
)  # fmt: skip

# Of terminals (ECMA-48).
RED, YELLOW, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[0m"

Execute = Callable[[argparse.Namespace], int]


class Exit(IntEnum):
    """Exit codes of every command; other programs rely on them."""

    DONE = 0
    PROCESSING_FAILED = 1
    SETTINGS = 2
    BAD_INPUT = 3
    SOME_FAILED = 4
    CHECKPOINT = 5
    INTERRUPTED = 130


@dataclass(frozen=True)
class Failure:
    """An error as shown to the person: an exit code and one plain line."""

    exit: Exit
    message: str


def main_of(
    verb: str, add_arguments: Callable[[argparse.ArgumentParser], None], execute: Execute
) -> int:
    """Run one command by itself, as `python -m burst.<verb>` does."""
    parser = argparse.ArgumentParser(prog=f"burst {verb}", allow_abbrev=False)
    add_arguments(parser)
    return carry_out(execute, parser.parse_args())


def share_processors() -> None:
    """Have threads that wait for one another soon sleep, which is read when torch is imported.

    By default they spin for long: beside another program that computes, a run then takes twenty
    times as long as alone. So many turns, some microseconds, cost nothing on an idle machine.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def collect_rarely() -> None:
    """Have Python look for garbage in cycles after 50,000 new objects instead of 700: to import
    torch makes 300,000, none of which is garbage, and to look at them takes a third of the time."""
    gc.set_threshold(50_000)


def carry_out(execute: Execute, args: argparse.Namespace) -> int:
    """Execute a command and return its exit code; an error becomes one line on stderr."""
    start_logging(getattr(args, "quiet", False))
    signal.signal(signal.SIGTERM, interrupt)
    share_processors()
    collect_rarely()
    try:
        code = execute(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        LOG.error("interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone (`burst info | head`); the exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:
        failure = explain(error)
        LOG.error(failure.message)
        return failure.exit


def explain(error: Exception, log_folder: Path | None = None) -> Failure:
    """Return the message and the exit code of an error.

    The traceback of an error that nobody foresaw goes into a log file, in `log_folder` or among
    the temporary files, and the message names it.
    """
    if isinstance(error, ConfigError):
        return Failure(Exit.SETTINGS, str(error))
    if isinstance(error, StackError | WriteError):
        return Failure(Exit.BAD_INPUT, str(error))
    if isinstance(error, CheckpointError):
        return Failure(Exit.CHECKPOINT, str(error))
    if isinstance(error, OSError) and error.errno in PATH_ERRORS:
        return Failure(Exit.BAD_INPUT, _explain_path(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Failure(
            Exit.PROCESSING_FAILED,
            "out of memory. Crop the frames, take fewer of them, or lower --jobs.",
        )
    log = _write_traceback(error, log_folder)
    return Failure(
        Exit.PROCESSING_FAILED,
        f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}."
        f" The traceback is in {log or 'no log: no disk takes one'}.",
    )


def start_logging(quiet: bool = False) -> None:
    """Send the log to stderr as plain lines; quiet leaves warnings and errors."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainLines(coloured(sys.stderr)))
    LOG.handlers[:] = [handler]
    LOG.propagate = False
    LOG.setLevel(logging.WARNING if quiet else logging.INFO)


def interrupt(signum: int, frame: FrameType | None) -> Never:
    """Treat a request to terminate as Ctrl-C, so that both clean up in the same way."""
    raise KeyboardInterrupt


def positive(text: str) -> int:
    """Parse a whole number of at least 1 for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, found {text}")
    return number


def coloured(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with colours that are not switched off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class _PlainLines(logging.Formatter):
    """`message` for news, `burst: warning: message` for what needs attention; one line each."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.levelno < logging.WARNING:
            return message
        word = f"burst: {record.levelname.lower()}:"
        if self.colour:
            word = f"{RED if record.levelno >= logging.ERROR else YELLOW}{word}{PLAIN}"
        return f"{word} {message}"


def _explain_path(error: OSError) -> str:
    place: Any = error.filename or "output"
    return f"{place}: {error.strerror}. Choose another place, or make room and set the permissions."


def _write_traceback(error: Exception, folder: Path | None) -> Path | None:
    """Write a log into `folder`, or else among the temporary files; None if neither takes it."""
    text = "".join(traceback.format_exception(error))
    names = [Path(tempfile.gettempdir()) / f"burst-{os.getpid()}.log"]
    for path in [folder / "error.log", *names] if folder else names:
        with suppress(OSError):
            path.write_text(text, "utf-8")
            return path
    return None
