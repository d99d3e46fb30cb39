"""What a command takes: its options and arguments, read from its parser, and what kind of value each has.

The parser's metavar says what kind a value is: FILE is a file, RUN a recorded run. A new option whose metavar is listed
in `_KINDS` completes without more code. The destination distinguishes arguments that share a metavar.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Listed: TypeAlias = Literal[
    "run",
    "known run",
    "logged run",
    "logged task",
    "active run",
    "pod",
    "context",
    "namespace",
    "document",
    "param",
    "workspace",
    "fetch",
    "task",
    "tasks",
    "result",
    "reference",
    "view",
]
"""A kind of value that `candidates` can list."""

Values: TypeAlias = tuple[str, ...] | Literal["file", "unknown"] | Listed
"""What a value can be: a choice, a file, an entry of a list, or any text."""

_KINDS: dict[str, Values] = {
    "FILE": "file",
    "DIRECTORY": "file",
    "PATH": "file",
    "STORE": "file",
    "RUN": "run",
    "CONTEXT": "context",
    "NAMESPACE": "namespace",
    "NAME=VALUE": "param",
    "NAME=BINDING": "workspace",
    "WORKSPACE[/PATH]:DIR": "fetch",
    "TASK[/STEP]": "task",
    "TASK[,TASK...]": "tasks",
    "TASK.NAME=VALUE": "result",
    "PATTERN=DIR": "reference",
    "TASK/WORKSPACE[=POLICY]": "view",
}


_BY_DESTINATION: dict[str, Values] = {
    "known_run": "known run",
    "logged_run": "logged run",
    "logged_task": "logged task",
    "active_run": "active run",
}


@dataclass(frozen=True, slots=True)
class Option:
    """An option by its names; `values` is None if it takes none."""

    names: tuple[str, ...]
    values: Values | None
    help: str


@dataclass(frozen=True, slots=True)
class Words:
    """What a command takes: options, and positional arguments. The last argument may be repeated."""

    summary: str
    options: tuple[Option, ...]
    arguments: tuple[Values, ...]
    is_last_repeated: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A command line up to the word that is being completed: the values of each option, and the arguments."""

    options: Mapping[str, tuple[str, ...]]
    """By each name of the option."""
    arguments: tuple[str, ...]


def words_of(parser: argparse.ArgumentParser, summary: str) -> Words:
    """Return what the command with this parser takes."""
    options: list[Option] = []
    arguments: list[Values] = []
    is_repeated = False
    for action in parser._actions:  # noqa: SLF001  # argparse has no public way to list them
        if action.help == argparse.SUPPRESS:
            continue
        values = _values_of(action)
        if action.option_strings:
            options.append(Option(tuple(action.option_strings), values, _first_phrase(action)))
        elif values is not None:
            arguments.append(values)
            is_repeated = action.nargs in ("*", "+")
    return Words(summary, tuple(options), tuple(arguments), is_repeated)


def words_of_command(name: str) -> Words:
    """Return what one of monopod's commands takes."""
    from monopod.runner.command_line import command_named, parser_of  # noqa: PLC0415  # its commands import this

    return words_of(parser_of(f"monopod {name}", name), command_named(name).SUMMARY)


def _values_of(action: argparse.Action) -> Values | None:
    if action.nargs == 0:
        return None
    if action.metavar == "COMMAND":
        from monopod.runner.command_line import COMMANDS  # noqa: PLC0415  # its commands import this

        return COMMANDS
    if action.choices is not None:
        return tuple(map(str, action.choices))
    if action.dest in _BY_DESTINATION:
        return _BY_DESTINATION[action.dest]
    if action.metavar == "NAME":
        return "document"
    return _KINDS.get(str(action.metavar), "unknown")


def _first_phrase(action: argparse.Action) -> str:
    """Return the beginning of an option's help, up to the first remark on it."""
    text = (action.help or "") % {**vars(action), "prog": "monopod"}
    return re.split(r"[;:(]", text, maxsplit=1)[0].strip()


def read_line(words: Words, typed: Sequence[str]) -> Line:
    """Sort the words that were typed after a command into options and arguments. Unknown options are skipped."""
    by_name = {name: option for option in words.options for name in option.names}
    options: dict[str, tuple[str, ...]] = {}
    arguments: list[str] = []
    rest = list(typed)
    while rest:
        word = rest.pop(0)
        name, is_joined, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = by_name.get(name)
        if option is None or option.values is None:
            if not word.startswith("-") or word == "-":
                arguments.append(word)
            continue
        if not is_joined:
            value = rest.pop(0) if rest else ""
        for name in option.names:
            options[name] = (*options.get(name, ()), value)
    return Line(options, tuple(arguments))
