import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from core import predict
from core.calibration import apply_temperature
from core.errors import UserError
from core.images import PhotoError
from core.predict import Classifier, find_photos, load_classifier, main
from core.runs import Run, read_embeddings, read_metrics, read_predictions, read_samples
from tests.conftest import make_photo
from tests.faulty_disk import faulty

Capture = pytest.CaptureFixture[str]
PROBABILITIES = ["prob_0", "prob_1", "prob_2"]


@pytest.fixture(scope="module")
def classifier(trained_run: Run) -> Classifier:
    return load_classifier(trained_run)


@pytest.fixture
def loaded(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Spare the command line the seconds that loading takes."""
    monkeypatch.setattr(predict, "load_classifier", lambda run: classifier)
    yield


def expected(run: Run, image: str) -> dict[str, Any]:
    table = read_predictions(run.path / "predictions.csv", 3)
    (row,) = table[table["image"] == image].to_dict("records")
    return {str(column): value for column, value in row.items()}


# --- the command line ------------------------------------------------------------------------------------------------


def test_a_labelled_photo_gets_what_the_training_predicted(
    trained_run: Run, tiny_dataset: Path, capsys: Capture
) -> None:
    photo = tiny_dataset / "training" / "10004.jpg"
    assert main([str(trained_run.path), str(photo)]) == 0
    (row,) = pd.read_csv(io.StringIO(capsys.readouterr().out)).to_dict("records")
    known = expected(trained_run, "training/10004.jpg")
    assert row["image"] == str(photo)
    for column in (*PROBABILITIES, "confidence"):
        assert row[column] == pytest.approx(known[column], abs=1e-4)
    assert row["predicted_label"] == known["predicted_label"]
    assert row["predicted_class"] == trained_run.class_names[known["predicted_label"]]


@pytest.mark.usefixtures("loaded")
def test_all_photos_of_a_folder_are_predicted_into_a_file(
    trained_run: Run, tiny_dataset: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "table.csv"
    assert main([str(trained_run.path), str(tiny_dataset / "training"), "--out", str(out)]) == 0
    table = pd.read_csv(out)
    table["image"] = "training/" + table["image"].str.split("/").str[-1]
    known = read_predictions(trained_run.path / "predictions.csv", 3)
    found = known.merge(table, on="image", suffixes=("_known", ""))
    assert len(found) == len(known)
    temperature = read_metrics(trained_run.path / "metrics.json")["temperature"]
    calibrated = apply_temperature(known[PROBABILITIES].to_numpy(dtype=float), temperature)
    assert found[PROBABILITIES].to_numpy() == pytest.approx(calibrated, abs=0.01)
    assert capsys.readouterr().out == ""


def test_what_is_said_of_other_photos_is_calibrated_and_says_so(
    trained_run: Run, classifier: Classifier, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = make_photo(tmp_path / "a.jpg", label=1, seed=77)
    monkeypatch.setattr(predict, "load_classifier", lambda run: replace(classifier, temperature=4.0))
    assert main([str(trained_run.path), str(photo)]) == 0
    out, err = capsys.readouterr()
    (row,) = pd.read_csv(io.StringIO(out)).to_dict("records")
    said = apply_temperature(classifier.predict([classifier.load(photo)]), 4.0)[0]
    assert [row[column] for column in (*PROBABILITIES, "confidence")] == pytest.approx([*said, max(said)], abs=1e-6)
    assert "probabilities are calibrated with temperature 4.00" in err


def test_below_a_chosen_confidence_the_answer_is_not_sure(
    trained_run: Run,
    classifier: Classifier,
    tiny_dataset: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(predict, "load_classifier", lambda run: replace(classifier, temperature=4.0))
    command, out = [str(trained_run.path), str(tiny_dataset / "training")], tmp_path / "table.csv"
    assert main([*command, "--out", str(out)]) == 0
    sure = round(100 * pd.read_csv(out)["confidence"].median(), 1)
    assert main([*command, "--out", str(out), "--sure", str(sure)]) == 0
    table = pd.read_csv(out)
    is_sure = table["confidence"] >= sure / 100
    assert 0 < is_sure.sum() < len(table)
    assert (table["answer"] == table["predicted_class"].where(is_sure, "not sure")).all()
    assert main([*command, "--sure", "101"]) == 2
    assert "Expected --sure to be 0 to 100 per cent; found 101." in capsys.readouterr().err


def test_the_temperature_is_that_of_the_metrics_and_1_before_there_are_any(
    trained_run: Run, classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert classifier.temperature == read_metrics(trained_run.path / "metrics.json")["temperature"] != 1
    monkeypatch.setattr("core.model.load_model", lambda path: classifier.model)
    run = replace(trained_run, path=tmp_path)
    assert load_classifier(run).temperature == 1
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match="expected the scores of a run"):
        load_classifier(run)


@pytest.mark.usefixtures("loaded")
def test_a_run_is_found_by_its_name(trained_run: Run, tiny_dataset: Path, capsys: Capture) -> None:
    photo = tiny_dataset / "training" / "10000.jpg"
    assert main(["tiny", str(photo), "--runs-dir", str(trained_run.path.parent)]) == 0
    assert str(photo) in capsys.readouterr().out


@pytest.mark.usefixtures("loaded")
def test_an_unreadable_file_is_named_while_the_others_go_on(trained_run: Run, tmp_path: Path, capsys: Capture) -> None:
    good = [make_photo(tmp_path / "a.jpg"), make_photo(tmp_path / "c.jpg")]
    (tmp_path / "b.jpg").write_text("no photo")
    assert main([str(trained_run.path), str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert pd.read_csv(io.StringIO(out))["image"].tolist() == list(map(str, good))
    assert err.startswith(f"core.predict: {tmp_path / 'b.jpg'}: not_a_photo: expected one of JPEG")
    assert err.splitlines()[2:] == ["core.predict: 2 photos predicted, 1 left out"]


@pytest.mark.usefixtures("loaded")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_an_odd_name_neither_breaks_nor_disguises_a_line(trained_run: Run, tmp_path: Path, capsys: Capture) -> None:
    make_photo(tmp_path / "a\nb\u202e.jpg")
    (tmp_path / "c\rd\x1b[2J.jpg").write_text("no photo")
    assert main([str(trained_run.path), str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith(f"{tmp_path}/a\\x0ab\\u202e.jpg,")
    assert err.startswith(f"core.predict: {tmp_path}/c\\x0dd\\x1b[2J.jpg: not_a_photo: ")


@pytest.mark.usefixtures("loaded")
def test_without_a_readable_photo_the_table_is_empty(trained_run: Run, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "b.jpg").write_bytes(b"")
    assert main([str(trained_run.path), str(tmp_path / "b.jpg")]) == 2
    out, err = capsys.readouterr()
    assert out == "image,predicted_label,predicted_class,confidence,prob_0,prob_1,prob_2\n"
    assert "b.jpg: empty: the file has 0 bytes" in err


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("out", ["absent/table.csv", "."])
def test_a_table_that_cannot_be_written_is_one_line(
    trained_run: Run, tmp_path: Path, capsys: Capture, out: str
) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    assert main([str(trained_run.path), str(photo), "--out", str(tmp_path / out)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"core.predict: Expected to write {tmp_path / out}; ")
    assert err.count("\n") == 1 and "None" not in err


@pytest.mark.usefixtures("loaded")
def test_a_full_disk_leaves_the_table_that_was_there(trained_run: Run, tmp_path: Path, capsys: Capture) -> None:
    photo, table = make_photo(tmp_path / "a.jpg"), tmp_path / "out" / "table.csv"
    table.parent.mkdir()
    table.write_text("image\nof yesterday\n")
    with faulty(table.parent) as disk:
        assert main([str(trained_run.path), str(photo), "--out", str(table.with_name("counted.csv"))]) == 0
    for turn in range(1, disk.n_asked):  # The last one removes what is not there any more.
        capsys.readouterr()
        with faulty(table.parent, at=turn):
            assert main([str(trained_run.path), str(photo), "--out", str(table)]) == 2
        expected = f"core.predict: Expected to write {table}; No space left on device. Free some disk there.\n"
        assert capsys.readouterr().err == expected
        assert table.read_text() == "image\nof yesterday\n"
    assert sorted(path.name for path in table.parent.iterdir()) == ["counted.csv", "table.csv"]


@pytest.mark.parametrize(
    ("run", "photo", "reason"),
    [
        ("absent", "a.jpg", "found no "),
        ("tiny", "absent.jpg", "there is no"),
        ("tiny", "empty", "found none"),
        ("empty", "a.jpg", "Expected run.json in"),
    ],
)
def test_what_is_not_there_is_one_line(
    trained_run: Run, tmp_path: Path, capsys: Capture, run: str, photo: str, reason: str
) -> None:
    make_photo(tmp_path / "a.jpg")
    (tmp_path / "empty").mkdir()
    run_path = trained_run.path if run == "tiny" else tmp_path / run
    assert main([str(run_path), str(tmp_path / photo)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("core.predict: ") and reason in err


def test_a_run_without_a_model_is_one_line(trained_run: Run, tmp_path: Path, capsys: Capture) -> None:
    run = tmp_path / "unfinished"
    run.mkdir()
    shutil.copy(trained_run.path / "run.json", run)
    assert main([str(run), str(make_photo(tmp_path / "a.jpg"))]) == 2
    assert "there is no model.keras. Has the run finished?" in capsys.readouterr().err


# --- the parts that the dashboard uses too ---------------------------------------------------------------------------


def test_a_classifier_is_as_its_run_was_trained(classifier: Classifier) -> None:
    assert (classifier.class_names, classifier.image_size, classifier.resize) == (
        ("nobody", "everybody", "somebody"),
        32,
        "squash",
    )


def test_a_photo_from_memory_is_predicted_as_one_from_disk(classifier: Classifier, tmp_path: Path) -> None:
    path = make_photo(tmp_path / "a.jpg")
    probabilities = classifier.predict([classifier.load(path), classifier.load(path.read_bytes())])
    assert probabilities.shape == (2, 3)
    assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-6)


@pytest.mark.parametrize("n", [1, 3])
def test_embeddings_are_those_of_the_run_and_come_with_the_same_probabilities(
    classifier: Classifier, trained_run: Run, tiny_dataset: Path, n: int
) -> None:
    images = [f"training/1000{index}.jpg" for index in range(n)]
    photos = [classifier.load(tiny_dataset / image) for image in images]
    probabilities, embeddings = classifier.predict_and_embed(photos)
    assert probabilities == pytest.approx(classifier.predict(photos), abs=1e-6)
    samples = read_samples(trained_run.path / "samples.csv")
    kept = read_embeddings(trained_run.path / "embeddings.npy", len(samples))[samples["image"].isin(images)]
    assert embeddings == pytest.approx(kept.astype(np.float32), rel=1e-3, abs=1e-3)


def test_a_network_that_is_not_vgg16_is_refused_where_embeddings_are_wanted() -> None:
    layers = keras.layers
    network = keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(3, activation="softmax")])
    with pytest.raises(UserError, match=r"layer block5_pool, as train\.py saves it; found none"):
        Classifier(network, ("a", "b", "c"), 32, "squash").prepare()


def test_a_file_that_is_no_photo_is_refused(classifier: Classifier) -> None:
    with pytest.raises(PhotoError):
        classifier.load(b"no photo")


def test_a_model_and_a_run_that_do_not_belong_together_are_refused(trained_run: Run) -> None:
    run = replace(trained_run, info=trained_run.info | {"class_names": ["a", "b"]})
    with pytest.raises(UserError, match=r"Expected 3 class names .*; found 2"):
        load_classifier(run)


def test_a_folders_photos_are_sorted_and_its_other_files_passed_over(tmp_path: Path) -> None:
    for name in ("b.jpg", "A.PNG", "c.webp"):
        make_photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    make_photo(tmp_path / "deeper" / "d.jpg")
    assert find_photos([tmp_path]) == [tmp_path / name for name in ("A.PNG", "b.jpg", "c.webp")]


def test_a_file_that_is_named_is_tried_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "photo.dat").write_text("")
    assert find_photos([tmp_path / "photo.dat"]) == [tmp_path / "photo.dat"]
