"""`monopod completion`: the script that lets a shell complete the command line."""

from __future__ import annotations

import argparse
import sys

from monopod.runner.exit_codes import SUCCEEDED

SUMMARY = "print a completion script for bash, zsh or fish"

EXAMPLES = """\
  source <(monopod completion bash)                                          # in ~/.bashrc
  monopod completion zsh > "${fpath[1]}/_monopod"                            # once, before compinit
  monopod completion fish > ~/.config/fish/completions/monopod.fish          # once

`kubectl monopod` needs no script: kubectl's own completion calls kubectl_complete-monopod, which is installed with
monopod."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of the command."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def execute(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from monopod.runner.command_line import COMMANDS  # noqa: PLC0415  # it imports this
    from monopod.runner.completion.shells import script  # noqa: PLC0415  # not needed for --help
    from monopod.runner.completion.words import words_of_command  # noqa: PLC0415

    words = {name: words_of_command(name) for name in COMMANDS}
    sys.stdout.write(script(arguments.shell, words, {"compile-pipeline": "compile"}))
    return SUCCEEDED
