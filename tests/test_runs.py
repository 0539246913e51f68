import dataclasses
import errno
import json
import math
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core import runs
from core.config import TrainConfig
from core.errors import UserError
from core.processes import identity_of
from core.runs import Progress, RunWriter, find_run, list_runs, read_run
from tests.faulty_disk import ordinary_user

VALID = {"format_version": 1, "state": "finished", "created": "2026", "config": {"data": "/d"}, "notices": []}


def new_run(runs_dir: Path, name: str | None = None) -> RunWriter:
    return RunWriter.create(TrainConfig(runs_dir=runs_dir, name=name))


def finished_run(runs_dir: Path, name: str, **fields: Any) -> Path:
    return write_info(runs_dir, name, VALID | fields)


def write_info(runs_dir: Path, name: str, info: object) -> Path:
    path = runs_dir / name
    path.mkdir(parents=True)
    (path / "run.json").write_text(info if isinstance(info, str) else json.dumps(info))
    return path


def files(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


# --- making a run folder ---------------------------------------------------------------------------------------------


def test_a_new_run_says_what_it_is(runs_dir: Path) -> None:
    run = read_run(new_run(runs_dir, "first").path)
    assert (run.name, run.state, run.info["name"], run.info["format_version"]) == ("first", "running", "first", 1)
    assert (run.info["pid"], run.info["host"]) == (os.getpid(), socket.gethostname())
    assert set(run.info["config"]) == {field.name for field in dataclasses.fields(TrainConfig)}
    assert {"tensorflow", "keras", "numpy", "pillow"} <= set(run.info["packages"])
    assert run.info["created"] <= run.info["updated"]


def test_a_name_that_is_taken_is_refused_and_its_run_left_alone(runs_dir: Path) -> None:
    path = finished_run(runs_dir, "taken")
    before = (path / "run.json").read_bytes()
    with pytest.raises(UserError, match="exists already"):
        new_run(runs_dir, "taken")
    assert (path / "run.json").read_bytes() == before


def test_runs_without_a_name_get_fresh_ones(runs_dir: Path) -> None:
    names = [new_run(runs_dir).path.name for _ in range(5)]
    assert len(set(names)) == 5
    assert all(name[8] == "-" and name[:8].isdecimal() for name in names)


@pytest.mark.parametrize("name", [None, "named"])
def test_a_runs_folder_that_cannot_be_made_is_the_users_to_mend(tmp_path: Path, name: str | None) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Expected to make the run folder .*--runs-dir"):
        new_run(tmp_path / "file", name)


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_file_appears_only_when_it_is_whole(runs_dir: Path) -> None:
    run = new_run(runs_dir)

    def save(path: Path) -> None:
        assert path.suffix == ".keras", "Keras chooses the format by it"
        path.write_text("new")
        assert (run.path / "model.keras").read_text() == "old"

    (run.path / "model.keras").write_text("old")
    run.write_file("model.keras", save)
    assert (run.path / "model.keras").read_text() == "new"
    assert files(run.path) == ["model.keras", "run.json"]


def test_a_save_that_fails_leaves_the_old_file_and_no_rest(runs_dir: Path) -> None:
    run = new_run(runs_dir)
    run.write_json("metrics.json", {"accuracy": 1})

    def save(path: Path) -> None:
        path.write_text("half a fi")
        raise OSError("disk full")

    with pytest.raises(UserError, match=r"Expected to write .*metrics\.json; disk full"):
        run.write_file("metrics.json", save)
    assert json.loads((run.path / "metrics.json").read_text()) == {"accuracy": 1}
    assert files(run.path) == ["metrics.json", "run.json"]


def test_numbers_that_json_does_not_know_are_never_written(runs_dir: Path) -> None:
    run = new_run(runs_dir)
    with pytest.raises(ValueError, match="JSON"):
        run.write_json("metrics.json", {"loss": float("nan")})
    assert files(run.path) == ["run.json"]


def test_notices_add_up(runs_dir: Path) -> None:
    run = new_run(runs_dir)
    run.notice("one")
    run.notice("two")
    assert read_run(run.path).info["notices"] == ["one", "two"]


def test_a_stage_records_its_progress_and_its_seconds(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_SECONDS_BETWEEN_PROGRESS_WRITES", 0)
    run = new_run(runs_dir)
    with run.stage("features", 10) as advance:
        advance(3)
        advance(4)
        progress = read_run(run.path).progress
        assert progress is not None and (progress.stage, progress.done, progress.total) == ("features", 7, 10)
        assert progress.seconds >= 0
    ended = read_run(run.path)
    assert ended.progress is None
    assert ended.info["stage_seconds"]["features"] >= 0


def test_a_run_that_ends_within_a_stage_says_how_far_it_was(runs_dir: Path) -> None:
    run = new_run(runs_dir)
    with pytest.raises(ValueError, match="bad luck"), run, run.stage("features", 10):
        raise ValueError("bad luck")
    assert read_run(run.path).progress == Progress("features", 0, 10)


def test_the_pace_so_far_tells_what_is_left() -> None:
    progress = Progress("features", done=30, total=90, seconds=10)
    assert progress.share == pytest.approx(1 / 3)
    assert progress.rate == 3
    assert progress.seconds_left() == pytest.approx(20)
    assert progress.seconds_left(since=0.2) == pytest.approx(19.8)
    assert progress.seconds_left(since=60) == pytest.approx(20 - 1 / 3), "a step's time at the most"
    assert Progress("features", done=90, total=90, seconds=10).seconds_left() == 0


def test_without_a_step_or_a_time_nothing_is_foretold() -> None:
    assert Progress("features", done=0, total=90, seconds=10).seconds_left() is None
    assert Progress("features", done=30, total=90).seconds_left() is None
    assert Progress("features", done=0, total=0).share == 1


def test_progress_of_an_older_version_is_read(runs_dir: Path) -> None:
    old = finished_run(runs_dir, "old", progress={"stage": "head", "done": 3, "total": 9})
    assert read_run(old).progress == Progress("head", 3, 9, seconds=0)


def test_progress_is_not_written_at_every_step(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(runs_dir)
    written: list[str] = []
    monkeypatch.setattr(run, "write_json", lambda name, value: written.append(name))
    with run.stage("features", 1000) as advance:
        for _ in range(1000):
            advance(1)
    assert len(written) <= 4


# --- states ----------------------------------------------------------------------------------------------------------


def test_a_run_that_ends_well_is_finished(runs_dir: Path) -> None:
    with new_run(runs_dir) as run:
        assert read_run(run.path).state == runs.RUNNING
    assert read_run(run.path).state == runs.FINISHED


def test_a_run_that_the_user_stops_is_interrupted(runs_dir: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_run(runs_dir) as run:
        raise KeyboardInterrupt
    assert read_run(run.path).state == runs.INTERRUPTED


@pytest.mark.parametrize(
    ("error", "text"), [(ValueError("bad luck"), "ValueError: bad luck"), (UserError("mend it"), "mend it")]
)
def test_a_run_that_ends_in_an_error_is_failed_and_says_why(runs_dir: Path, error: Exception, text: str) -> None:
    with pytest.raises(type(error)), new_run(runs_dir) as run:
        raise error
    assert (read_run(run.path).state, read_run(run.path).info["error"]) == (runs.FAILED, text)


def test_a_run_whose_process_is_gone_has_died(runs_dir: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run = new_run(runs_dir)
    run.update(**identity_of(process.pid))
    assert read_run(run.path).state == runs.RUNNING
    process.communicate(b"\n")
    assert read_run(run.path).state == runs.DIED


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no processes that wait to be asked how they ended")
def test_a_process_that_nobody_has_asked_how_it_ended_is_gone(runs_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = new_run(runs_dir)
        run.update(**identity_of(process.pid))
        process.kill()
        deadline = time.monotonic() + 10
        while read_run(run.path).state == runs.RUNNING and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.returncode is None
        assert read_run(run.path).state == runs.DIED


@pytest.mark.parametrize(
    "fields",
    [
        {"process_started": 0.0, "started_after_boot": -60.0},
        {"pid": 2**70},
        {"pid": -1},
        {"pid": None},
        {"process_started": None, "started_after_boot": None},
    ],
)
def test_another_process_with_the_same_id_is_not_the_run(runs_dir: Path, fields: dict[str, Any]) -> None:
    run = new_run(runs_dir)
    run.update(**fields)
    assert read_run(run.path).state == runs.DIED


def test_a_run_on_another_machine_is_believed_to_go_on(runs_dir: Path) -> None:
    run = new_run(runs_dir)
    run.update(host="elsewhere", pid=1, process_started=0.0)
    assert read_run(run.path).state == runs.RUNNING


# --- listing ---------------------------------------------------------------------------------------------------------


def test_finished_runs_come_first_each_newest_first(runs_dir: Path) -> None:
    for name, created, state in (
        ("a", "2026-01-01", "finished"),
        ("b", "2026-01-04", "failed"),
        ("c", "2026-01-03", "finished"),
        ("d", "2026-01-02", "interrupted"),
    ):
        finished_run(runs_dir, name, created=created, state=state)
    assert [run.name for run in list_runs(runs_dir)[0]] == ["c", "a", "b", "d"]


def test_who_lists_runs_can_bring_a_reader(runs_dir: Path) -> None:
    path = finished_run(runs_dir, "a")
    known = read_run(path)
    assert list_runs(runs_dir, {path: known}.__getitem__)[0][0] is known


def test_without_a_folder_there_are_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "absent") == ([], [])


def test_files_and_hidden_folders_are_no_runs(runs_dir: Path) -> None:
    finished_run(runs_dir, ".trash")
    (runs_dir / "reviews.jsonl").write_text("")
    assert list_runs(runs_dir) == ([], [])


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ("", "run.json: expected a JSON object"),
        ('{"state": "fini', "run.json: expected a JSON object"),
        ("[]", "found a list"),
        ("\x00\xff", "run.json: expected a JSON object"),
        ({}, "expected a str under 'state', found None"),
        (VALID | {"format_version": 99}, "expected format version 1, found 99"),
        (VALID | {"state": "sleeping"}, "found 'sleeping'"),
        (VALID | {"created": 5}, "under 'created', found 5"),
        (VALID | {"notices": None}, "under 'notices'"),
        (VALID | {"config": []}, "under 'config'"),
        (VALID | {"config": {}}, "expected the dataset's path"),
        (VALID | {"class_names": "abc"}, "expected a list of names under 'class_names'"),
        (VALID | {"config": {"data": "/a\0b"}}, "expected the dataset's path"),
        (VALID | {"stage_seconds": {"head": "long"}}, "expected seconds a stage"),
        (VALID | {"stage_seconds": None}, "expected seconds a stage"),
        (VALID | {"stage_seconds": {"head": 1e300}}, "expected seconds a stage"),
        (VALID | {"stage_seconds": {"head": math.inf}}, "expected a JSON object"),
        (VALID | {"config": {"data": "/a", "learning_rate": math.nan}}, "expected a JSON object"),
        (VALID | {"config": {"data": ""}}, "expected the dataset's path"),
        (VALID | {"progress": "far"}, "expected how far a stage is"),
        (VALID | {"progress": {"stage": "head"}}, "expected how far a stage is"),
        (VALID | {"progress": {"stage": 1, "done": 1, "total": 2}}, "expected how far a stage is"),
        (VALID | {"progress": {"stage": "head", "done": "1", "total": 2}}, "expected how far a stage is"),
        (VALID | {"progress": {"stage": "head", "done": -1, "total": 2}}, "expected how far a stage is"),
        (VALID | {"progress": {"stage": "head", "done": 1, "total": 2, "seconds": -1}}, "expected how far"),
        (VALID | {"notices": ["\ud800"]}, "expected a JSON object"),
        (VALID | {"class_names": ["cat", ""]}, "expected a list of names under 'class_names'"),
        (VALID | {"class_names": [1, 2]}, "expected a list of names under 'class_names'"),
        (VALID | {"class_names": ["cat", "cat"]}, "expected different names under 'class_names'"),
    ],
)
def test_a_broken_run_is_listed_with_its_reason_and_the_others_are_read(
    runs_dir: Path, info: object, reason: str
) -> None:
    write_info(runs_dir, "broken", info)
    finished_run(runs_dir, "fine")
    readable, broken = list_runs(runs_dir)
    assert [run.name for run in readable] == ["fine"]
    assert [run.name for run in broken] == ["broken"]
    assert reason in broken[0].reason


def test_a_folder_without_run_json_is_broken(runs_dir: Path) -> None:
    (runs_dir / "empty").mkdir(parents=True)
    assert "Expected run.json in" in list_runs(runs_dir)[1][0].reason


# --- what a run says -------------------------------------------------------------------------------------------------


def test_class_names_are_empty_until_they_are_known(runs_dir: Path) -> None:
    assert read_run(finished_run(runs_dir, "early")).class_names == ()
    assert read_run(finished_run(runs_dir, "late", class_names=["NA", "null"])).class_names == ("NA", "null")


def test_the_dataset_is_where_it_was_unless_the_environment_says_otherwise(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(finished_run(runs_dir, "run"))
    assert run.dataset_dir == Path("/d")
    monkeypatch.setenv("MASKBOARD_DATA", "/elsewhere")
    assert run.dataset_dir == Path("/elsewhere")


def test_a_run_has_the_files_that_it_got_to(runs_dir: Path) -> None:
    run = read_run(finished_run(runs_dir, "run"))
    assert run.has("run.json") and not run.has("history.csv")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="this system has Unicode names only")
def test_a_folder_whose_name_is_no_text_is_broken_and_spelt_out(runs_dir: Path) -> None:
    (runs_dir / os.fsdecode(b"b\xff")).mkdir(parents=True)
    (broken,) = list_runs(runs_dir)[1]
    assert broken.name == r"b\xff"
    assert "valid Unicode" in broken.reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_in_the_place_of_run_json_is_not_waited_for(runs_dir: Path) -> None:
    (runs_dir / "pipe").mkdir(parents=True)
    os.mkfifo(runs_dir / "pipe" / "run.json")
    assert "Expected run.json" in list_runs(runs_dir)[1][0].reason


def test_a_link_in_a_circle_is_broken_and_hides_no_run(runs_dir: Path) -> None:
    finished_run(runs_dir, "fine")
    (runs_dir / "loop").symlink_to("loop")
    (runs_dir / ".loop").symlink_to(".loop")
    readable, (broken,) = list_runs(runs_dir)
    assert [run.name for run in readable] == ["fine"]
    assert (broken.name, broken.reason) == ("loop", f"Expected a run folder; {os.strerror(errno.ELOOP)}.")


@pytest.mark.skipif(os.name == "nt", reason="this system has no such permissions")
@pytest.mark.parametrize("is_link", [True, False])
def test_a_folder_that_may_not_be_looked_into_is_broken_and_hides_no_run(
    runs_dir: Path, tmp_path: Path, is_link: bool
) -> None:
    finished_run(runs_dir, "fine")
    secret = finished_run(tmp_path / "secret", "run").parent if is_link else finished_run(runs_dir, "linked")
    if is_link:
        (runs_dir / "linked").symlink_to(secret / "run")
    secret.chmod(0o000)
    try:
        with ordinary_user():
            readable, (broken,) = list_runs(runs_dir)
    finally:
        secret.chmod(0o700)
    assert [run.name for run in readable] == ["fine"]
    assert broken.name == "linked" and broken.reason.endswith(f"; {os.strerror(errno.EACCES)}.")


def test_a_runs_folder_that_is_a_file_is_broken(runs_dir: Path) -> None:
    runs_dir.write_text("no folder")
    assert "Expected a folder of runs" in list_runs(runs_dir)[1][0].reason


def test_ctrl_c_while_the_folder_is_made_leaves_none(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(writer: RunWriter, **fields: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RunWriter, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        RunWriter.create(TrainConfig(runs_dir=runs_dir, name="stopped"))
    assert not (runs_dir / "stopped").exists()


# --- going on --------------------------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_name_or_its_folder(
    runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = finished_run(runs_dir, "mine")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()  # A folder of that name that is no run.
    assert find_run(str(path), tmp_path).path == path
    assert find_run("mine", runs_dir).path == path
    with pytest.raises(UserError, match="found no "):
        find_run("", runs_dir)


@pytest.mark.parametrize(("place", "given"), [(".", "."), ("deeper", ".."), ("deeper/still", "../..")])
def test_a_run_given_by_where_one_is_has_its_folder_s_name(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, place: str, given: str
) -> None:
    path = finished_run(runs_dir, "mine")
    (path / "deeper" / "still").mkdir(parents=True)
    monkeypatch.chdir(path / place)
    run = find_run(given, runs_dir)
    assert run.name == "mine" and run.path.samefile(path)


def test_what_a_run_began_with_outlasts_several_resumptions(runs_dir: Path) -> None:
    path = stopped_run(runs_dir)
    for number in (1, 2):
        with pytest.raises(UserError), RunWriter.resume(path) as run:
            run.update(dataset_fingerprint=f"other {number}")
            raise UserError("Expected more.")
    assert read_run(path).info["began_with"] == {"dataset": "abc"}
    assert read_run(path).info["resumed"] == 2


def test_a_run_that_another_machine_trains_says_what_can_be_done(runs_dir: Path) -> None:
    path = stopped_run(runs_dir)
    info = read_run(path).info
    (path / "run.json").write_text(json.dumps(info | {"state": "running", "host": "elsewhere"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"still training on elsewhere, process .* write interrupted for its state"):
        RunWriter.resume(path)


def stopped_run(runs_dir: Path) -> Path:
    """A run that failed after some of its work, with what a killed process may leave."""
    with pytest.raises(UserError), new_run(runs_dir, "stopped") as run:
        run.update(stage_seconds={"features": 3.0}, dataset_fingerprint="abc")
        run.notice("odd")
        raise UserError("Expected more.")
    (run.path / ".unfinished-1-model.keras").write_bytes(b"half")
    (run.path / ".features-xyz").mkdir()
    (run.path / "tensorboard" / "head").mkdir(parents=True)
    (run.path / "predictions.csv").write_text("whole")
    (run.path / "notes.txt").write_text("mine")
    return run.path


def test_a_run_that_is_gone_on_with_begins_anew_in_its_folder(runs_dir: Path) -> None:
    path = stopped_run(runs_dir)
    before = read_run(path).info
    writer = RunWriter.resume(path)
    now = read_run(path)
    assert (now.state, now.info["pid"], now.info["resumed"]) == ("running", os.getpid(), 1)
    assert [now.info[key] for key in ("created", "config")] == [before[key] for key in ("created", "config")]
    assert (now.info["stage_seconds"], now.info["notices"], "error" in now.info) == ({}, [], False)
    assert writer.info["began_with"] == {"dataset": "abc"}
    assert {each.name for each in path.iterdir()} - {".taking-over"} == {"run.json", "notes.txt"}
    with writer:
        pass
    assert read_run(path).state == "finished"


def test_a_run_that_still_trains_or_is_done_is_not_gone_on_with(runs_dir: Path) -> None:
    with new_run(runs_dir, "mine") as run, pytest.raises(UserError, match="mine is still training"):
        RunWriter.resume(run.path)
    assert read_run(run.path).state == "finished"
    with pytest.raises(UserError, match="mine is finished"):
        RunWriter.resume(run.path)
