"""Cycles: Tasks that wait for each other, reported as a path that shows where to break it.

Left to others: detecting cycles, which is cheaper (``ordering``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import networkx as nx

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place

MOST_NAMED = 12
"""How many Tasks of a cycle a message lists; of a longer cycle, it lists the first ones and the last."""


def cycles(after: Mapping[str, Sequence[str]], places: Mapping[str, Place]) -> Iterator[Problem]:
    """Yield one problem for each group of Tasks that wait for each other: the shortest cycle in it.

    `after` holds the Tasks that each Task waits for.
    """
    graph: nx.DiGraph[str] = nx.DiGraph([(before, name) for name, all_before in after.items() for before in all_before])
    position = {name: index for index, name in enumerate(after)}
    for knot in nx.strongly_connected_components(graph):
        first = min(knot, key=position.__getitem__)
        if len(knot) > 1:
            circle = _circle(graph.subgraph(knot), first, position)
            shown = circle if len(circle) <= MOST_NAMED else [*circle[: MOST_NAMED - 3], "…", *circle[-2:]]
            yield places[first].problem("cycle", f"the Tasks wait for each other: {' → '.join(shown)}")
        elif graph.has_edge(first, first):
            yield places[first].problem("cycle", f"the Task waits for itself: {first} → {first}")


def _circle(knot: nx.DiGraph[str], first: str, position: Mapping[str, int]) -> list[str]:
    """Return a shortest cycle through `first`."""
    paths = nx.single_source_shortest_path(knot, first)
    last: str = min(set(knot.predecessors(first)) - {first}, key=lambda name: (len(paths[name]), position[name]))
    return [*paths[last], first]
