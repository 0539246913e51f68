import numpy as np
import pytest
from numpy.typing import NDArray

from core.augmentation import augmented_view

SIZE = 64
Pixels = NDArray[np.uint8]


@pytest.fixture
def photo() -> Pixels:
    """A bright disc, left of the middle, on a gradient."""
    y, x = np.mgrid[:SIZE, :SIZE]
    disc = (x - 20) ** 2 + (y - 30) ** 2 < 100
    grey = np.where(disc, 180, 40 + x)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def views(photo: Pixels, n: int = 60, sha256: str = "a") -> list[Pixels]:
    return [augmented_view(photo, sha256, view) for view in range(1, n + 1)]


def disc_place(photo: Pixels) -> tuple[float, float]:
    """Where the disc's middle is, x and y."""
    y, x = np.nonzero(photo[..., 0] > 0.85 * photo.max())
    return float(x.mean()), float(y.mean())


def test_view_0_is_the_photo_as_it_is(photo: Pixels) -> None:
    assert augmented_view(photo, "a", 0) is photo


def test_a_view_has_the_photos_shape_and_type(photo: Pixels) -> None:
    assert all(view.shape == photo.shape and view.dtype == np.uint8 for view in views(photo))


def test_a_view_is_decided_by_content_and_number_alone(photo: Pixels) -> None:
    assert np.array_equal(augmented_view(photo, "a", 3), augmented_view(photo, "a", 3))
    assert not np.array_equal(augmented_view(photo, "a", 3), augmented_view(photo, "a", 4))
    assert not np.array_equal(augmented_view(photo, "a", 3), augmented_view(photo, "b", 3))


def test_about_half_of_the_views_are_flipped(photo: Pixels) -> None:
    flipped = sum(disc_place(view)[0] > SIZE / 2 for view in views(photo))
    assert 18 <= flipped <= 42


def test_the_subject_stays_in_the_picture_and_near_its_place(photo: Pixels) -> None:
    for view in views(photo):
        x, y = disc_place(view)
        assert abs(min(x, SIZE - x) - 20) < 0.25 * SIZE and abs(y - 30) < 0.25 * SIZE


def test_brightness_varies_both_ways_and_no_border_is_black(photo: Pixels) -> None:
    means = [view.mean() / photo.mean() for view in views(photo)]
    assert min(means) < 0.85 and max(means) > 1.1
    assert all(view.min() > 15 for view in views(photo)), "what comes in over the border is a mirror image"


def test_an_even_photo_stays_even() -> None:
    grey = np.full((SIZE, SIZE, 3), 100, np.uint8)
    assert all(np.ptp(view) <= 1 for view in views(grey, 10))
