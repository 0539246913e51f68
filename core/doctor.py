"""Prove a run: `python -m core.doctor RUN [--runs-dir DIR] [--sample N] [--skip-model]`.

The checks themselves are in `core/checks.py`; here they are put in order, asked, and printed. The dashboard asks those
that need neither the photos nor the network.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from core import checks
from core.checks import FAILED, STATES, Evidence, Outcome, State
from core.command import run_command
from core.config import PROJECT_DIR, default_runs_dir
from core.errors import UserError, printable
from core.quiet import native_stderr_hidden
from core.runs import Run, find_run

N_PREDICTED = 64
# Seconds after which a process that checks is taken for one that will never end.
_LONGEST_CHECK = 600.0

_QUICK: Final[tuple[tuple[str, Callable[[Evidence], Outcome]], ...]] = (
    ("The training came to its end", checks.check_state),
    ("Every file is there and whole", checks.check_files),
    ("Each labelled photo is predicted once, under its label", checks.check_predictions),
    ("Labels are changed by reviews only", checks.check_reviews),
    ("Scores follow from the predictions", checks.check_metrics),
    ("The confusion matrix follows from the predictions", checks.check_matrix),
    ("The split is the one written down", checks.check_split),
    ("No photo has a near-identical one on the other side of the split", checks.check_leaks),
    ("Epochs are complete", checks.check_history),
    ("Embeddings and map have a row a photo", checks.check_rows),
    ("The submission can be handed in", checks.check_submission),
    ("The list of photos is the one written down", checks.check_fingerprint),
    ("Classes and labels are those of the dataset", checks.check_labels),
    ("Test scores follow from the predictions", checks.check_test_scores),
)


@dataclass(frozen=True)
class Check:
    """Something that holds of a run that can be trusted: in words, whether it does, and what was found."""

    name: str
    state: State
    detail: str


def quick_checks(run: Run) -> list[Check]:
    """What can be checked without the photos' content and without the network, in an order for reading."""
    evidence = Evidence(run)
    return [_checked(name, check, evidence) for name, check in _QUICK]


def quick_checks_elsewhere(run: Run) -> list[Check]:
    """`quick_checks` in a process of its own, for one that must go on answering meanwhile."""
    command = [sys.executable, "-m", "core.doctor", str(run.path.resolve()), "--quick", "--json"]
    try:
        done = subprocess.run(
            command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False, timeout=_LONGEST_CHECK
        )
        return [Check(**fields) for fields in json.loads(done.stdout)]
    except (ValueError, TypeError):  # Its folder is gone, for example, or the process was killed.
        detail = done.stderr.strip().rsplit("\n", 1)[-1] or f"the process ended with {done.returncode}"
    except (OSError, subprocess.SubprocessError) as error:
        detail = str(error)
    return [Check("The run can be checked", FAILED, printable(detail))]


def all_checks(run: Run, n_photos: int | None = N_PREDICTED) -> Iterator[Check]:
    """Every check, each as soon as it is done.

    Args:
        run: The run.
        n_photos: How many photos the saved network is asked about; None leaves it out.
    """
    evidence = Evidence(run)
    for name, check in _QUICK:
        yield _checked(name, check, evidence)
    yield _checked("The photos are those that were read", checks.check_photos, evidence)

    def check_model(evidence: Evidence) -> Outcome:
        return checks.skipped("left out") if n_photos is None else checks.check_model(evidence, n_photos)

    yield _checked("The saved network says what the tables say", check_model, evidence)


def _checked(name: str, check: Callable[[Evidence], Outcome], evidence: Evidence) -> Check:
    try:
        outcome = check(evidence)
    except (UserError, OSError) as error:
        outcome = checks.failed(str(error))
    except Exception as error:  # Whatever a spoilt run makes a check stumble over, the others are asked all the same.
        outcome = checks.failed(f"it could not be asked to its end; {type(error).__name__}: {error}")
    return Check(name, outcome.state, printable(outcome.detail))


def counts(made: Iterable[Check]) -> dict[State, int]:
    """Number of checks by state."""
    states = [check.state for check in made]
    return {state: states.count(state) for state in STATES}


# --- the command -----------------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The command line of `python -m core.doctor`."""
    parser = argparse.ArgumentParser(
        prog="python -m core.doctor",
        description="Prove a run: what it says is computed anew and held against its dataset. Exit code 0: every check "
        "that could be made passed; 2: one failed, or there is no such run.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder or name")
    parser.add_argument("--runs-dir", metavar="DIR", type=Path, default=None, help="where runs are, for a RUN by name")
    parser.add_argument(
        "--sample", metavar="N", type=int, default=N_PREDICTED,
        help="photos that the saved network is asked about, evenly spread (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="leave the photos and the saved network out")
    parser.add_argument("--json", action="store_true", help="print name, state and detail of each check as JSON")
    parser.add_argument("--skip-model", action="store_true", help="leave the saved network out; no TensorFlow needed")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Check the run that the command line names and print what was found.

    Returns:
        The exit code: 0 if every check that could be made passed, 2 if one failed or there is no such run.
    """
    options = build_parser().parse_args(argv)
    return run_command("core.doctor", lambda: _examine(options))


def _examine(options: argparse.Namespace) -> int:
    if options.sample < 1:
        raise UserError(f"Expected --sample to be 1 or more; found {options.sample}.")
    run = find_run(options.run, options.runs_dir or default_runs_dir())
    n_photos = None if options.skip_model else options.sample
    asked: Iterable[Check] = quick_checks(run) if options.quick else all_checks(run, n_photos)
    made = []
    with native_stderr_hidden():
        for check in asked:
            if not options.json:
                print(f"{check.state:7}  {check.name}: {check.detail}", flush=True)
            made.append(check)
    n = counts(made)
    if options.json:
        print(json.dumps([asdict(check) for check in made]))
    else:
        print(f"{printable(run.name)}: {len(made)} checks, " + ", ".join(f"{n[state]} {state}" for state in STATES))
    return 2 if n[FAILED] else 0


if __name__ == "__main__":
    sys.exit(main())
