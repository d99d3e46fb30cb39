"""Files with values of params: ``--param-file FILE``.

Rules:

- A file is YAML or JSON, a mapping of names to values, which are read as a run's params are. A file whose name starts
  or ends with ``.env`` has lines ``NAME=VALUE``.
- In a ``.env`` file, empty lines and lines that start with ``#`` are left out, and ``export`` before a name is allowed.
  A value in single quotes is literal; in double quotes, a backslash starts an escape. Without quotes, a comment starts
  at `` #``. Variables are not expanded.

Left to others: whether such params exist, and their types (``run_selection``).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.compiler.diagnostics import Position, Problem, Problems, Severity
from monopod.compiler.documents import yaml_files
from monopod.compiler.remote.local.project import ProjectFile
from monopod.compiler.rules import Rule
from monopod.schemas.model import Path
from monopod.schemas.plan import ValueType
from monopod.schemas.tekton.params import to_value, type_of

_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][\w.-]*)\s*=\s*(?P<value>.*?)\s*", re.ASCII)
_QUOTED = re.compile(r"""(?:'(?P<literal>[^']*)'|"(?P<escaped>(?:[^"\\]|\\.)*)")\s*(?:#.*)?""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class FileParam:
    """A param from a file, and where it is written. ``text`` is the value as for ``-p``, ``kind`` its type there."""

    name: str
    text: str
    kind: ValueType
    position: Position

    def at(self, *parts: str | int) -> FileParam:  # noqa: ARG002  # the whole value is reported
        """Return this place."""
        return self

    def problem(self, rule: Rule, message: str, severity: Severity = "error") -> Problem:
        """Return a problem with the param."""
        return Problem(self.position, f"{self.name}: {message}", rule, severity)


def read_param_file(path: str) -> tuple[FileParam, ...]:
    """Return the params in a file. Raises Problems."""
    name = os.path.basename(path)
    if name.startswith(".env") or name.endswith(".env"):
        return tuple(_read_env_file(path))
    file = ProjectFile.read(path)
    return params_in(file, file.mapping())


def params_in(file: ProjectFile, values: Mapping[str, Any], path: Path = ()) -> tuple[FileParam, ...]:
    """Return the params in a mapping at a path of a file."""
    params = []
    for name, written in values.items():
        value = to_value(written)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        params.append(FileParam(str(name), text, type_of(value), file.position((*path, name))))
    return tuple(params)


def _read_env_file(path: str) -> Iterator[FileParam]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read(yaml_files.MAX_BYTES + 1).splitlines()
    except UnicodeDecodeError:
        raise Problems([Problem(Position(path), "this is not UTF-8", "encoding")]) from None
    except OSError as error:
        raise Problems([yaml_files.unreadable(path, error)]) from error
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        position = Position(path, number, len(line) - len(line.lstrip()) + 1)
        match = _LINE.fullmatch(line)
        value = None if match is None else _env_value(match["value"])
        if match is None or value is None:
            message = "expected NAME=VALUE" if match is None else f"{match['name']}: the quotes do not match"
            problems.append(Problem(position, message, "invalid-value"))
        else:
            yield FileParam(match["name"], value, "string", position)
    if problems:
        raise Problems(problems)


def _env_value(text: str) -> str | None:
    """Return the value of a line; None if its quotes do not match."""
    if not text.startswith(("'", '"')):
        return re.split(r"\s+#", text, maxsplit=1)[0] if not text.startswith("#") else ""
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        return None
    if quoted["literal"] is not None:
        return quoted["literal"]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), quoted["escaped"])
