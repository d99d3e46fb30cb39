"""The requests and limits of each container of a Pod, in a namespace with or without LimitRanges.

Rules:

- A container without requests or limits gets the defaults of the LimitRange. They are written into the Pod, so that
  the peak counts them.
- Requests are scaled to the peak (``peak_requests``), but not below what a LimitRange requires: its minimum, and the
  limit divided by its largest ratio. The same holds for the Pod's sum; the coordinator requests what is missing.
- An author's own values are never lowered: a value above a LimitRange is an error where it is written.
- The coordinator gets the LimitRange's default limit too, unless that would be too little for it.
- A Pod whose requests are lowered while it runs has no pod-level resources: Kubernetes 1.34 and 1.35 refuse to resize
  those, and 1.36 keeps counting the memory.
- With pod-level resources the Pod requests the sum of its containers. To make that the peak, a container that does not
  request a resource gets an explicit 0. This also keeps the defaults of an unknown LimitRange out of the sum.

Left to others: reading LimitRanges (``limit_ranges``), assembling the Pod (``pod.assembly``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from monopod.compiler.diagnostics import Problem
from monopod.compiler.pod.files_container import FILES
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.limit_ranges import Bound, LimitRanges, Limits
from monopod.compiler.pod.parts import ContainerPart, PodPlaces
from monopod.compiler.pod.peak_requests import SHARED, Amounts, shared_requests
from monopod.schemas.formats import quantity
from monopod.schemas.model import Path
from monopod.schemas.plan import Pipeline

COORDINATOR_REQUESTS = {"cpu": "10m", "memory": "32Mi"}
COORDINATOR_LIMITS = {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "1Gi"}
"""The coordinator's limits where every container must have a limit."""
OF_WHOLE_PODS = ("cpu", "memory")
"""The resources that a Pod as a whole can request, except huge pages, which belong to one container throughout."""

