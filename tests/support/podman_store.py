"""Images for the tests, made of programs of this machine, in their own podman storage.

Rules:

- No registry is contacted: the images of the examples are made here too, with the same names.
- The images are built once for all processes of a test run, in a store that these only read; each process has its own
  storage for containers, so that what is left in it is its own. The last process removes it all.
- The user's own storage is not touched. The machine's configuration of podman is used if containers start with it, else
  one that needs neither systemd nor cgroups v2.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from root_file_system import RootFileSystem

from monopod.compiler.pod.runtime_command import PYTHON_IMAGE

ROOT = Path(__file__).parents[2]
BUSYBOX = "localhost/monopod-test/busybox:1"
"""busybox with its applets, and nothing else."""
PYTHON = "localhost/monopod-test/python:1"
"""Python, without a shell: the default image of the coordinator, and the base of the prebuilt one."""
TOOLS = "localhost/monopod-test/tools:1"
"""A shell, GNU's small programs, git and Python."""
NO_SHELL = "localhost/monopod-test/no-shell:1"
"""A few programs as files; they do not run scripts or other programs."""
ITS_OWN = "localhost/monopod-test/its-own:1"
"""busybox, with an ENTRYPOINT, CMD, USER, WORKDIR and ENV of its own."""
OF_EXAMPLES = (
    "docker.io/alpine/git:latest",
    "docker.io/library/busybox:stable",
    "docker.io/library/python:3.12-slim",
)

_PREFIX = "monopod-test-"
_Shared: TypeAlias = tuple[Path, dict[str, str], IO[str]]
"""The store, what the environment of podman must say to use it, and the open file that `_use` gives."""
_COREUTILS = (
    "[", "basename", "cat", "chgrp", "chmod", "chown", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env",
    "expr", "false", "head", "id", "ln", "ls", "md5sum", "mkdir", "mkfifo", "mktemp", "mv", "nproc", "od", "printf",
    "pwd", "readlink", "realpath", "rm", "rmdir", "seq", "sha256sum", "sleep", "sort", "stat", "sync", "tail", "tee",
    "test", "timeout", "touch", "tr", "true", "uname", "uniq", "wc", "whoami", "yes",
)  # fmt: skip
_TOOLS = (*_COREUTILS, "awk", "bash", "find", "git", "grep", "gzip", "sed", "sh", "tar", "xargs")
_SMALL = ("cat", "cp", "env", "id", "ls", "mkdir", "sleep", "tee", "touch")
_REGISTRIES = """\
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "docker.io"
blocked = true
"""
CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class NoContainersError(Exception):
    """The reason why containers cannot run here."""


