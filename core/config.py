"""Every training option, once: its default, its help, its check. `train.py` makes its command line from this.

Nothing heavy is imported here, so that `python train.py --help` answers at once.
"""

import contextlib
import dataclasses
import math
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import UserError, shortened
from core.precision import AUTO, PRECISIONS

PROJECT_DIR = Path(__file__).resolve().parent.parent
DEMO_DATA_DIR = PROJECT_DIR / "data" / "demo"
DEFAULT_CLASS_NAMES = ("nobody", "everybody", "somebody")

# VGG16 halves a photo's width five times, so fewer than 32 pixels leave nothing.
MIN_IMAGE_SIZE = 32
MAX_IMAGE_SIZE = 1024
MAX_VIEWS = 100
# Each fold's network stops by another fold and learns from the rest.
MIN_FOLDS = 3
MAX_FOLDS = 20
# What a preset changes in the defaults of `TrainConfig`; benchmarks/README.md has the reasons.
DEFAULT_PRESET = "default"
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"image_size": 224},
    DEFAULT_PRESET: {},
    "best": {"augment": 4},
}
# Weights that are no file.
WEIGHTS_BY_NAME = ("imagenet", "random")
# Heads the column of the true classes in a run's `confusion_matrix.csv`, so no class can be called that.
MATRIX_CORNER = "true \\ predicted"
# Beyond this a number is a slip of the keyboard.
_MOST = 1_000_000


def default_runs_dir() -> Path:
    """Where runs live: `MASKBOARD_RUNS`, else `runs/` beside `train.py`."""
    return Path(os.environ.get("MASKBOARD_RUNS") or PROJECT_DIR / "runs")


def _option(default: Any, group: str, help: str, **argparse_extras: Any) -> Any:
    metadata = {"group": group, "help": help, "argparse": argparse_extras}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


