"""A photo's prediction and explanation against the bare forward pass: python -m benchmarks.live_prediction.

Batches of one photo, warm, by a saved and loaded network with random weights. The bare pass has its photo in memory as
the network wants it; the others begin with the bytes of a 612 x 408 JPEG and end with probabilities, or with
probabilities, an embedding and a picture of Grad-CAM for each class in the photo's size. They take turns, round by
round, so that a machine that slows down slows all of them.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.dataset import SIZE as PHOTO_SIZE
from benchmarks.dataset import make_dataset
from benchmarks.measure import WORK_DIR, machine, seconds_of
from core.cache import Features
from core.explain import Explainer, heat_on_photo, overlay_png
from core.model import IMAGE, LAYER_OF_HEAD, build_base, build_head, cut, join, load_model
from core.predict import Classifier
from core.weights import find_weights

IMAGE_SIZE, CLASS_NAMES = 224, ("nobody", "everybody", "somebody")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the times and their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_prediction", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--head", choices=sorted(LAYER_OF_HEAD), default="gap")
    options = parser.parse_args(argv)
    photo = (make_dataset(WORK_DIR / "photos-1", 1) / "training" / "10000.jpg").read_bytes()
    classifier = _classifier(options.head)
    explainer = Explainer(classifier)
    bare = _bare_forward(classifier, photo)

    def explain() -> None:
        explanation = explainer.explain(classifier.load(photo))
        for heat in explanation.heat:
            overlay_png(heat_on_photo(heat, classifier.resize, PHOTO_SIZE, IMAGE_SIZE))

    tasks = {"prediction": lambda: classifier.predict_and_embed([classifier.load(photo)]), "with Grad-CAM": explain}
    for task in (bare, *tasks.values()):
        task()  # Warm-up.
    print(machine())
    print(f"head {options.head}, {options.rounds} rounds, batches of one photo of {IMAGE_SIZE} pixels")
    rounds = [[seconds_of(task) for task in (bare, *tasks.values())] for _ in range(options.rounds)]
    bare_seconds, *others = zip(*rounds, strict=True)
    print(f"{'bare forward pass':18} {1000 * statistics.median(bare_seconds):7.1f} ms")
    for name, seconds in zip(tasks, others, strict=True):
        ratios = np.array(seconds) / np.array(bare_seconds)
        print(f"{name:18} {1000 * statistics.median(seconds):7.1f} ms, median ratio {np.median(ratios):.2f} "
              f"(95th percentile {np.percentile(ratios, 95):.2f})")  # fmt: skip


def _classifier(head_name: str) -> Classifier:
    """As a run saves it, with weights that nobody learnt."""
    keras.utils.set_random_seed(0)
    part = cut(build_base(find_weights("random"), IMAGE_SIZE), IMAGE, LAYER_OF_HEAD[head_name])
    features = np.random.default_rng(0).random((16, *part.output_shape[1:]), dtype=np.float32)
    model = join(part, build_head(Features.of(features), 256, 0.5, len(CLASS_NAMES)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return Classifier(load_model(path), CLASS_NAMES, IMAGE_SIZE, "squash")


def _bare_forward(classifier: Classifier, photo: bytes) -> Callable[[], object]:
    forward = tf.function(lambda batch: classifier.model(batch, training=False))
    batch = tf.constant(classifier.load(photo)[None].astype(np.float32))
    return lambda: forward(batch).numpy()


if __name__ == "__main__":
    main()
