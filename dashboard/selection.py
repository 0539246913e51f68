"""Which photos are looked at: a predicate over the table of photos, and its form in an address; pandas only.

A selection is what a link carries. It names properties, never rows, so that the same link means the same question when
the run has been trained again. Every field has one spelling, the one in the address:

    split=val  fold=2  true=nobody  predicted=everybody  outcome=wrong  confidence=0.6-0.7  name=beach
    split=any (on a page that shows one split where nothing is asked for)
    problem=duplicate  shape=612x408  ratio=1.41-1.54  map=pca  area=0.1,0.2;0.4,0.2;0.3,0.5
    brightness=0.4-0.6  contrast=0.1-0.2  sharpness=50-200  megapixels=0.1-0.3  copies=1-3  group=0f3a
    with=OTHER-RUN  change=fixed (or test_differs: test photos that the other run puts into another class)
    labels=original (with change: as judged by the labels before any review)
    review=relabel (or exclude, unsure, note; any of them; none; mended: the run was trained with another label)

Ranges hold their lower bound and not their upper one, so that the bins of a histogram share no photo; a range of
confidence up to 1 holds 1 too.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.comparison import CHANGES
from core.reliability import is_within
from core.reviews import DECISIONS, EXCLUDE, NOTE, RELABEL, UNSURE
from dashboard.photos import SPLITS, is_right, is_wrong

Order = Literal[
    "highest loss", "lowest loss", "most confident", "least confident", "smallest margin", "largest margin", "name"
]
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
_SORTING: dict[Order, tuple[str, bool]] = {
    "highest loss": ("loss", False),
    "lowest loss": ("loss", True),
    "most confident": ("confidence", False),
    "least confident": ("confidence", True),
    "smallest margin": ("margin", True),
    "largest margin": ("margin", False),
    "name": ("image", True),
}

# Asked for on a page that shows the photos of one split where nothing is asked for.
ANY_SPLIT = "any"
OUTCOMES = ("wrong", "right")
# What must have been decided about a photo: one thing, anything, nothing; or that it was trained on as relabelled.
ANY_REVIEW, NO_REVIEW, MENDED = "any", "none", "mended"
REVIEWS = (*DECISIONS, NOTE, ANY_REVIEW, NO_REVIEW, MENDED)
REVIEW_WORDS = {
    RELABEL: "relabelled",
    EXCLUDE: "excluded",
    UNSURE: "unsure",
    NOTE: "with a note",
    ANY_REVIEW: "reviewed",
    NO_REVIEW: "not reviewed",
    MENDED: "relabelled in this run",
}
# The labels that a comparison goes by: those of the run that is shown, which reviews may have changed, or those before.
REVIEWED, ORIGINAL = "reviewed", "original"
MAX_POLYGON = 30

SPLIT_WORDS = {
    "train": "trained on",
    "val": "held out",
    "test": "test",
    "left_out": "left out",
    "unknown": "split not known yet",
}
# What has become of a test photo, whose label nobody knows.
TEST_DIFFERS = "test_differs"
CHANGE_WORDS = {
    "fixed": "right now, wrong in",
    "broken": "wrong now, right in",
    "still_wrong": "wrong now and in",
    "still_right": "right now and in",
    TEST_DIFFERS: "test photo, another class in",
}

Range = tuple[float, float]
Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Selection:
    """Conditions that a photo must meet, all of them; None means any.

    Classes are named, not numbered: a link says what it means, and a name that a run does not have chooses no photo
    instead of another class.
    """

    split: str | None = None
    fold: int | None = None
    true: str | None = None
    predicted: str | None = None
    outcome: str | None = None
    confidence: Range | None = None
    name: str | None = None
    problem: str | None = None
    shape: tuple[int, int] | None = None
    ratio: Range | None = None
    brightness: Range | None = None
    contrast: Range | None = None
    sharpness: Range | None = None
    megapixels: Range | None = None
    copies: Range | None = None
    group: str | None = None
    map: str | None = None
    area: Polygon | None = None
    with_run: str | None = None
    labels: str | None = None
    change: str | None = None
    review: str | None = None

    def without(self, field: str) -> "Selection":
        """The selection with one condition less; what only serves that condition goes with it."""
        return replace(self, **dict.fromkeys((field, *_SERVANTS.get(field, ()))))


EVERYTHING = Selection()
# Fields that are no condition of their own, by the one that they serve; without the first of them that means nothing.
_SERVANTS = {"area": ("map",), "change": ("with_run", "labels")}
FIELDS = tuple(field.name for field in fields(Selection))
# Python has taken the word.
_PARAM_OF = {"with_run": "with"}


class Quantity(NamedTuple):
    """Something that photos have more or less of, for a person.

    Attributes:
        title: What it is called.
        factor: As an address has it times what it is shown.
        decimals: How many are enough as a rule.
        unit: What follows a number.
    """

    title: str
    factor: int = 1
    decimals: int = 0
    unit: str = ""


# Fields that hold a range of a column.
RANGES = {
    "confidence": Quantity("Confidence", 100, unit=" %"),
    "ratio": Quantity("Aspect ratio", decimals=2),
    "brightness": Quantity("Brightness", 100, unit=" %"),
    "contrast": Quantity("Contrast", 100, unit=" %"),
    "sharpness": Quantity("Sharpness"),
    "megapixels": Quantity("Size", decimals=2, unit=" MP"),
    "copies": Quantity("Near-identical photos"),
}
_MOST_DECIMALS = 4
PARAMS = tuple(_PARAM_OF.get(field, field) for field in FIELDS)


# --- addresses -------------------------------------------------------------------------------------------------------


def parse(params: Mapping[str, str]) -> tuple[Selection, list[str]]:
    """Read a selection from an address.

    Args:
        params: The address' parameters; those that belong to no selection are passed over.

    Returns:
        The selection, and a line for each parameter that means nothing, which is left out.
    """
    values, faults = {}, []
    for field in FIELDS:
        param = _PARAM_OF.get(field, field)
        if text := params.get(param, ""):
            value = _parse_field(field, text)
            if value is None:
                faults.append(f"{param}={text[:60]} means nothing here and was left out of the selection.")
            else:
                values[field] = value
    for served, servants in _SERVANTS.items():
        if served in values and servants[0] not in values:
            param = _PARAM_OF.get(servants[0], servants[0])
            faults.append(f"{served} means nothing without {param} and was left out of the selection.")
            del values[served]
        if served not in values:
            for servant in servants:
                values.pop(servant, None)
    return Selection(**values), faults  # type: ignore[arg-type]


def _parse_field(field: str, text: str) -> object:
    """A field's value, None where the text is none."""
    if field in _CHOICES:
        return text if text in _CHOICES[field] else None
    if field == "fold":
        return int(text) if re.fullmatch(r"\d{1,4}", text) else None
    if field in RANGES:
        bounds = _parse_range(text)
        return None if field == "confidence" and bounds is not None and bounds[1] > 1 else bounds
    if field == "shape":
        match = re.fullmatch(r"(\d{1,7})x(\d{1,7})", text)
        return (int(match[1]), int(match[2])) if match else None
    if field == "area":
        return _parse_polygon(text)
    return text


