r"""Protects the log of a CI system: no text from a Step or a YAML file can act as a command of the CI system.

CI systems execute commands that appear in the log of a job: they annotate, mask, set variables, fold, and end a build.
Anything that monopod prints may contain text that a Step wrote or an author chose. In CI, both standard streams
therefore go through `CiLog`. It inserts a backslash into text that the CI system would execute (``##vso\[…``,
``:\:error``) and leaves everything else unchanged.

Where each CI system looks for commands, according to its documentation, and its source where that says less:

- GitHub Actions, and Gitea and Forgejo: ``::`` after white space at the start of a line, ``##[`` anywhere.
  "Workflow commands"; actions/runner, ActionCommand.cs: a carriage return starts a line as well
- Azure Pipelines: ``##vso[`` and ``##[`` anywhere. "Logging commands"
- TeamCity: ``##teamcity[`` anywhere. "Service messages"
- GitLab: ``section_start:`` and ``section_end:`` anywhere. "CI/CD job logs"
- Buildkite: ``---``, ``+++``, ``~~~``, ``^^^`` and a blank at the start of a line. "Managing log output"
- Travis CI: ``travis_fold:`` and ``travis_time:`` anywhere. travis-build's shell functions

monopod's own commands (``folding``) are written to the underlying stream (`unguarded`). Documents for programs use
the escapes of their format instead (`write_json`, `write_yaml`).
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO, cast

from monopod.compiler.documents.yaml_text import to_yaml
from monopod.runner.display.ci_systems import systems_of

_ENDS_OF_LINES = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_COLOUR = r"\x1b\[[0-9;:]*m"
_START = rf"(?:^|(?<=[{_ENDS_OF_LINES}]))"
_COMMANDS = {
    "GitHub Actions": (rf"{_START}(?:[^\S{_ENDS_OF_LINES}]|{_COLOUR})*::|##\[", ("::", "##[")),
    "GitLab": (r"section_(?:start|end):", ("section_",)),
    "Azure Pipelines": (r"##(?:vso)?\[", ("##[", "##vso[")),
    "Buildkite": (rf"{_START}(?:{_COLOUR})*(?:---|\+\+\+|~~~|\^\^\^)(?:\s|$)", ("---", "+++", "~~~", "^^^")),
    "TeamCity": (r"##teamcity\[", ("##teamcity[",)),
    "Travis CI": (r"travis_(?:fold|time):", ("travis_",)),
}
"""A pattern for the start of each CI system's commands, and substrings that every match contains. The backslash goes
before the last character of a match. The substrings are a fast test that most lines fail."""

_LONGEST_TAIL = 64


class Commands:
    """The commands of one or several CI systems."""

    def __init__(self, systems: Iterable[str]) -> None:
        patterns, signs = zip(*(_COMMANDS[system] for system in systems), strict=True)
        self._pattern = re.compile("|".join(patterns), re.MULTILINE)
        self._signs = tuple(dict.fromkeys(itertools.chain.from_iterable(signs)))

    def are_in(self, text: str) -> bool:
        """Return whether a text contains a command."""
        return any(sign in text for sign in self._signs) and self._pattern.search(text) is not None

    def replaced(self, text: str, replacement: Callable[[re.Match[str]], str]) -> str:
        """Replace the start of each command in a text."""
        signs = [sign for sign in self._signs if sign in text]
        if not signs:
            return text
        return "\n".join(
            self._pattern.sub(replacement, line) if any(sign in line for sign in signs) else line
            for line in text.split("\n")
        )

    def escaped(self, text: str) -> str:
        """Return a text in which a backslash disables each command."""
        return self.replaced(text, _escape)


def commands_of(environment: Mapping[str, str]) -> Commands | None:
    """Return the commands of the CI system that runs this process; None outside CI."""
    systems = systems_of(environment)
    return Commands(systems) if systems else None


class CiLog:
    """A text stream that a CI system reads. Everything except writing is delegated to ``stream``."""

    def __init__(self, stream: TextIO, commands: Commands) -> None:
        self.stream = stream
        self.commands = commands
        self._tail = ""  # the end of the current, unfinished line

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text so that it forms no command, also not together with the text written before it."""
        whole = self.commands.escaped(self._tail + text)
        self.stream.write(whole[len(self._tail) :])
        line = whole[whole.rfind("\n") + 1 :]
        self._tail = line if len(line) < _LONGEST_TAIL else "." + line[-_LONGEST_TAIL:]
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        self.write("".join(lines))


def _escape(match: re.Match[str]) -> str:
    return f"{match[0][:-1]}\\{match[0][-1]}"


def guarded(stream: TextIO, environment: Mapping[str, str]) -> TextIO:
    """Return `stream`, guarded against commands if the environment belongs to a CI system."""
    commands = None if isinstance(stream, CiLog) else commands_of(environment)
    return stream if commands is None else cast(TextIO, CiLog(stream, commands))


def guarded_like(other: TextIO, stream: TextIO) -> TextIO:
    """Return `stream`, guarded if `other` is guarded."""
    return cast(TextIO, CiLog(stream, other.commands)) if isinstance(other, CiLog) else stream


def unguarded(stream: TextIO) -> TextIO:
    """Return the underlying stream, for monopod's own commands."""
    return stream.stream if isinstance(stream, CiLog) else stream


def escaped(stream: TextIO, text: str) -> str:
    """Return a text that can be part of one of monopod's own commands on this stream."""
    return stream.commands.escaped(text) if isinstance(stream, CiLog) else text


def write_json(text: str) -> None:
    """Write JSON to standard output. Commands occur only in strings, where a JSON escape disables them."""
    stream = sys.stdout
    if isinstance(stream, CiLog):
        text = stream.commands.replaced(text, lambda match: f"{match[0][:-1]}\\u{ord(match[0][-1]):04x}")
    unguarded(stream).write(text)


def write_yaml(documents: Iterable[dict[str, Any]]) -> None:
    """Write YAML documents to standard output. A document with a command is written as JSON, a subset of YAML."""
    for number, document in enumerate(documents):
        text = to_yaml(document)
        if number:
            unguarded(sys.stdout).write("---\n")
        if isinstance(sys.stdout, CiLog) and sys.stdout.commands.are_in(text):
            write_json(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        else:
            unguarded(sys.stdout).write(text)
