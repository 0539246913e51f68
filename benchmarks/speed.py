"""train.py against the usual way, 20 epochs: python -m benchmarks.speed [--photos 5614] [--data DIR] [--weights FILE].

Both see photos of 224 pixels. One whole epoch of the usual way is measured and multiplied; `train.py` is measured
whole, process start and predictions included, from an empty cache and from a full one. Everything runs one after the
other on the same machine.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.dataset import make_dataset
from benchmarks.measure import WORK_DIR, machine, run_process, train
from core.precision import AUTO, PRECISIONS

N_EPOCHS = 20
# That of the usual way.
_SIZE = 224


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--photos", type=int, default=5614)
    parser.add_argument("--data", type=Path, help="a dataset in the challenge's layout instead of a drawn one")
    parser.add_argument("--weights", default="random", help="file of VGG16's weights")
    parser.add_argument("--precision", default=AUTO, choices=(AUTO, *PRECISIONS))
    options = parser.parse_args(argv)
    data = (options.data or make_dataset(WORK_DIR / f"photos-{options.photos}", options.photos)).resolve()
    weights = options.weights if options.weights == "random" else str(Path(options.weights).resolve())
    print(machine())

    cache = WORK_DIR / "cache-speed"
    shutil.rmtree(cache, ignore_errors=True)
    arguments = ("--weights", weights, "--precision", options.precision, "--image-size", _SIZE)
    empty = train(data, cache, *arguments)
    full = train(data, cache, *arguments, "--split-seed", 1)
    peer_weights = [] if weights == "random" else ["--weights", weights]
    peer = run_process([sys.executable, "-m", "benchmarks.usual_way", data, *peer_weights])
    found = re.search(r"seconds an epoch: ([\d.]+)", peer.output)
    assert found is not None
    usual = float(found[1]) * N_EPOCHS

    print(f"{'':44} {'seconds':>9} {'ratio':>7} {'peak GB':>8}")
    print(f"{f'the usual way, {N_EPOCHS} x one epoch of {found[1]} s':44} {usual:9.1f} {1:7.1f} "
          f"{peer.peak_bytes / 1e9:8.2f}")  # fmt: skip
    for name, run in (("train.py, empty cache", empty), ("train.py, features cached, other split", full)):
        print(f"{name:44} {run.seconds:9.1f} {usual / run.seconds:7.1f} {run.peak_bytes / 1e9:8.2f}")
    print(
        *re.findall(r"^(?:Computing features|Reading photos|Training the head).* in .*$", empty.output, re.M), sep="\n"
    )
    print("cached:", *re.findall(r"^(?:Reading photos|Training the head).* in .*$", full.output, re.M), sep="\n")


if __name__ == "__main__":
    main()
