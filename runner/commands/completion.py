"""`monopod completion`: the script with which a shell completes the command line."""

from __future__ import annotations

import argparse
import sys

SUMMARY = "print the script with which bash, zsh or fish completes monopod's command line"

EXAMPLES = """\
  source <(monopod completion bash)                                          # in ~/.bashrc
  monopod completion zsh > "${fpath[1]}/_monopod"                            # once, before compinit
  monopod completion fish > ~/.config/fish/completions/monopod.fish          # once

`kubectl monopod` needs no script: kubectl's own completion asks the program kubectl_complete-monopod, which is
installed beside this one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of the command."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that is to complete")


def execute(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from monopod.runner.command_line import COMMANDS  # noqa: PLC0415  # it imports this
    from monopod.runner.completion.shells import script, words_of_command  # noqa: PLC0415  # not needed for --help

    words = {name: words_of_command(name) for name in COMMANDS}
    sys.stdout.write(script(arguments.shell, words, {"compile-pipeline": "compile"}))
    return 0
