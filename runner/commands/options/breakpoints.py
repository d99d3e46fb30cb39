"""The options that hold a run at breakpoints: ``--debug`` and ``--pause-on-failure``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monopod.compiler.tasks.breakpoints import Breakpoints


def add_breakpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--debug`` and ``--pause-on-failure``."""
    parser.add_argument(
        "--debug",
        nargs="?",
        const="",
        action="append",
        default=[],
        type=_target,
        metavar="TASK[/STEP]",
        help="hold the run before this Step, before each Step of this Task, or, without a value, before every Step, "
        "and wait for `monopod continue` (repeatable). `monopod shell` looks inside. Write --debug=TASK/STEP",
    )
    parser.add_argument(
        "--pause-on-failure",
        action="store_true",
        help="hold a Step that has failed in its container, and wait for `monopod continue` (the Step has succeeded) "
        "or `monopod fail`",
    )


def _target(text: str) -> str:
    """Return a Task or Step. Raises ArgumentTypeError, which argparse reports."""
    if text.endswith((".yaml", ".yml")) or text == "-":
        raise argparse.ArgumentTypeError(f"'{text}' is a file, not TASK/STEP; write --debug=TASK/STEP, or -f {text}")
    return text


def breakpoints(arguments: argparse.Namespace) -> Breakpoints:
    """Return the breakpoints of the command line."""
    from monopod.compiler.tasks.breakpoints import Breakpoints  # noqa: PLC0415  # not needed for --help

    return Breakpoints(tuple(dict.fromkeys(arguments.debug)), arguments.pause_on_failure)
