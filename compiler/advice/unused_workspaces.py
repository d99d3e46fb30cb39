"""Workspaces that are declared but never used.

Rules:

- A Workspace can be used by its path: any text that contains /workspace counts, even a description. Workspaces with a
  mountPath are not reported, since a program may know that path. Workspaces of a Task are not reported if a param or
  its image decides which program runs.
- monopod reads what the annotation ``monopod.dev/digest`` lists. A cache counts as a use of the Task's only Workspace,
  since its paths and patterns may be relative to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from monopod.compiler.advice.specs import Specs, WrittenTask
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.annotations import listed
from monopod.compiler.documents.own_annotations import CACHE, DIGEST
from monopod.compiler.scope.texts import paths_in
from monopod.schemas.tekton.pipelines import EmbeddedTask, PipelineSpec
from monopod.schemas.tekton.tasks import Sidecar, Step, TaskSpec


def unused_workspaces(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each declared Workspace that nothing mentions."""
    for task in specs.tasks:
        task_texts = specs.texts_of(task.spec) if task.spec.workspaces else None
        if task_texts is None:
            continue
        mentioned = _mentioned(task.spec, [*task_texts, *task.annotations.values()]) | _in_annotations(task)
        for index, workspace in enumerate(task.spec.workspaces):
            if workspace.mount_path or workspace.name in mentioned:
                continue
            message = (
                f"nothing in the Task mentions its Workspace '{workspace.name}', neither "
                f"$(workspaces.{workspace.name}.path) nor {workspace.path}; remove it, or use it"
            )
            yield task.place.at("workspaces", index).problem("unused-workspace", message, "warning")
    for pipeline in specs.pipelines:
        used = _workspaces_of_pipeline(pipeline.spec)
        for index, declared in enumerate(pipeline.spec.workspaces):
            if declared.name not in used:
                message = f"no Task of the Pipeline uses the Workspace '{declared.name}'; remove it, or use it"
                yield pipeline.place.at("workspaces", index).problem("unused-workspace", message, "warning")


def _mentioned(spec: TaskSpec, task_texts: list[str]) -> set[str]:
    """Return the Workspaces that any of these texts mentions; a relative workingDir is below /workspace."""
    users: list[Step | Sidecar] = [*spec.steps, *spec.sidecars]
    if any("/workspace" in text for text in task_texts) or any(
        user.working_dir and not user.working_dir.startswith(("/", "$(")) for user in users
    ):
        return {declared.name for declared in spec.workspaces}
    variables = {path[1] for path in paths_in(task_texts) if path[0] == "workspaces"}
    return variables | {usage.name for user in users for usage in user.workspaces}


def _in_annotations(task: WrittenTask) -> set[str]:
    """Return the Workspaces that the annotations of a Task use by name, or by a relative path."""
    spec, annotations = task.spec, task.annotations
    if isinstance(spec, EmbeddedTask) and spec.metadata is not None:
        annotations = spec.metadata.annotations
    used = set(listed(annotations, DIGEST))
    if CACHE in annotations and len(spec.workspaces) == 1:
        used.add(spec.workspaces[0].name)
    return used


def _workspaces_of_pipeline(spec: PipelineSpec) -> set[str]:
    """Return the Workspaces that a Pipeline uses, by the Pipeline's names for them."""
    used = {path[1] for path in paths_in(spec) if path[0] == "workspaces"}
    for task in (*spec.tasks, *spec.finally_):
        used |= {binding.workspace or binding.name for binding in task.workspaces}
        if task.task_spec is not None:
            used |= {declared.name for declared in task.task_spec.workspaces}
        if task.pipeline_spec is not None:
            used |= {declared.name for declared in task.pipeline_spec.workspaces}
            used |= _workspaces_of_pipeline(task.pipeline_spec)
    return used
