"""Every file of a run folder spoilt in every way that we could think of: what a disk, an editor or an enemy leaves."""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.reviews import Review, append_reviews
from core.runs import Run, read_run
from tests.handwritten import CLASS_NAMES, sha256, write_folds, write_what_follows, write_whole_run

# What no text should make happen anywhere: HTML, Markdown, Streamlit's own signs, a template, a formula.
SCRIPT = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
MARKUP = "[x](javascript:window.hacked=1) ![](http://192.0.2.1/x.png) :red[y] :material/delete: $z$ %{x} {{y}} </style>"

# Numbers that JSON and CSV can spell and Python, NumPy, pandas or a browser may trip over.
NUMBERS = ("-1", "1.5", str(2**53 + 1), str(2**63), str(2**64), "1e308", "1e400", "-1e400", "9" * 400, "9" * 5000)
CELLS = (
    *("", "text", "nan", "NaN", "inf", "-inf", "True", "=1+1", "1_0", "0x1F", "1e-400", "\u0661", " 0", "0 "),
    *NUMBERS, SCRIPT, "x" * 10_000, "a\x1b[31mb", "\ufeff", "\u202egpj.exe", "../../etc/passwd.jpg", "/etc/passwd",
)  # fmt: skip
# As they stand in a file; some are no JSON, but Python's reader takes them.
JSON_VALUES = (
    *("null", "true", '""', '"text"', '"0.5"', "0", "NaN", "Infinity", "-Infinity"), *NUMBERS,
    *("[]", "{}", "[[]]", '{"a": 1}', "[1, 2, 3]", '["0.1", "0.2"]', "[NaN, NaN]", "[1e300, -1e300]"),
    '"\\ud800"', '"\\u0000"', json.dumps(SCRIPT), json.dumps("x" * 10_000), "[" * 50 + "]" * 50,
)  # fmt: skip

# The pages on which a fault in a file shows.
_PHOTO_PAGES = ("data", "evaluation", "labels", "slices", "photos", "map", "reviews", "compare", "submission")
PAGES_OF = {
    "run.json": ("overview", "training", "predict", *_PHOTO_PAGES),
    "samples.csv": _PHOTO_PAGES,
    "problems.csv": _PHOTO_PAGES,
    "history.csv": ("training", "compare"),
    "predictions.csv": ("overview", "evaluation", "labels", "slices", "photos", "compare", "submission"),
    "fitted_predictions.csv": ("overview",),
    "label_issues.csv": ("overview", "labels"),
    "confusion_matrix.csv": (),
    "metrics.json": ("overview", "evaluation", "predict"),
    "submission.csv": ("submission",),
    "test_predictions.csv": ("photos", "submission"),
    "embeddings.npy": ("photos",),
    "projection.csv": ("map",),
    "model.keras": ("predict",),
    "crash.txt": (),
    "tensorboard/events.out": (),
    "../reviews.jsonl": ("reviews", "photos"),
    "../../data/train_gt.json": ("reviews",),
    "../../data/test_gt.json": (),
}
FILES = tuple(PAGES_OF)


@dataclass(frozen=True)
class Case:
    """A way to spoil a file: what is done, and a function that does it to the file of that path."""

    file: str
    what: str
    spoil: Callable[[Path], object]

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


# --- the run that is spoilt ------------------------------------------------------------------------------------------


def write_rich_run(runs_dir: Path, data: Path, name: str = "first", *, folds: bool = False) -> Run:
    """A finished run whose `run.json` has all that one can have, with every file, and reviews beside it."""
    run = write_whole_run(runs_dir, data, name)
    (run.path / "crash.txt").write_text("Traceback (most recent call last):\n")
    if folds:
        write_folds(run)
        write_what_follows(run)
    info = json.loads((run.path / "run.json").read_text())
    info["config"] |= {"folds": 2 if folds else 0, "epochs": 3, "weights": "random", "class_names": None}
    (run.path / "run.json").write_text(json.dumps(info | _RICH))
    content = sha256(data / "training" / "b.jpg")
    if not (runs_dir / "reviews.jsonl").exists():
        append_reviews(
            runs_dir / "reviews.jsonl",
            [
                Review(content, "training/b.jpg", "relabel", 1, "everybody", "a note", id="1" * 32),
                Review(content, "training/b.jpg", "undo", undoes="1" * 32),
                Review(sha256(data / "training" / "c.jpg"), "training/c.jpg", "note", note="blurred"),
            ],
        )
    return read_run(run.path)


