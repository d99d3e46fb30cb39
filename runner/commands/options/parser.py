"""The parser of a command: what is wrong with its options is one line, with a suggestion.

Left to others: the options (the other modules of this package), the commands (``command_line``).
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from monopod.runner.exit_codes import WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

_UNKNOWN = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_MISSING = re.compile(r"the following arguments are required: (.*)", re.DOTALL)
_OTHER_NAMES = {
    "--file": "--filename",
    "--file-name": "--filename",
    "--ns": "--namespace",
    "--kube-context": "--context",
    "--input": "--param",
    "--env-file": "--param-file",
    "--var": "--param",
    "--job": "--only",
    "--format": "--output",
    "--follow": "--logs",
    "--dryrun": "--dry-run",
}
"""What other tools (docker, helm, act, argo) call an option."""


_NOT_NEEDED = {
    "--showlog": "monopod run always shows the log",
    "--use-param-defaults": "defaults always apply",
    "--last": "monopod rerun repeats the latest run",
    "-L": "monopod rerun repeats the latest run",
}
"""Options of tkn that have no counterpart, each with the reason."""


class CommandParser(argparse.ArgumentParser):
    """A parser without abbreviated options."""

    def __init__(self, program: str, description: str, epilog: str, usage: str | None = None) -> None:
        super().__init__(
            prog=program,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Print one line to standard error, and exit."""
        unknown = _UNKNOWN.fullmatch(message)
        if unknown is not None:
            message = self._unknown(unknown[1])
        elif (missing := _MISSING.fullmatch(message)) is not None:
            message = f"missing {missing[1]}{self._choices(missing[1])}; see {self.prog} --help"
        self.exit(WRONG_INPUT, f"{visible_lines(f'{self.prog}: {message}')}\n")

    def _unknown(self, text: str) -> str:
        """Return what is wrong with arguments that mean nothing; `text` has them separated by spaces."""
        options = [word for word in text.split(" ") if word.startswith("-") and len(word) > 1]
        if not options:
            return f"unexpected argument {text!r}; see {self.prog} --help"
        name = options[0].partition("=")[0]
        if name in _NOT_NEEDED:
            return f"unknown option {name}: {_NOT_NEEDED[name]}; leave it out"
        return f"unknown option {name}{self._suggestion(name)}; see {self.prog} --help"

    def _choices(self, name: str) -> str:
        """Return the values that a positional argument may have."""
        choices = next((action.choices for action in self._actions if action.dest == name), None)
        return f": {' or '.join(map(str, choices))}" if choices else ""

    def _suggestion(self, name: str) -> str:
        known = [
            option
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for option in action.option_strings
            if option.startswith("--")
        ]
        meant = _OTHER_NAMES.get(name) or closest_option(name, known)
        return f" (did you mean {meant}?)" if meant in known else ""


def closest_option(name: str, known: Iterable[str]) -> str | None:
    """Return the option that a wrong one probably means: the only one that it abbreviates, else the most similar."""
    known = list(known)
    longer = [option for option in known if len(name) > 3 and option.startswith(name)]
    if len(longer) == 1:
        return longer[0]
    if longer:
        return min(longer, key=len)
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.7)), None)
