"""Steps that share a container (docs/packing.md) in a cluster: what names them there."""

import json
import re

import pytest

from monopod.runner.kubernetes.cluster import collection_path

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]


@pytest.fixture
def file(make, write):
    """Two Tasks of two Steps each, all in one container: the first Task is retried, the last Step fails."""

    def task(name, *scripts, **fields):
        steps = [{"name": f"s{n}", "image": "busybox", "script": script} for n, script in enumerate(scripts)]
        return {**make.task(name, "", **fields), "taskSpec": {"steps": steps}}

    again = "printf 'try '; test $(context.task.retry-count) = 1 && echo done"
    return write(
        make.run(
            task("one", "echo zero", again, retries=1),
            task("two", "printf 'no newline'", "echo '==> two/s0 <=='; exit 3", after=["one"]),
        )
    )


def log(cluster, container):
    """Return the log of a container of the Pod `build`, as `kubectl logs` prints it, with each mark as MARK."""
    with cluster.stream(f"{collection_path('pods', 'ci')}/build/log", [("container", container)]) as stream:
        return re.sub("\x1emonopod [0-9a-f]{32}\n", "MARK\n", b"".join(stream.pieces()).decode())


def test_kubectl_logs_names_the_step_before_its_output(monopod, cluster, file):
    ran = monopod("run", "-f", file, "--context", "test", "--pack", "--keep", "always", "--no-record")
    assert ran.code == 1, ran.err
    assert log(cluster, "one-s0") == (
        "==> one/s0 <==\nzero\nMARK\n\n==> one/s1 <==\ntry MARK\n\n"
        "==> one/s0 (attempt 2) <==\nzero\nMARK\n\n==> one/s1 (attempt 2) <==\ntry done\nMARK\n\n"
        "==> two/s0 <==\nno newlineMARK\n\n==> two/s1 <==\n==> two/s0 <==\nMARK\n"
    )
    assert monopod("logs", "build", "two/s1", "--context", "test").out == "==> two/s0 <==\n"
    whole = monopod("logs", "build", "--context", "test").out
    assert [line for line in whole.splitlines() if "==>" in line] == ["[two : s1] ==> two/s0 <=="]


def test_kubectl_logs_names_attempts_combinations_and_sidecars(monopod, cluster, make, write):
    """In containers that they share though nothing is packed. What runs once in its container has no title."""
    say = {"name": "say", "image": "busybox"}
    again = {**say, "script": "echo $(context.task.retry-count); test $(context.task.retry-count) = 1"}
    proxy = {"name": "proxy", "image": "busybox", "script": "echo serving; exec sleep 1000"}
    task = {"params": [{"name": "os"}], "steps": [{**say, "script": "echo '==> of a Step <=='; echo $(params.os)"}]}
    matrix = {"params": [{"name": "os", "value": ["a", "b"]}]}
    file = write(
        make.run(
            {**make.task("again", "", retries=1), "taskSpec": {"steps": [again], "sidecars": [proxy]}},
            {**make.task("each", "", matrix=matrix, after=["again"]), "taskSpec": task},
            make.task("once", "echo once", after=["each"]),
        )
    )
    options = ["--context", "test", "--max-concurrency", "1", "--keep", "always", "--no-record"]
    ran = monopod("run", "-f", file, *options)
    assert ran.code == 0, ran.err
    assert log(cluster, "again-say") == "==> again/say <==\n0\nMARK\n\n==> again/say (attempt 2) <==\n1\nMARK\n"
    assert log(cluster, "again-sidecar-proxy") == (
        "==> again/proxy <==\nserving\nMARK\n\n==> again/proxy (attempt 2) <==\nserving\nMARK\n"
    )
    assert log(cluster, "each-0-say") == (
        "==> each[0]/say <==\n==> of a Step <==\na\nMARK\n\n==> each[1]/say <==\n==> of a Step <==\nb\nMARK\n"
    )
    assert log(cluster, "once-act") == "once\nMARK\n"
    whole = ran.out + monopod("logs", "build", "--context", "test").out
    assert {line for line in whole.splitlines() if "==>" in line} == {
        "[each[os=a] : say] ==> of a Step <==", "[each[os=b] : say] ==> of a Step <==",
    }  # fmt: skip
    assert monopod("logs", "build", "again/proxy", "--context", "test").out == "serving\nserving\n"


def test_output_status_and_logs_name_the_step(monopod, api, file):
    ran = monopod("run", "-f", file, "--context", "test", "--pack")
    assert ran.code == 1, ran.err
    created = next(item for _, resource, kind, item in api.history if (resource, kind) == ("pods", "ADDED"))
    assert [container["name"] for container in created["spec"]["containers"]] == ["one-s0"]
    shown = [line for line in ran.out.splitlines() if line.startswith("[") and " : " in line]
    assert shown == [
        *("[one : s0] zero", "[one : s1] try", "[one : s1] exit code 1"),
        *("[one : s0] zero", "[one : s1] try done"),
        *("[two : s0] no newline", "[two : s1] ==> two/s0 <==", "[two : s1] exit code 3"),
    ]
    assert monopod("logs", "build", "one/s1", "--attempt", "2", "--context", "test").out == "try done\n"
    assert monopod("logs", "build", "two/s0", "--context", "test").out == "no newline\n"
    document = json.loads(monopod("status", "build", "--context", "test", "-o", "json").out)
    failed = document["status"]["taskRuns"]["build-two"]["status"]["steps"]
    assert [step["terminated"]["exitCode"] for step in failed] == [0, 3]


def test_only_the_step_that_is_held_is_released(start_monopod, monopod, file):
    run = start_monopod("run", "-f", file, "--context", "test", "--pack", "--debug=two/s0")
    assert any("[two : s0] held before it starts" in line for line in run.stdout)
    refused = monopod("continue", "build", "one/s0", "--context", "test")
    assert (refused.code, refused.err) == (2, "monopod continue: no Step is held in 'one/s0'; these are: two/s0\n")
    released = monopod("fail", "build", "two/s0", "--context", "test")
    assert (released.code, released.out) == (0, "Failing two/s0 of run 'build'\n"), released.err
    assert run.wait(300) == 1