_RICH: dict[str, Any] = {
    "pid": 1,
    "process_started": 1.5,
    "host": "elsewhere",
    "leak": {"n_images": 4, "n_leaked": 1},
    "weights": {"name": "random", "sha256": None},
    "precision": {"name": "float32", "reason": "asked for"},
    "device": "CPU",
    "python": "3.11.0",
    "packages": {"numpy": "2.0"},
    "git_commit": "0" * 40,
    "stage_seconds": {"photos": 0.5, "head": 1.1},
    "progress": None,
    "notices": ["a notice"],
    "resumed": 1,
    "began_with": {"dataset": "0" * 64},
    "reviews": {"path": "reviews.jsonl", "sha256": "0" * 64, "n_faults": 0, "n_relabelled": 0, "n_excluded": 0},
}


# --- ways to spoil it ------------------------------------------------------------------------------------------------


def cases_of(file: str, content: bytes) -> list[Case]:
    """All that can be done to a file.

    Args:
        file: One of `FILES`.
        content: What it holds.
    """
    spoilt = dict(_spoilt_bytes(content))
    if file.endswith(".csv"):
        spoilt |= dict(_spoilt_table(content.decode()))
    elif file.endswith(".json"):
        spoilt |= dict(_spoilt_json(json.loads(content)))
    elif file.endswith(".jsonl"):
        spoilt |= dict(_spoilt_lines(content.decode()))
    elif file.endswith(".npy"):
        spoilt |= dict(_spoilt_array(content))
    written = [Case(file, what, _writes(changed)) for what, changed in spoilt.items() if changed != content]
    return [*written, *(Case(file, what, spoil) for what, spoil in PLACES.items())]


