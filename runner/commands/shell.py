"""`monopod shell`: a shell, or a command, in the container of a Step that is held or running."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from monopod.runner.commands.options.place import add_place_arguments, with_place

if TYPE_CHECKING:
    from monopod.runner.visiting.opening import Opened

SUMMARY = "open a shell beside a Step that is held or running"

EXAMPLES = """\
  monopod shell                                       (where a Step is held)
  monopod shell build/compile
  monopod shell build-x7k2p build/compile -- env      (run a command; its exit code is passed on)
  monopod shell build-x7k2p build/compile --context prod -n ci      (in a cluster)

The shell has the environment, the user and the working directory of the Step. It ends when the Step ends. An image
without a shell needs a command of its own, after --.

A Step is held by `monopod run --debug` or `--pause-on-failure`, or by debug.breakpoints of a TaskRun. In its container,
/tekton/debug/scripts/debug-continue releases it, as `monopod continue` does.

exit codes:
  that of the shell or the command; 2 no such run or Step"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place_arguments(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Run the shell or the command, and return its exit code. Raises OSError."""
    from monopod.runner.visiting.places import ENTRYPOINT  # noqa: PLC0415  # not needed for --help

    is_terminal = os.isatty(0) and os.isatty(1)

    def use(opened: Opened) -> int:
        kind = [f"TERM={os.environ['TERM']}"] if is_terminal and "TERM" in os.environ else []
        return opened.run.execute(
            opened.place.container, [ENTRYPOINT, "shell", *kind, *arguments.command], on_terminal=is_terminal
        )

    return with_place("shell", arguments, arguments.words, ["held", "running"], use)
