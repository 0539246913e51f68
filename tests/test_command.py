"""How command lines end."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.command import run_command
from core.config import PROJECT_DIR
from core.errors import UserError

Capture = pytest.CaptureFixture[str]


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("Expected a; found b."), 2, "Expected a; found b."),
        (PermissionError(13, "Permission denied", "runs"), 2, "runs: Permission denied. Get the right to it."),
        (OSError(28, "No space left on device"), 2, "No space left on device. Free some disk there."),
        (OSError("image file is truncated"), 2, "image file is truncated."),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_a_user_can_mend_is_one_line(error: BaseException, code: int, said: str, capsys: Capture) -> None:
    assert run_command("core.thing", raising(error)) == code
    assert capsys.readouterr().err == f"core.thing: {said}\n"


def test_a_name_neither_breaks_nor_disguises_the_line(capsys: Capture) -> None:
    run_command("core.thing", raising(UserError("there is no a\nb\x1b[2J\u202egpj.exe\udcff")))
    assert capsys.readouterr().err == "core.thing: there is no a\\x0ab\\x1b[2J\\u202egpj.exe\\xff\n"


def test_what_is_our_fault_is_a_line_after_its_traceback(capsys: Capture) -> None:
    assert run_command("core.thing", raising(ZeroDivisionError("by\nzero"))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "core.thing: a fault of Maskboard's, ZeroDivisionError: by zero"


def test_a_traceback_that_is_kept_is_printed_only_where_somebody_asks(capsys: Capture) -> None:
    error = ZeroDivisionError("by zero")
    error.add_note("(traceback in crash.txt)")
    assert run_command("core.thing", raising(error)) == 1
    said = "core.thing: a fault of Maskboard's, ZeroDivisionError: by zero (traceback in crash.txt)\n"
    assert capsys.readouterr().err == said
    run_command("core.thing", raising(error), verbose=True)
    assert capsys.readouterr().err.startswith("Traceback")


def test_a_reader_who_has_read_enough_is_no_fault() -> None:
    program = (
        "import sys; from core.command import run_command; sys.exit(run_command('x', lambda: print('y' * 9**6) or 0))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=PROJECT_DIR, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 2)


GOES_ON = (
    "import sys; from core.command import run_command; from core.report import Report\n"
    "def command():\n"
    "    report = Report()\n"
    "    with report.progress('Waiting', 2) as advance:\n"
    "        report.say('started'); report.warn('odd'); input(); advance(1); report.say('more'); report.warn('odd')\n"
    "    with open(sys.argv[1], 'w') as file:\n        file.write('done')\n    return 0\n"
    "sys.exit(run_command('x', command, is_for_reader=False))"
)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such terminals")
@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_is_for_no_reader_goes_on_when_its_reader_is_gone(
    tmp_path: Path, is_terminal: bool, unbuffered: str
) -> None:
    ours, theirs = os.openpty() if is_terminal else os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", GOES_ON, str(tmp_path / "result")], cwd=PROJECT_DIR, stdin=subprocess.PIPE,
        stdout=theirs, stderr=theirs, env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    ) as process:  # fmt: skip
        os.close(theirs)
        said = b""
        while b"odd" not in said:
            said += (more := os.read(ours, 1000))
            assert more, "it ended before its reader did"
        os.close(ours)
        process.communicate(b"\n", timeout=300)
    assert (process.returncode, (tmp_path / "result").read_text()) == (0, "done")


def in_shell(arguments: list[str], redirections: str) -> "subprocess.CompletedProcess[str]":
    command = ["sh", "-c", f'exec "$0" "$@" {redirections}', sys.executable, *arguments]
    return subprocess.run(command, cwd=PROJECT_DIR, check=False, capture_output=True, text=True)


@pytest.mark.skipif(os.name == "nt", reason="a shell of Windows closes no streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_no_exit_code(closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path))
    shown = in_shell(["-m", "core.cache"], closed)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert (" MB in " in shown.stdout) == (">&-" not in closed.split())
    refused = in_shell(["-m", "core.cache", "--nonsense"], closed)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert ("--nonsense" in refused.stderr) == ("2>&-" not in closed)


@pytest.mark.skipif(os.name == "nt", reason="a shell of Windows closes no streams")
def test_what_is_printed_to_a_closed_stream_goes_into_no_file(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys; from core.command import run_command\n"
        "def command():\n    with open(sys.argv[1], 'w'):\n"
        "        os.write(1, b'native'); os.write(2, b'native'); print('ours', flush=True)\n"
        "        return subprocess.run([sys.executable, '-c', 'print(1, flush=True)']).returncode\n"
        "sys.exit(run_command('x', command))"
    )
    assert in_shell(["-c", program, str(tmp_path / "file")], "<&- >&- 2>&-").returncode == 0
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_onto_a_full_disk_is_no_fault_of_ours(stream: str, unbuffered: str) -> None:
    program = (
        "import sys; from core.command import run_command; from core.errors import UserError\n"
        "def command():\n    print('result')\n    raise UserError('no')\n"
        f"sys.exit(run_command('x', {'command' if stream == 'stderr' else 'lambda: print(1) or 0'}))"
    )
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=PROJECT_DIR, env=environment, check=False, text=True,
            stdout=full if stream == "stdout" else subprocess.PIPE,
            stderr=full if stream == "stderr" else subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode == 2
    if stream == "stdout":
        assert done.stderr == "x: standard output: No space left on device. Free some disk there.\n"
    else:
        assert done.stdout == "result\n"
