"""`monopod fail`: fail a Step that is held at a breakpoint."""

from __future__ import annotations

import argparse

from monopod.runner.commands.options.place import add_place_arguments, release

SUMMARY = "fail a Step that is held at a breakpoint"

EXAMPLES = """\
  monopod fail                                (the Step that is held, if only one is)
  monopod fail build/compile
  monopod fail build-x7k2p build/compile --context prod -n ci    (in a cluster)

A Step that is held before its start does not run, and fails with exit code 1. A Step that has failed keeps its exit
code. Its Task fails, or is retried, as Tekton's debug-fail-continue. See also `monopod continue` and `monopod shell`.

exit codes:
  0 the Step was released, 2 no such run or Step, or it is not held"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_place_arguments(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Release the Step and return the exit code. Raises OSError."""
    return release("fail", arguments)
