"""What all visitors share."""

from functools import partial
from threading import Barrier, Thread

import pytest

from dashboard import data


def test_what_is_shared_is_computed_by_the_first_who_asks_while_the_others_wait() -> None:
    computed, found, together = [], [], Barrier(4)

    def compute() -> list[int]:
        computed.append(1)
        return [len(computed)]

    def ask() -> None:
        together.wait()
        found.append(data.once("asked by four", "the same", compute))

    visitors = [Thread(target=ask) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert len(computed) == 1
    assert all(each is found[0] for each in found)


def test_another_name_or_another_base_is_computed_anew() -> None:
    asked = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")]
    assert [data.once(what, ("anew", base), partial(str.join, what, base * 2)) for what, base in asked] == [
        "xax", "yay", "xbx", "xax",
    ]  # fmt: skip


def test_what_could_not_be_computed_is_tried_again() -> None:
    def fail() -> None:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        data.once("fails at first", 1, fail)
    assert data.once("fails at first", 1, lambda: "now") == "now"
