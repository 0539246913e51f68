"""What goes into a network: photos, or what its first layers made of them, from disk or from memory."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Inputs(Protocol):
    """What goes into a network, photo by photo: the photos themselves, or features of them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one photo's."""
        ...

    @property
    def n_bytes(self) -> int:
        """What all of them take in memory."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, photos: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Those of some of the photos, shape (n, *shape)."""
        ...

    def take(self, photos: NDArray[np.integer[Any]]) -> "Inputs":
        """Those of some of the photos, still unread."""
        ...

    def batches(self, size: int) -> Iterator[NDArray[np.float32]]:
        """All of them, in order, `size` photos at a time."""
        ...
