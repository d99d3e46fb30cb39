"""Texts that look like a variable but are not substituted: misspelt references, and placeholders of other systems.

Rules:

- A reference whose first word is not Tekton's belongs to a shell and is not reported (docs/variables.md). It is
  misspelt if that word resembles one of Tekton's and the rest resembles a reference. In a script it may be a command,
  so there the document must declare what it would refer to.
- In the params, the matrix and the guards of a PipelineTask, Tekton since 1.14 refuses other first words. They are
  reported there, though a param may be part of a script, and monopod leaves them as they are.
- As in Tekton, probes and lifecycle hooks are not substituted: a reference there is reported.
- ``{{ revision }}`` is Pipelines-as-Code's, ``{{ .Values.x }}`` Helm's, ``${{ github.sha }}`` GitHub's. In scripts and
  arguments only such known names are reported: ``docker inspect --format '{{.Id}}'`` is not a mistake.
- ``${NAME}`` is a shell's. It is reported only where no shell reads it: never in scripts, arguments and descriptions;
  elsewhere only in a text without blanks, and never for variables of every container, such as HOME.

Left to others: references with a known first word (``monopod.compiler.scope.references``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.advice.specs import Specs
from monopod.compiler.diagnostics import Position, Problem, closest
from monopod.compiler.documents.documents import Document
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.documents.plain_texts import texts_in
from monopod.schemas.model import Path
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.runs import PipelineRun, TaskRun
from monopod.schemas.tekton.tasks import StepAction, Task
from monopod.schemas.variables import ROOTS, references

_KINDS = (Pipeline, PipelineRun, Task, TaskRun, StepAction)
_DESCRIPTIONS = frozenset({"description", "displayName"})
_NOT_SUBSTITUTED = frozenset({"readinessProbe", "startupProbe", "livenessProbe", "lifecycle"})
_WORDS = frozenset({"script", "args", "command"})
_DECLARATIONS = ("params", "results", "workspaces", "tasks", "finally", "steps")

_SEGMENTS = r"(?:\.[\w-]+|\['[^']+'\]|\[\"[^\"]+\"\])+"
_REFERENCE = re.compile(rf"\$\(([A-Za-z]+)({_SEGMENTS})(\[(?:\*|\d+)\])?\)")
_REFUSED = re.compile(r"\$\(([A-Za-z0-9_-]+)[A-Za-z0-9_.-]*(?:\[(?:\*|\d+)\])?\)")
"""Matches a variable as Tekton's validation of a Pipeline finds it."""
_IN_BRACES = re.compile(r"\$\{(params|results|workspaces|tasks|context|steps)((?:\.[\w-]+)+)\}")
_GITHUB = re.compile(r"\$\{\{[^{}]*\}\}")
_DOUBLE_BRACES = re.compile(r"(?<!\$)\{\{-?\s*([^{}]*?)\s*-?\}\}")
_SHELL = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_WORD = re.compile(r"\.[\w-]+|\[[^\]]+\]")
_SHEBANG = re.compile(r"#!.*?\b(?:ba|da|k|z|a)?sh\b")

_ROOTS = {root.lower(): root for root in ROOTS}
_ROOTS |= {root.lower()[:-1]: root for root in ROOTS if root.endswith("s") and root not in {"steps", "context"}}
_ROOTS |= {"parameter": "params", "parameters": "params"}
_FIELDS: dict[str, tuple[frozenset[str], ...]] = {
    "context": (
        frozenset({"pipelineRun", "pipeline", "pipelineTask", "taskRun", "task"}),
        frozenset({"name", "namespace", "uid", "retries", "retry-count"}),
    ),
    "results": (frozenset(), frozenset({"path"})),
    "workspaces": (frozenset(), frozenset({"path", "bound", "claim", "volume"})),
    "tasks": (frozenset(), frozenset({"results", "status", "reason", "matrix", "outputs"})),
    "steps": (frozenset(), frozenset({"results", "exitCode", "outputs"})),
}
"""The words that may follow the first word of a reference; an empty set if a name follows."""

