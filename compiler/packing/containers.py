"""Which Steps of a run share a container, and what that container is.

Rules:

- Steps share a container if their containers would be equal: image, user, security context, limits, mounts, static
  environment, everything except requests. The shared container requests the largest of their requests.
- With the choice ``workspaces`` the mounts of Workspaces may differ. The container then has those of all Steps of the
  Task, and shares with a Step of another Task only if that Task mounts the same ones.
- They must not be able to run at the same time, and their author must allow it (``packing.choice``). Steps of monopod's
  own, and Sidecars, never share.
- The Steps of one Task share its volumes anyway. Tasks that share containers share the volumes that each would have for
  itself (`/tekton`, `/workspace`), which are emptied in between. So all Steps of such a Task run as the same user, none
  mounts something at `/workspace`, and the Tasks come in a chain. Chains are as few as possible
  (``packing.chain_cover``) among Tasks that need the same set of containers and have the same fate
  (``packing.order``).
- A container has the name of the first Step in it.
- Before a Step in a shared container, its temporary directories are cleaned: `/tmp` and `$HOME`, unless something is
  mounted there. `/tekton/home` is a volume that the Steps of a Task share.

Left to others: the container's own fields and volumes (``pod.assembly``), when a Step runs (``coordinator.engine``).
"""

from __future__ import annotations

import json
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from monopod.compiler.packing.chain_cover import fewest_chains
from monopod.compiler.packing.choice import PackChoice
from monopod.compiler.packing.order import SlotOrder, slot_order
from monopod.compiler.pod.parts import ContainerPart
from monopod.schemas.formats import quantity
from monopod.schemas.plan import Pipeline, Slot, Task, runnable_tasks

Key: TypeAlias = str
"""Equal for containers that may be one."""

_HOME = "/tekton/home"
_WORKSPACE = "/workspace"
_USER = ("runAsUser", "runAsGroup")


@dataclass(frozen=True, slots=True)
class Packed:
    """A Pipeline and its containers, some of which run several Steps."""

    pipeline: Pipeline
    containers: tuple[ContainerPart, ...]


def pack(pipeline: Pipeline, parts: Sequence[ContainerPart], choice: PackChoice | None) -> Packed:
    """Let Steps share containers; `choice` is that of the run. Equal input gives equal output."""
    packing = _Packing(pipeline, parts, choice)
    names, directories = packing.names(), packing.directories
    if all(name == own for own, name in names.items()):
        return Packed(pipeline, tuple(parts))
    users = defaultdict(list)
    for part in parts:
        users[names[part.name]].append(part)
    slots = {part.slot: directories.get(part.slot, part.slot) for part in parts}
    containers = tuple(
        replace(packing.merged(part, users[part.name]), slot=slots[part.slot]) for part in parts if part.name in users
    )
    cleaned = {name: _cleaned(users[name][0]) for name in users if len(users[name]) > 1}
    shared = {directory for slot, directory in directories.items() if slot != directory}

    def changed(slot: Slot) -> Slot:
        in_containers = tuple(names[name] for name in slot.containers)
        paths = tuple(cleaned.get(name, ()) for name in in_containers)
        directory = directories.get(slot.name, "")
        return slot._replace(
            containers=in_containers,
            directory=directory if directory in shared else "",
            cleaned=paths if any(paths) else (),
        )

    return Packed(_with_slots(pipeline, changed), containers)


def _with_slots(pipeline: Pipeline, change: Any) -> Pipeline:
    def changed(task: Task) -> Task:
        if task.pipeline is not None:
            return task._replace(pipeline=_with_slots(task.pipeline, change))
        return task._replace(slots=tuple(map(change, task.slots)))

    return pipeline._replace(
        tasks=tuple(map(changed, pipeline.tasks)), final_tasks=tuple(map(changed, pipeline.final_tasks))
    )


