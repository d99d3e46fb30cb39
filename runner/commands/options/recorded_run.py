"""The argument RUN of the commands that report on a recorded run."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.records.recorded_run import RecordedRun


def add_recorded_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the optional argument RUN."""
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="a run as listed by `monopod runs`, or a Pipeline, for its latest run (default: the latest run of this "
        "project: of this git repository, or of this directory)",
    )


def find_recorded_run(command: str, name: str | None) -> RecordedRun | None:
    """Return the selected run; if there is none, print an error and return None."""
    from monopod.runner.records.recorded_run import read_run  # noqa: PLC0415  # not needed for --help
    from monopod.runner.records.store import RecordError, choose, own_project, records_root  # noqa: PLC0415

    try:
        return read_run(choose(records_root(), name, own_project()))
    except RecordError as error:
        print(visible_lines(f"monopod {command}: {error}"), file=sys.stderr)
        return None
