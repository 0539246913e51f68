import numpy as np
import pytest

from core.splits import assign_folds, count_leaked, hold_out, split_hash

N = 300
GROUPS = [f"photo {n}" for n in range(N)]
LABELS = np.arange(N) % 3


def held_out(groups: list[str], labels: "np.ndarray[tuple[int], np.dtype[np.int_]]", seed: int = 0) -> set[str]:
    is_validation = hold_out(labels, groups, 0.2, seed)
    return {group for group, chosen in zip(groups, is_validation, strict=True) if chosen}


def test_the_share_is_held_out_of_each_class() -> None:
    is_validation = hold_out(LABELS, GROUPS, 0.2, seed=0)
    assert np.bincount(LABELS[is_validation]).tolist() == [20, 20, 20]


def test_rare_classes_are_held_out_in_their_share_too() -> None:
    labels = np.array([0] * 250 + [1] * 40 + [2] * 10)
    assert np.bincount(labels[hold_out(labels, GROUPS, 0.2, seed=0)]).tolist() == [50, 8, 2]


def test_the_same_seed_gives_the_same_split() -> None:
    assert held_out(GROUPS, LABELS, seed=5) == held_out(GROUPS, LABELS, seed=5)


def test_another_seed_gives_another_split() -> None:
    assert len(held_out(GROUPS, LABELS, seed=0) & held_out(GROUPS, LABELS, seed=1)) < 30


def test_the_split_is_the_one_of_earlier_versions() -> None:
    # Runs stay comparable only while this stays as it is.
    is_validation = hold_out(np.arange(12) % 2, GROUPS[:12], 0.34, seed=0)
    assert np.flatnonzero(is_validation).tolist() == [1, 2, 9, 10]


def test_the_order_of_the_photos_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(N)
    assert held_out([GROUPS[n] for n in order], LABELS[order]) == held_out(GROUPS, LABELS)


def test_one_more_photo_moves_at_most_one_other() -> None:
    before = held_out(GROUPS, LABELS)
    for n in range(20):
        after = held_out([*GROUPS, f"new {n}"], np.append(LABELS, n % 3))
        assert len(before - after) <= 1
        assert len(after - before) <= 1


def test_a_group_is_never_on_both_sides() -> None:
    groups = [f"group {n // 7}" for n in range(N)]
    is_validation = hold_out(LABELS, groups, 0.2, seed=0)
    sides = {(group, bool(side)) for group, side in zip(groups, is_validation, strict=True)}
    assert len(sides) == len(set(groups))


@pytest.mark.parametrize(("fraction", "expected"), [(0.3, 10), (0.4, 20), (0.6, 20), (0.7, 30)])
def test_of_large_groups_as_many_are_held_out_as_come_nearest_to_the_share(fraction: float, expected: int) -> None:
    groups = [f"group {n // 10}" for n in range(40)]
    assert hold_out(np.zeros(40, int), groups, fraction, seed=0).sum() == expected


def test_large_groups_leave_the_share_about_right() -> None:
    groups = [f"group {n // 9}" for n in range(N)]
    assert 0.1 < hold_out(np.zeros(N, int), groups, 0.2, seed=0).mean() < 0.3


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("per_class", [2, 3])
def test_every_class_is_on_both_sides(fraction: float, per_class: int) -> None:
    labels = np.repeat([0, 1, 2], per_class)
    for seed in range(10):
        is_validation = hold_out(labels, GROUPS[: len(labels)], fraction, seed)
        assert set(labels[is_validation]) == set(labels[~is_validation]) == {0, 1, 2}


def test_the_hash_tells_splits_apart_but_not_orders_of_photos() -> None:
    reference = split_hash(["a", "b"], np.array([True, False]))
    assert split_hash(["b", "a"], np.array([False, True])) == reference
    assert split_hash(["a", "b"], np.array([False, True])) != reference
    assert split_hash(["a", "c"], np.array([True, False])) != reference


# --- folds ---


def test_folds_are_of_equal_size_in_each_class() -> None:
    folds = assign_folds(LABELS, GROUPS, 5, seed=0)
    for label in range(3):
        assert np.bincount(folds[label == LABELS]).tolist() == [20] * 5


def test_the_first_of_five_folds_is_the_fifth_that_would_be_held_out() -> None:
    folds = assign_folds(LABELS, GROUPS, 5, seed=3)
    assert ((folds == 0) == hold_out(LABELS, GROUPS, 0.2, seed=3)).all()


def test_a_group_is_in_one_fold() -> None:
    groups = [f"group {n // 7}" for n in range(N)]
    folds = assign_folds(LABELS, groups, 5, seed=0)
    assert len(set(zip(groups, folds.tolist(), strict=True))) == len(set(groups))


def test_two_groups_of_a_class_are_in_two_folds_however_large_one_is() -> None:
    folds = assign_folds(np.zeros(20, int), ["large"] * 19 + ["small"], 5, seed=0)
    assert len(set(folds)) == 2


def test_photos_leak_where_one_of_their_group_is_learnt_from() -> None:
    groups, learns = ["a", "a", "b", "b", "c"], np.array([True, False, False, False, True])
    assert count_leaked(groups, learns, ~learns) == 1
    assert count_leaked(groups, learns, np.array([False, False, True, True, False])) == 0


def test_a_photo_that_is_only_stopped_by_leaks_nothing() -> None:
    learns, scores = np.array([False, False, True]), np.array([True, False, False])  # The second one is stopped by.
    assert count_leaked(["a", "a", "b"], learns, scores) == 0
