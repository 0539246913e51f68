"""Kill trainings at random moments and run them again: python -m benchmarks.kills [--kills 20] [--seed 0].

Each is killed with SIGKILL at a moment drawn from the time that an undisturbed one takes, with an empty cache or with
one that an earlier kill left; run again, it must give byte-identical predictions. Fine-tuning and views included.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.dataset import make_dataset
from benchmarks.measure import WORK_DIR, machine, train, train_command
from core.runs import read_run

OPTIONS = ("--weights", "random", "--image-size", "32", "--epochs", "12", "--augment", "1", "--fine-tune", "block5",
           "--fine-tune-epochs", "2", "--precision", "float32")  # fmt: skip
TABLES = ("predictions.csv", "submission.csv", "test_predictions.csv")


def main(argv: Sequence[str] | None = None) -> None:
    """Kill, run again, compare; exits with 1 if any differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    print(machine())
    data = make_dataset(WORK_DIR / "photos-kills", 180, 20)
    runs, cache = WORK_DIR / "runs", WORK_DIR / "cache-kills"
    for folder in (runs, cache):
        shutil.rmtree(folder, ignore_errors=True)
    undisturbed = train(data, cache, *OPTIONS, "--name", "undisturbed")
    expected = _tables(runs / "undisturbed")
    rng, n_same = random.Random(options.seed), 0
    for number in range(options.kills):
        if number % 2 == 0:
            shutil.rmtree(cache)
        moment = rng.uniform(0, undisturbed.seconds)
        stage = _kill(data, cache, runs / f"killed-{number}", moment)
        train(data, cache, *OPTIONS, "--name", f"again-{number}")
        same = _tables(runs / f"again-{number}") == expected
        n_same += same
        kept = "cache emptied before" if number % 2 == 0 else "cache kept"
        print(f"{number + 1}: killed after {moment:.1f} s ({stage}; {kept}): {'same bytes' if same else 'DIFFERS'}",
              flush=True)  # fmt: skip
    print(f"{n_same} of {options.kills} gave byte-identical {', '.join(TABLES)}")
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
    if not (run / "run.json").exists():
        return "before its run folder was there"
    info = read_run(run).info
    return str((info["progress"] or {}).get("stage") or f"after {', '.join(info['stage_seconds']) or 'its start'}")


def _tables(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in TABLES]


if __name__ == "__main__":
    main()
