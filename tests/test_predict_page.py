"""A visitor's own photos: where they come from, what is said of them, and that they stay theirs; without a browser."""

import gc
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.predict import Classifier
from core.runs import Run, read_run
from dashboard import data
from dashboard.answers import Answer, OwnPhoto, answer_table
from dashboard.neighbours import Neighbours
from tests.conftest import photo_pixels
from tests.handwritten import write_run
from tests.pages import address, heat_maps, neighbours, open_page, plain, texts, what_streamlit_does_after_each_page

FAKE = ("fake.jpg", b"no photo", "image/jpeg")


@pytest.fixture
def run(trained_run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A trained run; not to be changed."""
    monkeypatch.setenv("MASKBOARD_RUNS", str(trained_run.path.parent))
    return trained_run


@pytest.fixture
def own_run(trained_run: Run, runs_dir: Path) -> Run:
    """A copy of it, for a test to spoil."""
    return read_run(Path(shutil.copytree(trained_run.path, runs_dir / "tiny")))


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that are predicted."""
    sizes: list[int] = []
    predict = Classifier.predict_and_embed

    def counted(self: Classifier, photos: Sequence[NDArray[np.uint8]]) -> Any:
        sizes.append(len(photos))
        return predict(self, photos)

    monkeypatch.setattr(Classifier, "predict_and_embed", counted)
    return sizes


def photo(seed: int = 0, name: str | None = None) -> tuple[str, bytes, str]:
    """A photo to upload; another one for another seed."""
    out = io.BytesIO()
    Image.fromarray(photo_pixels(seed % 3, seed)).save(out, "JPEG")
    return name or f"{seed}.jpg", out.getvalue(), "image/jpeg"


def upload(app: AppTest, *files: tuple[str, bytes, str]) -> AppTest:
    return app.file_uploader[0].set_value(list(files)).run(timeout=120)


def pick(app: AppTest, row: int) -> AppTest:
    app.session_state["answers-table"] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    return app.run()


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_single_photo_is_shown_large_at_once_with_its_neighbours(run: Run) -> None:
    app = upload(open_page("predict"), photo(name="grey.jpg"))
    assert not app.exception
    assert "**grey.jpg**" in texts(app)
    assert texts(app).count(" sure") == 1
    assert len(neighbours(app)) == 8
    assert not app.dataframe


def test_the_photos_of_the_dataset_are_answered_as_in_the_table_of_the_run(run: Run, tiny_dataset: Path) -> None:
    (row,) = pd.read_csv(run.path / "test_predictions.csv").query("image == 'test/20002.jpg'").to_dict("records")
    content = (tiny_dataset / "test" / "20002.jpg").read_bytes()
    app = upload(open_page("predict"), ("mine.jpg", content, "image/jpeg"))
    assert f"**{run.class_names[int(row['predicted_label'])]}**, {row['confidence']:.0%} sure" in texts(app)


def test_several_photos_make_a_table_and_the_file_that_is_no_photo_is_named_in_it(run: Run) -> None:
    app = upload(open_page("predict"), photo(1), FAKE, photo(2))
    table = app.dataframe[0].value
    assert table["image"].tolist() == ["1.jpg", "fake.jpg", "2.jpg"]
    assert table["answer"].isin(run.class_names).tolist() == [True, False, True]
    assert table["confidence"].isna().tolist() == [False, True, False]
    assert "expected one of JPEG" in table["note"][1]
    assert "**3** photos · **1** cannot be used" in texts(app)
    assert "**1.jpg**" in texts(app), "the first is shown large"


def test_below_the_confidence_that_is_asked_for_the_answer_is_not_sure(own_run: Run) -> None:
    metrics = json.loads((own_run.path / "metrics.json").read_text())
    (own_run.path / "metrics.json").write_text(json.dumps(metrics | {"temperature": 20.0}))
    app = upload(open_page("predict", sure="99"), photo(1), photo(2))
    table = app.dataframe[0].value
    assert table["answer"].tolist() == ["not sure"] * 2
    assert table["predicted_class"].isin(own_run.class_names).all()
    assert table["confidence"].max() < 99
    said = texts(app)
    assert "**2** photos · **2** not sure" in said
    assert f"**not sure**: most likely {table['predicted_class'][0]}" in said
    assert "Calibrated with temperature 20.00, from 6 photos held out" in said
    assert "Of the 6 photos held out from training, " in said
    app.slider(key="sure").set_value(0).run()
    assert "sure" not in address(app) and table["predicted_class"][0] == app.dataframe[0].value["answer"][0]


def test_the_photo_that_is_picked_in_the_table_is_shown_large(run: Run) -> None:
    app = pick(upload(open_page("predict"), photo(1), FAKE, photo(2)), 2)
    assert "**2.jpg**" in texts(app) and "3 of 3" in texts(app)
    app.button(key="answers-table-previous").click().run()
    assert "fake.jpg** is not a photo that can be used" in texts(app)
    app.button(key="answers-table-next").click().run()
    app.button(key="answers-table-next").click().run()
    assert "**1.jpg**" in texts(app)


def test_why_is_answered_for_the_photo_that_is_picked(run: Run) -> None:
    app = upload(open_page("predict", why="1"), photo(1), photo(2))
    assert heat_maps(app)[0]["alt"].endswith("in 1.jpg")
    assert heat_maps(pick(app, 1))[0]["alt"].endswith("in 2.jpg")


def test_the_same_photo_twice_is_answered_twice(run: Run, predicted: list[int]) -> None:
    app = upload(open_page("predict"), photo(1), photo(1, name="again.jpg"))
    first, second = app.dataframe[0].value.drop(columns="image").to_dict("records")
    assert first == second
    assert predicted == [1]


def test_a_photo_unlike_all_training_photos_is_warned_of(own_run: Run) -> None:
    embeddings = own_run.path / "embeddings.npy"
    values = np.zeros_like(np.load(embeddings))
    values[:, 0] = 1
    np.save(embeddings, values)
    app = upload(open_page("predict"), photo(1), photo(2))
    assert app.dataframe[0].value["note"].tolist() == ["unlike the training photos"] * 2
    assert "**2** unlike the training photos" in texts(app)
    assert "Unlike the training photos: the nearest of them is" in app.warning[0].value


def test_without_embeddings_photos_are_answered_all_the_same(own_run: Run) -> None:
    (own_run.path / "embeddings.npy").unlink()
    app = upload(open_page("predict"), photo(1))
    assert not app.exception
    assert " sure" in texts(app)
    assert "This run has no embeddings.npy" in texts(app)


def test_embeddings_of_another_network_are_named_and_photos_are_answered_all_the_same(own_run: Run) -> None:
    file = own_run.path / "embeddings.npy"
    np.save(file, np.load(file)[:, :7])
    app = open_page("predict")
    app.file_uploader[0].set_value([photo()]).run()
    assert not app.exception and not app.error
    assert "embeddings.npy: expected 512 numbers a photo, found 7. Train again." in texts(app)
    assert " sure" in texts(app)


def test_a_network_that_cannot_be_loaded_is_named(runs_dir: Path, tmp_path: Path) -> None:
    (write_run(runs_dir, tmp_path / "data").path / "model.keras").write_text("no network")
    app = upload(open_page("predict"), photo(1))
    assert not app.exception
    assert "model.keras" in plain(app.error[0].value)


# --- work ------------------------------------------------------------------------------------------------------------


def test_many_photos_are_predicted_in_batches(run: Run, predicted: list[int]) -> None:
    app = upload(open_page("predict"), *(photo(seed) for seed in range(20)))
    assert predicted == [16, 4]
    assert app.dataframe[0].value["image"].tolist() == [f"{seed}.jpg" for seed in range(20)]


def test_only_what_is_new_is_predicted(run: Run, predicted: list[int]) -> None:
    app = upload(open_page("predict"), photo(1), FAKE, photo(2))
    pick(app, 2)
    upload(app, photo(1), photo(2), photo(3))
    assert predicted == [2, 1]


def test_a_run_that_was_trained_again_is_asked_again(own_run: Run, predicted: list[int]) -> None:
    app = upload(open_page("predict"), photo(1))
    (own_run.path / "model.keras").touch()
    app.run(timeout=120)
    assert predicted == [1, 1]


def test_nothing_of_a_visitors_photos_is_there_for_another_visitor(run: Run, predicted: list[int]) -> None:
    upload(open_page("predict"), photo(1))
    other = open_page("predict")
    assert " sure" not in texts(other)
    upload(other, photo(1))
    assert predicted == [1, 1]


# --- where photos come from ------------------------------------------------------------------------------------------


def test_where_photos_come_from_stands_in_the_address(run: Run) -> None:
    app = open_page("predict")
    app.segmented_control(key="choice-source").set_value("camera").run()
    assert address(app)["source"] == "camera"
    app.camera_input[0].upload(*photo(1)).run(timeout=120)
    assert " sure" in texts(app)
    assert open_page("predict", source="folder").file_uploader[0].proto.accept_directory


def test_a_folders_photos_are_sorted_by_name(run: Run) -> None:
    app = upload(open_page("predict", source="folder"), photo(1, name="d/b.jpg"), FAKE, photo(2, name="d/a.jpg"))
    assert app.dataframe[0].value["image"].tolist() == ["d/a.jpg", "d/b.jpg", "fake.jpg"]
    assert "**d/a.jpg**" in texts(app)


def test_a_name_that_disguises_what_a_file_is_is_spelt_out(run: Run) -> None:
    app = upload(open_page("predict"), photo(1, name="a\u202egpj.exe.jpg"), photo(2, name="b\x07.jpg"))
    assert app.dataframe[0].value["image"].tolist() == [r"a\u202egpj.exe.jpg", r"b\x07.jpg"]
    assert r"**au202egpj.exe.jpg**" in texts(app) and "\u202e" not in texts(app)


def test_a_link_opens_a_test_photo(run: Run) -> None:
    app = open_page("predict", source="test", test="test/20002.jpg")
    assert app.selectbox(key="test-photo").value == "test/20002.jpg"
    assert app.code[0].value.endswith("test/20002.jpg")
    assert " sure" in texts(app)
    app.selectbox(key="test-photo").set_value("test/20003.jpg").run()
    assert address(app)["test"] == "test/20003.jpg"


def test_a_test_photo_that_the_run_does_not_have_is_told(run: Run) -> None:
    app = open_page("predict", source="test", test="../secret.jpg")
    assert "This run has no test photo ../secret.jpg" in texts(app)
    assert "secret" not in app.code[0].value


def test_a_neighbour_that_is_opened_lies_over_the_page(run: Run) -> None:
    app = open_page("predict", source="test", test="test/20002.jpg")
    second = neighbours(app)[1]["name"]
    app.query_params["photo"] = second
    app.run()
    assert "2 of 8" in texts(app)
    assert [Path(code.value).name for code in app.code] == ["20002.jpg", Path(second).name]


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_holds_what_is_known_of_each_photo() -> None:
    near = Neighbours(("a.jpg", "b.jpg"), (0.25, 0.5), unlike_beyond=0.2)
    photos = [OwnPhoto(name, b"", "") for name in ("far.jpg", "near.jpg", "fake.jpg")]
    answers = [Answer((0.25, 0.75), near), Answer((1.0, 0.0), "no embeddings"), Answer(fault="no photo")]
    table = answer_table(photos, answers, ("cat", "dog"))
    assert table.to_csv(index=False) == (
        "image,answer,predicted_label,predicted_class,confidence,prob_0,prob_1,nearest_distance,note\n"
        "far.jpg,dog,1,dog,0.75,0.25,0.75,0.25,unlike the training photos\n"
        "near.jpg,cat,0,cat,1.0,1.0,0.0,,\n"
        "fake.jpg,,,,,,,,no photo\n"
    )
    assert answer_table(photos, answers, ("cat", "dog"), sure_from=0.75)["answer"].tolist()[:2] == ["dog", "cat"]
    assert answer_table(photos, answers, ("cat", "dog"), sure_from=0.76)["answer"].tolist()[:2] == ["not sure", "cat"]


# --- many visitors ---------------------------------------------------------------------------------------------------


def test_no_page_stops_the_others_to_clear_up_after_keras(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    data.classifier(run)
    collected: list[object] = []
    monkeypatch.setattr(gc, "collect", lambda *generation: collected.append(generation))
    what_streamlit_does_after_each_page()
    assert not collected
