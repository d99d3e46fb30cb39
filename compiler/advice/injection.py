"""Values that are pasted into a script before anything reads it: what stands in them is run as code.

Rules:

- ``$(params.x)`` and Results are put in as text (Tekton docs/variables.md), and no quotes of the script's keep what is
  in them apart. A value that goes through the environment is never code.
- A value is no danger if it is fixed in the files and has none of the characters that mean something to a shell, or is
  among those of an enum that are so.
- A reference that is a whole line is meant to be code: the Task runs what it is given.

Told of once a Step, at the first of its values.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monopod.compiler.advice.source_lines import position_in_block
from monopod.compiler.advice.specs import Embedding, Specs, WrittenPipeline, WrittenTask
from monopod.compiler.diagnostics import Problem
from monopod.compiler.places import DocumentPlace
from monopod.schemas.model import format_path
from monopod.schemas.plan import Value
from monopod.schemas.tekton import ParamSpec, Sidecar, Step, StepActionSpec, TaskSpec
from monopod.schemas.variables import Path, Reference, only_reference, references, references_in

_PLAIN = re.compile(r"[\w ./:@%+=,!-]*")
_TAKEN = frozenset({"EUID", "GROUPS", "HOME", "HOSTNAME", "IFS", "PATH", "PPID", "PWD", "SHELL", "UID", "USER"})
"""Names that shells, or all programs, have a use of their own for."""

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})


def script_injection(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each Step or Sidecar into whose script values from outside are pasted."""
    for task in specs.tasks:
        for container, place in task.containers():
            for script in _scripts(container, task.spec, place):
                yield from _pasted(script, task, specs)
    for action in specs.step_actions.values():
        for script in _scripts(action.spec, None, action.place):
            yield from _pasted(script, None, specs)


@dataclass(frozen=True, slots=True)
class _Script:
    """A text that an interpreter reads."""

    text: str
    place: DocumentPlace
    is_shell: bool


def _scripts(
    container: Step | Sidecar | StepActionSpec, task: TaskSpec | None, place: DocumentPlace
) -> Iterator[_Script]:
    """Yield the script of a container, and what it gives a shell after ``-c``."""
    if container.script:
        yield _Script(container.script, place.at("script"), _is_for_shell(container.script))
        return
    command, args, at = container.command, container.args, place
    template = task.step_template if task is not None and isinstance(container, Step) else None
    if not command and template is not None:
        command, at = template.command, DocumentPlace(place.document, (*place.path[:-2], "stepTemplate"))
    words = [(word, at.at("command", index)) for index, word in enumerate(command)]
    words += [(word, place.at("args", index)) for index, word in enumerate(args)]
    if not words or words[0][0].rpartition("/")[2] not in _SHELLS:
        return
    for (option, _), (text, where) in itertools.pairwise(words[1:]):
        if re.fullmatch(r"-[a-z]*c", option):
            yield _Script(text, where, is_shell=True)
            return


def _is_for_shell(script: str) -> bool:
    first = script.partition("\n")[0]
    if not first.startswith("#!"):
        return True
    return any(word.rpartition("/")[2] in _SHELLS for word in first[2:].split())


def _pasted(script: _Script, task: WrittenTask | None, specs: Specs) -> Iterator[Problem]:
    found: dict[str, tuple[Reference, int]] = {}
    for number, line in enumerate(script.text.split("\n")):
        if "$(" in line and not line.lstrip().startswith("#") and only_reference(line.strip()) is None:
            for reference in references(line):
                if _is_foreign(reference.path, task):
                    found.setdefault(reference.text, (reference, number))
    if not found:
        return
    first, number = next(iter(found.values()))
    path = script.place.path
    lines = specs.documents.texts.get(script.place.document.position(path).file, "").splitlines()
    position = position_in_block(lines, script.place.document.position(path), number, first.text)
    message = f"{format_path(path)}: {_message([each for each, _ in found.values()], script.is_shell)}"
    yield Problem(position, message, "script-injection", "warning")


def _message(found: Sequence[Reference], is_shell: bool) -> str:
    listed = ", ".join(each.text for each in found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    variable = re.sub(r"\W", "_", found[0].path[-1]).upper()
    if variable in _TAKEN:
        variable = f"MY_{variable}"
    read = f'write "${variable}"' if is_shell else f"read {variable} there"
    verb, it = ("are", "them") if len(found) > 1 else ("is", "it")
    return (
        f"{listed} {verb} pasted into the script, so that quotes, $ or line breaks in a value become code; "
        f"hand {it} over in env ({variable}: {found[0].text}) and {read}"
    )


def _is_foreign(path: Path, task: WrittenTask | None) -> bool:
    """Whether what a reference stands for may hold anything."""
    if path[0] == "params":
        return task is None or not _is_plain_in_task(path[1], task)
    return path[0] in {"tasks", "steps"} and path[2:3] == ("results",)


# Values that are fixed in the files


def _is_plain_in_task(name: str, task: WrittenTask) -> bool:
    spec = next((each for each in task.spec.params if each.name == name), None)
    if spec is not None and _has_plain_enum(spec):
        return True
    return task.embedded is not None and _is_plain_where_embedded(name, spec, task.embedded)


def _is_plain_where_embedded(name: str, spec: ParamSpec | None, embedded: Embedding) -> bool:
    """Whether the value is that a PipelineTask gives, else that of the Pipeline around, else the default."""
    task, around = embedded.task, embedded.around
    given: list[Value] = [param.value for param in embedded.given if param.name == name]
    if task is not None and task.matrix is not None:
        given += [param.value for param in task.matrix.params if param.name == name]
        given += [each.value for entry in task.matrix.include for each in entry.params if each.name == name]
    if given:
        return all(_is_plain(value, around) for value in given)
    if around is not None and _is_there(name, around):
        return _is_plain_in_pipeline(name, around)
    return spec is not None and spec.default is not None and _is_plain(spec.default, around)


def _is_there(name: str, pipeline: WrittenPipeline) -> bool:
    """Whether a Pipeline has a param: its own, or one that a run gives and it need not declare."""
    given = [param.name for run in pipeline.runs for param in run.params]
    return name in given or any(param.name == name for param in pipeline.spec.params)


def _is_plain_in_pipeline(name: str, pipeline: WrittenPipeline) -> bool:
    spec = next((each for each in pipeline.spec.params if each.name == name), None)
    if spec is not None and _has_plain_enum(spec):
        return True
    if pipeline.embedded is None:
        return False  # each run may give another value
    return _is_plain_where_embedded(name, spec, pipeline.embedded)


def _has_plain_enum(spec: ParamSpec) -> bool:
    return bool(spec.enum) and all(map(_PLAIN.fullmatch, spec.enum))


def _is_plain(value: Value, around: WrittenPipeline | None) -> bool:
    """Whether a value that is given in a Pipeline is fixed and plain, and so is all that it refers to."""
    for reference in references_in(value):
        if reference.path[0] == "params":
            if around is None or not _is_plain_in_pipeline(reference.path[1], around):
                return False
        elif reference.path[0] == "tasks" and "results" in reference.path[2:3]:
            return False
    return all(_PLAIN.fullmatch(_without_references(text)) for text in _texts(value))


def _texts(value: Value) -> Sequence[str]:
    if isinstance(value, str):
        return (value,)
    return tuple(value.values()) if isinstance(value, dict) else value


def _without_references(text: str) -> str:
    for reference in references(text):
        text = text.replace(reference.text, "")
    return text
