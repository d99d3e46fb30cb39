"""The best cut of a DAG into groups: the fewest bytes between groups, then the fewest groups.

Rules:

- No group needs itself through others: the graph of groups has no cycles.
- A group must fit (``fits``). A part of a group that fits has to fit too.
- A group pays for what it shares with others: once for each thing that it uses (a Workspace), and once for each Result
  that it takes from another group.

Groups without cycles are steps from one *down-set* of the DAG to a larger one: a set of nodes with all that comes
before them. So the best cut is a shortest path over down-sets, which is exact. A DAG of width w and n nodes has at most
(n/w + 1)^w of them, and each pair of nested ones is a candidate: a chain of n nodes has n²/2. Finding the best cut is
NP-hard in general (it contains bin packing), so after `MOST_CANDIDATES` pairs the search gives up. Then only cuts of
two topological orders into intervals are compared: n²/2 candidates each, and at most 2n calls of ``fits``. Such a cut
keeps all rules, but may not be the best.

Pure. Left to others: what nodes and weights are (``grouping.partition``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TypeAlias

MOST_CANDIDATES = 5_000
"""How many candidates for a group the exact search considers."""

Group: TypeAlias = frozenset[int]
_Cost: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shared:
    """Something that nodes share. Each group that uses it pays ``weight``, except the group that has ``producer``."""

    weight: int
    users: frozenset[int]
    producer: int | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """A DAG to cut: for each node, the nodes before it; what they share; and whether a set of nodes fits a group."""

    before: Sequence[Collection[int]]
    shared: Sequence[Shared]
    fits: Callable[[Group], bool]


def best_cut(graph: Graph, most_candidates: int = MOST_CANDIDATES) -> tuple[list[Group], bool]:
    """Return the groups in an order in which they can run, and whether no other cut is better.

    Each node has to fit a group of its own.
    """
    everything = frozenset(range(len(graph.before)))
    if graph.fits(everything):
        return ([everything] if everything else []), True
    exact = _shortest_path(graph, most_candidates)
    if exact is not None:
        return exact, True
    cuts = [_cut_of_order(graph, order) for order in (_depth_first(graph), _breadth_first(graph))]
    return min(cuts, key=lambda groups: cost(graph, groups)), False


def cost(graph: Graph, groups: Collection[Group]) -> _Cost:
    """Return what a cut costs: bytes between groups, and the number of groups."""
    once = sum(each.weight for each in graph.shared if each.producer is None and each.users)
    return sum(_price(graph, group) for group in groups) - once, len(groups)


def _price(graph: Graph, group: Group) -> int:
    return sum(
        each.weight
        for each in graph.shared
        if not each.users.isdisjoint(group) and (each.producer is None or each.producer not in group)
    )


# The exact search


def _shortest_path(graph: Graph, most_candidates: int) -> list[Group] | None:
    """Return the best cut; None if there are too many candidates."""
    count = len(graph.before)
    best: dict[Group, tuple[_Cost, Group]] = {frozenset(): ((0, 0), frozenset())}
    by_size: list[list[Group]] = [[frozenset()], *([] for _ in range(count))]
    candidates = 0
    for size in range(count):
        for done in by_size[size]:
            (paid, groups), _ = best[done]
            for group in _next_groups(graph, done):
                candidates += 1
                if candidates > most_candidates:
                    return None
                reached = done | group
                total = (paid + _price(graph, group), groups + 1)
                if reached not in best:
                    by_size[len(reached)].append(reached)
                elif best[reached][0] <= total:
                    continue
                best[reached] = (total, done)
    found: list[Group] = []
    at = frozenset(range(count))
    while at:
        _, earlier = best[at]
        found.append(at - earlier)
        at = earlier
    return found[::-1]


def _next_groups(graph: Graph, done: Group) -> Iterator[Group]:
    """Yield each group that fits and can start when the nodes in `done` have ended."""
    waiting: list[Group] = [frozenset()]
    seen: set[Group] = set(waiting)
    while waiting:
        group = waiting.pop()
        for node, before in enumerate(graph.before):
            if node in done or node in group or not all(each in done or each in group for each in before):
                continue
            larger = group | {node}
            if larger not in seen:
                seen.add(larger)
                if graph.fits(larger):
                    yield larger
                    waiting.append(larger)


# Cuts of one order


def _cut_of_order(graph: Graph, order: Sequence[int]) -> list[Group]:
    """Return the best cut of a topological order into intervals."""
    first = _first_starts(graph, order)
    best: list[tuple[_Cost, int]] = [((0, 0), 0)]
    uses: list[list[Shared]] = [[] for _ in order]
    for each in graph.shared:
        for node in each.users | ({each.producer} if each.producer is not None else frozenset()):
            uses[node].append(each)
    for end in range(1, len(order) + 1):
        paid = 0
        paying: dict[int, bool] = {}
        options: list[tuple[_Cost, int]] = []
        for start in range(end - 1, first[end - 1] - 1, -1):
            for each in uses[order[start]]:
                key = id(each)
                if each.producer == order[start]:
                    paid -= each.weight if paying.get(key) else 0
                    paying[key] = False
                elif key not in paying:
                    paying[key] = True
                    paid += each.weight
            (before, groups), _ = best[start]
            options.append(((before + paid, groups + 1), start))
        best.append(min(options))
    found: list[Group] = []
    end = len(order)
    while end:
        start = best[end][1]
        found.append(frozenset(order[start:end]))
        end = start
    return found[::-1]


def _first_starts(graph: Graph, order: Sequence[int]) -> list[int]:
    """Return for each position where the longest interval that ends there and fits begins. It only grows."""
    starts = []
    start = 0
    for end in range(len(order)):
        while start < end and not graph.fits(frozenset(order[start : end + 1])):
            start += 1
        starts.append(start)
    return starts


def _breadth_first(graph: Graph) -> list[int]:
    return list(TopologicalSorter(dict(enumerate(graph.before))).static_order())


def _depth_first(graph: Graph) -> list[int]:
    """Return an order in which a node follows what it needs as closely as it can: chains stay together."""
    after: list[list[int]] = [[] for _ in graph.before]
    missing = [len(set(before)) for before in graph.before]
    for node, before in enumerate(graph.before):
        for earlier in set(before):
            after[earlier].append(node)
    ready = [node for node in reversed(range(len(missing))) if not missing[node]]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for later in reversed(after[node]):
            missing[later] -= 1
            if not missing[later]:
                ready.append(later)
    return order
