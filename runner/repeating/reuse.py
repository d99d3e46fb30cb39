"""Which Tasks of a recorded run run again, and what the others leave to them.

Rules:

- Without ``--failed``, ``--from`` or ``--only`` all Tasks run again.
- With ``--failed`` each Task runs again that did not succeed or has changed, and all that come after it.
- A Task that does not run again is reused if it succeeded and has not changed. Its Results are those of the record. If
  a secret was masked in them, it cannot be reused.
- Tasks that the command line of the recorded run left out stay left out, unless ``--from`` or ``--only`` names them.
- A Task that runs must find what reused Tasks wrote to its Workspaces: in a folder, a claim, or a kept volume. If it
  was in a volume of a Pod that was removed, the repetition is refused.

Pure, except for looking whether kept volumes are still there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.compilation import Compilation
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.tasks.left_out import Selection
from monopod.runner.records.repetition import CLAIM
from monopod.runner.repeating.earlier_tasks import EarlierTask
from monopod.runner.repeating.task_digests import task_digests
from monopod.schemas.plan import LEFT_OUT, LeftOut, Pipeline, runnable_tasks


@dataclass(frozen=True, slots=True)
class Repeated:
    """A recorded run that is repeated. ``selection`` is as on the command line, ``name`` is for people.

    ``failed``: ``--failed`` was given. ``kept`` are bindings to kept volumes by name. ``index`` is its number among
    the runs in the files.
    """

    name: str
    tasks: Mapping[str, EarlierTask]
    digests: Mapping[str, str]
    kept: Mapping[str, str]
    index: int
    selection: Selection
    failed: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is reused."""
        return not (self.failed or self.selection.only or self.selection.start)


def selection_of(repeated: Repeated, whole: Compilation) -> Selection:
    """Return the Tasks that run again; `whole` is the run with all its Tasks. Raises Problems if nothing would."""
    selection = repeated.selection
    named = {*selection.only, *selection.start}
    outside = tuple(name for name, task in repeated.tasks.items() if task.left_out is not None and name not in named)
    if repeated.is_whole:
        earlier = {name: task.left_out for name, task in repeated.tasks.items() if task.left_out is not None}
        return replace(selection, skip=(*selection.skip, *outside), earlier=earlier)
    digests = task_digests(whole)
    changed = {name for name, digest in digests.items() if repeated.digests.get(name) != digest}
    earlier = {}
    for name, task in repeated.tasks.items():
        if task.reusable is not None and name not in changed:
            earlier[name] = task.reusable
        elif task.left_out is not None:
            earlier[name] = task.left_out
        else:
            earlier[name] = LeftOut(LEFT_OUT, f"{_why_not(task)} {repeated.name}")
    if repeated.failed:
        again = _not_reusable(repeated, changed, whole.plan.pipeline)
        if not again:
            message = (
                f"all Tasks of {repeated.name} succeeded and none has changed; leave --failed out to run them again"
            )
            raise Problems([Problem(None, f"--failed: {message}", "nothing-to-run")])
        selection = replace(selection, start=again, start_option="--failed")
    return replace(selection, skip=(*selection.skip, *outside), earlier=earlier)


def _why_not(task: EarlierTask) -> str:
    if task.masked:
        return "a Result of it contains a secret, which is not in the record of"
    return "it has changed since" if task.reusable is not None else "it did not succeed in"


def _not_reusable(repeated: Repeated, changed: set[str], pipeline: Pipeline) -> tuple[str, ...]:
    """Return the Tasks that must run again, or, if it is none of `tasks`, the finally Tasks."""
    for tasks in (pipeline.tasks, pipeline.final_tasks):
        again = []
        for task in tasks:
            earlier = repeated.tasks.get(task.name, EarlierTask("Waiting"))
            if earlier.left_out is None and (earlier.reusable is None or task.name in changed):
                again.append(task.name)
        if again:
            return tuple(again)
    return ()


# Workspaces


def kept_workspaces(repeated: Repeated, lost: Mapping[str, str]) -> dict[str, str]:
    """Return where those of the `lost` volumes are that were kept, as bindings by Workspace."""
    return {
        workspace: repeated.kept[volume]
        for volume, workspace in lost.items()
        if _is_there(repeated.kept.get(volume, ""))
    }


def _is_there(binding: str) -> bool:
    """Return whether a kept volume is there; a cluster was asked for its claims before."""
    return binding.startswith(CLAIM) or os.path.isdir(binding)


def lost_volumes(whole: Compilation, part: Compilation) -> dict[str, str]:
    """Return the volumes of a Pod that a reused Task has written and a Task that runs uses, with their Workspaces."""
    reused = {task.name for task in part.plan.pipeline.all_tasks if task.left_out is not None and task.left_out.reused}
    left_out = {task.name for task in part.plan.pipeline.all_tasks if task.left_out is not None}
    spec = whole.pod["spec"]
    of_pod = {each["name"] for each in spec.get("volumes", ()) if "emptyDir" in each or "ephemeral" in each}
    containers = {each["name"]: each for each in (*spec.get("initContainers", ()), *spec["containers"])}
    written: set[str] = set()
    used: set[str] = set()
    for planned in runnable_tasks(whole.plan.pipeline):
        name = planned.path.partition("/")[0]
        for mount in _mounts(planned.task, containers):
            if mount["name"] not in of_pod or name in left_out - reused:
                continue
            if name not in reused:
                used.add(mount["name"])
            elif not mount.get("readOnly"):
                written.add(mount["name"])
    return {name: name.removeprefix("workspace-") for name in sorted(written & used)}


def _mounts(task: Any, containers: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for slot in task.slots:
        for name in slot.all_containers:
            yield from (
                mount
                for mount in containers.get(name, {}).get("volumeMounts", ())
                if not mount["mountPath"].startswith(("/monopod/", "/tekton")) and mount["mountPath"] != "/workspace"
            )


def lost_problems(repeated: Repeated, lost: Mapping[str, str]) -> Iterator[Problem]:
    """Yield an error for each Workspace whose files are gone."""
    for workspace in lost.values():
        message = (
            f"the files of the Workspace '{workspace}' are gone with the Pod of {repeated.name}, so Tasks that wrote "
            f"them cannot be reused; run all Tasks again, with -w {workspace}=DIRECTORY or =pvc:CLAIM to keep the files"
        )
        yield Problem(None, message, "workspace-binding")