_ZERO = Fraction(0)
Resources = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with a container, at a path of its Step or Sidecar, or with a bound of a LimitRange."""

    message: str
    at: tuple[str, Path] | Bound

    def problem(self, places: PodPlaces) -> Problem:
        """Return the problem at its place."""
        place = self.at.place if isinstance(self.at, Bound) else places.containers[self.at[0]](*self.at[1])
        return place.problem("limit-range", self.message)


@dataclass(frozen=True, slots=True)
class PodResources:
    """The resources (ResourceRequirements) of containers by name, of the coordinator, and of the Pod as a whole.

    ``asked`` is what the containers would have without the other containers, ``lowest`` and ``lowest_sums`` are the
    lowest requests that LimitRanges allow: of each container, and of all of them together.
    """

    containers: Mapping[str, dict[str, Any]]
    coordinator: dict[str, Any]
    pod: dict[str, Any] | None
    findings: list[Finding] = field(default_factory=list)
    asked: Mapping[str, Resources] = field(default_factory=dict)
    lowest: Mapping[str, Amounts] = field(default_factory=dict)
    lowest_sums: Amounts = field(default_factory=dict)


def over_limits(resources: Resources) -> Iterator[tuple[str, str]]:
    """Yield the name of each resource whose request is above its limit, and what is wrong with that."""
    limits = resources.get("limits") or {}
    for name, request in (resources.get("requests") or {}).items():
        limit = limits.get(name)
        if limit is not None and quantity.parse(str(request)) > quantity.parse(str(limit)):
            yield name, f"{request} is above the limit of {limit}, which Kubernetes refuses; ask for at most the limit"


def pod_resources(
    pipeline: Pipeline,
    parts: Iterable[ContainerPart],
    ranges: LimitRanges,
    kube_version: KubeVersion,
    *,
    has_files: bool = False,
    max_parallel: int | None = None,
    is_shrunk: bool = False,
) -> PodResources:
    """Return the resources of the containers and of the coordinator. Raises ValueError for a malformed Quantity.

    `has_files`: there is a container ``files``, which needs as much as the coordinator. `max_parallel` is the Plan's.
    `is_shrunk`: requests will be lowered while the Pod runs, so it gets no pod-level resources.
    """
    has_pod_level = kube_version.has_pod_level_resources and not is_shrunk
    own = {part.name: part.fields.get("resources") or {} for part in parts}
    if ranges == LimitRanges():
        containers = _with_requests(own, shared_requests(pipeline, own, max_parallel=max_parallel))
        coordinator: dict[str, Any] = {"requests": dict(COORDINATOR_REQUESTS)}
        containers |= {FILES: coordinator} if has_files else {}
        resources = PodResources(containers, coordinator, None, asked=own)
        return _with_pod_level(resources) if has_pod_level else resources
    silent = () if kube_version.sums_what_is_there else tuple(ranges.pod.lowest.keys() | ranges.pod.ratios.keys())
    completed = {name: _with_defaults(resources, ranges.container, silent) for name, resources in own.items()}
    findings = [finding for name, value in own.items() for finding in _over(name, value, ranges.container)]
    coordinator, of_coordinator = _coordinator(ranges, silent, kube_version)
    floors = {name: _floors(resources, ranges.container) for name, resources in completed.items()}
    of_files = {FILES: coordinator} if has_files else {}
    ours = [coordinator, *of_files.values()]
    least = _least_of_pod([*completed.values(), *ours], ranges.pod)
    sums = {name: amount - _sum(ours, "requests", name) for name, amount in least.items()}
    shared = shared_requests(pipeline, completed, floors, sums, max_parallel=max_parallel)
    containers = _with_requests(completed, shared) | of_files
    coordinator = _filled_up(coordinator, containers.values(), least)
    findings += [*of_coordinator, *_contradictions(ranges), *_below_floors(containers, floors)]
    findings += _of_whole_pod(containers, coordinator, ranges.pod, kube_version)
    resources = PodResources(containers, coordinator, None, findings, completed, floors, sums)
    return _with_pod_level(resources) if has_pod_level else resources


def _with_requests(
    resources: Mapping[str, Resources], requests: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Any]]:
    result = {}
    for name, value in resources.items():
        merged = {**(value.get("requests") or {}), **requests.get(name, {})}
        result[name] = {**value, "requests": merged} if merged else dict(value)
    return result


def _amount(resources: Resources, kind: str, name: str) -> Fraction:
    text = (resources.get(kind) or {}).get(name)
    return _ZERO if text is None else quantity.parse(text)


def _sum(resources: Iterable[Resources], kind: str, name: str) -> Fraction:
    return sum((_amount(container, kind, name) for container in resources), _ZERO)


# LimitRanges


def _with_defaults(resources: Resources, limits: Limits, silent: Iterable[str] = ()) -> dict[str, Any]:
    """Return resources with the defaults that admission would add; a limit without a request is also the request.

    Other resources that need a request (`silent`) get a request of 0.
    """
    own_limits, own_requests = resources.get("limits") or {}, resources.get("requests") or {}
    given_limits = {name: bound.text for name, bound in limits.defaults.items()} | own_limits
    defaults = {name: bound.text for name, bound in limits.default_requests.items() if name not in own_limits}
    zeros = {name: "0" for name in sorted(silent) if name not in given_limits}
    requests = zeros | defaults | own_requests
    named = {"limits": given_limits, "requests": requests}
    return {**resources, **{kind: amounts for kind, amounts in named.items() if amounts}}


def _floors(resources: Resources, limits: Limits) -> dict[str, Fraction]:
    """Return the smallest requests that a container may have, by resource."""
    floors = {name: bound.amount for name, bound in limits.lowest.items()}
    for name, ratio in limits.ratios.items():
        if ratio.amount > 0:
            floors[name] = max(floors.get(name, _ZERO), _amount(resources, "limits", name) / ratio.amount)
    return floors


def _contradictions(ranges: LimitRanges) -> Iterator[Finding]:
    """Yield what no Pod can satisfy, since LimitRanges contradict each other."""
    for limits in (ranges.container, ranges.pod):
        for name in limits.lowest.keys() & limits.highest.keys():
            lowest, highest = limits.lowest[name], limits.highest[name]
            if lowest.amount > highest.amount:
                message = f"{lowest.text} of {name} at least is more than the LimitRange '{highest.owner}' allows"
                yield Finding(f"{message}: {highest.text}", lowest)


def _over(container: str, own: Resources, limits: Limits) -> Iterator[Finding]:
    """Yield each of an author's own requests and limits that a LimitRange does not allow."""
    own_limits, own_requests = own.get("limits") or {}, own.get("requests") or {}

    def finding(message: str, *path: str) -> Finding:
        return Finding(message, (container, ("computeResources", *path)))

    for name, text in own_limits.items():
        highest, lowest = limits.highest.get(name), limits.lowest.get(name)
        if highest is not None and quantity.parse(text) > highest.amount:
            message = f"{text} is more than the LimitRange '{highest.owner}' allows a container: {highest.text}"
            yield finding(message, "limits", name)
        if lowest is not None and quantity.parse(text) < lowest.amount:
            message = f"{text} is less than the LimitRange '{lowest.owner}' wants a container to have: {lowest.text}"
            yield finding(message, "limits", name)
    for name, text in own_requests.items():
        default = limits.defaults.get(name)
        if name not in own_limits and default is not None and quantity.parse(text) > default.amount:
            message = f"{text} is more than the limit that the LimitRange '{default.owner}' gives it: {default.text}"
            yield finding(f"{message}; say what its limit is", "requests", name)
    for name, ratio in limits.ratios.items():
        if name not in own_limits and name not in limits.defaults:
            yield finding(f"the LimitRange '{ratio.owner}' wants every container to have a limit of {name}")


