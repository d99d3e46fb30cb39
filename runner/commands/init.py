"""`monopod init`: write a first Pipeline for the project in a directory."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

SUMMARY = "write a first Pipeline for the project in this directory"

EXAMPLES = """\
  monopod init
  monopod init services/shop
  monopod init --force               (replace pipeline.yaml)

It looks for Python (pyproject.toml, setup.py, requirements*.txt, tox.ini), Node (package.json), Go (go.mod), Maven,
Gradle, and a Containerfile or Dockerfile, and writes pipeline.yaml. If there is no monopod.yaml, it writes one, so that
`monopod run` works on the files of the directory without options."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "directory", nargs="?", default=".", metavar="DIRECTORY", help="the directory of the project (default: .)"
    )
    parser.add_argument("--force", action="store_true", help="replace pipeline.yaml if it exists")


def execute(arguments: argparse.Namespace) -> int:
    """Write the files, and print what to type next."""
    from monopod.runner.starting.building_blocks import building_blocks  # noqa: PLC0415  # not needed for --help
    from monopod.runner.starting.first_pipeline import (  # noqa: PLC0415
        PIPELINE,
        PROJECT,
        pipeline_text,
        project_text,
    )

    directory = Path(arguments.directory)
    if not directory.is_dir():
        return _refuse(f"{directory}: not a directory")
    pipeline, project = directory / PIPELINE, directory / PROJECT
    if os.path.lexists(pipeline) and not arguments.force:
        return _refuse(f"{pipeline} exists; use --force to replace it")
    blocks = building_blocks(directory)
    pipeline.write_text(pipeline_text(directory.resolve().name, blocks), encoding="utf-8")
    names = ", ".join(f"{block.name} ({block.found})" for block in blocks)
    print(visible_lines(f"Wrote {pipeline}: {names or 'one Task to start from'}"))
    has_project = os.path.lexists(project)
    if not has_project:
        project.write_text(project_text(), encoding="utf-8")
        print(visible_lines(f"Wrote {project}: binds the Workspace source to this directory"))
    options = f" -f {PIPELINE} -w source=." if has_project else ""
    go = "" if arguments.directory == "." else f"cd {shlex.quote(arguments.directory)} && "
    print("\nNext:")
    print(visible_lines(f"  {go}monopod check{f' -f {PIPELINE}' if has_project else ''}"))
    print(visible_lines(f"  {go}monopod run{options}"))
    return SUCCEEDED


def _refuse(message: str) -> int:
    print(visible_lines(f"monopod init: {message}"), file=sys.stderr)
    return WRONG_INPUT
