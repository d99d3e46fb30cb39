"""The container ``files``: what the coordinator waits for, and the requests that copy files in it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monopod.coordinator import workspace_files
from monopod.coordinator.engine.events import Begun, CancelRequested, Finish
from monopod.coordinator.files_container import COPY_SECONDS, HOLD_SECONDS, FilesContainer
from monopod.coordinator.shell import NO_FILES, Coordinator
from monopod.system.files.descriptor_channel import DescriptorChannel
from monopod.system.files.file_transfer import BrokenError, FailedError, receive, send
from monopod.system.files.tree_reading import read_segments

BEGUN = Begun(1.0, "run", "default", "uid", monotonic=0.0)


@pytest.fixture
def root(tmp_path):
    for name in ("step", "owner", "volume"):
        (tmp_path / name).mkdir()
    return tmp_path


# The coordinator's side


@pytest.fixture
def container(tmp_path):
    made = []

    def container(**options):
        (tmp_path / "files").mkdir(exist_ok=True)
        made.append(FilesContainer(str(tmp_path / "files"), **{"awaits": True, "holds": True, **options}))
        return made[-1]

    yield container
    for each in made:
        each.directory.close()


def lock(tmp_path):
    file = open(tmp_path / "files" / "files.lock", "w")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def is_released(tmp_path):
    return (tmp_path / "files" / "exit").exists()


def test_steps_wait_for_the_files(container, tmp_path):
    files = container()
    assert not files.is_complete
    (tmp_path / "files" / "files.complete").touch()
    assert files.is_complete
    assert container(awaits=False).is_complete


def test_a_client_that_never_comes_is_given_up_but_not_one_that_copies(container, tmp_path):
    files = container()
    assert not files.is_given_up(1000.0)
    assert not files.is_given_up(1000.0 + COPY_SECONDS - 1)
    with lock(tmp_path):
        assert not files.is_given_up(1000.0 + COPY_SECONDS)
    assert not files.is_given_up(1000.0 + 2 * COPY_SECONDS - 1)
    assert files.is_given_up(1000.0 + 2 * COPY_SECONDS)


def test_without_fetching_it_ends_once_the_files_are_there(container, tmp_path):
    files = container(holds=False)
    files.release_if_unused(0.0, is_over=False)
    assert not is_released(tmp_path)
    (tmp_path / "files" / "files.complete").touch()
    with lock(tmp_path):
        files.release_if_unused(0.0, is_over=False)
        assert not is_released(tmp_path)  # the request would be killed before its answer is read
    files.release_if_unused(0.0, is_over=False)
    assert is_released(tmp_path)


def test_it_stays_until_the_files_are_fetched(container, tmp_path):
    files = container(awaits=False)
    files.release_if_unused(0.0, is_over=False)
    files.release_if_unused(1000.0, is_over=False)
    files.restart_clock()
    files.release_if_unused(2000.0, is_over=True)
    assert not is_released(tmp_path)
    (tmp_path / "files" / "files.fetched").touch()
    files.release_if_unused(2000.0, is_over=True)
    assert is_released(tmp_path)


def test_a_client_that_vanished_does_not_keep_the_pod(container, tmp_path):
    files = container(awaits=False)
    files.restart_clock()
    files.release_if_unused(2000.0, is_over=True)
    with lock(tmp_path):
        files.release_if_unused(2000.0 + HOLD_SECONDS, is_over=True)
    files.release_if_unused(2000.0 + 2 * HOLD_SECONDS - 1, is_over=True)
    assert not is_released(tmp_path)
    files.release_if_unused(2000.0 + 2 * HOLD_SECONDS, is_over=True)
    assert is_released(tmp_path)


def test_a_run_without_its_files_leaves_nothing_to_fetch(container, tmp_path):
    files = container()
    files.release_if_unused(0.0, is_over=True)
    assert is_released(tmp_path)


class Script:
    """An engine that ends the run at an event of a kind, and what was reported."""

    def __init__(self, last=Begun):
        self.events, self.reported, self.last = [], [], last

    def handle(self, event):
        self.events.append(event)
        return [Finish(int(self.last is CancelRequested))] if isinstance(event, self.last) else []

    def report(self, events, *, replayed):
        self.reported += events


@pytest.fixture
def coordinate(tmp_path, signals_restored):
    def coordinate(script, **options):
        root = tmp_path / "monopod"
        (root / "steps" / "files").mkdir(parents=True)
        files = FilesContainer(str(root / "steps" / "files"), **{"awaits": True, "holds": False, **options})
        coordinator = Coordinator(script, (), str(root), script, stop_grace=1, ends_with_run=True, files=files)
        try:
            return coordinator.run(BEGUN), root / "steps" / "files"
        finally:
            files.directory.close()
            signal.set_wakeup_fd(-1)

    return coordinate


def test_the_run_begins_when_the_files_are_complete(coordinate, tmp_path, monkeypatch):
    script = Script()

    def complete():
        ring = os.open(tmp_path / "monopod/steps/files/ring", os.O_RDWR)
        assert script.events == []
        (tmp_path / "monopod/steps/files/files.complete").touch()
        os.write(ring, b"\n")
        os.close(ring)

    monkeypatch.setattr(FilesContainer, "is_given_up", lambda *_: complete())  # it is waiting
    code, files = coordinate(script)
    assert code == 0
    assert [type(event) for event in script.events] == [Begun]
    assert script.events[0].at > BEGUN.at
    assert (files / "exit").exists()


@pytest.mark.parametrize(("number", "mode"), [(signal.SIGINT, "Cancelled"), (signal.SIGUSR2, "StoppedRunFinally")])
def test_a_run_that_waits_for_files_can_be_cancelled(coordinate, number, mode, monkeypatch):
    script = Script(CancelRequested)
    original = FilesContainer.is_given_up
    monkeypatch.setattr(
        FilesContainer, "is_given_up", lambda self, now: os.kill(os.getpid(), number) or original(self, now)
    )
    assert coordinate(script)[0] == 1
    assert [type(event) for event in script.events] == [Begun, CancelRequested]
    assert script.events[1].mode == mode


def test_files_that_never_come_cancel_the_run(coordinate, monkeypatch):
    script = Script(CancelRequested)
    monkeypatch.setattr(FilesContainer, "is_given_up", lambda *_: True)
    assert coordinate(script)[0] == 1
    assert [event.message for event in script.reported] == [NO_FILES]
    assert script.events[1].mode == "Cancelled"


# The requests


def start(root, *arguments, **environment):
    command = [sys.executable, "-P", "-m", workspace_files.__name__, "--root", str(root), *map(str, arguments)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env={**os.environ, **environment}, **pipes)


def request(root, *arguments, **environment):
    process = start(root, *arguments, **environment)
    out, errors = process.communicate()
    return process.returncode, out, errors.decode()


def channel(process):
    return DescriptorChannel(process.stdout.fileno(), process.stdin.fileno())


def copy_to(root, name, source, **environment):
    """Copy a folder by a request; return the exit code."""
    process = start(root, "receive", name, root / "volume" / "sub", **environment)
    try:
        send(channel(process), read_segments(os.fsencode(source)), [])
    finally:
        process.communicate()
    return process.returncode


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "file").write_text("text")
    (source / "folder").chmod(0o555)
    (source / "large").write_bytes(os.urandom(5 << 20))
    return source


def test_files_are_received_and_completed(root, source):
    assert copy_to(root, "w.1", source) == 0
    assert (root / "volume/sub/folder/file").read_text() == "text"
    assert (root / "volume/sub/large").read_bytes() == (source / "large").read_bytes()
    (root / "owner" / "alive").touch()
    os.mkfifo(root / "step" / "ring")
    ring = os.open(root / "step" / "ring", os.O_RDWR)
    assert request(root, "complete", root / "volume/sub")[0] == 0
    assert os.read(ring, 10) == b"\n"
    os.close(ring)
    assert (root / "step" / "files.complete").exists()
    assert request(root, "fetched")[0] == 0
    assert (root / "step" / "files.fetched").exists()


class CountingChannel(DescriptorChannel):
    """Counts the written bytes."""

    written = 0

    def write(self, data):
        self.written += len(data)
        super().write(data)


def test_a_copy_is_continued_by_another_process(root, source):
    process = start(root, "receive", "w.1", root / "volume/sub")
    sent = []

    def three_segments():
        for segment in read_segments(os.fsencode(source)):
            yield segment
            if len(sent) == 3:
                raise BrokenError("it broke")

    with pytest.raises(BrokenError):
        send(channel(process), three_segments(), sent)
    process.communicate()
    had = (root / "step" / "received.w.1").stat().st_size // 32
    assert had == 3
    process = start(root, "receive", "w.1", root / "volume/sub")
    again = CountingChannel(process.stdout.fileno(), process.stdin.fileno())
    segments = list(read_segments(os.fsencode(source)))
    send(again, segments, sent)
    process.communicate()
    assert sum(map(len, segments[3:])) < again.written < sum(map(len, segments[2:]))
    assert (root / "volume/sub/large").read_bytes() == (source / "large").read_bytes()


def test_another_copy_begins_again_without_files_of_the_previous_one(root, source, tmp_path):
    copy_to(root, "w.1", source)
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("other")
    assert copy_to(root, "w.2", other) == 0
    assert [path.name for path in (root / "volume/sub").iterdir()] == ["file"]


def test_files_that_were_there_before_are_never_removed(root, source, tmp_path):
    (root / "volume/sub/lost+found").mkdir(parents=True)
    (root / "volume/sub/snapshot").touch()
    assert copy_to(root, "w.1", source) == 0
    with pytest.raises(FailedError, match="run again"):
        copy_to(root, "w.2", source)
    assert (root / "volume/sub/snapshot").exists()


def test_shared_files_are_for_every_user(root, source):
    assert copy_to(root, "w.1", source, MONOPOD_SHARED_FILES="true") == 0
    assert (root / "volume/sub/folder/file").stat().st_mode & 0o777 == 0o666


def test_a_new_request_ends_the_previous_one(root, source):
    previous = start(root, "receive", "w.1", root / "volume/sub")
    assert previous.stdout.read(1) == b"h"  # it is running
    assert copy_to(root, "w.1", source) == 0
    previous.communicate()
    assert previous.returncode == -signal.SIGKILL


def test_files_are_sent(root, source, tmp_path):
    class Receiver:
        def __init__(self):
            self.digests = []

        def take(self, digest, segment):
            self.digests.append(digest)

        def finish(self):
            return ""

    process, receiver = start(root, "send", source, "folder"), Receiver()
    receive(channel(process), receiver)
    process.communicate()
    assert process.returncode == 0
    assert len(receiver.digests) == 1


def test_a_full_disk_is_reported_to_the_sender(root, source):
    (root / "volume" / "sub").touch()
    with pytest.raises(FailedError, match="File exists"):
        copy_to(root, "w.1", source)


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root")
def test_files_get_the_owner_that_the_step_has(root, source):
    copy_to(root, "w.1", source)
    os.symlink("/etc/passwd", root / "volume/sub/link")
    (root / "owner" / "alive").touch()
    os.chown(root / "owner" / "alive", 1234, 4321)
    assert request(root, "complete", root / "volume/sub")[0] == 0
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (root / "volume/sub").rglob("*")}
    assert owners == {(1234, 4321)}
    assert Path("/etc/passwd").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root")
def test_the_request_is_to_be_repeated_until_the_step_has_started(root, monkeypatch, capsys):
    monkeypatch.setattr(workspace_files, "_OWNER_SECONDS", 0.0)
    assert workspace_files.main(["--root", str(root), "complete", str(root / "volume")]) == workspace_files.NOT_YET
    assert "has not started" in capsys.readouterr().err
    assert not (root / "step" / "files.complete").exists()


def test_a_step_that_will_never_start_does_not_keep_the_run(root):
    (root / "owner" / "alive").write_text("ErrImagePull\nno such image")
    assert request(root, "complete", root / "volume")[0] == 0
    assert (root / "step" / "files.complete").exists()


def test_wrong_usage(root):
    assert request(root, "copy")[0] == 2
