"""`monopod continue`: let a Step that is held at a breakpoint continue."""

from __future__ import annotations

import argparse

from monopod.runner.commands.options.place import add_place_arguments, release

SUMMARY = "continue a Step that is held at a breakpoint"

EXAMPLES = """\
  monopod continue                                (the Step that is held, if only one is)
  monopod continue build/compile
  monopod continue build-x7k2p build/compile --context prod -n ci    (in a cluster)

A Step that is held before its start runs. A Step that has failed counts as having succeeded, with exit code 0, and the
next Step runs: as Tekton's debug-continue. See also `monopod fail` and `monopod shell`.

exit codes:
  0 the Step was released, 2 no such run or Step, or it is not held"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place_arguments(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Release the Step and return the exit code. Raises OSError."""
    return release("continue", arguments)
