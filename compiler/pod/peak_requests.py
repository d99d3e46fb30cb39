"""The requests of a Pod's containers, scaled so that the Pod requests only what it can use at one time.

Kubernetes adds up the requests of all containers of a Pod, though a DAG never runs them all at once. Here the requests
are scaled so that their sum is the *peak*: the largest sum of the requests of Steps that can run at the same time.

Rules:

- Each resource has its own peak, and its containers keep their proportions, rounded so that the sum is exact.
- A container with a limit and no request requests its limit, as in Kubernetes. Limits are not changed.
- Only resources that a container may use beyond its request are scaled (`SHARED`). Devices and huge pages belong to
  their container from the Pod's start to its end, and their request must be their limit.

Left to others: the search for the peak (``schemas.capacity.peak``), and requests above their limits, which are an
author's error.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import cache, partial
from typing import Any, TypeAlias

from monopod.schemas.capacity.apportioning import apportion_above
from monopod.schemas.capacity.peak import peak
from monopod.schemas.formats import quantity
from monopod.schemas.plan import Pipeline

SHARED = ("cpu", "memory", "ephemeral-storage")


Amounts: TypeAlias = Mapping[str, Fraction]
"""Amounts by resource."""


def shared_requests(
    pipeline: Pipeline,
    resources: Mapping[str, Mapping[str, Any]],
    lowest: Mapping[str, Amounts] = types.MappingProxyType({}),
    lowest_sums: Amounts = types.MappingProxyType({}),
    *,
    max_parallel: int | None = None,
) -> dict[str, dict[str, str]]:
    """Return the requests of each container with which the Pod requests its peak.

    `resources` are by container, in the shape of the Kubernetes API (ResourceRequirements). A container that does not
    request a resource gets no request for it. No request is scaled below the `lowest` of its container. The sum of a
    resource is not scaled below `lowest_sums`, unless it was smaller already. `max_parallel` is the Plan's. Raises
    ValueError for a malformed Quantity.
    """
    highest_of = partial(peak, pipeline, max_parallel=max_parallel)
    shared: dict[str, dict[str, str]] = {}
    for resource in SHARED:
        texts = {name: text for name, value in resources.items() if (text := request_of(value, resource)) is not None}
        floors = {name: amounts[resource] for name, amounts in lowest.items() if resource in amounts}
        floor_of_sum = lowest_sums.get(resource, Fraction(0))
        for name, text in _share(highest_of, texts, resource, floors, floor_of_sum).items():
            shared.setdefault(name, {})[resource] = text
    return shared


def request_of(resources: Mapping[str, Any], resource: str) -> str | None:
    """Return the request of a container, which is its limit if it has none of its own."""
    for kind in ("requests", "limits"):
        amount = (resources.get(kind) or {}).get(resource)
        if amount is not None:
            return str(amount)
    return None


def _share(
    highest_of: Callable[[Mapping[str, int]], int],
    texts: Mapping[str, str],
    resource: str,
    floors: Amounts,
    floor_of_sum: Fraction,
) -> dict[str, str]:
    """Return each container's share of the peak of one resource, in the units that its author uses."""
    unit = Fraction(1, 1000) if resource == "cpu" else Fraction(1)
    amount_of = {text: -(-quantity.parse(text) // unit) for text in set(texts.values())}
    amounts = {name: amount_of[text] for name, text in texts.items()}
    lowest = [math.ceil(floors.get(name, Fraction(0)) / unit) for name in amounts]
    whole = sum(amounts.values())
    highest = max(highest_of(amounts), min(math.ceil(floor_of_sum / unit), whole))
    if highest == whole and all(amount >= least for amount, least in zip(amounts.values(), lowest, strict=True)):
        return dict(texts)
    divisible = (*amounts.values(), *lowest)
    grain = (
        1
        if resource == "cpu"
        else next(unit_size for unit_size in (1024, 1000, 1) if _all_divisible(divisible, unit_size))
    )
    shares = apportion_above(
        [amount // grain for amount in amounts.values()], -(-highest // grain), [least // grain for least in lowest]
    )
    return {name: _written(share * grain * unit, texts[name]) for name, share in zip(amounts, shares, strict=True)}


@cache  # a Pod has few different ones, and exact arithmetic is slow
def _written(value: Fraction, as_written: str) -> str:
    return quantity.canonical(value, quantity.family(as_written))


def _all_divisible(amounts: Iterable[int], divisor: int) -> bool:
    """Return whether whole multiples of `divisor` can be shared out: sums stay exact and are easier to read."""
    return all(amount % divisor == 0 for amount in amounts)
