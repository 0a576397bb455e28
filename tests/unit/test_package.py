"""The package's face: what it exports, and what it costs to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import supervisor


def test_every_exported_name_can_be_had() -> None:
    for name in supervisor.__all__:
        assert getattr(supervisor, name) is not None


def test_the_type_checker_is_told_of_the_same_names() -> None:
    tree = ast.parse(Path(supervisor.__file__).read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    told = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {*told, "__version__"} == set(supervisor.__all__)
    for name, module in told.items():
        assert module is not None
        assert getattr(import_module(module), name) is getattr(supervisor, name)


def test_the_small_processes_load_neither_asyncio_nor_pickling() -> None:
    for module in ("guardian.guardian", "master.master", "broker.server"):
        found = subprocess.run(
            [sys.executable, "-c", f"import sys, supervisor.{module}; print(sorted(sys.modules))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "'asyncio'" not in found
        assert "'cloudpickle'" not in found
