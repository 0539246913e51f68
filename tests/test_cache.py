import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from core.cache import PhotoCache, cache_size, default_cache_dir, main, photo_key, require_cache, shrink
from core.config import PROJECT_DIR
from core.errors import UserError
from tests.faulty_disk import ordinary_user

SPACE = {"layer": "gap", "weights": "abc"}
KEYS = [photo_key(f"photo {n}") for n in range(5)]
VALUES = np.arange(10, dtype=np.float32).reshape(5, 2)


def cache(root: Path, **space: Any) -> PhotoCache:
    return PhotoCache(root, SPACE | space, shape=(2,))


def keep(root: Path, photos: slice = slice(None), **space: Any) -> None:
    with cache(root, **space) as opened:
        opened.append(KEYS[photos], VALUES[photos])


def found(root: Path, **space: Any) -> list[bool]:
    with cache(root, **space) as opened:
        return [bool(value) for value in opened.find(KEYS)[1]]


def record_files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.records"))


def test_an_empty_cache_knows_no_photo(tmp_path: Path) -> None:
    assert found(tmp_path) == [False] * 5


def test_what_was_kept_is_found_by_another_opening(tmp_path: Path) -> None:
    keep(tmp_path)
    with cache(tmp_path) as opened:
        features, is_there = opened.find(KEYS)
        assert is_there.all()
        assert np.array_equal(features[:], VALUES)


def test_features_stand_in_the_order_of_the_question(tmp_path: Path) -> None:
    keep(tmp_path, slice(3, 5))
    keep(tmp_path, slice(0, 3))
    with cache(tmp_path) as opened:
        features, _ = opened.find([KEYS[4], KEYS[0], KEYS[4]])
        assert np.array_equal(features[:], VALUES[[4, 0, 4]])
        assert np.array_equal(features[np.array([2, 1])], VALUES[[4, 0]])
        assert np.array_equal(features.take(np.array([1]))[:], VALUES[[0]])


