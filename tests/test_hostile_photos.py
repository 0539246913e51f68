"""Whatever file comes as a photo, by whichever door: it is used, or it is named, in time and in bounded memory.

`--thorough` tries thousands of damaged files and the largest photos there may be; without it they are hundreds.
"""

import contextlib
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import predict
from core.config import PROJECT_DIR
from core.dataset import check_photos, list_photos
from core.errors import printable
from core.images import MAX_PIXELS, PHOTO_SUFFIXES, PhotoError, load_photo, open_photo, thumbnail
from core.predict import load_classifier
from core.runs import Run, read_problems, read_run, read_samples
from core.thumbnails import thumbnails
from tests import hostile_photos as hostile
from tests.conftest import make_dataset, read_labels, tiny_config, train_quietly, write_labels
from tests.pages import open_page, opened, texts, tiles

# As in use: what Pillow warns of leaves a photo usable.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")

MOST_SECONDS = 5
# A photo's own 4 as RGB, as much again for decoders' canvases, bytes and other modes; WebP wants most.
MOST_BYTES_A_PIXEL = 24
RESIZES: tuple[Literal["squash", "pad", "crop"], ...] = ("squash", "pad", "crop")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def is_thorough(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--thorough"))


@contextlib.contextmanager
def watched(name: str) -> Iterator[None]:
    """Fail a case by its name when it has kept the processor for too long, and not when others kept it."""

    def bite(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"{name} took more than {MOST_SECONDS} s of the processor")

    if not hasattr(signal, "SIGPROF"):  # Windows
        yield
        return
    before = signal.signal(signal.SIGPROF, bite)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def outcome(content: bytes) -> str:
    """What comes of a file: a hash of its pixels, or what is said of it. Whatever else comes out fails the test."""
    try:
        photo = open_photo(content)
    except PhotoError as error:
        assert error.kind in ("empty", "not_a_photo", "truncated", "too_large", "unreadable")
        assert error.detail and error.detail == printable(error.detail) and len(error.detail) < 200
        return f"{error.kind}: {error.detail}"
    assert photo.mode == "RGB" and 0 < photo.width * photo.height <= MAX_PIXELS
    pixels = np.asarray(photo)
    assert pixels.shape == (photo.height, photo.width, 3) and pixels.dtype == np.uint8
    # Whoever forgets to fill in a picture of that size gets this colour, and another one at the second time.
    del photo
    Image.new("RGB", pixels.shape[1::-1], (171, 205, 239))
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def require_sound(case: hostile.Case, resize: Literal["squash", "pad", "crop"]) -> bool:
    """Decode a file in all ways and twice; tells whether it is a usable photo."""
    with watched(case.name):
        said = outcome(case.content)
        assert outcome(case.content) == said, case.name
        try:
            pixels = load_photo(case.content, 16, resize)
            small = thumbnail(case.content, 16)
        except PhotoError as error:
            assert said == f"{error.kind}: {error.detail}", case.name
            return False
        assert ": " not in said, f"{case.name} is usable small and not large"
        assert pixels.shape == (16, 16, 3) and pixels.dtype == np.uint8
        with Image.open(io.BytesIO(small)) as image:
            assert image.format == "WEBP" and max(image.size) <= 16
    return True


# --- decoding --------------------------------------------------------------------------------------------------------


def test_the_seeds_are_photos() -> None:
    for name, content in hostile.seeds().items():
        assert require_sound(hostile.Case(name, content), "squash"), name


def test_damaged_and_forged_files_are_photos_or_say_why_not(is_thorough: bool) -> None:
    n = 10_000 if is_thorough else 800
    usable = sum(require_sound(case, RESIZES[index % 3]) for index, case in enumerate(hostile.mutated(n)))
    assert n / 20 < usable < n / 2, "both are tried"


@pytest.mark.parametrize("name", hostile.BOMBS)
def test_a_bomb_does_not_go_off(name: str) -> None:
    content = hostile.BOMBS[name]()
    with watched(name):
        outcome(content)
    with watched(f"{name} as a small photo"), contextlib.suppress(PhotoError):
        assert load_photo(content, 16, "pad").shape == (16, 16, 3)


def test_what_is_no_photo_is_none_under_any_name() -> None:
    for name, content in hostile.strangers().items():
        assert not require_sound(hostile.Case(name, content), "crop"), name


DECODE = """
import resource, sys
from pathlib import Path
from core.facts import PixelFacts
from core.images import PhotoError, open_photo
unit = 1 if sys.platform == "darwin" else 1024
open_photo(Path(sys.argv[1]))  # Whatever is imported on the way.
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
for path in map(Path, sys.argv[2:]):
    try:
        PixelFacts.of(open_photo(path))
    except PhotoError as error:
        if path.stem.startswith("largest"):
            raise
    print(path.stem, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell a process' largest size in this way")
def test_memory_is_bounded_and_nothing_is_printed(tmp_path: Path, is_thorough: bool) -> None:
    width, height = (8_000, 8_000) if is_thorough else (2_000, 1_500)
    files = {f"largest-{name}": make(width, height) for name, make in hostile.LARGEST.items()}
    files |= {f"bomb-{name}": make() for name, make in hostile.BOMBS.items()}
    files |= {f"mutated-{index}": case.content for index, case in enumerate(hostile.mutated(200, seed=1))}
    for name, content in files.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)
    (tmp_path / "first.png").write_bytes(hostile.seeds()["png"])
    paths = [str(tmp_path / "first.png"), *(str(tmp_path / f"{name}.jpg") for name in files)]
    done = subprocess.run([sys.executable, "-c", DECODE, *paths], cwd=PROJECT_DIR, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    peaks = {name: int(peak) for name, peak in map(str.split, done.stdout.splitlines())}
    assert list(peaks) == list(files)
    largest = max(peak for name, peak in peaks.items() if name.startswith("largest"))
    contents = max(map(len, files.values()))
    assert largest < MOST_BYTES_A_PIXEL * width * height + 3 * contents + 60_000_000
    # Metadata is read before its size is known, up to 64 MB of it.
    assert max(peaks.values()) < max(largest, 24 * 4_000_000) + 250_000_000


# --- a dataset, by all three doors -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(is_thorough: bool) -> dict[str, bytes]:
    """Files by name: damaged ones, strangers under photos' suffixes and photos under strangers', odd names."""
    suffixes = sorted(PHOTO_SUFFIXES)
    found = {}
    for index, case in enumerate(hostile.mutated(2_000 if is_thorough else 100, seed=2)):
        found[f"{index}-mutated{suffixes[index % len(suffixes)]}"] = case.content
    for index, (name, content) in enumerate(hostile.strangers().items()):
        found[f"{name}{suffixes[index % len(suffixes)]}"] = content
    for index, (name, content) in enumerate(hostile.seeds().items()):
        found[f"seed-{name}{suffixes[index % len(suffixes)]}"] = content
    found |= {
        f"photo{suffix}": hostile.seeds()["jpeg"] for suffix in ("", ".txt", ".html", ".svg", ".tiff", ".jpg.exe")
    }
    random = np.random.default_rng(0)
    for name in (*hostile.USABLE_NAMES, *hostile.UNPRINTABLE_NAMES, *hostile.undecodable_names()):
        found[name] = hostile.encoded(Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)), "JPEG")
    return found


@pytest.fixture(scope="module")
def spoilt(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in which most files are hostile, and all are labelled; not to be changed."""
    root = make_dataset(tmp_path_factory.mktemp("spoilt") / "data", per_class=4, n_test=2)
    private = root.parent / "private.jpg"
    private.write_bytes(hostile.seeds()["jpeg"])
    written = [name for name, content in files.items() if hostile.write_named(root / "training", name, content)]
    links: dict[str, str | Path] = {
        "out.jpg": private,
        "up.jpg": "../../private.jpg",
        "gone.jpg": "nothing.jpg",
        "loop.jpg": "loop.jpg",
    }
    for name, target in links.items():
        (root / "training" / name).symlink_to(target)
    (root / "training" / "folder.jpg").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "training" / "pipe.jpg")
        os.mkfifo(root / "test" / "pipe.png")
    (root / "training" / "locked.jpg").write_bytes(hostile.encoded(hostile.noise(width=41), "JPEG"))
    (root / "training" / "locked.jpg").chmod(0)
    labels = read_labels(root) | {name: index % 3 for index, name in enumerate([*written, *links, "folder.jpg"])}
    write_labels(root, labels | {"pipe.jpg": 0, "locked.jpg": 1})
    return root


