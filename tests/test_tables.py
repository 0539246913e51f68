"""Tables that leave the dashboard hold no formula."""

import io

import pandas as pd
import pytest

from dashboard.tables import for_spreadsheet


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_text_that_a_spreadsheet_would_compute_stays_a_text(text: str) -> None:
    content = for_spreadsheet(pd.DataFrame({"image": [text]}))
    assert pd.read_csv(io.BytesIO(content), dtype=str, lineterminator="\n")["image"].tolist() == [f"'{text}"]


def test_everything_else_stays_as_it_is() -> None:
    table = pd.DataFrame({"image": ["a=b.jpg", "ü.jpg", None], "fold": [-1, 2, 3], "loss": [-0.5, 1.0, None]})
    assert for_spreadsheet(table).decode() == "image,fold,loss\na=b.jpg,-1,-0.5\nü.jpg,2,1.0\n,3,\n"


def test_a_table_without_rows_keeps_its_columns() -> None:
    assert for_spreadsheet(pd.DataFrame({"image": pd.Series(dtype="str"), "note": []})) == b"image,note\n"
