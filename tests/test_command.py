"""The command as a person meets it: every exit code, signals, speed of an answer."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from toys import command, environment, run_command, write_pipeline, write_stack

from burst.__main__ import _with_verb, main
from burst.command import Exit, collect_rarely, explain, share_processors, start_logging
from burst.files.write import WriteError
from burst.log import LOG


@pytest.fixture
def toy(tmp_path):
    """Return the words of a run of one tiny stack through the toy pipeline."""
    stack = write_stack(tmp_path / "a.npy")
    pipeline = write_pipeline(tmp_path)
    return ["run", "--out", "out", "--pipeline", pipeline, "--device", "cpu", "--stack", stack]


def test_exit_0_when_done(tmp_path, toy):
    done = run_command(tmp_path, *toy)
    assert (done.returncode, done.stdout.count("\n")) == (Exit.DONE, 6), done.stderr
    assert "\x1b" not in done.stderr


def test_exit_1_when_processing_fails(tmp_path, toy):
    failed = run_command(tmp_path, *toy, "--set", "toy_trouble.kind=fail")
    assert failed.returncode == Exit.PROCESSING_FAILED
    assert "Traceback" not in failed.stderr


def test_exit_2_for_wrong_settings(tmp_path, toy):
    refused = run_command(tmp_path, *toy, "--set", "toy_mean.gran=1")
    assert refused.returncode == Exit.SETTINGS
    assert "unknown key 'gran'. Did you mean 'grain'?" in refused.stderr


def test_exit_2_for_wrong_usage(tmp_path):
    assert run_command(tmp_path, "run", "--stack").returncode == Exit.SETTINGS


def test_exit_3_for_bad_input(tmp_path, toy):
    missing = run_command(tmp_path, *toy[:-1], "missing.npy")
    assert missing.returncode == Exit.BAD_INPUT
    assert missing.stderr.startswith("burst: error: missing.npy: expected")


def test_exit_4_when_a_worker_is_killed(tmp_path, toy):
    write_stack(tmp_path / "doomed.npy")
    trouble = ("--set", "toy_trouble.kind=die", "--set", "toy_trouble.name=doomed")
    run = run_command(tmp_path, *toy, "doomed.npy", "--jobs", 2, *trouble, "--json")
    assert run.returncode == Exit.SOME_FAILED, run.stderr
    rows = {Path(row["stack"]).name: row for row in json.loads(run.stdout)["stacks"]}
    assert rows["a.npy"]["status"] == "done"
    assert "its process was killed" in rows["doomed.npy"]["message"]
    assert "1 of 2 stacks done" in run.stderr
    assert "Traceback" not in run.stderr


def test_exit_5_for_a_missing_checkpoint(tmp_path):
    missing = run_command(tmp_path, "info", "--checkpoint", "none-such")
    assert missing.returncode == Exit.CHECKPOINT
    assert "checkpoint none-such: expected one of" in missing.stderr


@pytest.fixture
def answered_interrupt():
    """Let Ctrl-C reach what is started: in the background of a shell it is ignored from above."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("answered_interrupt")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", [1, 2])
