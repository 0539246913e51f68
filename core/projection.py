"""Embeddings -> a place in the plane for each photo: principal components, and t-SNE where somebody asks for it.

t-SNE takes a minute at 6,000 photos, and scikit-learn says how far it is on the standard output only. So it runs in a
process of its own, `python -m core.projection FOLDER`, that can be listened to and stopped.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config import PROJECT_DIR

Places = NDArray[np.float32]

# t-SNE starts from so many principal components: the rest is mostly noise, and it is faster.
_MAX_COMPONENTS = 50
_PERPLEXITY = 30.0
_N_ITERATIONS = 1000
_FEWEST_PHOTOS = 4
# Two threads add up their shares to the same bits whoever is first, more do not. Passive: they do not spin while
# another process has the processor.
_THREADS = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
_ITERATION = re.compile(r"\[t-SNE\] Iteration (\d+):")
_COMPONENTS_FILE, _PLACES_FILE = "components.npy", "places.npy"


def pca(embeddings: NDArray[np.floating[Any]]) -> Places:
    """The first two principal components.

    Args:
        embeddings: Shape (n, d).

    Returns:
        Shape (n, 2), about the mean; 0 where there is no second or no first component. Signs are such that the
        largest loading of a component is positive.
    """
    places = np.zeros((len(embeddings), 2), dtype=np.float32)
    components = _principal_components(embeddings, 2)
    places[:, : components.shape[1]] = components
    return places


def _principal_components(embeddings: NDArray[np.floating[Any]], n_at_most: int) -> NDArray[np.float32]:
    from sklearn.decomposition import PCA

    if len(embeddings) < 2:
        return np.zeros((len(embeddings), 0), dtype=np.float32)
    # By ourselves and exactly: photos that are all alike have no spread at all, and float32 is enough for the rest.
    centred = embeddings.astype(np.float32)
    centred -= embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    # This solver needs no second copy of the embeddings.
    components = PCA(min(n_at_most, *embeddings.shape), svd_solver="covariance_eigh")
    with np.errstate(divide="ignore", invalid="ignore"):  # Shares of a variance that is 0; nobody asks for them.
        return np.asarray(components.fit_transform(centred), dtype=np.float32)


def tsne(embeddings: NDArray[np.floating[Any]], on_progress: Callable[[float], object] | None = None) -> Places:
    """t-SNE (L. van der Maaten, G. Hinton, 2008), started from the principal components.

    Args:
        embeddings: Shape (n, d).
        on_progress: Called with the share that is done, 0..1. What it raises stops the work.

    Returns:
        Shape (n, 2), the same each time on the same machine. Fewer than 4 photos, and photos that are all alike, are
        placed as by `pca`.
    """
    components = _principal_components(embeddings, _MAX_COMPONENTS)
    if len(components) < _FEWEST_PHOTOS or components.shape[1] < 2 or not components.any():
        return pca(embeddings)
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, _COMPONENTS_FILE), components)
        _run_elsewhere(folder, on_progress or (lambda share: None))
        places: Places = np.load(Path(folder, _PLACES_FILE), allow_pickle=False)
    return places


def _run_elsewhere(folder: str, on_progress: Callable[[float], object]) -> None:
    on_progress(0.0)
    command = [sys.executable, "-u", "-m", "core.projection", folder]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, cwd=PROJECT_DIR, env=os.environ | _THREADS, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                if found := _ITERATION.match(line):
                    on_progress(int(found[1]) / _N_ITERATIONS)
        except BaseException:  # Nobody waits for it any more.
            process.kill()
            raise
        if process.wait():
            errors.seek(0)
            raise RuntimeError(f"t-SNE failed: {errors.read().decode(errors='replace').strip()}")
    on_progress(1.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Read components from a folder and leave their t-SNE there, telling the standard output how far it is."""
    from sklearn.manifold import TSNE

    (folder,) = sys.argv[1:] if argv is None else argv
    components = np.load(Path(folder, _COMPONENTS_FILE), allow_pickle=False)
    perplexity = min(_PERPLEXITY, (len(components) - 1) / 3)
    method = TSNE(init="pca", perplexity=perplexity, max_iter=_N_ITERATIONS, random_state=0, verbose=2)
    np.save(Path(folder, _PLACES_FILE), method.fit_transform(components).astype(np.float32))


if __name__ == "__main__":
    main()
