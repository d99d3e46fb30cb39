"""Private views on a real file system: copied, changed and merged, also by several users and by killed processes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.coordinator.workspaces import history, view
from monopod.coordinator.workspaces.copying import Copier
from monopod.coordinator.workspaces.tree import open_root
from monopod.coordinator.workspaces.view_copy import copy_tree, remove_tree

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to be several users")


def in_slot(slot: str, arguments: list[str], top: Path) -> int:
    """Execute a command of a view as a Step of a slot, and return the exit code."""
    with mock.patch.dict(os.environ, MONOPOD_SLOT=slot):
        return view.main(arguments, str(top))


class Workspace:
    """A Workspace, and the views of Tasks. A subPath is its directory in the volume."""

    def __init__(self, directory: Path, sub_path: str = "") -> None:
        self.directory = directory
        self.sub_path = sub_path
        self.root = directory / "volume" / sub_path
        self.root.mkdir(parents=True)
        (directory / "state").mkdir(mode=0o777)
        (directory / "state").chmod(0o777)

    def top(self, task: str) -> Path:
        top = self.directory / f"top-{task}"
        if not top.exists():
            (top / "view").mkdir(parents=True)
            (top / "origin").symlink_to(self.directory / "volume")
            (top / "views").symlink_to(self.directory / "state")
        return top

    def do(self, command: str, task: str, *params: str) -> int:
        return in_slot(task, [command, "source", self.sub_path, task, *params], self.top(task))

    def view(self, task: str) -> Path:
        """Make a view, and return its directory."""
        assert self.do("copy", task) == 0
        return self.top(task) / "view"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def listed(root: Path) -> dict[str, tuple[object, ...]]:
    """Return everything below a directory: mode, content, times and attributes."""
    result: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content: object = os.readlink(path)
        else:
            content = path.read_bytes() if path.is_file() else None
        times = None if path.is_dir() else status.st_mtime_ns
        names = [] if path.is_symlink() else os.listxattr(path)
        attributes = {name: os.getxattr(path, name) for name in names}
        result[str(path.relative_to(root))] = (stat.filemode(status.st_mode), content, times, attributes)
    return result


def write(path: Path, text: str = "", mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


# What a view holds


def test_view_holds_what_the_workspace_held(workspace):
    root = workspace.root
    write(root / "bin/program", "#!/bin/sh", 0o755)
    write(root / "secret", "x", 0o400)
    write(root / "empty")
    (root / "link").symlink_to("../outside")
    os.symlink("bin", root / "to-directory")
    os.mkfifo(root / "fifo", 0o600)
    (root / "closed").mkdir()
    write(root / "closed/file", "y")
    (root / "closed").chmod(0o555)
    os.utime(root / "bin/program", ns=(10**18, 10**18 + 123456789))
    os.setxattr(root / "empty", "user.note", b"kept")
    os.setxattr(root / "bin", "user.note", b"kept too")
    write(Path(os.fsdecode(os.fsencode(root) + b"/\xff\n")), "any name")
    before = listed(root)
    made = workspace.view("a")
    assert listed(made) == before
    (made / "closed").chmod(0o755)  # for whoever removes it
    (root / "closed").chmod(0o755)


def test_nothing_is_a_hard_link_and_holes_stay_holes(workspace):
    sparse = workspace.root / "sparse"
    with sparse.open("wb") as file:
        file.seek(1 << 24)
        file.write(b"end")
        file.truncate(1 << 25)
    os.link(sparse, workspace.root / "linked")
    made = workspace.view("a")
    for name in ("sparse", "linked"):
        copy = made / name
        assert copy.stat().st_nlink == 1
        assert copy.read_bytes() == sparse.read_bytes()
        assert copy.stat().st_blocks <= sparse.stat().st_blocks + 16


@pytest.mark.parametrize("missing", ["copy_file_range", "reflinks", "both"])
def test_plain_copies_are_equal_where_the_kernel_offers_less(workspace, monkeypatch, missing):
    def refused(*_: object) -> int:
        raise OSError(95, "Operation not supported")

    if missing in {"copy_file_range", "both"}:
        monkeypatch.setattr(os, "copy_file_range", refused)
    if missing in {"reflinks", "both"}:
        monkeypatch.setattr("fcntl.ioctl", refused)
    content = os.urandom(300_000)
    (workspace.root / "large").write_bytes(content)
    (workspace.root / "small").write_bytes(content[:100])
    made = workspace.view("a")
    assert (made / "large").read_bytes() == content
    assert (made / "small").read_bytes() == content[:100]


def test_an_earlier_attempt_leaves_nothing(workspace):
    write(workspace.root / "file", "first")
    made = workspace.view("a")
    write(made / "more/file", "left")
    (made / "more").chmod(0o500)
    write(workspace.root / "file", "second")
    workspace.view("a")
    assert listed(made) == listed(workspace.root)


def test_own_directories_are_not_the_authors(workspace):
    (workspace.root / "lost+found").mkdir()
    (workspace.root / ".monopod-merge-123").mkdir()
    assert list(workspace.view("a").iterdir()) == []


# What a merge does


def test_merged_files_are_as_in_the_view(workspace):
    write(workspace.root / "same", "1")
    write(workspace.root / "replaced/by-a-file", "2")
    write(workspace.root / "removed/below/file", "3")
    write(workspace.root / "file", "4")
    made = workspace.view("a")
    shutil.rmtree(made / "replaced")
    write(made / "replaced", "now a file", 0o600)
    shutil.rmtree(made / "removed")
    (made / "file").unlink()
    write(made / "file/in/a/directory", "5", 0o755)
    (made / "link").symlink_to("same")
    os.setxattr(made / "replaced", "user.note", b"x")
    os.setxattr(made / "file/in", "user.note", b"y")
    (made / "file/in").chmod(0o711)
    os.utime(made / "same", ns=(5, 5))
    wanted = listed(made)
    assert workspace.do("merge", "a") == 0
    assert listed(workspace.root) == wanted


def test_two_tasks_that_change_different_paths_merge_in_any_order(workspace):
    write(workspace.root / "one", "1")
    write(workspace.root / "two", "2")
    first, second = workspace.view("a"), workspace.view("b")
    write(first / "one", "changed by a")
    write(second / "two", "changed by b")
    write(first / "out/a", "a")
    write(second / "out/b", "b")
    assert [workspace.do("merge", task) for task in ("b", "a")] == [0, 0]
    texts = {path.name: path.read_text() for path in workspace.root.rglob("*") if path.is_file()}
    assert texts == {"one": "changed by a", "two": "changed by b", "a": "a", "b": "b"}


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_conflict_names_path_and_both_tasks_whoever_is_last(workspace, capsys, order):
    write(workspace.root / "changed", "0")
    write(workspace.root / "removed", "0")
    write(workspace.root / "mode", "0")
    for task in "ab":
        made = workspace.view(task)
        write(made / "changed", task)
        write(made / "new", f"by {task}")
        write(made / f"only-{task}", task)
        if task == "a":
            (made / "removed").unlink()
            (made / "mode").chmod(0o755)
        else:
            write(made / "removed", "b")
            write(made / "mode", "b")
    assert workspace.do("merge", order[0]) == 0
    before = listed(workspace.root)
    capsys.readouterr()
    assert workspace.do("merge", order[1]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "conflict: changed: changed by 'a' and changed by 'b'",
        "conflict: mode: given another mode by 'a' and changed by 'b'",
        "conflict: new: made by 'a' and made by 'b'",
        "conflict: removed: removed by 'a' and changed by 'b'",
        "cannot merge the view of source: Tasks that ran at the same time changed 4 paths differently; let them write "
        "different paths, or order them with runAfter",
    ]
    assert listed(workspace.root) == before


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_file_in_a_replaced_directory_is_a_conflict(workspace, capsys, order):
    (workspace.root / "out").mkdir()
    first, second = workspace.view("a"), workspace.view("b")
    write(first / "out/file", "a")
    (second / "out").rmdir()
    write(second / "out", "b")
    assert workspace.do("merge", order[0]) == 0
    capsys.readouterr()
    assert workspace.do("merge", order[1]) == 1
    assert capsys.readouterr().out.startswith("conflict: out: changed at out/file by 'a' and changed by 'b'\n")


def test_the_same_change_on_both_sides_is_none(workspace):
    write(workspace.root / "file", "0")
    write(workspace.root / "gone", "0")
    for task in "ab":
        made = workspace.view(task)
        write(made / "file", "same")
        write(made / "new/file", "same too")
        (made / "gone").unlink()
    assert [workspace.do("merge", task) for task in "ab"] == [0, 0]


def test_rewriting_a_file_as_it_was_is_no_change(workspace):
    write(workspace.root / "file", "0")
    first, second = workspace.view("a"), workspace.view("b")
    write(first / "file", "1")
    (second / "file").unlink()
    write(second / "file", "0")
    assert [workspace.do("merge", task) for task in "ab"] == [0, 0]
    assert (workspace.root / "file").read_text() == "1"


def test_change_by_a_task_without_a_view_is_a_conflict(workspace, capsys):
    write(workspace.root / "file", "0")
    write(workspace.view("a") / "file", "1 by a")
    write(workspace.root / "file", "2")
    assert workspace.do("merge", "a") == 1
    assert "conflict: file: changed by 'a' and changed by a Task without a view" in capsys.readouterr().out


def test_tasks_may_see_different_directories_of_one_volume(tmp_path, capsys):
    whole = Workspace(tmp_path)
    part = Workspace.__new__(Workspace)
    part.directory, part.sub_path, part.root = whole.directory, "below", whole.root / "below"
    write(whole.root / "below/file", "0")
    write(part.view("b") / "file", "b")
    write(whole.view("a") / "below/file", "a")
    assert whole.do("merge", "a") == 0
    capsys.readouterr()
    assert part.do("merge", "b") == 1
    assert "conflict: file: changed by 'a' and changed by 'b'" in capsys.readouterr().out


def test_matrix_params_are_part_of_the_name(workspace, capsys):
    for task in ("a", "b"):
        workspace.do("copy", task)
        write(workspace.top(task) / "view/file", task)
    assert [workspace.do("merge", task, f"arch={task}64") for task in ("a", "b")] == [0, 1]
    assert "made by 'a[arch=a64]' and made by 'b[arch=b64]'" in capsys.readouterr().out


def test_policy_directory_keeps_changes_beside_each_other(workspace):
    write(workspace.root / "input", "0")
    for task in ("a", "b"):
        workspace.do("copy", task)
        write(workspace.top(task) / "view/input", task)
        write(workspace.top(task) / "view/out/file", task, 0o755)
        assert workspace.do("keep", task, "arch=arm/v7") == 0
    assert sorted(str(path.relative_to(workspace.root)) for path in workspace.root.rglob("*") if path.is_file()) == [
        "a-arm_v7/input", "a-arm_v7/out/file", "b-arm_v7/input", "b-arm_v7/out/file", "input",
    ]  # fmt: skip
    workspace.do("copy", "a")
    write(workspace.top("a") / "view/again", "a")
    assert workspace.do("keep", "a", "arch=arm/v7") == 0
    assert [path.name for path in (workspace.root / "a-arm_v7").iterdir()] == ["again"]


def test_directories_of_two_combinations_are_never_one(workspace, capsys):
    for task in ("a", "b"):
        workspace.do("copy", task)
        write(workspace.top(task) / "view/file", task)
    assert in_slot("a", ["keep", "source", "", "t", "v=x/y"], workspace.top("a")) == 0
    assert in_slot("b", ["keep", "source", "", "t", "v=x_y"], workspace.top("b")) == 1
    assert "has what 't[v=x/y]' has left" in capsys.readouterr().out


def test_read_only_directories_merge(workspace):
    write(workspace.root / "cache/module/file", "1")
    (workspace.root / "cache/module").chmod(0o555)
    made = workspace.view("a")
    (made / "cache/module").chmod(0o755)
    write(made / "cache/module/more", "2")
    (made / "cache/module/file").unlink()
    (made / "cache/module").chmod(0o555)
    wanted = listed(made)
    assert workspace.do("merge", "a") == 0
    assert listed(workspace.root) == wanted


# Users


@pytest.fixture
def as_user() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def as_user(user: int) -> Iterator[None]:
        os.setegid(user)
        os.seteuid(user)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    return as_user


@pytest.fixture
def open_workspace() -> Iterator[Workspace]:
    """A Workspace that every user reaches."""
    directory = Path("/var/tmp") / f"monopod-views-{os.getpid()}"
    directory.mkdir()
    workspace = Workspace(directory)
    workspace.root.chmod(0o777)
    yield workspace
    shutil.rmtree(directory)


@NEEDS_ROOT
def test_any_user_may_have_a_view(open_workspace, as_user):
    write(open_workspace.root / "of-root", "0")
    top = open_workspace.top("a")
    os.chown(top / "view", 1000, 1000)
    with as_user(1000):
        made = open_workspace.view("a")
        write(made / "new", "1000")
        (made / "of-root").unlink()
        write(made / "of-root", "1000 was here")
        assert open_workspace.do("merge", "a") == 0
    assert (open_workspace.root / "of-root").read_text() == "1000 was here"
    assert {path.stat().st_uid for path in open_workspace.root.iterdir()} == {1000}


@NEEDS_ROOT
def test_root_keeps_owners(workspace):
    write(workspace.root / "file", "0")
    os.chown(workspace.root / "file", 7, 8)
    made = workspace.view("a")
    assert ((made / "file").stat().st_uid, (made / "file").stat().st_gid) == (7, 8)
    write(made / "new", "1")
    os.chown(made / "new", 9, 9)
    (made / "file").write_text("changed")
    assert workspace.do("merge", "a") == 0
    assert [(workspace.root / name).stat().st_uid for name in ("file", "new")] == [7, 9]


def test_owner_that_the_user_namespace_does_not_have_is_left_out(workspace, monkeypatch):
    (workspace.root / "file").write_text("a")
    (workspace.root / "link").symlink_to("file")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    refusal = OSError(errno.EINVAL, "Invalid argument")
    with mock.patch("os.chown", side_effect=refusal), mock.patch("os.fchown", side_effect=refusal):
        made = workspace.view("a")
        (made / "file").write_text("b")
        (made / "new").symlink_to("file")
        assert workspace.do("merge", "a") == 0
    assert (workspace.root / "new").read_text() == "b"


@NEEDS_ROOT
def test_what_cannot_be_read_or_written_is_one_line(open_workspace, as_user, capsys):
    write(open_workspace.root / "locked/secret", "0", 0o600)
    top = open_workspace.top("a")
    os.chown(top / "view", 1000, 1000)
    with as_user(1000):
        assert open_workspace.do("copy", "a") == 1
    assert capsys.readouterr().out == "cannot copy locked/secret: Permission denied\n"
    (open_workspace.root / "locked/secret").chmod(0o644)
    with as_user(1000):
        made = open_workspace.view("a")
        write(made / "a-file", "1")
        (made / "locked").chmod(0o777)
        write(made / "locked/more", "1")
        before = listed(open_workspace.root)
        capsys.readouterr()
        assert open_workspace.do("merge", "a") == 1
    assert capsys.readouterr().out == "cannot write in locked: Permission denied\n"
    assert listed(open_workspace.root) == before


@NEEDS_ROOT
def test_files_for_every_user_merge_with_their_own_modes(open_workspace, as_user, monkeypatch):
    monkeypatch.setenv("MONOPOD_SHARED_FILES", "true")
    write(open_workspace.root / "file", "0", 0o644)
    top = open_workspace.top("a")
    os.chown(top / "view", 1000, 1000)
    (top / "view").chmod(0o777)
    with as_user(1000):
        made = open_workspace.view("a")
    with as_user(2000):
        (made / "file").write_text("2000 was here")
        write(made / "new/file", "2000", 0o640)
    with as_user(1000):
        (made / "new/file").stat()
    os.chmod(made / "new/file", 0o644)
    with as_user(1000):
        assert open_workspace.do("merge", "a") == 0
    modes = {str(path.relative_to(open_workspace.root)): stat.S_IMODE(path.stat().st_mode)
             for path in open_workspace.root.rglob("*")}  # fmt: skip
    assert modes == {"file": 0o644, "new": 0o777, "new/file": 0o666}


# Faults


def killed_at(calls: int, workspace: Workspace, task: str) -> bool:
    """Merge in a process that kills itself instead of its n-th change of a file; return whether it was killed."""
    process = os.fork()
    if process == 0:
        left = [calls]

        def counted(function: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **keywords: object) -> object:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return function(*arguments, **keywords)

            return call

        for name in ("mkdir", "rename", "rmdir", "unlink", "fchmod", "replace", "symlink"):
            setattr(os, name, counted(getattr(os, name)))
        os._exit(workspace.do("merge", task))
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


@pytest.mark.parametrize("calls", range(24))
def test_merge_killed_in_the_middle_is_finished_by_the_next(workspace, calls):
    write(workspace.root / "replaced/file", "1")
    write(workspace.root / "becomes/a", "1")
    write(workspace.root / "file", "1")
    write(workspace.root / "gone", "1")
    before = listed(workspace.root)
    made = workspace.view("a")
    shutil.rmtree(made / "replaced")
    write(made / "replaced", "2")
    (made / "file").unlink()
    write(made / "file/now/a/directory", "2")
    (made / "gone").unlink()
    write(made / "new", "2")
    (made / "link").symlink_to("new")
    wanted = listed(made)
    is_killed = killed_at(calls, workspace, "a")
    assert is_killed == (calls < 23)
    is_planned = (workspace.directory / "state/pending").exists()
    next_view = workspace.view("b")
    merged = {name: each for name, each in listed(workspace.root).items() if "monopod" not in name}
    assert merged == wanted if is_planned or not is_killed else merged in (before, wanted)
    assert listed(next_view) == merged
    write(next_view / "b", "b")
    assert workspace.do("merge", "b") == 0
    assert listed(workspace.root).keys() == merged.keys() | {"b"}
    tasks = [each.task for each in history.read(str(workspace.directory / "state"))]
    assert tasks == (["a", "b"] if merged == wanted else ["b"])


def test_full_disk_changes_nothing(workspace, monkeypatch, capsys):
    write(workspace.root / "file", "1")
    made = workspace.view("a")
    write(made / "file", "2")
    write(made / "new", "2")
    before = listed(workspace.root)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Copier, "_copy_content", full)
    capsys.readouterr()
    assert workspace.do("merge", "a") == 1
    assert capsys.readouterr().out == "cannot copy file: No space left on device\n"
    assert listed(workspace.root) == before


def test_merges_at_the_same_time_are_one_after_the_other(workspace):
    tasks = [f"t{number}" for number in range(6)]
    for task in tasks:
        made = workspace.view(task)
        for number in range(20):
            write(made / f"{task}/{number}", task)
    processes = []
    for task in tasks:
        process = os.fork()
        if process == 0:
            os._exit(workspace.do("merge", task))
        processes.append(process)
    assert [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes] == [0] * 6
    assert len([path for path in workspace.root.rglob("*") if path.is_file()]) == 120
    assert sorted(each.task for each in history.read(str(workspace.directory / "state"))) == tasks


def test_file_that_never_stays_the_same_is_reported(workspace, capsys):
    path = workspace.root / "growing"
    write(path, "x" * 100_000)
    is_over = threading.Event()

    def write_on() -> None:
        while not is_over.is_set():
            with path.open("a") as file:
                file.write("y")

    original = Copier._copy_content

    def slowly(self: Copier, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        size = path.stat().st_size
        while path.stat().st_size == size:
            pass

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Copier, "_copy_content", slowly)
            assert workspace.do("copy", "a") == 1
    finally:
        is_over.set()
        writer.join()
    assert capsys.readouterr().out.startswith("growing changes while it is copied: a Task without a view writes it; ")


# Random trees

NAMES = ["a", "b", "c"]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["file", "remove", "directory", "link", "mode"]),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join),
        st.sampled_from(["1", "22", "333"]),
    ),
    max_size=8,
)


def change(root: Path, what: str, path: str, text: str) -> None:
    """Change a path, if that is possible."""
    target = root / path
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        if what == "mode":
            if not target.is_symlink():
                target.chmod(0o700)
            return
        if target.is_symlink() or target.is_file():
            target.unlink()
        elif target.is_dir() and what != "directory":
            shutil.rmtree(target)
        if what == "file":
            target.write_text(text)
        elif what == "directory":
            target.mkdir(exist_ok=True)
        elif what == "link":
            target.symlink_to(text)


def merged_by_hand(base: dict[str, tuple[object, ...]], sides: list[dict[str, tuple[object, ...]]]) -> object:
    """Return the paths and what they are after merging both sides; None if that is a conflict."""
    base, mine, theirs = ({path: each[:2] for path, each in tree.items()} for tree in (base, *sides))
    result = {}
    for path in {*base, *mine, *theirs}:
        b, m, t = base.get(path), mine.get(path), theirs.get(path)
        if m == t or t == b:
            result[path] = m
        elif m == b:
            result[path] = t
        else:
            return None
    for path, each in result.items():
        if each is not None:
            for above in list(Path(path).parents)[:-1]:
                if result[str(above)] is None:
                    result[str(above)] = next(side[str(above)] for side in (mine, theirs) if str(above) in side)
                elif not str(result[str(above)][0]).startswith("d"):
                    return None
    return {path: each for path, each in result.items() if each is not None}


@settings(max_examples=40, deadline=None)
@given(CHANGES, CHANGES, CHANGES)
def test_random_changes_merge_as_by_hand(tmp_path_factory, initial, of_a, of_b):
    workspace = Workspace(tmp_path_factory.mktemp("random"))
    for each in initial:
        change(workspace.root, *each)
    base = listed(workspace.root)
    views = {}
    for task, changes in (("a", of_a), ("b", of_b)):
        views[task] = workspace.view(task)
        for each in changes:
            change(views[task], *each)
    assert workspace.do("merge", "a") == 0
    wanted = merged_by_hand(base, [listed(views["b"]), listed(workspace.root)])
    assert (workspace.do("merge", "b") == 0) == (wanted is not None)
    if wanted is not None:
        assert {path: each[:2] for path, each in listed(workspace.root).items()} == wanted


def test_many_files_are_no_problem(workspace):
    for directory in range(100):
        (workspace.root / str(directory)).mkdir()
        for number in range(100):
            (workspace.root / str(directory) / str(number)).write_text("x")
    made = workspace.view("a")
    write(made / "50/50", "changed")
    assert workspace.do("merge", "a") == 0
    assert (workspace.root / "50/50").read_text() == "changed"


def test_trees_are_copied_and_removed_without_following_links(tmp_path):
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside/file", "stays")
    for name in ("source", "copy"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/link").symlink_to("../outside")
    source, copy = open_root(str(tmp_path / "source")), open_root(str(tmp_path / "copy"))
    try:
        copy_tree(source, copy, Copier())
        remove_tree(copy, b"link")
    finally:
        os.close(source)
        os.close(copy)
    assert (tmp_path / "outside/file").read_text() == "stays"
