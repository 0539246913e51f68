"""What pages share: the run picker, the head of a page, what is said where something is not there."""

import contextlib
from collections.abc import Mapping, Sequence

import streamlit as st

from core import runs
from core.config import default_runs_dir
from core.runs import BrokenRun, Run, RunError
from dashboard import address, data

_CHOSEN_RUN = "chosen_run"

START_COMMANDS = """\
python train.py --demo                     # a drawn dataset, no network, about a minute
python train.py --data data/MaskDataset    # your photos"""

# Why a finished run may lack a file that is none of the usual ones.
_WHY_NONE = {runs.SUBMISSION_FILE: "Its dataset has no test photos to predict: put them into the folder test of it."}


def choose_run() -> None:
    """Show the run picker in the sidebar and remember what was picked for `open_page`."""
    found, broken = runs.list_runs(default_runs_dir())
    by_name = {run.name: run for run in found}
    asked = address.params().get("run")
    st.session_state[_CHOSEN_RUN] = None
    with st.sidebar:
        if found:
            run = by_name.get(asked or "", found[0])
            st.session_state[_CHOSEN_RUN] = run
            address.remember_run(run.name, found[0].name)
            st.selectbox(
                "Run",
                list(by_name),
                format_func=lambda name: run_label(by_name[name]) if name in by_name else name,
                help="Finished runs first, newest first. Train again and refresh this page to see the new run.",
                **address.bound("run", run.name, lambda name: address.go(run=name, photo=None, page=None)),
            )
            if asked and asked not in by_name:
                st.warning(f"No run **{escaped(asked)}** can be read here; this is **{escaped(run.name)}**.")
            _say_state(run)
            newest = found[0]
            if newest.state == runs.FINISHED and newest.info["created"] > run.info["created"]:
                st.caption(f"There is a newer one: {escaped(newest.name)}.")
        _say_broken(broken)


def link_pages(pages: Mapping[str, Sequence[st.Page]]) -> None:
    """The menu: links that keep the run and the selection."""
    with st.sidebar:
        for section, members in pages.items():
            st.caption(section)
            for page in members:
                st.page_link(page, query_params=address.link_params(), width="stretch")


def run_label(run: Run) -> str:
    """A run's name and its accuracy, or what became of it."""
    if run.state == runs.FINISHED and run.has(runs.METRICS_FILE):
        with contextlib.suppress(RunError):
            return f"{run.name} · {data.metrics(run)['accuracy']:.1%}"
    return f"{run.name} · {run.state}"


def open_page(title: str, how_to_read: str, needs: Sequence[str] = ()) -> Run:
    """Begin a page: its title, one sentence on how to read it, the run's notices.

    Ends the page with a hint where there is no run, or where the run lacks a file that the page needs.

    Args:
        title: The page's heading.
        how_to_read: One sentence.
        needs: Names of files in the run folder.

    Returns:
        The run that was picked.
    """
    st.header(title, anchor=False)
    run: Run | None = st.session_state[_CHOSEN_RUN]
    if run is None:
        _say_no_run()
        st.stop()
    st.caption(how_to_read)
    if run.info["notices"]:
        st.info("  \n".join(escaped(str(notice)) for notice in run.info["notices"]), icon=":material/info:")
    missing = [name for name in needs if not run.has(name)]
    if missing:
        st.info(escaped(_why_missing(run, missing[0])), icon=":material/hourglass_empty:")
        st.stop()
    return run


def show_broken_file(error: RunError) -> None:
    """Say that a file of the picked run cannot be used; the sidebar still leads to the others."""
    run: Run | None = st.session_state[_CHOSEN_RUN]
    name = run.name if run else "this run"
    text = f"A file of run {name} cannot be used. {error} Pick another run, or train again."
    st.error(escaped(text), icon=":material/error:")


def previous_run(run: Run) -> Run | None:
    """The newest finished run on the same dataset that is older than this one."""
    found, _ = runs.list_runs(default_runs_dir())
    older = (
        other
        for other in found
        if other.state == runs.FINISHED
        and other.info["created"] < run.info["created"]
        and other.info["config"]["data"] == run.info["config"]["data"]
        and other.class_names == run.class_names
    )
    return next(older, None)


def _say_no_run() -> None:
    st.subheader("No run yet", anchor=False)
    st.write("A run is what a training leaves behind. Start one in a terminal, then refresh this page:")
    st.code(START_COMMANDS, language="bash")
    st.caption(f"Runs are looked for in {default_runs_dir()}.")


def _say_state(run: Run) -> None:
    if run.state == runs.RUNNING:
        st.caption(f"Training now: {progress_text(run)}. Refresh to see how far it is.")
    elif run.state != runs.FINISHED:
        st.caption(escaped(_unfinished_text(run)))


def _say_broken(broken: list[BrokenRun]) -> None:
    if broken:
        with st.expander(
            f"{len(broken)} unreadable {'run' if len(broken) == 1 else 'runs'}", icon=":material/warning:"
        ):
            for run in broken:
                st.text(f"{run.name}\n{run.reason}")


def _why_missing(run: Run, name: str) -> str:
    if run.state == runs.RUNNING:
        return f"This run has not got as far as {name} yet ({progress_text(run)}). Refresh in a while."
    if run.state == runs.FINISHED:
        return f"This run has no {name}. {_WHY_NONE.get(name, 'Train again to get one.')}"
    return f"{_unfinished_text(run)} It has no {name}."


def _unfinished_text(run: Run) -> str:
    if run.state == runs.INTERRUPTED:
        return "This training was interrupted before its end."
    if run.state == runs.DIED:
        return "This training ended without a word: its process is gone."
    return f"This training failed: {run.info.get('error', 'no reason was recorded')}"


def ink() -> str:
    """The colour of text on the visitor's theme."""
    return "#f3f5f7" if st.context.theme.type == "dark" else "#1c242c"


def escaped(text: str) -> str:
    """Text from outside, so that nothing in it is taken for Markdown."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|<>$:~" else letter for letter in text)


def progress_text(run: Run) -> str:
    """How far a running training is, for a person."""
    progress = run.info.get("progress")
    if not isinstance(progress, dict):
        return "between two stages"
    return f"{progress.get('stage')}, {progress.get('done')} of {progress.get('total')}"
