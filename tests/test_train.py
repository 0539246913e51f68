import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import train
from core.config import PROJECT_DIR, TrainConfig
from core.errors import UserError
from core.report import Report
from core.runs import RunWriter, list_runs, read_history, read_run

Capture = pytest.CaptureFixture[str]

OPTIONS = {
    *("--data", "--class-names", "--demo", "--name", "--runs-dir", "--weights", "--image-size", "--resize", "--head"),
    *("--hidden-units", "--dropout", "--epochs", "--batch-size", "--learning-rate", "--patience"),
    *("--validation-fraction", "--split-seed", "--seed", "--quiet"),
}
TINY = ("--weights", "random", "--image-size", "32", "--hidden-units", "8")


def exit_code(argv: list[str]) -> int:
    """That of the command line, also where argparse exits by itself."""
    try:
        return train.main(argv)
    except SystemExit as error:
        return int(error.code or 0)


def help_texts() -> dict[str, str]:
    actions = train.build_parser()._actions
    return {action.option_strings[-1]: action.help or "" for action in actions}


# --- options ---------------------------------------------------------------------------------------------------------


def test_it_has_the_options_that_it_should_have() -> None:
    assert set(help_texts()) - {"--help"} >= OPTIONS


@pytest.mark.parametrize("option", sorted(help_texts()))
def test_every_option_has_help(option: str) -> None:
    assert len(help_texts()[option]) > 10


@pytest.mark.parametrize("option", ["--epochs", "--head", "--data", "--class-names", "--name", "--runs-dir"])
def test_help_tells_the_default(option: str) -> None:
    assert "(default: " in help_texts()[option]


def test_every_option_is_in_the_readme() -> None:
    mentioned = re.findall(r"--[a-z-]+", (PROJECT_DIR / "README.md").read_text(encoding="utf-8"))
    assert set(help_texts()) - {"--help"} <= set(mentioned)


def test_help_shows_every_option(capsys: Capture) -> None:
    assert exit_code(["--help"]) == 0
    assert set(help_texts()) <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


