import io

import pytest
from rich.console import Console
from rich.table import Table

from core import report as report_module
from core.report import Report

Capture = pytest.CaptureFixture[str]


def run_stage(report: Report) -> None:
    with report.progress("Computing features", 10) as advance:
        for _ in range(5):
            advance(2)


def test_it_says_lines_on_stdout(capsys: Capture) -> None:
    Report().say("Run folder: runs/x")
    assert capsys.readouterr() == ("Run folder: runs/x\n", "")


def test_it_warns_on_stderr(capsys: Capture) -> None:
    Report().warn("2 files were left out")
    assert capsys.readouterr() == ("", "Warning: 2 files were left out\n")


def test_details_are_for_who_wants_to_know_all(capsys: Capture) -> None:
    for report in (Report(), Report(verbose=True)):
        report.detail("head, epoch 1: loss 1.0")
    assert capsys.readouterr().out == "head, epoch 1: loss 1.0\n"


def test_quiet_it_says_only_what_must_be_said(capsys: Capture) -> None:
    report = Report(quiet=True)
    report.say("details")
    report.show(Table("class"))
    run_stage(report)
    report.say("Run folder: runs/x", always=True)
    report.warn("odd")
    assert capsys.readouterr() == ("Run folder: runs/x\n", "Warning: odd\n")


def test_square_brackets_in_names_are_kept(capsys: Capture) -> None:
    Report().say("training/[red]1[/red].jpg")
    Report().warn("[bold]2.jpg")
    assert capsys.readouterr() == ("training/[red]1[/red].jpg\n", "Warning: [bold]2.jpg\n")


def test_long_lines_are_not_broken(capsys: Capture) -> None:
    Report().say("x" * 500)
    assert capsys.readouterr().out == "x" * 500 + "\n"


def test_a_table_is_shown_with_its_cells(capsys: Capture) -> None:
    table = Table("class", "photos")
    table.add_row("nobody", "12")
    Report().show(table)
    assert "nobody" in capsys.readouterr().out


def test_without_a_terminal_a_stage_is_one_plain_line(capsys: Capture) -> None:
    run_stage(Report())
    out, err = capsys.readouterr()
    assert out.startswith("Computing features: 10 of 10 in ")
    assert (out.count("\n"), "\x1b" in out, "\r" in out, err) == (1, False, False, "")


def test_without_a_terminal_a_long_stage_tells_the_time_left(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "_SECONDS_BETWEEN_LINES", 0.0)
    run_stage(Report())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Computing features: 2 of 10, about ") and lines[0].endswith(" s left")
    assert len(lines) == 5


def test_on_a_terminal_a_stage_is_a_bar_with_eta(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report()
    screen = io.StringIO()
    monkeypatch.setattr(report, "_console", Console(file=screen, force_terminal=True, width=100))
    run_stage(report)
    text = screen.getvalue()
    assert "Computing features" in text and "10/10" in text and "ETA" in text
    assert "━" in text


@pytest.mark.parametrize("quiet", [False, True])
def test_a_stage_that_fails_lets_its_error_out(capsys: Capture, quiet: bool) -> None:
    with pytest.raises(KeyboardInterrupt), Report(quiet).progress("Computing features", 10):
        raise KeyboardInterrupt
    assert "10 of 10" not in capsys.readouterr().out
