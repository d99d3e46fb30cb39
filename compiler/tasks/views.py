"""Private views of Workspaces: ``monopod.dev/views: WORKSPACE=copy[:POLICY],...`` of a Task, and ``--view``.

Rules:

- The Task's containers mount a volume of the slot instead of the Workspace. A Step before the author's first Step
  copies the Workspace into it, and a Step after the last one merges the view back. Only these two mount the Workspace.
- The policy ``merge`` is the default. ``directory`` keeps what the Task has made or changed in a directory of the
  Workspace; ``discard`` keeps nothing, and there is no Step after the last one. Neither is there for a Workspace that
  the Task declares readOnly.
- ``--view TASK/WORKSPACE[=POLICY]`` takes precedence over the annotation.
- A volume that cannot be written (of a Secret, a ConfigMap …) has no views. A Task with a view may not use the name of
  the Workspace's volume, with which a Step could mount it.

Left to others: copying and merging (``coordinator.workspaces.view``), the Steps' containers (``injected_steps``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.own_annotations import VIEWS
from monopod.compiler.documents.places import OptionPlace, Place
from monopod.compiler.pod.draft import PodContents, PodDraft
from monopod.compiler.tasks.injected_steps import InjectedStep, InjectedSteps, SlotVolume
from monopod.compiler.tasks.workspaces import TaskWorkspace
from monopod.schemas import plan
from monopod.schemas.variables import Path

POLICIES = ("merge", "discard", "directory")
_MODULE = "coordinator.workspaces.view"
_ORIGIN, _VIEW, _STATE = "/monopod/origin", "/monopod/view", "/monopod/views"
_READ_ONLY_SOURCES = frozenset({"configMap", "secret", "projected", "downwardAPI"})

RequestedViews: TypeAlias = Mapping[tuple[str, str], str]
"""The policies of ``--view``, by the path of the Task and the Task's name of the Workspace."""


@dataclass(frozen=True, slots=True)
class ViewedTask:
    """A Task as views need it: its path, its name in messages, its annotations, the params of its matrix.

    ``used`` are the paths that its texts refer to.
    """

    path: tuple[str, ...]
    receiver: str
    annotations: Annotations
    matrix: Sequence[str]
    used: Collection[Path]


def parse_policy(text: str) -> str:
    """Return the policy of a view. Raises ValueError with a message."""
    if text not in POLICIES:
        raise ValueError(
            f"expected one of the policies {', '.join(POLICIES)}, got '{text}'{did_you_mean(text, POLICIES)}"
        )
    return text


def viewed(annotations: Mapping[str, str]) -> frozenset[str]:
    """Return the Workspaces of which the annotation asks for views."""
    names = (element.partition("=")[0].strip() for element in annotations.get(VIEWS, "").split(","))
    return frozenset(filter(None, names))


def with_views(
    task: ViewedTask, workspaces: Sequence[TaskWorkspace], requested: RequestedViews, draft: PodDraft
) -> tuple[list[TaskWorkspace], InjectedSteps, list[Problem]]:
    """Return the Task's Workspaces as its Steps see them, the Steps that make and merge the views, and problems."""
    problems: list[Problem] = []
    by_name = {workspace.name: workspace for workspace in workspaces}
    seen = dict(by_name)
    steps = InjectedSteps()
    for name, (policy, place) in _requests(task, requested, problems).items():
        workspace = by_name.get(name)
        if workspace is None:
            message = f"{task.receiver} has no Workspace '{name}' to have a view of{did_you_mean(name, by_name)}"
            problems.append(place.problem("unknown-workspace", message))
        elif workspace.volume is not None:
            problems += _unsuitable(task, workspace, place)
            view = SlotVolume(("view", name), place)
            seen[name] = replace(workspace, view=view.name)
            steps = _steps(task, workspace, policy, view, draft).around(steps)
    return list(seen.values()), steps, problems


