"""Predictions and options of two runs -> what changed from one to the other, photo by photo.

Only photos held out from training in both runs count: on the others one of the two knew the answer. Both are judged by
the same labels: those of the later run, so that a mended label is no mistake of either, or others that are asked for,
such as those before any review.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import UserError
from core.evaluation import class_marks, cross_entropy, macro_f1, probability_columns
from core.groups import groups_of
from core.intervals import (
    CONFIDENCE_LEVEL,
    N_RESAMPLES,
    Interval,
    design_effect,
    paired_interval,
    percentile_interval,
)

CHANGES = FIXED, BROKEN, STILL_WRONG, STILL_RIGHT = ("fixed", "broken", "still_wrong", "still_right")

# Options that say nothing about how a run was trained.
_NOT_COMPARED = ("name", "runs_dir", "quiet", "verbose")
_ABSENT = object()


@dataclass(frozen=True)
class Comparison:
    """Two runs on the photos held out in both.

    Attributes:
        photos: A row a photo, in the later run's order: `image`, `true_label` (by which both are judged),
            `predicted_before`, `predicted_after`, `confidence_before`, `confidence_after`, `loss_before`, `loss_after`
            (against that label) and `change`, one of `CHANGES`.
        n_only_before: Photos held out in the earlier run that are not in the later one or were trained on there.
        n_only_after: Likewise, the other way round.
        n_relabelled: How many of `photos` had another label in the earlier run.
        n_relabelled_after: How many have another one in the later run; none unless other labels were asked for.
    """

    photos: pd.DataFrame
    n_only_before: int
    n_only_after: int
    n_relabelled: int
    n_relabelled_after: int = 0

    @property
    def n_images(self) -> int:
        """Number of photos held out in both."""
        return len(self.photos)

    @property
    def counts(self) -> dict[str, int]:
        """Number of photos by change, in the order of `CHANGES`."""
        return _count_changes(self.photos["change"])


def compare(before: pd.DataFrame, after: pd.DataFrame, labels: "pd.Series[int] | None" = None) -> Comparison:
    """Match two runs photo by photo.

    Args:
        before: Predictions of the earlier run; see `core.evaluation.predictions_table`.
        after: Those of the later run, with the same classes in the same order.
        labels: Class indices by `image` that both are judged by; the later run's where it names none.

    Raises:
        UserError: If the runs have different numbers of classes.
    """
    n_classes = _common_classes(before, after)
    held_out_before, held_out_after = (table[table["split"] == "val"] for table in (before, after))
    rows = pd.Index(held_out_before["image"]).get_indexer(pd.Index(held_out_after["image"]))
    old = held_out_before.iloc[rows[rows >= 0]].reset_index(drop=True)
    new = held_out_after[rows >= 0].reset_index(drop=True)
    true_label = new["true_label"]
    if labels is not None:
        true_label = new["image"].map(labels).astype("Int64").fillna(true_label).astype("int64")
    differs_before, differs_after = ((table["true_label"] != true_label).to_numpy(dtype=bool) for table in (old, new))
    photos = pd.DataFrame(
        {
            "image": new["image"],
            "true_label": true_label,
            "predicted_before": old["predicted_label"],
            "predicted_after": new["predicted_label"],
            "confidence_before": old["confidence"],
            "confidence_after": new["confidence"],
            "loss_before": _loss_against(true_label, old, differs_before, n_classes),
            "loss_after": _loss_against(true_label, new, differs_after, n_classes),
        }
    )
    photos["change"] = _changes(photos)
    return Comparison(
        photos,
        n_only_before=len(held_out_before) - len(photos),
        n_only_after=len(held_out_after) - len(photos),
        n_relabelled=int(differs_before.sum()),
        n_relabelled_after=int(differs_after.sum()),
    )


def with_groups(comparison: Comparison, samples: pd.DataFrame) -> Comparison:
    """Add the groups of near-identical photos, so that the intervals of differences count them as such.

    Args:
        comparison: Two runs.
        samples: The later run's photos, as `core.runs.read_samples` gives them; its groups count for both runs.

    Returns:
        The same with a column `group` in its photos. Without it each photo is a group of its own.
    """
    photos = comparison.photos
    return replace(comparison, photos=photos.assign(group=groups_of(photos["image"], samples)))


def replaced_images(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Photos that have their name in common with another one, whose content is not theirs; they are not to be matched.

    Args:
        before: The earlier run's photos, as in `samples.csv`.
        after: The later run's.
    """
    both = before[["image", "sha256"]].merge(after[["image", "sha256"]], on="image", suffixes=("_before", "_after"))
    return both.loc[both["sha256_before"] != both["sha256_after"], "image"].tolist()


def _common_classes(before: pd.DataFrame, after: pd.DataFrame) -> int:
    n_before, n_after = (sum(str(column).startswith("prob_") for column in table) for table in (before, after))
    if n_before != n_after:
        raise UserError(
            f"Expected two runs with the same classes; found {n_before} and {n_after} of them. Choose another run."
        )
    return n_after