_CHOICES: dict[str, Sequence[str]] = {
    "split": (*SPLITS, ANY_SPLIT),
    "outcome": OUTCOMES,
    "map": ("pca", "tsne"),
    "change": (*CHANGES, TEST_DIFFERS),
    "labels": (ORIGINAL,),
    "review": REVIEWS,
}
_NUMBER = r"\d{1,8}(?:\.\d{1,9})?"


def _parse_range(text: str) -> Range | None:
    match = re.fullmatch(rf"({_NUMBER})-({_NUMBER})", text)
    if not match or float(match[1]) > float(match[2]):
        return None
    return float(match[1]), float(match[2])


def _parse_polygon(text: str) -> Polygon | None:
    corners = text.split(";")
    if not 3 <= len(corners) <= MAX_POLYGON:
        return None
    signed = rf"(-?{_NUMBER}),(-?{_NUMBER})"
    matches = [re.fullmatch(signed, corner) for corner in corners]
    return tuple((float(match[1]), float(match[2])) for match in matches if match) if all(matches) else None


def to_params(selection: Selection) -> dict[str, str]:
    """A selection's form in an address; `parse` reads it back."""
    values = {field: getattr(selection, field) for field in FIELDS}
    return {_PARAM_OF.get(field, field): _text_of(field, value) for field, value in values.items() if value is not None}


