"""The command line: `monopod COMMAND ...`, and what is the same for all commands.

Rules:

- Exit codes: 0 well, 1 the run failed, 2 the input or the usage is wrong (nothing was run), 130 cancelled.
- What is wrong with the input is told on standard error, one line a problem, then how many there are. No traceback.
- A reader of standard output that goes away (``| head``) ends the command without a word, as SIGPIPE would;
  a run is cancelled first.

What is left to others: the commands themselves (``commands``), Ctrl-C (``program``).
"""

from __future__ import annotations

import argparse
import atexit
import difflib
import gc
import os
import sys
from importlib import import_module
from typing import NoReturn, Protocol, cast

from monopod import __version__
from monopod.runner.commands.options.cluster import is_kubectl_plugin
from monopod.runner.display.ci_systems import surrounding, systems_of
from monopod.schemas.formats.visible_text import visible_lines
from monopod.system import inherited_signals

WRONG_INPUT = 2
BROKEN_PIPE = 141  # 128 + SIGPIPE

COMMANDS = (
    "run",
    "attach",
    "logs",
    "status",
    "cancel",
    "runs",
    "report",
    "explain",
    "compile",
    "check",
    "graph",
    "schema",
    "completion",
)


class Command(Protocol):
    """A module below ``commands``."""

    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of the command."""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Do what the command does and return the exit code. Raises Problems if the input is wrong."""


def main() -> int:
    """Run `monopod` (or, as a plugin of kubectl, `kubectl monopod`) with the arguments of the process."""
    atexit.register(gc.freeze)  # Python would look for garbage once more, in all that the process has
    program = "kubectl monopod" if is_kubectl_plugin() else "monopod"
    name, rest = _choose(program, sys.argv[1:])
    return _execute(f"{program} {name}", name, rest)


def compile_pipeline() -> int:
    """Run `compile-pipeline FILE...`, which is `monopod compile`."""
    atexit.register(gc.freeze)
    return _execute("compile-pipeline", "compile", sys.argv[1:])


def _choose(program: str, words: list[str]) -> tuple[str, list[str]]:
    """Return the name of the command and its arguments; ends the process for --help, --version and wrong usage."""
    if words and words[0] in COMMANDS:
        return words[0], words[1:]
    width = max(map(len, COMMANDS)) + 2
    listed = "\n".join(f"  {name:{width}}{command_named(name).SUMMARY}" for name in COMMANDS)
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} COMMAND [OPTION]... (see `{program} COMMAND --help`)",
        description="Run a whole Tekton Pipeline in one Pod: on this machine, or on any cluster.",
        epilog=f"commands:\n{listed}\n\nexit codes:\n  {_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"monopod {__version__}")
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    arguments, _ = parser.parse_known_args(words)
    return _no_command(parser, arguments.command, words)


_EXIT_CODES = "0 Succeeded or Completed, 1 Failed, 2 the input is wrong (nothing was run), 130 cancelled"


def _no_command(parser: argparse.ArgumentParser, given: str | None, words: list[str]) -> NoReturn:
    if given is None:
        parser.error(f"no command is given; the commands are {', '.join(COMMANDS)}")
    if given in COMMANDS:
        parser.error(f"{words[0]} comes after the command: {given} {words[0]}")
    close = difflib.get_close_matches(given, COMMANDS, n=1)
    suggestion = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(COMMANDS)}"
    parser.error(f"there is no command {given!r}; {suggestion}")


def command_named(name: str) -> Command:
    """Return the command, one of `COMMANDS`."""
    return cast(Command, import_module(f"monopod.runner.commands.{name}"))


def _execute(program: str, name: str, words: list[str]) -> int:
    _prepare_streams()
    inherited_signals.reset(keep=inherited_signals.ASKED_FOR)
    try:
        exit_code = _run_command(program, name, words)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except OSError as error:
        what = f"{error.filename}: " if error.filename is not None else ""
        print(visible_lines(f"{program}: {what}{error.strerror or error}"), file=sys.stderr)
        _forget_output()
        return 1
    return exit_code


def _prepare_streams() -> None:
    """See to it that there are standard streams (``>&-``), and that they take what does not fit the locale.

    In the job of a CI system, nothing that is written to them is a command of it (``ci_log``).
    """
    descriptor = 0
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest one that is free
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  # as long as the process lives
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    environment = surrounding(os.environ)
    if systems_of(environment):
        from monopod.runner.display.ci_log import guarded  # noqa: PLC0415  # elsewhere it costs nothing

        sys.stdout, sys.stderr = guarded(sys.stdout, environment), guarded(sys.stderr, environment)


def _forget_output() -> None:
    """Let what could not be written go nowhere, or it would fail once again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser_of(program: str, name: str) -> argparse.ArgumentParser:
    """Return the parser of a command's arguments; `program` is how it is called."""
    command = command_named(name)
    parser = argparse.ArgumentParser(
        prog=program,
        description=command.SUMMARY[:1].upper() + command.SUMMARY[1:] + ".",
        epilog=f"examples:\n{command.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return parser


def _run_command(program: str, name: str, words: list[str]) -> int:
    command = command_named(name)
    arguments = parser_of(program, name).parse_intermixed_args(words)
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415  # not needed for --help

    try:
        return command.execute(arguments)
    except Problems as problems:
        from monopod.runner.display.problem_report import print_problems  # noqa: PLC0415

        print_problems(problems.problems, sys.stderr)
        return WRONG_INPUT