def test_exit_130_when_interrupted(tmp_path, toy, number, jobs):
    write_stack(tmp_path / "b.npy")
    words = [*toy, "b.npy", "--jobs", jobs, "--set", "toy_trouble.kind=stall"]
    process = subprocess.Popen(
        command(tmp_path, *words),
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    read = _read_until(process, "toy_linear", jobs)
    os.kill(process.pid, number)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == Exit.INTERRUPTED
    assert "burst: error: interrupted" in rest
    assert "Traceback" not in read + rest
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_module_and_verb_are_the_same_command(tmp_path, toy):
    run_command(tmp_path, *toy)
    again = run_command(tmp_path, *toy[1:], "--resume", "--json", module="burst.run")
    assert json.loads(again.stdout)["stacks"][0]["status"] == "skipped"


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["run", "--stack", "a.npy", "--out", "o", "--set", "select.kep=0.3"],
        ["run", "--stack", "a.npy", "--out", "o", "--set", "selekt.keep=0.3"],
        ["run", "--stack", "a.npy", "--out", "o", "--pipeline", "misspelt.toml"],
        ["run", "--stack", "a.npy", "--out", "o", "--until", "misspelt"],
    ],
)
def test_help_and_mistakes_are_answered_without_torch(tmp_path, words):
    (tmp_path / "misspelt.toml").write_text('stages = ["noise", "selekt"]\n')
    program = (
        "import sys\nfrom burst.__main__ import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as stop:\n    code = stop.code\n"
        "heavy = {'torch', 'cv2', 'scipy', 'matplotlib', 'rawpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == (0 if "--help" in words else 2), done.stderr


def test_an_interrupt_while_modules_are_imported_is_one_line(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("burst.__main__.import_module", interrupted)
    assert main(["run", "--stack", "a.npy"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "burst: error: interrupted\n"
    program = "import sys, burst.__main__\nsys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_full_disk_is_the_place_s_fault():
    failure = explain(OSError(28, "No space left on device", "out/a"))
    assert failure.exit is Exit.BAD_INPUT
    assert failure.message.startswith("out/a: No space left on device.")
    assert explain(OSError(2, "No such file or directory", "/proc/x")).exit is Exit.BAD_INPUT
    assert explain(WriteError("out/a: expected to write it")).exit is Exit.BAD_INPUT


def test_traceback_goes_elsewhere_when_the_folder_is_gone(tmp_path):
    failure = explain(RuntimeError("x"), tmp_path / "gone")
    place = Path(failure.message.rpartition(" in ")[2].rstrip("."))
    assert "RuntimeError: x" in place.read_text()
    place.unlink()


def test_lack_of_memory_says_what_to_do():
    failure = explain(MemoryError())
    assert failure.exit is Exit.PROCESSING_FAILED
    assert "lower --jobs" in failure.message


def test_closed_pipe_is_no_error(tmp_path):
    line = f"{sys.executable} -m burst info | true"
    piped = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert piped.stderr == ""


def _read_until(process: subprocess.Popen[str], word: str, times: int) -> str:
    """Read the log of a process until a word has been there so many times."""
    assert process.stderr is not None
    text = ""
    for line in process.stderr:
        text += line
        if text.count(word) >= times:
            return text
    raise AssertionError(f"expected '{word}' in the log, found:\n{text}")


def test_threads_that_wait_leave_the_processor_to_others(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    share_processors()
    assert os.environ["GOMP_SPINCOUNT"] == "10000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    share_processors()
    assert os.environ["GOMP_SPINCOUNT"] == "7"


def test_objects_that_stay_are_not_searched_for_garbage_again_and_again():
    before = gc.get_threshold()
    try:
        gc.set_threshold(700)
        collect_rarely()
        assert gc.isenabled()
        assert gc.get_threshold()[0] >= 10_000
    finally:
        gc.set_threshold(*before)


def test_a_process_that_is_done_ends_at_once_and_cleans_up_before():
    program = (
        "import atexit, sys\nfrom burst import __main__ as command\n"
        "class Library:\n    def __del__(self):\n        print('taken apart')\n"
        "loaded = Library()\n"
        "def main():\n    atexit.register(print, 'cleaned up')\n    return 3\n"
        "command.main = main\nsys.exit(command.run_as_process())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "cleaned up\n", "")


def test_no_word_at_all_is_help(tmp_path):
    done = run_command(tmp_path)
    assert done.returncode == Exit.DONE
    assert done.stdout.startswith("usage: burst")


def test_a_stack_alone_is_restored_into_a_folder_beside_it(tmp_path, toy):
    nights = tmp_path / "nights"
    stack = write_stack(nights / "moon.npy")
    done = run_command(tmp_path, stack, "--pipeline", toy[4], "--device", "cpu")
    assert done.returncode == Exit.DONE, done.stderr
    assert (nights / "restored/moon/restored.png").is_file()


@pytest.mark.parametrize("words", [["moon.avi"], ["./frames"], ["*.ser"], ["a.npy", "b.npy"]])
def test_stacks_in_place_of_a_verb_are_run(words):
    assert _with_verb([*words, "--quiet"]) == ["run", "--quiet", "--stack", *words]


@pytest.mark.parametrize("words", [["info"], ["--version"], ["rnu"]])
def test_other_words_are_left_alone(words):
    assert _with_verb(words) == words


class Terminal(io.StringIO):
    """A stream that shows colours."""

    def isatty(self):
        return True


def warned(monkeypatch, stream, **variables):
    """Return what a warning looks like on a stream."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", stream)
    start_logging()
    LOG.warning("hot")
    return stream.getvalue()


def test_colour_is_for_terminals_alone(monkeypatch):
    assert warned(monkeypatch, Terminal()) == "\x1b[33mburst: warning:\x1b[0m hot\n"
    assert warned(monkeypatch, io.StringIO()) == "burst: warning: hot\n"
    assert warned(monkeypatch, Terminal(), NO_COLOR="1") == "burst: warning: hot\n"
    assert warned(monkeypatch, Terminal(), TERM="dumb") == "burst: warning: hot\n"


def test_a_sentence_with_its_full_stop_gets_no_second_one(tmp_path):
    message = explain(RuntimeError("the lens cap was on."), tmp_path).message
    assert "RuntimeError: the lens cap was on. The traceback is in" in message
