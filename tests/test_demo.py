import json
from pathlib import Path

import pytest
from PIL import Image

from core import demo
from core.errors import UserError
from core.report import Report
from tests.faulty_disk import faulty


def files_of(directory: Path) -> dict[str, bytes]:
    """Every file below a directory: its relative name and its bytes."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def labels_in(path: Path) -> dict[str, int]:
    """The labels that a file of them holds."""
    labels: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return labels


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small collection, drawn once."""
    directory = tmp_path_factory.mktemp("demo")
    demo.draw_dataset(directory, n_training=9, n_test=3)
    return directory


def test_the_layout_is_that_of_the_challenge(collection: Path) -> None:
    training = [f"training/{number}.jpg" for number in range(10000, 10009)]
    test = [f"test/{number}.jpg" for number in range(90000, 90003)]

    assert sorted(files_of(collection)) == sorted([*training, *test, "train_gt.json", "test_gt.json"])


def test_every_photo_has_a_label(collection: Path) -> None:
    for folder, ground_truth in (("training", "train_gt.json"), ("test", "test_gt.json")):
        assert set(labels_in(collection / ground_truth)) == {path.name for path in (collection / folder).iterdir()}


def test_the_classes_are_balanced(collection: Path) -> None:
    labels = list(labels_in(collection / "train_gt.json").values())

    assert [labels.count(label) for label in (0, 1, 2)] == [3, 3, 3]
    assert labels != sorted(labels)


def test_photos_are_rgb_and_of_both_orientations(collection: Path) -> None:
    orientations = set()
    for path in collection.rglob("*.jpg"):
        with Image.open(path) as photo:
            photo.load()
            assert photo.mode == "RGB"
            orientations.add("landscape" if photo.width > photo.height else "portrait")

    assert orientations == {"landscape", "portrait"}


def test_the_same_bytes_are_drawn_each_time(collection: Path, tmp_path: Path) -> None:
    demo.draw_dataset(tmp_path, n_training=9, n_test=3)

    assert files_of(tmp_path) == files_of(collection)


def test_training_and_test_photos_differ(collection: Path) -> None:
    assert (collection / "training/10000.jpg").read_bytes() != (collection / "test/90000.jpg").read_bytes()


def test_a_photo_and_its_label_do_not_depend_on_the_counts(collection: Path, tmp_path: Path) -> None:
    demo.draw_dataset(tmp_path, n_training=5, n_test=2)

    many, few = files_of(collection), files_of(tmp_path)
    photos = [name for name in few if name.endswith(".jpg")]
    assert len(photos) == 7
    assert all(few[name] == many[name] for name in photos)
    assert labels_in(tmp_path / "train_gt.json").items() <= labels_in(collection / "train_gt.json").items()


def test_an_interrupted_drawing_is_recognisable_and_can_be_completed(collection: Path, tmp_path: Path) -> None:
    def interrupt(n: int) -> None:
        if len(list(tmp_path.rglob("*.jpg"))) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.draw_dataset(tmp_path, n_training=9, n_test=3, advance=interrupt)
    assert not (tmp_path / "train_gt.json").exists()

    demo.draw_dataset(tmp_path, n_training=9, n_test=3)
    assert files_of(tmp_path) == files_of(collection)


def test_drawing_again_first_withdraws_the_training_labels(tmp_path: Path) -> None:
    seen = []

    def look(n: int) -> None:
        seen.append((tmp_path / "train_gt.json").exists())

    demo.draw_dataset(tmp_path, n_training=1, n_test=0, advance=look)
    demo.draw_dataset(tmp_path, n_training=1, n_test=0, advance=look)

    assert seen == [False, False]
    assert (tmp_path / "train_gt.json").exists()


def test_the_training_labels_are_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(demo, "write_json", lambda path, content: written.append(path.name))

    demo.draw_dataset(tmp_path, n_training=1, n_test=1)

    assert written == ["test_gt.json", "train_gt.json"]


def test_progress_is_told_after_each_photo(tmp_path: Path) -> None:
    steps: list[int] = []

    demo.draw_dataset(tmp_path, n_training=3, n_test=1, advance=steps.append)

    assert steps == [1, 1, 1, 1]


def ensure(directory: Path) -> None:
    demo.ensure_demo_dataset(directory, Report(quiet=True), n_training=3, n_test=1)


def test_a_complete_dataset_is_not_drawn_again(tmp_path: Path) -> None:
    ensure(tmp_path / "demo")
    (tmp_path / "demo" / "training" / "10000.jpg").write_text("mended by hand")
    ensure(tmp_path / "demo")
    assert (tmp_path / "demo" / "training" / "10000.jpg").read_text() == "mended by hand"


def test_an_incomplete_dataset_is_completed(tmp_path: Path) -> None:
    ensure(tmp_path / "demo")
    (tmp_path / "demo" / "train_gt.json").unlink()
    (tmp_path / "demo" / "training" / "10000.jpg").unlink()
    ensure(tmp_path / "demo")
    assert len(list((tmp_path / "demo").rglob("*.jpg"))) == 4


def test_nothing_is_drawn_into_a_folder_of_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "train_gt.json").write_text("{}")
    with pytest.raises(UserError, match="holds something else"):
        ensure(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train_gt.json"]


def test_a_disk_that_refuses_is_a_line_and_drawn_again_it_is_complete(tmp_path: Path) -> None:
    with faulty(tmp_path) as disk:
        ensure(tmp_path / "counted")
    assert disk.n_asked > 10
    for turn in range(1, disk.n_asked + 1, 4):
        directory = tmp_path / f"drawn-{turn}"
        with faulty(tmp_path, at=turn) as disk, pytest.raises(UserError, match=r"Expected to write .*No space left"):
            ensure(directory)
        ensure(directory)
        assert files_of(directory) == files_of(tmp_path / "counted"), disk.refused
