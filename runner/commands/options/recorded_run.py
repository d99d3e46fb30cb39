"""The argument RUN of the commands that tell of a recorded run."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.records.recorded_run import RecordedRun


def add_recorded_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument, which may be left out."""
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="a run as `monopod runs` lists it, or a Pipeline: its latest run; without it, the latest of all",
    )


def find_recorded_run(command: str, name: str | None) -> RecordedRun | None:
    """Return the run that is meant; None if there is none, which is told then."""
    from monopod.runner.records.recorded_run import read_run  # noqa: PLC0415  # not needed for --help
    from monopod.runner.records.store import RecordError, choose, records_root  # noqa: PLC0415

    try:
        return read_run(choose(records_root(), name))
    except RecordError as error:
        print(visible_lines(f"monopod {command}: {error}"), file=sys.stderr)
        return None
