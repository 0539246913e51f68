"""The selection, its chips and filters, and the gallery, on a run written by hand, without a browser."""

import json
from pathlib import Path

import pytest

from core.runs import Run
from tests.conftest import make_photo
from tests.handwritten import write_run
from tests.pages import address, chips, open_page, opened, shown, texts, tiles


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    return write_run(runs_dir, tmp_path / "data")


@pytest.fixture
def large_run(run: Run, tmp_path: Path) -> Run:
    """The same run with 50 more photos it was trained on; they are shown on three pages of 24."""
    names = [f"training/n{index:02}.jpg" for index in range(50)]
    samples = [f"{name},training,0,30,20,900,{index:064x}" for index, name in enumerate(names)]
    predictions = [f"{name},train,-1,0,0,0.9,0.1,0.9,0.05,0.05" for name in names]
    for file, lines in (("samples.csv", samples), ("predictions.csv", predictions)):
        path = run.path / file
        path.write_text(path.read_text() + "\n".join(lines) + "\n")
    make_photo(tmp_path / "data" / names[0])
    return run


def test_without_a_selection_every_photo_is_shown_worst_first(run: Run) -> None:
    app = open_page("photos")
    assert shown(app) == "dbfgcaexyz"
    assert "10 of 10 photos" in texts(app).replace("*", "")
    assert chips(app) == []


def test_a_link_opens_the_photos_that_it_means(run: Run) -> None:
    app = open_page("photos", split="val", outcome="wrong")
    assert shown(app) == "db"
    assert "2 of 10 photos" in texts(app).replace("*", "")
    assert chips(app) == ["held out", "wrong"]


@pytest.mark.parametrize("page", ["photos", "data", "evaluation"])
def test_a_selection_is_the_same_on_every_page(run: Run, page: str) -> None:
    app = open_page(page, true="nobody", outcome="wrong")
    assert shown(app) == "b"
    assert chips(app) == ["true class: nobody", "wrong"]


def test_a_chip_takes_its_condition_away(run: Run) -> None:
    app = open_page("photos", split="val", outcome="wrong", true="nobody", page="3")
    app.button(key="chip-true").click().run()
    assert shown(app) == "db"
    assert address(app) == {"split": "val", "outcome": "wrong", "run": "first"}
    app.button(key="chip-all").click().run()
    assert shown(app) == "dbfgcaexyz"
    assert address(app) == {}


def test_filters_show_what_the_address_says_and_write_into_it(run: Run) -> None:
    app = open_page("photos", outcome="wrong", confidence="0.5-1")
    assert app.pills(key="filter-outcome").value == "wrong"
    assert app.slider(key="filter-confidence").value == (50, 100)
    app.slider(key="filter-confidence").set_value((0, 50)).run()
    app.pills(key="filter-split").set_value("train").run()
    app.text_input(key="filter-name").set_value("F.").run()
    assert shown(app) == "f"
    expected = {"outcome": "wrong", "confidence": "0-0.5", "split": "train", "name": "F.", "run": "first"}
    assert address(app) == expected
    app.pills(key="filter-outcome").set_value("").run()
    assert "outcome" not in address(app)


def test_classes_say_how_many_photos_they_would_show(run: Run) -> None:
    app = open_page("photos", split="val", outcome="wrong", true="nobody")
    assert app.pills(key="filter-true").options == ["any", "nobody · 1", "everybody · 0", "somebody · 1"]
    assert app.pills(key="filter-predicted").options == ["any", "nobody · 0", "everybody · 1", "somebody · 0"]


def test_a_condition_that_no_photo_meets_says_so_and_can_be_taken_away(run: Run) -> None:
    app = open_page("photos", true="cats")
    assert "No photo meets all of these conditions" in texts(app)
    assert chips(app) == ["true class: cats"]
    app.button(key="chip-true").click().run()
    assert shown(app) == "dbfgcaexyz"


def test_what_means_nothing_in_an_address_is_told(run: Run) -> None:
    app = open_page("photos", confidence="high", outcome="wrong")
    assert "confidence=high means nothing here" in texts(app)
    assert shown(app) == "dbf"


def test_photos_are_sorted_as_asked(run: Run) -> None:
    app = open_page("photos", split="val")
    app.selectbox(key="choice-sort").set_value("name").run()
    assert shown(app) == "abcd"
    assert address(app)["sort"] == "name"
    app.selectbox(key="choice-sort").set_value("highest loss").run()
    assert "sort" not in address(app)


def test_a_tile_says_label_prediction_confidence_and_loss(run: Run) -> None:
    first = tiles(open_page("photos", split="val", outcome="wrong"))[0]
    assert first["title"] == "somebody → everybody"
    assert first["detail"] == "95% sure · loss 4.61"
    assert first["mark"] == "wrong"
    assert first["src"].startswith("data:image/webp;base64,")