def _requests(task: ViewedTask, requested: RequestedViews, problems: list[Problem]) -> dict[str, tuple[str, Place]]:
    """Return the policy and the place of each view that is asked for."""
    place = task.annotations.place(VIEWS)
    result: dict[str, tuple[str, Place]] = {}
    for element in task.annotations.listed(VIEWS):
        name, _, how = (part.strip() for part in element.partition("="))
        kind, colon, policy = how.partition(":")
        if not name or kind != "copy":
            message = f"expected WORKSPACE=copy or WORKSPACE=copy:POLICY, got '{element}'"
            problems.append(place.problem("annotation", message))
            continue
        if name in result:
            problems.append(place.problem("annotation", f"the Workspace '{name}' is listed twice"))
        try:
            result[name] = (parse_policy(policy) if colon else "merge", place)
        except ValueError as error:
            problems.append(place.problem("annotation", str(error)))
    path = "/".join(task.path)
    result |= {name: (policy, OptionPlace("--view")) for (of, name), policy in requested.items() if of == path}
    return result


def _unsuitable(task: ViewedTask, workspace: TaskWorkspace, place: Place) -> Iterator[Problem]:
    assert workspace.volume is not None
    kinds = workspace.volume.source.keys() & _READ_ONLY_SOURCES
    if kinds:
        message = f"the Workspace '{workspace.name}' is a {min(kinds)}, which nobody can write; it needs no view"
        yield place.problem("annotation", message)
    if ("workspaces", workspace.name, "volume") in task.used:
        reference = f"$(workspaces.{workspace.name}.volume)"
        message = (
            f"{task.receiver} uses {reference}, which is the Workspace and not its view; mount nothing by this name"
        )
        yield place.problem("annotation", message)


def _steps(task: ViewedTask, workspace: TaskWorkspace, policy: str, view: SlotVolume, draft: PodDraft) -> InjectedSteps:
    assert workspace.volume is not None
    origin, name = workspace.in_pod, workspace.name
    state = draft.volume(("views", origin), {"emptyDir": {}}, view.place)
    mounts = tuple(
        {"name": volume, "mountPath": path} for volume, path in ((origin, _ORIGIN), (view.name, _VIEW), (state, _STATE))
    )
    of_task = (name, workspace.volume.sub_path, "/".join(task.path), *_combination(task.matrix))

    def step(verb: str, command: str) -> InjectedStep:
        return InjectedStep(f"{verb}-{name}", _MODULE, (command, *of_task), mounts, view.place)

    before = (step("view", "copy"),)
    if policy == "discard" or workspace.read_only:
        return InjectedSteps(before, volumes=(view,))
    after = step("keep", "keep") if policy == "directory" else step("merge", "merge")
    return InjectedSteps(before, (after,), (view,))


def _combination(params: Iterable[str]) -> Iterator[str]:
    for name in params:
        reference = f'params["{name}"]' if "." in name else f"params.{name}"
        yield f"{name}=$({reference})"


def merged_volumes(pipeline: plan.Pipeline, contents: PodContents) -> Iterator[tuple[str, str, Place]]:
    """Yield the volume of each view that is merged back, a container that does it, and where the view is asked for."""
    parts = {part.name: part for part in contents.containers}
    for name, command in _containers_of_views(pipeline):
        if command != "copy":
            mounts = parts[name].fields["volumeMounts"]
            volume = next(mount["name"] for mount in mounts if mount["mountPath"] == _ORIGIN)
            yield volume, name, contents.places.containers[name]()


def copying_containers(pipeline: plan.Pipeline) -> frozenset[str]:
    """Return the containers that make views: they mount the Workspace, and only read it."""
    return frozenset(name for name, command in _containers_of_views(pipeline) if command == "copy")


def _containers_of_views(pipeline: plan.Pipeline) -> Iterator[tuple[str, str]]:
    """Yield each container that makes or merges a view, and what it is for."""
    for each in plan.runnable_tasks(pipeline):
        for slot in each.task.slots:
            for name, step in zip(slot.containers, each.task.steps, strict=True):
                if step.command[-1:] == (f"monopod.{_MODULE}",):
                    yield name, step.args[0]


def unknown_views(requested: Iterable[tuple[str, str, str]], tasks: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each ``--view`` of a Task that does not exist; `tasks` are the paths of all Tasks."""
    for task, workspace, _ in requested:
        if task not in tasks:
            message = f"there is no Task '{task}' to have a view of '{workspace}'{did_you_mean(task, tasks)}"
            yield OptionPlace("--view").problem("unknown-task", message)
