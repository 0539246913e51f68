"""A training that is killed costs nothing but the time of what it had not finished."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import train
from core.cache import shrink
from core.config import PROJECT_DIR, TrainConfig
from core.runs import list_runs, read_run
from tests.conftest import make_dataset, tiny_config, train_quietly


def train_until(config: TrainConfig, is_time: Callable[[], bool]) -> None:
    """Train in a process of its own and kill it, with SIGKILL where there is one, as soon as it is time."""
    options = ["--data", config.data, "--runs-dir", config.runs_dir, "--name", config.name, "--epochs", config.epochs]
    options += ["--weights", "random", "--image-size", "32", "--hidden-units", config.hidden_units]
    options += ["--fine-tune", config.fine_tune, "--fine-tune-epochs", config.fine_tune_epochs]
    options += ["--precision", config.precision, "--patience", config.patience]
    command = [sys.executable, str(PROJECT_DIR / "train.py"), *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 600  # A machine with much else to do takes minutes to load TensorFlow.
            while process.poll() is None and not is_time():
                assert time.monotonic() < deadline, "it did not get that far"
                time.sleep(0.005)
            assert process.poll() is None, "it ended before it could be killed"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("killed") / "data", per_class=40, n_test=2)


def config_of(photos: Path, runs_dir: Path, name: str, endless: str = "") -> TrainConfig:
    """A short training with fine-tuning; one stage of it can be made endless."""
    config = tiny_config(photos, runs_dir, name, epochs=10**6 if endless == "head" else 2)
    n_epochs = 10**6 if endless == "fine_tune" else 2
    return replace(config, fine_tune="block5", fine_tune_epochs=n_epochs, patience=10**6 if endless else 10)


def results_of(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in ("predictions.csv", "embeddings.npy", "projection.csv")]


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    config = replace(config_of(photos, tmp_path_factory.mktemp("undisturbed"), "undisturbed"), no_cache=True)
    return results_of(train_quietly(config))


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("features", marks=pytest.mark.thorough),
        pytest.param("head", marks=pytest.mark.thorough),
        "fine_tune",
    ],
)
def test_run_again_it_gives_the_results_of_an_undisturbed_one_to_the_byte(
    photos: Path, undisturbed: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path / "cache"))
    runs_dir = tmp_path / "runs"

    def is_time() -> bool:
        if stage == "features":
            # The first is of what the photos' pixels say.
            return sum(path.stat().st_size > 0 for path in (tmp_path / "cache").rglob("*.records")) > 1
        history = runs_dir / "killed" / "history.csv"
        return history.exists() and f"\n{stage}," in history.read_text(encoding="utf-8")

    train_until(config_of(photos, runs_dir, "killed", endless=stage), is_time)

    killed = read_run(runs_dir / "killed")
    assert killed.state == "died"
    again = train_quietly(config_of(photos, runs_dir, "again"))
    assert results_of(again) == undisturbed
    assert [run.name for run in list_runs(runs_dir)[0]] == ["again", "killed"]
    assert not list_runs(runs_dir)[1]

    ending = config_of(photos, runs_dir, "killed").to_json()
    (killed.path / "run.json").write_text(json.dumps(killed.info | {"config": ending}), encoding="utf-8")
    assert train.main(["--resume", "killed", "--runs-dir", str(runs_dir), "--quiet"]) == 0
    assert results_of(killed.path) == undisturbed
    assert read_run(killed.path).state == "finished"


def test_nothing_that_it_left_keeps_the_cache_in_use(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path / "cache"))
    config = tiny_config(photos, tmp_path / "runs", "killed")
    train_until(config, lambda: any((tmp_path / "cache").rglob("*.records")))
    assert shrink(tmp_path / "cache", 0) > 0
    assert not list((tmp_path / "cache" / "features").iterdir())