def test_help_brings_nothing_heavy() -> None:
    program = (
        "import sys, train\n"
        "try:\n    train.main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "print(*{'tensorflow', 'keras', 'pandas', 'numpy', 'PIL', 'streamlit'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    assert "--weights" in done.stdout
    assert done.stderr == "\n"


# --- what the user can mend ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["--data", "absent"], "there is no such folder"),
        (["--image-size", "16"], "Expected --image-size to be 32 to 1024; found 16."),
        (["--class-names", "one"], "at least two different names"),
        (["--name", "../x"], "Expected --name to be"),
        (["--weights", "absent.h5"], "there is no file absent.h5"),
        (["--name", "taken"], "exists already"),
    ],
)
def test_a_users_error_is_one_line_and_exit_code_2(
    data: Path, runs_dir: Path, capsys: Capture, argv: list[str], reason: str
) -> None:
    (runs_dir / "taken").mkdir(parents=True)
    assert train.main(["--data", str(data), *TINY, *argv]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("train.py: Expected ") and reason in err
    assert [path.name for path in runs_dir.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    "argv", [["--nonsense"], ["--epochs", "many"], ["--head", "attention"], ["--resize", "stretch"], ["--epoch", "3"]]
)
def test_an_option_that_is_not_understood_is_exit_code_2(argv: list[str], runs_dir: Path, capsys: Capture) -> None:
    assert exit_code(argv) == 2
    assert "train.py: error: " in capsys.readouterr().err
    assert not runs_dir.exists()


def test_a_crash_is_one_line_and_leaves_its_traceback_in_the_run_folder(
    data: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("odd\nphotos")

    monkeypatch.setattr("core.training.predict_and_embed", fail)
    command = ["--data", str(data), "--epochs", "1", *TINY]
    assert train.main([*command, "--name", "mine"]) == 1
    kept = runs_dir / "mine" / "crash.txt"
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train.py: ")]
    assert line == f"train.py: a fault of Maskboard's, ZeroDivisionError: odd photos (traceback in {kept})"
    assert "in fail" in kept.read_text(encoding="utf-8")
    assert read_run(runs_dir / "mine").state == "failed"

    assert train.main([*command, "--verbose"]) == 1
    out, err = capsys.readouterr()
    assert "Traceback (most recent call last)" in err
    assert "head, epoch 1: loss" in out


def test_a_failing_training_says_why_on_one_line(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def fail(*arguments: object) -> None:
        raise UserError("Expected photos; found none.")

    monkeypatch.setattr("core.training.train", fail)
    assert train.main(["--data", str(data), "--weights", "random"]) == 2
    assert capsys.readouterr().err == "train.py: Expected photos; found none.\n"


def test_a_name_that_is_taken_is_told_before_weights_are_looked_for(
    data: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (runs_dir / "taken").mkdir(parents=True)
    monkeypatch.setattr("core.weights.find_weights", lambda name: pytest.fail("looked for"))
    assert train.main(["--data", str(data), "--name", "taken"]) == 2
    assert "Expected a new run name" in capsys.readouterr().err


def test_weights_that_are_not_there_are_told_without_waiting_for_tensorflow(data: Path) -> None:
    program = (
        "import sys, train\n"
        f"code = train.main(['--data', {str(data)!r}, '--weights', 'absent.h5'])\n"
        "sys.exit(99 if 'tensorflow' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no file absent.h5" in done.stderr


def test_from_the_shell_too_nothing_but_that_line_is_seen(tmp_path: Path) -> None:
    command = [sys.executable, str(PROJECT_DIR / "train.py"), "--data", str(tmp_path / "absent")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("train.py: Expected a dataset in ")


# --- a training ------------------------------------------------------------------------------------------------------


def test_a_training_names_its_folder_first_and_ends_with_a_table(data: Path, runs_dir: Path, capsys: Capture) -> None:
    assert train.main(["--data", str(data), "--name", "mine", "--epochs", "2", *TINY]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == f"Run folder: {runs_dir / 'mine'}"
    for word in ("precision", "recall", "F1", "nobody", "everybody", "somebody", "Validation", "accuracy"):
        assert word in out
    assert lines[-1].startswith(f"Finished: {runs_dir / 'mine'}")
    assert "random" in err and err.count("\n") == 1
    assert read_run(runs_dir / "mine").state == "finished"


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["--resume", "absent"], "found no absent"),
        (["--resume", "done"], "Expected a run that did not come to its end; done is finished. Train a new one."),
        (
            ["--resume", "done", "--epochs", "3"],
            "Expected only --runs-dir, --quiet and --verbose beside --resume; found --epochs.",
        ),
    ],
)
def test_what_cannot_be_gone_on_with_is_said(argv: list[str], reason: str, runs_dir: Path, capsys: Capture) -> None:
    with RunWriter.create(TrainConfig(runs_dir=runs_dir, name="done")):
        pass
    assert train.main(argv) == 2
    assert reason in capsys.readouterr().err


def test_a_failed_run_goes_on_when_its_dataset_is_mended_and_says_so(
    data: Path, runs_dir: Path, capsys: Capture
) -> None:
    photo = data / "training" / "10001.jpg"
    content = photo.read_bytes()
    for name in ("10001.jpg", "10004.jpg"):
        (data / "training" / name).write_bytes(b"")
    assert train.main(["--data", str(data), "--name", "mine", *TINY]) == 2
    photo.write_bytes(content)
    (data / "training" / "10004.jpg").write_bytes((data / "training" / "10007.jpg").read_bytes())
    assert train.main(["--resume", "mine", "--quiet"]) == 0
    assert "there was a change of: dataset." in capsys.readouterr().err
    run = read_run(runs_dir / "mine")
    assert (run.state, run.info["resumed"], "error" in run.info) == ("finished", 1, False)
    assert any("there was a change of: dataset." in notice for notice in run.info["notices"])


def test_ctrl_c_is_exit_code_130(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.training.train", interrupt)
    assert train.main(["--data", str(data), "--weights", "random"]) == 130
    assert capsys.readouterr().err == "train.py: interrupted\n"


def test_a_training_goes_on_when_its_reader_is_gone(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def say(config: object, listing: object, weights: object, report: Report, unfinished: object) -> None:
        for line in ("first", "second"):
            report.say(line)
            said.append(line)

    monkeypatch.setattr("core.training.train", say)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert train.main(["--data", str(data), "--weights", "random"]) == 0
    assert said == ["first", "second"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_a_real_ctrl_c_leaves_an_interrupted_run_with_its_history(data: Path, runs_dir: Path) -> None:
    command = [sys.executable, str(PROJECT_DIR / "train.py"), "--data", str(data), "--name", "stopped", *TINY]
    with subprocess.Popen(
        [*command, "--epochs", "1000000", "--patience", "1000000"],
        stderr=subprocess.PIPE,
        text=True,
        # Background jobs of a shell inherit that it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            _wait_for(runs_dir / "stopped" / "history.csv", process)
            process.send_signal(signal.SIGINT)
            err = process.communicate(timeout=300)[1]
        finally:
            process.kill()
    assert process.returncode == 130
    how = f"To go on: python train.py --resume {runs_dir / 'stopped'}"
    assert err.splitlines()[-1] == f"train.py: interrupted. {how}" and "Traceback" not in err
    (run,), broken = list_runs(runs_dir)
    assert (run.state, broken) == ("interrupted", [])
    assert len(read_history(run.path / "history.csv")) >= 1


def _wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 600  # A machine with much else to do takes minutes to load TensorFlow.
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, "it did not get that far"
        time.sleep(0.05)


@pytest.mark.parametrize("option", ["--data", "--weights", "--runs-dir"])
def test_a_name_too_long_for_the_system_is_one_line(data: Path, capsys: Capture, option: str) -> None:
    arguments = {"--data": str(data), "--weights": "random", option: "x" * 300}
    assert train.main([word for pair in arguments.items() for word in pair]) == 2
    assert capsys.readouterr().err.count("\n") == 1
