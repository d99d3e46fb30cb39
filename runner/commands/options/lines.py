"""The options that select which lines of a run are shown, and how."""

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
        help="show only the output of this Task or Step, and failures (repeatable). TASK[2] or 'TASK[go=1.22]' is one "
        "combination of a matrix",
    )
    parser.add_argument(
        "--timestamps", action="store_true", help="prefix each line with the time it was read (RFC 3339, UTC)"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="show only failures, the output that --logs selects, and the summary"
    )


def line_options(arguments: argparse.Namespace, plans: Sequence[Plan]) -> LineOptions:
    """Return the line options of a command line. Raises Problems if ``--logs`` names an unknown Task or Step."""
    from monopod.runner.display.line_options import LineOptions  # noqa: PLC0415  # not needed for --help
    from monopod.runner.display.selection import Selection, find_sources  # noqa: PLC0415

    selection = Selection(find_sources(arguments.logs, plans), quiet=arguments.quiet)
    return LineOptions(selection, timestamps=arguments.timestamps)


def without_line_options(words: Iterable[str]) -> Iterator[str]:
    """Yield the words of a command line without ``--logs`` and ``--quiet``."""
    words = iter(words)
    for word in words:
        if word == "--":
            yield word
            yield from words
        elif word == "--logs":
            next(words, None)
        elif word not in ("-q", "--quiet") and not word.startswith("--logs="):
            yield word
