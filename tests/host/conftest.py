"""Running Pods with the host backend as root and as an ordinary user, and checking that they leave nothing behind."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from monopod.runner.kubelet.runtime_image import PACKAGE_DIRECTORY

NOBODY = 65534
MEMORY = "/dev/shm"
FOLLOW_POD = Path(__file__).with_name("follow_pod.py")


@dataclass
class Followed:
    """The events of a Pod."""

    events: list[dict[str, Any]]
    errors: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def output(self, container: str, stream: str | None = None) -> str:
        return b"".join(
            base64.b64decode(event["data"])
            for event in self.of("ContainerOutput")
            if event["container"] == container and stream in (None, event["stream"])
        ).decode()

    @property
    def status(self) -> dict[str, Any]:
        return self.of("PodFinished")[-1]["status"]

    @property
    def phase(self) -> str:
        return self.status["phase"]

    def state(self, container: str) -> dict[str, Any]:
        statuses = [*self.status["containerStatuses"], *self.status.get("initContainerStatuses", ())]
        return next(each["state"] for each in statuses if each["name"] == container)

    def exit_code(self, container: str) -> int:
        return self.state(container)["terminated"]["exitCode"]


@dataclass
class Backend:
    """Runs Pods as one user; ``directory`` has all of their state and identifies their processes."""

    user: int
    python: str
    directory: Path
    entrypoint_binary: str = "/bin/true"
    environment: dict[str, str] = field(default_factory=dict)
    proc_is_hidden: bool = False
    wrapper: tuple[str, ...] = ()
    """A program that executes another one, and its arguments: the caller's surroundings."""

    @property
    def is_root(self) -> bool:
        return self.user == 0

    def pod(self, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.directory.name, **metadata},
            "spec": {"restartPolicy": "Never", **spec},
        }

    def start(self, pod: dict[str, Any], reactions: Any = (), **request: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self._in_a_partly_hidden_proc(), *self.wrapper, self.python, "-I", str(FOLLOW_POD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**os.environ, "TMPDIR": str(self.directory), "HOME": str(self.directory), **self.environment},
            **(
                {}
                if self.user == os.geteuid() or self.proc_is_hidden
                else {"user": self.user, "group": self.user, "extra_groups": []}
            ),
        )
        assert process.stdin is not None
        json.dump(
            {
                "pod": pod,
                "config_maps": {},
                "secrets": {},
                "keep": False,
                "reactions": reactions,
                "package": PACKAGE_DIRECTORY,
                "entrypoint_binary": self.entrypoint_binary,
                **request,
            },
            process.stdin,
        )
        process.stdin.close()
        process.stdin = None
        return process

    def _in_a_partly_hidden_proc(self) -> list[str]:
        """Return a command that executes another command where a part of /proc is hidden, as in a container."""
        if not self.proc_is_hidden:
            return []
        user = f"setpriv --reuid={self.user} --regid={self.user} --clear-groups"
        script = f'mount -t tmpfs none /proc/sys/fs && exec {user} "$@"'
        return ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh"]

    def run(self, spec: dict[str, Any], reactions: Any = (), metadata: Any = None, **request: Any) -> Followed:
        """Run a Pod to its end."""
        process = self.start(self.pod(spec, **(metadata or {})), reactions, **request)
        output, errors = process.communicate()
        events = [json.loads(line) for line in output.splitlines()]
        assert process.returncode == 0, errors
        if events and events[0]["event"] == "unavailable" and "forbids" in events[0]["message"]:
            pytest.skip(events[0]["message"])
        return Followed(events, errors)

    def run_script(self, script: str, **container: Any) -> Followed:
        return self.run({"containers": [shell("main", script, **container)]})

    def remains(self) -> list[str]:
        """Return the leftovers of Pods: directories, mounts and processes."""
        left = [str(path) for path in self.directory.glob("monopod-*")]
        mounts = Path("/proc/self/mountinfo").read_text()
        left += [line for line in mounts.splitlines() if str(self.directory) in line]
        return left + [f"process {pid}" for pid in self.processes()]

    def processes(self) -> list[int]:
        """Return the processes whose environment names this backend's directory."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    environment = (entry / "environ").read_bytes()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
                if self.directory.name.encode() in environment:
                    found.append(int(entry.name))
        return found


def shell(name: str, script: str, **fields: Any) -> dict[str, Any]:

    return {"name": name, "image": "none", "command": ["/bin/sh", "-c", script.replace("$", "$$")], **fields}


def _python_for(user: int) -> str | None:
    for python in (sys.executable, "/usr/bin/python3"):
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        try:
            ran = subprocess.run(
                [python, "-I", "-c", check], user=user, group=user, extra_groups=[], check=False, capture_output=True
            )
        except OSError:
            continue
        if ran.returncode == 0:
            return python
    return None


@pytest.fixture(params=["root", "user"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A backend run as root, and a backend run as an ordinary user. Its Pods must leave nothing behind."""
    yield from _backend(request.param)


@pytest.fixture
def root_backend() -> Iterator[Backend]:
    yield from _backend("root")


@pytest.fixture
def user_backend() -> Iterator[Backend]:
    yield from _backend("user")


def _backend(who: str) -> Iterator[Backend]:
    is_root = os.geteuid() == 0
    if who == "root" and not is_root:
        pytest.skip("only root can run a Pod as root")
    user = NOBODY if who == "user" and is_root else os.geteuid()
    python = _python_for(user) if user != os.geteuid() else sys.executable
    if python is None:
        pytest.skip("the ordinary user can execute no Python 3.11")
    # in memory if possible, since other tests keep the disk busy
    directory = _directory_in(MEMORY if os.path.isdir(MEMORY) else "/var/tmp", user)
    backend = Backend(user, python, directory)
    try:
        yield backend
        assert backend.remains() == []
    finally:
        for pid in backend.processes():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(directory)


def _directory_in(parent: str, user: int) -> Path:
    """Make a directory of the user with a valid name for a Pod."""
    directory = Path(parent, f"host-test-{os.urandom(4).hex()}")
    directory.mkdir(mode=0o700)
    os.chown(directory, user, -1)
    return directory


@pytest.fixture
def on_disk(backend: Backend) -> Iterator[None]:
    """Have the backend keep its state on the disk instead of in memory."""
    memory, directory = backend.directory, _directory_in("/var/tmp", backend.user)
    backend.directory = directory
    yield
    assert backend.remains() == []
    shutil.rmtree(directory)
    backend.directory = memory


@pytest.fixture
def home(backend: Backend) -> Iterator[Path]:
    """A home directory of the backend's user on disk, where containers can see it."""
    directory = _directory_in("/opt" if os.geteuid() == 0 else str(Path.home()), backend.user)
    backend.environment |= {"HOME": str(directory), "XDG_STATE_HOME": "", "XDG_DATA_HOME": "", "XDG_CACHE_HOME": ""}
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def make_container() -> Any:
    """Return a function that makes a container that runs a shell script."""
    return shell


@pytest.fixture
def wait_for_end() -> Any:
    """Return a function that waits for the end of a process that is not a child."""

    def wait(pid: int) -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(60_000)
        os.close(descriptor)

    return wait
