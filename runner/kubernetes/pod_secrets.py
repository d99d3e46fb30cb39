"""Reads the Secrets that a Pod refers to, so that their values can be masked.

Rules: reading them is a favour, not a need. What the user may not read, or what does not exist (yet), keeps nothing
from running; that values are not masked is said once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from monopod.compiler.pod.volume_sources import sources_of
from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError, describe
from monopod.runner.kubernetes.cluster import Cluster, UnreachableError, collection_path


def read_secrets(
    cluster: Cluster, pod: Mapping[str, Any], known: Collection[str] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the Secrets that a Pod refers to and that are not `known`, and a warning about those it cannot read."""
    collection = collection_path("secrets", pod["metadata"]["namespace"])
    secrets, unread, why = [], [], ""
    for name in dict.fromkeys(secret_names(pod["spec"])):
        if name in known:
            continue
        try:
            secrets.append(cluster.request("GET", f"{collection}/{quote(name, safe='')}"))
        except (ApiError, UnreachableError) as error:
            if isinstance(error, ApiError) and about(Request.OBJECT, error) is About.GONE:
                continue  # it is optional, or kubelet waits for it
            unread.append(f"'{name}'")
            why = describe(error)
    if not unread:
        return secrets, []
    return secrets, [f"the output is shown with the values of Secret {', '.join(unread)} unmasked: {why}"]


def secret_names(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the Secrets that the containers of a Pod use."""
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        references = [(entry.get("valueFrom") or {}).get("secretKeyRef") for entry in container.get("env") or ()]
        references += [entry.get("secretRef") for entry in container.get("envFrom") or ()]
        yield from (reference["name"] for reference in references if reference and reference.get("name"))
    for volume in spec.get("volumes") or ():
        for path, source in sources_of(volume):
            if path[-1] == "secret" and (name := source.get("secretName") or source.get("name")):
                yield name
