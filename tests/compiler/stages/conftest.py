"""Fixtures of the tests of the compiler's stages: compiling a text, and the problems of a text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.schemas.plan import Pipeline, Task

Compile = Callable[..., Compilation]


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compile:
    """Compiles a text as the file ``p.yaml``; keywords are fields of `Options`."""

    def compile_text(text: str, **options: Any) -> Compilation:
        monkeypatch.chdir(tmp_path)
        Path("p.yaml").write_text(textwrap.dedent(text))
        (compilation,) = compile_runs(load(["p.yaml"]), Options(**options))
        return compilation

    return compile_text


@pytest.fixture
def problems(compiled: Compile) -> Callable[..., list[str]]:
    """Returns the problems of a text as lines or, if there are none, its warnings."""

    def lines(text: str, **options: Any) -> list[str]:
        try:
            return [str(warning) for warning in compiled(text, **options).warnings]
        except Problems as error:
            return [str(problem) for problem in error.problems]

    return lines


@pytest.fixture
def task_of() -> Callable[[Compilation | Pipeline, str], Task]:
    """Returns a PipelineTask of a Plan by its path, such as ``scan/codeql``."""

    def find(source: Compilation | Pipeline, path: str) -> Task:
        pipeline = source if isinstance(source, Pipeline) else source.plan.pipeline
        name, _, rest = path.partition("/")
        task = next(task for task in (*pipeline.tasks, *pipeline.final_tasks) if task.name == name)
        if not rest:
            return task
        assert task.pipeline is not None
        return find(task.pipeline, rest)

    return find


@pytest.fixture
def container_of() -> Callable[[Compilation, str], dict[str, Any]]:
    """Returns a container of a Pod by its name."""

    def find(source: Compilation, name: str) -> dict[str, Any]:
        containers: list[dict[str, Any]] = source.pod["spec"]["containers"]
        return next(container for container in containers if container["name"] == name)

    return find
