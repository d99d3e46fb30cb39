"""The compiled runs of a command, and what the record of each keeps so that it can be repeated."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from monopod.compiler.compilation import Compilation
from monopod.runner.records.projects import project_of
from monopod.runner.records.repetition import Repetition
from monopod.runner.records.unrecorded_secrets import without_secret_values
from monopod.runner.repeating.inputs import inputs_of
from monopod.runner.repeating.task_digests import task_digests


@dataclass(frozen=True, slots=True)
class Compiled:
    """Compiled runs. ``whole`` is the repeated run with all its Tasks, ``index`` its number in the files."""

    compilations: tuple[Compilation, ...]
    whole: Compilation | None = None
    index: int = 0


def repetitions(arguments: argparse.Namespace, files: tuple[str, ...], compiled: Compiled) -> tuple[Repetition, ...]:
    """Return what the record of each run keeps so that it can be repeated."""
    words = tuple(sys.argv[2:] if arguments.words is None else arguments.words)
    directory = os.getcwd()
    project = str(project_of(Path(directory)))
    texts = without_secret_values(compiled.compilations[0].texts)
    return tuple(
        Repetition(
            words,
            directory,
            project,
            files,
            texts,
            compiled.index + number,
            task_digests(compiled.whole or compilation),
            inputs=inputs_of(compilation, project),
        )
        for number, compilation in enumerate(compiled.compilations)
    )
