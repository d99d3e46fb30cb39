"""Workspaces: which volume of the Pod each Workspace is, and where it is mounted.

Rules (Tekton docs/workspaces.md):

- A run binds volumes to the Workspaces of its Pipeline, a PipelineTask those of the Pipeline to the Task's. An embedded
  spec sees the Workspaces around it under the same names, declared or not; a referenced one only what is bound to it.
- subPaths of the run's and of the PipelineTask's binding are joined.
- A Workspace that any Step or Sidecar lists in its own ``workspaces`` is mounted in those alone.
- A ``volumeClaimTemplate`` becomes an emptyDir of that size: what it was for, sharing between Pods, is gone. Or, if
  claims are to be kept, a generic ephemeral volume: the cluster makes the claim with the Pod, and removes it with it.

Left to others: the volumes' names in the Pod (``pod.draft``), merging mounts with a Step's own (``steps``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.places import Place
from monopod.compiler.documents.run_selection import BoundByRun
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.invalid_names import in_source, in_sub_path
from monopod.compiler.scope.references import STRING, Names, Shape, check
from monopod.compiler.scope.settling import settle
from monopod.schemas.plan import Value
from monopod.schemas.tekton.pipelines import WorkspacePipelineTaskBinding
from monopod.schemas.tekton.tasks import WorkspaceDeclaration, WorkspaceUsage
from monopod.schemas.variables import Path, Scope


@dataclass(frozen=True, slots=True)
class Volume:
    """What is bound to a Workspace: a volume of the Pod, and a path in it."""

    name: str
    source: dict[str, Any]
    place: Place
    sub_path: str = ""

    @property
    def claim(self) -> str:
        """The PersistentVolumeClaim, if it is one."""
        claim: str = self.source.get("persistentVolumeClaim", {}).get("claimName", "")
        return claim


Bindings = Mapping[str, Volume | None]
"""By Workspace of a Pipeline, what is bound to it; None for an optional one that is not bound."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What texts at a place may refer to, and the values that are known."""

    names: Names
    values: Scope


@dataclass(frozen=True, slots=True)
class TaskWorkspace:
    """A Workspace of a Task, bound to a volume or, if it is optional, to none."""

    name: str
    path: str
    read_only: bool
    volume: Volume | None


def bind_run(
    given: Iterable[BoundByRun], params: Texts, problems: list[Problem], *, keep_claims: bool
) -> dict[str, Volume]:
    """Return the volumes that a run binds, by Workspace; texts in them may refer to the run's params."""
    result = {}
    for binding in given:
        for path, text in _texts(binding.fields):
            problems.extend(check(text, "text", params.names, binding.place.at(*path)))
        fields = settle(binding.fields, params.values, params.names, binding.place, problems)
        source = _source(fields, keep_claims=keep_claims)
        problems.extend(in_source(source, binding.place))
        problems.extend(in_sub_path(fields.get("subPath", ""), binding.place))
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
    """Return a template as a volume of a Pod may have it: of its metadata labels and annotations, and no name."""
    metadata = {key: value for key, value in template.get("metadata", {}).items() if key in {"labels", "annotations"}}
    return {**({"metadata": metadata} if metadata else {}), "spec": template.get("spec", {})}


def _texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterable[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))


def bind_task(
    declared: Sequence[tuple[WorkspaceDeclaration, Place]],
    given: Sequence[tuple[WorkspacePipelineTaskBinding, Place]],
    around: Bindings,
    *,
    inherited: bool,
    used: Iterable[str],
    receiver: str,
    place: Place,
    outside: Texts,
    params: Texts,
    problems: list[Problem],
) -> list[TaskWorkspace]:
    """Return the Workspaces of a Task in a Pipeline.

    `inherited`: the Task is embedded, and sees the Workspaces of the Pipeline (`around`) that it declares or has
    `used`. SubPaths refer to what is `outside`, in the Pipeline; mountPaths to the Task's own `params`.
    """
    bound = bind_for_pipeline(given, around, receiver, outside, problems)
    result = []
    for declaration, where in declared:
        volume = bound.get(declaration.name)
        if volume is None and declaration.name not in bound and inherited:
            volume = around.get(declaration.name)
        if volume is None and not declaration.optional:
            known = declaration.name in bound or (inherited and declaration.name in around)
            problems.append(_not_bound(declaration.name, known, receiver, place, given))
        problems.extend(check(declaration.mount_path, "text", params.names, where.at("mountPath")))
        path = settle(declaration.path, params.values, params.names, where.at("mountPath"), problems)
        result.append(TaskWorkspace(declaration.name, path, declaration.read_only, volume))
    names_declared = {declaration.name for declaration, _ in declared}
    if not inherited:
        for binding, where in given:
            if binding.name not in names_declared:
                hint = did_you_mean(binding.name, names_declared)
                message = f"{receiver} declares no Workspace '{binding.name}'{hint}"
                problems.append(where.at("name").problem("unknown-workspace", message))
        return result
    reachable = {**{name: volume for name, volume in around.items() if name in set(used)}, **bound}
    result += [
        TaskWorkspace(name, f"/workspace/{name}", False, volume)
        for name, volume in reachable.items()
        if name not in names_declared
    ]
    return result


