import tracemalloc

import numpy as np
import pytest

from core.neighbours import nearest, normalised, own_nearest_distances, unlike_threshold


def directions(*degrees: float) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Vectors in the plane, each of another length."""
    angles = np.radians(degrees)
    lengths = 1 + np.arange(len(degrees))
    return (np.stack([np.cos(angles), np.sin(angles)], axis=1) * lengths[:, None]).astype(np.float32)


def distance(degrees: float) -> float:
    """Cosine distance of two directions that many degrees apart."""
    return float(1 - np.cos(np.radians(degrees)))


# --- rows of length 1 ------------------------------------------------------------------------------------------------


def test_rows_get_length_one_and_keep_their_direction() -> None:
    rows = normalised(np.array([[3, 4], [0, 0.5]], np.float16))
    assert rows.dtype == np.float32
    assert rows == pytest.approx(np.array([[0.6, 0.8], [0, 1]]))


def test_a_single_photo_is_normalised_likewise() -> None:
    assert normalised(np.array([3, 4], np.float32)) == pytest.approx(np.array([0.6, 0.8]))


def test_a_row_of_zeros_is_far_from_everything() -> None:
    rows = normalised(np.array([[0, 0], [1, 0], [0, 0]], np.float16))
    assert own_nearest_distances(rows).tolist() == [1, 1, 1]


def test_the_given_embeddings_are_left_as_they_are() -> None:
    embeddings = np.array([[3, 4]], np.float32)
    normalised(embeddings)
    assert embeddings.tolist() == [[3, 4]]


# --- the nearest photos ----------------------------------------------------------------------------------------------


def test_the_nearest_photos_come_first_with_their_distances() -> None:
    rows = normalised(directions(0, 10, 90, 40))
    found, distances = nearest(rows, normalised(directions(0))[0], 3, np.arange(4))
    assert found.tolist() == [0, 1, 3]
    assert distances == pytest.approx([0, distance(10), distance(40)], abs=1e-6)


def test_only_candidates_come_back() -> None:
    rows = normalised(directions(0, 10, 90, 40))
    found, distances = nearest(rows, rows[0], 8, np.array([3, 2]))
    assert found.tolist() == [3, 2]
    assert distances == pytest.approx([distance(40), 1], abs=1e-6)


def test_without_candidates_nothing_comes_back() -> None:
    found, distances = nearest(normalised(directions(0, 10)), normalised(directions(0))[0], 8, np.array([], np.int64))
    assert (len(found), len(distances)) == (0, 0)


def test_of_equally_near_photos_the_earlier_candidate_comes_first() -> None:
    rows = normalised(directions(30, 0, 0, 0))
    assert nearest(rows, rows[1], 2, np.array([0, 3, 2]))[0].tolist() == [3, 2]


def test_an_exact_copy_is_at_distance_zero_and_none_below() -> None:
    embeddings = np.random.default_rng(0).random((200, 512)).astype(np.float16)
    rows = normalised(np.concatenate([embeddings, embeddings]))
    copies = [nearest(rows, rows[row], 1, np.array([row + 200]))[1].item() for row in range(200)]
    assert copies == pytest.approx([0] * 200, abs=1e-6)
    assert min(copies) >= 0
    assert own_nearest_distances(rows) == pytest.approx([0] * 400, abs=1e-6)


# --- what is unlike --------------------------------------------------------------------------------------------------


def test_a_photo_is_as_far_as_its_nearest_other_one() -> None:
    found = own_nearest_distances(normalised(directions(0, 10, 25, 90)))
    assert found == pytest.approx([distance(d) for d in (10, 10, 15, 65)], abs=1e-6)


def test_of_many_photos_an_even_sample_is_compared_with_all() -> None:
    rows = normalised(np.random.default_rng(0).normal(size=(3999, 8)))
    products = rows @ rows.T
    np.fill_diagonal(products, -1)
    assert own_nearest_distances(rows) == pytest.approx(1 - products.max(axis=1)[::2], abs=1e-6)


@pytest.mark.parametrize("n", [0, 1])
def test_a_photo_without_others_has_no_distance_and_nothing_is_unlike(n: int) -> None:
    distances = own_nearest_distances(normalised(directions(*[0.0] * n).reshape(n, 2)))
    assert len(distances) == 0
    assert unlike_threshold(distances) == np.inf


def test_comparing_takes_little_memory_beside_the_photos_own() -> None:
    rows = normalised(np.random.default_rng(0).random((60_000, 8), dtype=np.float32))
    tracemalloc.start()
    own_nearest_distances(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 70e6 < 2000 * 60_000 * 4


def test_the_threshold_is_passed_by_one_training_photo_in_a_hundred() -> None:
    distances = np.random.default_rng(0).random(2000)
    assert (distances > unlike_threshold(distances)).sum() == 20
