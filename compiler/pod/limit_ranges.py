"""LimitRanges: what the containers and Pods of a namespace get, must ask for and may have.

Rules (Kubernetes docs, "Limit Ranges"; Tekton docs/compute-resources.md, "LimitRange Support"):

- The API server completes a LimitRange for containers: ``default`` from ``max``, ``defaultRequest`` from ``default``,
  then from ``min``.
- Of several, the smallest ``max``, ``default``, ``defaultRequest`` and ratio count, and the largest ``min``. A default
  is not below the minimum.
- Limits for claims and images do not apply to a Pod.

Left to others: applying the limits to the containers of a Pod (``resources``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.documents import Documents
from monopod.compiler.documents.places import DocumentPlace, OptionPlace, Place
from monopod.compiler.documents.validation import validate
from monopod.schemas.formats import quantity
from monopod.schemas.kubernetes.objects import LimitRange, LimitRangeItem


@dataclass(frozen=True, slots=True)
class Bound:
    """An amount of a LimitRange: its text, the LimitRange's name, and where it is."""

    text: str
    owner: str
    place: Place

    @property
    def amount(self) -> Fraction:
        """The amount."""
        return quantity.parse(self.text)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for containers or for Pods, by resource. `ratios` are the largest ratios of limit to request."""

    defaults: Mapping[str, Bound] = field(default_factory=dict)
    default_requests: Mapping[str, Bound] = field(default_factory=dict)
    highest: Mapping[str, Bound] = field(default_factory=dict)
    lowest: Mapping[str, Bound] = field(default_factory=dict)
    ratios: Mapping[str, Bound] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LimitRanges:
    """The limits for each container and for the Pod as a whole. ``problems`` come from the cluster's."""

    container: Limits = field(default_factory=Limits)
    pod: Limits = field(default_factory=Limits)
    problems: tuple[Problem, ...] = field(default=(), compare=False)


NO_LIMITS = LimitRanges()


@dataclass(frozen=True, slots=True)
class _OwnedItem:
    item: LimitRangeItem
    owner: str
    place: Place


def limit_ranges_of(documents: Documents, of_namespace: Iterable[dict[str, Any]], namespace: str | None) -> LimitRanges:
    """Return the limits that apply to a Pod, from the documents of its namespace or of none, and from `of_namespace`.

    `of_namespace` are LimitRanges read from a cluster; LimitRanges of another namespace are ignored.
    """
    items = list(_in_documents(documents, namespace))
    problems: list[Problem] = []
    for document in of_namespace:
        metadata = document.get("metadata") or {}
        if namespace is not None and metadata.get("namespace") not in (None, namespace):
            continue
        place = OptionPlace(f"LimitRange {metadata.get('name')} of the namespace")
        model, complaints = validate(LimitRange, document)
        problems += (place.problem(complaint.rule, complaint.message) for complaint in complaints)
        if model is not None:
            items += (_OwnedItem(item, model.metadata.name or "", place) for item in _items(model))
    container, pod = (_merged([owned for owned in items if owned.item.type == kind]) for kind in ("Container", "Pod"))
    return LimitRanges(container, pod, tuple(problems))


def _in_documents(documents: Documents, namespace: str | None) -> Iterator[_OwnedItem]:
    for document, model in documents.of(LimitRange):
        if namespace is None or model.metadata.namespace in (None, "", namespace):
            for index, item in enumerate(_items(model)):
                yield _OwnedItem(item, document.name, DocumentPlace(document, ("spec", "limits", index)))


def _items(limit_range: LimitRange) -> tuple[LimitRangeItem, ...]:
    return limit_range.spec.limits if limit_range.spec is not None else ()


def _merged(items: list[_OwnedItem]) -> Limits:
    lowest = _chosen(items, lambda item: item.min, "min", largest=True)
    highest = _chosen(items, lambda item: item.max, "max")
    limits, requests = _defaults(items)
    return Limits(
        _not_below(limits, lowest),
        _not_below(requests, lowest),
        highest,
        lowest,
        _chosen(items, lambda item: item.max_limit_request_ratio, "maxLimitRequestRatio"),
    )


def _chosen(
    items: Iterable[_OwnedItem],
    of_item: Callable[[LimitRangeItem], Mapping[str, str]],
    name: str,
    *,
    largest: bool = False,
) -> dict[str, Bound]:
    """Return the smallest amount of each resource, or the largest."""
    chosen: dict[str, Bound] = {}
    for owned in items:
        for resource, text in of_item(owned.item).items():
            bound = Bound(text, owned.owner, owned.place.at(name, resource))
            present = chosen.get(resource)
            if present is None or (bound.amount > present.amount if largest else bound.amount < present.amount):
                chosen[resource] = bound
    return chosen


def _defaults(items: Iterable[_OwnedItem]) -> tuple[dict[str, Bound], dict[str, Bound]]:
    """Return the default limits and requests, after each LimitRange is completed as the API server completes it."""
    of_containers = [owned for owned in items if owned.item.type == "Container"]
    limits = _chosen(of_containers, lambda item: {**item.max, **item.default}, "default")
    requests = _chosen(
        of_containers, lambda item: {**item.min, **item.max, **item.default, **item.default_request}, "defaultRequest"
    )
    return limits, requests


def _not_below(defaults: Mapping[str, Bound], lowest: Mapping[str, Bound]) -> dict[str, Bound]:
    return {
        resource: lowest[resource] if resource in lowest and bound.amount < lowest[resource].amount else bound
        for resource, bound in defaults.items()
    }
