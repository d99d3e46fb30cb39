"""What a check found, for a person (text), for programs (json), and for code scanning (SARIF 2.1.0).

Rules:

- Text: a line for each problem; on a terminal, with the source (``problem_view``). The notes that most files get (no
  timeout, no requests, no digest) are one line for each file, unless the check is strict.
- JSON: ``{"problems": [{"file", "line", "column", "severity", "rule", "message"}], "errors", "warnings", "notes",
  "ignored"}``. What is in no file has null for file, line and column.
- SARIF: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. What the author said is to be ignored is there too, as
  suppressed in the source.

Left to others: what is found (``monopod.compiler.advice``), the exit code (``commands.check``).
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
class Look:
    """How text looks: `view` is that of a terminal, `strict` shows the notes that most files get one by one."""

    view: ProblemView | None = None
    strict: bool = False


def report(checked: Checked, files: Sequence[str], form: Format, look: Look = Look()) -> str:  # frozen
    """Return what was found in `files`, as they were given, with a line break at its end."""
    return _text(checked, files, look) if form == "text" else _FORMATS[form](checked, files)


def _text(checked: Checked, files: Sequence[str], look: Look) -> str:
    lines = [_line(each, f" [{each.rule}]", look) for each in checked.problems if look.strict or not _is_common(each)]
    if not look.strict:
        lines += _common(checked.problems, look)
    lines += [f"{file}: ok" for file in _without_problems(files, checked.problems)]
    count = [counted(checked.problems), f"{len(checked.suppressed)} ignored" if checked.suppressed else ""]
    if any(count):
        lines.append(", ".join(filter(None, count)))
    return "".join(f"{line}\n" for line in lines)


_COMMON: dict[Rule, str] = {
    "no-timeout": "no timeout",
    "no-requests": "no cpu or memory requests",
    "unpinned-image": "images without a digest",
}
"""Rules whose notes most files get, with what their common line says of each."""


def _is_common(problem: Problem) -> bool:
    return problem.severity == "note" and problem.rule in _COMMON and problem.position is not None


def _common(problems: Sequence[Problem], look: Look) -> Iterator[str]:
    """Yield one line for each file with such notes, at the place of the first; a single note stays as it is."""
    by_file: dict[str, list[Problem]] = {}
    for problem in problems:
        if _is_common(problem) and problem.position is not None:
            by_file.setdefault(problem.position.file, []).append(problem)
    for those in by_file.values():
        rules = [rule for rule in _COMMON if any(each.rule == rule for each in those)]
        if len(those) == 1:
            yield _line(those[0], f" [{those[0].rule}]", look)
            continue
        message = f"{', '.join(_COMMON[rule] for rule in rules)} ({len(those)} notes; --strict lists them)"
        yield _line(replace(those[0], message=message), f" [{', '.join(rules)}]", look)


def _line(problem: Problem, suffix: str, look: Look) -> str:
    if look.view is not None:
        return look.view.render(problem, suffix)
    return printable(str(problem), colours=False) + suffix


def _without_problems(files: Sequence[str], problems: Sequence[Problem]) -> list[str]:
    """Return the files, and directories of files, that no problem is in."""
    at = {problem.position.file for problem in problems if problem.position is not None}
    if any(problem.position is None for problem in problems):
        return []  # it may be anybody's
    directories = {file[:end] for file in at for end, character in enumerate(file) if character == "/"}
    names = {file: "<stdin>" if file == "-" else file for file in files}
    return [file for file in files if names[file] not in at and names[file].rstrip("/") not in directories]


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
        "line": at.line if at is not None else None,
        "column": at.column if at is not None else None,
        "severity": problem.severity,
        "rule": problem.rule,
        "message": problem.message,
    }


def _sarif(checked: Checked, _files: Sequence[str]) -> str:
    found = [(problem, False) for problem in checked.problems] + [(problem, True) for problem in checked.suppressed]
    rules = sorted({problem.rule for problem, _ in found})
    indices = {rule: index for index, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "monopod", "version": __version__, "rules": list(map(_rule, rules))}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, indices[problem.rule], is_ignored) for problem, is_ignored in found],
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
        region = {"startLine": at.line, "startColumn": at.column}
        result["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": _uri(at.file)}, "region": region}}]
    if is_ignored:
        result["suppressions"] = [{"kind": "inSource"}]
    return result


def _uri(file: str) -> str:
    """Return a file's name as a URI: relative if it is, so that it is the same in each clone."""
    if os.path.isabs(file):
        return "file://" + urllib.parse.quote(os.fsencode(file))
    path = file if file.startswith("<") else os.path.normpath(file)
    return urllib.parse.quote(os.fsencode(path))


_FORMATS: dict[Format, Callable[[Checked, Sequence[str]], str]] = {"json": _json, "sarif": _sarif}
