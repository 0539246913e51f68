"""Kill trainings at random moments and go on with them: python -m benchmarks.kills [--kills 50] [--seed 0].

Each is killed with SIGKILL at a moment drawn from the time that an undisturbed one takes, with an empty cache or with
one that an earlier kill left. Its folder must be readable and its state told truthfully at once; gone on with by
`train.py --resume`, it must give byte-identical predictions. Fine-tuning and views included.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.dataset import make_dataset
from benchmarks.measure import WORK_DIR, machine, run_process, train, train_command
from core.runs import DIED, FINISHED, RUN_FILE, list_runs, read_run

OPTIONS = ("--weights", "random", "--image-size", "32", "--epochs", "12", "--augment", "1", "--fine-tune", "block5",
           "--fine-tune-epochs", "2", "--precision", "float32")  # fmt: skip
BEFORE = "before its run folder was there"
TABLES = ("predictions.csv", "submission.csv", "test_predictions.csv")


def main(argv: Sequence[str] | None = None) -> None:
    """Kill, go on, compare; exits with 1 if any differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    print(machine())
    data = make_dataset(WORK_DIR / "photos-kills", 180, 20)
    runs, cache = WORK_DIR / "runs", WORK_DIR / "cache-kills"
    for folder in (runs, cache):
        shutil.rmtree(folder, ignore_errors=True)
    undisturbed = train(data, cache, *OPTIONS, "--name", "undisturbed")
    expected = _tables(runs / "undisturbed")
    rng, n_same, stages = random.Random(options.seed), 0, Counter[str]()
    for number in range(options.kills):
        if number % 2 == 0:
            shutil.rmtree(cache)
        moment = rng.uniform(0, undisturbed.seconds)
        run = runs / f"killed-{number}"
        stage = _kill(data, cache, run, moment)
        stages[stage] += 1
        is_same = _told_truly(run, stage) and _go_on(data, cache, run) == expected
        n_same += is_same
        kept = "cache emptied before" if number % 2 == 0 else "cache kept"
        print(f"{number + 1}: killed after {moment:.1f} s ({stage}; {kept}): {'same bytes' if is_same else 'DIFFERS'}",
              flush=True)  # fmt: skip
    print("killed while: " + ", ".join(f"{stage} {n}" for stage, n in stages.most_common()))
    print(f"{n_same} of {options.kills} were told truly and gave byte-identical {', '.join(TABLES)}")
    sys.exit(n_same < options.kills)


def _kill(data: Path, cache: Path, run: Path, moment: float) -> str:
    """Train until the moment has come; returns the stage that it had come to."""
    process = subprocess.Popen(
        train_command(data, run.parent, *OPTIONS, "--name", run.name),
        env={**os.environ, "MASKBOARD_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(moment)
    process.kill()
    process.wait()
    if not (run / RUN_FILE).exists():
        return BEFORE
    info = read_run(run).info
    if info["state"] == FINISHED:
        return FINISHED
    return str((info["progress"] or {}).get("stage") or f"after {', '.join(info['stage_seconds']) or 'its start'}")


def _told_truly(run: Path, stage: str) -> bool:
    """Whether a run that was killed is listed as what it is, and none as broken."""
    found, broken = list_runs(run.parent)
    state = {each.name: each.state for each in found}.get(run.name)
    return not broken and state == {BEFORE: None, FINISHED: FINISHED}.get(stage, DIED)


def _go_on(data: Path, cache: Path, run: Path) -> list[bytes]:
    """Bring a run to its end; returns what it says."""
    if not (run / RUN_FILE).exists():
        shutil.rmtree(run, ignore_errors=True)
        train(data, cache, *OPTIONS, "--name", run.name)
    elif read_run(run).state != FINISHED:
        command = [sys.executable, "train.py", "--resume", run.name, "--runs-dir", str(run.parent)]
        run_process(command, MASKBOARD_CACHE=cache)
    return _tables(run)


def _tables(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in TABLES]


if __name__ == "__main__":
    main()
