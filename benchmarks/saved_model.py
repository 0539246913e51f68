"""Does a run's saved model say what its predictions say? python -m benchmarks.saved_model RUN.

Every photo goes through `model.keras`, in float32 as it was saved; for runs in another precision this tells what that
cost. The dataset must lie where it was.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measure import one_line_errors
from core.checks import Evidence, what_the_network_said
from core.evaluation import probability_columns
from core.predict import load_classifier, predict_photos
from core.runs import read_run


@one_line_errors()
def main(argv: Sequence[str] | None = None) -> None:
    """Compare and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saved_model", description=__doc__)
    parser.add_argument("run", type=Path)
    run = read_run(parser.parse_args(argv).run)
    expected = what_the_network_said(Evidence(run))
    uncalibrated = replace(load_classifier(run), temperature=1.0)
    found, faults = predict_photos(uncalibrated, [run.dataset_dir / image for image in expected["image"]])
    assert not faults, f"unreadable: {', '.join(map(str, faults))}"
    was, now = (table[probability_columns(len(run.class_names))].to_numpy() for table in (expected, found))
    differences = np.abs(now - was).max(axis=1)
    same = (now.argmax(axis=1) == was.argmax(axis=1)).mean()
    print(
        f"{run.name}, trained in {run.info['precision']['name']}, {len(expected)} photos: same class {same:.2%}, "
        f"probabilities within 0.02 for {(differences < 0.02).mean():.2%}, "
        f"99th percentile {np.percentile(differences, 99):.5f}, largest {differences.max():.5f}"
    )


if __name__ == "__main__":
    main()
