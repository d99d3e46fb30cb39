"""Following a Pod to its end: what is read in which order, how a run is cancelled, and what is taken for its outcome.

The Pod here is a script: each time it is looked at it goes one step on. The real thing is in test_run_on_host.py.
"""

import io
import os
import signal

import pytest

from monopod.runner.display_plain import PlainDisplay
from monopod.runner.follow import Follower
from monopod.runner.host.events import (
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    PodFinished,
    PodWarning,
)
from monopod.runner.run import CANCELLING, KILLING, Run
from monopod.schemas.run_events import to_line


def told(*events):
    """What the coordinator writes."""
    return ContainerOutput("coordinator", "stdout", "".join(to_line(event) + "\n" for event in events).encode())


def finished(phase="Succeeded", **status):
    return PodFinished({"phase": phase, **status})


class ScriptedPod:
    """Tells of the events of a script, a round at a time. A number in it is a signal that the runner gets."""

    def __init__(self, rounds, written, wake_up):
        self.rounds = list(rounds)
        self.written = written
        self.wake_up = wake_up
        self.asked = []
        self.bell, self.bell_end = os.pipe()
        os.write(self.bell_end, b"x")  # there is always something to tell

    def fileno(self):
        return self.bell

    def events(self, timeout):
        assert timeout == 0
        for event in self.rounds.pop(0):
            if isinstance(event, int):
                os.write(self.wake_up, bytes([event]))
            else:
                yield event

    def drain(self, container):
        return [ContainerOutput(container, "stdout", data) for data in self.written.pop(container, [])]

    def signal(self, container, number):
        self.asked.append((container, number))

    def kill(self):
        self.asked.append("kill")

    def close(self):
        os.close(self.bell)
        os.close(self.bell_end)


@pytest.fixture
def follow(story):
    """Follows a scripted Pod; returns what was shown, the run, and the Pod."""

    def follow(*rounds, written=None):
        reader, writer = os.pipe()
        pod = ScriptedPod(rounds, written or {}, writer)
        stream = io.StringIO()
        follower = Follower(story.plan(story.task("build", "make")))
        run = Run(pod, follower, PlainDisplay(stream, follower, colours=False))
        names = list(run.follow(reader))
        pod.close()
        os.close(reader)
        os.close(writer)
        return stream.getvalue().splitlines(), run.outcome(), pod, names

    return follow


@pytest.fixture
def whole(story):
    """The events of a run that succeeds."""
    return [
        story.run_started("build-1"),
        story.task_started("build", 1),
        story.step_started("build", "make", 1),
        story.step_finished("build", "make", 2),
        story.task_finished("build", 2),
        story.run_finished(2),
    ]


SHOWN = [
    "Run build-1 started in namespace default",
    "[build] started",
    "[build : make] text",
    "[build] Succeeded in 1.0s",
]


def test_what_a_step_wrote_is_shown_before_its_end(follow, whole):
    shown, outcome, _, names = follow([told(*whole)], [finished()], written={"build-make": [b"te", b"xt\n"]})
    assert shown == SHOWN
    assert (outcome.status, outcome.exit_code) == ("Succeeded", 0)
    assert names == ["build-1"]


def test_events_may_come_in_any_pieces(follow, whole):
    data = told(*whole).data
    pieces = [ContainerOutput("coordinator", "stdout", data[start : start + 7]) for start in range(0, len(data), 7)]
    shown, outcome, *_ = follow(*([piece] for piece in pieces), [finished()], written={"build-make": [b"text"]})
    assert shown == SHOWN
    assert outcome.exit_code == 0


def test_other_words_of_the_coordinator_are_shown_too(follow, whole):
    shown, *_ = follow(
        [
            ContainerOutput("coordinator", "stdout", b"not JSON\n"),
            ContainerOutput("coordinator", "stderr", b"oh dear\n"),
            PodWarning("limits are not enforced"),
        ],
        [finished()],
    )
    assert shown == ["[coordinator] not JSON", "[coordinator] oh dear", "warning: limits are not enforced"]


def test_without_an_outcome_it_has_failed(follow, whole):
    ended = ContainerTerminated("coordinator", 0, 137, 9, "Error", "", 1.0, 2.0)
    _, outcome, *_ = follow([told(*whole[:-1])], [ended, finished("Failed")])
    assert outcome.exit_code == 1
    assert outcome.message == (
        "the coordinator did not tell how the run ended: it ended with exit code 137: ended by SIGKILL"
    )
    _, outcome, *_ = follow([finished("Failed", message="the Pod's sandbox was killed")])
    assert outcome.message == "the coordinator did not tell how the run ended: the Pod's sandbox was killed"


def test_a_success_that_the_pod_denies_is_a_failure(follow, whole):
    _, outcome, *_ = follow([told(*whole)], [finished("Failed")])
    assert outcome.exit_code == 1
    assert "the phase of its Pod is Failed" in outcome.message


def test_a_failure_stays_one_whatever_the_pod_says(follow, whole, story):
    _, outcome, *_ = follow([told(*whole[:-1], story.run_finished(3, "TimedOut", "PipelineRunTimeout"))], [finished()])
    assert (outcome.status, outcome.exit_code) == ("TimedOut", 1)


def test_the_first_interrupt_cancels_and_the_run_says_how_it_ended(follow, whole, story):
    shown, outcome, pod, _ = follow(
        [ContainerStarted("coordinator", 0, 1.0), told(*whole[:3])],
        [int(signal.SIGINT)],
        [told(story.run_finished(3, "Cancelled"))],
        [finished("Failed")],
    )
    assert shown[-1] == CANCELLING
    assert pod.asked == [("coordinator", signal.SIGTERM)]
    assert outcome.exit_code == 130


def test_the_second_interrupt_kills(follow, whole):
    shown, outcome, pod, _ = follow(
        [ContainerStarted("coordinator", 0, 1.0), told(*whole[:3])],
        [int(signal.SIGTERM), int(signal.SIGINT)],
        [finished("Failed")],
    )
    assert shown[-2:] == [CANCELLING, KILLING]
    assert pod.asked == [("coordinator", signal.SIGTERM), "kill"]
    assert outcome.exit_code == 130


@pytest.mark.parametrize("first", [[], [ContainerStarted("coordinator", 0, 1.0)]])
def test_without_a_coordinator_or_a_terminal_it_is_killed_at_once(follow, first):
    number = signal.SIGHUP if first else signal.SIGINT
    shown, outcome, pod, _ = follow(first, [int(number)], [finished("Failed")])
    assert shown == [KILLING]
    assert pod.asked == ["kill"]
    assert outcome.exit_code == 130


def test_a_run_that_succeeded_in_spite_of_an_interrupt_has_succeeded(follow, whole):
    started = ContainerStarted("coordinator", 0, 1.0)
    _, outcome, *_ = follow([started, int(signal.SIGINT)], [told(*whole)], [finished()])
    assert outcome.exit_code == 0


def test_a_container_that_cannot_be_started_is_told(follow):
    shown, *_ = follow(
        [ContainerTerminated("build-make", 0, 128, None, "StartError", "no such user", None, 2.0)], [finished()]
    )
    assert shown == ["warning: container build-make could not be started: no such user"]
