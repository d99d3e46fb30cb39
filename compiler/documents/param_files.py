"""Files with values of params: ``--param-file FILE``.

Rules:

- A file is YAML or JSON, a mapping of names to values, which are read as a run's params are. A file whose name starts
  or ends with ``.env`` has lines ``NAME=VALUE`` (``env_lines``).

Left to others: whether such params exist, and their types (``run_selection``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.compiler.diagnostics import Position, Problem, Problems, Severity
from monopod.compiler.documents import yaml_files
from monopod.compiler.documents.env_lines import EnvLinesError, parse_env_lines
from monopod.compiler.remote.local.project import ProjectFile
from monopod.compiler.rules import Rule
from monopod.schemas.model import Path
from monopod.schemas.plan import ValueType
from monopod.schemas.tekton.params import to_value, type_of


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
        with open(path, encoding="utf-8") as file:
            lines = parse_env_lines(file.read(yaml_files.MAX_BYTES + 1))
    except UnicodeDecodeError:
        raise Problems([Problem(Position(path), "this is not UTF-8", "encoding")]) from None
    except EnvLinesError as error:
        raise Problems([Problem(Position(path, error.line, error.column), str(error), "invalid-value")]) from None
    except OSError as error:
        raise Problems([yaml_files.unreadable(path, error)]) from error
    for line in lines:
        position = Position(path, line.line, 1)
        if line.secret:
            raise Problems([Problem(position, "expected KEY=VALUE, not a key of a Secret", "invalid-value")])
        yield FileParam(line.key, line.value, "string", position)
