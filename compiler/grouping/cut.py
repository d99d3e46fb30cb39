"""The best cut of a DAG into groups: the fewest bytes between groups, then the shortest run, then the fewest groups.

Rules:

- No group needs itself through others: the graph of groups has no cycles.
- A group must fit (``fits``). A part of a group that fits has to fit too.
- A group pays for what it shares with others: once for each thing that it uses (a Workspace), and once for each Result
  that it takes from another group.

- The length of a run is that of the longest way through the groups: for each, its longest chain of nodes, and one more
  for the start of its Pod. A group starts after all of the groups before it.

Groups without cycles are steps from one *down-set* of the DAG to a larger one: a set of nodes with all that comes
before them. So the fewest bytes are a shortest path over down-sets, which is exact. A DAG of width w and n nodes has at
most (n/w + 1)^w of them, and each pair of nested ones is a candidate: a chain of n nodes has n²/2. Finding the best cut
is NP-hard in general (it contains bin packing), so after `MOST_CANDIDATES` pairs the search gives up. Then only cuts of
two topological orders into intervals are compared: n²/2 candidates each, and at most 2n calls of ``fits``. Such a cut
keeps all rules, but may not be the best.

These searches prefer few groups, one after another. For up to `MOST_JOINED` nodes another cut is compared: from a group
for each node, groups are joined as long as that makes the cut better. Branches that run side by side stay apart there.
The joined groups are neighbours, in at most n rounds of n·d² tries for nodes of d neighbours; each counts the cost.

Pure. Left to others: what nodes and weights are (``grouping.partition``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import TypeAlias

MOST_CANDIDATES = 5_000
"""How many candidates for a group the exact search considers."""
_TRIES = 4
"""How many sets of nodes it tries for each of these, most of which do not fit in a wide DAG."""

Group: TypeAlias = frozenset[int]
_Cost: TypeAlias = tuple[int, int, int]
MOST_JOINED = 64
"""How many nodes are joined one by one."""


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
    """Return the groups in an order in which they can run, and whether no other cut has fewer bytes.

    Each node has to fit a group of its own.
    """
    everything = frozenset(range(len(graph.before)))
    if graph.fits(everything):
        return ([everything] if everything else []), True
    exact = _shortest_path(graph, most_candidates)
    cuts = [exact] if exact is not None else []
    if exact is None:
        cuts += [_cut_of_order(graph, order) for order in (_depth_first(graph), _breadth_first(graph))]
    if len(everything) <= MOST_JOINED:
        cuts.append(_joined(graph))
    return min(cuts, key=lambda groups: cost(graph, groups)), exact is not None


def cost(graph: Graph, groups: Sequence[Group]) -> _Cost:
    """Return what a cut costs: bytes between groups, the length of the run, and the number of groups.

    The groups are in an order in which they can run.
    """
    once = sum(each.weight for each in graph.shared if each.producer is None and each.users)
    length = max(_ends(graph, groups).values(), default=0)
    return sum(_price(graph, group) for group in groups) - once, length, len(groups)


def _ends(graph: Graph, groups: Sequence[Group]) -> dict[int, int]:
    """Return for each node when its group ends."""
    ends: dict[int, int] = {}
    for group in groups:
        start = max((ends[each] for node in group for each in graph.before[node] if each not in group), default=0)
        chain = _longest_chain(graph, group)
        ends.update(dict.fromkeys(group, start + chain + 1))
    return ends


def _longest_chain(graph: Graph, group: Group) -> int:
    chains: dict[int, int] = {}
    for node in TopologicalSorter(
        {node: [each for each in graph.before[node] if each in group] for node in group}
    ).static_order():
        chains[node] = 1 + max((chains[each] for each in graph.before[node] if each in group), default=0)
    return max(chains.values())


def _price(graph: Graph, group: Group) -> int:
    return sum(
        each.weight
        for each in graph.shared
        if not each.users.isdisjoint(group) and (each.producer is None or each.producer not in group)
    )


# Joining groups


def _joined(graph: Graph) -> list[Group]:
    """Return a cut that no join of two neighbouring groups makes better.

    First groups are joined as long as something ends earlier, then as long as the run does not get longer.
    """
    groups = [frozenset({node}) for node in _breadth_first(graph)]
    for price in (_early_ends, cost):
        better: list[Group] | None = groups
        while better is not None:
            groups = better
            better = _better(graph, groups, price)
    return groups


def _better(graph: Graph, groups: list[Group], price: Callable[[Graph, Sequence[Group]], _Cost]) -> list[Group] | None:
    """Return the groups with two of them joined so that the price falls; None if that is not possible."""
    paid = price(graph, groups)
    for first, second in _neighbours(graph, groups):
        joined = first | second
        if graph.fits(joined):
            order = _in_order(graph, [*(group for group in groups if group not in (first, second)), joined])
            if order is not None and price(graph, order) < paid:
                return order
    return None


def _early_ends(graph: Graph, groups: Sequence[Group]) -> _Cost:
    """Return the price of a cut if what matters is when each node may end."""
    paid, length, _ = cost(graph, groups)
    return paid, length, sum(_ends(graph, groups).values())


def _neighbours(graph: Graph, groups: Sequence[Group]) -> Iterator[tuple[Group, Group]]:
    """Yield pairs of groups: one after the other, then both before or after the same one, or with something shared."""
    owner = {node: group for group in groups for node in group}
    after: dict[Group, dict[Group, None]] = {group: {} for group in groups}
    before: dict[Group, dict[Group, None]] = {group: {} for group in groups}
    for group in groups:
        for node in sorted(group):
            for earlier in sorted(graph.before[node]):
                if owner[earlier] != group:
                    after[owner[earlier]][group] = None
                    before[group][owner[earlier]] = None
    for group in groups:
        yield from ((group, other) for other in after[group])
    together = [*after.values(), *before.values()]
    together += [dict.fromkeys(owner[node] for node in sorted(each.users)) for each in graph.shared]
    together.append(dict.fromkeys(group for group in groups if not before[group]))
    pairs = dict.fromkeys(pair for each in together for pair in combinations(each, 2))
    yield from sorted(pairs, key=lambda pair: -len(pair[0] | pair[1]))  # so that groups are filled


def _in_order(graph: Graph, groups: Sequence[Group]) -> list[Group] | None:
    """Return groups in an order in which they can run; None if there is none."""
    owner = {node: number for number, group in enumerate(groups) for node in group}
    needs = {
        number: {owner[earlier] for node in group for earlier in graph.before[node]} - {number}
        for number, group in enumerate(groups)
    }
    try:
        return [groups[number] for number in TopologicalSorter(needs).static_order()]
    except CycleError:
        return None


# The exact search


def _shortest_path(graph: Graph, most_candidates: int) -> list[Group] | None:
    """Return the best cut; None if there are too many candidates."""
    count = len(graph.before)
    best: dict[Group, tuple[tuple[int, int], Group]] = {frozenset(): ((0, 0), frozenset())}
    by_size: list[list[Group]] = [[frozenset()], *([] for _ in range(count))]
    candidates = tries = 0
    for size in range(count):
        for done in by_size[size]:
            (paid, groups), _ = best[done]
            for group, fits in _next_groups(graph, done):
                tries += 1
                candidates += fits
                if candidates > most_candidates or tries > _TRIES * most_candidates:
                    return None
                if not fits:
                    continue
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


def _next_groups(graph: Graph, done: Group) -> Iterator[tuple[Group, bool]]:
    """Yield each group that can start when the nodes in `done` have ended, and whether it fits.

    What a group that does not fit is part of is not tried.
    """
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
                fits = graph.fits(larger)
                yield larger, fits
                if fits:
                    waiting.append(larger)


# Cuts of one order


def _cut_of_order(graph: Graph, order: Sequence[int]) -> list[Group]:
    """Return the best cut of a topological order into intervals."""
    first = _first_starts(graph, order)
    best: list[tuple[tuple[int, int], int]] = [((0, 0), 0)]
    uses: list[list[Shared]] = [[] for _ in order]
    for each in graph.shared:
        for node in each.users | ({each.producer} if each.producer is not None else frozenset()):
            uses[node].append(each)
    for end in range(1, len(order) + 1):
        paid = 0
        paying: dict[int, bool] = {}
        options: list[tuple[tuple[int, int], int]] = []
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