@dataclass(frozen=True)
class Podman:
    """podman with its own storage, set by ``environment``."""

    environment: Mapping[str, str]

    def __call__(self, *arguments: str, stdin: int | None = subprocess.DEVNULL) -> str:
        """Return the output of ``podman ARGUMENT...``. Raises NoContainersError."""
        process = subprocess.run(
            ["podman", *arguments], env=self.environment, stdin=stdin, capture_output=True, text=True, check=False
        )
        if process.returncode:
            lines = process.stderr.strip().splitlines() or [f"exit code {process.returncode}"]
            raise NoContainersError(lines[-1])
        return process.stdout

    def left(self) -> list[str]:
        """Return the pods, containers, volumes, Secrets and mounts in the storage."""
        objects = [
            f"{kind} {name}"
            for kind, arguments in (
                ("pod", ("pod", "ls", "--format", "{{.Name}}")),
                ("container", ("ps", "--all", "--external", "--format", "{{.Names}}")),
                ("volume", ("volume", "ls", "--format", "{{.Name}}")),
                ("secret", ("secret", "ls", "--format", "{{.Name}}")),
            )
            for name in self(*arguments).split()
        ]
        return objects + [
            f"mount {path}" for path in _mounts(self.environment["MONOPOD_TEST_STORAGE"]) if "/merged" in path
        ]

    def images(self) -> set[str]:
        """Return the images in the storage that do not come from another store."""
        listed = self("images", "--all", "--format", "{{.ID}} {{.Repository}}:{{.Tag}} {{.ReadOnly}}").splitlines()
        return {f"image {line}" for line in listed if line.endswith("false")}

    def with_storage(self, directory: Path, *stores: Path) -> Podman:
        """Return podman with another storage, which finds images in further stores too."""
        directory.mkdir()
        conf = directory / "storage.conf"
        lines = ["[storage]", 'driver = "overlay"']
        lines += [f'graphroot = "{directory}/graph"', f'runroot = "{directory}/run"']
        if stores:
            lines += [
                "[storage.options]",
                f"additionalimagestores = {json.dumps([f'{each}/graph' for each in stores])}",
            ]
        conf.write_text("\n".join(lines) + "\n")
        return Podman(
            {**self.environment, "CONTAINERS_STORAGE_CONF": str(conf), "MONOPOD_TEST_STORAGE": str(directory)}
        )

    def with_configuration(self, directory: Path) -> Podman:
        """Return podman with the configuration for machines without a working configuration."""
        path = directory / "containers.conf"
        path.write_text(CONFIGURATION)
        return Podman({**self.environment, "CONTAINERS_CONF": str(path)})

    def make(self, name: str, fill: Callable[[RootFileSystem], None], *changes: str) -> None:
        """Make an image whose files `fill` adds; `changes` are instructions of a Containerfile."""
        words = [word for change in changes for word in ("--change", change)]
        with tempfile.TemporaryFile() as archive:
            root = RootFileSystem(archive)
            fill(root)
            root.close()
            archive.seek(0)
            self("import", "--quiet", *words, "-", name, stdin=archive.fileno())

    def make_on(self, base: str, name: str, fill: Callable[[RootFileSystem], None], *changes: str) -> None:
        """Make an image with the files of another image and the files that `fill` adds; `changes` as for `make`."""
        with tempfile.TemporaryDirectory() as context:
            with open(f"{context}/files.tar", "wb") as archive:
                root = RootFileSystem(archive)
                fill(root)
                root.close()
            Path(context, "Containerfile").write_text("\n".join([f"FROM {base}", "ADD files.tar /", *changes, ""]))
            self("build", "--quiet", "--network", "none", "--tag", name, context)


