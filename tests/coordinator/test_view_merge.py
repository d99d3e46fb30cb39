"""Merging trees, compared with an oracle that is written the other way round: nested directories, from the top."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.coordinator.workspaces.merge import Conflict, Entry, Operations, merge

Node: TypeAlias = "tuple[int, str] | tuple[int, dict[bytes, Node]]"
"""A file: its mode and content. A directory: its mode, and what is in it."""
Directory: TypeAlias = dict[bytes, Node]

NAMES = st.sampled_from([b"a", b"b", b"a-", b"c"])
FILES = st.tuples(st.sampled_from([0o644, 0o755]), st.sampled_from(["1", "2", "3"]))
NODES = st.recursive(
    FILES,
    lambda inner: st.tuples(st.sampled_from([0o755, 0o700]), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
TREES: st.SearchStrategy[Directory] = st.dictionaries(NAMES, NODES, max_size=3)


def flat(tree: Directory, above: bytes = b"") -> dict[bytes, Entry]:
    result: dict[bytes, Entry] = {}
    for name, (mode, content) in tree.items():
        path = above + name
        if isinstance(content, dict):
            result[path] = Entry("d", mode)
            result |= flat(content, path + b"/")
        else:
            result[path] = Entry("f", mode, content)
    return result


def applied(operations: Operations, theirs: dict[bytes, Entry]) -> dict[bytes, Entry]:
    """Carry out operations as a file system would, which refuses what is impossible."""
    tree = dict(theirs)

    def is_empty(path: bytes) -> bool:
        return not any(other.startswith(path + b"/") for other in tree)

    for path in operations.removed:
        assert path in tree
        assert is_empty(path)
        del tree[path]
    for path, entry in operations.written:
        parent = path.rpartition(b"/")[0]
        assert not parent or tree[parent].kind == "d"
        assert entry.kind == "d" or path not in tree or tree[path].kind != "d"
        assert entry.kind != "d" or path not in tree or tree[path].kind == "d"
        tree[path] = entry
    for path, entry in operations.retouched:
        assert tree[path].same(entry)
        tree[path] = entry
    return tree


class ConflictError(Exception):
    """The path that is in conflict."""


def expected(base: Node | None, mine: Node | None, theirs: Node | None) -> Node | None:
    """Merge what is at one name. Raises ConflictError."""
    mode_of = [None if node is None else node[0] for node in (base, mine, theirs)]
    inside = [node[1] if node is not None and isinstance(node[1], dict) else None for node in (base, mine, theirs)]
    plain = [
        None if directory is not None else node for directory, node in zip(inside, (base, mine, theirs), strict=True)
    ]
    itself = [
        ("d", mode) if directory is not None else node
        for directory, mode, node in zip(inside, mode_of, plain, strict=True)
    ]
    children: Directory = {}
    for name in {name for directory in inside for name in directory or ()}:
        node = expected(*((directory or {}).get(name) for directory in inside))
        if node is not None:
            children[name] = node
    if itself[1] == itself[0] or itself[1] == itself[2]:
        chosen = itself[2]
    elif itself[2] == itself[0]:
        chosen = itself[1]
    else:
        raise ConflictError
    if chosen is None and children:
        chosen = next(side for side in (itself[1], itself[2]) if isinstance(side, tuple) and side[0] == "d")
    if isinstance(chosen, tuple) and chosen[0] == "d":
        return chosen[1], children  # type: ignore[return-value]
    if children:
        raise ConflictError
    return chosen  # type: ignore[return-value]


@settings(max_examples=500, deadline=None)
@given(TREES, TREES, TREES)
def test_merging_is_what_the_oracle_says(base: Directory, mine: Directory, theirs: Directory):
    operations, conflicts = merge(flat(base), flat(mine), flat(theirs))
    try:
        root = expected((0, base), (0, mine), (0, theirs))
    except ConflictError:
        assert conflicts
        return
    assert conflicts == ()
    assert root is not None
    assert isinstance(root[1], dict)
    assert applied(operations, flat(theirs)) == flat(root[1])


@settings(max_examples=200, deadline=None)
@given(TREES, TREES, TREES)
def test_which_side_merges_last_makes_no_difference(base: Directory, mine: Directory, theirs: Directory):
    forth, conflicts = merge(flat(base), flat(mine), flat(theirs))
    back, mirrored = merge(flat(base), flat(theirs), flat(mine))
    assert [each.path for each in conflicts] == [each.path for each in mirrored]
    if not conflicts:
        one, other = applied(forth, flat(theirs)), applied(back, flat(mine))
        kept_modes = {path for path, entry in one.items() if entry.kind == "d" and not entry.same(other.get(path))}
        assert one.keys() == other.keys()
        assert all(path in flat(mine) and path in flat(theirs) for path in kept_modes)


@given(TREES, TREES)
def test_one_side_alone_always_merges(base: Directory, changed: Directory):
    operations, conflicts = merge(flat(base), flat(changed), flat(base))
    assert (conflicts, applied(operations, flat(base))) == ((), flat(changed))
    assert merge(flat(base), flat(base), flat(changed)) == (Operations(), ())
    assert merge(flat(base), flat(changed), flat(changed)) == (Operations(), ())


@given(TREES, TREES, TREES)
def test_equal_paths_may_be_left_out(base: Directory, mine: Directory, theirs: Directory):
    trees = [flat(tree) for tree in (base, mine, theirs)]
    equal = {path for path in trees[0] if trees[0][path] == trees[1].get(path) == trees[2].get(path)}
    fewer = [{path: entry for path, entry in tree.items() if path not in equal} for tree in trees]
    whole, part = merge(*trees), merge(*fewer)
    assert part[1] == whole[1]
    assert part[1] or part[0] == whole[0]


def file(content: str = "", mode: int = 0o644, times: tuple[int, ...] = (1,), owner: tuple[int, ...] = (0, 0)) -> Entry:
    return Entry("f", mode, content, times, owner)


def test_times_and_owner_follow_the_side_that_changed_them():
    base, newer = {b"a": file()}, {b"a": file(times=(2,))}
    assert merge(base, newer, base) == (Operations(retouched=((b"a", file(times=(2,))),)), ())
    assert merge(base, base, newer) == (Operations(), ())
    assert merge(base, {b"a": file(times=(3,))}, newer) == (Operations(), ())
    owned = {b"a": file(times=(2,), owner=(7, 7))}
    assert merge(base, {b"a": file(owner=(7, 7))}, newer)[0].retouched == ((b"a", owned[b"a"]),)


def test_a_file_made_in_a_replaced_directory_names_both_paths():
    base = {b"a": Entry("d", 0o755)}
    mine = {b"a": file("new")}
    theirs = {b"a": Entry("d", 0o755), b"a/x": file("1")}
    expected = Conflict(b"a", base[b"a"], mine[b"a"], theirs[b"a"], b"a/x")
    assert merge(base, mine, theirs)[1] == (expected,)
    assert merge(base, theirs, mine)[1] == (expected._replace(mine=theirs[b"a"], theirs=mine[b"a"]),)


def test_directory_stays_for_what_the_other_side_made_in_it():
    base = {b"a": Entry("d", 0o755), b"a/old": file()}
    theirs = {**base, b"a/new": file()}
    operations, conflicts = merge(base, {}, theirs)
    assert (operations.removed, operations.written, conflicts) == ((b"a/old",), (), ())
    operations, conflicts = merge(base, theirs, {})
    assert [path for path, _ in operations.written] == [b"a", b"a/new"]
