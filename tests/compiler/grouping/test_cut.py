"""The best cut of a DAG against all its cuts, and cuts of DAGs that are too large for that."""

from __future__ import annotations

import itertools
from graphlib import CycleError, TopologicalSorter

from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.compiler.grouping.cut import Graph, Shared, best_cut, cost


@st.composite
def graphs(draw, most=5):
    count = draw(st.integers(1, most))
    before = [
        draw(st.frozensets(st.integers(0, node - 1), max_size=3)) if node else frozenset() for node in range(count)
    ]
    nodes = st.frozensets(st.integers(0, count - 1), min_size=1)
    shared = [Shared(draw(st.integers(0, 9)), draw(nodes)) for _ in range(draw(st.integers(0, 3)))]
    for producer in range(count):
        users = frozenset(node for node in range(count) if producer in before[node])
        if users and draw(st.booleans()):
            shared.append(Shared(draw(st.integers(1, 9)), users, producer))
    sizes = [draw(st.integers(1, 4)) for _ in range(count)]
    room = draw(st.integers(4, 10))
    apart = draw(st.frozensets(st.integers(0, count - 1)))
    return Graph(before, shared, lambda group: sum(sizes[node] for node in group) <= room and len(group & apart) < 2)


def partitions(nodes):
    if not nodes:
        yield []
        return
    first, *rest = nodes
    for size in range(len(rest) + 1):
        for others in itertools.combinations(rest, size):
            for further in partitions([node for node in rest if node not in others]):
                yield [frozenset((first, *others)), *further]


def can_run(graph, groups):
    """Whether the groups can run one after another, in any order."""
    owner = {node: index for index, group in enumerate(groups) for node in group}
    needs = {
        index: {owner[earlier] for node in group for earlier in graph.before[node]} - {index}
        for index, group in enumerate(groups)
    }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError:
        return False
    return all(map(graph.fits, groups))


def in_order(graph, groups):
    done = set()
    for group in groups:
        done |= group
        if not all(earlier in done for node in group for earlier in graph.before[node]):
            return False
    return done == set(range(len(graph.before)))


def bytes_between(graph, groups):
    """Count what crosses, from the definition: each further group that uses a thing, each group that takes a Result."""
    total = 0
    for each in graph.shared:
        users = [group for group in groups if group & each.users]
        if each.producer is None:
            total += each.weight * (len(users) - 1)
        else:
            total += each.weight * sum(each.producer not in group for group in users)
    return total


def length(graph, groups):
    """Return the longest way through the groups, from the definition."""

    def chain(node, group):
        return 1 + max((chain(each, group) for each in graph.before[node] if each in group), default=0)

    def end(group):
        others = [each for each in groups if each != group and any(each & graph.before[node] for node in group)]
        return max(map(end, others), default=0) + max(chain(node, group) for node in group) + 1

    return max(map(end, groups))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_no_cut_is_better(graph):
    groups, exact = best_cut(graph)
    assert exact
    assert can_run(graph, groups)
    assert in_order(graph, groups)
    assert cost(graph, groups) == (bytes_between(graph, groups), length(graph, groups), len(groups))
    possible = [each for each in partitions(list(range(len(graph.before)))) if can_run(graph, each)]
    fewest = min((bytes_between(graph, each), len(each)) for each in possible)
    assert bytes_between(graph, groups) == fewest[0]
    with_fewest_groups = [each for each in possible if (bytes_between(graph, each), len(each)) == fewest]
    assert length(graph, groups) <= max(length(graph, each) for each in with_fewest_groups)


@settings(max_examples=60, deadline=None)
@given(graphs(most=7))
def test_a_cut_of_an_order_keeps_the_rules(graph):
    groups, _ = best_cut(graph, most_candidates=0)
    assert can_run(graph, groups)
    assert in_order(graph, groups)
    best, exact = best_cut(graph, most_candidates=5_000)
    assert not exact or cost(graph, best)[0] <= cost(graph, groups)[0]


def test_a_wide_dag_is_cut_without_the_exact_search():
    before = [frozenset(), *(frozenset({0}) for _ in range(30)), frozenset(range(1, 31))]
    groups, exact = best_cut(Graph(before, [], lambda group: len(group) <= 10))
    assert not exact
    assert sorted(map(len, groups)) == [1, 1, 10, 10, 10]


def test_groups_that_do_not_fit_count_as_work():
    calls = 0

    def fits(group):
        nonlocal calls
        calls += 1
        return len(group) <= 1

    groups, exact = best_cut(Graph([frozenset()] * 120, [], fits))
    assert not exact
    assert len(groups) == 120
    assert calls < 25_000


def test_a_chain_is_cut_where_the_least_crosses():
    before = [frozenset(), *(frozenset({node - 1}) for node in range(1, 8))]
    weights = [9, 9, 9, 1, 9, 9, 9]
    shared = [Shared(weight, frozenset({node + 1}), node) for node, weight in enumerate(weights)]
    groups, exact = best_cut(Graph(before, shared, lambda group: len(group) <= 5))
    assert exact
    assert groups == [frozenset(range(4)), frozenset(range(4, 8))]


def test_branches_run_side_by_side():
    """One node, then 12 branches of three, then one: three branches fit a group."""
    before = [frozenset()]
    for branch in range(12):
        first = 1 + 3 * branch
        before += [frozenset({0}), frozenset({first}), frozenset({first + 1})]
    before.append(frozenset(range(3, 37, 3)))
    groups, _ = best_cut(Graph(before, [], lambda group: len(group) <= 9))
    assert sorted(map(len, groups)) == [1, 1, 9, 9, 9, 9]
    assert all({node, node + 1, node + 2} <= group for group in groups for node in group if node % 3 == 1 and node < 37)
    assert length(Graph(before, [], bool), groups) == 2 + 4 + 2
