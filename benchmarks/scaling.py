"""Cost against the number of photos: python -m benchmarks.scaling [--photos 500 1000 2000 5614] [-- OPTIONS].

`train.py` whole from an empty cache, once a size: seconds and peak memory, with photos of 224 pixels unless told
otherwise. What follows `--` goes to `train.py`, for example `--head flatten` or `--fine-tune block5`.
"""

import argparse
import shutil
from collections.abc import Sequence

from benchmarks.dataset import make_dataset
from benchmarks.measure import WORK_DIR, machine, train


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a row a size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--photos", type=int, nargs="+", default=[500, 1000, 2000, 5614])
    parser.add_argument("options", nargs="*", help="options of train.py, after --")
    options = parser.parse_args(argv)
    arguments = ("--weights", "random", "--image-size", "224", *options.options)
    print(machine())
    print("train.py", *arguments)
    print(f"{'photos':>8} {'seconds':>9} {'ms a photo':>11} {'peak GB':>8}")
    for n_photos in options.photos:
        data = make_dataset(WORK_DIR / f"photos-{n_photos}", n_photos)
        cache = WORK_DIR / "cache-scaling"
        shutil.rmtree(cache, ignore_errors=True)
        run = train(data, cache, *arguments)
        milliseconds = 1000 * run.seconds / n_photos
        print(f"{n_photos:8} {run.seconds:9.1f} {milliseconds:11.1f} {run.peak_bytes / 1e9:8.2f}", flush=True)


if __name__ == "__main__":
    main()
