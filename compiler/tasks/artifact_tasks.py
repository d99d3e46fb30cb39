"""The Tasks that carry Workspaces from the Pod of a group to those of later groups, as OCI artifacts.

Rules:

- ``restore-WORKSPACE`` runs before every other Task of the group. If it fails, none of them starts.
- ``save-WORKSPACE`` runs after all of them, unless the group has failed. If it fails, so does the group.
- Each is a Task of one Step of monopod's own, in a container that nothing of an author runs in. Only this container has
  the credentials for the registry.
- A container that may be root has the user of the first Step that uses the Workspace and may be root: it can read what
  every user wrote, and give files back to them. Without such a Step it has the user of the first one
  (``injected_steps``).
- A name that the author has given to a Task gets a number.

Left to others: which group restores and saves what (``grouping.routes``), what the Steps do
(``coordinator.workspaces.artifact``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from monopod.compiler.caches.store_option import parse_registry
from monopod.compiler.documents.places import Place
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.tasks.injected_steps import InjectedStep
from monopod.schemas import plan

OPTION = "--artifact-repository"
_MODULE = "coordinator.workspaces.artifact"
_DIRECTORY = "/monopod/workspace"
_LOGIN_DIRECTORY = "/monopod/artifact-login"
_SCRATCH = "/tekton"
_STEPS = {"restore": "pull", "save": "push"}
_REASON = "reason"
_RUN = "$(context.pipelineRun.uid)"


@dataclass(frozen=True, slots=True)
class ArtifactRepository:
    """Where artifacts are: ``REGISTRY/REPOSITORY``, and the Secret with the credentials for it, if it needs any."""

    name: str
    secret: str = ""


def parse_repository(text: str) -> ArtifactRepository:
    """Return the repository in ``REGISTRY/REPOSITORY[,secret=NAME]``. Raises ValueError."""
    return ArtifactRepository(*parse_registry(text))


@dataclass(frozen=True, slots=True)
class CarriedWorkspaces:
    """The Workspaces of a group that cross: each restored one with the group that has saved it, and the saved ones."""

    repository: ArtifactRepository
    group: str
    restored: tuple[tuple[str, str], ...] = ()
    saved: tuple[str, ...] = ()


def with_artifact_tasks(
    pipeline: plan.Pipeline, carried: CarriedWorkspaces, draft: PodDraft, pod_context: Mapping[str, Any]
) -> plan.Pipeline:
    """Return the Pipeline of a group with the Tasks that restore and save; their containers are added to the draft.

    `pod_context` is the securityContext of the Pod.
    """
    makers = {workspace: _Maker(carried, workspace, draft, pod_context) for workspace in _crossing(carried)}
    taken = {task.name for task in pipeline.all_tasks}
    restoring = tuple(makers[workspace].restore(group, taken) for workspace, group in carried.restored)
    saving = tuple(makers[workspace].save(taken) for workspace in carried.saved)
    own = {task.name for task in pipeline.tasks if task.left_out is None}
    first = tuple(task.name for task in restoring)
    tasks = tuple(
        task._replace(after=(*first, *task.after)) if task.name in own and own.isdisjoint(task.after) else task
        for task in pipeline.tasks
    )
    return pipeline._replace(tasks=(*restoring, *tasks), final_tasks=(*pipeline.final_tasks, *saving))


def _crossing(carried: CarriedWorkspaces) -> Iterable[str]:
    return dict.fromkeys((*(workspace for workspace, _ in carried.restored), *carried.saved))


class _Maker:
    """Makes the Tasks for one Workspace, before any other container of monopod's own is in the draft for it."""

    def __init__(
        self, carried: CarriedWorkspaces, workspace: str, draft: PodDraft, pod_context: Mapping[str, Any]
    ) -> None:
        self._carried = carried
        self._workspace = workspace
        self._volume = next(volume for volume, name in draft.workspaces.items() if name == workspace)
        self._draft = draft
        self._pod_context = pod_context
        self._place = draft.places.volumes[self._volume]
        self._users = _users(draft, self._volume, pod_context)

    def restore(self, group: str, taken: set[str]) -> plan.Task:
        """Return the Task that restores the Workspace as a group has left it."""
        return self._task("restore", group, taken)

    def save(self, taken: set[str]) -> plan.Task:
        """Return the Task that saves the Workspace."""
        return self._task("save", self._carried.group, taken)._replace(after_success=True)

    def _task(self, verb: str, group: str, taken: set[str]) -> plan.Task:
        name = _free_name(f"{verb}-{self._workspace}", taken)
        repository = self._carried.repository
        login = f"{_LOGIN_DIRECTORY}/config.json" if repository.secret else "-"
        results = f"/tekton/steps/step-{_STEPS[verb]}/results"
        arguments = (verb, repository.name, login, _RUN, group, self._workspace, _DIRECTORY, _SCRATCH, results)
        workspace = {"name": self._volume, "mountPath": _DIRECTORY, **({"readOnly": True} if verb == "save" else {})}
        mounts = (workspace, *_login_mounts(repository.secret, self._draft, self._place))
        step = InjectedStep(
            _STEPS[verb], _MODULE, arguments, mounts, self._place, results=(_REASON,), reason_result=_REASON
        )
        slot = self._draft.slot((name,), None)
        fields = step.fields(slot, {}, self._users, self._pod_context)
        self._draft.make_room(fields)
        container = self._draft.container(slot, step.name, fields, lambda *_: self._place, has_runtime=True)
        return plan.Task(name, task_name=name, steps=(step.in_plan(),), slots=(plan.Slot(slot, (container,)),))


def _login_mounts(secret: str, draft: PodDraft, place: Place) -> Iterator[dict[str, Any]]:
    """Yield the mount of the credentials. Without the Secret the Pod starts, and the Step says what is missing."""
    if secret:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        source = {"secret": {"secretName": secret, "items": items, "optional": True}}
        name = draft.volume(("artifact-login",), source, place)
        yield {"name": name, "mountPath": _LOGIN_DIRECTORY, "readOnly": True}


def _users(draft: PodDraft, volume: str, pod_context: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the fields of the containers that mount a volume: those that may be root first, then the author's."""
    parts = [
        part
        for part in draft.containers
        if any(mount["name"] == volume for mount in part.fields.get("volumeMounts") or ())
    ]
    parts.sort(key=lambda part: (not _may_be_root(part.fields, pod_context), part.has_runtime, part.is_sidecar))
    return [part.fields for part in parts]


def _may_be_root(fields: Mapping[str, Any], pod_context: Mapping[str, Any]) -> bool:
    context = {**pod_context, **(fields.get("securityContext") or {})}
    user = context.get("runAsUser")
    return not (user or (user is None and context.get("runAsNonRoot")))


def _free_name(name: str, taken: set[str]) -> str:
    """Return a name that no Task has, and take it."""
    candidates: Iterable[str] = chain((name,), (f"{name}-{number}" for number in count(2)))
    free = next(each for each in candidates if each not in taken)
    taken.add(free)
    return free


def carriable(volume: Mapping[str, Any]) -> bool:
    """Return whether an artifact can carry what is in a volume: it is a Pod's own, and empty when the Pod starts."""
    return "emptyDir" in volume or "ephemeral" in volume
