"""Running the same Pipelines with each backend, and checking that they leave nothing behind."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from finished_run import FinishedRun
from podman_store import NoContainersError, Podman, shared_podman
from registry_server import start_registry  # noqa: F401  # a fixture

MONOPOD = Path(sys.executable).with_name("monopod")
NO_CONTAINERS = "no test of real containers was run"


class Backend:
    """`monopod run` with one backend; ``directory`` has all state of its runs."""

    def __init__(self, name: str, directory: Path, environment: Mapping[str, str], podman: Podman | None) -> None:
        self.name = name
        self.directory = directory
        self.environment = {**environment, "TMPDIR": str(directory), "XDG_DATA_HOME": str(directory / "data")}
        self.podman = podman
        self._images = podman.images() if podman else set()

    def command(self, *arguments: str | Path, network: str = "none") -> list[str]:
        options = ["--network", network] if self.podman is not None else []
        return [str(MONOPOD), "run", "--backend", self.name, *options, *map(str, arguments)]

    def run(self, *arguments: str | Path, network: str = "none") -> FinishedRun:
        """Run to the end with ``-o json``."""
        done = subprocess.run(
            self.command("-o", "json", *arguments, network=network),
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return FinishedRun(done.returncode, done.stdout, done.stderr.split("\n"))

    def monopod(self, *arguments: str | Path) -> str:
        """Run another monopod command; return its output."""
        command = [MONOPOD, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str | Path, before: Sequence[str] = (), network: str = "none") -> subprocess.Popen[str]:
        """Start a run in its own process group; `before` is a program that executes the run."""
        return subprocess.Popen(
            [*before, *self.command(*arguments, network=network)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def left(self) -> list[str]:
        """Return the leftovers of runs: files, processes, mounts, and podman's objects."""
        left = [str(path) for path in self.directory.iterdir() if path.name != "data"]
        left += [f"process {pid}" for pid in self.processes()]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        left += [f"mount {line}" for line in mounts if str(self.directory) in line]
        return left + ([*self.podman.left(), *(self.podman.images() - self._images)] if self.podman else [])

    def processes(self) -> list[int]:
        """Return the processes that were started for this backend, including orphans."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    environment = (entry / "environ").read_bytes()
                except OSError:
                    continue
                if f"TMPDIR={self.directory}\0".encode() in environment:
                    found.append(int(entry.name))
        return found


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory shared by all processes of this test run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def podman(shared_directory: Path) -> Iterator[Podman]:
    try:
        with shared_podman(shared_directory, os.environ.get("PYTEST_XDIST_WORKER", "main")) as made:
            yield made
    except NoContainersError as error:
        pytest.skip(f"{NO_CONTAINERS}: {error}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Report only once, not for each test, that containers are not available."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and NO_CONTAINERS in report.longrepr[2]:
        report.longrepr = (str(Path(__file__).parent), None, report.longrepr[2])
    return report


@pytest.fixture
def make_backend(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Backend]]:
    """Makes backends by name, and checks for leftovers of their runs."""
    made: list[Backend] = []

    def make_backend(name: str) -> Backend:
        podman = request.getfixturevalue("podman") if name == "podman" else None
        directory = tmp_path / name
        directory.mkdir()
        made.append(Backend(name, directory, os.environ if podman is None else podman.environment, podman))
        return made[-1]

    yield make_backend
    for backend in made:
        assert backend.left() == []


@pytest.fixture(params=["host", "podman"])
def backend(request: pytest.FixtureRequest, make_backend: Callable[[str], Backend]) -> Backend:
    return make_backend(request.param)


@pytest.fixture
def run_once(shared_directory: Path) -> Callable[[str, Callable[[], FinishedRun]], FinishedRun]:
    """Runs a named function once for all processes of this test run; returns its result."""

    def run_once(name: str, run: Callable[[], FinishedRun]) -> FinishedRun:
        path = shared_directory / f"{name}.json"
        with open(path, "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            if text:
                return FinishedRun(**json.loads(text))
            finished = run()
            json.dump(vars(finished), file)
            return finished

    return run_once
