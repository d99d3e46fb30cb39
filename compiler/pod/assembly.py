"""The Pod of a run, as a plain object of the Kubernetes API: the coordinator and a container for each Step and Sidecar.

Rules:

- Equal Plans and parts give equal Pods, in the order of their keys too.
- Containers come in the order in which they are first needed, because kubelet starts them in that order.
- The Steps of a slot share ``/tekton`` and ``/workspace``; each container has a control directory of its own
  (docs/control-directory.md). A Step that mounts its own volume at ``/workspace`` gets that volume instead.
- A Sidecar gets neither, as in Tekton.
- A Step of monopod's own runs in the image of the coordinator, with the coordinator's modules, and gets no
  ``/workspace``.
- The coordinator runs without any privilege. It needs none: every emptyDir is 0777, and the entrypoint makes readable
  what a Step wrote. It has a token only if it lowers the requests of its Pod (``api_access``).
- A container in which its Task may be retried restarts when it is killed, where Kubernetes can do that.
- The coordinator is a native sidecar, and its postStart hook waits for the entrypoint. Where Kubernetes has no native
  sidecars, the coordinator is the first ordinary container, and an init container installs the entrypoint.
- What a person cannot read comes last: the runtime is at the end of the container that carries it, and this container
  at the end of the Pod.

Left to others: the author's containers and volumes (``monopod.compiler.pod.parts``), their requests and limits
(``monopod.compiler.pod.resources``), and the runtime (``monopod.compiler.pod.runtime_command``).
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import monopod
from monopod.compiler.pod.api_access import credentials_mount, credentials_volume
from monopod.compiler.pod.deadline import active_deadline
from monopod.compiler.pod.files_container import (
    FILES,
    OWNER_DIRECTORY,
    ExchangedWorkspace,
    Users,
    files_container,
    purposes,
    workspace_mounts,
)
from monopod.compiler.pod.generated_names import label_value, volume_name
from monopod.compiler.pod.kube_version import DEFAULT, KubeVersion
from monopod.compiler.pod.limit_ranges import NO_LIMITS, LimitRanges
from monopod.compiler.pod.parts import ContainerPart, PodParts
from monopod.compiler.pod.resources import pod_resources
from monopod.compiler.pod.restarts import RESTART_FIELDS, RESTARTS_OPTION
from monopod.compiler.pod.runtime_command import (
    ANNOTATION,
    USUAL_ARCHITECTURES,
    carried_characters,
    install_command,
    module_path,
    run_command,
    run_installed_command,
    runtime_digest,
    wait_command,
)
from monopod.compiler.tasks.running_order import container_starts
from monopod.schemas.plan import Plan, decode, encode, walk

COORDINATOR = "coordinator"
INSTALL = "install"
"""The init container that installs the entrypoint, where the coordinator is not a native sidecar."""
COORDINATOR_USER = 65532
"""The uid and gid that rootless images usually call ``nonroot``. Any value except 0 would do."""
UNPRIVILEGED: Final = {
    "runAsNonRoot": True,
    "runAsUser": COORDINATOR_USER,
    "runAsGroup": COORDINATOR_USER,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The securityContext of a container that needs no privilege. The profile "restricted" allows it."""

INDEX_ANNOTATION: Final = "batch.kubernetes.io/job-completion-index"
"""The annotation that Kubernetes gives the Pods of an Indexed Job."""

MAX_STORED_BYTES = 3 * 512 * 1024
"""The longest object that etcd takes (its --max-request-bytes, 1.5 MiB by default)."""

_COORDINATOR_ENVIRONMENT = {
    "MONOPOD_RUN_NAME": "metadata.name",
    "MONOPOD_NAMESPACE": "metadata.namespace",
    "MONOPOD_RUN_UID": "metadata.uid",
}
_IMPLICIT_WORKSPACE = "/workspace"

LogFormat: TypeAlias = Literal["human", "json"]


