"""The thread of the coordinator that lowers the requests of its own Pod."""

import threading

import pytest

from monopod.coordinator.capacity import self_shrinking
from monopod.coordinator.capacity.own_pod import RefusedError
from monopod.coordinator.capacity.self_shrinking import TRIES, SelfShrinking
from monopod.schemas.capacity.shares import Requests, Share
from monopod.schemas.plan import Pipeline, Plan, Slot, Step, Task, decode, encode
from monopod.schemas.run_events import CapacityGivenBack, RunFinished, RunWarning, TaskFinished

NAMES = ("first", "second", "third", "last")
SHARES = (Share("first", 3000, 1500), Share("second", 2000, 1000), Share("third", 1000, 500), Share("last", 0, 0))
PENDING = {"status": {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]}}
FINISHED = RunFinished(9, "Succeeded", "Succeeded", "", {})


@pytest.fixture(autouse=True)
def _without_delay(monkeypatch):
    monkeypatch.setattr(self_shrinking, "DELAY_SECONDS", 0)
    monkeypatch.setattr(self_shrinking, "_FIRST_PAUSE", 0)


@pytest.fixture
def plan():
    """Four Tasks, one after the other."""
    after = dict(zip(NAMES[1:], NAMES, strict=False))
    tasks = (
        Task(name, after=(after[name],) if name in after else (), steps=(Step("s"),), slots=(Slot(name, (name,)),))
        for name in NAMES
    )
    return Plan(Pipeline("p", tasks=tuple(tasks)), {}, shrinkable=(Requests("cpu", SHARES),))


class Pod:
    """Answers requests: with an error, or a Pod. ``requested`` are the changes."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requested = []
        self.asked = threading.Event()

    def resize(self, spec):
        self.requested.append(spec)
        self.asked.set()
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer


class Log:
    """Keeps what is reported."""

    def __init__(self):
        self.events = []
        self.changed = threading.Condition()

    def report(self, events, *, replayed):
        with self.changed:
            self.events += [] if replayed else events
            self.changed.notify_all()

    def wait_for(self, kind, count=1):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(kind)) >= count, 60)
        return self.of(kind)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def shrink(plan, tmp_path):
    def shrink(pod):
        log = Log()
        return SelfShrinking(plan, log, pod, str(tmp_path / "requests")), log

    return shrink


def ended(name):
    return TaskFinished(1, name, None, 0, "Succeeded", "Succeeded", "")


def test_plan_carries_the_requests(plan):
    assert decode(encode(plan)).shrinkable == plan.shrinkable


def test_requests_are_lowered_when_a_task_has_ended(shrink):
    pod = Pod()
    shrinking, log = shrink(pod)
    shrinking.report([ended("first")], replayed=False)
    (given,) = log.wait_for(CapacityGivenBack)
    assert (given.cpu, given.memory) == (1.0, 0)
    assert log.events[0] == ended("first")
    assert pod.requested == [
        {
            "containers": [{"name": "first", "resources": {"requests": {"cpu": "500m"}}}],
        }
    ]


def test_restarted_coordinator_continues_from_the_lowered_requests(shrink):
    first, log = shrink(Pod())
    first.report([ended("first")], replayed=False)
    log.wait_for(CapacityGivenBack)
    pod = Pod()
    second, log = shrink(pod)
    second.report([ended("first")], replayed=True)
    second.report([ended("second")], replayed=False)
    (given,) = log.wait_for(CapacityGivenBack)
    assert given.cpu == 1.0
    requests = {each["name"]: each["resources"]["requests"]["cpu"] for each in pod.requested[0]["containers"]}
    assert requests == {"first": "167m", "second": "333m"}, "in proportion to what they had"


def test_restarted_coordinator_requests_again_what_may_not_have_been_made(shrink):
    first, log = shrink(Pod(RefusedError("killed meanwhile")))
    first.report([ended("first")], replayed=False)
    log.wait_for(RunWarning)
    pod = Pod()
    second, log = shrink(pod)
    second.report([ended("first")], replayed=True)
    assert pod.asked.wait(60)
    assert [each["containers"] for each in pod.requested] == [
        [{"name": "first", "resources": {"requests": {"cpu": "500m"}}}]
    ]
    second.report([ended("second")], replayed=False)
    assert [given.cpu for given in log.wait_for(CapacityGivenBack)] == [1.0]


def test_requests_that_were_not_kept_whole_end_it(shrink, tmp_path):
    (tmp_path / "requests").write_text('[["cpu", [["first", 3000')
    pod = Pod()
    shrinking, log = shrink(pod)
    shrinking.report([ended("first")], replayed=False)
    (warning,) = log.wait_for(RunWarning)
    assert "was not written to its end, so the present requests are not known" in warning.message
    assert pod.requested == []


def test_refusal_ends_it_with_one_warning(shrink):
    pod = Pod(RefusedError("pods is forbidden"))
    shrinking, log = shrink(pod)
    shrinking.report([ended("first")], replayed=False)
    (warning,) = log.wait_for(RunWarning)
    assert warning.message == "the requests of the Pod are not lowered any further: pods is forbidden"
    shrinking.report([ended("second"), FINISHED], replayed=False)
    assert len(pod.requested) == 1
    assert log.of(RunWarning) == [warning]


def test_request_that_may_succeed_later_is_repeated(shrink):
    later = RefusedError("too many requests", is_temporary=True)
    pod = Pod(*[later] * (TRIES - 1))
    shrinking, log = shrink(pod)
    shrinking.report([ended("first")], replayed=False)
    log.wait_for(CapacityGivenBack)
    assert len(pod.requested) == TRIES
    pod.answers = [later] * TRIES
    shrinking.report([ended("second")], replayed=False)
    assert log.wait_for(RunWarning)[0].message.endswith("too many requests")


def test_capacity_that_the_node_refuses_does_not_count(shrink):
    shrinking, log = shrink(Pod({}, PENDING))
    shrinking.report([ended("first")], replayed=False)
    log.wait_for(CapacityGivenBack)
    shrinking.report([ended("second")], replayed=False)
    assert [each.cpu for each in log.wait_for(CapacityGivenBack, 2)] == [1.0, -1.0]
    assert "Infeasible" in log.wait_for(RunWarning)[0].message


def test_change_of_an_earlier_coordinator_that_the_node_refuses_ends_it(shrink):
    first, log = shrink(Pod())
    first.report([ended("first")], replayed=False)
    log.wait_for(CapacityGivenBack)
    second, log = shrink(Pod(PENDING))
    second.report([ended("first")], replayed=True)
    second.report([ended("second")], replayed=False)
    assert "Infeasible" in log.wait_for(RunWarning)[0].message
    assert log.of(CapacityGivenBack) == []


def test_nothing_is_reported_after_the_end_of_the_run(shrink):
    was_asked, may_answer = threading.Event(), threading.Event()

    class SlowPod(Pod):
        def resize(self, spec):
            was_asked.set()
            assert may_answer.wait(60)
            return super().resize(spec)

    shrinking, log = shrink(SlowPod())
    shrinking.report([ended("first")], replayed=False)
    assert was_asked.wait(60)
    shrinking.report([FINISHED], replayed=False)
    may_answer.set()
    shrinking.thread.join(60)
    assert not shrinking.thread.is_alive()
    assert log.events == [ended("first"), FINISHED]
