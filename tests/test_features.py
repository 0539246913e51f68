from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from core.errors import UserError
from core.features import BATCH_SIZE, extract
from core.images import load_photo
from tests.conftest import make_photo

SIZE = 16


@pytest.fixture(scope="module")
def extractor() -> Any:
    """Stands in for VGG16: a small convolution and a mean, shape (n, 4)."""
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image)))


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return [make_photo(tmp_path / f"{n}.png", n % 3, seed=n) for n in range(2 * BATCH_SIZE + 3)]


def test_features_stand_in_the_order_of_the_photos(extractor: Any, photos: list[Path]) -> None:
    features = extract(extractor, photos, "squash", lambda n: None)
    pixels = np.stack([load_photo(photo, SIZE, "squash") for photo in photos]).astype(np.float32)
    assert features.shape == (len(photos), 4)
    assert features == pytest.approx(np.asarray(extractor(pixels)), rel=1e-4, abs=1e-3)


def test_a_photos_features_do_not_depend_on_the_others(extractor: Any, photos: list[Path]) -> None:
    together = extract(extractor, photos, "squash", lambda n: None)
    for n in (0, BATCH_SIZE, len(photos) - 1):
        alone = extract(extractor, [photos[n]], "squash", lambda n: None)
        assert np.array_equal(alone[0], together[n]), "not one bit"


def test_the_network_runs_once_a_batch(extractor: Any, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    predict = extractor.predict_on_batch

    def spying_predict(batch: Any) -> Any:
        shapes.append(batch.shape)
        return predict(batch)

    monkeypatch.setattr(extractor, "predict_on_batch", spying_predict)
    extract(extractor, photos, "squash", lambda n: None)
    assert shapes == [(BATCH_SIZE, SIZE, SIZE, 3)] * 3


def test_progress_counts_photos(extractor: Any, photos: list[Path]) -> None:
    steps: list[int] = []
    extract(extractor, photos, "squash", steps.append)
    assert steps == [BATCH_SIZE, BATCH_SIZE, 3]


def test_photos_are_resized_as_asked(extractor: Any, tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    make_photo(tmp_path / "photo.png").rename(wide)
    squashed, cropped = (extract(extractor, [wide], resize, lambda n: None) for resize in ("squash", "crop"))
    assert not np.array_equal(squashed, cropped)


def test_no_photos_have_no_features(extractor: Any) -> None:
    assert extract(extractor, [], "squash", lambda n: None).shape == (0, 4)


def test_a_photo_that_became_unreadable_is_named(extractor: Any, photos: list[Path]) -> None:
    photos[5].write_bytes(b"")
    with pytest.raises(UserError, match=r"5\.png to stay readable during the training; found: the file has 0 bytes"):
        extract(extractor, photos, "squash", lambda n: None)
