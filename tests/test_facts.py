import hashlib
from pathlib import Path

import pytest
from PIL import Image

from core import facts
from core.facts import PhotoFacts, PixelFacts, inspect_photo, keep_facts, known_facts, open_facts
from core.groups import perceptual_hash, place_colours
from core.images import open_photo
from core.quality import photo_quality
from tests.conftest import make_photo


def test_a_photo_is_measured_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    Image.effect_noise((60, 40), 50).save(path, exif=exif)
    found = inspect_photo(path)
    content = path.read_bytes()
    assert (found.pixels.width, found.pixels.height, found.bytes) == (40, 60, len(content))
    assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_its_pixels_say_what_core_quality_and_core_groups_say(tmp_path: Path) -> None:
    photo = open_photo(make_photo(tmp_path / "photo.jpg"))
    pixels, quality = PixelFacts.of(photo), photo_quality(photo)
    assert pixels.brightness == pytest.approx(quality.brightness, abs=1e-4)
    assert pixels.contrast == pytest.approx(quality.contrast, abs=1e-4)
    assert pixels.sharpness == pytest.approx(quality.sharpness, abs=0.1)
    assert pixels.perceptual_hash == tuple(perceptual_hash(photo))
    assert pixels.colours == tuple(place_colours(photo))


def test_what_was_found_is_known_to_the_last_bit(tmp_path: Path) -> None:
    found = [inspect_photo(make_photo(tmp_path / f"{n}.jpg", n % 3, seed=n)) for n in range(5)]
    with open_facts(tmp_path / "cache") as cache:
        keep_facts(found[:3], cache)
        keep_facts(found, cache)
    with open_facts(tmp_path / "cache") as cache:
        known = known_facts(cache)
    assert [known(photo.sha256) for photo in found] == [photo.pixels for photo in found]
    assert known("0" * 64) is None


def test_a_known_photo_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_photo(tmp_path / "photo.jpg")
    found: PhotoFacts = inspect_photo(path)
    monkeypatch.delattr(facts, "open_photo")
    assert inspect_photo(path, {found.sha256: found.pixels}.get) == found
