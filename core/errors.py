"""The one exception for what a user can cause and mend, and how its one line stays short."""

from collections.abc import Iterable

MOST_NAMED = 3
_MOST_LETTERS = 60


class UserError(Exception):
    """Something the user can mend; its text is one line: what was expected, what was found, what to do.

    Command lines print it to stderr without a traceback and exit with code 2.
    """


def shortened(text: str) -> str:
    """What was found, at most its first 60 letters."""
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."


def named(items: Iterable[object]) -> str:
    """The first three things that something holds for, and how many more there are."""
    texts = list(map(str, items))
    more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return ", ".join(texts[:MOST_NAMED]) + more
