"""In which numbers the network computes: what was asked for, or what the machine does fastest.

bfloat16 is several times as fast as float32 on a processor with instructions for it, and slower on others; float16 is
for GPUs with tensor cores. Weights are float32 throughout, and so is the model that is saved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

PrecisionName = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[str, ...] = get_args(PrecisionName)
AUTO = "auto"

_CPU_INFO = Path("/proc/cpuinfo")
# As Linux names the instruction sets that multiply bfloat16.
_BFLOAT16_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
# NVIDIA's first generation with tensor cores, Volta.
_FIRST_WITH_TENSOR_CORES = (7, 0)


@dataclass(frozen=True)
class Precision:
    """The numbers to compute in, and why, for a person."""

    name: PrecisionName
    reason: str

    @property
    def policy(self) -> str:
        """Keras' name for it: layers compute in it and keep their weights in float32."""
        return self.name if self.name == "float32" else f"mixed_{self.name}"

    @property
    def n_bytes(self) -> int:
        """Bytes a number."""
        return 4 if self.name == "float32" else 2


def choose_precision(asked: str, gpus: Sequence[tuple[int, int] | None], cpu_flags: frozenset[str] | None) -> Precision:
    """Decide on the precision.

    Args:
        asked: A precision's name or `auto`.
        gpus: CUDA compute capability of each GPU that TensorFlow sees, None where it is not known.
        cpu_flags: As from `read_cpu_flags`.
    """
    for name in get_args(PrecisionName):
        if asked == name:
            return Precision(name, "asked for")
    if gpus:
        return _for_gpus(gpus)
    if cpu_flags is None:
        return Precision("float32", "whether this processor computes bfloat16 natively is not known")
    for flag, instructions in _BFLOAT16_FLAGS.items():
        if flag in cpu_flags:
            return Precision("bfloat16", f"this processor computes it natively ({instructions})")
    return Precision("float32", "this processor has neither AMX nor AVX512-BF16, which compute bfloat16 natively")


def _for_gpus(gpus: Sequence[tuple[int, int] | None]) -> Precision:
    if all(gpu is not None and gpu >= _FIRST_WITH_TENSOR_CORES for gpu in gpus):
        return Precision("float16", "CUDA compute capability 7.0 or higher: tensor cores")
    return Precision("float32", "not every GPU here is known to have CUDA compute capability 7.0, and so tensor cores")


def read_cpu_flags(path: Path = _CPU_INFO) -> frozenset[str] | None:
    """Names of the processor's instruction sets; None where the system does not tell, as on Windows and macOS."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return None
