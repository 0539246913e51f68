"""Disks that are full, read-only or gone: one line that says where and what to do, and nothing whole is lost."""

import contextlib
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import train
from core import training
from core.cache import PhotoCache
from core.processes import this_process
from core.results import write_embeddings
from core.reviews import EXCLUDE, Review, append_reviews
from core.runs import list_runs, read_run
from tests.conftest import make_dataset
from tests.faulty_disk import FAULTS, faulty, full_disk, ordinary_user

Capture = pytest.CaptureFixture[str]
TABLES = (
    "samples.csv", "problems.csv", "predictions.csv", "embeddings.npy", "projection.csv", "submission.csv",
    "test_predictions.csv", "confusion_matrix.csv", "label_issues.csv", "metrics.json", "model.keras",
)  # fmt: skip


# --- a training in which all is as ever, but for the network ---------------------------------------------------------


@contextlib.contextmanager
def seen(job: Any, frozen: object, cache: Path, photos: Any) -> Iterator[Any]:
    keys = [photo.key for photo in photos.photos]
    values = np.random.default_rng(0).random((len(keys), 16), dtype=np.float32)
    with PhotoCache(cache, {"layer": "none"}, (16,)) as space:
        missing = np.flatnonzero(~space.find(keys)[1])
        with job.stage("features", len(missing)) as advance:
            for row in missing:
                space.append([keys[row]], values[row : row + 1])
                advance(1)
        yield training._Seen(space.find(keys)[0], None)


def fit_parts(fitter: Any, parts: Any) -> tuple[np.ndarray, list[Any]]:
    with fitter.job.stage("head", 2) as advance:
        for epoch in range(2):
            row = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"), 0.5)
            fitter.history.add({"stage": "head", "fold": -1, "epoch": epoch} | row)
            advance(1)
    features = fitter.seen.by_head[np.arange(len(fitter.samples.labels))]
    return features[:, :3], [SimpleNamespace(head=None, inputs=fitter.seen.by_head)]


def predict(job: Any, dataset: Any, fitted: Any) -> np.ndarray:
    n = len(dataset.samples)
    with job.stage("predict", n):
        features = fitted.inputs[np.arange(n)]
        write_embeddings(job.run, dataset, features.astype(np.float16))
    return np.asarray(features[:, :3] / features[:, :3].sum(axis=1, keepdims=True))


class Network:
    """Stands for VGG16 and for what is saved."""

    def get_weights(self) -> list[object]:
        return []

    def set_weights(self, weights: list[object]) -> None: ...

    def save(self, path: Path) -> None:
        path.write_bytes(bytes(20_000))