def test_batches_are_all_features_in_order(tmp_path: Path) -> None:
    keep(tmp_path)
    with cache(tmp_path) as opened:
        batches = list(opened.find(KEYS)[0].batches(2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert np.array_equal(np.concatenate(batches), VALUES)


def test_another_setting_is_another_space(tmp_path: Path) -> None:
    keep(tmp_path)
    assert found(tmp_path, weights="other") == [False] * 5


def test_another_view_of_a_photo_is_another_key() -> None:
    assert len({photo_key("a"), photo_key("a", view=1), photo_key("b"), photo_key("b", view=1)}) == 4


def test_a_record_cut_off_by_a_kill_is_not_used_and_what_follows_is(tmp_path: Path) -> None:
    keep(tmp_path, slice(0, 3))
    (first,) = record_files(tmp_path)
    first.write_bytes(first.read_bytes()[:-1])
    keep(tmp_path, slice(3, 5))
    assert found(tmp_path) == [True, True, False, True, True]


@pytest.mark.parametrize("position", [0, 10, 40])  # In the checksum, in the key, in the values.
def test_a_corrupted_record_is_not_used(tmp_path: Path, position: int) -> None:
    keep(tmp_path, slice(0, 2))
    (file,) = record_files(tmp_path)
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    assert found(tmp_path) == [False, True, False, False, False]


def test_a_corrupted_record_that_was_computed_again_is_used(tmp_path: Path) -> None:
    keep(tmp_path, slice(0, 1))
    (file,) = record_files(tmp_path)
    file.write_bytes(bytes(file.stat().st_size))
    keep(tmp_path, slice(0, 1))
    with cache(tmp_path) as opened:
        assert np.array_equal(opened.find(KEYS[:1])[0][:], VALUES[:1])


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with cache(tmp_path) as one, cache(tmp_path) as other:
        one.append(KEYS[:1], VALUES[:1])
        other.append(KEYS[:2], VALUES[:2])
        one.append(KEYS[2:], VALUES[2:])
    assert found(tmp_path) == [True] * 5


def test_a_writer_that_was_killed_leaves_whole_records(tmp_path: Path) -> None:
    """Killed while it writes as fast as it can: every record that is found is right."""
    code = (
        "import sys, pathlib, numpy as np; from core.cache import PhotoCache, photo_key\n"
        "with PhotoCache(pathlib.Path(sys.argv[1]), {}, (1000,)) as cache:\n"
        "    for n in range(10**9):\n"
        "        cache.append([photo_key(str(n))], np.full((1, 1000), n, np.float32))\n"
        "        if n == 20: print('ready', flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.kill()
    with PhotoCache(tmp_path, {}, (1000,)) as opened:
        features, is_there = opened.find([photo_key(str(n)) for n in range(10_000)])
        n_found = int(is_there.sum())
        assert n_found > 20 and is_there[:n_found].all()
        assert np.array_equal(features[:n_found][:, 0], np.arange(n_found))


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with cache(tmp_path) as opened:
        with pytest.raises(UserError, match="free disk for features"):
            opened.require_space(10)
        opened.require_space(0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_disk_that_fills_up_is_one_clear_line_and_leaves_the_cache_usable(tmp_path: Path) -> None:
    keep(tmp_path, slice(0, 2))
    with pytest.raises(UserError, match="No space left on device"), cache(tmp_path) as opened:
        opened._writer = Path("/dev/full").open("wb")  # noqa: SIM115
        opened.append(KEYS[2:], VALUES[2:])
    assert found(tmp_path) == [True, True, False, False, False]
    assert shrink(tmp_path, 0) > 0, "nor does it stay in use"


def test_shrinking_drops_what_was_not_used_for_longest(tmp_path: Path) -> None:
    for last_used, weights in ((3e8, "newest"), (1e8, "oldest"), (2e8, "older")):
        keep(tmp_path, weights=weights)
        for path in cache(tmp_path, weights=weights).path.iterdir():
            os.utime(path, (last_used, last_used))
    shrink(tmp_path, limit=2 * cache_size(tmp_path) // 3)
    remaining = {weights for weights in ("newest", "older", "oldest") if cache(tmp_path, weights=weights).path.exists()}
    assert remaining == {"newest", "older"}


def test_the_dashboards_pictures_and_maps_count_and_the_oldest_go_first(tmp_path: Path) -> None:
    keep(tmp_path)
    features = cache_size(tmp_path)
    digest = 64 * "a"
    old, newer = tmp_path / "thumbnails" / "aa" / f"{digest}.webp", tmp_path / "maps" / f"tsne-{digest}.npy"
    for path, made in ((old, 1e8), (newer, 2e8)):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1000))
        os.utime(path, (made, made))
    assert cache_size(tmp_path) == features + 2000
    assert shrink(tmp_path, features + 1000) == 1000
    assert newer.exists() and not old.exists()
    assert all(found(tmp_path)), "the features were used last"
    shrink(tmp_path, 0)
    assert not newer.exists()


def test_what_somebody_else_keeps_beside_the_dashboards_pictures_stays(tmp_path: Path) -> None:
    own = tmp_path / "thumbnails" / "aa" / "holiday.webp"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    assert cache_size(tmp_path) == 0
    assert shrink(tmp_path, 0) == 0
    assert own.exists()


def test_looking_up_counts_as_use(tmp_path: Path) -> None:
    keep(tmp_path)
    (file,) = record_files(tmp_path)
    os.utime(file, (1e8, 1e8))
    found(tmp_path)
    assert file.stat().st_mtime > 1e9


def test_shrinking_leaves_what_fits(tmp_path: Path) -> None:
    keep(tmp_path)
    assert shrink(tmp_path, cache_size(tmp_path)) == 0
    assert all(found(tmp_path))


def test_shrinking_never_drops_what_is_in_use(tmp_path: Path) -> None:
    keep(tmp_path)
    with cache(tmp_path) as opened:
        assert shrink(tmp_path, 0) == 0
        assert opened.find(KEYS)[1].all()
    assert shrink(tmp_path, 0) > 0


def test_what_is_not_the_caches_own_is_neither_counted_nor_dropped(tmp_path: Path) -> None:
    keep(tmp_path)
    size = cache_size(tmp_path)
    for foreign in ("features/thesis/results.csv", "features/.dropped-by-me/notes.txt", "photos/a.raw"):
        (tmp_path / foreign).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / foreign).write_bytes(bytes(1000))
    assert cache_size(tmp_path) == size
    assert shrink(tmp_path, 0) == size
    assert (tmp_path / "features" / "thesis" / "results.csv").exists()
    assert (tmp_path / "features" / ".dropped-by-me" / "notes.txt").exists()


def test_a_place_that_is_no_folder_is_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="MASKBOARD_CACHE, or use --no-cache"):
        require_cache(tmp_path / "file")
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path / "file"))
    assert main([]) == 2
    assert "MASKBOARD_CACHE" in capsys.readouterr().err


