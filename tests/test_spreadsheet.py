"""Tables that people open in a spreadsheet hold no formula."""

import io

import pandas as pd
import pytest

from core.spreadsheet import for_spreadsheet

FORMULAS = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1+1", '"=1+1', "'=1+1", "\ufeff=1+1", "\u00a0=1+1"),
    *("\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)", '=cmd|" /C calc"!A0', '=HYPERLINK("http://192.0.2.1")'),
)  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_compute_stays_a_text(text: str) -> None:
    content = for_spreadsheet(pd.DataFrame({"image": [text]}))
    (cell,) = pd.read_csv(io.StringIO(content, newline=""), dtype=str, lineterminator="\n")["image"]
    assert cell == f"'{text}"


@pytest.mark.parametrize("text", FORMULAS)
def test_a_heading_stays_a_text_too(text: str) -> None:
    content = for_spreadsheet(pd.DataFrame({text: ["a.jpg"], "loss": [-0.5]}))
    heading, other = pd.read_csv(io.StringIO(content, newline=""), lineterminator="\n").columns
    assert (heading, other) == (f"'{text}", "loss")


@pytest.mark.parametrize("separator", [";", "\t", "\r", "\n", "; "])
def test_a_formula_does_not_begin_behind_a_separator_of_another_country(separator: str) -> None:
    cells = for_spreadsheet(pd.DataFrame({"note": [f"x{separator}=1+1"]}))
    assert f"x{separator[0]}'{separator[1:]}=1+1" in cells


def test_everything_else_stays_as_it_is() -> None:
    table = pd.DataFrame({"image": ["a=b-c@d+e.jpg", "ü.jpg", None], "fold": [-1, 2, 3], "loss": [-0.5, 1.0, None]})
    assert for_spreadsheet(table) == "image,fold,loss\na=b-c@d+e.jpg,-1,-0.5\nü.jpg,2,1.0\n,3,\n"


def test_numbers_stay_numbers_whatever_holds_them() -> None:
    table = pd.DataFrame({"label": pd.array([-1, None], dtype="Int64"), "sure": [True, False], "any": [-1, ""]})
    assert for_spreadsheet(table) == "label,sure,any\n-1,True,-1\n,False,\n"


def test_a_table_without_rows_keeps_its_columns() -> None:
    assert for_spreadsheet(pd.DataFrame({"image": pd.Series(dtype="str"), "note": []})) == "image,note\n"