def bind_pipeline(
    declared: Sequence[tuple[Any, Place]],
    given: Bindings,
    *,
    inherited: bool,
    receiver: str,
    place: Place,
    problems: list[Problem],
) -> dict[str, Volume | None]:
    """Return the Workspaces of a Pipeline that is given these volumes; an embedded one (`inherited`) sees all."""
    result: dict[str, Volume | None] = dict(given) if inherited else {}
    for declaration, _ in declared:
        volume = given.get(declaration.name)
        if volume is None and not declaration.optional:
            message = f"{receiver} needs the Workspace '{declaration.name}', bind a volume to it"
            problems.append(place.problem("missing-workspace", message))
        result[declaration.name] = volume
    return result


def bound_in_vain(given: Iterable[BoundByRun], known: Iterable[str], receiver: str) -> Iterator[Problem]:
    """Yield a warning for each Workspace that a run binds and that nothing declares or uses (`known`)."""
    names = set(known)
    for binding in given:
        if binding.name not in names:
            hint = did_you_mean(binding.name, names)
            message = f"{receiver} declares no Workspace '{binding.name}', so this has no effect{hint}"
            yield binding.place.at("name").problem("unknown-workspace", message, "warning")


def bind_for_pipeline(
    given: Sequence[tuple[WorkspacePipelineTaskBinding, Place]],
    around: Bindings,
    receiver: str,
    outside: Texts,
    problems: list[Problem],
) -> dict[str, Volume | None]:
    """Return the volumes that a PipelineTask binds to Workspaces of its Task or Pipeline (`receiver`)."""
    result: dict[str, Volume | None] = {}
    for binding, where in given:
        source = binding.workspace or binding.name
        if source not in around:
            hint = did_you_mean(source, around)
            message = (
                f"there is no Workspace '{source}' in the Pipeline to bind to '{binding.name}' of {receiver}{hint}"
            )
            field = "workspace" if binding.workspace else "name"
            problems.append(where.at(field).problem("unknown-workspace", message))
            result[binding.name] = Volume(source, {"emptyDir": {}}, where)
            continue
        volume = around[source]
        if volume is not None and binding.sub_path:
            problems.extend(check(binding.sub_path, "text", outside.names, where.at("subPath")))
            below = settle(binding.sub_path, outside.values, outside.names, where.at("subPath"), problems)
            problems.extend(in_sub_path(below, where))
            volume = replace(volume, sub_path=posixpath.join(volume.sub_path, below))
        result[binding.name] = volume
    return result


def _not_bound(
    name: str,
    known: bool,
    receiver: str,
    place: Place,
    given: Sequence[tuple[WorkspacePipelineTaskBinding, Place]],
) -> Problem:
    if known:
        message = f"the Workspace '{name}' of {receiver} is not optional, but the one bound to it has no volume"
        return place.problem("missing-workspace", message)
    hint = did_you_mean(name, [binding.name for binding, _ in given])
    return place.problem("missing-workspace", f"{receiver} needs the Workspace '{name}', bind one to it{hint}")


def shapes(workspaces: Iterable[TaskWorkspace]) -> dict[Path, Shape]:
    """Return what a Task may refer to of its Workspaces."""
    return {
        ("workspaces", workspace.name, field): STRING
        for workspace in workspaces
        for field in ("path", "bound", "claim", "volume")
    }


def variables(workspaces: Iterable[TaskWorkspace], draft: PodDraft) -> dict[Path, Value]:
    """Return the values of the variables of a Task's Workspaces (Tekton docs/variables.md)."""
    result: dict[Path, Value] = {}
    for workspace in workspaces:
        volume = workspace.volume
        result["workspaces", workspace.name, "path"] = workspace.path if volume is not None else ""
        result["workspaces", workspace.name, "bound"] = "true" if volume is not None else "false"
        result["workspaces", workspace.name, "claim"] = volume.claim if volume is not None else ""
        result["workspaces", workspace.name, "volume"] = "" if volume is None else name_in_pod(volume, draft)
    return result


def name_in_pod(volume: Volume, draft: PodDraft) -> str:
    """Return the name of a volume in the Pod, adding it if it is not there yet."""
    return draft.volume(("workspace", volume.name), volume.source, volume.place)


def mounts(
    workspaces: Iterable[TaskWorkspace],
    usages: Sequence[WorkspaceUsage],
    isolated: frozenset[str],
    draft: PodDraft,
) -> list[dict[str, Any]]:
    """Return the mounts of one Step or Sidecar; `isolated` are the Workspaces that some Step or Sidecar lists."""
    listed = {usage.name: usage for usage in usages}
    result = []
    for workspace in workspaces:
        if workspace.volume is None or (workspace.name in isolated and workspace.name not in listed):
            continue
        usage = listed.get(workspace.name)
        path = usage.mount_path if usage is not None and usage.mount_path else workspace.path
        mount: dict[str, Any] = {"name": name_in_pod(workspace.volume, draft), "mountPath": path}
        if workspace.volume.sub_path:
            mount["subPath"] = workspace.volume.sub_path
        if workspace.read_only:
            mount["readOnly"] = True
        result.append(mount)
    return result