def test_a_space_that_is_opened_while_others_are_dropped_stays(tmp_path: Path) -> None:
    """One process drops all it may, over and over; what another one opens meanwhile is never gone under it."""
    code = (
        "import sys, pathlib; from core.cache import shrink\n"
        "print('ready', flush=True)\n"
        "while True: shrink(pathlib.Path(sys.argv[1]), 0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT_DIR, stdout=subprocess.PIPE
    ) as dropper:
        assert dropper.stdout is not None
        dropper.stdout.readline()
        for _ in range(200):
            with cache(tmp_path) as opened:
                opened.append(KEYS, VALUES)
                features, is_there = opened.find(KEYS)
                assert is_there.all() and np.array_equal(features[:], VALUES)
        assert dropper.poll() is None
        dropper.kill()


def test_what_a_killed_dropping_left_is_removed_by_the_next(tmp_path: Path) -> None:
    keep(tmp_path)
    cache(tmp_path).path.rename(tmp_path / "features" / f".dropped-{'0' * 32}")
    assert shrink(tmp_path, 10**9) == 0
    assert not list((tmp_path / "features").iterdir())


def test_values_in_half_precision_are_kept_in_half_the_bytes(tmp_path: Path) -> None:
    values = VALUES.astype(ml_dtypes.bfloat16)
    with PhotoCache(tmp_path, {}, (2,), ml_dtypes.bfloat16) as opened:
        opened.append(KEYS, values)
    with PhotoCache(tmp_path, {}, (2,), ml_dtypes.bfloat16) as opened:
        features, is_there = opened.find(KEYS)
        assert is_there.all()
        assert features[:].dtype == np.float32
        assert np.array_equal(features[:], values.astype(np.float32))
    assert record_files(tmp_path)[0].stat().st_size == 5 * (36 + 4)


def test_a_file_cut_off_while_it_is_used_is_noticed(tmp_path: Path) -> None:
    keep(tmp_path)
    with cache(tmp_path) as opened:
        features, _ = opened.find(KEYS)
        (file,) = record_files(tmp_path)
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(OSError, match="cut off"):
            features[:]


def test_a_marker_of_a_dead_process_protects_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from core.cache import PhotoCache\n"
        "PhotoCache(pathlib.Path(sys.argv[1]), {}, (1,)).__enter__(); os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT_DIR, check=False)
    assert shrink(tmp_path, 0) > 0


def test_another_host_that_died_protects_nothing_either(tmp_path: Path) -> None:
    keep(tmp_path)
    (cache(tmp_path).path / "left-behind.in-use").touch()  # As a container leaves it that was killed.
    assert shrink(tmp_path, 0) > 0


def test_the_size_is_told_while_another_process_clears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path)
    walk = os.walk

    def clearing_walk(root: Path) -> Any:
        for entry in walk(root):
            shutil.rmtree(tmp_path / "features", ignore_errors=True)
            yield entry

    monkeypatch.setattr(os, "walk", clearing_walk)
    assert cache_size(tmp_path) >= 0


def test_the_environment_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("MASKBOARD_CACHE")
    assert default_cache_dir().name == "maskboard"


def test_the_command_shows_the_size_and_clears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path))
    keep(tmp_path)
    assert main([]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    assert all(found(tmp_path))
    assert main(["--clear"]) == 0
    assert "Removed" in capsys.readouterr().out
    assert not any(found(tmp_path))


@pytest.mark.parametrize("place", [".", "features", "thumbnails/00"])
def test_what_clearing_may_not_remove_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    keep(tmp_path)
    picture = tmp_path / "thumbnails" / "00" / f"{'0' * 64}.webp"
    picture.parent.mkdir(parents=True)
    picture.touch()
    (tmp_path / "lock").unlink()
    monkeypatch.setenv("MASKBOARD_CACHE", str(tmp_path))
    (tmp_path / place).chmod(0o555)
    try:
        with ordinary_user():
            assert main(["--clear"]) == 2
    finally:
        (tmp_path / place).chmod(0o755)
    (said,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / place) in said
