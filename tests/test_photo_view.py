"""A photo that is opened: what is said of it, why, and what it looks like; on runs without a browser."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from core.runs import Run
from tests.handwritten import write_embeddings, write_run
from tests.pages import address, heat_maps, neighbours, open_page, opened, texts

# Of the photos learnt from (e, f, g), e is nearest to a and g farthest.
ANGLES = {"e": 2.0, "f": 4.0, "g": 8.0, "x": 90.0}


@pytest.fixture
def run(runs_dir: Path, tmp_path: Path) -> Run:
    return write_run(runs_dir, tmp_path / "data")


@pytest.fixture
def tiny_run(trained_run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A trained run; not to be changed."""
    monkeypatch.setenv("MASKBOARD_RUNS", str(trained_run.path.parent))
    return trained_run


def test_a_photo_tells_its_path_size_brightness_contrast_and_sharpness(run: Run, tmp_path: Path) -> None:
    grey = Image.new("L", (80, 60), 51)
    grey.paste(204, (40, 0, 80, 60))
    grey.save(tmp_path / "data" / "training" / "a.jpg", quality=100)
    app = open_page("photos", photo="training/a.jpg")
    assert opened(app) == str(tmp_path / "data" / "training" / "a.jpg")
    assert "80 x 60 pixels" in texts(app)
    assert "brightness 50% · contrast 30% · sharpness" in texts(app)


def test_a_photo_is_part_of_the_page_and_has_no_address_of_its_own(run: Run) -> None:
    (image,) = open_page("photos", photo="training/a.jpg").image
    assert image.proto.imgs[0].url.startswith("data:image/webp;base64,")


def test_what_the_network_says_is_formatted_on_the_screen_and_plain_to_a_screen_reader(
    runs_dir: Path, tmp_path: Path
) -> None:
    write_run(runs_dir, tmp_path / "data", class_names=["no_mask &amp; a", "some*body", "all"])
    app = open_page("photos", photo="training/b.jpg")
    assert r"**some\*body**, 60% sure, but labelled **no\_mask \&amp; a**" in [each.value for each in app.markdown]
    alts = [chart.proto.alt for chart in app.get("plotly_chart")]
    assert "Probabilities: some*body, 60% sure, but labelled no_mask &amp; a" in alts


# --- neighbours ------------------------------------------------------------------------------------------------------


def test_the_nearest_training_photos_are_shown_with_label_and_distance(run: Run) -> None:
    write_embeddings(run, ANGLES)
    near = neighbours(open_page("photos", photo="training/a.jpg"))
    assert [(tile["name"], tile["title"], tile["detail"]) for tile in near] == [
        ("training/e.jpg", "nobody ✓", "0.001 away"),
        ("training/f.jpg", "everybody → somebody", "0.002 away"),
        ("training/g.jpg", "somebody ✓", "0.010 away"),
    ]
    assert all(tile["src"] for tile in near)


def test_a_training_photo_is_no_neighbour_of_its_own(run: Run) -> None:
    write_embeddings(run, ANGLES)
    near = neighbours(open_page("photos", photo="training/f.jpg"))
    assert [tile["name"] for tile in near] == ["training/e.jpg", "training/g.jpg"]


def test_where_every_photo_was_held_out_in_a_fold_all_have_been_learnt_from(run: Run) -> None:
    write_embeddings(run, ANGLES)
    table = run.path / "predictions.csv"
    table.write_text(table.read_text().replace(",train,-1,", ",val,1,").replace(",val,-1,", ",val,0,"))
    near = neighbours(open_page("photos", photo="training/g.jpg"))
    assert [Path(tile["name"]).stem for tile in near] == ["f", "e", "a", "b", "c", "d"]


def test_a_photo_unlike_all_training_photos_is_warned_of(run: Run) -> None:
    write_embeddings(run, ANGLES)
    assert "Unlike the training photos: the nearest of them is 0.861 away" in texts(
        open_page("photos", photo="test/x.jpg")
    )
    assert "Unlike the training photos" not in texts(open_page("photos", photo="training/a.jpg"))