def _below_floors(
    containers: Mapping[str, Resources], floors: Mapping[str, Mapping[str, Fraction]]
) -> Iterator[Finding]:
    """Yield requests that are too small and cannot be raised: unshared resources must equal their limits."""
    for name, lowest in floors.items():
        for resource, floor in lowest.items():
            if resource not in SHARED and _request(containers[name], resource) < floor:
                message = f"the LimitRange wants every container to ask for {quantity.canonical(floor)} of {resource}"
                yield Finding(message, (name, ("computeResources",)))


def _request(resources: Resources, name: str) -> Fraction:
    kind = "requests" if name in (resources.get("requests") or {}) else "limits"
    return _amount(resources, kind, name)


def _coordinator(
    ranges: LimitRanges, silent: Iterable[str], kube_version: KubeVersion
) -> tuple[dict[str, Any], list[Finding]]:
    """Return the coordinator's resources, and a finding for each LimitRange that leaves it too little."""
    limits = ranges.container
    completed = _with_defaults({"requests": dict(COORDINATOR_REQUESTS)}, limits, silent)
    findings = []
    limited = set(limits.ratios)
    if not kube_version.sums_what_is_there:
        limited |= ranges.pod.highest.keys() | ranges.pod.ratios.keys()
    for name, text in COORDINATOR_LIMITS.items():
        if name in limited:
            completed.setdefault("limits", {}).setdefault(name, text)
    for name, text in COORDINATOR_REQUESTS.items():
        needed = quantity.parse(text)
        limit = (completed.get("limits") or {}).get(name)
        if limit is not None and quantity.parse(limit) < needed:
            completed["limits"][name] = text
        highest = limits.highest.get(name)
        if highest is not None and highest.amount < needed:
            message = f"monopod's coordinator needs {text} of {name}, which is more than a container may have"
            findings.append(Finding(message, highest))
    for name, floor in _floors(completed, limits).items():
        if floor > _amount(completed, "requests", name):
            completed["requests"][name] = _written(name, floor)
    return completed, findings


