"""What pages share: the run picker, the head of a page, what is said where something is not there."""

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import streamlit as st

from core import runs
from core.config import PROJECT_DIR, default_runs_dir
from core.errors import UserError
from core.runs import BrokenRun, Run, RunError
from dashboard import address, data
from dashboard.progress import end_text, progress_text

_FOUND_RUNS, _CHOSEN_RUN = "found_runs", "chosen_run"
# How often an open page looks whether a training has gone on.
SECONDS_BETWEEN_LOOKS = 2.0

_ICON = re.compile(r":(?=[A-Za-z_+-][\w/+-]*:)")

# Why a finished run may lack a file that is none of the usual ones.
_WHY_NONE = {runs.SUBMISSION_FILE: "Its dataset has no test photos to predict: put them into the folder test of it."}


def choose_run() -> None:
    """Show the run picker in the sidebar; remember what was picked and what there is for the page that is drawn."""
    found, broken = data.list_runs()
    by_name = {run.name: run for run in found}
    labels = {run.name: run_label(run) for run in found}
    asked = address.params().get("run")
    st.session_state[_FOUND_RUNS], st.session_state[_CHOSEN_RUN] = found, None
    with st.sidebar:
        if found:
            run = by_name.get(asked or "", found[0])
            st.session_state[_CHOSEN_RUN] = run
            address.remember_run(run.name, found[0].name)
            st.selectbox(
                "Run",
                list(by_name),
                format_func=lambda name: labels.get(name, name),
                help="Finished runs first, newest first. Train again and refresh this page to see the new run.",
                **address.bound("run", run.name, lambda name: address.go(run=name, photo=None, page=None)),
            )
            if asked and asked not in by_name:
                st.warning(f"No run **{escaped(asked)}** can be read here; this is **{escaped(run.name)}**.")
            _follow(run, [other for other in found if other.state == runs.RUNNING and other is not run])
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
    """A run's name and its most honest accuracy, or what became of it."""
    score = data.first_score(run) if run.state == runs.FINISHED else None
    if score is None:
        return f"{run.name} · {run.state}"
    kind, accuracy = score
    return f"{run.name} · {accuracy:.1%} {kind.title.lower()}"


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
    if _missing(run, needs):
        every = SECONDS_BETWEEN_LOOKS if run.state == runs.RUNNING else None
        st.fragment(_say_missing, run_every=every)(run, needs)
        st.stop()
    return run


@contextlib.contextmanager
def faults_shown() -> Iterator[None]:
    """Say of a file of the picked run that it cannot be used; the sidebar still leads to the other runs."""
    try:
        yield
    except RunError as error:
        run: Run | None = st.session_state[_CHOSEN_RUN]
        name = run.name if run else "this run"
        text = f"A file of run {name} cannot be used. {error} Pick another run, or train again."
        st.error(escaped(text), icon=":material/error:")
    except UserError as error:
        st.error(escaped(str(error)), icon=":material/error:")


def found_runs() -> list[Run]:
    """All runs that can be read, as they were when the page was begun; see `core.runs.list_runs`."""
    found: list[Run] = st.session_state[_FOUND_RUNS]
    return found


def find_run(name: str) -> Run:
    """A run by its name.

    Raises:
        RunError: If there is none that can be read.
    """
    run = next((run for run in found_runs() if run.name == name), None)
    if run is None:
        raise RunError(f"There is no run {name} here that can be read.")
    return run


def previous_run(run: Run) -> Run | None:
    """The newest finished run on the same dataset that is older than this one."""
    older = (
        other
        for other in found_runs()
        if other.state == runs.FINISHED
        and other.info["created"] < run.info["created"]
        and other.info["config"]["data"] == run.info["config"]["data"]
        and other.class_names == run.class_names
    )
    return next(older, None)


def _say_no_run() -> None:
    st.subheader("No run yet", anchor=False)
    st.write(
        "A run is what a training leaves behind. Start one in a terminal, in Maskboard's folder; this page shows it as "
        "soon as it is there."
    )
    where = runs_dir_option()
    st.caption("To see how it works: a drawn dataset, no network, about a minute.")
    st.code(f"python train.py --demo{where}", language="bash")
    st.caption("To learn from your photos, in a folder of your choice:")
    st.code(f"python train.py --data data/MaskDataset{where}", language="bash")
    st.caption(escaped(f"Runs are looked for in {default_runs_dir()}."))
    st.fragment(_rerun_at_first_run, run_every=SECONDS_BETWEEN_LOOKS)()


