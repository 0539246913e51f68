"""The one exception for what a user can cause and mend, and how its one line stays short and one line."""

import re
from collections.abc import Iterable

MOST_NAMED = 3
_MOST_LETTERS = 60
_MOST_LETTERS_OF_REASON = 240

# What no line of a CSV or a terminal can hold: control characters and ends of lines, what makes letters run the other
# way and so disguises a name, the byte order mark, which readers drop, and what stands for bytes that are not UTF-8.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class UserError(Exception):
    """Something the user can mend; its text is one line: what was expected, what was found, what to do.

    Command lines print it to stderr without a traceback and exit with code 2. It may quote files that others have
    written, so it is made fit for a terminal.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def shortened(text: str, most: int = _MOST_LETTERS) -> str:
    """What was found, at most its first letters."""
    return text if len(text) <= most else f"{text[:most]}..."


def reason_of(error: BaseException) -> str:
    """What a library says of a fault, in one line that is not too long: it may quote all that it found."""
    return shortened(" ".join(str(error).split()), _MOST_LETTERS_OF_REASON) or type(error).__name__


def named(items: Iterable[object]) -> str:
    """The first three things that something holds for, and how many more there are."""
    texts = list(map(str, items))
    more = f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
    return ", ".join(texts[:MOST_NAMED]) + more


def printable(text: str) -> str:
    """Text from outside, such as a file's name, in one line that does nothing to a terminal: the rest is spelt out."""
    return UNPRINTABLE.sub(lambda found: _spelt_out(found[0]), text)


def _spelt_out(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # How Python keeps a byte that is not UTF-8.
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