@dataclass(frozen=True)
class TrainConfig:
    """What one training was asked to do. Checked on creation, saved in the run's `run.json`.

    Raises:
        UserError: If a value is outside its range.
    """

    data: Path = _option(
        PROJECT_DIR / "data" / "MaskDataset", "Data", "folder of the dataset", type=Path, metavar="DIR"
    )
    class_names: tuple[str, ...] | None = _option(
        None,
        "Data",
        "class names in the order of the labels 0, 1, ..., separated by commas (default: "
        f"{','.join(DEFAULT_CLASS_NAMES)}; with one folder per class, the folders' names)",
        type=_names,
        metavar="NAMES",
    )
    demo: bool = _option(
        False, "Data", "draw a synthetic dataset and train on it, without any network", action="store_true"
    )
    validation_fraction: float = _option(
        0.2, "Data", "share of the labelled photos held out", type=float, metavar="SHARE"
    )
    folds: int = _option(
        0,
        "Data",
        "predict every labelled photo out of fold: train this many times, then once more on all photos; 0 holds a "
        "share out instead",
        type=int,
        metavar="K",
    )
    split_seed: int = _option(
        0, "Data", "decides which photos are held out, or come into which fold", type=int, metavar="N"
    )
    naive_split: bool = _option(
        False,
        "Data",
        "also score a split that lets near-identical photos come on both sides, to see how much that flatters",
        action="store_true",
    )
    reviews: Path | None = _option(
        None,
        "Data",
        "train with the decisions of this log of reviews (the dashboard writes reviews.jsonl beside the runs)",
        type=Path,
        metavar="FILE",
    )

    name: str | None = _option(None, "Run", "name of the run's folder (default: the date and time)", metavar="NAME")
    runs_dir: Path = _option(default_runs_dir, "Run", "where run folders are made", type=Path, metavar="DIR")
    seed: int = _option(
        0, "Run", "decides the head's initial weights, dropout and the order of photos", type=int, metavar="N"
    )
    quiet: bool = _option(False, "Run", "print only warnings, errors and the run's folder", action="store_true")
    verbose: bool = _option(
        False, "Run", "print each epoch too, TensorFlow's notes, and the traceback of a crash", action="store_true"
    )

    preset: str = _option(
        DEFAULT_PRESET,
        "Network",
        "options that go together: fast, or best at a price; an option that is given beside it goes before it",
        choices=tuple(PRESETS),
    )
    weights: str = _option(
        "imagenet", "Network", "VGG16 weights: imagenet, random or a file", metavar="{imagenet,random,FILE}"
    )
    image_size: int = _option(320, "Network", "width and height that photos are resized to", type=int, metavar="PIXELS")
    resize: str = _option(
        "squash",
        "Network",
        "squash ignores the aspect ratio, pad adds black borders, crop cuts the longer side",
        choices=("squash", "pad", "crop"),
    )
    head: str = _option(
        "gap",
        "Network",
        "what the head sees of VGG16's last feature map: gap its mean over the picture, flatten all of it",
        choices=("gap", "flatten"),
    )
    hidden_units: int = _option(256, "Network", "width of the head's hidden layer", type=int, metavar="N")
    dropout: float = _option(
        0.5, "Network", "share of the hidden units dropped in each step", type=float, metavar="SHARE"
    )

    precision: str = _option(
        AUTO,
        "Network",
        "numbers to compute in; auto takes bfloat16 on processors and float16 on GPUs that are made for it, and "
        "float32 on others",
        choices=(AUTO, *PRECISIONS),
    )

    no_cache: bool = _option(
        False, "Cache", "compute all features anew and keep none (MASKBOARD_CACHE names the cache)", action="store_true"
    )
    cache_limit: float = _option(
        20.0, "Cache", "size above which what was not used for longest is dropped", type=float, metavar="GB"
    )

    epochs: int = _option(100, "Training", "epochs at the most", type=int, metavar="N")
    batch_size: int = _option(32, "Training", "photos a step", type=int, metavar="N")
    learning_rate: float = _option(1e-3, "Training", "Adam's step size at the start", type=float, metavar="RATE")
    patience: int = _option(10, "Training", "epochs without a better val_loss before it stops", type=int, metavar="N")
    augment: int = _option(
        0,
        "Training",
        "augmented views a training photo (flipped, turned, zoomed, shifted, brightened a little); each epoch sees one "
        "view of each photo",
        type=int,
        metavar="V",
    )

    class_weights: str = _option(
        "none",
        "Training",
        "balanced lets a photo of a rare class weigh more in the loss, so that each class weighs the same",
        choices=("none", "balanced"),
    )

    fine_tune: str = _option(
        "none",
        "Fine-tuning",
        "blocks of VGG16 that are trained too, after the head: none, the last one, the last two, or all",
        choices=("none", "block5", "block4", "all"),
    )
    fine_tune_epochs: int = _option(20, "Fine-tuning", "epochs at the most", type=int, metavar="N")
    fine_tune_learning_rate: float = _option(
        1e-5, "Fine-tuning", "Adam's step size at the start", type=float, metavar="RATE"
    )

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            value = getattr(self, option.name)
            if isinstance(value, str | Path) and not _is_unicode(str(value)):
                raise UserError(f"Expected {flag(option.name)} to be valid Unicode; found {value!r}.")
            choices = option.metadata["argparse"].get("choices")
            if choices and value not in choices:
                raise UserError(f"Expected {flag(option.name)} to be one of {', '.join(choices)}; found {value!r}.")
        for name, is_fine, expected in _CHECKS:
            value = getattr(self, name)
            if not is_fine(value):
                raise UserError(f"Expected {flag(name)} to be {expected}; found {value!r}.")

    def to_json(self) -> dict[str, Any]:
        """The options as JSON values; paths absolute."""
        values = dataclasses.asdict(self)
        if self.weights not in WEIGHTS_BY_NAME:
            values["weights"] = Path(self.weights)
        return {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values.items()}


def _is_share(value: float) -> bool:
    return 0 < value < 1


def _is_run_name(value: str | None) -> bool:
    return value is None or re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", value) is not None


def _are_class_names(value: tuple[str, ...] | None) -> bool:
    if value is None:
        return True
    return len(set(value)) == len(value) >= 2 and all(name and name.isprintable() for name in value)


def _is_seed(value: int) -> bool:
    return 0 <= value < 2**32


