"""The files in which Steps write Results and Artifacts: their paths, and their contents as values. Pure.

Rules: the paths are Tekton's (docs/tasks.md, "Emitting Results"; docs/stepactions.md; docs/artifacts.md). A malformed
file is reported; the others are read nevertheless.
"""

from __future__ import annotations

from collections.abc import Callable

from monopod.coordinator.engine.artifacts import Artifacts, parse_artifacts
from monopod.coordinator.engine.events import ResultsRead
from monopod.coordinator.engine.results import describe_missing_keys, parse_result
from monopod.schemas.plan import ResultDeclaration, Step, Task, Value


def step_directory(step: Step) -> str:
    """Return the name of a Step's directory below `/tekton/steps`."""
    return f"step-{step.name}"


def result_path(result: str) -> str:
    """Return the file of a Task's Result."""
    return f"/tekton/results/{result}"


def artifact_paths(plan: Task | Step) -> tuple[str, ...]:
    """Return the file for the Artifacts of a Task or Step, if it refers to that file."""
    return tuple(text for name, text in plan.variables if name in ("artifacts.path", "step.artifacts.path"))


def step_results_directory(step: Step) -> str:
    """Return where a Step writes its own Results."""
    return f"/tekton/steps/{step_directory(step)}/results"


def step_result_path(step: Step, result: str) -> str:
    """Return the file of a Step's Result."""
    return f"{step_results_directory(step)}/{result}"


def written_paths(task: Task, step: Step) -> tuple[str, ...]:
    """Return the paths that are read after a Step, and no others, since making them readable takes time."""
    paths = ["/tekton/results"] if any(each.value is None for each in task.results) else []
    paths += [step_results_directory(step)] if step.results else []
    return (*paths, *artifact_paths(task), *artifact_paths(step))


def parse_written_artifacts(plan: Task | Step, read: ResultsRead, problems: list[str]) -> list[Artifacts]:
    """Return the Artifacts that a Task or Step wrote. Adds what is wrong with them to `problems`."""
    found = []
    for path in artifact_paths(plan):
        if path in read.files:
            try:
                found.append(parse_artifacts(read.files[path], path))
            except ValueError as error:
                problems.append(str(error))
    return found


def parse_written_results(
    declarations: tuple[ResultDeclaration, ...], path_of: Callable[[str], str], read: ResultsRead, problems: list[str]
) -> dict[str, Value]:
    """Return the values of the declared Results that were written. Adds what is wrong with them to `problems`."""
    values: dict[str, Value] = {}
    for declaration in declarations:
        text = read.files.get(path_of(declaration.name))
        if text is None or declaration.value is not None:
            continue
        try:
            value = values[declaration.name] = parse_result(declaration, text)
        except ValueError as error:
            problems.append(str(error))
        else:
            problems += filter(None, [describe_missing_keys(declaration, value)])
    return values
