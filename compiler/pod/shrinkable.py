"""The requests of a Pod that can be lowered while it runs (``schemas.capacity``), from its resources.

The fields of the Pod need no change: kubelet does not restart a container whose requests change, unless its
resizePolicy says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from monopod.compiler.pod.peak_requests import request_of
from monopod.compiler.pod.resources import PodResources
from monopod.schemas.capacity.shares import Requests, Resource, Share
from monopod.schemas.formats import quantity

_UNITS: Mapping[Resource, Fraction] = {"cpu": Fraction(1, 1000), "memory": Fraction(1)}


def shrinkable_requests(resources: PodResources) -> tuple[Requests, ...]:
    """Return the requests of the Steps' and Sidecars' containers that a Pod with these resources can lower."""
    return tuple(_requests(resources, resource, unit) for resource, unit in _UNITS.items())


def _requests(resources: PodResources, resource: Resource, unit: Fraction) -> Requests:
    return Requests(
        resource,
        tuple(_shares(resources, resource, unit)),
        math.ceil(max(resources.lowest_sums.get(resource, Fraction(0)), Fraction(0)) / unit),
    )


def _shares(resources: PodResources, resource: Resource, unit: Fraction) -> Iterator[Share]:
    for name, asked in resources.asked.items():
        text = request_of(asked, resource)
        if text is not None:
            requested: Any = resources.containers[name]["requests"][resource]
            lowest = resources.lowest.get(name, {}).get(resource, Fraction(0))
            yield Share(name, _amount(text, unit), _amount(requested, unit), math.ceil(lowest / unit))


def _amount(text: str, unit: Fraction) -> int:
    return math.ceil(quantity.parse(text) / unit)
