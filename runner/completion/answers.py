"""Answers what may come next on a command line: ``monopod __complete`` and ``kubectl_complete-monopod``.

The scripts of the shells (``shells``) run the first for values that only a program can list. kubectl runs the second
for everything after ``kubectl monopod``. Both use the protocol of cobra, kubectl's command line library:

- The arguments are the words after the program; the last one is being typed, and may be empty.
- Each candidate is a line: the word, a tab, and what it is for. The last line is ``:`` and the sum of the directives:
  2 for no space after the word, 4 for no files.

The options come from the parsers (``words``), the values from ``candidates``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from monopod.runner.command_line import COMMANDS, command_named
from monopod.runner.completion.candidates import Candidate, candidates
from monopod.runner.completion.words import Line, Values, Words, read_line, words_of_command
from monopod.runner.exit_codes import SUCCEEDED

FILES, NO_SPACE, NO_FILES = 0, 2, 4


def main() -> int:
    """Answer kubectl, with the arguments of this process."""
    return answer(sys.argv[1:], is_plugin=True)


def answer(typed: Sequence[str], *, is_plugin: bool) -> int:
    """Print the candidates for the last word and return the exit code."""
    sys.stdout.write(completions(typed, is_plugin=is_plugin))
    return SUCCEEDED


def completions(typed: Sequence[str], *, is_plugin: bool = False) -> str:
    """Return the candidates for the last word, in cobra's format."""
    *before, current = typed or ("",)
    if not before:
        if current.startswith("-"):
            return _format([("--help", "say how it is used"), ("--version", "say which version this is")], current)
        return _format([(name, command_named(name).SUMMARY) for name in COMMANDS], current)
    command, *before = before
    if command not in COMMANDS:
        return _format([], current)
    words = words_of_command(command)
    return _Command(words, is_plugin=is_plugin).complete(before, current)


class _Command:
    def __init__(self, words: Words, *, is_plugin: bool) -> None:
        self._words = words
        self._is_plugin = is_plugin

    def complete(self, before: Sequence[str], current: str) -> str:
        """Return the candidates for the word after `before`, the words that follow the command."""
        name, is_joined, value = current.partition("=")
        if current.startswith("--") and is_joined:
            return self._complete_value(self._values_of(name), before, value, f"{name}=")
        values = self._values_of(before[-1]) if before else None
        if values is not None:
            return self._complete_value(values, before[:-1], current)
        if current.startswith("-"):
            return _format(((name, option.help) for option in self._words.options for name in option.names), current)
        index = len(read_line(self._words, before).arguments)
        return self._complete_value(self._argument(index), before, current)

    def _values_of(self, name: str) -> Values | None:
        """Return what an option takes; None if it takes nothing, or there is no such option."""
        return next((option.values for option in self._words.options if name in option.names), None)

    def _argument(self, index: int) -> Values | None:
        arguments = self._words.arguments
        if index < len(arguments):
            return arguments[index]
        return arguments[-1] if self._words.is_last_repeated else None

    def _complete_value(self, values: Values | None, before: Sequence[str], current: str, head: str = "") -> str:
        """Return the candidates for a value. `head` is what comes before it in the same word."""
        if values == "file":
            return _format([], current, FILES)
        if values is None or values == "unknown":
            return _format([], current)
        if isinstance(values, tuple):
            offered: Iterable[Candidate] = [(value, "") for value in values]
        else:
            line: Line = read_line(self._words, before)
            offered = candidates(values, line, current, is_plugin=self._is_plugin)
        return _format([(head + value, text) for value, text in offered], head + current)


def _format(offered: Iterable[Candidate], current: str, directive: int = NO_FILES) -> str:
    fitting = [(word, " ".join(text.split())) for word, text in offered if word.startswith(current)]
    if fitting and all(word.endswith(("=", ":")) for word, _ in fitting):
        directive += NO_SPACE
    lines = [f"{word}\t{text}" if text else word for word, text in fitting]
    return "".join(f"{line}\n" for line in (*lines, f":{directive}"))
