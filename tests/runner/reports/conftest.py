"""Recorded runs to report: a run that failed in many ways, and hostile output."""

import pytest
from recorded import recorded_run

from monopod.schemas.plan import Matrix, Param, Sidecar, Step

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</pre></details><img src=x onerror='window.hacked = 1'>",
    "--></style><script>window.hacked = 1</script>",
    "\x1b[31m<b>red</b>\x1b[0m &amp; \x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
    "\x00\x01\x08\x0b\x0c\x1b[2J\x1b[1;1H\u202eevil\u2028next\uffff",
    "]]> <![CDATA[ \x1b[38;5;196mbright\x1b[48;2;1;2;3m\x1b[7m",
    '"onclick="window.hacked=1" \' ` ${window.hacked=1}',
]


def _with_sidecar(task, name):
    (slot,) = task.slots
    slot = slot._replace(sidecars=(f"{slot.name}-{name}",))
    return task._replace(sidecars=(Sidecar(Step(name)),), slots=(slot,))


@pytest.fixture(scope="session")
def a_run(sample):
    """A Plan and its events: a failure, a retry, a matrix, skipped Tasks, finally, hostile names and values."""
    plan = sample.plan(
        sample.task("clone", "fetch", params=(Param("url", "$(params.url)"), Param("list", ("a", "$(params.url)")))),
        _with_sidecar(sample.task("unit-tests", "install", "pytest", "coverage", after=("clone",)), "database"),
        sample.task("scan", "run", after=("clone",), index_count=2)._replace(matrix=Matrix(pinned=True)),
        sample.task("flaky", "try", after=("clone",), retries=1),
        sample.task("docs", "build", after=("clone",)),
        sample.task("deploy", "push", after=("unit-tests", "scan")),
        final=[sample.task("report", "print")],
    )
    url = Param("url", "https://example.org/<script>window.hacked=1</script>\"'&")
    plan = plan._replace(
        pipeline=plan.pipeline._replace(name="<b>shop</b>", params=(url,)),
        document={"kind": "PipelineRun"},
    )
    output = "".join(f"{line}\n" for line in HOSTILE).encode(errors="replace")
    feed = [
        sample.run_started("shop-x7k2p"),
        sample.task_started("clone", 0.2),
        sample.step_started("clone", "fetch", 0.2),
        ("clone-fetch", b"Cloning into 'source'...\n"),
        sample.step_finished("clone", "fetch", 1.4),
        sample.task_finished("clone", 1.4),
        sample.task_started("unit-tests", 1.5),
        sample.step_started("unit-tests", "install", 1.5),
        sample.task_started("scan", 1.5, index=0, language="<i>go</i>"),
        sample.step_started("scan", "run", 1.5, index=0),
        sample.task_started("scan", 1.6, index=1, language="python"),
        sample.step_started("scan", "run", 1.6, index=1),
        sample.task_started("flaky", 1.6),
        sample.step_started("flaky", "try", 1.6),
        sample.task_skipped("docs", 1.6),
        ("unit-tests-install", b"".join(b"package %d\n" % number for number in range(1000))),
        sample.step_finished("unit-tests", "install", 2.5),
        sample.step_started("unit-tests", "pytest", 2.5),
        ("unit-tests-pytest", output),
        ("unit-tests-database", b"ready to accept connections\n"),
        ("flaky-try", b"no luck\n"),
        sample.step_finished("flaky", "try", 2.6, code=137, reason="OOMKilled", message="out of memory, <limit> 512Mi"),
        sample.task_finished("flaky", 2.6, "Failed", will_retry=True),
        sample.task_started("flaky", 2.6, attempt=1),
        sample.step_started("flaky", "try", 2.6, attempt=1),
        ("flaky-try", b"better\n"),
        sample.step_finished("flaky", "try", 3.6, attempt=1),
        sample.task_finished("flaky", 3.6, attempt=1),
        sample.step_finished("scan", "run", 3.0, index=0),
        sample.task_finished("scan", 3.0, index=0),
        sample.step_finished("scan", "run", 3.1, index=1),
        sample.task_finished("scan", 3.1, index=1),
        sample.step_finished("unit-tests", "pytest", 9.6, code=1),
        sample.step_finished("unit-tests", "coverage", 9.6, reason="Skipped", code=1),
        sample.task_finished("unit-tests", 9.7, "Failed", message='"step-pytest" exited with code <1>'),
        sample.task_skipped("deploy", 9.7, "PipelineRun was stopping"),
        sample.task_started("report", 9.8),
        sample.step_started("report", "print", 9.8),
        ("report-print", "état: Failed\n".encode()),
        sample.step_finished("report", "print", 9.9),
        sample.task_finished("report", 9.9),
        sample.run_finished(
            10,
            "Failed",
            message="Tasks Completed: 6 (Failed: 1, Cancelled 0), Skipped: 2",
            results=[{"name": "commit", "value": "</script><script>window.hacked=1</script>"}],
            taskRuns={
                "shop-x7k2p-clone": {
                    "pipelineTaskName": "clone",
                    "status": {"results": [{"name": "files", "type": "array", "value": ["a", "b"]}]},
                }
            },
        ),
    ]
    return plan, feed


@pytest.fixture(scope="session")
def run(a_run, tmp_path_factory):
    return recorded_run(tmp_path_factory.mktemp("record"), *a_run, files=("a&b.yaml",))
