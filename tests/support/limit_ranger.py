"""A Pod's resources in a namespace with LimitRanges: Kubernetes' defaults and its admission plugin.

Written from the API reference (LimitRangeItem, ResourceRequirements) and the docs of LimitRanges. Numbers are floats of
the smallest unit that Kubernetes counts in: a thousandth of a cpu, a byte.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from monopod.schemas.formats import quantity

Manifest = dict[str, Any]
Version = tuple[int, int]


def admitted(pod: Manifest, ranges: list[Manifest]) -> Manifest:
    """Return the Pod with the fields that the API and the plugin set."""
    pod = copy.deepcopy(pod)
    for container in _containers(pod):
        resources = container.setdefault("resources", {})
        limits, requests = resources.setdefault("limits", {}), resources.setdefault("requests", {})
        for name, limit in limits.items():
            requests.setdefault(name, limit)
    for item in _items(ranges, "Container"):
        for container in _containers(pod):
            for name, text in item["default"].items():
                container["resources"]["limits"].setdefault(name, text)
            for name, text in item["defaultRequest"].items():
                container["resources"]["requests"].setdefault(name, text)
    return pod


def complaints(pod: Manifest, ranges: list[Manifest], version: Version) -> list[str]:
    """Return the reasons why a Pod, with its defaults, is refused."""
    return list(_complaints(pod, ranges, version))


def _complaints(pod: Manifest, ranges: list[Manifest], version: Version) -> Iterator[str]:
    for container in _containers(pod):
        requests, limits = _amounts(container, "requests"), _amounts(container, "limits")
        for name in requests.keys() & limits.keys():
            if requests[name] > limits[name]:
                yield f"{container['name']}: requests.{name} must be less than or equal to limits.{name}"
        for item in _items(ranges, "Container"):
            for complaint in _enforced(item, requests, limits):
                yield f"{container['name']}: {complaint}"
    requests, limits = (_total(pod, kind, version) for kind in ("requests", "limits"))
    of_pod = pod["spec"].get("resources", {}).get("requests", {})
    for name, text in of_pod.items():
        if requests.get(name, 0) > _number(name, text):
            yield f"spec.resources.requests.{name} is less than what the containers ask for"
        requests[name] = _number(name, text)
    for item in _items(ranges, "Pod"):
        yield from (f"Pod: {complaint}" for complaint in _enforced(item, requests, limits))


def _enforced(item: Manifest, requests: dict[str, float], limits: dict[str, float]) -> Iterator[str]:
    for name, text in item["min"].items():
        least = _number(name, text)
        if name not in requests or requests[name] < least:
            yield f"minimum {name}: request"
        if name in limits and limits[name] < least:
            yield f"minimum {name}: limit"
    for name, text in item["max"].items():
        most = _number(name, text)
        if name not in limits or limits[name] > most:
            yield f"maximum {name}: limit"
        if name in requests and requests[name] > most:
            yield f"maximum {name}: request"
    for name, text in item["maxLimitRequestRatio"].items():
        if not requests.get(name) or not limits.get(name):
            yield f"ratio of {name}: request and limit must be there, and above 0"
        elif limits[name] / requests[name] > float(quantity.parse(text)) * (1 + 1e-12):
            yield f"ratio of {name}: {limits[name]} / {requests[name]}"


def _items(ranges: list[Manifest], kind: str) -> Iterator[Manifest]:
    """Yield the items of a type, with the defaults that the API sets when a LimitRange is made."""
    fields = ("default", "defaultRequest", "min", "max", "maxLimitRequestRatio")
    for each in ranges:
        for item in each["spec"]["limits"]:
            filled: Manifest = {field: dict(item.get(field, {})) for field in fields}
            if item["type"] != kind:
                continue
            if kind == "Container":
                for source, target in (("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")):
                    for name, text in filled[source].items():
                        filled[target].setdefault(name, text)
            yield filled


def _total(pod: Manifest, kind: str, version: Version) -> dict[str, float]:
    """Return the total of a Pod for each resource.

    Sidecars count beside the containers, other init containers before them. Before 1.28 what one of the containers
    says nothing of counts only if an init container has it.
    """
    initial = pod["spec"].get("initContainers", [])
    beside = [*pod["spec"]["containers"], *(each for each in initial if each.get("restartPolicy") == "Always")]
    amounts = [_amounts(each, kind) for each in beside]
    names = {name for each in amounts for name in each}
    if version < (1, 28):
        names = {name for name in names if all(name in each for each in amounts)}
    total = {name: sum(each.get(name, 0) for each in amounts) for name in names}
    for each in initial:
        for name, amount in _amounts(each, kind).items():
            total[name] = max(total.get(name, 0), amount)
    return total


def _amounts(container: Manifest, kind: str) -> dict[str, float]:
    return {name: _number(name, text) for name, text in container["resources"].get(kind, {}).items()}


def _number(name: str, text: str) -> float:
    return float(quantity.millis(text) if name == "cpu" else -(-quantity.parse(text) // 1))


def _containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
