"""What kubectl asks a plugin for when the user presses TAB: the program ``kubectl_complete-monopod``.

Rules (kubectl's documentation of plugins, "Using the command line runtime package" and shell completion; the format is
that of cobra, which kubectl is made with):

- The arguments are those after ``kubectl monopod``; the last one is what is being typed, and may be empty.
- What may stand there comes one a line, each with what it is for behind a tab. The last line is ``:`` and a number: 4
  if the shell is to offer no files, 0 if it is.

What there is to complete comes from the parsers (``shells``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

from monopod.runner.command_line import COMMANDS, command_named
from monopod.runner.completion.shells import Option, Values, Words, words_of_command

FILES, NO_FILES = 0, 4


def main() -> int:
    """Print what may stand in the place of the last argument of this process."""
    summaries = {name: command_named(name).SUMMARY for name in COMMANDS}
    sys.stdout.write(completions(sys.argv[1:], summaries, words_of_command))
    return 0


def completions(words: Sequence[str], summaries: dict[str, str], words_of: Callable[[str], Words]) -> str:
    """Return the completions of the last of `words`, in cobra's format.

    `summaries` says what each command does; `words_of` gives what one takes.
    """
    *before, current = words or ("",)
    if not before:
        offered: Iterator[tuple[str, str]] = iter(summaries.items())
        if current.startswith("-"):
            offered = iter((("--help", "say how it is used"), ("--version", "say which version this is")))
        return _told(offered, current, NO_FILES)
    if before[0] not in summaries:
        return _told(iter(()), current, NO_FILES)
    return _of_command(words_of(before[0]), before[-1], current)


def _of_command(words: Words, previous: str, current: str) -> str:
    name, is_joined, _ = current.partition("=")
    if current.startswith("--") and is_joined:
        return _values(_values_of(words.options, name), current, f"{name}=")
    values = _values_of(words.options, previous)
    if values is not None:
        return _values(values, current)
    if current.startswith("-"):
        return _told(((each, option.help) for option in words.options for each in option.names), current, NO_FILES)
    return _values(words.arguments, current)


def _values_of(options: Sequence[Option], name: str) -> Values | None:
    """Return what an option takes; None if it takes nothing, or there is no such option."""
    return next((option.values for option in options if name in option.names), None)


def _values(values: Values | None, current: str, prefix: str = "") -> str:
    choices = () if values is None or isinstance(values, str) else values
    return _told(((prefix + each, "") for each in choices), current, FILES if values == "file" else NO_FILES)


def _told(offered: Iterator[tuple[str, str]], current: str, directive: int) -> str:
    lines = [f"{text}\t{what}" if what else text for text, what in offered if text.startswith(current)]
    return "".join(f"{line}\n" for line in (*lines, f":{directive}"))
