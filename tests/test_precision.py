from pathlib import Path

import pytest

from core.precision import Precision, choose_precision, read_cpu_flags

AMX = frozenset({"avx2", "amx_bf16"})
ZEN4 = frozenset({"avx2", "avx512_bf16"})
PLAIN = frozenset({"avx2"})


def chosen(gpus: list[tuple[int, int] | None], flags: frozenset[str] | None) -> str:
    return choose_precision("auto", gpus, flags).name


@pytest.mark.parametrize("flags", [AMX, ZEN4])
def test_a_processor_that_computes_bfloat16_gets_it(flags: frozenset[str]) -> None:
    assert chosen([], flags) == "bfloat16"


@pytest.mark.parametrize("flags", [PLAIN, frozenset(), None])
def test_any_other_processor_gets_float32(flags: frozenset[str] | None) -> None:
    assert chosen([], flags) == "float32"


@pytest.mark.parametrize("capability", [(7, 0), (7, 5), (9, 0)])
def test_a_gpu_with_tensor_cores_gets_float16(capability: tuple[int, int]) -> None:
    assert chosen([capability], AMX) == "float16"


@pytest.mark.parametrize("gpus", [[(6, 1)], [None], [(9, 0), (6, 1)]])
def test_any_other_gpu_gets_float32(gpus: list[tuple[int, int] | None]) -> None:
    assert chosen(gpus, AMX) == "float32"


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken(name: str) -> None:
    assert choose_precision(name, [(9, 0)], PLAIN).name == name


def test_every_choice_has_its_own_reason() -> None:
    choices = [([], AMX), ([], ZEN4), ([], PLAIN), ([], None), ([(9, 0)], PLAIN), ([(6, 1)], PLAIN)]
    reasons = {choose_precision("auto", gpus, flags).reason for gpus, flags in choices}
    assert len(reasons) == len(choices)


@pytest.mark.parametrize(
    ("name", "policy", "n_bytes"),
    [("float32", "float32", 4), ("bfloat16", "mixed_bfloat16", 2), ("float16", "mixed_float16", 2)],
)
def test_weights_stay_in_float32(name: str, policy: str, n_bytes: int) -> None:
    precision = choose_precision(name, [], None)
    assert (precision.policy, precision.n_bytes) == (policy, n_bytes)
    assert isinstance(precision, Precision)


def test_the_processors_flags_are_read_as_linux_lists_them(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\nbugs\t\t: some\n\nprocessor\t: 1\n")
    assert read_cpu_flags(path) == frozenset({"fpu", "avx2", "amx_bf16"})


def test_where_there_are_no_flags_they_are_not_known(tmp_path: Path) -> None:
    assert read_cpu_flags(tmp_path / "absent") is None
    (tmp_path / "arm").write_text("Features\t: fp asimd bf16\n")
    assert read_cpu_flags(tmp_path / "arm") is None
