"""What a check found, for a person (text), for programs (json), and for code scanning (SARIF 2.1.0).

Rules:

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
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from monopod import __version__
from monopod.compiler.advice.checking import Checked
from monopod.compiler.diagnostics import Problem
from monopod.compiler.rules import SUMMARIES, Rule
from monopod.runner.printable import printable
from monopod.runner.problem_report import counted

Format: TypeAlias = Literal["text", "json", "sarif"]


def report(checked: Checked, files: Sequence[str], form: Format) -> str:
    """Return what was found in `files`, as they were given, with a line break at its end."""
    return _FORMATS[form](checked, files)


def _text(checked: Checked, files: Sequence[str]) -> str:
    lines = [f"{printable(str(each), colours=False)} [{each.rule}]" for each in checked.problems]
    lines += [f"{file}: ok" for file in _without_problems(files, checked.problems)]
    count = [counted(checked.problems), f"{len(checked.suppressed)} ignored" if checked.suppressed else ""]
    if any(count):
        lines.append(", ".join(filter(None, count)))
    return "".join(f"{line}\n" for line in lines)


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


_FORMATS: dict[Format, Callable[[Checked, Sequence[str]], str]] = {"text": _text, "json": _json, "sarif": _sarif}
