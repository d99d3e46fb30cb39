"""Compiling a recorded run again, and what the next record keeps of it.

The run is compiled twice: whole, to see which Tasks have changed, and then with the Tasks that run again. If what they
need was kept by `--keep`, the Workspaces are bound to it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monopod.compiler.compilation import Compilation
from monopod.compiler.diagnostics import Problem, Problems
from monopod.runner.commands.options.input import compile_documents
from monopod.runner.records.projects import project_of
from monopod.runner.records.repetition import Repetition
from monopod.runner.repeating.reuse import Repeated, kept_workspaces, lost_problems, lost_volumes, selection_of
from monopod.runner.repeating.task_digests import task_digests


@dataclass(frozen=True, slots=True)
class Compiled:
    """Compiled runs. ``whole`` is the repeated run with all its Tasks, ``index`` its number in the files."""

    compilations: tuple[Compilation, ...]
    whole: Compilation | None = None
    index: int = 0


def compile_again(
    arguments: argparse.Namespace, repeated: Repeated, further: Callable[[], Mapping[str, Any]], **options: Any
) -> Compiled:
    """Compile the Tasks of a recorded run that run again. Raises Problems, also if files that they need are gone."""
    whole = _one(compile_documents(arguments, further, **options), repeated)
    selection = selection_of(repeated, whole)
    part = _one(compile_documents(arguments, further, selection=selection, **options), repeated)
    lost = lost_volumes(whole, part)
    kept = kept_workspaces(repeated, lost)
    problems = list(lost_problems(repeated, {name: lost[name] for name in lost if lost[name] not in kept}))
    if problems:
        raise Problems(problems)
    if kept:
        arguments.workspaces = [*arguments.workspaces, *kept.items()]
        part = _one(compile_documents(arguments, further, selection=selection, **options), repeated)
    return Compiled((part,), whole, repeated.index)


def _one(compilations: Sequence[Compilation], repeated: Repeated) -> Compilation:
    if repeated.index >= len(compilations):
        message = f"the files no longer define the run of {repeated.name}; use monopod run"
        raise Problems([Problem(None, message, "nothing-to-run")])
    return compilations[repeated.index]


def repetitions(arguments: argparse.Namespace, files: tuple[str, ...], compiled: Compiled) -> tuple[Repetition, ...]:
    """Return what the record of each run keeps so that it can be repeated."""
    words = tuple(sys.argv[2:] if arguments.words is None else arguments.words)
    directory = os.getcwd()
    project = str(project_of(Path(directory)))
    return tuple(
        Repetition(
            words,
            directory,
            project,
            files,
            compilation.texts,
            compiled.index + number,
            task_digests(compiled.whole or compilation),
        )
        for number, compilation in enumerate(compiled.compilations)
    )
