"""Curves of loss and accuracy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.style import colour, figure, plain, scatter, vertical_line
from dashboard.history import best_row, epoch_numbers, smoothed, stage_starts
from dashboard.progress import stage_words

Metric = Literal["loss", "accuracy"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
Over = Literal["epochs", "seconds"]
OVERS: Final[tuple[Over, ...]] = get_args(Over)

_SIDES = (("", "training", "dot"), ("val_", "validation", "solid"))
_FAINT = 0.3
# Four that matter, without zeros behind them.
_DIGITS = ".4~g"


def curves(
    histories: Mapping[str, pd.DataFrame],
    metric: Metric,
    *,
    smoothing: float = 0.0,
    log: bool = False,
    over: Over = "epochs",
) -> go.Figure:
    """A metric over the course of trainings: training dotted, validation solid, the best epoch as a star.

    Runs have a colour each; of a single one, its folds have. Where a stage begins there is a line.

    Args:
        histories: Tables as in `history.csv` by run name.
        metric: Which of the two.
        smoothing: Weight of the epochs before, 0 to below 1; what was measured stays behind, faint.
        log: Whether the metric's axis is logarithmic.
        over: What the other axis counts: epochs through the stages, or the seconds that they took.
    """
    lines = list(_lines(histories, over))
    is_alone = len(lines) == 1
    traces: list[dict[str, Any]] = []
    starts: list[_StageStart] = []
    for line in lines:
        for prefix, side, dash in _SIDES:
            traces += _curve(line, f"{prefix}{metric}", side, dash, smoothing, is_alone=is_alone)
        traces += _best(line, metric, is_alone=is_alone)
        starts += _stage_starts(line, over)
    return figure(
        traces,
        shapes=[vertical_line(start.x, line=start.look) for start in starts],
        annotations=[start.annotation() for start in starts] if is_alone else [],
        height=380,
        xaxis={
            "title": "epoch" if over == "epochs" else "seconds of training",
            "unifiedhovertitle": {"text": "epoch %{x}"},
        },
        yaxis={"title": metric} | _metric_axis(metric, log),
        # Seconds of two runs never agree, so that there is no one place to read them at.
        hovermode="x unified" if over == "epochs" else "closest",
        # Below, where on a phone neither the toolbar nor the plot is in its way.
        legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0},
        margin={"t": 30, "b": 10},
    )


def _metric_axis(metric: Metric, log: bool) -> dict[str, Any]:
    if log:
        return {"type": "log", "exponentformat": "power"}
    return {"rangemode": "tozero"} if metric == "loss" else {"autorangeoptions": {"clipmin": 0, "clipmax": 1}}


@dataclass(frozen=True)
class _Line:
    """A fold of a run: the rows of its history and where they lie; the name as plotly shows it."""

    name: str
    group: str
    colour: str
    history: pd.DataFrame
    x: NDArray[np.float64]
    is_first_of_group: bool


def _lines(histories: Mapping[str, pd.DataFrame], over: Over) -> Iterator[_Line]:
    for index, (run, history) in enumerate(histories.items()):
        seconds = history.groupby("fold")["seconds"].cumsum()
        places = (epoch_numbers(history) if over == "epochs" else seconds).to_numpy(dtype=float)
        folds = history["fold"].to_numpy()
        for nth, fold in enumerate(dict.fromkeys(folds.tolist())):
            words = "" if fold == -1 and nth == 0 else "final fit" if fold == -1 else f"fold {fold}"
            if len(histories) == 1:
                name = words or plain(run)
                yield _Line(name, name, colour(nth), history[folds == fold], places[folds == fold], True)
            else:
                name = f"{plain(run)}, {words}" if words else plain(run)
                yield _Line(name, run, colour(index), history[folds == fold], places[folds == fold], nth == 0)


def _curve(
    line: _Line, column: str, side: str, dash: str, smoothing: float, *, is_alone: bool
) -> Iterator[dict[str, Any]]:
    measured = line.history[column].to_numpy()
    stages = line.history["stage"].to_numpy()
    drawn = measured.copy()
    for stage in dict.fromkeys(stages.tolist()):  # What one stage left behind has no part in the next.
        drawn[stages == stage] = smoothed(measured[stages == stage], smoothing)
    stroke = {"color": line.colour, "dash": dash}
    common = {"x": line.x, "mode": "lines" if len(line.x) > 1 else "markers"} | _group(line, is_alone)
    hover: dict[str, Any] = {"hovertemplate": f"%{{y:{_DIGITS}}}"}
    if not np.array_equal(drawn, measured, equal_nan=True):
        yield scatter(
            name=f"{_label(line, side, is_alone)}, measured", y=measured, line=stroke | {"width": 1}, opacity=_FAINT,
            showlegend=False, hoverinfo="skip", **common,
        )  # fmt: skip
        hover = {"customdata": measured, "hovertemplate": f"%{{y:{_DIGITS}}} (measured %{{customdata:{_DIGITS}}})"}
    if stage_starts(stages):
        hover |= {"text": [plain(stage_words(stage)) for stage in stages]}
        hover["hovertemplate"] += ", %{text}"
    hover["hovertemplate"] += f"<extra>{_label(line, side, is_alone)}</extra>"
    yield scatter(
        # In the legend a curve alone is named by what it shows, one of many by whose it is; the dashes tell the rest.
        name=line.name if side == "validation" and not is_alone else _label(line, side, is_alone),
        showlegend=is_alone or (side == "validation" and line.is_first_of_group),
        y=drawn,
        line=stroke,
        **hover,
        **common,
    )


def _label(line: _Line, what: str, is_alone: bool) -> str:
    return what if is_alone else f"{line.name}, {what}"


def _group(line: _Line, is_alone: bool) -> dict[str, str]:
    """What a click on the legend hides: a curve alone, else all of a run."""
    return {} if is_alone else {"legendgroup": line.group}


@dataclass(frozen=True)
class _StageStart:
    """Where a stage begins, in words too."""

    x: float
    text: str
    is_early: bool
    colour: str

    @property
    def look(self) -> dict[str, Any]:
        return {"color": self.colour, "dash": "dash", "width": 1}

    def annotation(self) -> dict[str, Any]:
        return {
            "text": self.text, "x": self.x, "xref": "x", "y": 1, "yref": "y domain", "yanchor": "top",
            "xanchor": "left" if self.is_early else "right", "showarrow": False,  # Where there is room for words.
        }  # fmt: skip


def _stage_starts(line: _Line, over: Over) -> Iterator[_StageStart]:
    stages = line.history["stage"].tolist()
    for row in stage_starts(stages):
        x = line.x[row] - 0.5 if over == "epochs" else line.x[row - 1]
        yield _StageStart(float(x), plain(stage_words(stages[row])), row < len(stages) / 2, line.colour)


def _best(line: _Line, metric: Metric, *, is_alone: bool) -> Iterator[dict[str, Any]]:
    row = best_row(line.history["val_loss"])
    if row is None:
        return
    yield scatter(
        name="best epoch",
        x=line.x[[row]],
        y=line.history[f"val_{metric}"].to_numpy()[[row]],
        mode="markers",
        marker={"symbol": "star", "size": 14, "color": line.colour, "line": {"color": "white", "width": 1}},
        showlegend=is_alone,
        hovertemplate=f"%{{y:{_DIGITS}}}<extra>{_label(line, 'best epoch', is_alone)}</extra>",
        **_group(line, is_alone),
    )
