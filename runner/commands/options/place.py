"""The arguments ``[RUN] [TASK[/STEP]]`` of the commands that go into a container of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from monopod.runner.commands.options.cluster import add_cluster_options
from monopod.runner.exit_codes import SUCCEEDED, WRONG_INPUT
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.visiting.opening import Opened
    from monopod.runner.visiting.places import State

_MOST_WORDS = 2


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Add RUN and TASK[/STEP], and the options that name a cluster."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[RUN] TASK[/STEP]",
        help="the run (in a cluster: its Pod), and the Task or Step in it. RUN may be left out if one run is active on "
        "this machine, or holds a Step; TASK/STEP if only one Step is meant",
    )
    add_cluster_options(parser)


def with_place(
    command: str,
    arguments: argparse.Namespace,
    words: Sequence[str],
    wanted: Sequence[State],
    use: Callable[[Opened], int],
) -> int:
    """Return what `use` returns for the container that `words` name; print an error if there is none."""
    from monopod.runner.backend_errors import BackendUnavailableError  # noqa: PLC0415  # not needed for --help
    from monopod.runner.known_runs.finding import NoSuchRunError  # noqa: PLC0415
    from monopod.runner.known_runs.task_selection import NoSuchTaskError  # noqa: PLC0415
    from monopod.runner.kubernetes.existing import NoSuchPodError  # noqa: PLC0415
    from monopod.runner.visiting.opening import open_place  # noqa: PLC0415
    from monopod.runner.visiting.places import NoSuchPlaceError, VisitError  # noqa: PLC0415

    try:
        if len(words) > _MOST_WORDS:
            raise NoSuchPlaceError(f"expected [RUN] TASK[/STEP], got {' '.join(words)}; write -- before a command")
        with open_place(arguments, words, wanted) as opened:
            return use(opened)
    except (
        *(NoSuchPlaceError, NoSuchTaskError, NoSuchRunError),
        *(NoSuchPodError, BackendUnavailableError, VisitError),
    ) as error:
        print(visible_lines(f"monopod {command}: {error}"), file=sys.stderr)
        return WRONG_INPUT


def release(verdict: str, arguments: argparse.Namespace) -> int:
    """Release the Step that is held, to ``continue`` or to ``fail``, and return the exit code."""
    from monopod.runner.visiting.places import ENTRYPOINT, CutOffError  # noqa: PLC0415  # not needed for --help
    from monopod.schemas.formats import exit_codes  # noqa: PLC0415

    def use(opened: Opened) -> int:
        try:
            code = opened.run.execute(opened.place.container, [ENTRYPOINT, verdict], on_terminal=False)
        except CutOffError:
            code = exit_codes.KILLED
        if code not in (SUCCEEDED, exit_codes.KILLED):  # a container that is released may end at once, with all in it
            print(visible_lines(f"monopod {verdict}: {opened.place.label} was not released"), file=sys.stderr)
            return WRONG_INPUT
        print(f"{'Continuing' if verdict == 'continue' else 'Failing'} {opened.place.label} of run '{opened.run.name}'")
        return SUCCEEDED

    return with_place(verdict, arguments, arguments.words, ["held"], use)
