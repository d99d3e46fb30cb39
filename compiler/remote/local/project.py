"""The repository's ``monopod.yaml``, found and read.

Rules:

- It is in the current directory, or in the nearest directory above it up to the root of the git checkout. Outside a
  checkout, only the current directory counts.
- Its directories are relative to the file.

Left to others: the format (``monopod.schemas.project``), the meaning of its rules (``rules``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monopod.compiler.diagnostics import Position, Problem, Problems
from monopod.compiler.documents import yaml_files, yaml_tree
from monopod.compiler.documents.validation import describe, validate
from monopod.compiler.remote.local.project_directories import nearest_with
from monopod.compiler.remote.local.rules import Rule
from monopod.compiler.rules import Rule as RuleOfProblem
from monopod.schemas.model import Path, format_path

if TYPE_CHECKING:
    from monopod.schemas.project.configuration import Configuration

CONFIGURATION, LOCK = "monopod.yaml", "monopod.lock"


def project_directory(names: tuple[str, ...] = (CONFIGURATION,)) -> str | None:
    """Return the nearest directory that has one of these files, relative to the current one; None if none has."""
    return nearest_with(*names)


@dataclass(frozen=True, slots=True)
class Project:
    """A repository's ``monopod.yaml``: what it says, and the directory that it is in, relative to the current one."""

    directory: str
    file: ProjectFile
    configuration: Configuration

    def path(self, relative: str) -> str:
        """Return a path of the file, relative to the current directory; it starts with ``./``, ``../`` or ``/``."""
        path = os.path.normpath(os.path.join(self.directory, os.path.expanduser(relative)))
        return path if path.startswith((os.sep, os.pardir)) else os.path.join(os.curdir, path)


def read_project() -> Project | None:
    """Return the repository's ``monopod.yaml``; None if it has none. Raises Problems."""
    directory = project_directory()
    if directory is None:
        return None
    from monopod.schemas.project.configuration import Configuration  # noqa: PLC0415  # many directories have none

    file = ProjectFile.read(os.path.normpath(os.path.join(directory, CONFIGURATION)))
    configuration, complaints = validate(Configuration, file.mapping())
    if configuration is None:
        raise Problems(file.problem(each.path, each.message, each.rule, at_key=each.at_key) for each in complaints)
    return Project(directory, file, configuration)


def read_rules() -> tuple[Rule, ...]:
    """Return the rules of the repository's ``monopod.yaml``; none without this file. Raises Problems."""
    project = read_project()
    if project is None:
        return ()
    problems, rules = [], []
    for pattern, target in project.configuration.resolve.items():
        try:
            rules.append(Rule.make(pattern, target, f"{CONFIGURATION} '{pattern}'", project.directory))
        except ValueError as error:
            problems.append(project.file.problem(("resolve", pattern), str(error), "invalid-value", at_key=True))
    if problems:
        raise Problems(problems)
    return tuple(rules)


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A YAML file with one document."""

    path: str
    tree: yaml_tree.Tree

    @classmethod
    def read(cls, path: str) -> ProjectFile:
        """Return the file. Raises Problems if it cannot be read or is not YAML."""
        trees, problems = yaml_files.read_file(path)
        if problems:
            raise Problems(problems)
        if len(trees) > 1:
            line, column = yaml_tree.find(trees[1].marks, ())
            where = Position(path, line + 1, column + 1)
            raise Problems([Problem(where, "the file must have one document; remove this one", "invalid-value")])
        return cls(path, trees[0])

    def mapping(self) -> dict[str, Any]:
        """Return the content. Raises Problems if it is not a mapping."""
        data = self.tree.data
        if not isinstance(data, dict):
            raise Problems([self.problem((), f"expected a mapping, got {describe(data)}", "wrong-type")])
        return data

    def position(self, path: Path, *, at_key: bool = False) -> Position:
        """Return the position of a path in the file."""
        line, column = yaml_tree.find(self.tree.marks, path, key=at_key)
        return Position(self.path, line + 1, column + 1)

    def problem(self, path: Path, message: str, rule: RuleOfProblem, *, at_key: bool = False) -> Problem:
        """Return a problem at a path in the file."""
        text = f"{format_path(path)}: {message}" if path else message
        return Problem(self.position(path, at_key=at_key), text, rule)
