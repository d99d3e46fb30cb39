"""The options that select which Tasks of a Pipeline run, and give the Results of the others."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monopod.compiler.tasks.left_out import Selection


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--only``, ``--from``, ``--skip`` and ``--result``."""
    add_task_options(parser)
    parser.add_argument(
        "--result",
        action="append",
        default=[],
        dest="results",
        type=_result,
        metavar="TASK.NAME=VALUE",
        help="give a Result of a Task that --only, --from or --skip leaves out (repeatable). Arrays and objects are "
        "written as in -p",
    )


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--only``, ``--from`` and ``--skip``."""
    for option, target, text in (
        ("--only", "only", "run only these Tasks and the finally Tasks (repeatable)"),
        ("--from", "start", "run this Task, all Tasks that depend on it, and the finally Tasks (repeatable)"),
        ("--skip", "skip", "leave out these Tasks, which may be finally Tasks (repeatable)"),
    ):
        parser.add_argument(
            option, action="append", default=[], dest=target, type=_names, metavar="TASK[,TASK...]", help=text
        )


def selection(arguments: argparse.Namespace) -> Selection:
    """Return the Tasks that the command line selects."""
    from monopod.compiler.tasks.left_out import Selection  # noqa: PLC0415  # not needed for --help

    only, start, skip = (_each_once(lists) for lists in (arguments.only, arguments.start, arguments.skip))
    return Selection(only, start, skip, tuple(arguments.results))


def _each_once(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))


def _names(text: str) -> list[str]:
    """Return the names in a list. Raises ArgumentTypeError, which argparse reports."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected TASK or TASK,TASK, got {text!r}")
    return names


def _result(text: str) -> tuple[str, str, str]:
    """Return the parts of ``TASK.NAME=VALUE``. Raises ArgumentTypeError, which argparse reports."""
    path, equals, value = text.partition("=")
    task, dot, name = path.partition(".")
    if not (task and dot and name and equals):
        raise argparse.ArgumentTypeError(f"expected TASK.NAME=VALUE, got {text!r}")
    return task, name, value
