"""Script injection: values that are substituted into a script, so that what they contain runs as code.

Rules:

- ``$(params.x)`` and Results are substituted as text (Tekton docs/variables.md). Quotes in the script do not protect
  against quotes in the value. A value in an environment variable is never code.
- A value is safe if the files fix it, directly or by an enum, and it contains no shell metacharacters.
- A reference that is a whole line is meant to be code: the Task runs what it is given.

Reported once per Step, at the first such value.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from monopod.compiler.advice.source_lines import position_in_block
from monopod.compiler.advice.specs import Embedding, Specs, WrittenPipeline, WrittenTask
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import DocumentPlace
from monopod.schemas.plan import Value
from monopod.schemas.tekton.tasks import Sidecar, Step, StepActionSpec, TaskSpec
from monopod.schemas.variables import Path, Reference, only_reference, references, references_in

_PLAIN = re.compile(r"[\w ./:@%+=,!-]*")
_TAKEN = frozenset({"EUID", "GROUPS", "HOME", "HOSTNAME", "IFS", "PATH", "PPID", "PWD", "SHELL", "UID", "USER"})
"""Names that have a meaning to shells or to all programs."""

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})


def script_injection(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each Step or Sidecar whose script has values from outside substituted into it."""
    known: dict[int, _Params] = {}
    for task in specs.tasks:
        params = _params_of(task, known)
        for container, place in task.containers():
            for script in _scripts(container, task.spec, place):
                yield from _pasted(script, params, specs)
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
    """Yield the script of a container, and the argument of a shell's ``-c``."""
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


def _pasted(script: _Script, params: _Params | None, specs: Specs) -> Iterator[Problem]:
    pasted: dict[str, tuple[Reference, int]] = {}
    for number, line in enumerate(script.text.split("\n")):
        if "$(" in line and not line.lstrip().startswith("#") and only_reference(line.strip()) is None:
            for reference in references(line):
                if _is_foreign(reference.path, params):
                    pasted.setdefault(reference.text, (reference, number))
    if not pasted:
        return
    first, number = next(iter(pasted.values()))
    path = script.place.path
    scalar = script.place.document.position(path)
    position = position_in_block(specs.documents.lines.get(scalar.file, ()), scalar, number, first.text)
    message = _message([reference for reference, _ in pasted.values()], script.is_shell)
    yield replace(script.place.problem("script-injection", message, "warning"), position=position)


def _message(pasted: Sequence[Reference], is_shell: bool) -> str:
    listed = ", ".join(reference.text for reference in pasted[:3]) + (
        f" and {len(pasted) - 3} more" if len(pasted) > 3 else ""
    )
    variable = re.sub(r"\W", "_", pasted[0].path[-1]).upper()
    if variable in _TAKEN:
        variable = f"MY_{variable}"
    read = f'write "${variable}"' if is_shell else f"read {variable} there"
    verb, it = ("are", "them") if len(pasted) > 1 else ("is", "it")
    return (
        f"{listed} {verb} substituted into the script, so quotes, $ or line breaks in a value become code; "
        f"pass {it} in env ({variable}: {pasted[0].text}) and {read}"
    )


def _is_foreign(path: Path, params: _Params | None) -> bool:
    """Whether the value of a reference is not known to be safe; `params` are the Task's, if it is known."""
    if path[0] == "params":
        return params is None or not params.is_plain(path[1])
    return path[0] in {"tasks", "steps"} and path[2:3] == ("results",)


# Values that the files fix


class _Params:
    """The params of a Task or Pipeline, and which of them have fixed, safe values."""

    def __init__(self, written: WrittenTask | WrittenPipeline, outer: _Params | None) -> None:
        """`outer` are the params of the Pipeline in which it is embedded, if there is one."""
        self._specs = {spec.name: spec for spec in written.spec.params}
        self._arguments = _arguments_of(written.embedded) if written.embedded is not None else None
        self._of_runs: frozenset[str] = frozenset()
        if isinstance(written, WrittenPipeline):
            self._of_runs = frozenset(param.name for run in written.runs for param in run.params)
        self._outer = outer
        self._plain: dict[str, bool] = {}

    def __contains__(self, name: str) -> bool:
        """Whether the param exists: it is declared, or a run passes it to an embedded spec."""
        return name in self._specs or name in self._of_runs

    def is_plain(self, name: str) -> bool:
        """Whether all possible values of a param are fixed and safe."""
        if name not in self._plain:
            self._plain[name] = self._find_out(name)
        return self._plain[name]

    def _find_out(self, name: str) -> bool:
        """Check the enum, otherwise the passed values, otherwise the param of the enclosing Pipeline or the default.

        A spec that is not embedded may get another value from each run.
        """
        spec, outer = self._specs.get(name), self._outer
        if spec is not None and spec.enum and all(map(_PLAIN.fullmatch, spec.enum)):
            return True
        if self._arguments is None:
            return False
        if name in self._arguments:
            return all(_is_plain(value, outer) for value in self._arguments[name])
        if outer is not None and name in outer:
            return outer.is_plain(name)
        return spec is not None and spec.default is not None and _is_plain(spec.default, outer)


def _params_of(written: WrittenTask | WrittenPipeline, known: dict[int, _Params]) -> _Params:
    """Return the params of a Task or Pipeline; `known` caches them by identity."""
    if id(written) not in known:
        outer = written.embedded.outer if written.embedded is not None else None
        known[id(written)] = _Params(written, None if outer is None else _params_of(outer, known))
    return known[id(written)]


def _arguments_of(embedded: Embedding) -> dict[str, list[Value]]:
    """Return the values that are passed to an embedded Task or Pipeline, by param."""
    arguments: dict[str, list[Value]] = {}
    params = list(embedded.params)
    if embedded.task is not None and embedded.task.matrix is not None:
        params += embedded.task.matrix.params
        params += [param for entry in embedded.task.matrix.include for param in entry.params]
    for param in params:
        arguments.setdefault(param.name, []).append(param.value)
    return arguments


def _is_plain(value: Value, outer: _Params | None) -> bool:
    """Whether a value that a Pipeline gives is fixed and safe, including all that it refers to."""
    for reference in references_in(value):
        if reference.path[0] == "params":
            if outer is None or not outer.is_plain(reference.path[1]):
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
