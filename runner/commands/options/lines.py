"""The options that say which lines of a run are shown, and how."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monopod.runner.display.line_options import LineOptions
    from monopod.schemas.plan import Plan


def add_line_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--logs``, ``--timestamps`` and ``--quiet``."""
    parser.add_argument(
        "--logs",
        action="append",
        default=[],
        metavar="TASK[/STEP]",
        help="show only what this Task, or this Step of it, does and writes, beside what fails; TASK[2] is a "
        "combination of a matrix; may be given several times",
    )
    parser.add_argument(
        "--timestamps", action="store_true", help="begin each line with the time at which it was read (RFC 3339, UTC)"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="show only what fails (and what --logs asks for) and the summary"
    )


def line_options(arguments: argparse.Namespace, plans: Sequence[Plan]) -> LineOptions:
    """Return what was asked for. Raises Problems if ``--logs`` names what is in none of the Plans."""
    from monopod.runner.display.line_options import LineOptions  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.selection import Selection, find_sources  # noqa: PLC0415

    selection = Selection(find_sources(arguments.logs, plans), quiet=arguments.quiet)
    return LineOptions(selection, timestamps=arguments.timestamps)


def without_line_options(words: Iterable[str]) -> Iterator[str]:
    """Yield the words of a command line without ``--logs`` and ``--quiet``, to which others can then be added."""
    words = iter(words)
    for word in words:
        if word == "--":
            yield word
            yield from words
        elif word == "--logs":
            next(words, None)
        elif word not in ("-q", "--quiet") and not word.startswith("--logs="):
            yield word
