"""The Pod that lists the caches in a PersistentVolumeClaim and removes some: only a Pod can read a claim.

Rules:

- It carries the runtime as the Pod of a run does, so it needs no image of monopod's. An init container unpacks it.
- It complies with the profile "restricted" of the Pod Security Standards. Any user may change a store of caches
  (``system.caches.directory_store``).
- It ends by itself, also if nobody deletes it.

Left to others: what its container does (``coordinator.caches.store_report``), and who creates and deletes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from monopod.compiler.pod.assembly import INSTALL, UNPRIVILEGED
from monopod.compiler.pod.runtime_command import PYTHON_IMAGE, install_command, module_path
from monopod.compiler.tasks.injected_steps import REQUESTS
from monopod.runtime.carried import ARCHITECTURES
from monopod.schemas.plan import PIECE_BYTES

CONTAINER: Final = "cache"
LONGEST_SECONDS: Final = 600
"""How long the Pod may run."""
LABELS: Final = {"app.kubernetes.io/managed-by": "monopod", "app.kubernetes.io/component": "cache-reader"}

_STORE: Final = "/monopod/cache"
_PROGRAM: Final = ("python3", "-P", "-S", "-m", "monopod.coordinator.caches.store_report")


def reader_pod(name: str, claim: str, removed: Sequence[str], image: str | None) -> dict[str, Any]:
    """Return the Pod (core/v1) that lists the store in a claim, after removing the entries with these identities."""
    shared: dict[str, Any] = {
        "image": image or PYTHON_IMAGE,
        "resources": {"requests": REQUESTS},
        "securityContext": UNPRIVILEGED,
    }
    state, binary, store = _mount("state", "/monopod/state"), _mount("bin", "/monopod/bin"), _mount("cache", _STORE)
    install = {
        "name": INSTALL,
        **shared,
        "volumeMounts": [state, binary],
        "command": install_command(ARCHITECTURES, has_all=True),
    }
    reader = {
        "name": CONTAINER,
        **shared,
        "command": [*_PROGRAM, f"dir:{_STORE}", *_in_pieces(removed)],
        "env": [module_path()],
        "volumeMounts": [{**state, "readOnly": True}, store],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LONGEST_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "initContainers": [install],
            "containers": [reader],
            "volumes": [
                {"name": "state", "emptyDir": {}},
                {"name": "bin", "emptyDir": {}},
                {"name": "cache", "persistentVolumeClaim": {"claimName": claim}},
            ],
        },
    }


def _mount(volume: str, path: str) -> dict[str, Any]:
    return {"name": volume, "mountPath": path}


def _in_pieces(identities: Sequence[str]) -> Iterable[str]:
    """Yield arguments with the identities, separated by commas, each short enough for the kernel."""
    size = PIECE_BYTES // (max(map(len, identities), default=0) + 1)
    for start in range(0, len(identities), size):
        yield ",".join(identities[start : start + size])
