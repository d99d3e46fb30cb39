"""A user's shell: a working directory, a home directory, programs, and the context of a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from api_server import ApiServer
from host_kubelet import HostKubelet
from podman_store import Podman

_OF_PODMAN = ("CONTAINERS_", "MONOPOD_TEST_")
_KUBECTL = """\
#!/bin/sh
# A kubectl that only starts its plugins, takes objects, and has a Pipeline.
case $1 in
    create) cat > /dev/null ;;
    get) cat pipeline.yaml ;;
    *) plugin=$1; shift; exec "kubectl-$plugin" "$@" ;;
esac
"""


_MINUTES = 10
"""A command that takes longer never ends, such as a loop that waits for a run that has failed."""


@dataclass
class Session:
    """A user's shell. It remembers only the exit code of the last command."""

    directory: Path
    environment: dict[str, str]
    last: int = 0

    def run(self, command: str) -> str:
        """Return the output of a command on both streams; its exit code is 124 if it takes too long."""
        prelude = f'make() {{ command make -o .venv/monopod-installed "$@"; }}\n(exit {self.last})\n'
        done = subprocess.run(
            ["timeout", "--kill-after=10", f"{_MINUTES}m", "bash", "-c", prelude + command],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.last = done.returncode
        return done.stdout

    def clone(self, repository: Path) -> None:
        """Fill the directory with the files of a repository, also those that are not committed, as one commit."""
        command = ["git", "-C", repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if (repository / name).is_file():
                (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / name, self.directory / name)
        (self.directory / ".venv").symlink_to(Path(sys.prefix))
        self.run("git init -q -b main && git add -A && git commit -q -m 'Check anchors too'")

    def run_with(self, podman: Podman, command: str) -> str:
        """Like `run`, with the images of podman."""
        self.environment |= {name: value for name, value in podman.environment.items() if name.startswith(_OF_PODMAN)}
        return self.run(command)


def session_in(folder: Path, server: str) -> Session:
    """Return a session in ``monopod`` below an empty `folder`; the current context is ``prod``, at the URL `server`."""
    directory, home, programs = folder / "monopod", folder / "home", folder / "bin"
    for each in (directory, home / ".kube", programs):
        each.mkdir(parents=True)
    environment = {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "SHELL": "/bin/bash",
        "MONOPOD_BACKEND": "host",
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
    }  # fmt: skip
    (programs / "kubectl").write_text(_KUBECTL)
    (programs / "kubectl").chmod(0o755)
    user = {"name": "ada", "user": {"token": "t0ken"}}
    cluster = {"name": "prod", "cluster": {"server": server}}
    context = {"name": "prod", "context": {"cluster": "prod", "user": "ada", "namespace": "ci"}}
    configuration = {"apiVersion": "v1", "kind": "Config", "current-context": "prod"}
    configuration |= {"clusters": [cluster], "users": [user], "contexts": [context]}
    (home / ".kube/config").write_text(yaml.safe_dump(configuration))
    return Session(directory, environment)


@contextmanager
def cluster_of_this_machine() -> Iterator[ApiServer]:
    """Run an API server whose kubelet runs each Pod on this machine."""
    server = ApiServer()
    server.start()
    server.namespaces = {"ci", "default"}
    server.kubelet = HostKubelet()
    server.kubelet.absent_images = frozenset({"python:3.12-slum"})
    server.exec_result, server.exec_start = server.kubelet.execute, server.kubelet.start_command
    yield server
    server.stop()
