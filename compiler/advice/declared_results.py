"""Results that are declared and never read, or never written.

Rules:

- A Result is written to its file: a text that has its path counts, be it a description, and so does any with the
  directory around it. Nothing is told of a Task that runs what a param or its image says.
- The Results of a Task that is no part of one Pipeline are there for others to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monopod.compiler.advice.specs import Specs, WrittenPipeline, WrittenTask
from monopod.compiler.diagnostics import Problem
from monopod.compiler.ordering import paths_in, texts
from monopod.compiler.places import DocumentPlace
from monopod.schemas.tekton import Step, StepActionSpec
from monopod.schemas.variables import Path


def unused_results(specs: Specs) -> Iterator[Problem]:
    """Yield a note for each Result of an embedded Task that neither its Pipeline nor another of its Steps reads."""
    for task in specs.tasks:
        pipeline = task.embedded.around if task.embedded is not None else None
        if pipeline is None or task.is_custom:
            continue
        read = _results_read(pipeline, task.name)
        for index, result in enumerate(task.spec.results):
            if result.name not in read and _steps_that_mention(task, result.name) < 2:
                message = f"nothing in the Pipeline reads the Result '{result.name}' of the Task '{task.name}'"
                yield task.place.at("results", index).problem("unused-result", message, "note")


def _results_read(pipeline: WrittenPipeline, task: str) -> set[str]:
    read: set[str] = set()
    for path in paths_in(pipeline.spec):
        if path[0] in {"tasks", "finally"} and path[1] == task and path[2:3] in {("results",), ("matrix",)}:
            read.update(path[3:4])
    return read


def _steps_that_mention(task: WrittenTask, result: str) -> int:
    path, file = ("results", result, "path"), f"/tekton/results/{result}"
    users = (*task.spec.steps, *task.spec.sidecars)
    return sum(path in paths_in(user) or any(file in text for text in texts(user)) for user in users)


def unwritten_results(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each Result that is declared and whose file no text mentions."""
    for task in specs.tasks:
        found = specs.texts_of(task.spec)
        for index, result in enumerate(task.spec.results if found is not None else ()):
            if result.value or _has_file(found or (), ("results", result.name, "path"), "/tekton/results"):
                continue
            message = (
                f"no Step mentions $(results.{result.name}.path) or /tekton/results; does any write '{result.name}'?"
            )
            yield task.place.at("results", index).problem("unwritten-result", message, "warning")
        for number, step in enumerate(task.spec.steps):
            yield from _unwritten_step_results(step, task.place.at("steps", number))
    for action in specs.step_actions.values():
        yield from _unwritten_step_results(action.spec, action.place)


def _unwritten_step_results(spec: Step | StepActionSpec, place: DocumentPlace) -> Iterator[Problem]:
    if isinstance(spec, Step) and spec.ref is not None:
        return
    found = texts(spec.model_copy(update={"results": ()}))
    for index, result in enumerate(spec.results):
        if not _has_file(found, ("step", "results", result.name, "path"), "/tekton/steps"):
            what = f"the Step does not mention $(step.results.{result.name}.path)"
            message = f"{what}; does it write the Result '{result.name}'?"
            yield place.at("results", index).problem("unwritten-result", message, "warning")


def _has_file(found: Iterable[str], path: Path, directory: str) -> bool:
    """Whether any of these texts mentions the file of a Result, or the directory that it is in."""
    return any(directory in text or path in paths_in(text) for text in found)
