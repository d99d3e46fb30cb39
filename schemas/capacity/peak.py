"""The peak of a Pipeline: the largest sum of amounts of Steps that can run at the same time.

Rules:

- The Steps of a slot run one after the other, its Sidecars beside all of them. The slots of a Task run at the same
  time. Only ``after`` orders Tasks, and finally Tasks run when all others have ended.
- If only so many TaskRuns may run at the same time, the peak is an upper bound of what that many slots request: finding
  the exact one is hard. It is exact where only the limit or only the order matters.

Left to others: the heaviest set of Tasks that no order connects (``antichain``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monopod.schemas.capacity.antichain import heaviest_antichain
from monopod.schemas.capacity.task_levels import task_levels
from monopod.schemas.plan import Pipeline, Slot, Task, runnable_tasks


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