class _Packing:
    """The keys of all containers, and the chains of slots that share volumes: ``directories`` names each by its first.

    ``directories`` has only slots that could share.
    """

    def __init__(self, pipeline: Pipeline, parts: Sequence[ContainerPart], choice: PackChoice | None) -> None:
        self._parts = {part.name: part for part in parts}
        self._choice = choice
        self._slots = [slot for each in runnable_tasks(pipeline) for slot in each.task.slots]
        self._visible = {slot.name: self._visible_workspaces(slot) for slot in self._slots}
        self._keys = {part.name: key for part in parts if (key := self._key(part)) is not None}
        self.directories = self._chains(slot_order(pipeline))

    def names(self) -> dict[str, str]:
        """Return the name of the container in which each container's Step runs."""
        first: dict[tuple[str, Key], str] = {}
        names = {name: name for name in self._parts}
        order = sorted(self._slots, key=lambda slot: self._positions.get(slot.name, 0))
        for slot in order:
            for name in slot.containers:
                if name in self._keys:
                    owner = self.directories.get(slot.name, slot.name)
                    names[name] = first.setdefault((owner, self._keys[name]), name)
        return names

    def merged(self, first: ContainerPart, parts: Sequence[ContainerPart]) -> ContainerPart:
        """Return the container of several Steps, under the name of the first."""
        if len(parts) == 1:
            return first
        fields = dict(first.fields)
        requests = _largest_requests(part.fields.get("resources") or {} for part in parts)
        if requests:
            fields["resources"] = {**(fields.get("resources") or {}), "requests": requests}
        if self._choice_of(first) == "workspaces":
            own = [mount for mount in fields.get("volumeMounts") or () if mount["mountPath"] not in first.workspaces]
            fields["volumeMounts"] = [*self._visible[first.slot].values(), *own]
        return replace(first, fields=fields, has_script=any(part.has_script for part in parts))

    def _choice_of(self, part: ContainerPart) -> PackChoice | None:
        return part.pack or self._choice

    def _visible_workspaces(self, slot: Slot) -> dict[str, Any]:
        """Return the mounts of Workspaces of all Steps of a slot, by path; none if they contradict each other."""
        mounts: dict[str, Any] = {}
        for name in slot.containers:
            part = self._parts[name]
            for mount in part.fields.get("volumeMounts") or ():
                path = mount["mountPath"]
                if path in part.workspaces and mounts.setdefault(path, mount) != mount:
                    return {}
        return mounts

    def _key(self, part: ContainerPart) -> Key | None:
        """Return the key of a container; None if it is not shared."""
        choice = self._choice_of(part)
        context = part.fields.get("securityContext") or {}
        is_allowed = choice != "false" if context.get("readOnlyRootFilesystem") else choice in ("true", "workspaces")
        if part.is_sidecar or part.has_runtime or not is_allowed:
            return None
        fields = {key: value for key, value in part.fields.items() if key != "resources"}
        resources = part.fields.get("resources") or {}
        fields["resources"] = {kind: value for kind, value in resources.items() if kind != "requests"}
        visible = self._visible[part.slot]
        if choice == "workspaces" and visible:
            mounts = fields.pop("volumeMounts", None) or ()
            own = [mount for mount in mounts if mount["mountPath"] not in part.workspaces]
            fields["volumeMounts"] = [*visible.values(), *own]
        if "volumeMounts" in fields:
            fields["volumeMounts"] = sorted(fields["volumeMounts"], key=lambda mount: str(mount["mountPath"]))
        return json.dumps([choice == "workspaces", fields], sort_keys=True)

    def _chains(self, order: SlotOrder) -> dict[str, str]:
        groups: dict[Any, list[int]] = defaultdict(list)
        names = {node: name for name, node in order.nodes.items()}
        self._positions = order.nodes
        for slot in self._slots:
            if (kind := self._kind_for_chains(slot)) is not None:
                groups[kind, order.fates[slot.name]].append(order.nodes[slot.name])
        chains = (chain for group in groups.values() for chain in fewest_chains(group, order.predecessors))
        return {names[node]: names[chain[0]] for chain in chains for node in chain}

    def _kind_for_chains(self, slot: Slot) -> object | None:
        """Return what slots must have in common to share volumes; None if a slot cannot."""
        parts = [self._parts[name] for name in slot.containers]
        users = {_user(part) for part in parts}
        if len(users) != 1 or any(part.name not in self._keys or _has_own_workspace(part) for part in parts):
            return None
        return frozenset(self._keys[part.name] for part in parts)


def _user(part: ContainerPart) -> tuple[object, ...]:
    """Return what decides as which user a Step runs, and so whose files it can remove."""
    context = part.fields.get("securityContext") or {}
    user = tuple(context.get(name) for name in _USER)
    return user if None not in user else (*user, part.fields.get("image"))


def _paths(part: ContainerPart) -> list[str]:
    return [posixpath.normpath(mount["mountPath"]) for mount in part.fields.get("volumeMounts") or ()]


def _has_own_workspace(part: ContainerPart) -> bool:
    return _WORKSPACE in _paths(part)


def _cleaned(part: ContainerPart) -> tuple[str, ...]:
    """Return the directories of a shared container that are cleaned before each Step in it."""
    variables = {each["name"]: each.get("value", "") for each in part.fields.get("env") or ()}
    home = posixpath.normpath(variables.get("HOME", _HOME))
    usual = ("/tmp", "/dev/shm")  # noqa: S108  # of the container
    candidates = (*usual, home) if posixpath.isabs(home) and home not in ("/", _HOME) else usual
    mounted = [*_paths(part), "/tekton", "/monopod", _WORKSPACE]
    return tuple(
        path
        for path in dict.fromkeys(candidates)
        if not any(_is_within(mount, path) or _is_within(path, mount) for mount in mounted)
    )


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _largest_requests(resources: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the largest request of each resource. A limit without a request is a request, as in Kubernetes."""
    largest: dict[str, str] = {}
    every = list(resources)
    for each in every if any(each.get("requests") for each in every) else ():
        for name, amount in {**(each.get("limits") or {}), **(each.get("requests") or {})}.items():
            text = str(amount)
            if name not in largest or quantity.parse(text) > quantity.parse(largest[name]):
                largest[name] = text
    return largest
