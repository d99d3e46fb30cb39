"""Trees of files: read as segments and written again; and hostile segments."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.system.files.tar_entries import Entry, MalformedError, pack
from monopod.system.files.tree_reading import (
    SEGMENT_BYTES,
    ChangedError,
    Choice,
    UnreadableError,
    measure,
    read_segments,
)
from monopod.system.files.tree_writing import Modes, TreeWriter, move_into


def write(root, segments, **options):
    writer = TreeWriter(os.fsencode(root), **options)
    try:
        for segment in segments:
            writer.write(segment)
        writer.settle()
    finally:
        writer.close()
    return writer


def read(root):
    return list(read_segments(os.fsencode(root)))


def contents(root):
    """Return the kind, the mode, the time and the content of everything below a directory."""
    found = {}
    for folder, directories, files in os.walk(os.fsencode(root)):
        for name in (*directories, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = b""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = Path(os.fsdecode(path)).read_bytes()
            found[os.path.relpath(path, os.fsencode(root))] = (status.st_mode, status.st_mtime_ns // 10**9, content)
    return found


NAMES = st.binary(min_size=1, max_size=20).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
NAMES = NAMES.filter(lambda name: name not in (b".", b".."))
TIMES = st.integers(-(10**18), 2 * 10**18)
"""Nanoseconds, from 1938 to 2033: what every file system can have."""
MODES = st.sampled_from([0o644, 0o755, 0o600, 0o444, 0o4755, 0o2755, 0o6711, 0o1644])
LEAVES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=100), MODES, TIMES),
    st.tuples(st.just("link"), st.sampled_from([b"x", b"../x", b"/etc/passwd"]), st.just(0), TIMES),
    st.tuples(st.just("directory"), st.just({}), st.just(0o755), TIMES),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(
        st.just("directory"),
        st.dictionaries(NAMES, inner, max_size=4),
        st.sampled_from([0o755, 0o555, 0o700, 0o1777, 0o2755, 0o3777]),
        TIMES,
    ),
    max_leaves=12,
)


def make(place, node):
    kind, content, mode, time = node
    if kind == "link":
        os.symlink(content, place)
        return
    if kind == "file":
        Path(os.fsdecode(place)).write_bytes(content)
    else:
        os.mkdir(place)
        for name, inner in content.items():
            make(os.path.join(place, name), inner)
    os.utime(place, ns=(time, time))
    os.chmod(place, mode)


@settings(max_examples=60)
@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_any_tree_round_trips(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("tree")
    source, target = folder / "source", folder / "target"
    make(os.fsencode(source), ("directory", tree, 0o755, 0))
    target.mkdir()
    segments = read(source)
    assert read(source) == segments
    write(target, segments)
    without_set_id = {path: (mode & ~0o7000, *rest) for path, (mode, *rest) in contents(source).items()}
    assert {path: (mode, *rest) for path, (mode, *rest) in contents(target).items()} == without_set_id
    write(target, segments)  # again: a copy continues with a segment that may have been written
    assert contents(target).keys() == without_set_id.keys()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@settings(max_examples=60)
@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_any_tree_of_root_round_trips_with_all_bits(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("tree")
    source, target = folder / "source", folder / "target"
    make(os.fsencode(source), ("directory", tree, 0o755, 0))
    target.mkdir()
    segments = list(read_segments(os.fsencode(source), has_owners=True))
    for _ in range(2):  # again, as an attempt after one that failed
        write(target, segments, has_owners=True)
        assert contents(target) == contents(source)


@pytest.mark.parametrize(("owner", "expected"), [((4321, 0), 0o755), ((1, 1), 0o777)])
def test_a_user_sets_no_special_bits(tmp_path, monkeypatch, owner, expected):
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    entries = [Entry(b"f", "file", 0o7755, owner=owner), Entry(b"d", "directory", 0o7755, owner=owner)]
    write(tmp_path, [b"".join(map(pack, entries))], has_owners=True)
    assert (tmp_path / "f").stat().st_mode & 0o7777 == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("group", "expected"), [(77, 0o6755), (78, 0o4755)])
def test_a_set_group_id_bit_is_for_the_group_of_the_file(tmp_path, group, expected):
    os.chown(tmp_path, 0, 77)
    tmp_path.chmod(0o2777)
    write(tmp_path, [pack(Entry(b"f", "file", 0o6755, owner=(5, group)))], has_owners=True)
    assert (tmp_path / "f").stat().st_mode & 0o7777 == expected


def test_special_bits_need_owners(tmp_path):
    write(tmp_path, [pack(Entry(b"f", "file", 0o7755)) + pack(Entry(b"d", "directory", 0o7755))])
    assert [path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()] == [0o755, 0o755]


def test_large_file_is_split_and_sparse_file_stays_sparse(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir(), target.mkdir()
    (source / "large").write_bytes(os.urandom(5 * SEGMENT_BYTES + 7))
    with open(source / "sparse", "wb") as file:
        file.seek(3 << 30)
        file.write(b"end")
        file.truncate(4 << 30)
    with open(source / "empty", "wb") as file:
        file.truncate(1 << 30)
    segments = read(source)
    assert max(map(len, segments)) < SEGMENT_BYTES + 64 * 512
    assert sum(map(len, segments)) < 6 * SEGMENT_BYTES
    write(target, segments)
    assert (target / "large").read_bytes() == (source / "large").read_bytes()
    for name in ("sparse", "empty"):
        made, original = (target / name).stat(), (source / name).stat()
        assert (made.st_size, made.st_blocks) == (original.st_size, original.st_blocks)
    with open(target / "sparse", "rb") as file:
        file.seek(3 << 30)
        assert file.read(4) == b"end\0"
    assert measure(os.fsencode(source)).files == 3


def test_single_file_is_read_by_its_name(tmp_path):
    (tmp_path / "report.xml").write_text("<x/>")
    (tmp_path / "target").mkdir()
    write(tmp_path / "target", read(tmp_path / "report.xml"))
    assert (tmp_path / "target" / "report.xml").read_text() == "<x/>"


def test_only_wanted_paths_are_read(tmp_path):
    (tmp_path / "g" / "empty").mkdir(parents=True)
    for path in ("a/b/c", "a/d/e", "f"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    asked = []

    def is_wanted(path, is_directory):
        asked.append((path, is_directory))
        return Choice.NO if path == b"a/b" else Choice.INSIDE if path == b"g" else Choice.YES

    segments = b"".join(read_segments(os.fsencode(tmp_path), is_wanted))
    assert b"a/d/e" in segments
    assert b"a/b" not in segments
    assert b"g/empty" in segments
    assert (b"a/b", True) in asked
    assert (b"a/b/c", False) not in asked


def test_special_files_are_left_out(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert read(tmp_path) == []


def test_missing_path_cannot_be_read(tmp_path):
    with pytest.raises(UnreadableError, match=r"cannot read .*/nowhere: No such file"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(("depth", "is_copied"), [(256, True), (257, False)])
def test_depth_of_a_tree(tmp_path, depth, is_copied):
    source, target = tmp_path / "source", tmp_path / "target"
    source.joinpath(*["d"] * depth).mkdir(parents=True)
    target.mkdir()
    if is_copied:
        write(target, read(source))
        assert target.joinpath(*["d"] * depth).is_dir()
    else:
        with pytest.raises(UnreadableError, match="more than 256 names"):
            read(source)
    shutil.rmtree(source)


def test_file_that_changes_while_it_is_read_is_an_error(tmp_path):
    (tmp_path / "log").write_bytes(bytes(3 * SEGMENT_BYTES))
    segments = read_segments(os.fsencode(tmp_path))
    next(segments)
    with open(tmp_path / "log", "ab") as file:
        file.write(b"more")
    with pytest.raises(ChangedError, match="log"):
        list(segments)


def test_set_group_id_gives_the_group_what_the_owner_may_do(tmp_path):
    (tmp_path / "source/d").mkdir(parents=True)
    (tmp_path / "source/d/f").write_text("x")
    (tmp_path / "source/d/f").chmod(0o600)
    (tmp_path / "source/d").chmod(0o700)
    target = tmp_path / "target"
    target.mkdir()
    target.chmod(0o2777)
    write(target, read(tmp_path / "source"))
    assert (target / "d").stat().st_mode & 0o7777 == 0o2770
    assert (target / "d" / "f").stat().st_mode & 0o7777 == 0o660


@pytest.mark.parametrize(
    ("modes", "expected"), [(Modes(), 0o640), (Modes(shared=True), 0o666), (Modes(forbidden=0o022), 0o640)]
)
def test_modes(tmp_path, modes, expected):
    write(tmp_path, [pack(Entry(b"f", "file", 0o640))], modes=modes)
    assert (tmp_path / "f").stat().st_mode & 0o7777 == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners_are_kept_only_if_they_are_wanted(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d").mkdir(parents=True)
    (source / "d/f").write_text("x")
    (source / "d/l").symlink_to("f")
    for name, user in (("d", 1), ("d/f", 1_000_680_000), ("d/l", 3)):
        os.chown(source / name, user, user + 1, follow_symlinks=False)
    for has_owners in (False, True):
        (target / str(has_owners)).mkdir(parents=True)
        segments = list(read_segments(os.fsencode(source), has_owners=has_owners))
        write(target / str(has_owners), segments, has_owners=True)
    statuses = [(target / path).lstat() for path in ("True/d", "True/d/f", "True/d/l", "False/d/f")]
    owners = [(status.st_uid, status.st_gid) for status in statuses]
    assert owners == [(1, 2), (1_000_680_000, 1_000_680_001), (3, 4), (0, 0)]
    assert statuses[1].st_mode & 0o777 == (source / "d/f").stat().st_mode & 0o777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_is_given_back_keeps_its_mode_and_the_group_of_its_directory(tmp_path):
    os.chown(tmp_path, 0, 77)
    tmp_path.chmod(0o2777)
    write(
        tmp_path,
        [pack(Entry(b"d/f", "file", 0o600, owner=(5, 6))) + pack(Entry(b"d", "directory", 0o700, owner=(5, 6)))],
        has_owners=True,
    )
    for name, mode in (("d", 0o2700), ("d/f", 0o600)):
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (5, 77, mode)


def test_what_cannot_be_given_to_its_owner_is_for_every_user(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    entries = [Entry(b"mine", "file", 0o640, owner=(4321, 0)), Entry(b"other", "file", 0o640, owner=(1, 1))]
    write(tmp_path, [b"".join(map(pack, entries))], has_owners=True)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert modes == {"mine": "0o640", "other": "0o666"}


ESCAPES = {
    "through a link that was written before": [Entry(b"link", "link", target=b"/OUT"), Entry(b"link/x", "file")],
    "through a relative link": [Entry(b"link", "link", target=b"../out"), Entry(b"link/x", "file")],
    "to a link that was written before": [
        Entry(b"link", "link", target=b"/OUT/x"),
        Entry(b"link", "file", offset=1, size=1),
    ],
    "a directory in place of a link": [Entry(b"link", "link", target=b"/OUT"), Entry(b"link", "directory", 0o777)],
}


@pytest.mark.parametrize("entries", ESCAPES.values(), ids=ESCAPES.keys())
def test_nothing_is_written_outside(tmp_path, entries):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    outside.chmod(0o711)
    entries = [each._replace(target=each.target.replace(b"/OUT", os.fsencode(outside))) for each in entries]
    with pytest.raises((MalformedError, OSError)):
        write(inside, [b"".join(map(pack, entries))])
    assert list(outside.iterdir()) == []
    assert outside.stat().st_mode & 0o777 == 0o711


def test_links_that_escape_are_left_out(tmp_path):
    entries = [
        Entry(b"in", "link", target=b"x"),
        Entry(b"out", "link", target=b"../x"),
        Entry(b"a/abs", "link", target=b"/"),
    ]
    writer = write(tmp_path, [b"".join(map(pack, entries))], only_inside=True)
    assert writer.left_out == [b"out", b"a/abs"]
    assert os.readlink(tmp_path / "in") == "x"
    assert not (tmp_path / "out").is_symlink()


def test_moving_merges_directories_and_follows_no_link(tmp_path):
    source, target, elsewhere = (tmp_path / name for name in ("source", "target", "elsewhere"))
    for path in ("source/d/new", "source/d/same", "source/link/x", "target/d/same", "target/d/old", "elsewhere/x"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    os.symlink(elsewhere, target / "link")
    move_into(os.fsencode(source), os.fsencode(target))
    assert {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()} == {
        "d/new": "source/d/new",
        "d/same": "source/d/same",
        "d/old": "target/d/old",
        "link/x": "source/link/x",
    }
    assert (elsewhere / "x").read_text() == "elsewhere/x"


def test_file_cannot_replace_a_directory(tmp_path):
    for path in ("source/a", "source/z", "target/z/x"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    with pytest.raises(IsADirectoryError):
        move_into(os.fsencode(tmp_path / "source"), os.fsencode(tmp_path / "target"))
    assert not (tmp_path / "target" / "a").exists()
