import random
from dataclasses import replace

import pytest

from core import cartoon


def test_groups_wear_masks_as_their_label_says() -> None:
    for number in range(300):
        label = number % 3
        masked = [person.cover == "mask" for person in cartoon.random_group(label, random.Random(number))]

        assert 1 <= len(masked) <= 5
        assert (any(masked), all(masked)) == {0: (False, False), 1: (True, True), 2: (True, False)}[label]


def test_every_kind_of_person_can_be_drawn() -> None:
    for number in range(40):
        photo = cartoon.draw_photo(number % 3, random.Random(number), (90, 60))

        assert (photo.mode, photo.size) == ("RGB", (90, 60))


@pytest.mark.parametrize("cover", sorted(cartoon.COVERS))
def test_whatever_covers_the_mouth_changes_the_photo(cover: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def photo_with(cover: str) -> bytes:
        person = replace(cartoon.random_person(random.Random(3), masked=False), cover=cover)
        monkeypatch.setattr(cartoon, "random_group", lambda label, rng: [person])
        return cartoon.draw_photo(0, random.Random(3), (96, 64)).tobytes()

    assert photo_with(cover) != photo_with("")