def make_pod(
    plan: Plan,
    parts: PodParts,
    *,
    runtime_image: str,
    log_format: LogFormat,
    architectures: Iterable[str] = USUAL_ARCHITECTURES,
    kube_version: KubeVersion = DEFAULT,
    limit_ranges: LimitRanges = NO_LIMITS,
    exchanged: Sequence[ExchangedWorkspace] = (),
    is_shrunk: bool = False,
) -> dict[str, Any]:
    """Return the Pod (core/v1, JSON-like) that runs `plan` on a cluster of a version, in a namespace with LimitRanges.

    It runs on nodes of the `architectures`, as Kubernetes names them. Every container of the Plan's slots has its part
    in `parts`, and the other way round. The files of the `exchanged` Workspaces are copied from and to this machine.
    `is_shrunk`: its requests are lowered while it runs. Raises ValueError for a malformed Quantity in a container's
    resources.
    """
    has_files = bool(exchanged)
    volumes = _Volumes.of(parts, has_files=has_files)
    resources = pod_resources(
        plan.pipeline,
        parts.containers,
        limit_ranges,
        kube_version,
        has_files=has_files,
        max_parallel=plan.max_parallel,
        is_shrunk=is_shrunk,
    )
    starts = container_starts(plan.pipeline)
    ordered = [
        _with_runtime(part, runtime_image) for part in sorted(parts.containers, key=lambda part: starts[part.name])
    ]
    slots = (slot for each in walk(plan.pipeline) for slot in each.task.slots)
    restarting = {name for slot in slots if slot.restarts for name in slot.all_containers}
    steps = [
        _container(part, volumes, resources.containers[part.name], restarts=part.name in restarting) for part in ordered
    ]
    options = ["--format", log_format, *(["--files", purposes(exchanged)] if has_files else [])]
    coordinator = _coordinator(plan, volumes, runtime_image, options, resources.coordinator)
    access = [credentials_volume(volumes.api)] if plan.shrinkable else []
    if has_files:
        users = Users.of(exchanged, ordered)
        mounts = [*_files_mounts(volumes, users), *workspace_mounts(exchanged)]
        context = parts.pod_fields.get("securityContext") or {}
        steps.insert(0, files_container(runtime_image, resources.containers[FILES], users, context, mounts))
    native = kube_version.has_native_sidecars
    carry = run_command if native else install_command
    needs_all = bool(plan.shrinkable) or any(part.has_runtime for part in parts.containers)
    command = carry(architectures, has_all=needs_all)
    deadline = active_deadline(plan, has_files=has_files)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(plan, parts),
        "spec": {
            "restartPolicy": "Never",
            **({"activeDeadlineSeconds": deadline} if deadline is not None else {}),
            **({"resources": resources.pod} if resources.pod is not None else {}),
            **({"automountServiceAccountToken": False} if access else {}),
            **parts.pod_fields,
            "containers": steps if native else [_ending_with_run(coordinator), *steps],
            "volumes": [*parts.volumes, *access, *({"name": name, "emptyDir": {}} for name in volumes.names())],
            "initContainers": [_sidecar(coordinator, command) if native else _installer(coordinator, command, volumes)],
        },
    }


def coordinator_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the coordinator's container of a Pod that `make_pod` made. Raises ValueError for another Pod."""
    spec = pod["spec"]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        if container["name"] == COORDINATOR:
            coordinator: dict[str, Any] = container
            return coordinator
    raise ValueError("this Pod has no coordinator: it was not made by monopod")


def plan_of(pod: Mapping[str, Any]) -> Plan:
    """Return the Plan that a Pod runs. Raises ValueError for a Pod that monopod did not make, or another version."""
    return decode(_pieces(pod), _index_of(pod) or 0)