def test_a_run_without_embeddings_says_so_and_shows_the_rest(run: Run) -> None:
    app = open_page("photos", photo="training/b.jpg")
    assert "This run has no embeddings.npy, which tells what looks alike. Train again to get one." in texts(app)
    assert "but labelled **nobody**" in texts(app)


def test_broken_embeddings_are_named_and_spoil_nothing_else(run: Run) -> None:
    (run.path / "embeddings.npy").write_text("no array")
    app = open_page("photos", photo="training/b.jpg")
    assert not app.exception and not app.error
    assert "embeddings.npy: expected an array" in texts(app)
    assert "but labelled **nobody**" in texts(app)


def test_a_photo_that_is_gone_says_so_and_what_is_known_of_it(run: Run, tmp_path: Path) -> None:
    write_embeddings(run, ANGLES)
    (tmp_path / "data" / "training" / "a.jpg").unlink()
    app = open_page("photos", photo="training/a.jpg")
    assert "training/a.jpg cannot be shown: there is no a.jpg" in texts(app)
    assert "30 x 20 pixels, 1 kB" in texts(app)
    assert "brightness" not in texts(app)
    assert len(neighbours(app)) == 3
    assert "photo-why" not in [toggle.key for toggle in app.toggle]


def test_a_photo_that_was_left_out_has_no_neighbours(run: Run) -> None:
    write_embeddings(run, ANGLES)
    app = open_page("photos", photo="training/z.jpg")
    assert not app.exception
    assert "This photo was left out of the run" in texts(app)


# --- why -------------------------------------------------------------------------------------------------------------


def test_why_is_answered_by_a_heat_map_a_class(tiny_run: Run) -> None:
    panels = heat_maps(open_page("photos", photo="training/10000.jpg", why="1"))
    assert [panel["title"] for panel in panels] == list(tiny_run.class_names)
    assert all(panel["detail"].split("%")[0].replace(".", "").isdigit() for panel in panels)
    assert panels[0]["alt"] == f"What speaks for {tiny_run.class_names[0]} in training/10000.jpg"
    for panel in panels:
        heat = Image.open(io.BytesIO(base64.b64decode(panel["heat"].removeprefix("data:image/png;base64,"))))
        assert heat.format == "PNG"


def test_the_network_is_not_loaded_before_the_visitor_asks_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.path / "model.keras").touch()
    asked: list[object] = []
    monkeypatch.setattr("dashboard.data.load_classifier", asked.append)
    app = open_page("photos", photo="training/a.jpg")
    assert not app.toggle(key="photo-why").value
    assert not heat_maps(app) and not asked


def test_the_choice_to_ask_why_stands_in_the_address_and_holds_for_the_next_photo(tiny_run: Run) -> None:
    app = open_page("photos", photo="training/10000.jpg", sort="name")
    app.toggle(key="photo-why").set_value(True).run(timeout=120)
    assert address(app)["why"] == "1"
    app.button(key="photo-next").click().run(timeout=120)
    assert opened(app).endswith("10001.jpg")
    assert heat_maps(app)[0]["alt"].endswith("training/10001.jpg")
    app.toggle(key="photo-why").set_value(False).run()
    assert "why" not in address(app) and not heat_maps(app)


def test_a_run_without_a_network_cannot_say_why_and_shows_the_rest(run: Run) -> None:
    app = open_page("photos", photo="training/b.jpg", why="1")
    assert "This run has no model.keras, so it cannot say why" in texts(app)
    assert "but labelled **nobody**" in texts(app)


def test_a_network_that_cannot_be_loaded_is_named_and_the_rest_is_shown(run: Run) -> None:
    write_embeddings(run, ANGLES)
    (run.path / "model.keras").write_text("no network")
    app = open_page("photos", photo="training/b.jpg", why="1")
    assert not app.exception
    assert "model.keras" in texts(app)
    assert len(neighbours(app)) == 3
