import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from core.errors import UserError
from core.features import FrozenBase, Photo, Photos, batch_size_for
from core.images import Resize, load_photo
from core.inputs import Inputs
from core.model import CUTS, GAP, IMAGE, dtype_policy
from tests.conftest import make_photo

SIZE = 16
BATCH = 4
Floats = NDArray[np.float32]


def small_base(seed: int = 0, policy: str = "float32") -> Any:
    """Stands in for VGG16: a convolution and a pool a block, under VGG16's names."""
    keras.utils.set_random_seed(seed)
    with dtype_policy(policy):
        image = outputs = keras.Input((SIZE, SIZE, 3), name=IMAGE)
        for layer in CUTS[:-1]:
            outputs = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(outputs)
            outputs = keras.layers.MaxPooling2D(name=layer)(outputs)
        gap = keras.layers.GlobalAveragePooling2D(name=GAP, dtype="float32")(outputs)
        return keras.Model(image, gap)


def frozen_base(seed: int = 0, resize: Resize = "squash", policy: str = "float32") -> FrozenBase:
    return FrozenBase(small_base(seed, policy), resize, BATCH)


@pytest.fixture(scope="module")
def frozen() -> FrozenBase:
    return frozen_base()


def photo(path: Path) -> Photo:
    return Photo(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    return [photo(make_photo(tmp_path / f"{n}.png", n % 3, seed=n)) for n in range(2 * BATCH + 3)]


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


def run(
    frozen: FrozenBase, photos: list[Photo], root: Path, counter: Counter | None = None, layer: str = GAP
) -> Floats:
    """Features as an array, by an opening of the cache of its own."""
    return run_from(frozen, Photos(tuple(photos), SIZE, frozen.resize), IMAGE, photos, root, counter, layer)


def run_from(
    frozen: FrozenBase,
    inputs: Inputs,
    source: str,
    photos: list[Photo],
    root: Path,
    counter: Counter | None = None,
    layer: str = GAP,
) -> Floats:
    with frozen.open_cache(root, layer) as cache:
        keys = [photo.key for photo in photos]
        return frozen.extract(inputs, source, layer, keys, cache, counter or Counter())[:]


def test_features_stand_in_the_order_of_the_photos(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    features = run(frozen, photos, root)
    pixels = np.stack([load_photo(photo.path, SIZE, "squash") for photo in photos]).astype(np.float32)
    assert features.shape == (len(photos), 4)
    assert features == pytest.approx(np.asarray(frozen.base(pixels)), rel=1e-4, abs=1e-3)


def test_a_photos_bits_do_not_depend_on_the_others(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    together = run(frozen, photos, root / "together")
    for n in (0, BATCH, len(photos) - 1):
        alone = run(frozen, [photos[n]], root / f"alone{n}")
        assert np.array_equal(alone[0], together[n])


def test_progress_counts_the_photos_that_are_computed(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    counter = Counter()
    run(frozen, photos, root, counter)
    assert (counter.total, counter.steps) == (len(photos), [BATCH, BATCH, 3])


def test_a_second_run_computes_nothing(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    first, counter = run(frozen, photos, root), Counter()
    second = run(frozen, photos, root, counter)
    assert (counter.total, counter.steps) == (0, [])
    assert np.array_equal(first, second)


def test_added_photos_are_computed_alone_and_to_the_same_bits(
    frozen: FrozenBase, photos: list[Photo], root: Path
) -> None:
    counter = Counter()
    run(frozen, photos[:6], root / "extended")
    extended = run(frozen, photos, root / "extended", counter)
    assert counter.total == len(photos) - 6
    assert np.array_equal(extended, run(frozen, photos, root / "at once"))


def test_an_interrupted_run_goes_on_where_it_was(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    class Interruption(Counter):
        @contextlib.contextmanager
        def __call__(self, total: int) -> Iterator[Callable[[int], None]]:
            def stop(n: int) -> None:
                raise KeyboardInterrupt

            yield stop

    with pytest.raises(KeyboardInterrupt):
        run(frozen, photos, root, Interruption())
    counter = Counter()
    run(frozen, photos, root, counter)
    assert counter.total == len(photos) - BATCH


def test_a_corrupted_entry_is_computed_again(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    whole, counter = run(frozen, photos, root), Counter()
    (file,) = root.rglob("*.records")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert np.array_equal(run(frozen, photos, root, counter), whole)
    assert counter.total == 1


def test_the_same_content_twice_is_computed_once(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    counter = Counter()
    features = run(frozen, [photos[0], photos[1], photos[0]], root, counter)
    assert counter.total == 2
    assert np.array_equal(features[0], features[2])


def test_other_weights_another_resize_or_precision_do_not_share_features(frozen: FrozenBase, root: Path) -> None:
    def place(other: FrozenBase, layer: str = GAP) -> Path:
        return other.open_cache(root, layer).path

    others = (frozen_base(seed=1), frozen_base(resize="crop"), frozen_base(policy="mixed_bfloat16"))
    assert all(place(other) != place(frozen) for other in others)
    assert place(frozen, "block5_pool") != place(frozen)
    assert place(frozen_base()) == place(frozen)


def test_photos_are_resized_as_asked(frozen: FrozenBase, tmp_path: Path, root: Path) -> None:
    wide = photo(make_photo(tmp_path / "photo.png"))
    squashed, cropped = (run(other, [wide], root) for other in (frozen, frozen_base(resize="crop")))
    assert not np.array_equal(squashed, cropped)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_later_layer_is_the_same_bits_from_photos_and_from_an_earlier_layer(
    photos: list[Photo], root: Path, policy: str
) -> None:
    frozen = frozen_base(policy=policy)
    from_photos = run(frozen, photos, root / "direct")
    with frozen.open_cache(root, "block4_pool") as cache:
        keys = [photo.key for photo in photos]
        inputs = Photos(tuple(photos), SIZE, "squash")
        below = frozen.extract(inputs, IMAGE, "block4_pool", keys, cache, Counter())
        assert np.array_equal(run_from(frozen, below, "block4_pool", photos, root), from_photos)


def test_features_are_kept_in_the_numbers_that_were_computed(photos: list[Photo], root: Path) -> None:
    sizes = {}
    for policy in ("float32", "mixed_bfloat16"):
        run(frozen_base(policy=policy), photos, root / policy, layer="block4_pool")
        (file,) = (root / policy).rglob("*.records")
        sizes[policy] = file.stat().st_size // len(photos) - 36  # Without key and checksum.
    assert sizes == {"float32": 4 * 4 * 4 * 4, "mixed_bfloat16": 4 * 4 * 4 * 2}


def test_features_that_are_no_numbers_do_not_get_into_the_cache(photos: list[Photo], root: Path) -> None:
    frozen = frozen_base(policy="mixed_float16")
    kernel = frozen.base.layers[1].kernel
    kernel.assign(kernel * 0 + 1e4)
    with pytest.raises(UserError, match="Use --precision float32"):
        run(frozen, photos, root)
    assert not [path for path in root.rglob("*.records") if path.stat().st_size]


def test_another_release_of_tensorflow_does_not_share_features(
    frozen: FrozenBase, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = frozen.open_cache(root, GAP).path
    monkeypatch.setattr("tensorflow.__version__", "99.0")
    assert frozen.open_cache(root, GAP).path != before


def test_a_view_of_a_photo_has_features_of_its_own(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    views = [Photo(photos[0].path, photos[0].sha256, view) for view in range(3)]
    features = run(frozen, views, root)
    assert len({row.tobytes() for row in features}) == 3
    assert np.array_equal(features[0], run(frozen, [photos[0]], root / "alone")[0])


def test_no_photos_have_no_features(frozen: FrozenBase, root: Path) -> None:
    assert run(frozen, [], root).shape == (0, 4)


def test_a_photo_that_became_unreadable_is_named(frozen: FrozenBase, photos: list[Photo], root: Path) -> None:
    photos[5].path.unlink()
    with pytest.raises(UserError, match=r"5\.png to stay readable during the training; found: No such file"):
        run(frozen, photos, root)


def test_a_photo_that_was_changed_does_not_get_into_the_cache(
    frozen: FrozenBase, photos: list[Photo], root: Path
) -> None:
    make_photo(photos[5].path, label=2, seed=999)
    with pytest.raises(UserError, match=r"5\.png to stay as it is during the training"):
        run(frozen, photos, root)


# --- photos as inputs ------------------------------------------------------------------------------------------------


def test_photos_are_read_when_they_are_asked_for(photos: list[Photo]) -> None:
    inputs = Photos(tuple(photos), SIZE, "squash")
    assert (len(inputs), inputs.shape) == (len(photos), (SIZE, SIZE, 3))
    expected = load_photo(photos[3].path, SIZE, "squash")
    assert np.array_equal(inputs[np.array([3, 0])][0], expected)
    assert np.array_equal(next(inputs.take(np.array([3])).batches(8))[0], expected)
    assert inputs[np.array([], dtype=int)].shape == (0, SIZE, SIZE, 3)


# --- the size of a batch ---------------------------------------------------------------------------------------------


def test_a_batch_is_smaller_where_photos_are_larger() -> None:
    sizes = [batch_size_for(image_size, 4, n_gpus=0) for image_size in (32, 224, 448, 1024)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 64 and sizes[-1] >= 1


def test_half_the_bytes_are_twice_the_photos() -> None:
    assert batch_size_for(224, 2, n_gpus=0) == 2 * batch_size_for(224, 4, n_gpus=0)


def test_a_gpu_gets_larger_batches() -> None:
    assert batch_size_for(224, 2, n_gpus=1) > batch_size_for(224, 2, n_gpus=0)


def test_a_machine_with_little_memory_gets_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    plenty = batch_size_for(224, 4, n_gpus=0)
    memory = psutil.virtual_memory()._replace(total=2_000_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert 1 <= batch_size_for(224, 4, n_gpus=0) < plenty
