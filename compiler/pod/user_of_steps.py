"""The user and the security settings of monopod's own containers that work on the files of Steps.

Rules:

- Such a container has the user and the security settings of the first Step that uses the files, without its
  privileges: what it makes belongs to this Step, it can read what this Step wrote, and a cluster that accepts the Step
  accepts it.
- If only the Step's image says which user other than root it is, the container has a user of its own. Then, and if
  Steps with different users use the files, every user must be able to do with the files what their owner may do.

Left to others: the containers (``files_container``, ``tasks.injected_steps``), and the modes of the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHARED_FILES = {"name": "MONOPOD_SHARED_FILES", "value": "true"}
"""The environment variable that says that every user must be able to use the files."""

_UNPRIVILEGED_USER = 65532
_COPIED = (
    "appArmorProfile",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
)


def security_of_user(
    first: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]], pod_context: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Return the securityContext of a container, and whether the files are for every user.

    `first` is the securityContext of the first Step that uses the files, `contexts` are the contexts of all users,
    `pod_context` is the context of the Pod.
    """
    context = {key: first[key] for key in _COPIED if first.get(key) is not None}
    dropped = (first.get("capabilities") or {}).get("drop")
    if dropped:
        context["capabilities"] = {"drop": dropped}
    known = {(each.get("runAsUser"), each.get("runAsGroup")) for each in contexts}
    is_shared = len(known) > 1
    effective = {**pod_context, **context}
    if effective.get("runAsNonRoot") and effective.get("runAsUser") is None:  # its image would run as root
        context |= {"runAsUser": _UNPRIVILEGED_USER, "runAsGroup": _UNPRIVILEGED_USER}
        is_shared = True
    return {**context, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}, is_shared
