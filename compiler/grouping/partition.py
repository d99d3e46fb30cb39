"""Which Tasks of a run are in which group: by the annotation ``monopod.dev/group``, by limits, and by what they share.

Rules:

- Tasks of one name stay together, Tasks of two names apart. A Task without a name is where the fewest bytes cross, and
  the run is short, in one of these groups or in one of its own.
- With limits, the peak of each group is within them, the coordinator included. Only what Tasks request counts, and what
  the LimitRanges of the namespace add to that.
- Each further group that uses a Workspace costs its size: of its emptyDir or claim template, else `USUAL_SIZE`. A
  Workspace that cannot cross, such as an emptyDir without an artifact, is cut only as a last resort. ConfigMaps and
  Secrets cost nothing.
- A Result costs `RESULT_SIZE` for each group that takes it from another one. If the engine cannot hand it over, it is
  cut only if there is no other way. So is the outcome of a Task that may be skipped.

Left to others: the search (``cut``), what must not cross (``crossing``), and reading the limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.grouping.cut import Graph, Shared, best_cut
from monopod.compiler.pod.parts import ContainerPart
from monopod.compiler.pod.peak_requests import request_of
from monopod.compiler.pod.resources import PodResources
from monopod.compiler.pod.volume_sources import is_shared
from monopod.compiler.scope.known_combinations import known_values, may_be_empty
from monopod.compiler.tasks.left_out import needed_output, task_references
from monopod.compiler.tasks.views import copying_containers
from monopod.schemas.capacity.peak import peak
from monopod.schemas.formats import quantity
from monopod.schemas.plan import Pipeline, Task, runnable_tasks
from monopod.schemas.variables import Scope

if TYPE_CHECKING:
    from monopod.compiler.compilation import Lowered
    from monopod.compiler.tasks.grouped_tasks import GroupedTask

USUAL_SIZE: Final = 2**30
RESULT_SIZE: Final = 4096
UNCROSSABLE: Final = 2**60
"""More than everything else that crosses."""
_OF_ONE_POD: Final = ("emptyDir", "ephemeral", "hostPath", "csi")
_WITHOUT_COST: Final = ("configMap", "secret", "projected", "downwardAPI")
_UNITS: Final = {"cpu": Fraction(1, 1000), "memory": Fraction(1)}


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest request of a group, as the command line has it: ``option`` and ``text``."""

    resource: str
    option: str
    text: str

    @property
    def amount(self) -> Fraction:
        """The amount. Raises ValueError for a malformed Quantity."""
        return quantity.parse(self.text)


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """A group: its name, its Tasks, and the groups that must have ended before it starts."""

    name: str
    tasks: tuple[str, ...]
    needs: tuple[str, ...]


def partition(
    lowered: Lowered,
    resources: PodResources,
    limits: Sequence[Limit],
    *,
    hands_over: bool,
    own_containers: int = 1,
    carried: Collection[str] = (),
) -> tuple[TaskGroup, ...]:
    """Return the groups of a run, in an order in which they can run. Raises Problems.

    `resources` are those of all in one Pod. `hands_over`: the engine hands Results from group to group.
    `own_containers` is how many containers of monopod's own each Pod has, all like the coordinator's. `carried` are the
    volumes that artifacts carry from group to group.
    """
    tasks = {task.name: task for task in lowered.pipeline.tasks}
    written = {each.task.name: each for each in lowered.grouped if each.task.name in tasks}
    together: dict[str, list[str]] = {}
    for name in tasks:
        setting = written[name].group
        together.setdefault(f"group {setting.value}" if setting is not None else f"task {name}", []).append(name)
    keys = list(together)
    number_of = {name: number for number, key in enumerate(keys) for name in together[key]}
    waits = waits_for(lowered)
    before = [
        frozenset(number_of[name] for task in together[key] for name in waits[task]) - {number}
        for number, key in enumerate(keys)
    ]
    _raise(_cycle(keys, before, [written[names[0]] for names in together.values()]))
    named = frozenset(number for number, key in enumerate(keys) if key.startswith("group "))
    peaks = _Peaks(lowered.max_parallel, resources, limits, own_containers)

    def tasks_in(group: frozenset[int]) -> list[Task]:
        return [tasks[name] for number in sorted(group) for name in together[keys[number]]]

    for number, key in enumerate(keys):
        _raise(peaks.problems(key, tasks_in(frozenset({number})), written[together[key][0]]))

    @cache
    def fits(group: frozenset[int]) -> bool:
        return len(group & named) < 2 and peaks.are_within_limits(tasks_in(group))

    shared = [*_workspaces(lowered, number_of, carried), *_results(written.values(), number_of, hands_over=hands_over)]
    shared += () if hands_over else _skipping(lowered.pipeline, number_of)
    groups, _ = best_cut(Graph(before, shared, fits))
    return tuple(_named(groups, keys, together, waits))