_OF_PIPELINES_AS_CODE = frozenset(
    {
        *("revision", "repo_url", "repo_owner", "repo_name", "source_url", "source_branch", "target_branch", "sender"),
        *("event_type", "event", "pull_request_number", "pull_request_labels", "git_tag", "trigger_comment"),
        *("target_namespace", "git_auth_secret"),
    }
)
_OF_HELM = re.compile(r"\.(?:Values|Release|Chart)\b")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_IN_EVERY_CONTAINER = frozenset({"HOME", "PATH", "PWD", "USER", "HOSTNAME", "TMPDIR", "SHELL", "LANG", "OLDPWD"})


@dataclass(frozen=True, slots=True)
class LeftAsText:
    """A problem with a text, and the variable of Tekton that it means (empty for a placeholder of another system)."""

    problem: Problem
    meant: tuple[str, ...] = ()


def left_as_text(specs: Specs) -> Iterator[LeftAsText]:
    """Yield the texts in the documents that were probably meant to be substituted."""
    missing = [replace(each, rule="left-as-text", severity="warning") for each in specs.documents.missing_values]
    yield from map(LeftAsText, missing)
    yield from _other_texts(specs, {problem.position for problem in missing})


def _other_texts(specs: Specs, reported: Container[Position | None]) -> Iterator[LeftAsText]:
    for document in specs.documents:
        if isinstance(document.model, _KINDS):
            declared = _declared(document.data.get("spec"))
            for path, text in texts_in(document.data.get("spec"), ("spec",)):
                if ("$" in text or "{{" in text or "<no value>" in text) and not _DESCRIPTIONS.intersection(path):
                    yield from (
                        each
                        for each in _in_text(text, path, declared, document)
                        if each.problem.position not in reported
                    )


def _declared(spec: Any) -> frozenset[tuple[str, str]]:
    """Return what the document declares at any depth, with its kind: ``("params", "version")``."""
    declared = set()
    rest = [spec]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            for kind in _DECLARATIONS:
                items = value.get(kind)
                for item in items if isinstance(items, list) else ():
                    if isinstance(item, dict) and isinstance(item.get("name"), str):
                        declared.add((kind, item["name"]))
            rest += value.values()
        elif isinstance(value, list):
            rest += value
    return frozenset(declared)


def _in_text(text: str, path: Path, declared: frozenset[tuple[str, str]], document: Document) -> Iterator[LeftAsText]:
    place = DocumentPlace(document, path)
    reported: set[str] = set()
    if field := next((name for name in path if name in _NOT_SUBSTITUTED), None):
        for found in references(text):
            message = (
                f"{found.text} is left as text: Tekton does not replace variables in a {field}; set env, and read that"
            )
            yield LeftAsText(place.problem("left-as-text", message, "warning"))
    for match in _REFERENCE.finditer(text):
        meant = _meant(match, declared, is_script=path[-1] == "script")
        if meant is not None and match[0] not in reported:
            reported.add(match[0])
            yield _misspelt(match[0], meant, match[3] or "", place)
    yield from (
        LeftAsText(place.problem("left-as-text", message, "warning"))
        for variable, message in _refused_by_tekton(text, path).items()
        if variable not in reported
    )
    is_shell = path[-1] != "script" or not text.startswith("#!") or bool(_SHEBANG.match(text))
    for match in _IN_BRACES.finditer(text) if is_shell else ():
        if match[0] not in reported:
            reported.add(match[0])
            meant = (match[1], *match[2][1:].split("."))
            yield _misspelt(match[0], meant, "", place)
    for token, owner in _placeholders(text, path):
        if token not in reported:
            reported.add(token)
            message = f"{token} is left as text: monopod does not substitute {owner}; {_way_out(path, document)}"
            yield LeftAsText(place.problem("left-as-text", message, "warning"))


