"""What an API server makes of a patch of `pods/resize` (Kubernetes pkg/apis/core/validation, ValidatePodResize).

Rules:

- Only requests and limits of cpu and memory may change, of containers that are there; none may be removed.
- Init containers may change if they are sidecars, since 1.36 also others.
- The QoS class stays. A Pod with pod-level resources can be resized since 1.36, and they cover what containers request.
"""

from __future__ import annotations

import copy

import api_answers

from monopod.schemas.formats import quantity

MUTABLE = ("cpu", "memory")
NO_SUBRESOURCE = api_answers.status(404, "NotFound", "the server could not find the requested resource")


def minor(version):
    """Return the number after the first dot: 36 of v1.36.1."""
    return int(version.split(".")[1])


def resized(pod, change, version):
    """Return the resized Pod, and what is wrong with the change; a list that is empty if nothing is."""
    new, problems = copy.deepcopy(pod), []
    spec = change.get("spec") or {}
    for kind in ("initContainers", "containers"):
        present = {each["name"]: each for each in new["spec"].get(kind, ())}
        for patch in spec.get(kind) or ():
            problems += _merge(present.get(patch.get("name")), patch, kind, version)
    if unknown := spec.keys() - {"containers", "initContainers", "resources"}:
        problems.append(f"spec: Forbidden: only cpu and memory resources are mutable ({', '.join(sorted(unknown))})")
    problems += _pod_level(pod, new, spec.get("resources"), version)
    if not problems and qos_class(pod["spec"]) != qos_class(new["spec"]):
        problems.append('spec: Invalid value: "": Pod QOS Class may not change as a result of resizing')
    return new, problems


def _merge(container, patch, kind, version):
    if container is None:
        return [f"spec.{kind}: Forbidden: {kind} may not be added or removed on resize"]
    if kind == "initContainers" and container.get("restartPolicy") != "Always" and minor(version) < 36:
        return ["spec: Forbidden: resources for non-sidecar init containers are immutable"]
    problems = [f"spec: Forbidden: only cpu and memory resources are mutable ({key})" for key in patch.keys() - _KEYS]
    problems += _merge_resources(container.setdefault("resources", {}), patch.get("resources") or {})
    for name, text in (container["resources"].get("requests") or {}).items():
        limit = (container["resources"].get("limits") or {}).get(name)
        if limit is not None and quantity.parse(text) > quantity.parse(limit):
            problems.append(f'Invalid value: "{text}": must be less than or equal to {name} limit of {limit}')
    return problems


_KEYS = {"name", "resources"}


def _merge_resources(resources, patch):
    problems = []
    for kind, amounts in patch.items():
        for name, text in amounts.items():
            if name not in MUTABLE:
                problems.append("spec: Forbidden: only cpu and memory resources are mutable")
            elif text is None:
                problems.append(f"{kind}: Forbidden: resource {kind} cannot be removed")
            else:
                quantity.parse(text)
                resources.setdefault(kind, {})[name] = text
    return problems


def _pod_level(pod, new, patch, version):
    if not pod["spec"].get("resources") and not patch:
        return []
    if minor(version) < 36:
        gate = "InPlacePodLevelResourcesVerticalScaling"
        return [
            f"Forbidden: resize of pods with pod-level resources is forbidden when {gate}Enabled feature gate is off"
        ]
    problems = _merge_resources(new["spec"].setdefault("resources", {}), patch or {})
    for name, text in new["spec"]["resources"].get("requests", {}).items():
        total = sum(_requests(new["spec"], name))
        if total > quantity.parse(text):
            words = f"must be greater than or equal to aggregate container requests of {quantity.canonical(total)}"
            problems.append(f'spec.resources.requests[{name}]: Invalid value: "{text}": {words}')
    return problems


def _requests(spec, name):
    sidecars = (each for each in spec.get("initContainers", ()) if each.get("restartPolicy") == "Always")
    for each in (*sidecars, *spec["containers"]):
        yield quantity.parse(((each.get("resources") or {}).get("requests") or {}).get(name, "0"))


def qos_class(spec):
    """Return the QoS class of a Pod (Kubernetes pkg/apis/core/helper/qos)."""
    whole = spec.get("resources")
    every = [whole] if whole else [each.get("resources") or {} for each in _containers(spec)]
    amounts = [
        {kind: {name: quantity.parse((each.get(kind) or {}).get(name, "0")) for name in MUTABLE} for kind in _KINDS}
        for each in every
    ]
    if not any(value > 0 for each in amounts for kind in each.values() for value in kind.values()):
        return "BestEffort"
    is_guaranteed = all(each["limits"][name] == each["requests"][name] > 0 for each in amounts for name in MUTABLE)
    return "Guaranteed" if is_guaranteed else "Burstable"


_KINDS = ("requests", "limits")


def _containers(spec):
    return [*spec.get("initContainers", ()), *spec["containers"]]