def waits_for(lowered: Lowered) -> dict[str, dict[str, None]]:
    """Return for each Task of the run's own Pipeline the Tasks that have to end before its Pod starts, if in others.

    These are the Tasks that it runs after, and those that it only takes the length of a matrix from.
    """
    waits = {task.name: dict.fromkeys(task.after) for task in lowered.pipeline.tasks}
    for each in lowered.grouped:
        for path, _ in task_references(each.task, each.place) if each.task.name in waits else ():
            needed = needed_output(path)
            if needed is not None and needed[1] in waits:
                waits[each.task.name][needed[1]] = None
    return waits


def _cycle(keys: Sequence[str], before: Sequence[frozenset[int]], places: Sequence[GroupedTask]) -> Iterator[Problem]:
    """Yield a problem if groups need each other."""
    try:
        TopologicalSorter(dict(enumerate(before))).prepare()
    except CycleError as error:
        circle: list[int] = error.args[1]
        start = next(number for number in circle if keys[number].startswith("group "))
        at = circle.index(start)
        names = [keys[number].partition(" ")[2] for number in (*circle[at:-1], *circle[:at], start)]
        setting = places[start].group
        assert setting is not None
        message = (
            f"the group '{names[0]}' would have to wait for itself: {' → '.join(names)}; a group is one Pod, so put "
            "all of these into it, or divide it into two groups"
        )
        yield setting.place.problem("workload", message)


def _named(
    groups: Sequence[frozenset[int]],
    keys: Sequence[str],
    together: Mapping[str, Sequence[str]],
    waits: Mapping[str, Mapping[str, None]],
) -> Iterator[TaskGroup]:
    given = {keys[number].removeprefix("group ") for number in range(len(keys)) if keys[number].startswith("group ")}
    owner: dict[str, str] = {}
    for position, group in enumerate(groups, start=1):
        own = [keys[number].removeprefix("group ") for number in group if keys[number].startswith("group ")]
        name = own[0] if own else f"group-{position}"
        while not own and name in given:
            name += "-x"
        members = {task for number in group for task in together[keys[number]]}
        in_order = tuple(task for task in waits if task in members)
        owner.update(dict.fromkeys(in_order, name))
        needs = dict.fromkeys(owner[earlier] for task in in_order for earlier in waits[task])
        yield TaskGroup(name, in_order, tuple(each for each in needs if each != name))


# Limits


class _Peaks:
    """The peaks of groups, next to the limits."""

    def __init__(
        self, max_parallel: int | None, resources: PodResources, limits: Sequence[Limit], own_containers: int
    ) -> None:
        self._max_parallel = max_parallel
        self._own_containers = own_containers
        self._limits = limits
        self._amounts = {limit.resource: dict(_amounts(resources, limit.resource)) for limit in limits}
        self._lowest = {limit.resource: dict(_lowest(resources, limit.resource)) for limit in limits}
        self._own = resources.coordinator["requests"]

    def are_within_limits(self, tasks: Sequence[Task]) -> bool:
        """Return whether one Pod may run these Tasks."""
        return not any(self._excess(tasks))

    def problems(self, key: str, tasks: Sequence[Task], written: GroupedTask) -> Iterator[Problem]:
        """Yield a problem if Tasks that stay together exceed a limit."""
        for limit, highest in self._excess(tasks):
            kind, _, name = key.partition(" ")
            place = written.place if written.group is None else written.group.place
            amount = quantity.canonical(
                highest * _UNITS[limit.resource], "decimal" if limit.resource == "cpu" else "binary"
            )
            message = (
                f"the {kind} '{name}' alone needs {amount} of {limit.resource} at its peak, its coordinator included, "
                f"and {limit.option} is {limit.text}; raise {limit.option}, or request less"
            )
            yield place.problem("workload", message)

    def _excess(self, tasks: Sequence[Task]) -> Iterator[tuple[Limit, int]]:
        for limit in self._limits:
            unit = _UNITS[limit.resource]
            most = limit.amount // unit
            own = math.ceil(quantity.parse(self._own[limit.resource]) / unit) * self._own_containers
            amounts, lowest = self._amounts[limit.resource], self._lowest[limit.resource]
            containers = list(containers_of(tasks))
            least = sum(lowest.get(name, 0) for name in containers)
            if own + max(least, sum(amounts.get(name, 0) for name in containers)) > most:
                pipeline = Pipeline("", tasks=tuple(tasks))
                highest = own + max(least, peak(pipeline, amounts, max_parallel=self._max_parallel))
                if highest > most:
                    yield limit, highest


def _amounts(resources: PodResources, resource: str) -> Iterator[tuple[str, int]]:
    """Yield what each container asks for."""
    for name, asked in resources.asked.items():
        if (text := request_of(asked, resource)) is not None:
            yield name, math.ceil(quantity.parse(text) / _UNITS[resource])


