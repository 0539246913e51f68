import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from core.cache import FeatureCache, Features
from core.errors import UserError
from core.features import BATCH_SIZE, Extractor, Photo, extract
from core.images import load_photo
from tests.conftest import make_photo

SIZE = 16
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    """Stands in for VGG16: a small convolution and a mean, shape (n, 4)."""
    return small_extractor(seed=0)


def small_extractor(seed: int) -> Extractor:
    keras.utils.set_random_seed(seed)
    image = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="gap")(keras.layers.Conv2D(4, 3, name="conv")(image))
    return Extractor(keras.Model(image, pooled), "squash")


def photo(path: Path) -> Photo:
    return Photo(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    return [photo(make_photo(tmp_path / f"{n}.png", n % 3, seed=n)) for n in range(2 * BATCH_SIZE + 3)]


class Counter:
    """Counts the photos that are computed."""

    def __init__(self) -> None:
        self.total = 0
        self.steps: list[int] = []

    @contextlib.contextmanager
    def __call__(self, total: int) -> Iterator[Callable[[int], None]]:
        self.total = total
        yield self.steps.append


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def run(extractor: Extractor, photos: list[Photo], root: Path, counter: Counter | None = None) -> Floats:
    """Features as an array, by an opening of the cache of its own."""
    with FeatureCache(root, extractor.space(), extractor.shape) as cache:
        features: Features = extract(extractor, photos, cache, counter or Counter())
        return features[:]


def test_features_stand_in_the_order_of_the_photos(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    features = run(extractor, photos, root)
    pixels = np.stack([load_photo(photo.path, SIZE, "squash") for photo in photos]).astype(np.float32)
    assert features.shape == (len(photos), 4)
    assert features == pytest.approx(np.asarray(extractor.model(pixels)), rel=1e-4, abs=1e-3)


def test_a_photos_bits_do_not_depend_on_the_others(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    together = run(extractor, photos, root / "together")
    for n in (0, BATCH_SIZE, len(photos) - 1):
        alone = run(extractor, [photos[n]], root / f"alone{n}")
        assert np.array_equal(alone[0], together[n])


def test_the_network_sees_batches_of_one_size(
    extractor: Extractor, photos: list[Photo], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    predict = extractor.model.predict_on_batch

    def spying_predict(batch: Floats) -> object:
        shapes.append(batch.shape)
        return predict(batch)

    monkeypatch.setattr(extractor.model, "predict_on_batch", spying_predict)
    run(extractor, photos, root)
    assert shapes == [(BATCH_SIZE, SIZE, SIZE, 3)] * 3


def test_progress_counts_the_photos_that_are_computed(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    counter = Counter()
    run(extractor, photos, root, counter)
    assert (counter.total, counter.steps) == (len(photos), [BATCH_SIZE, BATCH_SIZE, 3])


def test_a_second_run_computes_nothing(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    first, counter = run(extractor, photos, root), Counter()
    second = run(extractor, photos, root, counter)
    assert (counter.total, counter.steps) == (0, [])
    assert np.array_equal(first, second)


def test_added_photos_are_computed_alone_and_to_the_same_bits(
    extractor: Extractor, photos: list[Photo], root: Path
) -> None:
    counter = Counter()
    run(extractor, photos[:20], root / "extended")
    extended = run(extractor, photos, root / "extended", counter)
    assert counter.total == len(photos) - 20
    assert np.array_equal(extended, run(extractor, photos, root / "at once"))


def test_an_interrupted_run_goes_on_where_it_was(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    class Interruption(Counter):
        @contextlib.contextmanager
        def __call__(self, total: int) -> Iterator[Callable[[int], None]]:
            def stop(n: int) -> None:
                raise KeyboardInterrupt

            yield stop

    with pytest.raises(KeyboardInterrupt):
        run(extractor, photos, root, Interruption())
    counter = Counter()
    run(extractor, photos, root, counter)
    assert counter.total == len(photos) - BATCH_SIZE


def test_a_corrupted_entry_is_computed_again(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    whole, counter = run(extractor, photos, root), Counter()
    (file,) = root.rglob("*.records")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert np.array_equal(run(extractor, photos, root, counter), whole)
    assert counter.total == 1


def test_the_same_content_twice_is_computed_once(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    counter = Counter()
    features = run(extractor, [photos[0], photos[1], photos[0]], root, counter)
    assert counter.total == 2
    assert np.array_equal(features[0], features[2])


def test_other_weights_or_another_resize_do_not_share_features(extractor: Extractor) -> None:
    others = (small_extractor(seed=1), Extractor(extractor.model, "crop"))
    assert all(other.space() != extractor.space() for other in others)
    assert small_extractor(seed=0).space() == extractor.space()


def test_photos_are_resized_as_asked(extractor: Extractor, tmp_path: Path, root: Path) -> None:
    wide = photo(make_photo(tmp_path / "photo.png"))
    squashed, cropped = (run(other, [wide], root) for other in (extractor, Extractor(extractor.model, "crop")))
    assert not np.array_equal(squashed, cropped)


def test_no_photos_have_no_features(extractor: Extractor, root: Path) -> None:
    assert run(extractor, [], root).shape == (0, 4)


def test_a_photo_that_became_unreadable_is_named(extractor: Extractor, photos: list[Photo], root: Path) -> None:
    photos[5].path.unlink()
    with pytest.raises(UserError, match=r"5\.png to stay readable during the training; found: No such file"):
        run(extractor, photos, root)


def test_a_photo_that_was_changed_does_not_get_into_the_cache(
    extractor: Extractor, photos: list[Photo], root: Path
) -> None:
    make_photo(photos[5].path, label=2, seed=999)
    with pytest.raises(UserError, match=r"5\.png to stay as it is during the training"):
        run(extractor, photos, root)