def runs_dir_option() -> str:
    """What a command must be told of where runs are: another terminal need not know this process' environment."""
    if default_runs_dir() == PROJECT_DIR / "runs":
        return ""
    return f" --runs-dir {shlex.quote(str(default_runs_dir().resolve()))}"


def _rerun_at_first_run() -> None:
    if data.list_runs()[0]:
        st.rerun()


def _follow(shown: Run, others: Sequence[Run]) -> None:
    """Say how the shown run and those that train beside it get on; while one does, this moves by itself."""
    is_moving = bool(others) or shown.state == runs.RUNNING
    follow = st.fragment(_say_states, run_every=SECONDS_BETWEEN_LOOKS if is_moving else None)
    follow(shown.path, shown.state, [other.path for other in others])


def _say_states(shown: Path, state: str, others: Sequence[Path]) -> None:
    """Say how runs get on.

    Args:
        shown: Folder of the run that the page shows.
        state: Its state when the page was drawn; with another one the page is drawn again.
        others: Folders of runs that were training then.
    """
    run = _as_it_is_now(shown)
    if run is None or run.state != state:
        st.rerun()
    elif state == runs.RUNNING:
        show_progress(run, "Training now: ")
    elif state != runs.FINISHED:
        st.caption(escaped(end_text(run)))
    for other in filter(None, map(_as_it_is_now, others)):
        if other.state == runs.RUNNING:
            show_progress(other, f"{other.name} is training: ")
        st.page_link(
            "views/training.py", label=f"Look at {escaped(other.name)}, {other.state}",
            icon=":material/show_chart:", query_params=address.link_params(run=other.name),
        )  # fmt: skip


def _as_it_is_now(folder: Path) -> Run | None:
    """A run, None where somebody has taken it away or made it unreadable."""
    try:
        return data.read_run(folder)
    except RunError:
        return None


def show_how_to_resume(run: Run) -> None:
    """The command that brings a training to its end that has stopped before."""
    if run.state not in (runs.RUNNING, runs.FINISHED):
        st.caption("To bring it to its end, in Maskboard's folder; its features are kept, its epochs begin anew:")
        st.code(f"python train.py --resume {shlex.quote(run.name)}{runs_dir_option()}", language="bash")


def show_progress(run: Run, prefix: str = "") -> None:
    """A bar of how far a running training is, in words above it."""
    progress = run.progress
    st.progress(progress.share if progress else 0.0, escaped(f"{prefix}{progress_text(run)}"))


def _say_broken(broken: list[BrokenRun]) -> None:
    if broken:
        with st.expander(f"{len(broken):,} unreadable {plural(len(broken), 'run')}", icon=":material/warning:"):
            for run in broken:
                st.text(f"{run.name}\n{run.reason}")


def _missing(run: Run, needs: Sequence[str]) -> list[str]:
    return [name for name in needs if not run.has(name)]


def _say_missing(run: Run, needs: Sequence[str]) -> None:
    """Say what a page waits for, if for anything; as soon as it is there, the page is drawn."""
    now, missing = _as_it_is_now(run.path), _missing(run, needs)
    if now is None or not missing:
        st.rerun()
    else:
        st.info(escaped(_why_missing(now, missing[0])), icon=":material/hourglass_empty:")
        show_how_to_resume(now)
        if now.state == runs.RUNNING:
            show_progress(now)
            st.page_link(
                "views/training.py", label="Watch it train", icon=":material/show_chart:",
                query_params=address.link_params(run=now.name),
            )  # fmt: skip


def _why_missing(run: Run, name: str) -> str:
    if run.state == runs.RUNNING:
        return f"This run has not got as far as {name} yet. As soon as it has, this page shows it."
    if run.state == runs.FINISHED:
        return f"This run has no {name}. {_WHY_NONE.get(name, 'Train again to get one.')}"
    return f"{end_text(run)} It has no {name}."


def ink() -> str:
    """The colour of text on the visitor's theme."""
    return "#f3f5f7" if st.context.theme.type == "dark" else "#1c242c"


def plural(n: int, noun: str) -> str:
    """A noun as it follows a number."""
    return noun if n == 1 else f"{noun}s"


def escaped(text: str) -> str:
    """Text from outside, so that nothing in it is taken for Markdown.

    Streamlit puts icons and emoji in the place of `:name:` even where it is escaped; a mark without width prevents it.
    """
    text = _ICON.sub(":\u2060", text)
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|<>$:~&" else letter for letter in text)
