"""Checks the names in a Pod that become parts of paths on this machine, before the Pod runs.

Rules: the compiler rejects invalid names too, with their location, but a Pod need not come from the compiler. A name is
rejected if an API server would reject it. ``projection`` and ``volumes`` check the paths inside a volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monopod.runner.backend_errors import PodRefusedError
from monopod.schemas.formats.object_names import label_problem, subdomain_problem


def check_names(pod: Mapping[str, Any]) -> None:
    """Raise PodRefusedError if an API server would refuse a name in the Pod."""
    if problems := list(_problems(pod["metadata"], pod["spec"])):
        raise PodRefusedError(problems)


def _problems(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
    names = [("metadata.name", metadata["name"], subdomain_problem)]
    names.append(("metadata.namespace", metadata.get("namespace") or "default", label_problem))
    for field in ("initContainers", "containers", "volumes"):
        for index, item in enumerate(spec.get(field) or ()):
            names.append((f"spec.{field}[{index}].name", item["name"], label_problem))
            claim = item.get("persistentVolumeClaim")
            if claim:
                where = f"spec.{field}[{index}].persistentVolumeClaim.claimName"
                names.append((where, claim["claimName"], subdomain_problem))
    for where, text, problem_of in names:
        if (message := problem_of(text)) is not None:
            yield f"{where}: {message}"
