"""Finds the run, and the container in it, that ``[RUN] [TASK[/STEP]]`` of a command line names.

Rules:

- RUN is an active run, as `monopod cancel` finds it (``known_runs.finding``).
- A single word is a run if an active one has this name, else a Task or Step of the run that is meant without RUN. With
  ``--context`` or ``-n``, and always for `kubectl monopod`, it is a Pod.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monopod.runner.cancellation import ActiveRun
from monopod.runner.known_runs.finding import active_names, find_active_run, wanted
from monopod.runner.visiting.local_run import LocalRun
from monopod.runner.visiting.places import NoSuchPlaceError, Place, State, Visited, find_place, names_a_task
from monopod.schemas.plan import runnable_tasks


class Opened(NamedTuple):
    """A run, and one of its containers."""

    run: Visited
    place: Place


@contextlib.contextmanager
def open_place(arguments: argparse.Namespace, words: Sequence[str], states: Sequence[State]) -> Iterator[Opened]:
    """Yield the run and the container that `words` name, in one of these states.

    Raises NoSuchRunError, NoSuchPlaceError, NoSuchTaskError, NoSuchPodError, BackendUnavailableError, OSError.
    """
    with contextlib.ExitStack() as stack:
        run, target = _opened(arguments, words, stack)
        yield Opened(run, find_place(run.plan, run.states(), target, states))


def _opened(
    arguments: argparse.Namespace, words: Sequence[str], stack: contextlib.ExitStack
) -> tuple[Visited, str | None]:
    """Return the run, and the Task or Step in it."""
    if len(words) == 1 and not wanted(arguments, None).is_in_cluster and words[0] not in active_names():
        run = _run(arguments, None, stack)
        if "/" not in words[0] and "[" not in words[0] and not names_a_task(run.plan, words[0]):
            from monopod.compiler.diagnostics import did_you_mean  # noqa: PLC0415  # only for errors

            meant = did_you_mean(
                words[0], [*active_names(), *(task.path for task in runnable_tasks(run.plan.pipeline))]
            )
            raise NoSuchPlaceError(f"no active run, and no Task of run '{run.name}', is called '{words[0]}'{meant}")
        return run, words[0]
    return _run(arguments, words[0] if words else None, stack), words[1] if len(words) > 1 else None


def _run(arguments: argparse.Namespace, name: str | None, stack: contextlib.ExitStack) -> Visited:
    found = find_active_run(wanted(arguments, name))
    if isinstance(found, ActiveRun):
        return LocalRun(found)
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415  # only for clusters
    from monopod.runner.kubernetes.existing import find  # noqa: PLC0415
    from monopod.runner.visiting.cluster_run import ClusterRun  # noqa: PLC0415

    return ClusterRun(find(stack.enter_context(connect(found.context)), found.namespace, found.name))