@contextlib.contextmanager
def shared_podman(directory: Path, process: str) -> Iterator[Podman]:
    """Return podman with the images. Raises NoContainersError.

    `directory` is the same for all processes of a test run, `process` is the name of this one.
    """
    with _locked(directory):
        found = _found(directory) or _made(directory)
    if isinstance(found, str):
        raise NoContainersError(found)
    store, environment, users = found
    with users:
        try:
            images = Podman({**os.environ, **environment})
            yield images.with_storage(store / process, store / "images")
        finally:
            with _locked(directory), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (directory / "podman.json").unlink()
                _remove(store)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with open(directory / "podman.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _found(directory: Path) -> _Shared | str | None:
    """Return the store of another process of this test run, or why it failed; None if this process is the first."""
    path = directory / "podman.json"
    if not path.exists():
        return None
    description = json.loads(path.read_text())
    if "problem" in description:
        return str(description["problem"])
    store = Path(description["store"])
    return store, description["environment"], _use(store)


def _made(directory: Path) -> _Shared | str:
    """Make the store for all processes of this test run; return why if that cannot be done."""
    path = directory / "podman.json"
    try:
        store, environment, users = _make()
    except NoContainersError as error:
        path.write_text(json.dumps({"problem": str(error)}))
        return str(error)
    path.write_text(json.dumps({"store": str(store), "environment": environment}))
    return store, environment, users


def _use(store: Path) -> IO[str]:
    """Return an open file whose lock says that the store is in use, or is being made."""
    users = (store / "users").open("a")
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def _remove_abandoned(parent: Path) -> None:
    """Remove the stores of test runs that were killed."""
    for users in parent.glob(f"{_PREFIX}*/users"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), users.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(users.parent)


def _make() -> _Shared:
    """Make a store with the images. Raises NoContainersError."""
    if shutil.which("podman") is None:
        raise NoContainersError("podman is not installed")
    parent = os.environ.get("TMPDIR") or "/var/tmp"
    _remove_abandoned(Path(parent))
    store = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    with contextlib.ExitStack() as undo:
        undo.callback(_remove, store)
        users = undo.enter_context(_use(store))
        (store / "registries.conf").write_text(_REGISTRIES)
        given = {"CONTAINERS_REGISTRIES_CONF": str(store / "registries.conf")}
        podman = _that_works(Podman({**os.environ, **given}).with_storage(store / "images"), store)
        _make_images(podman)
        undo.pop_all()
    given |= {name: podman.environment[name] for name in ("CONTAINERS_CONF",) if name in podman.environment}
    return store, given, users


def _that_works(podman: Podman, store: Path) -> Podman:
    podman.make(BUSYBOX, _busybox)
    arguments = ("run", "--rm", "--network", "none", BUSYBOX, "true")
    try:
        podman(*arguments)
    except NoContainersError:
        podman = podman.with_configuration(store)
        try:
            podman(*arguments)
        except NoContainersError as error:
            raise NoContainersError(f"podman cannot start containers here: {error}") from error
    return podman


def _make_images(podman: Podman) -> None:
    podman("pod", "create", "--network", "none", "--name", "first")  # makes the image of podman's infra containers
    podman("pod", "rm", "first")
    podman.make(NO_SHELL, lambda root: [root.copy("/bin/busybox", f"/bin/{name}") for name in _SMALL] and None)
    podman.make(
        ITS_OWN,
        _busybox,
        'ENTRYPOINT ["/bin/busybox", "echo", "entrypoint"]',
        'CMD ["cmd", "$(GREETING)"]',
        "USER worker",
        "WORKDIR /srv/work",
        "ENV GREETING=hello",
        "ENV PATH=/srv/tools:/bin",
    )
    podman.make(PYTHON, _python, "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    podman("tag", PYTHON, PYTHON_IMAGE)
    podman.make_on(PYTHON, TOOLS, _tools)
    podman("tag", TOOLS, *OF_EXAMPLES)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [sys.executable, ROOT / "images/build.py", "--engine", "podman", "--base", PYTHON, "--python", version]
    built = subprocess.run(command, env=podman.environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def _busybox(root: RootFileSystem) -> None:
    program = shutil.which("busybox")
    if program is None:
        raise NoContainersError("busybox is not installed (Debian: busybox-static)")
    root.copy(program, "/bin/busybox")
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in applets:
        root.link(f"/bin/{name}", "busybox")
    root.directory("/srv/work", 0o777)
    root.file("/srv/tools/tool", "#!/bin/sh\necho a tool on the PATH\n", 0o755)
    root.directory("/home/worker")


def _python(root: RootFileSystem) -> None:
    root.python()
    extension = importlib.util.find_spec("cel.cel")
    assert extension is not None
    assert extension.origin is not None
    root.libraries_of(extension.origin)


def _tools(root: RootFileSystem) -> None:
    root.programs(*_TOOLS)
    root.link("/usr/bin/git-upload-pack", "git")  # run by `git clone` of a folder
    root.directory("/usr/share/git-core/templates")


def _mounts(directory: str | Path) -> list[str]:
    """Return the mount points below a directory, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [path for line in reversed(lines) if (path := line.split()[4]).startswith(f"{directory}/")]


def _remove(store: Path) -> None:
    for path in _mounts(store):
        subprocess.run(["umount", path], check=False)
    shutil.rmtree(store, ignore_errors=True)
