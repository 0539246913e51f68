"""What the benchmarks share: running `train.py` in a process of its own, saying on what machine and what went wrong."""

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from core.config import PROJECT_DIR
from core.errors import UserError
from core.precision import choose_precision, read_cpu_flags

WORK_DIR = Path(tempfile.gettempdir()) / "maskboard-benchmarks"


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Around a `main`: what the user can mend is a line on stderr and exit code 2, as with `train.py`."""
    try:
        yield
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


@dataclass(frozen=True)
class Measured:
    """What a process took: seconds on the clock, bytes at its peak (resident, the largest ever)."""

    seconds: float
    peak_bytes: int
    output: str


def run_process(command: Sequence[str | Path], **environment: str | Path) -> Measured:
    """Run a command to its end.

    Raises:
        SystemExit: If it fails; its output is printed.
    """
    variables = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    with tempfile.TemporaryFile() as log:
        started = time.monotonic()
        process = subprocess.Popen(list(map(str, command)), cwd=PROJECT_DIR, env=variables, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        output = log.read().decode(errors="replace")
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{output}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds, usage.ru_maxrss * unit, output)


def train(data: Path, cache: Path, *options: str | int | float) -> Measured:
    """Run `train.py` on a dataset with a cache; the run folder is made in the benchmarks' own place."""
    return run_process(train_command(data, WORK_DIR / "runs", *options), MASKBOARD_CACHE=cache)


def train_command(data: Path, runs_dir: Path, *options: str | int | float | Path) -> list[str]:
    """The command that trains on a dataset."""
    command = [sys.executable, PROJECT_DIR / "train.py", "--data", data, "--runs-dir", runs_dir]
    return [*map(str, command), *map(str, options)]


def seconds_of(task: Callable[[], object]) -> float:
    """What a task takes on the clock."""
    started = time.monotonic()
    task()
    return time.monotonic() - started


def mean_text(values: Sequence[float], sign: str = "") -> str:
    """A mean, and Student's 95 % interval where there are several values.

    Args:
        values: Independent ones, for example one a seed.
        sign: `+` for differences.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:{sign}.3f}"
    reach = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return f"{mean:{sign}.3f} ({mean - reach:{sign}.3f} to {mean + reach:{sign}.3f})"


@contextlib.contextmanager
def no_progress(total: int) -> Iterator[Callable[[int], None]]:
    """For extraction that nobody waits for."""
    yield lambda n: None


def machine() -> str:
    """One line on processor and versions."""
    precision = choose_precision("auto", [], read_cpu_flags())
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "pillow"))
    return (
        f"{_processor()}, {os.cpu_count()} cores; fastest precision {precision.name} ({precision.reason}); "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
