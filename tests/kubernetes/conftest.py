"""An API server, with and without a kubelet that really runs the Pods, and monopod's commands against it."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
import yaml
from api_server import ApiServer
from coordinator_log import NAMESPACE, Coordinator
from following import Following
from group_engines import compiled_groups, run_pod  # noqa: F401  # fixtures
from host_kubelet import HostKubelet
from registry_server import registry, start_registry  # noqa: F401  # fixtures

from monopod.compiler.compilation import compile_runs
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.runner.command_line import main
from monopod.runner.kubernetes.cluster import connect


@pytest.fixture(autouse=True)
def _records_of_the_test(tmp_path_factory, monkeypatch):
    """Without records of other tests: a recorded run is read from its record, not from the cluster."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture
def api():
    """An API server on which nothing runs."""
    server = ApiServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def kubelet(api):
    """Runs the Pods of the API server for real."""
    kubelet = HostKubelet()
    api.kubelet, api.exec_result, api.exec_start = kubelet, kubelet.execute, kubelet.start_command
    return kubelet


@pytest.fixture
def kubeconfig(api, tmp_path, monkeypatch):
    """A kubeconfig with the context ``test`` for the API server."""
    path = tmp_path / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": api.url}}],
        "users": [{"name": "jane", "user": {"token": "t0ken"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "jane", "namespace": NAMESPACE}}],
    }
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.fixture
def cluster(kubeconfig):
    with connect("test") as cluster:
        yield cluster


@dataclass
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def monopod(kubeconfig, monkeypatch, capsys):
    """Runs a command of monopod's in this process."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["monopod", *map(str, words)])
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


PROGRAM = """\
import sys
from monopod.runner.program import main
sys.exit(main())
"""


@pytest.fixture
def start_monopod(kubeconfig, api):
    """Starts a command of monopod's as a process."""
    processes = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def write(tmp_path):
    """Writes a file with documents and returns its path."""

    def write(*documents, name="run.yaml"):
        path = tmp_path / name
        path.write_text("---\n".join(each if isinstance(each, str) else yaml.safe_dump(each) for each in documents))
        return path

    return write


def task(name, script, after=(), **fields):
    step = {"name": "act", "image": "busybox", "script": script}
    return {"name": name, "runAfter": list(after), "taskSpec": {"steps": [step]}, **fields}


def pipeline_run(*tasks, final=(), name="build", **fields):
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": name},
        "spec": {"pipelineSpec": {"tasks": list(tasks), "finally": list(final)}, **fields},
    }


@pytest.fixture(scope="session")
def make():
    """Makes PipelineRuns and their Tasks."""

    class Make:
        task = staticmethod(task)
        run = staticmethod(pipeline_run)

    return Make


@pytest.fixture
def compiled(write):
    """The compiled Pod of a PipelineRun."""

    def compiled(document, **options):
        options = {"log_format": "json", **options}
        (compilation,) = compile_runs(load([str(write(document))]), Options(**options))
        return compilation

    return compiled


@pytest.fixture
def coordinator(api):
    return lambda name="build": Coordinator(api, name, 1_800_000_000.0)


@pytest.fixture(scope="session")
def waiting():
    """The status of a container that waits."""
    return lambda name, reason, message="", **fields: {
        "name": name,
        "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
        **fields,
    }


@pytest.fixture(scope="session")
def terminated():
    """The status of a container that ended."""
    return lambda name, code, reason, message="": {
        "name": name,
        "restartCount": 0,
        "state": {
            "terminated": {
                "exitCode": code,
                "reason": reason,
                "message": message,
                "startedAt": "2026-01-01T00:00:00Z",
                "finishedAt": "2026-01-01T00:00:01Z",
            }
        },
    }


@pytest.fixture
def follow(api, cluster, compiled, make):
    def follow(*tasks, start_timeout=3600, name="build"):
        document = make.run(*(tasks or [make.task("build", "true")]), name=name)
        return Following(api, cluster, compiled(document), start_timeout)

    return follow
