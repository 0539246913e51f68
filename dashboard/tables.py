"""Tables that leave the dashboard."""

import pandas as pd
from pandas.api.types import is_numeric_dtype

# What a spreadsheet takes for the beginning of a formula; one such as `=cmd|...` would run a program.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def for_spreadsheet(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8 in which no text becomes a formula: such a text gets an apostrophe before it."""
    texts = {str(name): column for name, column in table.items() if not is_numeric_dtype(column)}
    harmless = table.assign(**{name: column.map(_harmless) for name, column in texts.items()})
    return harmless.to_csv(index=False, lineterminator="\n").encode()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_SIGNS) else cell
