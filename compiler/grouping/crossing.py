"""What cannot cross from one group to another, each with the way out.

Rules:

- Groups are Pods of their own. A Workspace that several groups use must be a claim or another volume of the network,
  or an artifact carries it (``routes``): one that each Pod has of its own, if there is a repository.
- Results and the outcome of Tasks are handed over by Argo Workflows and Tekton (``coordinator.engine.handover``). A
  JobSet hands nothing over: a Task whose predecessor may have been skipped would not know.
- A private view is merged into what its own Pod knows of. No other Pod may use the claim at the same time.
- Artifacts are files of one Pod.
- Finally Tasks see all Tasks of their Pipeline, and run also if some fail. No engine starts a group after others have
  failed, so they are in a group only as part of a Pipeline that runs as a Task.

Left to others: which Task is in which group (``partition``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monopod.compiler.diagnostics import Problem
from monopod.compiler.grouping.partition import (
    TaskGroup,
    containers_of,
    of_one_pod,
    skips,
    workspace_volumes,
    written_volumes,
)
from monopod.compiler.grouping.routes import Clash, Route, all_before, routes
from monopod.compiler.tasks.artifact_tasks import OPTION, carriable
from monopod.compiler.tasks.left_out import needed_output, task_references
from monopod.compiler.tasks.views import merged_volumes

if TYPE_CHECKING:
    from monopod.compiler.compilation import Lowered

_KINDS_OF_VOLUMES = {
    "emptyDir": "an emptyDir, which each Pod has of its own",
    "ephemeral": "a claim of each Pod's own",
    "hostPath": "a directory of one node",
    "csi": "a CSI volume that each Pod has of its own",
}


def crossing_problems(
    lowered: Lowered, groups: Sequence[TaskGroup], kind: str, *, hands_over: bool
) -> Iterator[Problem]:
    """Yield what cannot cross between the groups of a run, and a warning for what is not collected."""
    if len(groups) < 2:
        return
    owner = {task: group.name for group in groups for task in group.tasks}
    final = {task.name for task in lowered.pipeline.final_tasks}
    places = {each.task.name: each.place for each in lowered.grouped}
    for name in final:
        message = (
            "a finally Task sees all Tasks of its Pipeline, and here they run in several Pods; put it and the Tasks "
            "that it is for into a Pipeline that runs as a Task (pipelineSpec), which stays in one Pod"
        )
        yield places[name].problem("workload", message)
    yield from _workspaces(lowered, owner)
    yield from _clashes(lowered, groups, owner)
    yield from _views(lowered, groups, owner)
    yield from _references(lowered, owner, kind, hands_over=hands_over)
    if not hands_over:
        yield from _skipped(lowered, owner, kind)
    if lowered.pipeline.results:
        names = ", ".join(result.name for result in lowered.pipeline.results)
        message = f"the Results of the Pipeline are not collected from several Pods: {names}"
        yield lowered.run.place.problem("workload", message, "warning")


def carried_volumes(lowered: Lowered) -> frozenset[str]:
    """Return the volumes of Workspaces that artifacts can carry; none without a repository."""
    if lowered.artifact_repository is None:
        return frozenset()
    return (
        frozenset(each["name"] for each in lowered.contents.volumes if carriable(each))
        & workspace_volumes(lowered).keys()
    )


def all_routes(lowered: Lowered, groups: Sequence[TaskGroup]) -> tuple[list[Route], list[Clash]]:
    """Return how artifacts carry Workspaces from group to group, and where they cannot."""
    users, writers = workspace_volumes(lowered), written_volumes(lowered)
    found: list[Route] = []
    clashes: list[Clash] = []
    for volume in sorted(carried_volumes(lowered)):
        of_volume = routes(volume, groups, users[volume], writers.get(volume, {}))
        found += of_volume[0]
        clashes += of_volume[1]
    return found, clashes


def _workspaces(lowered: Lowered, owner: Mapping[str, str]) -> Iterator[Problem]:
    carried = carried_volumes(lowered)
    sources = {volume["name"]: volume for volume in lowered.contents.volumes}
    for volume, users in workspace_volumes(lowered).items():
        using = list(dict.fromkeys(owner[task] for task in users))
        source = of_one_pod(sources.get(volume, {}))
        if len(using) < 2 or source is None or volume in carried:
            continue
        workspace = lowered.contents.workspaces[volume]
        artifact = f"carry it with artifacts ({OPTION} REGISTRY/REPOSITORY), " if carriable(sources[volume]) else ""
        message = (
            f"the Workspace '{workspace}' is used in the groups {_listed(using)}, a Pod each, and is "
            f"{_KINDS_OF_VOLUMES[source]}; bind a claim (-w {workspace}=pvc:CLAIM), {artifact}or put its Tasks into "
            "one group"
        )
        yield lowered.contents.places.volumes[volume].problem("workload", message)


def _clashes(lowered: Lowered, groups: Sequence[TaskGroup], owner: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each Workspace that a group needs as several others have left it, at the first Task that uses it."""
    users = workspace_volumes(lowered)
    places = {each.task.name: each.place for each in lowered.grouped}
    for clash in all_routes(lowered, groups)[1]:
        workspace = lowered.contents.workspaces[clash.volume]
        user = next(task for task in users[clash.volume] if owner[task] == clash.target)
        message = (
            f"the groups {_listed(clash.writers)} may all write the Workspace '{workspace}' and do not wait for each "
            f"other, so no artifact has all that the group '{clash.target}' needs; order them with runAfter, declare "
            f"the Workspace readOnly where it is only read, or bind a claim (-w {workspace}=pvc:CLAIM)"
        )
        yield places[user].problem("workload", message)


