"""Steps that share a container (docs/packing.md) in a cluster: what names them there."""

import json

import pytest

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