def _loss_against(
    labels: "pd.Series[int]", run: pd.DataFrame, is_relabelled: NDArray[np.bool_], n_classes: int
) -> NDArray[np.float64]:
    """A run's losses, computed anew where its own label is another one."""
    loss = run["loss"].to_numpy(dtype=np.float64, copy=True)
    probabilities = run.loc[is_relabelled, probability_columns(n_classes)].to_numpy(dtype=np.float64)
    loss[is_relabelled] = cross_entropy(probabilities, labels.to_numpy()[is_relabelled])
    return loss


def _changes(photos: pd.DataFrame) -> "pd.Categorical[str]":
    was_right, is_right = _right(photos, "before"), _right(photos, "after")
    codes = np.select([~was_right & is_right, was_right & ~is_right, ~was_right & ~is_right], [0, 1, 2], 3)
    return pd.Categorical.from_codes(codes, categories=pd.Index(CHANGES))


def _right(photos: pd.DataFrame, when: str) -> NDArray[np.bool_]:
    return (photos[f"predicted_{when}"] == photos["true_label"]).to_numpy(dtype=bool)


def _count_changes(changes: "pd.Series[str]") -> dict[str, int]:
    found = changes.value_counts()
    return {change: int(found.get(change, 0)) for change in CHANGES}


def changes_per_class(comparison: Comparison, class_names: Sequence[str]) -> pd.DataFrame:
    """Where the changes are.

    Returns:
        A row a class, absent ones included: `label`, `class_name`, a count for each of `CHANGES`, `n_images`.
    """
    photos = comparison.photos
    rows = []
    for label, name in enumerate(class_names):
        counts = _count_changes(photos.loc[photos["true_label"] == label, "change"])
        rows.append({"label": label, "class_name": name, **counts, "n_images": sum(counts.values())})
    return pd.DataFrame(rows, columns=["label", "class_name", *CHANGES, "n_images"])


# --- figures and whether they differ ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairedFigure:
    """A figure of both runs on the photos held out in both.

    Attributes:
        name: As in `metrics.json`: `accuracy`, `macro_f1` or `log_loss`.
        before: The earlier run's.
        after: The later run's.
        difference: Later minus earlier.
        interval: 95 % interval of the difference; where it does not hold 0, the runs differ by more than chance.
    """

    name: str
    before: float
    after: float
    difference: float
    interval: Interval


def paired_figures(comparison: Comparison, n_classes: int) -> list[PairedFigure]:
    """Accuracy, macro F1 and log loss of both runs, and their differences; none without a common photo."""
    accuracy = accuracy_difference(comparison)
    if accuracy is None:
        return []
    return [accuracy, _macro_f1_difference(comparison.photos, n_classes), _log_loss_difference(comparison.photos)]


def accuracy_difference(comparison: Comparison) -> PairedFigure | None:
    """How much more accurate the later run is, with the interval of `core.intervals.paired_interval`.

    Where photos come in groups, counts are divided by the design effect before; see `core.intervals`.

    Returns:
        None if no photo was held out in both.
    """
    n = comparison.n_images
    if n == 0:
        return None
    fixed, broken, _, still_right = comparison.counts.values()
    before, after = (still_right + broken) / n, (still_right + fixed) / n
    effect = _gain_effect(comparison.photos)
    interval = paired_interval(n / effect, fixed / effect, broken / effect)
    return PairedFigure("accuracy", before, after, (fixed - broken) / n, interval)


def _gain_effect(photos: pd.DataFrame) -> float:
    """The design effect of what photos gain in accuracy; see `core.intervals.design_effect`."""
    gained = photos["change"].map({FIXED: 1, BROKEN: -1}).fillna(0)
    return design_effect(gained, _groups(photos))


def _groups(photos: pd.DataFrame) -> NDArray[np.intp]:
    """Groups as numbers 0, 1, ..., shape (n_images,)."""
    return np.asarray(pd.factorize(photos["group"])[0]) if "group" in photos else np.arange(len(photos))


def _macro_f1_difference(photos: pd.DataFrame, n_classes: int) -> PairedFigure:
    """With the percentile interval of a bootstrap of the groups; of very few groups it is too narrow.

    A group counts by how often each triple (true, predicted before, predicted after) occurs in it. Few kinds of groups
    occur, most of them a single photo, so drawing groups with replacement is drawing their kinds by a multinomial
    distribution.
    """
    triples, codes = np.unique(
        np.ravel_multi_index(
            tuple(photos[column].to_numpy() for column in ("true_label", "predicted_before", "predicted_after")),
            (n_classes, n_classes, n_classes),
        ),
        return_inverse=True,
    )
    true, *predicted = np.unravel_index(triples, (n_classes, n_classes, n_classes))
    was, now = (class_marks(true, labels, n_classes) for labels in predicted)
    before, after = (float(macro_f1(np.bincount(codes) @ marks)) for marks in (was, now))
    kinds, n_groups = _kinds_of_groups(codes, _groups(photos), len(triples))
    shares = n_groups / n_groups.sum()
    draws = np.random.default_rng(0).multinomial(n_groups.sum(), shares, size=N_RESAMPLES) @ kinds
    differences = macro_f1(draws @ now) - macro_f1(draws @ was)
    return PairedFigure("macro_f1", before, after, after - before, percentile_interval(differences))