def _refused_by_tekton(text: str, path: Path) -> dict[str, str]:
    """Return the variables in a text of a PipelineTask that Tekton refuses, with what to write instead."""
    names = [match[0] for match in _REFUSED.finditer(text) if match[1] not in ROOTS]
    message = "{} is not a variable; Tekton 1.14 and later refuse it here; write ${{NAME}} for a variable of a shell"
    return {name: message.format(name) for name in names} if _is_of_pipeline_task(path) else {}


def _is_of_pipeline_task(path: Path) -> bool:
    """Return whether a text is one of the params, the matrix or the guards of a PipelineTask."""
    ends = [end for end, word in enumerate(path) if word in ("tasks", "finally")]
    return bool(ends) and path[ends[-1] + 2 : ends[-1] + 3] in {("params",), ("matrix",), ("when",)}


def _misspelt(text: str, meant: tuple[str, ...], index: str, place: DocumentPlace) -> LeftAsText:
    message = f"{text} is not a variable and is left as text (did you mean $({'.'.join(meant)}{index})?)"
    return LeftAsText(place.problem("misspelt-reference", message, "warning"), meant)


def _way_out(path: Path, document: Document) -> str:
    if isinstance(document.model, PipelineRun | TaskRun) and path[:2] == ("spec", "params") and len(path) > 3:
        index = path[2]
        params = document.data["spec"]["params"]
        name = params[index].get("name") if isinstance(index, int) and isinstance(params[index], dict) else None
        return f"give a value, with -p {name}=… too"
    return "write a value, or refer to a param"


# Misspelt references


def _meant(match: re.Match[str], declared: frozenset[tuple[str, str]], *, is_script: bool) -> tuple[str, ...] | None:
    """Return the path that was meant by a reference with an unknown first word; None if it may be a command."""
    root = None if match[1] in ROOTS else _root(match[1])
    words = [word.strip(".[]'\"") for word in _WORD.findall(match[2])]
    if root is None or not _spell(words, _FIELDS.get(root, ())):
        return None
    if root in _DECLARATIONS:
        names = [name for what, name in declared if what == root]
        if words[0] not in names and is_script:
            return None
        words[0] = words[0] if words[0] in names else closest(words[0], names) or words[0]
    elif is_script and root not in _FIELDS:
        return None
    return (root, *words)


def _spell(words: list[str], fields: tuple[frozenset[str], ...]) -> bool:
    """Correct words, in place, to the fields that they resemble; return whether each resembles one."""
    if len(words) < len(fields):
        return False
    for index, known in enumerate(fields):
        word = closest(words[index], known) if known else words[index]
        if word is None:
            return False
        words[index] = word
    return True


def _root(word: str) -> str | None:
    lower = word.lower()
    if lower in _ROOTS:
        return _ROOTS[lower]
    close = difflib.get_close_matches(lower, _ROOTS, n=1, cutoff=0.8)
    return _ROOTS[close[0]] if close else None


# Placeholders of other systems


def _placeholders(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Yield placeholders and the system that each belongs to."""
    of_program = bool(_WORDS.intersection(path))
    yield from ((match[0], "expressions of GitHub") for match in _GITHUB.finditer(text))
    for match in _DOUBLE_BRACES.finditer(text):
        if match[1] in _OF_PIPELINES_AS_CODE or match[1].startswith(("body.", "headers.")):
            yield match[0], "placeholders of Pipelines-as-Code"
        elif _OF_HELM.match(match[1]):
            yield match[0], "templates of Helm"
        elif not of_program and _NAME.fullmatch(match[1]):
            yield match[0], "templates"
    if "<no value>" in text:
        yield "<no value>", "a value that a template did not have"
    if not of_program and not any(character.isspace() for character in text):
        yield from _shell_variables(text, path)


def _shell_variables(text: str, path: Path) -> Iterator[tuple[str, str]]:
    for match in _SHELL.finditer(text):
        name = match[1] or match[2]
        is_whole = match[0] == text
        if name in _IN_EVERY_CONTAINER or not (is_whole or (match[1] and "env" not in path)):
            continue
        yield match[0], "variables of a shell or a CI system"
