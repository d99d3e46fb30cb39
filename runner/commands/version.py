"""`monopod version`: the version of monopod."""

from __future__ import annotations

import argparse

from monopod.runner.exit_codes import SUCCEEDED

SUMMARY = "print the version of monopod"

EXAMPLES = """\
  monopod version"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command, which has none."""


def execute(_arguments: argparse.Namespace) -> int:
    """Print the version."""
    from monopod.runner.command_line import version_line  # noqa: PLC0415  # it imports this

    print(version_line())
    return SUCCEEDED