def _text_of(field: str, value: Any) -> str:
    if field in RANGES:
        return "-".join(map(_short, value))
    if field == "shape":
        return "x".join(map(str, value))
    if field == "area":
        return ";".join(f"{_short(x)},{_short(y)}" for x, y in value)
    return str(value)


def _short(number: float) -> str:
    """A number as short as it can be within what an eye could tell apart, never in powers of ten."""
    text = f"{number:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


# --- words -----------------------------------------------------------------------------------------------------------


def chips(selection: Selection) -> dict[str, str]:
    """What each condition says, in words, by field."""
    servants = [servant for served in _SERVANTS.values() for servant in served]
    return {
        field: _words(field, selection)
        for field in FIELDS
        if field not in servants and getattr(selection, field) is not None
    }


def _words(field: str, selection: Selection) -> str:
    value = getattr(selection, field)
    if field == "split":
        return SPLIT_WORDS.get(value, "any split")
    if field == "copies":
        return _copies_words(*value)
    if field in RANGES:
        low, high = bound_texts(field, value)
        return f"{RANGES[field].title.lower()} {low} to {high}{RANGES[field].unit}"
    if field == "shape":
        return f"{value[0]} x {value[1]} pixels"
    if field == "area":
        return f"an area of the {'t-SNE' if selection.map == 'tsne' else 'PCA'} map"
    if field == "change":
        by = ", by the original labels" if selection.labels == ORIGINAL and value != TEST_DIFFERS else ""
        return f"{CHANGE_WORDS[value]} {selection.with_run}{by}"
    if field == "review":
        return REVIEW_WORDS[value]
    if field == "group":
        return "one group of near-identical photos"
    return {"true": "true class: ", "fold": "fold ", "name": "name has ", "outcome": ""}.get(field, f"{field}: ") + str(
        value
    )


def bound_texts(field: str, bounds: Sequence[float]) -> list[str]:
    """Bounds of ranges without their unit, with as few decimals as tell them apart."""
    quantity = RANGES[field]
    texts: list[str] = []
    for decimals in range(quantity.decimals, _MOST_DECIMALS + 1):
        texts = [_number(quantity.factor * bound, decimals) for bound in bounds]
        if len(set(texts)) == len(bounds):
            break
    return texts


def _number(number: float, decimals: int) -> str:
    text = f"{number:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def _copies_words(low: float, high: float) -> str:
    """A range of whole numbers, its upper end not in it."""
    fewest, most = math.ceil(low), math.ceil(high) - 1
    return f"near-identical photos: {fewest if fewest >= most else f'{fewest} to {most}'}"


# --- photos ----------------------------------------------------------------------------------------------------------


