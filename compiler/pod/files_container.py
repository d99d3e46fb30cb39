"""The container ``files``, through which files are copied between this machine and the Workspaces of a Pod.

Rules:

- It has the user of the first Step that mounts one of the volumes (``user_of_steps``).
- If the Step's user is known only to its image, it has the user of its own image. The owner of the files is then
  changed to the Step's (``coordinator.workspace_files``), if it may do that.
- It is an ordinary container, the first: the Pod stays until it is released. It runs only the runner's requests, with
  the coordinator's modules.

Left to others: the requests (``coordinator.workspace_files``), and when it is released
(``coordinator.files_container``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.compiler.pod.parts import ContainerPart
from monopod.compiler.pod.runtime_command import module_path
from monopod.compiler.pod.user_of_steps import SHARED_FILES, security_of_user

FILES = "files"
"""The name of the container."""
OWNER_DIRECTORY: Final = "/monopod/owner"
"""Where it finds the control directory of the first Step that uses the files."""
WORKSPACES = "/monopod/workspaces"
"""The directory of the volumes in the container."""


@dataclass(frozen=True, slots=True)
class ExchangedWorkspace:
    """A Workspace whose files are copied: the name of its volume in the Pod, and its directory in the volume, relative.

    ``folder`` is the folder of this machine that is copied to it. ``is_fetched``: files are copied back after the run.
    """

    name: str
    volume: str
    sub_path: str = ""
    folder: str | None = None
    is_fetched: bool = False

    @property
    def directory(self) -> str:
        """Its directory in the container."""
        return "/".join(filter(None, (WORKSPACES, self.volume, self.sub_path)))


@dataclass(frozen=True, slots=True)
class Users:
    """The containers that mount the volumes: the first Step, and the security settings of all."""

    first: ContainerPart | None
    contexts: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, exchanged: Iterable[ExchangedWorkspace], containers: Iterable[ContainerPart]) -> Users:
        """Return the users of the volumes; `containers` are in the order in which they are started."""
        volumes = {workspace.volume for workspace in exchanged}
        users = [part for part in containers if volumes & {mount["name"] for mount in _mounts(part)}]
        first = next((part for part in users if not part.is_sidecar), None)
        return cls(first, [part.fields.get("securityContext") or {} for part in users])


def purposes(exchanged: Iterable[ExchangedWorkspace]) -> str:
    """Return what the coordinator must know about the container: what it is for."""
    workspaces = list(exchanged)
    words = {
        "copied": any(workspace.folder is not None for workspace in workspaces),
        "fetched": any(workspace.is_fetched for workspace in workspaces),
    }
    return ",".join(word for word, is_wanted in words.items() if is_wanted)


def first_user(pod: Mapping[str, Any]) -> str | None:
    """Return the container of the first Step that uses the files: they are complete only when it has started.

    None if no Step uses them, or the Pod has no container for files.
    """
    mounted = {
        (mount["name"], mount["mountPath"]): container["name"]
        for container in pod["spec"]["containers"]
        for mount in container.get("volumeMounts", ())
    }
    (owner,) = [volume for volume, path in mounted if path == OWNER_DIRECTORY] or [None]
    return next((name for (volume, _), name in mounted.items() if volume == owner and name != FILES), None)


def files_container(
    image: str,
    resources: dict[str, Any],
    users: Users,
    pod_context: Mapping[str, Any],
    mounts: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return the container; `pod_context` is the securityContext of the Pod, `mounts` are all its mounts."""
    first = {} if users.first is None else users.first.fields.get("securityContext") or {}
    context, is_shared = security_of_user(first, users.contexts, pod_context)
    shared = [SHARED_FILES] if is_shared else []
    container = {
        "name": FILES,
        "image": image,
        "command": ["/monopod/bin/entrypoint"],
        "env": [module_path(), *shared],
        "resources": resources,
        "securityContext": context,
        "volumeMounts": list(mounts),
    }
    return {key: value for key, value in container.items() if value not in ([], {})}


def workspace_mounts(exchanged: Iterable[ExchangedWorkspace]) -> list[dict[str, Any]]:
    """Return the mounts of the volumes, each once."""
    volumes = dict.fromkeys(workspace.volume for workspace in exchanged)
    return [{"name": volume, "mountPath": f"{WORKSPACES}/{volume}"} for volume in volumes]


def _mounts(part: ContainerPart) -> Sequence[Mapping[str, Any]]:
    return part.fields.get("volumeMounts") or ()