def _lowest(resources: PodResources, resource: str) -> Iterator[tuple[str, int]]:
    """Yield what each container that requests something has to request at least."""
    for name, lowest in resources.lowest.items():
        if resource in lowest and request_of(resources.asked[name], resource) is not None:
            yield name, math.ceil(lowest[resource] / _UNITS[resource])


def containers_of(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield the containers of Tasks."""
    for each in runnable_tasks(Pipeline("", tasks=tuple(tasks))):
        for slot in each.task.slots:
            yield from slot.all_containers


# What Tasks share


def workspace_volumes(lowered: Lowered) -> dict[str, dict[str, None]]:
    """Return the volumes of Workspaces by name, each with the Tasks of the run's own Pipeline that mount it.

    The Steps that make and merge private views mount it too, those of a Task's author may mount it at any path.
    """
    return _mounted(lowered, lambda _part, _mount: True)


def written_volumes(lowered: Lowered) -> dict[str, dict[str, None]]:
    """Return the volumes of Workspaces by name, each with the Tasks that may write it."""
    reading = copying_containers(lowered.pipeline)
    return _mounted(lowered, lambda part, mount: not mount.get("readOnly") and part.name not in reading)


def _mounted(
    lowered: Lowered, counts: Callable[[ContainerPart, Mapping[str, Any]], bool]
) -> dict[str, dict[str, None]]:
    owner = {name: task.name for task in lowered.pipeline.tasks for name in containers_of([task])}
    tasks: dict[str, dict[str, None]] = {}
    for part in lowered.contents.containers:
        for mount in part.fields.get("volumeMounts") or ():
            if mount["name"] in lowered.contents.workspaces and part.name in owner and counts(part, mount):
                tasks.setdefault(mount["name"], {})[owner[part.name]] = None
    return tasks


def of_one_pod(volume: Mapping[str, Any]) -> str | None:
    """Return the kind of a volume of which each Pod, or each node, has its own; None for any other."""
    return next((kind for kind in _OF_ONE_POD if kind in volume and (kind != "csi" or not is_shared(volume))), None)


def _workspaces(lowered: Lowered, number_of: Mapping[str, int], carried: Collection[str]) -> Iterator[Shared]:
    sources = {volume["name"]: volume for volume in lowered.contents.volumes}
    for name, users in workspace_volumes(lowered).items():
        weight = _weight(sources.get(name, {}), can_cross=name in carried)
        if weight:
            yield Shared(weight, frozenset(number_of[task] for task in users))


def _weight(volume: Mapping[str, Any], *, can_cross: bool) -> int:
    if any(kind in volume for kind in _WITHOUT_COST):
        return 0
    template = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec") or {}
    size = (volume.get("emptyDir") or {}).get("sizeLimit")
    size = size or ((template.get("resources") or {}).get("requests") or {}).get("storage")
    weight = USUAL_SIZE if size is None else int(quantity.parse(str(size)))
    return weight + (UNCROSSABLE if of_one_pod(volume) and not can_cross else 0)


def _results(grouped: Any, number_of: Mapping[str, int], *, hands_over: bool) -> Iterator[Shared]:
    users: dict[tuple[str, ...], set[int]] = {}
    for each in grouped:
        for path, _ in task_references(each.task, each.place):
            needed = needed_output(path)
            if needed is not None and needed[1] in number_of:
                users.setdefault(needed, set()).add(number_of[each.task.name])
    for needed, consumers in users.items():
        can_cross = hands_over and needed[2] not in ("outputs", "inputs")
        producer = number_of[needed[1]]
        yield Shared(RESULT_SIZE if can_cross else UNCROSSABLE, frozenset(consumers - {producer}), producer)


def _skipping(pipeline: Pipeline, number_of: Mapping[str, int]) -> Iterator[Shared]:
    """Yield what a Task has to know of one before it, if that may be skipped together with what follows it."""
    for task in pipeline.tasks:
        for name in task.after:
            if skips(name, pipeline) is not None:
                yield Shared(UNCROSSABLE, frozenset({number_of[task.name]}) - {number_of[name]}, number_of[name])


def skips(name: str, pipeline: Pipeline) -> str | None:
    """Return the Task because of which a Task may be skipped together with what follows it; None if none."""
    tasks = {task.name: task for task in pipeline.tasks}
    params = known_values(pipeline)
    if _may_have_no_combination(tasks[name], params):
        return name
    waiting = list(tasks[name].after)
    seen = set(waiting)
    while waiting:
        earlier = tasks[waiting.pop()]
        if earlier.when or _may_have_no_combination(earlier, params):
            return earlier.name
        waiting += (each for each in earlier.after if each not in seen)
        seen.update(earlier.after)
    return None


def _may_have_no_combination(task: Task, params: Scope) -> bool:
    return task.matrix is not None and may_be_empty(task.matrix, params)


def _raise(problems: Iterator[Problem]) -> None:
    found = list(problems)
    if found:
        raise Problems(found)
