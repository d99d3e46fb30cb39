"""What the Pod needs so that its coordinator, and nothing else in it, can talk to the API server (``--self-shrink``).

Rules:

- The token of the ServiceAccount is in a volume of its own, which only the coordinator's container mounts.
- No other container gets the token, unless the run sets automountServiceAccountToken to true.
- The coordinator finds the API server by the variables that every container has.
"""

from __future__ import annotations

from typing import Any

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 3600


def credentials_volume(name: str) -> dict[str, Any]:
    """Return the volume with the token and the certificate of the API server's CA, which every namespace has."""
    token = {"path": "token", "expirationSeconds": _TOKEN_SECONDS}
    certificate = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return {"name": name, "projected": {"sources": [{"serviceAccountToken": token}, {"configMap": certificate}]}}


def credentials_mount(name: str) -> dict[str, Any]:
    """Return the mount of that volume in the coordinator's container."""
    return {"name": name, "mountPath": MOUNT_PATH, "readOnly": True}