@pytest.fixture(scope="module")
def run(spoilt: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training on it."""
    return read_run(train_quietly(tiny_config(spoilt, tmp_path_factory.mktemp("hostile"), name="hostile", epochs=1)))


def on_disk(root: Path) -> list[str]:
    """The files of a dataset as they are to be named."""
    paths = [path for folder in ("training", "test") for path in (root / folder).iterdir()]
    return sorted(printable(str(path.relative_to(root))) for path in paths)


def test_every_file_of_a_dataset_is_used_or_named_and_the_training_ends_well(spoilt: Path, run: Run) -> None:
    samples = read_samples(run.path / "samples.csv")
    problems = read_problems(run.path / "problems.csv")
    left_out = set(problems["image"]) - set(samples["image"])
    assert run.info["state"] == "finished"
    assert sorted([*samples["image"], *left_out]) == on_disk(spoilt)
    kinds = problems.drop_duplicates("image").set_index("image")["kind"]
    assert kinds[["training/out.jpg", "training/up.jpg"]].tolist() == ["outside", "outside"]
    assert kinds[["training/gone.jpg", "training/loop.jpg"]].tolist() == ["unreadable", "unreadable"]


def test_every_odd_name_that_can_be_written_down_is_used(spoilt: Path, run: Run) -> None:
    images = set(read_samples(run.path / "samples.csv")["image"])
    here = [name for name in hostile.USABLE_NAMES if (spoilt / "training" / name).exists()]
    assert [name for name in here if f"training/{name}" not in images] == []
    assert not any(name != printable(name) for name in images)


def test_reading_a_dataset_twice_says_the_same(spoilt: Path) -> None:
    first, second = (check_photos(list_photos(spoilt)) for _ in range(2))
    pd.testing.assert_frame_equal(first.samples, second.samples)
    assert first.problems == second.problems


def test_core_predict_names_each_unreadable_file_in_a_line(
    spoilt: Path, run: Run, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = load_classifier(run)
    monkeypatch.setattr(predict, "load_classifier", lambda run: classifier)
    assert predict.main([str(run.path), str(spoilt / "training")]) == 2
    out, err = capsys.readouterr()
    table = pd.read_csv(io.StringIO(out), keep_default_na=False)
    *lines, _, last = err.splitlines()
    assert all(line == printable(line) for line in lines)
    named = [match[1] for line in lines if (match := re.fullmatch(r"core\.predict: (.*?): [a-z_]+: .+", line))]
    assert len(named) == len(lines), "each line names a file and says why"
    photos = [path for path in (spoilt / "training").iterdir() if path.suffix.lower() in PHOTO_SUFFIXES]
    assert sorted([*table["image"], *named]) == sorted(printable(str(path)) for path in photos)
    assert last == f"core.predict: {len(table)} photos predicted, {len(named)} left out"
    assert not any(letter in text for text in (out, err) for letter in "\x1b\r\t\a\x9b\u202e\u2028")
    assert np.isfinite(table[["prob_0", "prob_1", "prob_2"]].to_numpy(dtype=float)).all()


def test_a_name_that_is_not_there_is_one_line_too(run: Run, capsys: Capture) -> None:
    assert predict.main([str(run.path), "no\nsuch\x1b[2J\u202efile.jpg"]) == 2
    err = capsys.readouterr().err
    assert err.splitlines() == [
        "core.predict: Expected a photo or a folder of photos; there is no no\\x0asuch\\x1b[2J\\u202efile.jpg."
    ]


# --- the dashboard ---------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MASKBOARD_RUNS", str(run.path.parent))
    return run


def test_every_upload_is_answered_or_named(shown: Run, files: dict[str, bytes], is_thorough: bool) -> None:
    uploads = [(name, content, "image/jpeg") for name, content in files.items() if Path(name).suffix in PHOTO_SUFFIXES]
    uploads = [upload for upload in uploads if upload[0].isprintable()]  # AppTest's messages are in UTF-8.
    uploads = uploads if is_thorough else uploads[:: max(1, len(uploads) // 40)]
    app: AppTest = open_page("predict").file_uploader[0].set_value(uploads).run(timeout=600)
    assert not app.exception
    table = app.dataframe[0].value
    assert table["image"].tolist() == [name for name, _, _ in uploads]
    for (name, content, _), row in zip(uploads, table.to_dict("records"), strict=True):
        is_photo = ": " not in outcome(content)
        assert (row["answer"] in shown.class_names) == is_photo, name
        assert is_photo or row["note"], name


def test_thumbnails_of_hostile_files_are_pictures_or_say_why_not(spoilt: Path, tmp_path: Path) -> None:
    paths = sorted((spoilt / "training").iterdir())
    for path, found in zip(paths, thumbnails(paths, tmp_path), strict=True):
        if isinstance(found, PhotoError):
            assert found.detail, path
        else:
            assert Image.open(io.BytesIO(found)).format == "WEBP", path


def test_the_gallery_shows_every_odd_name_and_nothing_from_outside(shown: Run) -> None:
    app = open_page("photos", rows="120")
    items, page = {tile["name"]: tile for tile in tiles(app)}, 2
    while len(items) < len(on_disk(shown.dataset_dir)):
        more = tiles(open_page("photos", rows="120", page=str(page)))
        assert more and not app.exception
        items |= {tile["name"]: tile for tile in more}
        page += 1
    assert sorted(items) == on_disk(shown.dataset_dir)
    for image in read_samples(shown.path / "samples.csv")["image"]:
        if not image.endswith("locked.jpg"):
            assert items[image]["src"].startswith("data:image/webp;base64,"), image
    for image in ("training/out.jpg", "training/up.jpg"):
        assert (items[image]["src"], items[image]["fault"]) == ("", "a link that leads out of the dataset")


def test_a_link_to_an_oddly_named_photo_opens_it(shown: Run, is_thorough: bool) -> None:
    images = read_samples(shown.path / "samples.csv")["image"]
    names = [name for name in hostile.USABLE_NAMES if f"training/{name}" in set(images)]
    for name in names if is_thorough else names[12:15]:
        app = open_page("photos", photo=f"training/{name}")
        assert not app.exception, name
        assert opened(app) == str(shown.dataset_dir / "training" / name)


def test_a_photo_that_was_replaced_by_a_link_is_not_shown(shown: Run, spoilt: Path) -> None:
    photo, aside = spoilt / "training" / "10000.jpg", spoilt / "10000.aside"
    photo.rename(aside)
    try:
        photo.symlink_to(spoilt.parent / "private.jpg")
        assert "a link that leads out of the dataset" in texts(open_page("photos", photo="training/10000.jpg"))
    finally:
        photo.unlink()
        aside.rename(photo)