@pytest.fixture
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a training does but compute: it takes tenths of a second."""
    replaced: dict[str, Callable[..., Any]] = {
        "build_base": lambda weights, size: Network(),
        "_freeze": lambda config, base, precision: SimpleNamespace(base=base),
        "_seen": seen,
        "_fit_parts": fit_parts,
        "_predict": predict,
        "cut": lambda *arguments: None,
        "join": lambda *arguments: Network(),
    }
    for name, stand_in in replaced.items():
        monkeypatch.setattr(training, name, stand_in)


class World:
    """A dataset, runs and a cache, each in a folder of its own, and what may not be touched."""

    def __init__(self, root: Path) -> None:
        self.data, self.runs, self.cache = root / "data", root / "runs", root / "cache"
        make_dataset(self.data, per_class=4, n_test=2)
        assert self.train("whole") == 0
        append_reviews(self.runs / "reviews.jsonl", [Review("0" * 64, "training/10000.jpg", EXCLUDE)])
        self.expected = self.results("whole")
        self._whole = self._files()

    def train(self, name: str, is_anew: bool = True) -> int:
        """Train as the command line does, with the features computed anew."""
        if is_anew:
            shutil.rmtree(self.cache / "features", ignore_errors=True)
        return train.main(["--data", str(self.data), "--runs-dir", str(self.runs), "--name", name, *OPTIONS])

    def resume(self, name: str) -> int:
        """Go on as if in another process: this one ended."""
        info = json.loads((self.runs / name / "run.json").read_text())
        if info["state"] == "running":
            info |= this_process() | {"pid": 2**22 + 1}
            (self.runs / name / "run.json").write_text(json.dumps(info))
        return train.main(["--resume", name, "--runs-dir", str(self.runs), "--quiet"])

    def results(self, name: str) -> list[bytes]:
        return [(self.runs / name / table).read_bytes() for table in TABLES]

    def is_whole(self) -> bool:
        return self._files() == self._whole

    def _files(self) -> dict[str, bytes]:
        files = [self.runs / "reviews.jsonl", *self.data.rglob("*.*"), *(self.runs / "whole").rglob("*")]
        return {str(path): path.read_bytes() for path in files if path.is_file()}


OPTIONS = ("--weights", "random", "--precision", "float32", "--image-size", "32", "--quiet")


@pytest.fixture
def world(without_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    return World(tmp_path)


def lines_of(capsys: Capture) -> list[str]:
    """What went to stderr but for warnings."""
    return [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Warning: ")]


# --- each operation fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("where", ["runs", "cache", "temp"])
def test_whatever_a_disk_refuses_is_a_line_and_can_be_gone_on_with(
    world: World, tmp_path: Path, capsys: Capture, request: pytest.FixtureRequest, where: str, lasts: bool
) -> None:
    with faulty(tmp_path / where) as disk:
        assert world.train("counted") == 0
    turns = list(range(1, disk.n_asked + 1))
    assert turns, "nothing was written there"
    shuffled = random.Random(where).sample(turns, len(turns))
    for turn in turns if request.config.getoption("--thorough") else shuffled[:2]:
        number = list(FAULTS.values())[turn % len(FAULTS)]
        name = f"r{turn}"
        capsys.readouterr()
        with faulty(tmp_path / where, number, turn, lasts) as disk:
            code = world.train(name)
        case = f"{os.strerror(number)} at {turn}: {disk.refused}"
        said = lines_of(capsys)
        assert disk.refused, case
        assert world.is_whole(), case
        if code == 0:  # What could not be done was no more than tidying up.
            assert said == [] and world.results(name) == world.expected, case
            continue
        assert (code, len(said)) == (2, 1), (case, said)
        assert str(tmp_path / where) in said[0] and os.strerror(number) in said[0], (case, said)
        if not (world.runs / name / "run.json").exists():
            # A disk that takes nothing any more keeps the empty folder too.
            assert not (world.runs / name).exists() or lasts, case
            shutil.rmtree(world.runs / name, ignore_errors=True)
            assert world.train(name) == 0, case
        else:
            info = read_run(world.runs / name).info
            assert info["state"] == "failed" or lasts, case
            assert world.resume(name) == 0, case
        assert world.results(name) == world.expected, case
        assert not list_runs(world.runs)[1], case
        assert not list((world.runs / name).glob(".unfinished-*")), case


def test_nothing_is_ever_written_into_the_dataset(world: World) -> None:
    with faulty(world.data) as disk:
        assert world.train("again") == 0
    assert disk.n_asked == 0


# --- a disk that is really full --------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["runs", "cache"])
def test_a_full_disk_is_a_line_and_with_more_room_the_training_goes_on(
    world: World,
    capsys: Capture,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    where: str,
) -> None:
    with full_disk(tmp_path / "disk") as disk:
        before = getattr(world, where)
        setattr(world, where, disk.path / where)
        (disk.path / where).mkdir()
        monkeypatch.setenv("MASKBOARD_CACHE", str(world.cache))
        shutil.copytree(before, disk.path / where, dirs_exist_ok=True)
        spares = [0, 4096, 12288, 20480, 36864] if request.config.getoption("--thorough") else [0, 12288]
        for spare in spares:
            shutil.rmtree(world.cache / "features", ignore_errors=True)
            disk.fill(spare)
            capsys.readouterr()
            code, said = world.train(f"r{spare}"), lines_of(capsys)
            if code == 0 and where == "cache":  # Features of these few photos take less.
                assert world.results(f"r{spare}") == world.expected
                disk.clear()
                continue
            assert (code, len(said)) == (2, 1), (spare, said)
            assert str(disk.path) in said[0] and "No space left" in said[0], said
            disk.clear()
            assert not list_runs(world.runs)[1]
            is_there = (world.runs / f"r{spare}").exists()
            assert (world.resume(f"r{spare}") if is_there else world.train(f"r{spare}")) == 0
            assert world.results(f"r{spare}") == world.expected


def test_a_full_disk_is_no_lack_of_memory_to_tensorboards_writer(
    world: World, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import keras

    with full_disk(tmp_path / "disk") as disk:

        def write_events(fitter: Any, parts: Any) -> Any:
            disk.fill(0)
            events = fitter._callbacks("head", -1, lambda n: None)[-1]
            events.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
            events.on_train_begin()
            events.on_epoch_end(0, {"loss": 1.0})
            raise AssertionError("the disk took it")

        monkeypatch.setattr(training, "_fit_parts", write_events)
        world.runs = disk.path
        assert world.train("full") == 2
    (said,) = lines_of(capsys)
    assert "tensorboard" in said and "No space left on device" in said and "memory" not in said


def test_a_limit_on_the_size_of_files_is_a_line(world: World, capsys: Capture) -> None:
    resource = pytest.importorskip("resource", reason="only Unix has such limits")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, limits[1]))
    try:
        code = world.train("limited")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (said,) = lines_of(capsys)
    assert code == 2 and "model.keras; File too large" in said
    assert world.resume("limited") == 0
    assert world.results("limited") == world.expected


# --- permissions -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def without_rights(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        with ordinary_user():
            yield
    finally:
        path.chmod(before)


def test_a_read_only_dataset_is_trained_on(world: World) -> None:
    with without_rights(world.data, 0o555), without_rights(world.data / "training", 0o555):
        assert world.train("read-only") == 0
    assert world.results("read-only") == world.expected


@pytest.mark.parametrize(
    ("place", "mode", "says"),
    [
        ("data", 0o000, "Permission denied"),
        ("data/training", 0o000, "Permission denied"),
        ("data/train_gt.json", 0o000, "cannot be read: Permission denied"),
        ("runs", 0o555, "Choose another --runs-dir"),
        ("cache", 0o555, "MASKBOARD_CACHE, or use --no-cache"),
        ("cache/features", 0o555, "MASKBOARD_CACHE, or use --no-cache"),
    ],
)
def test_what_may_not_be_used_is_a_line(
    world: World, tmp_path: Path, capsys: Capture, place: str, mode: int, says: str
) -> None:
    shutil.rmtree(world.cache)
    (world.cache / "features").mkdir(parents=True)
    capsys.readouterr()
    with without_rights(tmp_path / place, mode):
        code = world.train("refused", is_anew=False)
    (said,) = lines_of(capsys)
    assert code == 2
    assert str(tmp_path / place) in said and says in said
    assert world.is_whole() and not list_runs(world.runs)[1]


def test_weights_that_may_not_be_read_are_a_line(world: World, tmp_path: Path, capsys: Capture) -> None:
    weights = tmp_path / "vgg16.weights.h5"
    weights.write_bytes(b"0")
    with without_rights(weights, 0o000):
        assert train.main(["--data", str(world.data), "--weights", str(weights), "--runs-dir", str(world.runs)]) == 2
    assert "vgg16.weights.h5; Permission denied" in lines_of(capsys)[-1]


def test_a_photo_that_may_not_be_read_is_left_out_and_named(world: World) -> None:
    with without_rights(world.data / "training" / "10000.jpg", 0o000):
        assert world.train("without") == 0
    problems = pd.read_csv(world.runs / "without" / "problems.csv")
    assert ["training/10000.jpg", "unreadable", "Permission denied"] in problems.to_numpy().tolist()


def test_a_user_without_a_home_is_told_to_name_a_cache(world: World, capsys: Capture, monkeypatch: Any) -> None:
    monkeypatch.delenv("MASKBOARD_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *names, **options: "~/.cache/maskboard")
    assert world.train("homeless") == 2
    (said,) = lines_of(capsys)
    assert "Expected a home folder for the cache" in said and "MASKBOARD_CACHE" in said


# --- folders that go away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["runs/gone", "runs", "cache"])
def test_a_folder_that_is_removed_meanwhile_is_a_line(
    world: World, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def remove(fitter: Any, parts: Any) -> Any:
        shutil.rmtree(tmp_path / place)
        return fit_parts(fitter, parts)

    monkeypatch.setattr(training, "_fit_parts", remove)
    capsys.readouterr()
    code = world.train("gone")
    (said,) = lines_of(capsys)
    assert code == 2 and str(tmp_path / place) in said and "removed" in said
    assert not (tmp_path / "runs" / "gone").exists() or place == "cache"
    if place == "cache":
        assert read_run(world.runs / "gone").state == "failed"
        monkeypatch.setattr(training, "_fit_parts", fit_parts)
        assert world.resume("gone") == 0
        assert world.results("gone") == world.expected
