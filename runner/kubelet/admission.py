"""What an API server and a node would add to a Pod: a name, a uid, and what the downward API tells of the machine."""

from __future__ import annotations

import os
import secrets
import socket
import uuid
from collections.abc import Mapping
from typing import Any

from monopod.runner.kubelet.environment import Machine


def admitted(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Pod as an API server would store it: with a name, a namespace and a uid."""
    metadata = dict(pod.get("metadata") or {})
    if not metadata.get("name"):
        metadata["name"] = (metadata.get("generateName") or "pod-") + secrets.token_hex(3)[:5]
    metadata.setdefault("namespace", "default")
    metadata.setdefault("uid", str(uuid.uuid4()))
    return {**pod, "metadata": metadata}


def this_machine() -> Machine:
    """Return what the downward API tells of this machine."""
    pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(socket.gethostname(), _address(), os.cpu_count() or 1, pages * page_size)


def _address() -> str:
    """Return the address that this machine reaches others from. Nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address for documentation
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address
