"""Groups of near-identical photos with their pictures, those to look at first, and what they mean for the figures."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.runs import METRICS_FILE, Run
from dashboard import address, data
from dashboard.gallery import Tile, show_row, tiles_of
from dashboard.linked import Chosen, toggle
from dashboard.page import plural
from dashboard.photos import NO_LABEL
from dashboard.selection import SPLIT_WORDS

ALL, CONFLICTS, ACROSS = "all", "conflicts", "across"
KINDS = {ALL: "all", CONFLICTS: "labels differ", ACROSS: "training and test"}
GROUPS_A_PAGE = 6
_COLUMNS = 3
# Of a group; a click on its name shows the others.
_MOST_PICTURES = 6
_PARAM, _PAGE_PARAM = "groups", "groups_page"


def group_table(photos: pd.DataFrame) -> pd.DataFrame:
    """The groups of several photos, those with differing labels first, then those of training and test.

    Args:
        photos: As `dashboard.photos.photo_table` gives them.

    Returns:
        A row a group: `group`, `n_photos`, `first` (by name), `conflicts` (whether its labels differ), `across`
        (whether it has photos of both training and test).
    """
    several = photos.loc[photos["copies"] > 0, ["group", "image", "true_label", "split"]]
    is_test = several["split"] == "test"
    several = several.assign(label=several["true_label"].replace(NO_LABEL, np.nan), is_test=is_test)
    table = several.groupby("group").agg(
        n_photos=("image", "size"), first=("image", "min"), n_labels=("label", "nunique"), n_test=("is_test", "sum")
    )
    table["conflicts"] = table["n_labels"] > 1
    table["across"] = table["n_test"].between(1, table["n_photos"] - 1)
    table = table.drop(columns=["n_labels", "n_test"]).reset_index()
    return table.sort_values(["conflicts", "across", "first"], ascending=[False, False, True], ignore_index=True)


def group_pictures(photos: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """The first photos of some groups, test photos after the others.

    Args:
        photos: As `dashboard.photos.photo_table` gives them.
        groups: The groups' names.
    """
    members = photos[photos["group"].isin(groups)]
    members = members.iloc[np.argsort((members["split"] == "test").to_numpy(), kind="stable")]
    return members.groupby("group").head(_MOST_PICTURES)


def groups_text(table: pd.DataFrame) -> str:
    """How many groups there are, and of which kinds."""
    n, n_conflicts, n_across = len(table), int(table["conflicts"].sum()), int(table["across"].sum())
    text = f"{int(table['n_photos'].sum()):,} photos are in {n:,} {plural(n, 'group')} of near-identical ones"
    kinds = [f"labels differ within {n_conflicts:,}"] * bool(n_conflicts)
    kinds += [f"{n_across:,} {'has' if n_across == 1 else 'have'} photos of both training and test"] * bool(n_across)
    return "; ".join([text, *kinds]) + "."


def leak_text(info: dict[str, Any], metrics: dict[str, Any]) -> str:
    """What a split by name would have done; empty where the run does not tell.

    Args:
        info: The run's `run.json`.
        metrics: Its `metrics.json`, empty where there is none.
    """
    n_scored, n_leaked = _whole_numbers(info.get("leak"), "n_images", "n_leaked")
    if not n_scored:
        return ""
    text = (
        "A group stays on one side of the split. Had it been a naive one, "
        f"{n_leaked:,} of {n_scored:,} {plural(n_scored, 'scored photo')} would have had a near-identical one among "
        "those learnt from"
    )
    naive = metrics.get("naive_split")
    if not isinstance(naive, dict):
        return f"{text}."
    try:
        return f"{text}, and the accuracy would have been {_accuracy(naive)} instead of {_accuracy(metrics)}."
    except (KeyError, TypeError, ValueError):
        return f"{text}."


def _whole_numbers(found: Any, *names: str) -> list[int]:
    """Numbers of an object that a file may hold in any form; 0 where there is none."""
    values = [found.get(name) if isinstance(found, dict) else None for name in names]
    return [value if isinstance(value, int) else 0 for value in values]


def _accuracy(scores: dict[str, Any]) -> str:
    low, high = scores["accuracy_interval"]
    return f"{scores['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%})"


def show_groups(view: Chosen) -> None:
    """The list of groups, some at a time; a click on a line chooses its photos."""
    st.subheader("Near-identical photos", anchor=False)
    table = view.once("groups", lambda: group_table(view.photos))
    if table.empty:
        st.write("None: no two photos look the same.")
        return
    st.write(f"{groups_text(table)} {leak_text(view.run.info, _metrics(view.run))}")
    counts = {ALL: len(table), CONFLICTS: int(table["conflicts"].sum()), ACROSS: int(table["across"].sum())}
    kinds = tuple(kind for kind, n in counts.items() if n)
    kind = address.choice(_PARAM, kinds, ALL)
    if len(kinds) > 1:
        st.segmented_control(
            "Groups", kinds, required=True, label_visibility="collapsed",
            format_func=lambda each: f"{KINDS[each]} · {counts[each]:,}",
            **address.bound("choice-groups", kind, _choose_kind),
        )  # fmt: skip
    shown = table if kind == ALL else table[table[kind]]
    n_pages = ceil(len(shown) / GROUPS_A_PAGE)
    page = min(address.page_asked(_PAGE_PARAM), n_pages)
    _show_page(view, shown.iloc[(page - 1) * GROUPS_A_PAGE : page * GROUPS_A_PAGE])
    if n_pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.pagination(
                n_pages, **address.bound("groups-page", page, lambda page: address.go_to_page(page, _PAGE_PARAM))
            )


def _metrics(run: Run) -> dict[str, Any]:
    return data.metrics(run) if run.has(METRICS_FILE) else {}


def _show_page(view: Chosen, table: pd.DataFrame) -> None:
    groups = tuple(table["group"])
    pictures = view.once("pictures of groups", lambda: group_pictures(view.photos, groups), groups)
    words = pictures["split"].map(SPLIT_WORDS) + " · " + pictures["name"]
    tiles: dict[str, list[Tile]] = {}
    for group, tile in zip(pictures["group"], tiles_of(view.run, pictures, words.tolist()), strict=True):
        tiles.setdefault(group, []).append(tile)
    rows = table.to_dict("records")
    for start in range(0, len(rows), _COLUMNS):
        for column, row in zip(st.columns(_COLUMNS), rows[start : start + _COLUMNS], strict=False):
            with column, st.container(gap=None):
                _show_group(view, row, tiles[row["group"]])


def _show_group(view: Chosen, row: dict[Any, Any], tiles: list[Tile]) -> None:
    name = row["group"]
    kinds = [KINDS[kind] for kind in (CONFLICTS, ACROSS) if row[kind]]
    st.button(
        " · ".join([f"{row['n_photos']:,} photos", *kinds]), key=f"group-{name}", type="tertiary",
        icon=":material/check:" if view.selection.group == name else ":material/filter_alt:",
        help="Show these photos below", on_click=toggle, args=({"group": name},),
    )  # fmt: skip
    show_row(tiles, f"pictures-{name}")


def _choose_kind(kind: str) -> None:
    address.go(**{_PARAM: None if kind == ALL else kind, _PAGE_PARAM: None})
