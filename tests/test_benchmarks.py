"""The benchmarks measure; here is only shown that what they stand on works."""

import importlib
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import large_run, recipe
from benchmarks.dataset import SIZE, make_dataset
from benchmarks.measure import machine, mean_text
from core import runs
from core.config import PROJECT_DIR
from core.dataset import check_photos, list_photos
from tests.handwritten import write_run
from tests.server import dashboard_server
from tests.visitor import visit

MODULES = sorted(path.stem for path in (PROJECT_DIR / "benchmarks").glob("*.py") if path.stem != "__init__")
# The others are parts of commands.
COMMANDS = [name for name in MODULES if name not in ("bare_page", "measure", "usual_gallery")]


def test_a_dataset_of_any_size_can_be_made(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", n_photos=7, n_test=2)
    dataset = check_photos(list_photos(data))
    assert not dataset.problems, "no two photos are alike"
    assert len(dataset.samples) == 9
    assert json.loads((data / "train_gt.json").read_text())["10004.jpg"] == 1
    with Image.open(data / "training" / "10000.jpg") as photo:
        assert photo.size == SIZE


def test_its_photos_are_decided_by_their_numbers(tmp_path: Path) -> None:
    few, more = (make_dataset(tmp_path / str(n), n_photos=n) / "training" for n in (2, 4))
    assert all((few / name).read_bytes() == (more / name).read_bytes() for name in ("10000.jpg", "10001.jpg"))


def test_the_machine_is_described() -> None:
    assert "cores" in machine() and "tensorflow" in machine()


def test_a_mean_comes_with_students_interval() -> None:
    assert mean_text([1.0, 2.0, 3.0]) == "2.000 (-0.484 to 4.484)", "4.303 times the standard error, 0.577"
    assert mean_text([-0.5, -0.5], "+") == "-0.500 (-0.500 to -0.500)"
    assert mean_text([0.5], "+") == "+0.500", "one value tells nothing of its spread"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_says_how_it_is_used(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(f"benchmarks.{name}").main(["--help"])
    assert stopped.value.code == 0
    assert f"python -m benchmarks.{name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_is_in_their_readme(name: str) -> None:
    assert f"python -m benchmarks.{name}" in (PROJECT_DIR / "benchmarks" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["accuracy", "first_answer", "label_issues", "near_duplicates", "recipe", "saved_model"]
)
def test_a_folder_that_is_not_there_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path))  # Some set it themselves; so it is put back.
    weights = ["--weights", "vgg16.weights.h5"] if name in ("accuracy", "label_issues", "recipe") else []
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(f"benchmarks.{name}").main([str(tmp_path / "nowhere"), *weights])
    assert stopped.value.code == 2
    assert re.fullmatch("[^\n]*xpected[^\n]*\n", capsys.readouterr().err)


@pytest.mark.parametrize("option", ["--recipes", "--confirm"])
def test_recipes_are_known_before_anything_is_trained(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        recipe.main([str(tmp_path), "--weights", "vgg16.weights.h5", option, "gap 256;gap256"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith("found gap256\n")
    assert recipe.recipe_names("gap 256;128 pixels") == ["gap 256", "128 pixels"]


@pytest.mark.parametrize("name", ["extraction", "fine_tuning", "speed"])
def test_a_precision_that_there_is_not_is_not_taken_for_another(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        importlib.import_module(f"benchmarks.{name}").main(["--precision", "bf16"])
    assert stopped.value.code == 2
    assert "invalid choice: 'bf16'" in capsys.readouterr().err


def test_a_visitor_without_a_screen_is_answered(runs_dir: Path, tmp_path: Path) -> None:
    write_run(runs_dir, tmp_path / "data")
    with dashboard_server(runs_dir) as server, visit(server.url, "photos") as visitor:
        first, again = visitor.ask(), visitor.ask("outcome=wrong")
    assert first.n_messages > 10 and again.n_messages > 10
    assert 0 < again.seconds < 60


def test_a_visitor_turns_the_gallery_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_run, "WORK_DIR", tmp_path)
    monkeypatch.setattr(large_run, "_N_DIFFERENT", 5)
    run = large_run.make_run(tmp_path / "runs" / "large", n_photos=50)
    with dashboard_server(run.parent) as server, visit(server.url, "photos") as visitor:
        whole = visitor.ask("rows=24")
        assert visitor.n_gallery_pages == 3
        turned = visitor.turn_gallery(2)
        assert visitor.query == "rows=24&page=2&run=large"
        assert turned.n_messages < whole.n_messages
        with pytest.raises(RuntimeError, match="one of the gallery's 3 pages; found 4"):
            visitor.turn_gallery(4)


def test_two_runs_on_the_same_photos_differ_in_what_they_predict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_run, "WORK_DIR", tmp_path)
    monkeypatch.setattr(large_run, "_N_DIFFERENT", 5)
    before, now = (
        runs.read_predictions(large_run.make_run(tmp_path / "runs" / str(seed), 50, seed) / runs.PREDICTIONS_FILE, 3)
        for seed in (0, 1)
    )
    assert before[["image", "split", "true_label"]].equals(now[["image", "split", "true_label"]])
    assert not before["confidence"].equals(now["confidence"])


def test_a_run_of_any_size_can_be_made_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_run, "WORK_DIR", tmp_path)
    monkeypatch.setattr(large_run, "_N_DIFFERENT", 5)
    run = runs.read_run(large_run.make_run(tmp_path / "runs" / "large", n_photos=50))
    samples = runs.read_samples(run.path / runs.SAMPLES_FILE)
    predictions = runs.read_predictions(run.path / runs.PREDICTIONS_FILE, 3)
    metrics = runs.read_metrics(run.path / runs.METRICS_FILE)
    assert len(samples) == 54, "4 of them test photos"
    assert metrics["n_images"] == (predictions["split"] == "val").sum()
    assert len(runs.read_label_issues(run.path / runs.LABEL_ISSUES_FILE, 3)) == metrics["n_images"]
    assert runs.read_embeddings(run.path / runs.EMBEDDINGS_FILE, 54).shape == (54, 512)
    assert set(runs.read_projection(run.path / runs.PROJECTION_FILE)["image"]) == set(samples["image"])
    assert all((run.dataset_dir / image).is_file() for image in samples["image"])
