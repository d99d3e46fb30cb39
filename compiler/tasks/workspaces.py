"""Workspaces: the volume of the Pod for each Workspace, and where it is mounted.

Rules (Tekton docs/workspaces.md):

- A run binds volumes to the Workspaces of its Pipeline. A PipelineTask binds these Workspaces to the Task's. An
  embedded spec sees the outer Workspaces under the same names, declared or not; a referenced spec sees only its
  bindings.
- subPaths of the run's and of the PipelineTask's binding are joined.
- If any Step or Sidecar lists a Workspace in its own ``workspaces``, only the Steps and Sidecars that list it mount it.
- A ``volumeClaimTemplate`` becomes an emptyDir of that size, since no Pods share it. If claims are to be kept, it
  becomes a generic ephemeral volume: the cluster creates the claim with the Pod and deletes it with the Pod.

Left to others: the volumes' names in the Pod (``pod.draft``), merging mounts with a Step's own (``steps``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.places import Place
from monopod.compiler.documents.plain_texts import texts_in
from monopod.compiler.documents.run_selection import BoundByRun
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.invalid_names import in_source, in_sub_path
from monopod.compiler.scope.references import STRING, Shape
from monopod.compiler.scope.variables import Variables
from monopod.schemas.plan import Value
from monopod.schemas.tekton.pipelines import PipelineWorkspaceDeclaration, WorkspacePipelineTaskBinding
from monopod.schemas.tekton.tasks import WorkspaceDeclaration, WorkspaceUsage
from monopod.schemas.variables import Path


@dataclass(frozen=True, slots=True)
class Volume:
    """The volume of the Pod that is bound to a Workspace, and a path in it."""

    name: str
    source: dict[str, Any]
    place: Place
    sub_path: str = ""

    @property
    def claim(self) -> str:
        """The name of the PersistentVolumeClaim, if the volume is one."""
        claim: str = self.source.get("persistentVolumeClaim", {}).get("claimName", "")
        return claim


Bindings = Mapping[str, Volume | None]
"""The volumes bound to the Workspaces of a Pipeline, by name; None for an optional Workspace that is not bound."""


@dataclass(frozen=True, slots=True)
class TaskWorkspace:
    """A Workspace of a Task with its volume, or None if it is optional and not bound.

    ``in_pod`` is the name of the volume in the Pod, empty without one. ``view`` is the name of the volume that is
    mounted instead, if the Task has a private view of the Workspace.
    """

    name: str
    path: str
    read_only: bool
    volume: Volume | None
    in_pod: str
    view: str = ""


def bind_workspaces(bindings: Iterable[BoundByRun], variables: Variables, *, keep_claims: bool) -> dict[str, Volume]:
    """Return the volumes that a run binds, by Workspace; the run's own texts may refer to `variables`."""
    report = variables.report
    result = {}
    for binding in bindings:
        for path, text in texts_in(binding.fields):
            variables.check(text, binding.place.at(*path))
        fields = variables.resolve(binding.fields, binding.place)
        source = _source(fields, keep_claims=keep_claims)
        report.extend(in_source(source, binding.place))
        report.extend(in_sub_path(fields.get("subPath", ""), binding.place))
        result[binding.name] = Volume(binding.name, source, binding.place, fields.get("subPath", ""))
    return result


def _source(binding: dict[str, Any], *, keep_claims: bool) -> dict[str, Any]:
    """Return the volume source of a binding."""
    template = binding.get("volumeClaimTemplate")
    if template is None:
        return {key: value for key, value in binding.items() if key not in {"name", "subPath"}}
    if keep_claims:
        return {"ephemeral": {"volumeClaimTemplate": _claim(template)}}
    size = template.get("spec", {}).get("resources", {}).get("requests", {}).get("storage")
    return {"emptyDir": {"sizeLimit": size} if size else {}}


