"""Tables that people open in a spreadsheet: CSV in which no text becomes a formula."""

import re

import pandas as pd
from pandas.api.types import is_numeric_dtype

# = + - @, also in full width: what a spreadsheet takes for the beginning of a formula, blanks and quotes before it or
# not. One such as `=cmd|...` would run a program. In some countries a semicolon begins a cell.
# https://owasp.org/www-community/attacks/CSV_Injection
_SIGNS = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_BEGINS_FORMULA = re.compile(rf"\A(?=[\t\r\n])|(?:\A|(?<=[;\t\r\n]))(?=[\s\"'\ufeff\u200b]*{_SIGNS})")


def for_spreadsheet(table: pd.DataFrame) -> str:
    """A table as CSV in which no text, headings included, becomes a formula: such a text gets an apostrophe before it.

    Numbers stay as they are.
    """
    texts = {name: column.map(_harmless) for name, column in table.items() if not is_numeric_dtype(column)}
    harmless = table.assign(**{str(name): column for name, column in texts.items()})
    return harmless.rename(columns=_harmless).to_csv(index=False, lineterminator="\n")


def _harmless(cell: object) -> object:
    return _BEGINS_FORMULA.sub("'", cell) if isinstance(cell, str) else cell