def plan_arguments(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the encoded Plan that a Pod runs. Raises ValueError for a Pod that monopod did not make."""
    return _pieces(pod) if _index_of(pod) is None else encode(plan_of(pod))


def with_plans(pod: Mapping[str, Any], pieces: Iterable[str]) -> dict[str, Any]:
    """Return a Pod of `make_pod` that carries other Plans."""
    spec = {**pod["spec"]}
    for kind in ("initContainers", "containers"):
        spec[kind] = [
            {**each, "args": [*each["args"][: each["args"].index("--") + 1], *pieces]}
            if each["name"] == COORDINATOR
            else each
            for each in spec[kind]
        ]
    return {**pod, "spec": spec}


def with_variables(pod: Mapping[str, Any], variables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a Pod of `make_pod` whose coordinator has these environment variables instead of its own."""
    given = {variable["name"]: dict(variable) for variable in variables}
    spec = {**pod["spec"]}
    for kind in ("initContainers", "containers"):
        spec[kind] = [
            {**each, "env": [*(old for old in each["env"] if old["name"] not in given), *given.values()]}
            if each["name"] == COORDINATOR
            else each
            for each in spec[kind]
        ]
    return {**pod, "spec": spec}


def _pieces(pod: Mapping[str, Any]) -> tuple[str, ...]:
    arguments = coordinator_of(pod).get("args") or []
    return tuple(arguments[arguments.index("--") + 1 :]) if "--" in arguments else ()


def _index_of(pod: Mapping[str, Any]) -> int | None:
    """Return the index of a Pod of an Indexed Job, None for another Pod."""
    index = str((pod.get("metadata", {}).get("annotations") or {}).get(INDEX_ANNOTATION, ""))
    return int(index) if index.isascii() and index.isdecimal() else None


def mount_conflict(mount_path: str) -> str | None:
    """Return why an author may not mount anything at this path; None if they may."""
    path = posixpath.normpath(mount_path)
    if ":" in path:
        return "Kubernetes allows no ':' in a mountPath"
    if path == "/" or path.startswith("//"):
        return "nothing can be mounted over the whole file system"
    if path == "/monopod" or path.startswith("/monopod/"):
        return "/monopod is where monopod's own files are"
    if path == "/tekton" or (path.startswith("/tekton/") and not (path + "/").startswith("/tekton/home/")):
        return "/tekton is where Results and scripts are; only /tekton/home may be mounted"
    return None


def size_problem(pod: dict[str, Any]) -> str | None:
    """Return why a Pod is too large for a cluster, as a message; None if it is not."""
    size = stored_bytes(pod)
    if size <= MAX_STORED_BYTES:
        return None
    return (
        f"this Pod has {len(pod['spec']['containers'])} containers and grows to about {size / 2**20:.1f} MiB in a "
        f"cluster, whose store takes {MAX_STORED_BYTES / 2**20:.1f} MiB; split the Pipeline, or join Steps into one"
    )


def stored_bytes(pod: dict[str, Any]) -> int:
    """Return how much a Pod takes in a cluster's store when it has run, estimated a little too high.

    Beside the spec there is the record of who set each field (managedFields, 1.5 times as long) and the status of each
    container, which repeats its mounts and resources (as long as the spec). The Plan and the runtime are stored once.
    """
    characters = _characters(pod)
    return characters + (characters - _stored_once(pod)) * 24 // 10


def field_characters(pod: dict[str, Any]) -> int:
    """Return how long a Pod is, written as JSON, without the Plan and the runtime that it carries."""
    return _characters(pod) - _stored_once(pod)


def _characters(pod: dict[str, Any]) -> int:
    return len(json.dumps(pod, separators=(",", ":"), check_circular=False))


def _stored_once(pod: dict[str, Any]) -> int:
    """Return how long the Plan and the runtime are."""
    carrying = (*pod["spec"]["initContainers"], *pod["spec"]["containers"][:1])
    return sum(map(len, coordinator_of(pod)["args"])) + sum(map(carried_characters, carrying))


def _metadata(plan: Plan, parts: PodParts) -> dict[str, Any]:
    names = {"name": parts.name, "generateName": parts.generate_name, "namespace": parts.namespace}
    return {
        **{key: name for key, name in names.items() if name is not None},
        "labels": {
            **parts.labels,
            "app.kubernetes.io/managed-by": "monopod",
            "monopod.dev/pipeline": label_value(plan.pipeline.name),
        },
        "annotations": {
            "kubectl.kubernetes.io/default-container": COORDINATOR,  # whose log shows what happened
            **parts.annotations,
            "monopod.dev/version": monopod.__version__,
            ANNOTATION: runtime_digest(),
        },
    }


@dataclass(frozen=True, slots=True)
class _Volumes:
    """The names of monopod's own volumes: one for all, one for each slot, or one for each container."""

    binary: str
    state: str
    api: str
    tekton: dict[str, str]
    workspace: dict[str, str]
    scripts: dict[str, str]
    control: dict[str, str]

    @classmethod
    def of(cls, parts: PodParts, *, has_files: bool) -> _Volumes:
        taken = {volume["name"] for volume in parts.volumes}
        steps = [part for part in parts.containers if not part.is_sidecar]
        of_authors = [part for part in steps if not part.has_runtime]

        def named(kind: str, owners: Iterable[str]) -> dict[str, str]:
            return {owner: volume_name((kind, owner), taken) for owner in dict.fromkeys(owners)}

        return cls(
            binary=volume_name(("bin",), taken),
            state=volume_name(("state",), taken),
            api=volume_name(("api",), taken),
            tekton=named("tekton", (part.slot for part in steps)),
            workspace=named("workspace", (part.slot for part in of_authors if not _has_own_workspace(part))),
            scripts=named("scripts", (part.slot for part in parts.containers if part.has_script)),
            control=named("control", [*([FILES] if has_files else []), *(part.name for part in parts.containers)]),
        )

    def names(self) -> Iterator[str]:
        yield self.binary
        yield self.state
        for by_owner in (self.tekton, self.workspace, self.scripts, self.control):
            yield from by_owner.values()


def _sidecar(coordinator: dict[str, Any], command: list[str]) -> dict[str, Any]:
    """Return the coordinator's container as a native sidecar."""
    name, image, *rest = coordinator.items()
    hook = {"postStart": {"exec": {"command": wait_command()}}}
    return dict([name, image, ("restartPolicy", "Always"), *rest, ("lifecycle", hook), ("command", command)])


def _ending_with_run(coordinator: dict[str, Any]) -> dict[str, Any]:
    """Return the coordinator's container as an ordinary one."""
    return {**coordinator, "args": ["--end-with-run", *coordinator["args"]], "command": run_installed_command()}


def _installer(coordinator: dict[str, Any], command: list[str], volumes: _Volumes) -> dict[str, Any]:
    """Return the init container that installs the runtime for the coordinator and the Steps."""
    return {
        "name": INSTALL,
        "image": coordinator["image"],
        "resources": coordinator["resources"],
        "securityContext": coordinator["securityContext"],
        "volumeMounts": [_mount(volumes.binary, "/monopod/bin"), _mount(volumes.state, "/monopod/state")],
        "command": command,
    }


def _coordinator(
    plan: Plan, volumes: _Volumes, image: str, options: Sequence[str], resources: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": COORDINATOR,
        "image": image,
        "args": [*options, "--", *encode(plan)],
        "env": [
            {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
            for name, path in _COORDINATOR_ENVIRONMENT.items()
        ]
        + [module_path()],
        "resources": resources,
        "securityContext": UNPRIVILEGED,
        "volumeMounts": [
            _mount(volumes.binary, "/monopod/bin"),
            _mount(volumes.state, "/monopod/state"),
            *(_mount(name, f"/monopod/slots/{slot}/tekton") for slot, name in volumes.tekton.items()),
            *(_mount(name, f"/monopod/slots/{slot}/scripts") for slot, name in volumes.scripts.items()),
            *(_mount(name, f"/monopod/steps/{container}") for container, name in volumes.control.items()),
            *([credentials_mount(volumes.api)] if plan.shrinkable else []),
        ],
    }


def _with_runtime(part: ContainerPart, image: str) -> ContainerPart:
    """Return a container; if it runs monopod's own modules, with the image and the environment that it needs."""
    if not part.has_runtime:
        return part
    variables = [*(part.fields.get("env") or ()), module_path()]
    return replace(part, fields={**part.fields, "image": image, "env": variables})


def _container(part: ContainerPart, volumes: _Volumes, resources: dict[str, Any], *, restarts: bool) -> dict[str, Any]:
    built = ("image", "env", "resources", "volumeMounts")
    container = {
        "name": part.name,
        "image": part.fields.get("image"),
        **(RESTART_FIELDS if restarts else {}),
        "command": ["/monopod/bin/entrypoint", *([RESTARTS_OPTION] if restarts else [])],
        **{key: value for key, value in part.fields.items() if key not in built},
        "env": _environment(part),
        "resources": resources,
        "volumeMounts": [*_own_mounts(part, volumes), *(part.fields.get("volumeMounts") or ())],
    }
    return {key: value for key, value in container.items() if value not in ([], {}, None)}


def _environment(part: ContainerPart) -> list[dict[str, Any]]:
    variables = part.fields.get("env") or []
    if part.is_sidecar or any(variable["name"] == "HOME" for variable in variables):
        return list(variables)
    return [{"name": "HOME", "value": "/tekton/home"}, *variables]


def _own_mounts(part: ContainerPart, volumes: _Volumes) -> Iterator[dict[str, Any]]:
    yield _mount(volumes.binary, "/monopod/bin", read_only=True)
    if part.has_runtime:
        yield _mount(volumes.state, "/monopod/state", read_only=True)
    yield _mount(volumes.control[part.name], "/monopod/step")
    if not part.is_sidecar:
        yield _mount(volumes.tekton[part.slot], "/tekton")
    if part.has_script:
        yield _mount(volumes.scripts[part.slot], "/tekton/scripts", read_only=True)
    if not part.is_sidecar and not part.has_runtime and not _has_own_workspace(part):
        yield _mount(volumes.workspace[part.slot], _IMPLICIT_WORKSPACE)


def _files_mounts(volumes: _Volumes, users: Users) -> Iterator[dict[str, Any]]:
    yield _mount(volumes.binary, "/monopod/bin", read_only=True)
    yield _mount(volumes.state, "/monopod/state", read_only=True)
    yield _mount(volumes.control[FILES], "/monopod/step")
    if users.first is not None:
        yield _mount(volumes.control[users.first.name], OWNER_DIRECTORY, read_only=True)


def _has_own_workspace(part: ContainerPart) -> bool:
    mounts = part.fields.get("volumeMounts") or ()
    return any(posixpath.normpath(mount["mountPath"]) == _IMPLICIT_WORKSPACE for mount in mounts)


def _mount(volume: str, path: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}