def _views(lowered: Lowered, groups: Sequence[TaskGroup], owner: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each private view that is merged into a Workspace while the Pod of another group may use it."""
    sources = {volume["name"]: volume for volume in lowered.contents.volumes}
    users: dict[str, dict[str, None]] = {}
    for volume, tasks in workspace_volumes(lowered).items():
        users.setdefault(_claim(sources[volume]), {}).update((owner[task], None) for task in tasks)
    before = all_before(groups)
    task_of = {name: task.name for task in lowered.pipeline.tasks for name in containers_of([task])}
    for volume, container, place in merged_volumes(lowered.pipeline, lowered.contents):
        own = owner[task_of[container]]
        for other in users[_claim(sources[volume])] if of_one_pod(sources[volume]) is None else ():
            if other != own and other not in before[own] and own not in before[other]:
                message = (
                    f"the private view of the Workspace '{lowered.contents.workspaces[volume]}' is merged by a Pod of "
                    f"the group '{own}' while a Pod of the group '{other}' may use the same claim, and neither sees "
                    "the changes of the other; order the groups with runAfter, or put these Tasks into one group"
                )
                yield place.problem("workload", message)


def _claim(volume: Mapping[str, Any]) -> str:
    """Return what two volumes of one claim have in common, else the name of a volume."""
    claim = volume.get("persistentVolumeClaim")
    return f"claim {claim['claimName']}" if claim else f"volume {volume['name']}"


def _references(lowered: Lowered, owner: Mapping[str, str], kind: str, *, hands_over: bool) -> Iterator[Problem]:
    """Yield each Result that the engine does not hand over, and each Artifact, where it is first used."""
    reported = set()
    for each in lowered.grouped:
        for path, place in task_references(each.task, each.place):
            needed = needed_output(path)
            source, user = (None, None) if needed is None else (owner.get(needed[1]), owner.get(each.task.name))
            if needed is None or source is None or user is None or source == user or (needed, user) in reported:
                continue
            of_both = f"'{needed[1]}' is in the group '{source}', and '{each.task.name}' in the group '{user}'"
            if needed[2] in ("outputs", "inputs"):
                reported.add((needed, user))
                message = f"an Artifact is a file of one Pod, but {of_both}; put both into one group"
                yield place.problem("workload", message)
            elif not hands_over:
                reported.add((needed, user))
                message = (
                    f"a {kind} hands no Results over, but {of_both}; use --kind Workflow or --kind PipelineRun, put "
                    "both into one group, or use a file in a Workspace that is a claim or is carried with artifacts "
                    f"({OPTION})"
                )
                yield place.problem("workload", message)


def _skipped(lowered: Lowered, owner: Mapping[str, str], kind: str) -> Iterator[Problem]:
    """Yield each Task that would be skipped in one Pod, but cannot know of it in a Pod of its own."""
    places = {each.task.name: each.place for each in lowered.grouped}
    for task in lowered.pipeline.tasks:
        for name in task.after:
            cause = None if owner[name] == owner[task.name] else skips(name, lowered.pipeline)
            if cause is not None:
                message = (
                    f"'{name}' in the group '{owner[name]}' may be skipped because of '{cause}', and this Task with "
                    f"it, but a {kind} does not hand that over; put both into one group, or use --kind Workflow or "
                    "--kind PipelineRun"
                )
                yield places[task.name].problem("workload", message)
                break


def _listed(names: Sequence[str]) -> str:
    *first, last = [f"'{name}'" for name in names]
    return f"{', '.join(first)} and {last}"
