"""Commands that only compile never pause for Python's garbage collector: they create hardly any garbage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monopod.runner.command_line import main

TASK = """\
  - name: task-{0}
    taskSpec: {{steps: [{{name: say, image: busybox, script: echo {0}}}]}}
"""
PIPELINE = "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: many}\nspec:\n  tasks:\n" + "".join(
    map(TASK.format, range(100))
)


@pytest.fixture
def interrupted() -> Iterator[list[str]]:
    """The functions of the compiler that a garbage collection interrupted."""
    functions = []

    def collected(phase: str, _: dict[str, int]) -> None:
        frame = sys._getframe()
        while phase == "start" and (outer := frame.f_back) is not None:
            frame = outer
            if frame.f_globals.get("__name__", "").startswith("monopod.compiler."):
                functions.append(frame.f_code.co_qualname)

    gc.callbacks.append(collected)
    yield functions
    gc.callbacks.remove(collected)


@pytest.mark.parametrize("command", ["check", "compile", "convert", "graph", "resolve"])
def test_a_command_that_compiles_is_not_interrupted(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: list[str]
) -> None:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["monopod", command, "-f", "pipeline.yaml"])
    assert main() == 0
    assert interrupted == []
    assert gc.isenabled()
