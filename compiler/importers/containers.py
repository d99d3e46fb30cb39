"""A container of another system as a Step, and the fields of its Pod as fields of a run."""

from __future__ import annotations

from typing import Any, Protocol

from monopod.compiler.importers.imported import Sourced, without_nothing
from monopod.schemas.foreign.containers import Container
from monopod.schemas.model import Path

POD_FIELDS = (
    *("nodeSelector", "affinity", "tolerations", "topologySpreadConstraints", "hostAliases", "schedulerName"),
    *("securityContext", "automountServiceAccountToken", "imagePullSecrets", "hostNetwork", "hostUsers"),
    *("dnsPolicy", "dnsConfig", "priorityClassName", "runtimeClassName", "enableServiceLinks"),
)
"""Fields of a Pod that Tekton's podTemplate has under the same names."""
_FIELDS = ("image", "command", "args", "workingDir", "env", "envFrom", "imagePullPolicy", "securityContext")


class Translator(Protocol):
    """Replaces the variables of another system by Tekton's."""

    def translate(self, value: Any, path: Path) -> Any:
        """Return the value of the field at `path`, plain data, with its variables replaced."""


def to_step(container: Container, path: Path, placeholders: Translator, *, volumes: bool = True) -> dict[str, Any]:
    """Return the Step of a container at `path`, without its name; without `volumes` it has no mounts."""
    fields = container.to_kubernetes()
    names = {name: name for name in _FIELDS} | {"resources": "computeResources", "volumeDevices": "volumeDevices"}
    if volumes:
        names["volumeMounts"] = "volumeMounts"
    step = {
        new: Sourced(placeholders.translate(fields[old], (*path, old)), (*path, old))
        for old, new in names.items()
        if old in fields
    }
    return without_nothing(step)
