import hashlib
import socket
from pathlib import Path
from typing import Any

import keras
import pytest

from core.errors import UserError
from core.weights import IMAGENET_FILE, IMAGENET_MD5, IMAGENET_URL, Weights, find_weights


def refusal(choice: str | Path) -> str:
    """What a user is told about weights that cannot be had."""
    with pytest.raises(UserError) as caught:
        find_weights(str(choice))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_random_weights_need_no_file() -> None:
    assert find_weights("random") == Weights("random", None, None)


def test_a_file_of_weights_is_known_by_its_name_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "mine.weights.h5"
    path.write_bytes(b"weights")
    assert find_weights(str(path)) == Weights("mine.weights.h5", path, hashlib.sha256(b"weights").hexdigest())


def test_a_missing_file_of_weights_is_named(tmp_path: Path) -> None:
    assert "there is no file" in refusal(tmp_path / "absent.h5")
    assert str(tmp_path) in refusal(tmp_path), "nor is a folder one"


def test_imagenet_weights_are_fetched_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_file(name: str, url: str, *, file_hash: str, **options: Any) -> str:
        assert (name, url, file_hash) == (IMAGENET_FILE, IMAGENET_URL, IMAGENET_MD5)
        assert socket.getdefaulttimeout() is not None, "a network that drops packets would hang it for ever"
        (tmp_path / name).write_bytes(b"weights")
        return str(tmp_path / name)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    weights = find_weights("imagenet")
    assert (weights.name, weights.path) == ("imagenet", tmp_path / IMAGENET_FILE)
    assert weights.sha256 == hashlib.sha256(b"weights").hexdigest()


def test_imagenet_weights_that_cannot_be_fetched_stop_with_every_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_file(*args: Any, **options: Any) -> str:
        raise Exception(f"URL fetch failure on {IMAGENET_URL}: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    message = refusal("imagenet")
    assert message.count(IMAGENET_URL) == 1
    assert "[Errno -2] Name or service not known" in message
    for way_out in (f"--weights {IMAGENET_FILE}", "--weights FILE", "--weights random"):
        assert way_out in message
    assert socket.getdefaulttimeout() is None