def matches(
    selection: Selection,
    photos: pd.DataFrame,
    class_names: Sequence[str],
    positions: NDArray[np.float64] | None = None,
    changes: "pd.Series[str] | None" = None,
) -> NDArray[np.bool_]:
    """Which photos meet every condition.

    Args:
        selection: The conditions.
        photos: As `dashboard.photos.photo_table` gives them, n rows.
        class_names: The K names in index order.
        positions: Places on the map that `selection.map` names, shape (n, 2), missing where a photo has none. Needed
            for an `area`.
        changes: What became of each photo since `selection.with_run`, by `image`. Needed for a `change`.

    Returns:
        Shape (n,).
    """
    keep = np.ones(len(photos), dtype=bool)
    for field, column in (("split", "split"), ("fold", "fold")):
        if (value := getattr(selection, field)) not in (None, ANY_SPLIT):
            keep &= (photos[column] == value).to_numpy()
    for field, column in (("true", "true_label"), ("predicted", "predicted_label")):
        if (name := getattr(selection, field)) is not None:
            keep &= (photos[column] == class_names.index(name)).to_numpy() if name in class_names else False
    if selection.outcome is not None:
        keep &= (is_wrong if selection.outcome == "wrong" else is_right)(photos).to_numpy()
    if selection.confidence is not None:
        keep &= is_within(photos["confidence"], *selection.confidence)
    for field in RANGES:
        bounds = getattr(selection, field)
        if bounds is not None and field != "confidence":
            values = photos[field].to_numpy()
            keep &= (values >= bounds[0]) & (values < bounds[1])
    if selection.group is not None:
        keep &= (photos["group"] == selection.group).to_numpy()
    if selection.shape is not None:
        keep &= ((photos["width"] == selection.shape[0]) & (photos["height"] == selection.shape[1])).to_numpy()
    if selection.problem is not None:
        kinds = [kinds for kinds in photos["problem"].unique() if selection.problem in kinds.split()]
        keep &= photos["problem"].isin(kinds).to_numpy()
    if selection.name is not None:
        keep &= photos["image"].str.contains(selection.name, case=False, regex=False).to_numpy()
    if selection.review is not None:
        keep &= _is_reviewed(photos, selection.review)
    if selection.area is not None:
        keep &= False if positions is None else inside(selection.area, positions)
    if selection.change is not None:
        keep &= False if changes is None else (photos["image"].map(changes) == selection.change).to_numpy()
    return keep


def _is_reviewed(photos: pd.DataFrame, review: str) -> NDArray[np.bool_]:
    """Which photos were decided about as asked; see `dashboard.photos.with_decisions`."""
    if review == NOTE:
        return (photos["note"] != "").to_numpy()
    if review == MENDED:
        return photos["is_relabelled"].to_numpy()
    if review in DECISIONS:
        return (photos["review"] == review).to_numpy()
    is_reviewed = ((photos["review"] != "") | (photos["note"] != "")).to_numpy()
    return is_reviewed if review == ANY_REVIEW else ~is_reviewed


def inside(polygon: Polygon, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie inside a polygon: a ray from them to the right crosses its border an odd number of times.

    Args:
        polygon: Its corners in order.
        points: Shape (n, 2); missing ones lie outside.

    Returns:
        Shape (n,).
    """
    x, y = points[:, 0], points[:, 1]
    is_inside = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if y0 == y1:
            continue  # A ray that runs along an edge does not cross it.
        crosses = (y0 > y) != (y1 > y)
        is_inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return is_inside & ~np.isnan(points).any(axis=1)


def unit_square(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places moved and scaled, both ways alike, so that they fill the unit square: an address holds four digits.

    Args:
        places: Shape (n, 2), NaN where a photo has none.

    Returns:
        Likewise, 0..1.
    """
    if np.isnan(places).all():
        return places
    lowest, highest = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    extent = float((highest - lowest).max()) or 1.0
    # The shorter side lies in the middle.
    return np.asarray((places - lowest) / extent + (1 - (highest - lowest) / extent) / 2)


def simplified(corners: Sequence[tuple[float, float]], n: int = MAX_POLYGON) -> Polygon:
    """A polygon of at most n corners: the one that adds the smallest area goes first, again and again.

    M. Visvalingam, J. D. Whyatt, "Line generalisation by repeated elimination of points", 1993. Corners are rounded as
    an address holds them, so that what is counted is what a copied link shows.
    """
    kept = [(float(_short(x)), float(_short(y))) for x, y in corners]
    while len(kept) > n:
        (ax, ay), (bx, by), (cx, cy) = (np.array(np.roll(kept, shift, axis=0)).T for shift in (1, 0, -1))
        areas = np.abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
        del kept[int(areas.argmin())]
    return tuple(kept)


def order(photos: pd.DataFrame, mask: NDArray[np.bool_], by: Order) -> NDArray[np.intp]:
    """Photos in the order that a person asked for; ties by name, what has no value last.

    Args:
        photos: Sorted by `image`, n rows.
        mask: Which of them are wanted, shape (n,).
        by: The order.

    Returns:
        Places of those in `photos`.
    """
    places = np.flatnonzero(mask)
    column, ascending = _SORTING[by]
    if column == "image":
        return places
    values = photos[column].to_numpy(dtype=float)[places]
    return places[np.argsort(values if ascending else -values, kind="stable")]