def _writes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _spoilt_bytes(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    for percent in (1, 10, 50, 90, 99):
        yield f"cut off at {percent} %", content[: len(content) * percent // 100]
    yield "cut off by a byte", content[:-1]
    yield "cut off by two bytes", content[:-2]
    yield "twice", content * 2
    yield "with a byte order mark", b"\xef\xbb\xbf" + content
    yield "in UTF-16", content.decode("latin-1").encode("utf-16")
    yield "with a byte that is no UTF-8", content[: len(content) // 2] + b"\xff" + content[len(content) // 2 :]
    yield "with a NUL", content[: len(content) // 2] + b"\0" + content[len(content) // 2 :]
    yield "NULs only", b"\0" * len(content)
    yield "as a crash of a disk leaves it", content[: len(content) // 2] + b"\0" * (len(content) // 2)
    yield "with line ends of Windows", content.replace(b"\n", b"\r\n")
    yield "with line ends of old Macs", content.replace(b"\n", b"\r")
    yield "with blanks around", b"\n\n " + content + b" \n\n"
    yield "a line of 3 MB", b"x" * 3_000_000
    yield "HTML", f"<!doctype html><title>{SCRIPT}</title>".encode()
    yield "an archive", b"PK\x03\x04" + content


def _spoilt_table(text: str) -> Iterator[tuple[str, bytes]]:
    table = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
    lines = text.splitlines(keepends=True)
    yield "header only", lines[0].encode()
    yield "no header", "".join(lines[1:]).encode()
    yield "header twice", "".join([lines[0], *lines]).encode()
    yield "rows twice", "".join([*lines, *lines[1:]]).encode()
    yield "first row missing", "".join([lines[0], *lines[2:]]).encode()
    yield "last row missing", "".join(lines[:-1]).encode()
    yield "rows reversed", "".join([lines[0], *lines[:0:-1]]).encode()
    yield "with semicolons", text.replace(",", ";").encode()
    yield "with tabs", text.replace(",", "\t").encode()
    yield "a quote that is never closed", text.replace(",", ',"', 1).encode()
    yield "a longer row", text.rstrip("\n").encode() + b",1,2,3\n"
    yield "a shorter row", text.rstrip("\n").rpartition(",")[0].encode()
    yield "longer rows", (lines[0] + "".join(line.rstrip("\n") + ",7\n" for line in lines[1:])).encode()
    yield "a row of commas", (text + "," * lines[0].count(",") + "\n").encode()
    yield "columns reversed", _csv(table[table.columns[::-1]])
    yield "another column", _csv(table.assign(**{SCRIPT: MARKUP}))
    yield "an index before", _csv(table.reset_index())
    for column in table.columns:
        yield f"without {column}", _csv(table.drop(columns=column))
        yield f"{column} twice", _csv(pd.concat([table, table[[column]]], axis=1))
        yield f"{column} in capitals", _csv(table.rename(columns={column: column.upper()}))
        for cell in CELLS:
            if len(table):
                yield f"{cell[:30]!r} ({len(cell)}) as {column}", _csv(_with_cell(table, column, cell))
        yield f"all {column} empty", _csv(table.assign(**{column: ""}))
        yield f"all {column} the same", _csv(table.assign(**{column: table[column].iloc[0]}))


def _with_cell(table: pd.DataFrame, column: str, cell: str) -> pd.DataFrame:
    return table.assign(**{column: [cell, *table[column].iloc[1:]]})


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def _spoilt_json(value: Any) -> Iterator[tuple[str, bytes]]:
    """Each node and leaf replaced by each wrong value, and taken away."""
    yield "deeper than Python reads", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    yield "an object in a list", json.dumps([value]).encode()
    yield "keys twice", json.dumps(value).encode()[:-1] + b', "state": 3, "accuracy": null, "a.jpg": 7}'
    yield "two objects", json.dumps(value).encode() * 2
    yield "a comma too many", json.dumps(value).encode()[:-1] + b",}"
    for way in _ways(value):
        name = ".".join(map(str, way))
        yield f"without {name}", json.dumps(_without(value, way)).encode()
        for wrong in JSON_VALUES:
            marked = json.dumps(_replaced(value, way, "here it goes"))
            yield f"{wrong[:30]} ({len(wrong)}) as {name}", marked.replace('"here it goes"', wrong, 1).encode()


def _ways(value: Any) -> Iterator[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (key,)
        for way in _ways(child):
            yield (key, *way)


def _replaced(value: Any, way: tuple[str | int, ...], new: Any) -> Any:
    if not way:
        return new
    copied = value.copy()
    copied[way[0]] = _replaced(value[way[0]], way[1:], new)
    return copied


def _without(value: Any, way: tuple[str | int, ...]) -> Any:
    copied = value.copy()
    if way[1:]:
        copied[way[0]] = _without(value[way[0]], way[1:])
    else:
        del copied[way[0]]
    return copied


def _spoilt_lines(text: str) -> Iterator[tuple[str, bytes]]:
    first, *others = text.splitlines()
    for what, changed in _spoilt_json(json.loads(first)):
        yield what, b"\n".join([changed, *(other.encode() for other in others), b""])


def _spoilt_array(content: bytes) -> Iterator[tuple[str, bytes]]:
    values = np.load(io.BytesIO(content))
    others: dict[str, Any] = {
        "float64": values.astype(np.float64),
        "integers": values.astype(np.int16),
        "complex": values.astype(np.complex64),
        "texts": values.astype(str),
        "objects": values.astype(object),
        "a call": np.array([_Bomb()], dtype=object),
        "big-endian": values.astype(">f2"),
        "times": values.astype("M8[s]"),
        "named fields": np.zeros(len(values), dtype=[("a", "f2"), ("b", "f2")]),
        "one row more": np.concatenate([values, values[:1]]),
        "one row less": values[1:],
        "no rows": values[:0],
        "no columns": values[:, :0],
        "one dimension": values.ravel(),
        "three dimensions": values[:, :, None],
        "a number": np.float16(1),
        "missing numbers": np.full_like(values, np.nan),
        "endless numbers": np.full_like(values, np.inf),
        "zeros": np.zeros_like(values),
        "large numbers": np.full_like(values, 65504),
        "columns first": np.asfortranarray(values),
    }
    for what, array in others.items():
        file = io.BytesIO()
        np.save(file, array)
        yield what, file.getvalue()
    shape = f"({len(values)}, {values.shape[1]}), }}".encode()
    for rows, columns in ((10**12, 2), (9, 10**15), (-9, 2), (2**63, 2), (9, 2**64), (10**300, 2)):
        header = f"({rows}, {columns}), }}".encode()
        yield f"{str(rows)[:30]} x {str(columns)[:30]} in its header", content.replace(shape, header)
    yield "a header that is a call", content.replace(shape, b"__import__('os').abort(), }")
    yield "a header of another version", content.replace(b"NUMPY\x01", b"NUMPY\x09")
    yield "bytes behind its end", content + b"more"


class _Bomb:
    """What a reader that unpickles would call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.abort, ()


# --- what is no file -------------------------------------------------------------------------------------------------


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _replaced_by(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        _remove(path)
        make(path)

    return spoil


PLACES: dict[str, Callable[[Path], object]] = {
    "missing": _remove,
    "a folder": _replaced_by(Path.mkdir),
    "a link to nothing": _replaced_by(lambda path: path.symlink_to("nothing")),
    "a link to itself": _replaced_by(lambda path: path.symlink_to(path.name)),
    "a link to an endless file": _replaced_by(lambda path: path.symlink_to("/dev/zero")),
    "a named pipe": _replaced_by(os.mkfifo),
    "not to be read": lambda path: path.chmod(0),
}


@contextlib.contextmanager
def spoilt(run: Run, case: Case) -> Iterator[None]:
    """Spoil a file of a run; afterwards it is what it was."""
    path = run.path / case.file
    content = path.read_bytes()
    try:
        case.spoil(path)
        yield
    finally:
        with contextlib.suppress(OSError):
            path.chmod(0o644)
        _remove(path)
        path.write_bytes(content)


# --- a whole run in which every text is hostile ----------------------------------------------------------------------

_IN_A_NAME = MARKUP.replace("/", "\u2215")  # No file's name has a slash.
HOSTILE_CLASSES = (SCRIPT, MARKUP, "=1+1")
HOSTILE_PHOTOS = {
    "a": "<img src=x onerror=window.hacked=1>",
    "b": _IN_A_NAME,
    "c": "=HYPERLINK('x')",
    "d": "<svg onload=window.hacked=1>",
    "x": "${x} {{y}} `z` <b>",
}


def write_hostile_run(runs_dir: Path, data: Path) -> Run:
    """A finished run in which every text is HTML, Markdown, a template or a formula; a failed and a broken one."""
    run = write_rich_run(runs_dir, data, _HOSTILE_RUN)
    for letter, name in HOSTILE_PHOTOS.items():
        folder = "test" if letter == "x" else "training"
        (data / folder / f"{letter}.jpg").rename(data / folder / f"{name}.jpg")
    for path in (*run.path.glob("*.csv"), *run.path.glob("*.json"), *data.glob("*.json"), runs_dir / "reviews.jsonl"):
        _make_hostile(path)
    info = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(info | _HOSTILE))
    others = {"failed <b>": {"state": "failed", "error": SCRIPT + MARKUP}, "broken <i>": {"state": SCRIPT}}
    for name, changed in others.items():
        shutil.copytree(run.path, runs_dir / name)
        (runs_dir / name / "run.json").write_text(json.dumps(info | _HOSTILE | changed))
    return read_run(run.path)


_HOSTILE_RUN = "<img src=x onerror=window.hacked=1> :red[y] $z$ %{x}"
_HOSTILE: dict[str, Any] = {
    "class_names": list(HOSTILE_CLASSES),
    "notices": [SCRIPT, MARKUP],
    "device": SCRIPT,
    "weights": {"name": MARKUP, "sha256": None},
    "precision": {"name": SCRIPT, "reason": MARKUP},
    "stage_seconds": {SCRIPT: 1.0, MARKUP: 2.0},
}


def _make_hostile(path: Path) -> None:
    """Put the names into a file of the run, as a writer of that format would."""
    encode = _in_csv if path.suffix == ".csv" else _in_json
    text = path.read_text()
    for name, hostile in zip(CLASS_NAMES, HOSTILE_CLASSES, strict=True):
        text = text.replace(f'"{name}"', encode(hostile)).replace(f"\n{name},", f"\n{encode(hostile)},")
        text = text.replace(f",{name}", f",{encode(hostile)}")
    for letter, name in HOSTILE_PHOTOS.items():
        for folder in ("training/", "test/", ""):
            old = f"{folder}{letter}.jpg"
            text = text.replace(f'"{old}"', encode(f"{folder}{name}.jpg"))
            text = text.replace(f"\n{old},", f"\n{encode(f'{folder}{name}.jpg')},")
    text = text.replace("the file ends too early", _in_csv(SCRIPT + MARKUP)).replace("truncated", _in_csv(MARKUP))
    text = text.replace("head,", f"{_in_csv(SCRIPT)},").replace("blurred", SCRIPT.replace('"', "'"))
    path.write_text(text)


def _in_csv(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _in_json(text: str) -> str:
    return json.dumps(text)
