"""`monopod help`: how a command is used."""

from __future__ import annotations

import argparse

from monopod.runner.exit_codes import SUCCEEDED

SUMMARY = "show how a command is used, as its --help does"

EXAMPLES = """\
  monopod help
  monopod help run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument COMMAND."""
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="a command (default: list all commands)")


def execute(arguments: argparse.Namespace) -> int:
    """Print the help of a command, or of monopod."""
    from monopod.runner import command_line  # noqa: PLC0415  # it imports this
    from monopod.runner.commands.options.cluster import program_name  # noqa: PLC0415

    program = " ".join(program_name())
    if arguments.command is None:
        command_line.main_parser(program).print_help()
    elif arguments.command in command_line.COMMANDS:
        command_line.parser_of(f"{program} {arguments.command}", arguments.command).print_help()
    else:
        command_line.exit_unknown_command(f"{program} help", arguments.command)
    return SUCCEEDED
