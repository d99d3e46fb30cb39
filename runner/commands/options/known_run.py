"""The argument RUN of the commands that look at a run of this machine or of a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from monopod.runner.commands.options.cluster import add_cluster_options
from monopod.runner.exit_codes import WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.known_runs.finding import Found
    from monopod.runner.known_runs.opening import Opened


def add_known_run_argument(
    parser: argparse.ArgumentParser,
    destination: str = "known_run",
    default: str = "the latest run of this project: of this git repository, or of this directory",
) -> None:
    """Add the optional argument RUN, and the options that name a cluster; `default` is meant without RUN.

    Completion offers what fits the `destination` (``completion.words``).
    """
    parser.add_argument(
        destination,
        nargs="?",
        metavar="RUN",
        help="a run as listed by `monopod runs`, a Pipeline, for its latest run, or a Pod in a cluster "
        f"(default: {default})",
    )
    add_cluster_options(parser)


def with_known_run(command: str, find: Callable[[], Found], use: Callable[[Opened], int]) -> int:
    """Find and open a run, and return what `use` returns for it; print an error if there is no such run."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.known_runs.finding import NoSuchRunError  # noqa: PLC0415
    from monopod.runner.known_runs.opening import opened  # noqa: PLC0415
    from monopod.runner.records.store import RecordError  # noqa: PLC0415

    try:
        with opened(find()) as run:
            return use(run)
    except (NoSuchRunError, BackendUnavailableError, RecordError) as error:
        return refuse(command, error)


def refuse(command: str, error: object) -> int:
    """Print why a command cannot be carried out, and return its exit code."""
    print(visible_lines(f"monopod {command}: {error}"), file=sys.stderr)
    return WRONG_INPUT
