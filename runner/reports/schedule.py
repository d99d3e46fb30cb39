"""How long a DAG takes: its critical path, and how that changes with the DAG.

Each node starts when all nodes before it are done; any number of nodes can run in parallel. Times are in seconds and
not negative. Pure; the graphs are networkx's.

``time_spent`` decides which nodes and edges a run has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import pairwise

import networkx as nx

from monopod.schemas.capacity.antichain import heaviest_antichain

_START = ""


class Schedule:
    """A DAG of named nodes with the seconds that each takes. Names are not empty. Raises ValueError for a cycle."""

    def __init__(self, seconds: Mapping[str, float], edges: Iterable[tuple[str, str]]) -> None:
        self._seconds = dict(seconds)
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        self._graph.add_node(_START)
        for name, own in self._seconds.items():
            self._graph.add_edge(_START, name, seconds=own)
        for before, after in edges:
            self._graph.add_edge(before, after, seconds=self._seconds[after])
        if not nx.is_directed_acyclic_graph(self._graph):
            raise ValueError("the graph has a cycle")

    @cached_property
    def critical_path(self) -> tuple[str, ...]:
        """The chain of nodes that takes longest, from first to last; empty if there are no nodes."""
        path = nx.dag_longest_path(self._graph, weight="seconds")
        return tuple(path[1:])

    @cached_property
    def length(self) -> float:
        """How long the DAG takes: the length of the critical path."""
        return sum(self._seconds[name] for name in self.critical_path)

    @cached_property
    def critical_edges(self) -> tuple[tuple[str, str], ...]:
        """The edges along the critical path."""
        return tuple(pairwise(self.critical_path))

    @cached_property
    def widest(self) -> int:
        """The maximum number of nodes that can run in parallel."""
        order = [name for name in nx.topological_sort(self._graph) if name != _START]
        numbers = {name: number for number, name in enumerate(order)}
        before = [[numbers[node] for node in self._graph.predecessors(name) if node != _START] for name in order]
        return heaviest_antichain([1] * len(order), before)

    def with_seconds(self, name: str, seconds: float) -> Schedule:
        """Return the same DAG with another duration of one node."""
        return Schedule({**self._seconds, name: seconds}, self._edges())

    def without_edges(self, edges: Iterable[tuple[str, str]]) -> Schedule:
        """Return the same DAG without these edges."""
        left_out = set(edges)
        return Schedule(self._seconds, (edge for edge in self._edges() if edge not in left_out))

    def _edges(self) -> list[tuple[str, str]]:
        return [(before, after) for before, after in self._graph.edges if before != _START]
