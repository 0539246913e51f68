from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from core import projection
from core.projection import pca, tsne


def clouds(n: int = 30, n_channels: int = 16) -> NDArray[np.float16]:
    """Three clouds of photos, one after the other, far from each other and from the origin."""
    random = np.random.default_rng(0)
    centres = 5 + 4 * random.random((3, n_channels))
    return (centres.repeat(n // 3, axis=0) + 0.1 * random.normal(size=(n, n_channels))).astype(np.float16)


def assert_clouds_stay_apart(places: NDArray[np.float32]) -> None:
    groups = places.reshape(3, -1, 2)
    centres = groups.mean(axis=1)
    widest = np.linalg.norm(groups - centres[:, None], axis=-1).max()
    nearest = min(np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert nearest > 3 * widest


# --- principal components --------------------------------------------------------------------------------------------


def test_the_directions_of_largest_spread_are_kept() -> None:
    random = np.random.default_rng(0)
    spread = np.array([0.1, 5, 0.1, 2])
    embeddings = (random.normal(size=(2000, 4)) * spread + 100).astype(np.float32)
    places = pca(embeddings)
    assert np.abs(np.corrcoef(places[:, 0], embeddings[:, 1])[0, 1]) > 0.99
    assert np.abs(np.corrcoef(places[:, 1], embeddings[:, 3])[0, 1]) > 0.99
    assert places.mean(axis=0) == pytest.approx([0, 0], abs=1e-3)
    assert places.std(axis=0) == pytest.approx([5, 2], rel=0.1)


def test_the_sign_is_that_of_the_largest_loading() -> None:
    embeddings = np.array([[0, 0, 0], [-3, 1, 0], [3, -1, 0.5], [-6, 2, 1]], np.float32)
    for turned in (embeddings, embeddings[::-1], embeddings + 7):
        places = pca(turned)
        assert np.corrcoef(places[:, 0], turned[:, 0])[0, 1] > 0.9
    # Mirrored data are mirrored, rather than turned back by the sign of the components.
    assert pca(-embeddings) == pytest.approx(-pca(embeddings), abs=1e-4)


def test_half_precision_is_projected_to_the_same_places() -> None:
    halves = clouds()
    assert pca(halves) == pytest.approx(pca(halves.astype(np.float32)), abs=1e-4)


def test_alike_photos_lie_together() -> None:
    assert_clouds_stay_apart(pca(clouds()))


@pytest.mark.parametrize("shape", [(0, 8), (1, 8), (2, 8), (3, 8), (5, 1)])
def test_few_photos_and_few_channels_have_places_too(shape: tuple[int, int]) -> None:
    embeddings = np.random.default_rng(0).random(shape).astype(np.float32)
    places = pca(embeddings)
    assert places.shape == (shape[0], 2)
    # Three points lie in a plane: nothing of their distances is lost.
    apart, apart_there = (rows[:, None] - rows[None] for rows in (embeddings, places))
    assert np.linalg.norm(apart_there, axis=-1) == pytest.approx(np.linalg.norm(apart, axis=-1), abs=1e-5)


@pytest.mark.parametrize("project", [pca, tsne])
def test_photos_that_are_all_alike_lie_in_one_place(project: Callable[..., NDArray[np.float32]]) -> None:
    assert not project(np.full((7, 512), 0.1, np.float16)).any()


# --- t-SNE -----------------------------------------------------------------------------------------------------------


def test_tsne_keeps_alike_photos_together_and_tells_how_far_it_is() -> None:
    shares: list[float] = []
    places = tsne(clouds(), on_progress=shares.append)
    assert_clouds_stay_apart(places)
    assert (shares[0], shares[-1]) == (0, 1)
    assert shares == sorted(shares) and len(shares) > 5
    assert np.array_equal(tsne(clouds()), places), "each time the same places"


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_few_photos_have_places_too(n: int) -> None:
    places = tsne(clouds()[::9][:n])
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()


def test_who_waits_can_stop_it() -> None:
    def stop(share: float) -> None:
        if share > 0:
            raise InterruptedError("the page was left")

    with pytest.raises(InterruptedError, match="the page was left"):
        tsne(clouds(), on_progress=stop)


def test_a_failure_elsewhere_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "_COMPONENTS_FILE", "misnamed.npy")  # Here; not in the other process.
    with pytest.raises(RuntimeError, match=r"(?s)t-SNE failed: .*components\.npy"):
        tsne(clouds())
