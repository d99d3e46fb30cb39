"""Adds to a Pod what an API server and a node would add: a name, a uid, and the downward API's data of the node."""

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
    """Return this machine's data for the downward API."""
    pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(socket.gethostname(), _address(), os.cpu_count() or 1, pages * page_size)


def _address() -> str:
    """Return the address from which this machine reaches others. Sends nothing to the network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: a documentation address
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address
