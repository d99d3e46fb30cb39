"""The coordinator and the real entrypoint, a process for each container, run whole Plans together."""

import signal
import subprocess

import pytest
from processes import PATIENCE, Pod, of, task

from monopod.schemas.plan import Param, Probe, ResultDeclaration, Sidecar, Slot, Step, Task
from monopod.schemas.run_events import (
    CANNOT_CONTINUE,
    RunFinished,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def pod(tmp_path, request):
    made = []

    def make(*tasks, **options):
        made.append(Pod(tmp_path / str(len(made)), *tasks, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "0"


@pytest.fixture
def diamond(root):
    """a, then b and c with a Result of a, then d."""
    digest = (ResultDeclaration("digest"),)
    hand_on = {"params": (Param("digest", "$(tasks.a.results.digest)"),), "after": ("a",), "result_sources": ("a",)}
    write = "printf sha256:1 > {root}/slots/a/tekton/results/digest"
    return (
        task(root, "a", [write, "exit 0"], results=digest),
        task(root, "b", 'test "$(params.digest)" = sha256:1 || exit 9', **hand_on),
        task(root, "c", ["exit 0", "exit 0"], **hand_on),
        task(root, "d", "exit 0", after=("b", "c")),
    )


@pytest.mark.parametrize("doorbells", [True, False])
def test_success(pod, diamond, doorbells):
    pod = pod(*diamond)
    if not doorbells:
        for name in pod.containers:
            (pod.control(name) / "bell").write_text("no FIFO")
            (pod.control(name) / "ring").write_text("no FIFO")
    pod.start()
    events = list(pod.events())
    assert of(events, TaskFinished)[0].task == "a"
    assert {event.status for event in of(events, TaskFinished)} == {"Succeeded"}
    assert len(of(events, StepFinished)) == 6
    assert events[-1].status == "Succeeded"
    assert events[-1].document["metadata"] == {"name": "ci-1", "namespace": "team", "uid": "u"} | {"name": "x"}
    assert set(pod.exit_codes().values()) == {0}
    assert pod.end() == 0


def test_failure(pod, root):
    pod = pod(
        task(root, "bad", ["exit 3", "exit 0"]),
        task(root, "next", "exit 0", after=("bad",)),
        task(root, "nothing", "exit 0"),
    )
    pod.start()
    events = list(pod.events())
    assert {event.task: event.status for event in of(events, TaskFinished)}["bad"] == "Failed"
    assert [event.task for event in of(events, TaskSkipped)] == ["next"]
    assert events[-1].status == "Failed"
    codes = pod.exit_codes()
    assert codes["bad"] == 3
    assert codes["next"] == 0
    assert pod.end() == 1


def test_closing_step_runs_after_a_failure(pod, root):
    plan = task(root, "test", ["exit 3", "exit 0", "echo closed > {root}/closed"])
    closing = plan.steps[-1]._replace(always=True)
    pod = pod(plan._replace(steps=(*plan.steps[:-1], closing)))
    pod.start()
    events = list(pod.events())
    assert [(event.step, event.reason) for event in of(events, StepFinished)] == [
        ("s0", "Error"),
        ("s1", "Skipped"),
        ("s2", "Completed"),
    ]
    assert (root / "closed").read_text() == "closed\n"
    assert [(event.reason, event.message) for event in of(events, TaskFinished)] == [
        ("StepFailed", '"step-s0" exited with code 3: Error')
    ]
    assert pod.exit_codes() == {"test": 3, "test-1": 0, "test-2": 0}
    assert pod.end() == 1


def test_log_for_a_person(pod, root):
    pod = pod(task(root, "build", "exit 3"), form="human")
    pod.start()
    lines = []
    for line in pod.lines():
        lines.append(line)
        if "run Failed" in line:
            break
    words = [" ".join(line.split()[2:]) for line in lines]
    assert words[0] == "run ci-1 started in namespace team"
    assert "build started" in words
    assert any(line.startswith("build Failed after ") for line in words)
    assert pod.end() == 1


def test_missing_program(pod, root):
    broken = Task("a", steps=(Step("s", command=("/no/such/program",)),), slots=(Slot("a", ("a",)),))
    pod = pod(broken)
    pod.start()
    (step,) = of(list(pod.events()), StepFinished)
    assert step.exit_code == 127
    assert "/no/such/program: No such file or directory" in step.message


def test_killed_entrypoint_ends_its_task(pod, root):
    pod = pod(task(root, "a", "kill -9 $PPID"), task(root, "b", "exit 0"))
    pod.start()
    events = list(pod.events())
    assert {event.task: event.status for event in of(events, TaskFinished)}["a"] == "Failed"
    assert "killed" in {event.task: event.message for event in of(events, StepFinished)}["a"]
    assert pod.exit_codes()["a"] == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_cancels_the_run(pod, root, number):
    pod = pod(task(root, "a", "trap 'exit 7' TERM; while :; do sleep 0.01; done"), task(root, "b", "exit 0", after="a"))
    pod.start()
    events = []
    for event in pod.events():
        events.append(event)
        if isinstance(event, StepStarted):
            pod.coordinator.send_signal(number)
        if isinstance(event, RunFinished) and number == signal.SIGINT:
            pod.coordinator.send_signal(signal.SIGTERM)  # it would stay
    assert events[-1].status == "Cancelled"
    assert pod.coordinator.wait(PATIENCE) == 1
    assert set(pod.exit_codes()) == {"a", "b"}


def test_second_coordinator_is_refused(pod, root):
    pod = pod(task(root, "a", "exit 0"))
    pod.start_coordinator()
    next(pod.events())
    second = subprocess.run(pod.command, capture_output=True, text=True, check=False)
    assert second.returncode == CANNOT_CONTINUE
    assert second.stderr == f"coordinator: {root}/state/journal: another coordinator is running this Pod\n"


@pytest.mark.parametrize("kills", [[1], [5, 2], [3, 1, 2, 4]])
def test_killed_coordinator_continues_and_no_step_runs_twice(pod, root, kills):
    """It is killed repeatedly, after some number of reported lines, while Steps keep running."""
    count = "echo {name} >> {root}/counted"
    tasks = [
        task(root, name, [count.replace("{name}", f"{name}{step}") for step in range(2)], after=after)
        for name, after in (("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b", "c")))
    ]
    pod = pod(*tasks)
    pod.start()
    seen = []
    for kill_after in kills:
        seen += [event for event, _ in zip(pod.events(), range(kill_after), strict=False)]
        pod.coordinator.kill()
        pod.coordinator.wait()
        pod.start_coordinator()
    seen += pod.events()
    assert seen[-1].status == "Succeeded"
    counted = (root / "counted").read_text().split()
    assert sorted(counted) == [f"{name}{step}" for name in "abcd" for step in range(2)]
    assert set(pod.exit_codes().values()) == {0}
    assert pod.end() == 0


def test_coordinator_killed_before_a_retry_waits_on(pod, root):
    script = "echo once more >> {root}/tried; test $(context.task.retry-count) = 1"
    pod = pod(task(root, "flaky", script, retries=1, retry_delay=0.5))
    pod.start()
    for event in pod.events():
        if isinstance(event, TaskFinished):
            break
    assert (event.will_retry, event.retry_delay) == (True, 0.5)
    pod.coordinator.kill()
    pod.coordinator.wait(PATIENCE)
    pod.start_coordinator()
    events = list(pod.events())
    assert events[-1].status == "Succeeded"
    (second,) = (each for each in of(events, TaskStarted) if each.attempt == 1)
    assert second.at >= event.at + event.retry_delay
    assert (root / "tried").read_text() == "once more\n" * 2
    assert pod.exit_codes() == {"flaky": 0}
    assert pod.end() == 0


def test_coordinator_killed_after_the_end_repeats_the_end(pod, root):
    pod = pod(task(root, "a", "exit 3"))
    pod.start()
    assert list(pod.events())[-1].status == "Failed"
    pod.coordinator.kill()
    pod.coordinator.wait()
    pod.start_coordinator()
    assert list(pod.events())[-1].status == "Failed"
    assert pod.end() == 1


@pytest.mark.parametrize(
    "forge",
    [
        "ln -s /etc/passwd {root}/steps/a/exited.1",
        "head -c 10000000 /dev/zero > {root}/x; mv {root}/x {root}/steps/a/exited.1",
        "echo code=nine > {root}/x; mv {root}/x {root}/steps/a/exited.1",
        "echo code=0 > {root}/x; mv {root}/x {root}/steps/a/exited.1",
    ],
)
def test_exit_forged_by_a_step_is_ignored(pod, root, forge):
    """The entrypoint holds the lock of `run.1` until the Step is dead, and then writes the real exit."""
    pod = pod(task(root, "a", f"{forge}; echo >> {{root}}/steps/a/ring; exit 3"), task(root, "b", "exit 0"))
    pod.start()
    events = list(pod.events())
    finished = {event.task: event.status for event in of(events, TaskFinished)}
    assert finished["a"] == "Failed"
    assert {event.task: event.exit_code for event in of(events, StepFinished)}["a"] == 3
    assert finished["b"] in ("Succeeded", "Cancelled")
    assert pod.end() == 1


@pytest.mark.parametrize(
    ("write", "words"),
    [
        ("ln -s /etc/passwd {results}/digest", "is a symbolic link"),
        ("mkfifo {results}/digest", "is not a regular file"),
        ("mkdir {results}/digest", "is not a regular file"),
        ("rmdir {results}; ln -s /etc {results}", "has something other than a directory on its path"),
    ],
)
def test_invalid_result_fails_its_task(pod, root, write, words):
    script = write.replace("{results}", "{root}/slots/a/tekton/results")
    pod = pod(task(root, "a", script, results=(ResultDeclaration("digest"),)))
    pod.start()
    (finished,) = of(list(pod.events()), TaskFinished)
    assert finished.status == "Failed"
    assert f"/tekton/results/digest {words}" in finished.message


def test_attempt_sees_no_files_of_the_previous_attempt(pod, root):
    script = "cd {root}/slots/a/tekton; touch {root}/tried; test ! -e home/old || exit 5; touch home/old results/digest"
    script += "; test -e {root}/again || { touch {root}/again; exit 1; }"
    pod = pod(task(root, "a", script, retries=1))
    pod.start()
    events = list(pod.events())
    assert [event.status for event in of(events, TaskFinished)] == ["Failed", "Succeeded"]


@pytest.mark.parametrize("success_threshold", [1, 3])
def test_sidecar_is_ready_before_the_first_step(pod, root, success_threshold):
    program = "sleep 0.2; touch {root}/ready; trap 'exit 0' TERM; while :; do sleep 0.01; done"
    probe = Probe(command=("test", "-e", f"{root}/ready"), success_threshold=success_threshold)
    steps = task(root, "a", "test -e {root}/ready")
    sidecar = Sidecar(Step("server", command=("/bin/sh", "-c", program.replace("{root}", str(root)))), probe)
    plan = Task("a", steps=steps.steps, sidecars=(sidecar,), slots=(Slot("a", ("a",), ("server",)),))
    pod = pod(plan)
    pod.start()
    events = list(pod.events())
    assert events[-1].status == "Succeeded"
    assert pod.exit_codes() == {"a": 0, "server": 0}
    requests = [path.name for path in pod.control("server").iterdir() if path.name.startswith("run.")]
    assert len(requests) > success_threshold


def test_no_temporary_file_is_left(pod, diamond):
    pod = pod(*diamond)
    pod.start()
    list(pod.events())
    pod.exit_codes()
    pod.end()
    hidden = [path for path in pod.root.rglob(".*") if path.is_file()]
    assert not hidden
