"""A coordinator that is killed at any point of its journal and restarted: the run ends as if nothing had happened.

The normal suite kills at each entry of the journal, at a point that changes from entry to entry. All points at all
entries on demand:

    MONOPOD_EVERY_POINT=1 pytest -n auto tests/faults/test_killed_coordinator.py
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import killed_coordinator
import pytest
from killed_coordinator import POINTS
from processes import PATIENCE, Pod, task

from monopod.schemas.plan import Matrix, Param, Probe, ResultDeclaration, Sidecar, Slot, Step, Task, WhenExpression
from monopod.schemas.run_events import RunFinished

pytestmark = pytest.mark.slow

EVERY_POINT = bool(os.environ.get("MONOPOD_EVERY_POINT"))
ENTRIES = 35
"""More than a run has; the test of a number beyond its end only sees a run without a fault."""
SURELY = 26
"""How many there are at least."""
PARTS = 2
AT_A_TIME = 6
"""How many runs: they mostly wait."""


def everything(root: Path) -> tuple[list[Task], tuple[Task, ...]]:
    """A Pipeline that uses all features. Each Step records that it runs."""
    count = "echo {task}-{step} >> {root}/counted; "

    def made(name, *scripts, **fields):
        texts = [
            count.replace("{task}", name).replace("{step}", str(number)) + script
            for number, script in enumerate(scripts)
        ]
        return task(root, name, texts, **fields)

    def result(name, text):
        return f"printf '{text}' > {{root}}/slots/{name}/tekton/results/out; "

    array = ResultDeclaration("out", "array")
    first = made("first", "exit 0", result("first", '["x", "y", "z"]'), results=(array,))
    flaky = made("flaky", "exit 0", 'test "$(context.task.retry-count)" = 1', retries=1, after=("first",))
    skipped = made("skipped", "exit 0", when=(WhenExpression(cel="'a' == 'b'"),), after=("flaky",))
    late = made("late", "trap 'exit 0' TERM; while :; do sleep 0.01; done", timeout=0.3, on_error="continue")
    fan = made(
        "fan",
        "echo $(params.k) >> {root}/counted",
        matrix=Matrix((Param("k", "$(tasks.first.results.out[*])"),)),
        after=("first",),
        result_sources=("first",),
    )
    fan = fan._replace(slots=(Slot("fan", ("fan",)), Slot("fan2", ("fan2",))))
    served = made("served", "exit 0", "exit 3", on_error="continue", after=("fan",))
    program = "touch {root}/ready; trap 'exit 0' TERM; while :; do sleep 0.01; done".replace("{root}", str(root))
    probe = Probe(command=("test", "-e", f"{root}/ready"))
    server = Sidecar(Step("server", command=("/bin/sh", "-c", program)), probe)
    served = served._replace(sidecars=(server,), slots=(Slot("served", ("served", "served-1"), ("server",)),))
    report = made("report", "echo $(tasks.served.status) $(tasks.status) >> {root}/counted")
    return [first, flaky, skipped, late, fan, served], (report,)


def outcome(finished: RunFinished) -> dict:
    """Return the parts that do not depend on time: how the run, its Tasks and their Steps ended.

    The timeout of `late` keeps running while the coordinator is dead, so its Step may never run.
    """
    status = finished.document["status"]
    return {
        "conditions": [(each["status"], each["reason"], each["message"]) for each in status["conditions"]],
        "skipped": status["skippedTasks"],
        "tasks": {
            run["pipelineTaskName"] + name.rpartition("-")[2]: (
                run["status"]["conditions"][0]["reason"],
                [step["terminated"]["exitCode"] for step in run["status"]["steps"]] if name != "ci-1-late" else None,
                run["status"].get("results"),
                len(run["status"].get("retriesStatus", ())),
            )
            for name, run in status["taskRuns"].items()
        },
    }


def run_to_the_end(root: Path, point: str = "reported", number: str = "0") -> tuple[dict, Counter, int]:
    """Run it with a kill at this point; return the outcome, the runs of each Step, and the number of kills."""
    tasks, final = everything(root)
    pod = Pod(root, *tasks, final=final)
    pod.program = [killed_coordinator.__file__, point, number]
    kills = 0
    try:
        pod.start()
        while True:
            events = list(pod.events())
            if events and isinstance(events[-1], RunFinished):
                break
            assert pod.coordinator.wait(PATIENCE) == -9
            kills += 1
            if number != "each":
                pod.program[2] = "0"
            pod.start_coordinator()
        codes = pod.exit_codes()
        assert pod.end() in (0, -9)
        assert set(codes.values()) == {0}, codes
        counted = Counter((root / "counted").read_text().split())
        assert counted.pop("late-0", 1) == 1
        return outcome(events[-1]), counted, kills
    finally:
        pod.kill()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The outcome without a kill, which is checked first."""
    ended, counted, _ = run_to_the_end(tmp_path_factory.mktemp("calm") / "0")
    assert ended["conditions"][0][:2] == ("True", "Completed")
    assert [each["name"] for each in ended["skipped"]] == ["skipped"]
    ran_once = ["first-0", "first-1", *"xyz", "served-0", "served-1", "report-0"]
    assert counted == Counter({**dict.fromkeys(ran_once, 1), "flaky-0": 2, "flaky-1": 2, "fan-0": 3, "Failed": 2})
    return ended, counted


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("point", POINTS if EVERY_POINT else ["any"])
def test_killed_at_each_entry(tmp_path, expected, part, point):
    def run(number):
        where = POINTS[number % len(POINTS)] if point == "any" else point
        return number, where, *run_to_the_end(tmp_path / str(number), where, str(number))

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for number, where, ended, counted, kills in pool.map(run, range(1 + part, 1 + ENTRIES, PARTS)):
            assert (ended, counted) == expected, f"{where} {number}"
            assert kills == 1 or number > SURELY, f"{where} {number}"


@pytest.mark.parametrize("point", POINTS[1:] if EVERY_POINT else ["begun"])
def test_killed_after_each_entry_of_one_run(tmp_path, expected, point):
    ended, counted, kills = run_to_the_end(tmp_path / "0", point, "each")
    assert (ended, counted) == expected
    assert kills > SURELY - 5
