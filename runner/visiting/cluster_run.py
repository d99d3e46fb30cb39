"""A run in a cluster whose containers somebody enters, over the API server (pods/exec).

Rules: the coordinator's events say what each container does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import UnreachableError
from monopod.runner.kubernetes.existing import ExistingPod, NoSuchPodError
from monopod.runner.kubernetes.pod_states import is_over
from monopod.runner.kubernetes.reading import read_events
from monopod.runner.visiting.places import Activity, CutOffError, State, VisitError
from monopod.schemas.plan import Plan
from monopod.schemas.run_progress import progress_of
from monopod.system.files.file_transfer import BrokenError


class ClusterRun:
    """A run whose Pod is in a cluster."""

    def __init__(self, existing: ExistingPod) -> None:
        """Raises NoSuchPodError if the run has ended."""
        if is_over(existing.pod):
            raise NoSuchPodError(f"the run of {existing.name} has ended")
        self._existing = existing
        self.name = existing.name.name
        self.plan: Plan = existing.plan

    def states(self) -> Mapping[str, Activity] | None:
        """Return the containers in which a Step is held or running. Raises BackendUnavailableError."""
        if not self._existing.reports_events:
            return None
        events, _ = read_events(self._existing)
        progress = progress_of(self.plan, events)
        if progress.finished is not None:
            raise NoSuchPodError(f"the run of {self._existing.name} has ended")
        states: dict[str, Activity] = {}
        for task in progress.tasks:
            for step in task.running_steps:
                state: State = "running" if step.held is None else "held"
                states[step.container] = Activity(state, f"{task.path}/{step.name}")
        return states

    def execute(self, container: str, command: Sequence[str], *, on_terminal: bool) -> int:
        """Run a command in a container and return its exit code. Raises VisitError."""
        existing = self._existing
        try:
            session = existing.cluster.open_session(existing.name, container, command, on_terminal=on_terminal)
            return session.run()
        except ApiError as error:
            if about(Request.EXEC, error) is About.GONE:
                raise VisitError(f"container {container} of {existing.name} is gone: {error.describe()}") from error
            raise VisitError(f"cannot run a command in {existing.name}: {error.describe()}") from error
        except BrokenError as error:
            raise CutOffError(f"the command in {existing.name} was cut off: {error}") from error
        except UnreachableError as error:
            raise VisitError(f"cannot run a command in {existing.name}: {error}") from error