def _kinds_of_groups(
    codes: NDArray[np.intp], groups: NDArray[np.intp], n_codes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Groups that hold the same as one kind.

    Args:
        codes: What each photo is, 0..n_codes - 1, shape (n_images,).
        groups: The group of each photo, 0, 1, ..., shape (n_images,).
        n_codes: Number of different codes.

    Returns:
        How often each code occurs in a group of each kind, shape (n_kinds, n_codes), and how many groups are of each
        kind, shape (n_kinds,).
    """
    # Groups hold the same where random numbers, one a code, have the same sum over them.
    content = np.zeros(groups.max() + 1, dtype=np.int64)
    np.add.at(content, groups, np.random.default_rng(0).integers(2**32, size=n_codes)[codes])
    _, examples, n_groups = np.unique(content, return_index=True, return_counts=True)
    kind_of = np.full(len(content), -1)
    kind_of[examples] = np.arange(len(examples))
    kind = kind_of[groups]
    kinds = np.zeros((len(examples), n_codes), dtype=np.int64)
    np.add.at(kinds, (kind[kind >= 0], codes[kind >= 0]), 1)
    return kinds, n_groups


def _log_loss_difference(photos: pd.DataFrame) -> PairedFigure:
    """With Student's interval of the mean of the photos' differences; of one group it is endless.

    A mean needs no bootstrap, which would take seconds for 100,000 photos and give the same. Where photos come in
    groups, its variance is multiplied by the design effect.
    """
    from scipy.special import stdtrit  # The dashboard starts without it.

    differences = (photos["loss_after"] - photos["loss_before"]).to_numpy()
    before, after, n = float(photos["loss_before"].mean()), float(photos["loss_after"].mean()), len(photos)
    groups = _groups(photos)
    n_groups = int(groups.max()) + 1
    half = float("inf")
    if n_groups > 1:
        deviation = differences.std(ddof=1) * np.sqrt(design_effect(differences, groups) / n)
        half = float(stdtrit(n_groups - 1, (1 + CONFIDENCE_LEVEL) / 2) * deviation)
    difference = float(differences.mean())
    return PairedFigure("log_loss", before, after, difference, (difference - half, difference + half))


def mcnemar(comparison: Comparison) -> float:
    """The p-value of `mcnemar_exact` for two runs; where photos come in groups, after dividing by the design effect."""
    effect = _gain_effect(comparison.photos) if comparison.n_images else 1.0
    return mcnemar_exact(*(round(comparison.counts[change] / effect) for change in (FIXED, BROKEN)))


def mcnemar_exact(n_fixed: int, n_broken: int) -> float:
    """The p-value of McNemar's exact test, two-sided: were as many photos fixed as broken but for chance?

    Args:
        n_fixed: Photos that only the later run got right.
        n_broken: Photos that only the earlier run got right.

    Returns:
        0..1: how probable so uneven numbers, or more uneven ones, are if each of these photos was as likely to be fixed
        as to be broken; 1 where there is none.
    """
    from scipy.special import bdtr  # scipy.stats.binomtest says the same, but takes a second to import.

    fewer, n = min(n_fixed, n_broken), n_fixed + n_broken
    return min(1.0, 2 * float(bdtr(fewer, n, 0.5)))


# --- options ---------------------------------------------------------------------------------------------------------


def config_differences(configs: Mapping[str, Mapping[str, object]]) -> pd.DataFrame:
    """The options in which runs differ.

    Args:
        configs: The `config` of each run's `run.json`, by the run's name.

    Returns:
        A row an option, the index its name, a column a run, texts for reading; see `differing_options`.
    """
    rows = differing_options(list(configs.values()))
    texts = [[option_text(value) for value in values] for values in rows.values()]
    return pd.DataFrame(
        texts, index=pd.Index(list(rows), name="option", dtype="str"), columns=list(configs), dtype="str"
    )


def differing_options(configs: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """The value of each configuration for every option in which they differ; `option_text` makes it text.

    What a run is called, where it was put, and how much it said, are never counted.
    """
    options = dict.fromkeys(option for config in configs for option in config if option not in _NOT_COMPARED)
    rows = {option: [config.get(option, _ABSENT) for config in configs] for option in options}
    return {option: values for option, values in rows.items() if any(value != values[0] for value in values)}


def option_text(value: object) -> str:
    """An option's value for reading."""
    if value is _ABSENT:
        return "not recorded"
    if value is None:
        return "default"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
