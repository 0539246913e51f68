"""What a training says to the person who waits for it: bars with ETA on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from core.errors import printable

_SECONDS_BETWEEN_LINES = 10.0


class Report:
    """Prints to stdout, warnings to stderr.

    Args:
        quiet: Print only warnings and what is said with `always`.
        verbose: Print details too.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        # Without a terminal there is no width to keep to; tables would be cut at 80 columns.
        self._console = Console(
            highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120
        )
        self._errors = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)

    def say(self, text: str, *, always: bool = False) -> None:
        """Print a line."""
        if always or not self._quiet:
            self._console.print(escape(printable(text)))

    def detail(self, text: str) -> None:
        """Print a line for who wants to know all."""
        if self._verbose:
            self._console.print(escape(printable(text)))

    def show(self, table: RenderableType) -> None:
        """Print a rich table."""
        if not self._quiet:
            self._console.print(table)

    def warn(self, text: str) -> None:
        """Print a line to stderr, quiet or not."""
        self._errors.print(f"[yellow]Warning:[/yellow] {escape(printable(text))}")

    @contextlib.contextmanager
    def progress(self, what: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
        """Show how far something is.

        Args:
            what: What is done.
            total: Number of steps.
            unit: What a step is, if steps a second mean something to a person: "photos".

        Yields:
            A function to call with the number of steps done since the last call.
        """
        if self._quiet:
            yield lambda n: None
        elif self._console.is_terminal:
            with self._bar(unit) as bar:
                task = bar.add_task(what, total=total)
                yield lambda n: bar.advance(task, n)
        else:
            yield from self._lines(what, total, unit)

    def _bar(self, unit: str) -> Progress:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            *([_RateColumn(unit)] if unit else []),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
        )
        return Progress(*columns, console=self._console)

    def _lines(self, what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        started = last_line = time.monotonic()
        done = 0

        def advance(n: int) -> None:
            nonlocal done, last_line
            done += n
            now = time.monotonic()
            if now - last_line >= _SECONDS_BETWEEN_LINES and 0 < done < total:
                last_line = now
                left = (now - started) * (total - done) / done
                rate = f", {_rate_text(done / (now - started), unit)}" if unit else ""
                self.say(f"{what}: {done} of {total}{rate}, about {left:.0f} s left")

        yield advance
        if not total:
            return
        seconds = max(time.monotonic() - started, 1e-3)  # Some clocks tick slowly.
        rate = f", {_rate_text(done / seconds, unit)}" if unit and done else ""
        self.say(f"{what}: {done} of {total} in {seconds:.1f} s{rate}")


class _RateColumn(ProgressColumn):
    """Steps a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(_rate_text(task.finished_speed or task.speed or 0.0, self._unit))


def _rate_text(rate: float, unit: str) -> str:
    return f"{rate:.1f} {unit}/s"