def test_test_photos_and_files_left_out_say_what_is_known(run: Run) -> None:
    test_photo, *_, left_out = tiles(open_page("photos", sort="name"))
    assert (test_photo["title"], test_photo["detail"], test_photo["mark"]) == ("→ nobody", "70% sure", "")
    assert (left_out["title"], left_out["detail"]) == ("z.jpg", "the file ends too early")
    assert left_out["fault"]


def test_a_gallery_is_one_message_however_many_photos_it_shows(large_run: Run) -> None:
    app = open_page("photos", rows="120")
    assert len(tiles(app)) == 60
    assert sum(element.type == "bidi_component" for element in app.main) == 1


def test_pages_are_turned_and_stand_in_the_address(large_run: Run) -> None:
    app = open_page("photos", rows="24", sort="name")
    assert [tile["name"] for tile in tiles(app)][:3] == ["test/x.jpg", "test/y.jpg", "training/a.jpg"]
    app = open_page("photos", rows="24", sort="name", page="3")
    assert len(tiles(app)) == 12
    (grid,) = (json.loads(each.proto.json) for each in app.main if each.type == "bidi_component")
    assert (grid["page"], grid["pages"]) == (3, 3)


@pytest.mark.parametrize(("page", "expected"), [("99", 3), ("0", 1), ("-1", 1), ("x", 1), ("²", 1)])
def test_a_page_that_does_not_exist_is_the_nearest_that_does(large_run: Run, page: str, expected: int) -> None:
    app = open_page("photos", rows="24", page=page)
    (grid,) = (json.loads(each.proto.json) for each in app.main if each.type == "bidi_component")
    assert grid["page"] == expected


def test_another_selection_begins_on_its_first_page(large_run: Run) -> None:
    app = open_page("photos", rows="24", page="2")
    app.pills(key="filter-outcome").set_value("right").run()
    assert "page" not in address(app)


def test_a_link_opens_a_photo_and_the_buttons_go_on(run: Run) -> None:
    app = open_page("photos", outcome="wrong", photo="training/b.jpg")
    assert opened(app).endswith("training/b.jpg")
    assert "2 of 3" in texts(app)
    assert "but labelled **nobody**" in texts(app)
    app.button(key="photo-next").click().run()
    assert opened(app).endswith("training/f.jpg")
    app.button(key="photo-next").click().run()
    assert address(app)["photo"] == "training/d.jpg"


def test_a_photo_that_the_run_does_not_have_is_told(run: Run) -> None:
    app = open_page("photos", photo="../../secret.jpg")
    assert not app.exception
    assert "This run has no photo ../../secret.jpg" in texts(app)


def test_another_run_keeps_the_selection(run: Run, runs_dir: Path, tmp_path: Path) -> None:
    write_run(runs_dir, tmp_path / "data", name="older", created="2025-01-01T00:00:00+00:00")
    app = open_page("photos", outcome="wrong", photo="training/b.jpg")
    app.selectbox(key="run").set_value("older").run()
    assert address(app) == {"outcome": "wrong", "run": "older"}
    assert shown(app) == "dbf"


def test_a_bare_address_follows_the_newest_run_and_a_choice_names_its_run(run: Run) -> None:
    app = open_page("photos")
    assert address(app) == {}
    app.pills(key="filter-outcome").set_value("wrong").run()
    assert address(app) == {"outcome": "wrong", "run": "first"}


def test_problems_choose_their_files(run: Run) -> None:
    app = open_page("data", problem="truncated")
    assert shown(app) == "z"
    table = app.dataframe[0].value
    assert table.to_numpy().tolist() == [["truncated", "cut off: the file ends too early", 1, "left out"]]


def test_a_name_may_contain_the_word_any(run: Run) -> None:
    app = open_page("photos")
    app.text_input(key="filter-name").set_value("any").run()
    assert address(app)["name"] == "any"


def test_counts_of_classes_keep_to_the_area_that_is_chosen(run: Run) -> None:
    places = "image,x,y\n" + "".join(f"training/{letter}.jpg,{n},{n}\n" for n, letter in enumerate("abcdefg"))
    (run.path / "projection.csv").write_text(places)
    app = open_page("photos", map="pca", area="-1,-1;2,-1;2,2;-1,2", true="nobody")
    assert app.pills(key="filter-true").options == ["any", "nobody · 3", "everybody · 2", "somebody · 2"]


def test_a_broken_map_chooses_no_photo_and_its_chip_can_be_taken_away(run: Run) -> None:
    (run.path / "projection.csv").write_text("image,x\n")
    app = open_page("photos", map="pca", area="0,0;1,0;1,1")
    assert not app.exception
    assert "projection.csv: expected the columns" in texts(app)
    app.button(key="chip-area").click().run()
    assert shown(app) == "dbfgcaexyz"


def test_class_names_are_text_and_never_markup(runs_dir: Path, tmp_path: Path) -> None:
    names = ["![i](http://example.test/p.png)", "*b*", "c"]
    write_run(runs_dir, tmp_path / "other", name="marked", class_names=names)
    found = [element.proto.label for element in open_page("evaluation").get("page_link")]
    assert any("taken for" in label for label in found)
    assert not any("![i](" in label for label in found)
