"""Train a mask classifier and leave a run folder that the dashboard shows.

python train.py                     trains on data/MaskDataset with ImageNet weights
python train.py --demo              draws a dataset and trains on it, without any network
streamlit run dashboard/app.py      shows the runs
"""

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.command import run_command
from core.config import TrainConfig, config_from_json, config_from_options, default_of, default_runs_dir, flag
from core.errors import UserError
from core.quiet import interrupt_held, native_stderr_hidden


def build_parser() -> argparse.ArgumentParser:
    """The command line: one option a field of `TrainConfig`, grouped as there."""
    parser = argparse.ArgumentParser(
        prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in dataclasses.fields(TrainConfig):
        title, help_text, extras = (option.metadata[key] for key in ("group", "help", "argparse"))
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        # Options that are not given stay absent, so that `--demo` can have defaults of its own.
        group.add_argument(
            flag(option.name), default=argparse.SUPPRESS, help=help_text + _default_text(option), **extras
        )
    groups["Run"].add_argument(
        "--resume", metavar="NAME", default=argparse.SUPPRESS,
        help="go on with a run that was killed, interrupted or failed, as it was configured; takes no other option but "
        "--runs-dir, --quiet and --verbose",
    )  # fmt: skip
    return parser


def _default_text(option: "dataclasses.Field[object]") -> str:
    default = default_of(option)
    return "" if default is None or default is False else f" (default: {default})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the training that the command line asks for; returns the exit code, see `core.command`."""
    options = vars(build_parser().parse_args(argv))
    # Hours of work are not lost because nobody reads on; the dashboard shows how far it is.
    return run_command("train.py", lambda: _train(options), verbose=options.get("verbose", False), is_for_reader=False)


def _train(options: dict[str, Any]) -> int:
    # Only now: --help need not wait for pandas.
    from core.dataset import list_photos
    from core.demo import ensure_demo_dataset
    from core.report import Report
    from core.reviews import read_reviews
    from core.runs import require_free_name
    from core.weights import find_weights

    config, unfinished = _unfinished(options) if "resume" in options else (config_from_options(options), None)
    if unfinished is None:
        require_free_name(config)
    report = Report(config.quiet, config.verbose)
    if config.verbose:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
    if config.demo:
        ensure_demo_dataset(config.data, report)
    listing = list_photos(config.data, config.class_names)
    if config.reviews is not None:
        read_reviews(config.reviews)  # Only to fail now, and not after all photos have been read.
    with contextlib.nullcontext() if config.verbose else native_stderr_hidden():
        weights = find_weights(config.weights)
        with interrupt_held():
            from core.training import train  # Brings TensorFlow, which takes seconds.

    train(config, listing, weights, report, unfinished)
    return 0


def _unfinished(options: dict[str, Any]) -> tuple[TrainConfig, Path]:
    """The configuration of the run that is to be gone on with, and its folder."""
    from core.runs import find_run, require_unfinished

    said = {name: options.get(name, False) for name in ("quiet", "verbose")}
    if others := sorted(set(options) - {"resume", "runs_dir", *said}):
        raise UserError(f"Expected only --runs-dir, --quiet and --verbose beside --resume; found {flag(others[0])}.")
    run = find_run(options["resume"], options.get("runs_dir") or default_runs_dir())
    require_unfinished(run)
    return dataclasses.replace(config_from_json(run.info["config"]), **said), run.path


if __name__ == "__main__":
    sys.exit(main())
