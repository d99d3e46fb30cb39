"""The report of `monopod check`, as text, JSON, or SARIF 2.1.0 for code scanning.

Rules:

- Text: one line per problem; on a terminal, with the source line (``problem_view``). Common notes (no timeout, no
  requests, no digest) are combined into one line per file, unless the check is strict.
- JSON: ``{"problems": [{"file", "line", "column", "severity", "rule", "message"}], "errors", "warnings", "notes",
  "ignored"}``. A problem without a position has null for file, line and column, a problem with a whole file for the
  line and the column.
- SARIF: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Problems that the author ignores are included, marked as
  suppressed in the source.

``monopod.compiler.advice`` finds the problems; ``commands.check`` decides the exit code.
"""

from __future__ import annotations

import json
import os
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from monopod import __version__
from monopod.compiler.advice.checking import Checked
from monopod.compiler.diagnostics import Problem
from monopod.compiler.rules import SUMMARIES, Rule
from monopod.runner.display.printable import printable
from monopod.runner.display.problem_report import counted
from monopod.runner.display.problem_view import ProblemView

Format: TypeAlias = Literal["text", "json", "sarif"]


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How the text is rendered: `view` is set for a terminal, `strict` lists common notes one by one."""

    view: ProblemView | None = None
    strict: bool = False


def report(checked: Checked, files: Sequence[str], form: Format, style: TextStyle = TextStyle()) -> str:  # frozen
    """Return the report on `files`, named as on the command line. It ends with a newline."""
    return _text(checked, files, style) if form == "text" else _FORMATS[form](checked, files)


def _text(checked: Checked, files: Sequence[str], style: TextStyle) -> str:
    lines = [
        _line(problem, f" [{problem.rule}]", style)
        for problem in checked.problems
        if style.strict or not _is_common(problem)
    ]
    if not style.strict:
        lines += _common(checked.problems, style)
    lines += [f"{file}: ok" for file in _without_problems(files, checked.problems)]
    if len(checked.problems) > 1 or checked.suppressed:
        count = [counted(checked.problems), f"{len(checked.suppressed)} ignored" if checked.suppressed else ""]
        lines.append(", ".join(filter(None, count)))
    return "".join(f"{line}\n" for line in lines)


_COMMON: dict[Rule, str] = {
    "no-timeout": "no timeout",
    "no-requests": "no cpu or memory requests",
    "unpinned-image": "images without a digest",
}
"""Rules whose notes are combined, with the text of each in the combined line."""


def _is_common(problem: Problem) -> bool:
    return problem.severity == "note" and problem.rule in _COMMON and problem.position is not None


def _common(problems: Sequence[Problem], style: TextStyle) -> Iterator[str]:
    """Yield one line per file with common notes, at the position of the first; a single note is kept as it is."""
    by_file: dict[str, list[Problem]] = {}
    for problem in problems:
        if _is_common(problem) and problem.position is not None:
            by_file.setdefault(problem.position.file, []).append(problem)
    for notes in by_file.values():
        rules = [rule for rule in _COMMON if any(note.rule == rule for note in notes)]
        if len(notes) == 1:
            yield _line(notes[0], f" [{notes[0].rule}]", style)
            continue
        message = f"{', '.join(_COMMON[rule] for rule in rules)} ({len(notes)} notes; --strict lists them)"
        yield _line(replace(notes[0], message=message), f" [{', '.join(rules)}]", style)


def _line(problem: Problem, suffix: str, style: TextStyle) -> str:
    if style.view is not None:
        return style.view.render(problem, suffix)
    return printable(str(problem), colours=False) + suffix


def _without_problems(files: Sequence[str], problems: Sequence[Problem]) -> list[str]:
    """Return the files and directories without problems.

    None, if an error belongs to any of them: one without a position, or in another file (monopod.lock, a fetched Task).
    """
    names = {file: ("<stdin>" if file == "-" else file.rstrip("/")) for file in files}
    wrong = set()
    for problem in problems:
        at = "" if problem.position is None else problem.position.file
        belongs = {at, *(at[:end] for end, character in enumerate(at) if character == "/")} & set(names.values())
        if not belongs and (not at or problem.severity == "error"):
            return []
        wrong |= belongs
    return [file for file in files if names[file] not in wrong]


def _json(checked: Checked, _files: Sequence[str]) -> str:
    severities = [problem.severity for problem in checked.problems]
    content = {
        "problems": [_plain(problem) for problem in checked.problems],
        "errors": severities.count("error"),
        "warnings": severities.count("warning"),
        "notes": severities.count("note"),
        "ignored": len(checked.suppressed),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _plain(problem: Problem) -> dict[str, Any]:
    at = problem.position
    return {
        "file": at.file if at is not None else None,
        "line": (at.line or None) if at is not None else None,
        "column": (at.column or None) if at is not None else None,
        "severity": problem.severity,
        "rule": problem.rule,
        "message": problem.message,
    }


def _sarif(checked: Checked, _files: Sequence[str]) -> str:
    results = [(problem, False) for problem in checked.problems] + [(problem, True) for problem in checked.suppressed]
    rules = sorted({problem.rule for problem, _ in results})
    indices = {rule: index for index, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "monopod", "version": __version__, "rules": list(map(_rule, rules))}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, indices[problem.rule], is_ignored) for problem, is_ignored in results],
    }
    schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    content = {"$schema": schema, "version": "2.1.0", "runs": [run]}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _rule(name: Rule) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": SUMMARIES[name]}}


def _result(problem: Problem, index: int, is_ignored: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": problem.message},
    }
    at = problem.position
    if at is not None:
        location: dict[str, Any] = {"artifactLocation": {"uri": _uri(at.file)}}
        if at.line:
            location["region"] = {"startLine": at.line, "startColumn": at.column}
        result["locations"] = [{"physicalLocation": location}]
    if is_ignored:
        result["suppressions"] = [{"kind": "inSource"}]
    return result


def _uri(file: str) -> str:
    """Return a file name as a URI. A relative name stays relative, so that it is the same in every clone."""
    if os.path.isabs(file):
        return "file://" + urllib.parse.quote(os.fsencode(file))
    path = file if file.startswith("<") else os.path.normpath(file)
    return urllib.parse.quote(os.fsencode(path))


_FORMATS: dict[Format, Callable[[Checked, Sequence[str]], str]] = {"json": _json, "sarif": _sarif}