def _least_of_pod(resources: Iterable[Resources], limits: Limits) -> dict[str, Fraction]:
    """Return the smallest requests that a Pod may have, by resource."""
    floors = {name: bound.amount for name, bound in limits.lowest.items()}
    whole = list(resources)
    for name, ratio in limits.ratios.items():
        if ratio.amount > 0:
            floors[name] = max(floors.get(name, _ZERO), _sum(whole, "limits", name) / ratio.amount)
    return floors


def _filled_up(
    coordinator: dict[str, Any], containers: Iterable[Resources], least: Mapping[str, Fraction]
) -> dict[str, Any]:
    """Return the coordinator's resources, raised by what the Pod's sum lacks, up to its limit."""
    others = list(containers)
    requests = dict(coordinator["requests"])
    for name, amount in least.items():
        present = _amount(coordinator, "requests", name)
        missing = amount - present - _sum(others, "requests", name)
        limit = (coordinator.get("limits") or {}).get(name)
        if missing > 0 and name in SHARED and (limit is None or present + missing <= quantity.parse(limit)):
            requests[name] = _written(name, present + missing)
    return {**coordinator, "requests": requests}


def _of_whole_pod(
    containers: Mapping[str, Resources], coordinator: Resources, limits: Limits, kube_version: KubeVersion
) -> Iterator[Finding]:
    """Yield what a LimitRange for Pods does not allow of the Pod as a whole."""
    whole = [*containers.values(), coordinator]
    for name, bound in {**limits.ratios, **limits.highest}.items():
        without = [key for key, value in containers.items() if name not in (value.get("limits") or {})]
        if without and (not kube_version.sums_what_is_there or len(without) == len(containers)):
            message = f"the LimitRange '{bound.owner}' is for the whole Pod, and wants this to have a limit of {name}"
            yield Finding(message, (without[0], ("computeResources",)))
    for name, amount in _least_of_pod(whole, limits).items():
        requested = _sum(whole, "requests", name)
        if requested < amount:
            bound = limits.lowest.get(name) or limits.ratios[name]
            message = (
                f"the Pod asks for {_written(name, requested)} of {name}, and has to ask for {_written(name, amount)}"
            )
            yield Finding(message, bound)
    for name, bound in limits.lowest.items():
        limit = _sum(whole, "limits", name)
        counted = kube_version.sums_what_is_there or all(name in (container.get("limits") or {}) for container in whole)
        if counted and 0 < limit < bound.amount:
            message = f"the limits of all containers together are {_written(name, limit)} of {name}"
            yield Finding(f"{message}, and a Pod must have at least {bound.text}; leave them out, or allow more", bound)
    for name, bound in limits.highest.items():
        for kind, what in (("requests", "the Pod asks for"), ("limits", "the limits of all containers together are")):
            amount = _sum(whole, kind, name)
            if amount > bound.amount:
                message = f"{what} {_written(name, amount)} of {name}, and a Pod may have {bound.text}"
                yield Finding(f"{message}; ask for less, or let less run at the same time", bound)


def _written(name: str, amount: Fraction) -> str:
    """Return an amount as a Quantity, rounded up to the unit in which Kubernetes counts."""
    unit = Fraction(1, 1000) if name == "cpu" else Fraction(1)
    return quantity.canonical(-(-amount // unit) * unit, "decimal" if name == "cpu" else "binary")


# The Pod as a whole


def _with_pod_level(resources: PodResources) -> PodResources:
    all_requests = [value.get("requests") or {} for value in resources.containers.values()]
    names = [name for name in OF_WHOLE_PODS if any(name in request for request in all_requests)]
    if not names:
        return resources
    nothing = dict.fromkeys(names, "0")
    containers = {
        name: {**value, "requests": {**nothing, **requests}}
        for (name, value), requests in zip(resources.containers.items(), all_requests, strict=True)
    }
    whole = [*containers.values(), resources.coordinator]
    requests = {name: _written(name, _sum(whole, "requests", name)) for name in names}
    return replace(resources, containers=containers, pod={"requests": requests})
