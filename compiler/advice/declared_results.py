"""Results that are declared and never read, or never written.

Rules:

- A Result counts as written if any text, even a description, contains the path of its file or of the directory.
  Tasks that run what a param or their image says are not checked.
- Results of Tasks that are not embedded in a Pipeline may be read elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from monopod.compiler.advice.specs import Specs, WrittenPipeline, WrittenTask
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.scope.texts import paths_in, texts
from monopod.schemas.tekton.tasks import Step, StepActionSpec

_FILE = re.compile(r"/tekton/results/([\w.-]*)")


def unused_results(specs: Specs) -> Iterator[Problem]:
    """Yield a note for each Result of an embedded Task that neither the Pipeline nor another of its Steps reads."""
    read_in = {id(pipeline): _results_read(pipeline) for pipeline in specs.pipelines}
    for task in specs.tasks:
        pipeline = task.embedded.outer if task.embedded is not None else None
        if pipeline is None or task.is_custom:
            continue
        read = read_in[id(pipeline)].get(task.name, set())
        unread = {result.name for result in task.spec.results} - read
        users = _users(task, unread) if unread else {}
        for index, result in enumerate(task.spec.results):
            if result.name in unread and users[result.name] < 2:
                message = f"nothing in the Pipeline reads the Result '{result.name}' of the Task '{task.name}'"
                yield task.place.at("results", index).problem("unused-result", message, "note")


def _results_read(pipeline: WrittenPipeline) -> dict[str, set[str]]:
    """Return the Results that a Pipeline reads, by Task."""
    read: dict[str, set[str]] = {}
    for path in paths_in(pipeline.spec):
        if path[0] in {"tasks", "finally"} and path[2:3] in {("results",), ("matrix",)}:
            read.setdefault(path[1], set()).update(path[3:4])
    return read


def _users(task: WrittenTask, results: Collection[str]) -> Counter[str]:
    """Return how many Steps and Sidecars mention the path of each Result, or a path that starts with it."""
    lengths = set(map(len, results))
    users: Counter[str] = Counter()
    for user in (*task.spec.steps, *task.spec.sidecars):
        own_texts = texts(user)
        mentioned = {path[1] for path in paths_in(own_texts) if path[0] == "results" and path[2:] == ("path",)}
        files = (match[1] for text in own_texts for match in _FILE.finditer(text))
        mentioned |= {file[:length] for file in files for length in lengths}
        users.update(mentioned.intersection(results))
    return users


def unwritten_results(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each declared Result whose file no text mentions."""
    for task in specs.tasks:
        yield from _unwritten_task_results(task, specs)
        for number, step in enumerate(task.spec.steps):
            yield from _unwritten_step_results(step, task.place.at("steps", number))
    for action in specs.step_actions.values():
        yield from _unwritten_step_results(action.spec, action.place)


def _unwritten_task_results(task: WrittenTask, specs: Specs) -> Iterator[Problem]:
    task_texts = specs.texts_of(task.spec) if task.spec.results else None
    if task_texts is None:
        return
    written = _Written(task_texts, "/tekton/results")
    for index, result in enumerate(task.spec.results):
        if not result.value and not written.has("results", result.name, "path"):
            message = (
                f"no Step mentions $(results.{result.name}.path) or /tekton/results; does any write '{result.name}'?"
            )
            yield task.place.at("results", index).problem("unwritten-result", message, "warning")


def _unwritten_step_results(spec: Step | StepActionSpec, place: DocumentPlace) -> Iterator[Problem]:
    if not spec.results or (isinstance(spec, Step) and spec.ref is not None):
        return
    written = _Written(texts(spec.model_copy(update={"results": ()})), "/tekton/steps")
    for index, result in enumerate(spec.results):
        if not written.has("step", "results", result.name, "path"):
            what = f"the Step does not mention $(step.results.{result.name}.path)"
            message = f"{what}; does it write the Result '{result.name}'?"
            yield place.at("results", index).problem("unwritten-result", message, "warning")


class _Written:
    """The files of Results that the texts mention: all of them if a text contains their directory."""

    def __init__(self, all_texts: Sequence[str], directory: str) -> None:
        self._all = any(directory in text for text in all_texts)
        self._paths = paths_in(all_texts)

    def has(self, *path: str) -> bool:
        """Whether the texts mention the file that a variable refers to."""
        return self._all or path in self._paths
