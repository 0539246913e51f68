"""How far a training is and how it ended, in words that a person knows; no Streamlit."""

from datetime import UTC, datetime

from core import runs
from core.runs import Progress, Run

# What a training does in a stage, and what a step of it is.
_STAGES = {
    "photos": ("reading photos", "photos"),
    "features": ("computing features", "photos"),
    "head": ("training the head", "epochs"),
    "fine_tune": ("fine-tuning", "epochs"),
    "predict": ("predicting", "photos"),
}


def stage_words(stage: str) -> str:
    """What a training does in a stage: "fine-tuning"."""
    return _STAGES.get(stage, (stage.replace("_", " "), ""))[0]


def progress_text(run: Run, now: datetime | None = None) -> str:
    """What a running training does, how far that is, how fast, and what it still takes.

    Args:
        run: The run.
        now: The time; None takes the clock's.
    """
    progress = run.progress
    if progress is None:
        return "between two stages" if run.info.get("stage_seconds") else "starting"
    parts = [f"{stage_words(progress.stage)}, {steps_text(progress)} ({_percent(progress.share)})"]
    unit = _unit(progress)
    if progress.rate is not None and unit != "epochs":  # Epochs a second tell nobody anything.
        parts.append(f"{_rate_text(progress.rate)} {unit}/s")
    left = progress.seconds_left(_seconds_since(run, now or datetime.now(UTC)))
    if left is not None:
        # Epochs end as soon as the validation loss does not fall any more.
        parts.append(f"{'at most ' if unit == 'epochs' else ''}{duration_text(left)} left")
    return ", ".join(parts)


def steps_text(progress: Progress) -> str:
    """How many steps of a stage are done: "320 of 5,614 photos"."""
    unit = _unit(progress)
    limit = "at most " if unit == "epochs" else ""
    return f"{progress.done:,} of {limit}{progress.total:,} {unit}"


def end_text(run: Run) -> str:
    """How a training ended that did not get to its end, and where it was."""
    where = f" while {stage_words(run.progress.stage)}, {steps_text(run.progress)}" if run.progress else ""
    if run.state == runs.INTERRUPTED:
        return f"This training was interrupted before its end{where}."
    if run.state == runs.DIED:
        return f"This training ended without a word{where}: its process is gone."
    reason = str(run.info.get("error", "no reason was recorded"))
    return f"This training failed{where}: {reason.removesuffix('.')}."


def duration_text(seconds: float) -> str:
    """A time as a person would say it: "40 s", "12 min", "1 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def _unit(progress: Progress) -> str:
    return _STAGES.get(progress.stage, ("", "steps"))[1]


def _percent(share: float) -> str:
    """Not 100 % before all is done."""
    return f"{int(100 * share)} %"


def _rate_text(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _seconds_since(run: Run, now: datetime) -> float:
    """Seconds since the run was written down; 0 where that cannot be told."""
    try:
        return (now - datetime.fromisoformat(str(run.info.get("updated")))).total_seconds()
    except (ValueError, TypeError):
        return 0.0
