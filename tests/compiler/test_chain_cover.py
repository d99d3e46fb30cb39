"""The fewest chains, against the definition."""

from __future__ import annotations

import itertools

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.packing.chain_cover import fewest_chains


@st.composite
def dags(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    size = draw(st.integers(0, 8))
    pairs = list(itertools.combinations(range(size), 2))
    edges = draw(st.sets(st.sampled_from(pairs))) if pairs else set()
    chosen = draw(st.sets(st.sampled_from(range(size)))) if size else set()
    return sorted(chosen), [[before for before, after in sorted(edges) if after == node] for node in range(size)]


@given(dags())
def test_chains_cover_each_node_once_and_are_as_many_as_unordered_nodes(dag):
    nodes, predecessors = dag
    edges = ((before, node) for node, all_before in enumerate(predecessors) for before in all_before)
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(range(len(predecessors)))
    comes_before = nx.transitive_closure(graph).has_edge
    chains = fewest_chains(nodes, predecessors)
    assert sorted(itertools.chain(*chains)) == nodes
    assert all(comes_before(*pair) for chain in chains for pair in itertools.pairwise(chain))
    unordered = (
        some
        for size in range(len(nodes) + 1)
        for some in itertools.combinations(nodes, size)
        if not any(itertools.starmap(comes_before, itertools.permutations(some, 2)))
    )
    assert len(chains) == max(map(len, unordered))


def test_a_chain_of_thousands_is_one():
    assert len(fewest_chains(range(3000), [[], *([number] for number in range(2999))])) == 1
