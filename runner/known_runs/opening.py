"""Opens the run that was found: its record, or its Pod in a cluster.

If the Pod is gone or out of reach, and there is a record, that is used. A record that stopped before the end of its run
is used with a warning.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.known_runs.finding import Found, NoSuchRunError, PodReference, Wanted, find_run
from monopod.runner.records.store import Record
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.runner.kubernetes.existing import ExistingPod

    Opened: TypeAlias = Record | ExistingPod


@contextlib.contextmanager
def opened_run(wanted: Wanted) -> Iterator[Opened]:
    """Find a run and yield its record or its Pod. Raises NoSuchRunError, BackendUnavailableError."""
    with opened(find_run(wanted)) as run:
        yield run


@contextlib.contextmanager
def opened(found: Found) -> Iterator[Opened]:
    """Yield the record of a run, or its Pod. Raises NoSuchRunError, BackendUnavailableError."""
    if isinstance(found, Record):
        yield found
        return
    with contextlib.ExitStack() as stack:
        try:
            run: Opened = stack.enter_context(opened_pod(found))
        except (NoSuchRunError, BackendUnavailableError) as error:
            if found.record is None:
                raise
            run = found.record
            if run.status in ("Unknown", "Detached"):
                what = "has only the start of the run" if run.status == "Detached" else "stopped before the run ended"
                text = f"warning: the record of '{run.identity}' {what}, and {error}"
                print(visible_lines(text), file=sys.stderr)
        yield run


@contextlib.contextmanager
def opened_pod(reference: PodReference) -> Iterator[ExistingPod]:
    """Yield a Pod in a cluster. Raises NoSuchRunError, BackendUnavailableError."""
    from monopod.runner.kubernetes.cluster import connect  # noqa: PLC0415  # only for runs in a cluster
    from monopod.runner.kubernetes.existing import NoSuchPodError, find  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(connect(reference.context))
            existing = find(cluster, reference.namespace, reference.name)
        except (NoSuchPodError, BackendUnavailableError) as error:
            text = f"{reference.remark}, and {error}" if reference.remark else str(error)
            kind = NoSuchRunError if isinstance(error, NoSuchPodError) else BackendUnavailableError
            raise kind(text) from error
        yield existing
