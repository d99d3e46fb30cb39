"""The command line `monopod COMMAND ...`, and what all commands have in common.

Rules:

- Exit codes: 0 success, 1 the run failed, 2 invalid input or usage (nothing was run), 130 cancelled.
- Problems with the input go to standard error, one per line. The count follows if there are several. There is never a
  traceback.
- If the reader of standard output exits (``| head``), the command ends silently, as SIGPIPE would end it. A run is
  cancelled first.

The commands are in ``commands``; ``program`` handles Ctrl-C.
"""

from __future__ import annotations

import argparse
import atexit
import difflib
import gc
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import NoReturn, Protocol, cast

from monopod import __version__
from monopod.runner.commands.options.cluster import is_kubectl_plugin
from monopod.runner.commands.options.parser import CommandParser
from monopod.runner.display.ci_systems import job_environment, systems_of
from monopod.runner.exit_codes import BROKEN_PIPE, FAILED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines
from monopod.system import inherited_signals

COMMANDS = (
    "init",
    "run",
    "rerun",
    "attach",
    "logs",
    "status",
    "cancel",
    "shell",
    "continue",
    "fail",
    "runs",
    "report",
    "explain",
    "cache",
    "compile",
    "convert",
    "resolve",
    "check",
    "graph",
    "schema",
    "completion",
    "help",
    "version",
)


WITH_A_COMMAND = ("shell",)
"""Commands that run another command, which follows ``--``. They get both as ``arguments.command``."""


class Command(Protocol):
    """A module of ``commands``."""

    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of the command."""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Run the command and return its exit code. Raises Problems if the input is invalid."""


def main() -> int:
    """Run `monopod` or `kubectl monopod` with the arguments of this process."""
    atexit.register(gc.freeze)  # skips the last garbage collection, which would visit every object
    program = "kubectl monopod" if is_kubectl_plugin() else "monopod"
    name, rest = _split_command(program, sys.argv[1:])
    return _execute(f"{program} {name}", name, rest)


def compile_pipeline() -> int:
    """Run `compile-pipeline FILE...`, an alias of `monopod compile`."""
    atexit.register(gc.freeze)
    return _execute("compile-pipeline", "compile", sys.argv[1:])


def _split_command(program: str, words: list[str]) -> tuple[str, list[str]]:
    """Return the command and its arguments. Exits on --help, --version and wrong usage."""
    if words and words[0] in COMMANDS:
        return words[0], words[1:]
    parser = main_parser(program)
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    arguments, _ = parser.parse_known_args(words)
    if arguments.command is None:
        parser.error(f"missing command; the commands are {', '.join(COMMANDS)}")
    if arguments.command in COMMANDS:
        parser.error(f"{words[0]} must follow the command: {arguments.command} {words[0]}")
    return exit_unknown_command(program, arguments.command)


def main_parser(program: str) -> CommandParser:
    """Return the parser of `monopod` itself, whose help lists the commands."""
    width = max(map(len, COMMANDS)) + 2
    listed = "\n".join(f"  {name:{width}}{command_named(name).SUMMARY}" for name in COMMANDS)
    parser = CommandParser(
        program,
        "Run a whole Tekton Pipeline in one Pod: on this machine, or on any cluster.",
        f"commands:\n{listed}\n\nexit codes:\n  {_EXIT_CODES}",
        f"{program} COMMAND [OPTION]... (see `{program} COMMAND --help`)",
    )
    parser.add_argument("--version", action="version", version=version_line())
    return parser


_EXIT_CODES = "0 Succeeded or Completed, 1 Failed, 2 invalid input (nothing was run), 130 cancelled"
_OTHER_NAMES = {"start": "run", "exec": "run", "apply": "run", "list": "runs", "ls": "runs", "describe": "status"}
_OTHER_NAMES |= {"lint": "check", "validate": "check", "kill": "cancel", "stop": "cancel", "retry": "rerun"}
"""What other tools (tkn, argo, act, docker) call a command."""


def exit_unknown_command(program: str, name: str) -> NoReturn:
    """Print that there is no such command, with a suggestion, and exit."""
    close = _OTHER_NAMES.get(name) or next(iter(difflib.get_close_matches(name, COMMANDS, n=1)), None)
    suggestion = f"did you mean {close}?" if close else f"the commands are {', '.join(COMMANDS)}"
    print(visible_lines(f"{program}: unknown command {name!r}; {suggestion}"), file=sys.stderr)
    sys.exit(WRONG_INPUT)


def version_line() -> str:
    """Return what --version and `monopod version` print."""
    return f"monopod {__version__}"


def command_named(name: str) -> Command:
    """Return the module of a command, one of `COMMANDS`."""
    module = "continue_" if name == "continue" else name  # a keyword of Python
    return cast(Command, import_module(f"monopod.runner.commands.{module}"))


def _execute(program: str, name: str, words: list[str]) -> int:
    _prepare_streams()
    inherited_signals.reset(keep=inherited_signals.ASKED_FOR)
    try:
        exit_code = _run_command(program, name, words)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except OSError as error:
        what = f"{error.filename}: " if error.filename is not None else ""
        print(visible_lines(f"{program}: {what}{error.strerror or error}"), file=sys.stderr)
        _discard_output()
        return FAILED
    return exit_code


def _prepare_streams() -> None:
    """Open standard streams that are closed (``>&-``), and replace characters that the locale cannot encode.

    In a CI job, text written to them is never executed as a command of the CI system (``ci_log``).
    """
    descriptor = 0
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  # stays open until the process ends
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    environment = job_environment(os.environ)
    if systems_of(environment):
        from monopod.runner.display.ci_log import guarded  # noqa: PLC0415  # needed only in CI

        sys.stdout, sys.stderr = guarded(sys.stdout, environment), guarded(sys.stderr, environment)


def _discard_output() -> None:
    """Discard buffered output; the interpreter would fail again to write it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser_of(program: str, name: str) -> argparse.ArgumentParser:
    """Return the argument parser of a command; `program` is the name in its usage."""
    command = command_named(name)
    description = f"{command.SUMMARY[:1].upper()}{command.SUMMARY[1:]}."
    parser = CommandParser(program, description, f"examples:\n{command.EXAMPLES}")
    command.add_arguments(parser)
    return parser


def _skip_search_for_plugins() -> None:
    """Spare pydantic the search for plugins in the metadata of all installed packages: it takes 15 ms, and finds none.

    The setting for that, PYDANTIC_DISABLE_PLUGINS, would reach the Steps on this machine, and still import the search.
    """
    loader = ModuleType("pydantic.plugin._loader")
    loader.__dict__["get_plugins"] = tuple
    sys.modules[loader.__name__] = loader


def _run_command(program: str, name: str, words: list[str]) -> int:
    _skip_search_for_plugins()
    command = command_named(name)
    ends = words.index("--") if name in WITH_A_COMMAND and "--" in words else len(words)
    arguments = parser_of(program, name).parse_intermixed_args(words[:ends])
    if name in WITH_A_COMMAND:
        arguments.command = words[ends:]
    from monopod.compiler.diagnostics import Problems  # noqa: PLC0415  # not needed for --help

    try:
        return command.execute(arguments)
    except Problems as problems:
        from monopod.runner.display.problem_report import print_problems  # noqa: PLC0415

        print_problems(problems.problems, sys.stderr)
        return WRONG_INPUT
