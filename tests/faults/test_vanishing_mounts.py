"""Files and mounts of this machine that vanish during a run: later containers start without them.

Container engines and `ip netns` create and remove such mounts all the time. Only root can mount them here.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from host_run import pipeline
from shared_directory import WAIT, Shared

from monopod.runner.host import root_view
from monopod.runner.host.root_view import Entry, Layers, View


@pytest.fixture
def shared(tmp_path):
    shared = Shared(tmp_path / "shared")
    yield shared
    shared.close()


class Mounts:
    """A file, a file system with another one in it, and an overlay, all mounted in a directory that containers see."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._mounted: list[Path] = []
        for name in ("lower", "upper", "work", "system", "merged"):
            (directory / name).mkdir()
        (directory / "source").write_text("x")
        (directory / "file").touch()
        self._mount("file", "--bind", str(directory / "source"))
        self._mount("system", "-t", "tmpfs", "none")
        (directory / "system/inside").mkdir()
        self._mount("system/inside", "-t", "tmpfs", "none")
        layers = ",".join(f"{name}dir={directory}/{name}" for name in ("lower", "upper", "work"))
        self._mount("merged", "-t", "overlay", "-o", layers, "none")

    def _mount(self, name: str, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments, self.directory / name], capture_output=True, text=True, check=False)
        if done.returncode:
            self.vanish()
            pytest.skip(f"this user may not mount: {done.stderr.strip()}")
        self._mounted.append(self.directory / name)

    def vanish(self) -> None:
        while self._mounted:
            path = self._mounted.pop()
            subprocess.run(["umount", "--lazy", path], check=True)
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


@pytest.fixture
def mounts():
    try:
        directory = Path(tempfile.mkdtemp(prefix="monopod-test-", dir="/run"))
    except OSError as error:
        pytest.skip(str(error))
    mounts = Mounts(directory)
    yield mounts
    mounts.vanish()
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


@pytest.mark.slow
def test_coordinator_is_restarted_after_mounts_have_vanished(run, shared, mounts):
    seen = f"cat {mounts.directory}/file && stat {mounts.directory}/merged {mounts.directory}/system/inside && "
    run.start(pipeline({"first": shared.task(f"{seen}{WAIT}"), "second": {"scripts": "exit 0", "runAfter": ["first"]}}))
    shared.hear()
    mounts.vanish()
    (coordinator,) = run.processes("monopod.coordinator")
    os.kill(coordinator, signal.SIGKILL)
    shared.go()
    ended = run.end()
    assert ended.code == 0, ended.shown
    assert ended.task("second")[0] == "Succeeded"


def test_view_omits_vanished_and_changed_paths(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(root_view.namespaces, "mount", lambda *arguments: made.append(arguments[1]))
    monkeypatch.setattr(root_view.namespaces, "bind", lambda source, target, **_: made.append(source))
    for name in ("there", "a-file-now", "disk", "memory", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "a-file").touch()
    paths = {name: str(tmp_path / name) for name in ("there", "a-file-now", "a-file", "gone", "unreachable")}
    (tmp_path / "a-file-now").rmdir()
    (tmp_path / "a-file-now").touch()
    (tmp_path / "unreachable").symlink_to("unreachable")  # like a mount whose server is gone: stat(2) fails
    entries = (
        Entry("directory", "/"),
        *(Entry("bind", paths[name]) for name in ("there", "a-file-now", "gone", "unreachable")),
        Entry("file", paths["a-file"]),
        Entry("file", paths["gone"]),
        Entry("overlay", paths["gone"]),
    )
    layers = Layers(str(tmp_path / "disk"), str(tmp_path / "memory"))
    view = root_view.assemble(View(entries, "", ()), str(tmp_path / "root"), layers, (), ())
    assert [entry.path for entry in view.entries] == ["/", paths["there"], paths["a-file"]]
    assert made == [str(tmp_path / "root"), paths["there"], paths["a-file"]]


def test_only_vanishing_during_a_mount_is_ignored(tmp_path, monkeypatch):
    (tmp_path / "root").mkdir()
    place = tmp_path / "place"

    def vanish(source, target, **_):
        place.rmdir()
        raise FileNotFoundError(2, "No such file or directory")

    def fail(source, target, **_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(root_view.namespaces, "mount", lambda *arguments: None)
    view = View((Entry("directory", "/"), Entry("bind", str(place))), "", ())
    layers = Layers(str(tmp_path), str(tmp_path))
    for bind, error in ((vanish, contextlib.nullcontext()), (fail, pytest.raises(PermissionError))):
        place.mkdir(exist_ok=True)
        monkeypatch.setattr(root_view.namespaces, "bind", bind)
        with error:
            assert len(root_view.assemble(view, str(tmp_path / "root"), layers, (), ()).entries) == 1
