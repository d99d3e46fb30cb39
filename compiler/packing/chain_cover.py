"""The fewest chains that cover some nodes of a DAG: in a chain, each node comes before the next one.

By Dilworth's theorem there are as many chains as nodes in the largest set of which no node comes before another one.
A chain may skip over other nodes, so chains are paths that may cross: each node that follows another in its chain takes
one unit from it, and units flow through nodes in any number (``antichain``). The transitive closure is never built.

Left to others: what the nodes are (``packing.order``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from monopod.schemas.capacity.antichain import unit_flow


def fewest_chains(nodes: Collection[int], predecessors: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the chains, each in order. ``predecessors[i]`` are nodes before i, all with smaller numbers."""
    covered = set(nodes)
    successor = unit_flow([int(node in covered) for node in range(len(predecessors))], predecessors)
    heads = covered - set(successor.values())
    return [_chain(head, successor) for head in sorted(heads)]


def _chain(head: int, successor: dict[int, int]) -> list[int]:
    chain = [head]
    while chain[-1] in successor:
        chain.append(successor[chain[-1]])
    return chain
