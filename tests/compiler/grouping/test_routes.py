"""Which groups save and restore a Workspace, against an oracle that follows what is written from Pod to Pod."""

from __future__ import annotations

from hypothesis import event, given, settings
from hypothesis import strategies as st

from monopod.compiler.grouping.partition import TaskGroup
from monopod.compiler.grouping.routes import Clash, Route, routes


@st.composite
def group_graphs(draw):
    """Groups in an order in which they can run; which of them use the Workspace, and which of these write it."""
    count = draw(st.integers(1, 7))
    groups = []
    for number in range(count):
        needs = tuple(f"g{earlier}" for earlier in range(number) if draw(st.booleans()))
        groups.append(TaskGroup(f"g{number}", (f"t{number}", f"u{number}"), needs))
    users = draw(st.sets(st.sampled_from([task for group in groups for task in group.tasks])))
    writers = draw(st.sets(st.sampled_from(sorted(users)))) if users else set()
    return groups, users, writers


def ancestors(groups, name):
    needs = next(group.needs for group in groups if group.name == name)
    return set(needs).union(*(ancestors(groups, each) for each in needs))


def followed(groups, users, writers, found):
    """Run the groups with these routes; return the writers whose marks each group finds in its Workspace."""
    saved, seen = {}, {}
    for group in groups:
        sources = [route.source for route in found if route.target == group.name]
        assert len(sources) <= 1
        if not users & set(group.tasks):
            assert not sources
            continue
        content = set(saved[sources[0]]) if sources else set()
        seen[group.name] = set(content)
        if writers & set(group.tasks):
            content.add(group.name)
        if any(route.source == group.name for route in found):
            saved[group.name] = content
    return seen


@settings(max_examples=600)
@given(group_graphs())
def test_each_group_has_what_all_groups_before_it_have_written(graph):
    groups, users, writers = graph
    found, clashes = routes("v", groups, users, writers)
    clashing = {clash.target for clash in clashes}
    seen = followed(groups, users, writers, found)
    writing = {group.name for group in groups if writers & set(group.tasks)}
    for group in groups:
        if not users & set(group.tasks):
            continue
        wanted = ancestors(groups, group.name) & writing
        if group.name in clashing:
            event("a clash")
            # no earlier writer has all: not even with what is written before it in turn
            assert not any(wanted <= {each, *ancestors(groups, each)} for each in wanted)
        elif not clashing & ancestors(groups, group.name):  # after a clash nothing runs
            assert seen[group.name] == wanted


@given(group_graphs())
def test_nobody_saves_what_nobody_restores_and_readers_never_save(graph):
    groups, users, writers = graph
    found, _ = routes("v", groups, users, writers)
    by_name = {group.name: group for group in groups}
    for route in found:
        assert writers & set(by_name[route.source].tasks)
        assert users & set(by_name[route.target].tasks)
        assert route.source in ancestors(groups, route.target)


def test_two_that_write_at_the_same_time_clash_only_if_a_later_group_needs_both():
    first, left, right, last = (
        TaskGroup("first", ("a",), ()),
        TaskGroup("left", ("b",), ("first",)),
        TaskGroup("right", ("c",), ("first",)),
        TaskGroup("last", ("d",), ("left", "right")),
    )
    to_both = [Route("v", "first", "left"), Route("v", "first", "right")]
    assert routes("v", [first, left, right, last], {"a", "b", "c"}, {"a", "b", "c"}) == (to_both, [])
    found, clashes = routes("v", [first, left, right, last], set("abcd"), set("abcd"))
    assert (found, clashes) == (to_both, [Clash("v", ("left", "right"), "last")])
    found, clashes = routes("v", [first, left, right, last], set("abcd"), set("ab"))
    assert (found, clashes) == ([*to_both, Route("v", "left", "last")], [])
