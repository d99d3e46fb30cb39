"""What commands read and use if the command line does not say it: the files and settings of a project.

Rules:

- The nearest directory that has something to run counts: the current one, or in a git checkout one above it, up to its
  root. It has a ``monopod.yaml`` with a ``file``, or a directory ``.tekton`` with YAML files, or a ``pipeline.yaml``.
- ``file``, ``name``, ``params`` and ``workspaces`` of ``monopod.yaml`` apply only if the command line names no file:
  they are about the project's own runs. ``backend``, ``context``, ``namespace`` and ``keepWorkspaces`` always apply.
- If there are several candidates, the user chooses on a terminal; otherwise they are an error that lists them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from monopod.compiler.remote.local.project_directories import project_directories

if TYPE_CHECKING:
    from monopod.compiler.documents.param_files import FileParam
    from monopod.compiler.remote.local.project import Project

TEKTON_DIRECTORY = ".tekton"
"""Where Pipelines-as-Code has a repository's runs."""
_PIPELINES = ("pipeline.yaml", "pipeline.yml")


def project_of(arguments: argparse.Namespace) -> Project | None:
    """Return the project's ``monopod.yaml``, read once. Raises Problems."""
    from monopod.compiler.remote.local.project import project_directory, read_project  # noqa: PLC0415

    if not hasattr(arguments, "project"):
        arguments.project = None if project_directory() is None else read_project()
    project: Project | None = arguments.project
    return project


def names_files(arguments: argparse.Namespace) -> bool:
    """Return whether the command line names files, or the command takes none (`monopod rerun`)."""
    return not hasattr(arguments, "files") or bool(arguments.files or arguments.more_files)


def candidates(configured: str | None) -> tuple[str, ...]:
    """Return what a project has to run: files, or directories ``.tekton``, relative to the current directory.

    `configured` is the file that ``monopod.yaml`` names.
    """
    if configured is not None:
        return (os.path.normpath(configured),)
    for directory in project_directories():
        relative = os.path.relpath(directory)
        tekton = os.path.normpath(os.path.join(relative, TEKTON_DIRECTORY))
        found = [tekton] if files_below(tekton) else []
        pipelines = (os.path.normpath(os.path.join(relative, name)) for name in _PIPELINES)
        found += [path for path in pipelines if os.path.isfile(path)]
        if found:
            return tuple(found)
    return ()


def files_below(directory: str) -> list[str]:
    """Return the YAML files in a directory and below it."""
    in_directories = sorted(os.walk(directory))
    paths = [os.path.join(directory, name) for directory, _, names in in_directories for name in sorted(names)]
    return [path for path in paths if path.endswith((".yaml", ".yml"))]


def files_of_project(arguments: argparse.Namespace) -> list[str]:
    """Return the files to read if the command line names none. Raises Problems if several are possible."""
    from monopod.compiler.diagnostics import Problem, Problems  # noqa: PLC0415  # not needed for --help
    from monopod.runner.commands.options.asking import choose  # noqa: PLC0415

    project = project_of(arguments)
    file = None if project is None else project.configuration.file
    found = candidates(None if project is None or file is None else project.path(file))
    if not found:
        return []
    if len(found) > 1:
        chosen = choose("What shall be run?", found) if getattr(arguments, "may_ask", False) else None
        if chosen is None:
            message = f"several files could be meant ({', '.join(found)}); choose one with -f"
            raise Problems([Problem(None, message, "several-runs")])
        found = (chosen,)
    return files_below(found[0]) if os.path.basename(found[0]) == TEKTON_DIRECTORY else list(found)


def name_of_run(arguments: argparse.Namespace) -> str | None:
    """Return the name of the run to use, from the command line or else the project. Raises Problems."""
    if arguments.name is not None or names_files(arguments):
        name: str | None = arguments.name
        return name
    project = project_of(arguments)
    return None if project is None else project.configuration.name


def namespace_of(arguments: argparse.Namespace) -> str | None:
    """Return the namespace that the command line or the project sets. Raises Problems."""
    namespace: str | None = arguments.namespace
    if namespace is not None:
        return namespace
    project = project_of(arguments)
    return None if project is None else project.configuration.namespace


def keep_of(arguments: argparse.Namespace) -> str | None:
    """Return when to keep what a run leaves, as the command line or else the project says. Raises Problems."""
    keep: str | None = arguments.keep
    if keep is not None:
        return keep
    project = project_of(arguments)
    return None if project is None or not project.configuration.keep_workspaces else "always"


def params_of_project(arguments: argparse.Namespace) -> Sequence[FileParam]:
    """Return the params that ``monopod.yaml`` sets. Raises Problems."""
    project = None if names_files(arguments) else project_of(arguments)
    if project is None or not project.configuration.params:
        return ()
    from monopod.compiler.documents.param_files import params_in  # noqa: PLC0415  # not needed for --help

    return params_in(project.file, project.configuration.params, ("params",))


def workspaces_of(arguments: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """Return the bindings of Workspaces: those of ``monopod.yaml``, then those of the command line. Raises Problems."""
    project = None if names_files(arguments) else project_of(arguments)
    set_by_option = {name for name, _ in arguments.workspaces}
    bindings = {} if project is None else project.configuration.workspaces
    of_project = []
    for name, binding in bindings.items():
        if project is not None and name not in set_by_option:
            of_project.append((name, _from_here(project, binding)))
    return (*of_project, *arguments.workspaces)


def _from_here(project: Project, binding: str) -> str:
    """Return a binding of ``monopod.yaml`` with its folder relative to the current directory."""
    if binding.startswith((".", "~", "/")):
        return project.path(binding)
    kind, colon, path = binding.partition(":")
    return f"hostPath:{project.path(path)}" if kind == "hostPath" and colon else binding
