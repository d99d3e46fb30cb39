"""The heaviest antichain of a DAG: the set of mutually unordered nodes with the largest total weight.

By Dilworth's theorem for weights, its weight is the weight of all nodes minus a maximum flow. Each node supplies its
weight to the nodes after it, directly or through others, and each takes at most its own weight. Flow may pass through a
node in any amount, so the transitive closure is never built.

The flow is found by augmenting for one taker after the other. A failed search marks the vertices it has seen as
exhausted: they can never reach a supply again, and later searches skip them. All failed searches together take linear
time.

Left to others: the meaning of nodes and weights (``peak``).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence


def heaviest_antichain(weights: Sequence[int], predecessors: Sequence[Sequence[int]]) -> int:
    """Return the weight of the heaviest antichain of a DAG whose nodes are numbered from 0.

    `weights` are not negative; ``predecessors[i]`` are nodes that come before node i, enough of them to give the order
    by transitivity. Nodes numbered in a topological order are fastest.
    """
    flow = _Flow(weights, predecessors)
    return sum(weights) - sum(map(flow.supply_to, range(len(weights))))


def unit_flow(weights: Sequence[int], predecessors: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return which node takes each node's unit in a maximum flow, for weights of 0 and 1 and topological numbers."""
    flow = _Flow(weights, predecessors)
    takers = {node for node in range(len(weights)) if flow.supply_to(node)}
    return flow.takers_of_units(takers)


class _Flow:
    """A flow in the network where each node n is two vertices: 2n, at which flow arrives, and 2n + 1, where it leaves.

    Between them and along the DAG's edges capacities are unlimited; only supplies and demands are not.
    """

    def __init__(self, weights: Sequence[int], predecessors: Sequence[Sequence[int]]) -> None:
        self._weights = weights
        self._predecessors = predecessors
        self._supply = list(weights)
        self._flow: list[dict[int, int]] = [{} for _ in range(2 * len(weights))]
        """For each vertex, how much flows to which next vertices."""
        self._exhausted = bytearray(2 * len(weights))

    def supply_to(self, node: int) -> int:
        """Bring as much flow as possible to `node`, rerouting other flow where that helps; return how much."""
        brought = 0
        while more := self._augment(2 * node, self._weights[node] - brought):
            brought += more
        return brought

    def _augment(self, sink: int, missing: int) -> int:
        """Search backwards from `sink` for supply until some is found by rerouting; return how much was brought."""
        if not missing:
            return 0
        nexts: dict[int, int] = {sink: -1}
        queue = deque(nexts)
        brought = 0
        while queue:
            vertex = queue.popleft()
            if vertex & 1 and self._supply[vertex >> 1]:
                amount, rerouted = self._push(vertex, nexts, missing - brought)
                brought += amount
                if rerouted or brought == missing:
                    return brought
            for previous in self._residual_predecessors(vertex):
                if previous not in nexts and not self._exhausted[previous]:
                    nexts[previous] = vertex
                    queue.append(previous)
        if not brought:
            for vertex in nexts:
                self._exhausted[vertex] = 1
        return brought

    def _residual_predecessors(self, vertex: int) -> list[int]:
        before = [vertex - 1] if vertex & 1 else [2 * node + 1 for node in self._predecessors[vertex >> 1]]
        return before + list(self._flow[vertex])

    def _push(self, source: int, nexts: dict[int, int], limit: int) -> tuple[int, bool]:
        """Push along the path that `nexts` describes; return how much, and whether other flow made room for it."""
        path = [source]
        while (vertex := nexts[path[-1]]) >= 0:
            path.append(vertex)
        edges = list(itertools.pairwise(path))
        taken_back = [self._flow[end][start] for start, end in edges if start in self._flow[end]]
        amount = min(limit, self._supply[source >> 1], *taken_back)
        for start, end in edges:
            if start in self._flow[end]:
                self._take_back(end, start, amount)
            else:
                self._flow[start][end] = self._flow[start].get(end, 0) + amount
        self._supply[source >> 1] -= amount
        return amount, bool(taken_back)

    def takers_of_units(self, takers: set[int]) -> dict[int, int]:
        """Follow each unit from the node that supplies it to one of the `takers`, and return that. Uses up the flow.

        Flow that arrives at a taker ends there first; whatever else arrives passes through.
        """
        waiting = set(takers)
        taken = {}
        for node, weight in enumerate(self._weights):
            if self._supply[node] == weight:
                continue
            vertex = 2 * node + 1
            while vertex & 1 or vertex >> 1 not in waiting:
                end = next(iter(self._flow[vertex]))
                self._take_back(vertex, end, 1)
                vertex = end
            waiting.remove(vertex >> 1)
            taken[node] = vertex >> 1
        return taken

    def _take_back(self, start: int, end: int, amount: int) -> None:
        self._flow[start][end] -= amount
        if not self._flow[start][end]:
            del self._flow[start][end]