def _claim(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template as a volume of a Pod may have it: without metadata other than labels and annotations."""
    metadata = {key: value for key, value in template.get("metadata", {}).items() if key in {"labels", "annotations"}}
    return {**({"metadata": metadata} if metadata else {}), "spec": template.get("spec", {})}


@dataclass(frozen=True, slots=True)
class Receiver:
    """The Task or Pipeline that receives Workspaces: its name in messages, its declarations, and where it is used.

    `inherits`: it is embedded and sees the Workspaces of the outer Pipeline.
    """

    name: str
    declared: Sequence[tuple[WorkspaceDeclaration | PipelineWorkspaceDeclaration, Place]]
    place: Place
    inherits: bool


def bind_task(
    receiver: Receiver, bound: Bindings, outer: Bindings, used: Collection[str], params: Variables, *, draft: PodDraft
) -> list[TaskWorkspace]:
    """Return the Workspaces of a Task in a Pipeline; their volumes are added to the draft of the Pod.

    `bound` are the bindings of its PipelineTask. An embedded Task also sees the Pipeline's Workspaces (`outer`) that
    it declares or uses. A mountPath may refer to the Task's `params`.
    """

    def workspace(name: str, path: str, volume: Volume | None, *, read_only: bool = False) -> TaskWorkspace:
        return TaskWorkspace(name, path, read_only, volume, "" if volume is None else name_in_pod(volume, draft))

    result = []
    for declaration, place in receiver.declared:
        assert isinstance(declaration, WorkspaceDeclaration)
        volume = bound.get(declaration.name)
        if volume is None and declaration.name not in bound and receiver.inherits:
            volume = outer.get(declaration.name)
        params.check(declaration.mount_path, place.at("mountPath"))
        path = params.resolve(declaration.path, place.at("mountPath"))
        result.append(workspace(declaration.name, path, volume, read_only=declaration.read_only))
    if not receiver.inherits:
        return result
    names_declared = {each.name for each in result}
    reachable = {**{name: volume for name, volume in outer.items() if name in used}, **bound}
    result += [
        workspace(name, f"/workspace/{name}", volume)
        for name, volume in reachable.items()
        if name not in names_declared
    ]
    return result


def task_binding_problems(
    receiver: Receiver,
    bindings: Sequence[tuple[WorkspacePipelineTaskBinding, Place]],
    bound: Bindings,
    outer: Bindings,
) -> Iterator[Problem]:
    """Yield a problem for each Workspace that a Task needs and that is not bound, or that is bound and not declared."""
    for declaration, _ in receiver.declared:
        name = declaration.name
        inherits = receiver.inherits and name not in bound
        if declaration.optional or bound.get(name) is not None or (inherits and outer.get(name) is not None):
            continue
        if name in bound or (inherits and name in outer):
            message = (
                f"the Workspace '{name}' of {receiver.name} is not optional, but the one bound to it has no volume"
            )
        else:
            hint = did_you_mean(name, [binding.name for binding, _ in bindings])
            message = f"{receiver.name} needs the Workspace '{name}'; bind it in workspaces{hint}"
        yield receiver.place.problem("missing-workspace", message)
    names = {declaration.name for declaration, _ in receiver.declared}
    if not receiver.inherits:
        for binding, place in bindings:
            if binding.name not in names:
                message = f"{receiver.name} declares no Workspace '{binding.name}'{did_you_mean(binding.name, names)}"
                yield place.at("name").problem("unknown-workspace", message)


def bind_pipeline(receiver: Receiver, bound: Bindings) -> dict[str, Volume | None]:
    """Return the volumes for the Workspaces of a Pipeline; an embedded Pipeline sees all of them."""
    declared = {declaration.name: bound.get(declaration.name) for declaration, _ in receiver.declared}
    return {**bound, **declared} if receiver.inherits else declared


def missing_workspaces(receiver: Receiver, bound: Bindings) -> Iterator[Problem]:
    """Yield a problem for each Workspace that a Pipeline needs and that is not bound."""
    for declaration, _ in receiver.declared:
        if bound.get(declaration.name) is None and not declaration.optional:
            message = f"{receiver.name} needs the Workspace '{declaration.name}'; bind it in workspaces"
            yield receiver.place.problem("missing-workspace", message)


def bound_in_vain(bindings: Iterable[BoundByRun], known: Iterable[str], receiver: str) -> Iterator[Problem]:
    """Yield a warning for each Workspace that a run binds and that nothing declares or uses (`known`)."""
    names = set(known)
    for binding in bindings:
        if binding.name not in names:
            hint = did_you_mean(binding.name, names)
            message = f"{receiver} declares no Workspace '{binding.name}', so this has no effect{hint}"
            yield binding.place.at("name").problem("unknown-workspace", message, "warning")


def bind_for_pipeline(
    bindings: Sequence[tuple[WorkspacePipelineTaskBinding, Place]], outer: Bindings, receiver: str, pipeline: Variables
) -> dict[str, Volume | None]:
    """Return the volumes that a PipelineTask binds to the Workspaces of its Task or Pipeline (`receiver`).

    SubPaths may refer to the variables of the outer `pipeline`.
    """
    result: dict[str, Volume | None] = {}
    for binding, place in bindings:
        source = binding.workspace or binding.name
        if source not in outer:
            hint = did_you_mean(source, outer)
            message = (
                f"there is no Workspace '{source}' in the Pipeline to bind to '{binding.name}' of {receiver}{hint}"
            )
            field = "workspace" if binding.workspace else "name"
            pipeline.report.add(place.at(field).problem("unknown-workspace", message))
            result[binding.name] = Volume(source, {"emptyDir": {}}, place)
            continue
        volume = outer[source]
        if volume is not None and binding.sub_path:
            pipeline.check(binding.sub_path, place.at("subPath"))
            below = pipeline.resolve(binding.sub_path, place.at("subPath"))
            pipeline.report.extend(in_sub_path(below, place))
            volume = replace(volume, sub_path=posixpath.join(volume.sub_path, below))
        result[binding.name] = volume
    return result


def shapes(workspaces: Iterable[TaskWorkspace]) -> dict[Path, Shape]:
    """Return the names that a Task may use to refer to its Workspaces."""
    return {
        ("workspaces", workspace.name, field): STRING
        for workspace in workspaces
        for field in ("path", "bound", "claim", "volume")
    }


def variables(workspaces: Iterable[TaskWorkspace]) -> dict[Path, Value]:
    """Return the values of the variables of a Task's Workspaces (Tekton docs/variables.md)."""
    result: dict[Path, Value] = {}
    for workspace in workspaces:
        volume = workspace.volume
        result["workspaces", workspace.name, "path"] = workspace.path if volume is not None else ""
        result["workspaces", workspace.name, "bound"] = "true" if volume is not None else "false"
        result["workspaces", workspace.name, "claim"] = volume.claim if volume is not None else ""
        result["workspaces", workspace.name, "volume"] = workspace.in_pod
    return result


def name_in_pod(volume: Volume, draft: PodDraft) -> str:
    """Return the name of a volume in the Pod, adding the volume if it is new."""
    return draft.workspace(volume.name, volume.source, volume.place)


def mounts(
    workspaces: Iterable[TaskWorkspace], usages: Sequence[WorkspaceUsage], isolated: frozenset[str]
) -> list[dict[str, Any]]:
    """Return the mounts of one Step or Sidecar; `isolated` are the Workspaces that some Step or Sidecar lists."""
    listed = {usage.name: usage for usage in usages}
    result = []
    for workspace in workspaces:
        if workspace.volume is None or (workspace.name in isolated and workspace.name not in listed):
            continue
        usage = listed.get(workspace.name)
        path = usage.mount_path if usage is not None and usage.mount_path else workspace.path
        result.append(mount_of(workspace, path))
    return result


def mount_of(workspace: TaskWorkspace, path: str) -> dict[str, Any]:
    """Return the mount of a Workspace that is bound, as the Task's Steps have it, at a path."""
    assert workspace.volume is not None
    mount: dict[str, Any] = {"name": workspace.view or workspace.in_pod, "mountPath": path}
    if workspace.volume.sub_path and not workspace.view:
        mount["subPath"] = workspace.volume.sub_path
    if workspace.read_only:
        mount["readOnly"] = True
    return mount