def _is_unicode(text: str) -> bool:
    """Whether text can be written down; bytes of a command line that are not UTF-8 cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_count(value: int) -> bool:
    return 1 <= value <= _MOST


_CHECKS = (
    ("class_names", _are_class_names, "at least two different names of printable letters"),
    ("class_names", lambda value: MATRIX_CORNER not in (value or ()), f"names other than '{MATRIX_CORNER}'"),
    ("validation_fraction", _is_share, "between 0 and 1"),
    ("folds", lambda value: value == 0 or MIN_FOLDS <= value <= MAX_FOLDS, f"0 or {MIN_FOLDS} to {MAX_FOLDS}"),
    ("split_seed", _is_seed, "from 0 to 4294967295"),
    ("name", _is_run_name, "at most 100 letters, digits, '.', '_' and '-', not starting with '.' or '-'"),
    ("seed", _is_seed, "from 0 to 4294967295"),
    ("image_size", lambda value: MIN_IMAGE_SIZE <= value <= MAX_IMAGE_SIZE, f"{MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}"),
    ("hidden_units", lambda value: 1 <= value <= 2**16, "1 to 65,536"),
    ("dropout", lambda value: 0 <= value < 1, "at least 0 and below 1"),
    ("cache_limit", lambda value: 0 <= value <= _MOST, f"0 to {_MOST:,}"),
    ("epochs", _is_count, f"1 to {_MOST:,}"),
    ("batch_size", _is_count, f"1 to {_MOST:,}"),
    ("learning_rate", lambda value: 0 < value < math.inf, "a number above 0"),
    ("patience", _is_count, f"1 to {_MOST:,}"),
    ("augment", lambda value: 0 <= value <= MAX_VIEWS, f"0 to {MAX_VIEWS}"),
    ("fine_tune_epochs", _is_count, f"1 to {_MOST:,}"),
    ("fine_tune_learning_rate", lambda value: 0 < value < math.inf, "a number above 0"),
)

# The demo trains in a minute or two on a processor and without any network.
DEMO_OPTIONS: dict[str, Any] = {
    "data": DEMO_DATA_DIR,
    "weights": "random",
    "image_size": 96,
}


def flag(name: str) -> str:
    """The command line's spelling of an option: `image_size` -> `--image-size`."""
    return "--" + name.replace("_", "-")


def config_from_options(given: dict[str, Any]) -> TrainConfig:
    """Fill up the options given on the command line with the demo's, the preset's, and the defaults.

    Raises:
        UserError: If a value is outside its range.
    """
    preset = PRESETS.get(given.get("preset", DEFAULT_PRESET), {})
    return TrainConfig(**{**preset, **(DEMO_OPTIONS if given.get("demo") else {}), **given})


def config_from_json(values: Mapping[str, Any]) -> TrainConfig:
    """The options of a run, from what `TrainConfig.to_json` gave; options that came later have their defaults.

    Raises:
        UserError: If a value is outside its range, or an option unknown.
    """
    options = {option.name: option for option in dataclasses.fields(TrainConfig)}
    if unknown := sorted(set(values) - set(options)):
        raise UserError(f"Expected the options of a training; found {', '.join(map(repr, unknown))}.")
    return TrainConfig(**{name: _from_json(options[name], value) for name, value in values.items()})


def _from_json(option: "dataclasses.Field[Any]", value: Any) -> Any:
    extras = option.metadata["argparse"]
    kind = extras.get("type", bool if extras.get("action") == "store_true" else str)
    if value is None and default_of(option) is None:
        return None
    if kind is _names and isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) in (int, float):
        with contextlib.suppress(OverflowError):  # Of an integer of hundreds of digits.
            return float(value)
    if type(value) is not kind:
        found = shortened(repr(value))
        raise UserError(f"Expected another value of the option {option.name} in the run; found {found}.")
    return value


def command_line(values: Mapping[str, Any]) -> str:
    """The command that trains with these options, for a shell in the project's folder; defaults are left out.

    Args:
        values: JSON values as `TrainConfig.to_json` gives them; what is no option is passed over.
    """
    usual = {option.name: default_of(option) for option in dataclasses.fields(TrainConfig)}
    usual["runs_dir"] = PROJECT_DIR / "runs"  # Another terminal need not know the environment of this process.
    usual |= PRESETS.get(values.get("preset", DEFAULT_PRESET), {})
    if values.get("demo") is True:
        usual |= DEMO_OPTIONS
    words = ["python", "train.py"]
    for name, default in usual.items():
        text = _option_text(values.get(name))
        if text is not None and text != _option_text(default):
            words += [flag(name)] if text == "" else [flag(name), shlex.quote(text)]
    return " ".join(words)


def default_of(option: "dataclasses.Field[Any]") -> Any:
    """What a field of `TrainConfig` is where nobody gives it."""
    return option.default_factory() if callable(option.default_factory) else option.default


def _option_text(value: Any) -> str | None:
    """A value as a command line has it, empty for a switch that is on, None for what cannot be given."""
    if value is None or isinstance(value, bool):
        return "" if value else None
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    path = Path(str(value))
    return str(path.relative_to(PROJECT_DIR)) if path.is_absolute() and path.is_relative_to(PROJECT_DIR) else str(value)
