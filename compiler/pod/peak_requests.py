"""The requests of a Pod's containers, scaled so that the Pod requests only what it can use at one time.

Kubernetes adds up the requests of all containers of a Pod, though a DAG never runs them all at once. Here the requests
are scaled so that their sum is the *peak*: the largest sum of the requests of Steps that can run at the same time.

Rules:

- The Steps of a slot run one after the other, its Sidecars beside all of them. The slots of a Task run at the same
  time. Only ``after`` orders Tasks, and finally Tasks run when all others have ended.
- If only so many TaskRuns may run at the same time, the peak is an upper bound of what that many slots request: finding
  the exact one is hard. It is exact where only the limit or only the order matters.
- Each resource has its own peak, and its containers keep their proportions, rounded so that the sum is exact.
- A container with a limit and no request requests its limit, as in Kubernetes. Limits are not changed.
- Only resources that a container may use beyond its request are scaled (`SHARED`). Devices and huge pages belong to
  their container from the Pod's start to its end, and their request must be their limit.

Left to others: the search for the peak (``monopod.compiler.pod.antichain``), and requests above their limits, which
are an author's error.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache, partial
from typing import Any, TypeAlias

from monopod.compiler.pod.antichain import heaviest_antichain
from monopod.compiler.tasks.running_order import task_levels
from monopod.schemas.formats import quantity
from monopod.schemas.plan import Pipeline, Slot, Task, runnable_tasks

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
        texts = {name: text for name, value in resources.items() if (text := _request(value, resource)) is not None}
        floors = {name: amounts[resource] for name, amounts in lowest.items() if resource in amounts}
        floor_of_sum = lowest_sums.get(resource, Fraction(0))
        for name, text in _share(highest_of, texts, resource, floors, floor_of_sum).items():
            shared.setdefault(name, {})[resource] = text
    return shared


def peak(pipeline: Pipeline, amounts: Mapping[str, int], *, max_parallel: int | None = None) -> int:
    """Return the largest sum of `amounts` of containers of `pipeline` that can be busy at the same time.

    `amounts` are by container; a container without an amount counts as 0. With `max_parallel`, at most so many slots
    are busy at the same time, and the sum may be too large, but is never too small.

    That bound is Lagrange's: if each slot pays a price from its amount, and the places are paid for instead, no choice
    of so many slots gets cheaper. The bound is convex in the price, so the best price is found by halving.
    """
    if max_parallel is None:
        return _peak(pipeline, amounts, 0)

    def bound(price: int) -> int:
        return max_parallel * price + _peak(pipeline, amounts, price)

    slots = (slot for each in runnable_tasks(pipeline) for slot in each.task.slots)
    prices = sorted({0, *(_amount_of_slot(slot, amounts) for slot in slots)})
    low, high = 0, len(prices) - 1
    while low < high:
        middle = (low + high) // 2
        if bound(prices[middle]) <= bound(prices[middle + 1]):
            high = middle
        else:
            low = middle + 1
    return min(bound(prices[low]), bound(0))


def _peak(pipeline: Pipeline, amounts: Mapping[str, int], price: int) -> int:
    """Return the peak if each slot asks for less by `price`, but not for less than nothing."""
    return max(_peak_of_tasks(each, amounts, price) for each in (pipeline.tasks, pipeline.final_tasks))


def _peak_of_tasks(tasks: Sequence[Task], amounts: Mapping[str, int], price: int) -> int:
    by_name = {task.name: task for task in tasks}
    numbers = {name: number for number, name in enumerate(task_levels(tasks))}
    predecessors = [[numbers[earlier] for earlier in by_name[name].after if earlier in numbers] for name in numbers]
    return heaviest_antichain([_amount_of_task(by_name[name], amounts, price) for name in numbers], predecessors)


def _amount_of_task(task: Task, amounts: Mapping[str, int], price: int) -> int:
    if task.pipeline is not None:
        return _peak(task.pipeline, amounts, price)
    return sum(max(_amount_of_slot(slot, amounts) - price, 0) for slot in task.slots)


def _amount_of_slot(slot: Slot, amounts: Mapping[str, int]) -> int:
    steps = max((amounts.get(name, 0) for name in slot.containers), default=0)
    return steps + sum(amounts.get(name, 0) for name in slot.sidecars)


def _request(resources: Mapping[str, Any], resource: str) -> str | None:
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


def apportion_above(amounts: Sequence[int], total: int, lowest: Sequence[int]) -> list[int]:
    """Apportion as `apportion` does, but give each amount at least its `lowest`.

    The other amounts share the rest, so that the sum is `total`, unless the lowest values add up to more.
    """
    low: set[int] = set()
    while True:
        others = [index for index in range(len(amounts)) if index not in low]
        rest = max(0, total - sum(lowest[index] for index in low))
        wanted = [amounts[index] for index in others]
        shares = dict(zip(others, apportion(wanted, min(rest, sum(wanted))), strict=True))
        below = {index for index, share in shares.items() if share < lowest[index]}
        if not below:
            return [shares.get(index, lowest[index]) for index in range(len(amounts))]
        low |= below


def apportion(amounts: Sequence[int], total: int) -> list[int]:
    """Return whole numbers in proportion to `amounts` whose sum is `total` (at most theirs).

    The largest remainders are rounded up, the earlier of two that are equal (Hamilton's method); so none of the numbers
    is above its amount.
    """
    whole = sum(amounts)
    if not whole:
        return list(amounts)
    shares = [amount * total // whole for amount in amounts]
    by_remainder = sorted(range(len(amounts)), key=lambda index: -(amounts[index] * total % whole))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares
