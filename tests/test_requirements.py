"""What is imported, what is required and what is locked agree."""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.config import PROJECT_DIR

OURS = {"benchmarks", "core", "dashboard", "docs", "tests", "train"}


@pytest.mark.parametrize(
    ("sources", "files"),
    [
        (["train.py", "core/**/*.py", "dashboard/**/*.py"], ["requirements.txt"]),
        (["tests/*.py", "benchmarks/*.py", "docs/*.py"], ["requirements.txt", "requirements-dev.txt"]),
    ],
)
def test_what_is_imported_is_required(sources: list[str], files: list[str]) -> None:
    required = {name for file in files for name in _names(file)}
    imported = {module for pattern in sources for path in PROJECT_DIR.glob(pattern) for module in _modules(path)}
    third_party = imported - sys.stdlib_module_names - OURS
    assert {"numpy", "pandas", "PIL"} <= third_party
    assert {module for module in third_party if not _distributions(module) <= required} == set()


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_has_a_lower_and_an_upper_bound(file: str) -> None:
    for requirement in _requirements(file):
        assert sorted(bound.operator for bound in requirement.specifier) == ["<", ">="], requirement


def test_the_lock_satisfies_every_requirement() -> None:
    locked = {canonicalize_name(entry.name): _pinned_version(entry) for entry in _requirements("requirements.lock")}
    for requirement in _requirements("requirements.txt"):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not locked; run `make lock`"
        assert version in requirement.specifier, f"{requirement} is locked to {version}; run `make lock`"


def test_the_lock_pins_each_package_once_with_hashes() -> None:
    lines = list(_lines("requirements.lock"))
    assert all("--hash=sha256:" in line for line in lines)
    assert len(_names("requirements.lock")) == len(lines)


def test_the_lock_names_no_registry() -> None:
    text = (PROJECT_DIR / "requirements.lock").read_text()
    assert "://" not in text
    assert not any(line.startswith("-") for line in text.splitlines())


def _modules(path: Path) -> Iterator[str]:
    """Top-level names of all that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


def _distributions(module: str) -> set[str]:
    """What an installer calls a module: `PIL` is pillow's."""
    return {canonicalize_name(name) for name in _installed().get(module, [module])}


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()  # It reads what every installed package consists of.


def _names(file: str) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in _requirements(file)}


def _pinned_version(entry: Requirement) -> str:
    (pin,) = entry.specifier
    assert pin.operator == "==", entry
    return pin.version


def _requirements(file: str) -> list[Requirement]:
    return [Requirement(line.partition(" --hash")[0]) for line in _lines(file) if not line.startswith("-r ")]


def _lines(file: str) -> Iterator[str]:
    """Lines as pip reads them: joined where a backslash ends them, without comments."""
    for line in (PROJECT_DIR / file).read_text(encoding="utf-8").replace("\\\n", "").splitlines():
        content = line.partition("#")[0].strip()
        if content:
            yield content
