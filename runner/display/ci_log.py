r"""The log of a CI system, as a stream in which no text of a Step or a YAML file is taken for a command of the system.

CI systems read commands from the log that they make of a program's output: they annotate, mask, set variables, fold,
end a build. All that monopod prints may hold what a Step wrote or an author named. So both standard streams go through
`CiLog` there, whatever writes to them. A backslash is put into what the system would take for a command, where it would
(``##vso\[…``, ``:\:error``); everything else stays as it is.

Where each system looks for commands (its documentation, and its source where that says less):

- GitHub Actions, and Gitea and Forgejo: ``::`` after white space at the start of a line, ``##[`` anywhere.
  "Workflow commands"; actions/runner, ActionCommand.cs: a carriage return starts a line as well
- Azure Pipelines: ``##vso[`` and ``##[`` anywhere. "Logging commands"
- TeamCity: ``##teamcity[`` anywhere. "Service messages"
- GitLab: ``section_start:`` and ``section_end:`` anywhere. "CI/CD job logs"
- Buildkite: ``---``, ``+++``, ``~~~``, ``^^^`` and a blank at the start of a line. "Managing log output"
- Travis CI: ``travis_fold:`` and ``travis_time:`` anywhere. travis-build's shell functions

monopod's own marks (``folding``) are written to the stream below (`below`). Documents for programs say the same with
an escape of their own (`write_json`, `write_yaml`).
"""

from __future__ import annotations

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
"""What a command of each system begins with, and what every such text has in it. The break goes before the last
character of the former; the latter is quick to look for, and most lines have none of it."""

_MOST_OF_LINE = 64


class Commands:
    """What CI systems take for commands."""

    def __init__(self, systems: Iterable[str]) -> None:
        patterns, signs = zip(*(_COMMANDS[each] for each in systems), strict=True)
        self._pattern = re.compile("|".join(patterns), re.MULTILINE)
        self._signs = tuple(dict.fromkeys(sign for each in signs for sign in each))

    def are_in(self, text: str) -> bool:
        """Return whether there is a command in a text."""
        return any(sign in text for sign in self._signs) and self._pattern.search(text) is not None

    def replaced(self, text: str, replacement: Callable[[re.Match[str]], str]) -> str:
        """Return a text with something else instead of what a command begins with."""
        signs = [sign for sign in self._signs if sign in text]
        if not signs:
            return text
        return "\n".join(
            self._pattern.sub(replacement, line) if any(sign in line for sign in signs) else line
            for line in text.split("\n")
        )

    def broken(self, text: str) -> str:
        """Return a text in which each command is broken by a backslash."""
        return self.replaced(text, _broken)


def commands_of(environment: Mapping[str, str]) -> Commands | None:
    """Return what the CI system takes for a command in whose job this process runs; None outside of CI."""
    systems = systems_of(environment)
    return Commands(systems) if systems else None


class CiLog:
    """A text stream whose reader is a CI system. All but writing is done by the stream ``below``."""

    def __init__(self, below: TextIO, commands: Commands) -> None:
        self.below = below
        self.commands = commands
        self._line = ""  # how the line begins that was not ended yet

    def __getattr__(self, name: str) -> Any:
        return getattr(self.below, name)

    def write(self, text: str) -> int:
        """Write a text, so that it makes no command together with what was written before either."""
        whole = self.commands.broken(self._line + text)
        self.below.write(whole[len(self._line) :])
        line = whole[whole.rfind("\n") + 1 :]
        self._line = line if len(line) < _MOST_OF_LINE else "." + line[-_MOST_OF_LINE:]
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        self.write("".join(lines))


def _broken(match: re.Match[str]) -> str:
    return f"{match[0][:-1]}\\{match[0][-1]}"


def guarded(stream: TextIO, environment: Mapping[str, str]) -> TextIO:
    """Return a stream that writes to `stream`, safe for the CI system of the environment; itself outside of CI."""
    commands = None if isinstance(stream, CiLog) else commands_of(environment)
    return stream if commands is None else cast(TextIO, CiLog(stream, commands))


def guarded_like(other: TextIO, stream: TextIO) -> TextIO:
    """Return `stream`, guarded if `other` is."""
    return cast(TextIO, CiLog(stream, other.commands)) if isinstance(other, CiLog) else stream


def below(stream: TextIO) -> TextIO:
    """Return the stream to which marks of our own are written."""
    return stream.below if isinstance(stream, CiLog) else stream


def neutral(stream: TextIO, text: str) -> str:
    """Return a text that is put into a mark of our own, on this stream."""
    return stream.commands.broken(text) if isinstance(stream, CiLog) else text


def write_json(text: str) -> None:
    """Write JSON to standard output: what would be a command is in a string, and is written there with an escape."""
    stream = sys.stdout
    if isinstance(stream, CiLog):
        text = stream.commands.replaced(text, lambda match: f"{match[0][:-1]}\\u{ord(match[0][-1]):04x}")
    below(stream).write(text)


def write_yaml(documents: Iterable[dict[str, Any]]) -> None:
    """Write YAML documents to standard output, as JSON, which is YAML too, if they hold what would be a command."""
    for number, document in enumerate(documents):
        text = to_yaml(document)
        if number:
            below(sys.stdout).write("---\n")
        if isinstance(sys.stdout, CiLog) and sys.stdout.commands.are_in(text):
            write_json(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        else:
            below(sys.stdout).write(text)
