"""Following a Pod to its end: the order of reading, cancelling, and the outcome.

The Pod here follows a script: each poll takes one step. Real Pods are tested in test_run_on_host.py and
test_cancel_on_host.py.
"""

import dataclasses
import errno
import io
import os
import signal
from typing import NamedTuple

import pytest

from monopod.runner.display.background_output import Unread
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.follow.follower import Follower
from monopod.runner.follow.ordered import Output
from monopod.runner.follow.output_order import OutputOrder
from monopod.runner.follow.pod_events import (
    ContainerNotStarted,
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    PodFinished,
    PodWarning,
)
from monopod.runner.run import (
    KILL_SECONDS,
    KILLING,
    MOST_END_SECONDS,
    NOTICES,
    OTHERS_NOTICES,
    REST_SECONDS,
    SHOWING_REST,
    SIGNALS,
    Run,
)
from monopod.schemas.run_events import RunCancelling, TaskSkipped, to_line


def reported(*events):
    """Return the coordinator's output for these events."""
    return ContainerOutput("coordinator", "stdout", "".join(to_line(event) + "\n" for event in events).encode())


def cancelling(*modes):
    """Return the coordinator's output after requests with these modes."""
    return reported(*(RunCancelling(START, mode) for mode in modes))


def finished(phase="Succeeded", **status):
    return PodFinished({"phase": phase, **status})


class ScriptedRequest:
    """A request of `monopod cancel`; the answer goes into a list."""

    def __init__(self, mode, answers):
        self.mode = mode
        self.answer = answers.append


class ScriptedRequests:
    """The requests of the script."""

    def __init__(self, pod):
        self.pod = pod
        self.bell, self.bell_end = os.pipe()
        os.write(self.bell_end, b"x")

    def fileno(self):
        return self.bell

    def requests(self):
        waiting, self.pod.waiting = self.pod.waiting, []
        return waiting

    def close(self):
        os.close(self.bell)
        os.close(self.bell_end)


class Clock:
    """The time of the runner."""

    def __init__(self):
        self.now = 0.0
        self.idle = 0.0

    def pass_(self, seconds):
        self.now += seconds


class IdleDisplay(PlainDisplay):
    """Lets idle time pass when the runner asks, after each round, for the next refresh."""

    def __init__(self, clock, *arguments):
        super().__init__(*arguments)
        self.clock = clock

    def refresh(self, now):
        self.clock.pass_(self.clock.idle)
        self.clock.idle = 0
        return super().refresh(now)


class SlowDisplay(NamedTuple):
    """Showing this round takes this many seconds."""

    seconds: float


class Idle(NamedTuple):
    """Nothing happens for this many seconds after this round."""

    seconds: float


class ScriptedPod:
    """Yields the events of a script, one round at a time.

    A number in the script is a signal to the runner, a text is the mode of a request by `monopod cancel`.
    """

    def __init__(self, rounds, written, wake_up, clock):
        self.clock = clock
        self.rounds = list(rounds)
        self.written = written
        self.wake_up = wake_up
        self.calls = []
        self.waiting = []
        self.answers = []
        self.bell, self.bell_end = os.pipe()
        os.write(self.bell_end, b"x")  # there are always events to read

    def fileno(self):
        return self.bell

    def events(self, timeout):
        assert timeout == 0
        for container in list(self.written):
            for data in self.written.pop(container):
                yield ContainerOutput(container, "stdout", data)
        for event in self.rounds.pop(0):
            if isinstance(event, int):
                os.write(self.wake_up, bytes([event]))
            elif isinstance(event, str):
                self.waiting.append(ScriptedRequest(event, self.answers))
            elif isinstance(event, SlowDisplay):
                self.clock.pass_(event.seconds)
            elif isinstance(event, Idle):
                self.clock.idle = event.seconds
            else:
                yield event

    def drain(self, container, life):
        return True

    def signal(self, container, number):
        self.calls.append((container, number))

    def end_unstarted(self):
        self.calls.append("end unstarted")

    def kill(self):
        self.calls.append("kill")

    def declare_dead(self, container, reason, message):
        self.calls.append((container, reason, message))

    def close(self):
        os.close(self.bell)
        os.close(self.bell_end)


@pytest.fixture
def follow(sample, monkeypatch):
    """Follows a scripted Pod; returns the shown lines, the outcome, the Pod, and the reported names."""

    def follow(*rounds, written=None, unread=Unread.LITTLE):
        reader, writer = os.pipe()
        clock = Clock()
        monkeypatch.setattr("monopod.runner.run.time.monotonic", lambda: clock.now)
        pod = ScriptedPod(rounds, written or {}, writer, clock)
        follow.interrupt = lambda: os.write(writer, bytes([signal.SIGINT]))
        requests = ScriptedRequests(pod)
        stream = io.StringIO()
        follower = Follower(sample.plan(sample.task("build", "make")))
        display = IdleDisplay(clock, stream, follower, LineOptions(colours=False))
        run = follow.run = Run(pod, follower, display, reader, unread if callable(unread) else lambda: unread)
        follow.clock = clock
        names = list(run.follow(requests))
        pod.close()
        requests.close()
        os.close(reader)
        os.close(writer)
        return stream.getvalue().splitlines(), run.outcome(), pod, names

    return follow


@pytest.fixture
def whole(sample):
    """The events of a run that succeeds."""
    return [
        sample.run_started("build-1"),
        sample.task_started("build", 1),
        sample.step_started("build", "make", 1),
        sample.step_finished("build", "make", 2),
        sample.task_finished("build", 2),
        sample.run_finished(2),
    ]


START = 1_700_000_000.0
SHOWN = [
    "Run build-1 started in namespace default",
    "[build] started",
    "[build : make] text",
    "[build] Succeeded in 1.0s",
]


@pytest.fixture
def order_of_work(monkeypatch):
    """What the runner does: ``read`` what has happened, or ``show`` output."""
    done = []
    read, show = ScriptedPod.events, Follower.output
    monkeypatch.setattr(ScriptedPod, "events", lambda *arguments: done.append("read") or read(*arguments))
    monkeypatch.setattr(Follower, "output", lambda *arguments: done.append("show") or show(*arguments))
    return done


PIECES = [b"x" * 9_999 + b"\n"] * 8


def test_output_is_read_before_it_is_shown(follow, whole, order_of_work, monkeypatch):
    monkeypatch.setattr("monopod.runner.run.MOST_AT_ONCE", 20_000)
    shown, _, _, _ = follow(
        [reported(*whole[:3])], [], [], [reported(*whole[3:])], [finished()], written={"build-make": PIECES}
    )
    assert order_of_work[:9] == ["read", "show", "show"] * 3
    assert len(shown) == len(SHOWN) - 1 + 8


def test_steps_wait_if_too_much_of_their_output_was_not_shown(follow, whole, order_of_work, monkeypatch):
    monkeypatch.setattr("monopod.runner.run.MOST_AT_ONCE", 10_000)
    monkeypatch.setattr("monopod.runner.run.MOST_BEHIND", 50_000)
    shown, _, _, _ = follow(
        [reported(*whole[:3])], [reported(*whole[3:])], [finished()], written={"build-make": PIECES}
    )
    assert order_of_work[:6] == ["read", "show", "show", "show", "show", "read"]
    assert len(shown) == len(SHOWN) - 1 + 8


def test_steps_end_although_nothing_more_can_be_shown(follow, whole, order_of_work):
    rounds = ([reported(*whole[:3])], [reported(*whole[3:])], [finished()])
    shown, outcome, _, _ = follow(*rounds, written={"build-make": PIECES}, unread=Unread.MUCH)
    assert order_of_work == ["read"] * 3 + ["show"] * 8
    assert outcome.exit_code == 0
    assert shown[-1] == SHOWN[-1]


def test_a_run_that_waits_for_its_reader_can_be_cancelled(follow, whole, sample, order_of_work, monkeypatch):
    monkeypatch.setattr("monopod.runner.run.MOST_BEHIND", 50_000)
    cancelled = [reported(sample.run_finished(3, "Cancelled"))]
    calls = 0

    def unread():
        nonlocal calls
        calls += 1
        if calls == 9:
            assert order_of_work == ["read"]
            follow.interrupt()
        return Unread.MUCH

    rounds = ([reported(*whole[:3])], cancelled, [finished("Failed")])
    _, outcome, pod, _ = follow(*rounds, written={"build-make": PIECES}, unread=unread)
    assert pod.calls == [("coordinator", signal.SIGINT)]
    assert outcome.exit_code == 130


def test_output_of_a_step_is_shown_before_its_end(follow, whole):
    shown, outcome, _, names = follow([reported(*whole)], [finished()], written={"build-make": [b"te", b"xt\n"]})
    assert shown == SHOWN
    assert (outcome.status, outcome.exit_code) == ("Succeeded", 0)
    assert names == ["build-1"]


ENDED = ContainerTerminated("coordinator", 0, 137, 9, "Error", "", 1.0, 2.0)


def test_repeated_events_change_nothing(follow, whole):
    """A coordinator that was killed before it recorded that it reported an event reports it again."""
    once = follow([reported(*whole)], [finished()], written={"build-make": [b"text\n"]})
    ended = ContainerTerminated("coordinator", 0, 137, 9, "Error", "", 1.0, 2.0)
    for number in range(len(whole)):
        again = follow(
            [reported(*whole[: number + 1])],
            [ended, reported(whole[number])],
            [ended, reported(*whole[number:])],
            [finished()],
            written={"build-make": [b"text\n"]},
        )
        assert again[0] == once[0]
        assert again[1] == once[1]


def test_repeated_end_does_not_extend_the_wait(follow, whole):
    ended = ContainerTerminated("coordinator", 0, 137, 9, "Error", "", 1.0, 2.0)
    again = [[ended, reported(whole[-1]), Idle(MOST_END_SECONDS / 3)] for _ in range(4)]
    _, _, pod, _ = follow([reported(*whole), Idle(MOST_END_SECONDS / 3)], *again, [finished()])
    assert pod.calls == ["kill"] * 3  # after 90, 120 and 150 seconds


def test_events_may_arrive_in_any_chunks(follow, whole):
    data = reported(*whole).data
    pieces = [ContainerOutput("coordinator", "stdout", data[start : start + 7]) for start in range(0, len(data), 7)]
    shown, outcome, *_ = follow(*([piece] for piece in pieces), [finished()], written={"build-make": [b"text"]})
    assert shown == SHOWN
    assert outcome.exit_code == 0


def test_other_output_of_the_coordinator_is_shown(follow, whole):
    shown, *_ = follow(
        [
            ContainerOutput("coordinator", "stdout", b"not JSON\n"),
            ContainerOutput("coordinator", "stderr", b"oh dear\n"),
            PodWarning("limits are not enforced"),
        ],
        [finished()],
    )
    assert shown == ["[coordinator] not JSON", "[coordinator] oh dear", "warning: limits are not enforced"]


def test_run_without_an_outcome_has_failed(follow, whole):
    ended = ContainerTerminated("coordinator", 0, 137, 9, "Error", "", 1.0, 2.0)
    _, outcome, *_ = follow([reported(*whole[:-1])], [ended, finished("Failed")])
    assert outcome.exit_code == 1
    assert outcome.message == (
        "the coordinator did not report how the run ended: it ended with exit code 137: ended by SIGKILL"
    )
    _, outcome, *_ = follow([finished("Failed", message="the Pod's sandbox was killed")])
    assert outcome.message == "the coordinator did not report how the run ended: the Pod's sandbox was killed"


def test_success_contradicted_by_the_pod_succeeds_with_a_warning(follow, whole):
    ended = ContainerTerminated("build-sidecar-db", 0, 137, 9, "OOMKilled", "", 1.0, 2.0)
    shown, outcome, *_ = follow([reported(*whole)], [ended, finished("Failed")])
    assert (outcome.status, outcome.exit_code) == ("Succeeded", 0)
    assert shown[-1] == (
        "warning: the run succeeded, but its Pod counts as Failed: not all of its containers ended well "
        "(build-sidecar-db: exit code 137: ended by SIGKILL)"
    )


def test_failure_contradicted_by_the_pod_stays_a_failure(follow, whole, sample):
    _, outcome, *_ = follow(
        [reported(*whole[:-1], sample.run_finished(3, "TimedOut", "PipelineRunTimeout"))], [finished()]
    )
    assert (outcome.status, outcome.exit_code) == ("TimedOut", 1)


def test_first_interrupt_cancels_the_run(follow, whole, sample):
    shown, outcome, pod, _ = follow(
        [reported(*whole[:3])],
        [int(signal.SIGINT)],
        [reported(sample.run_finished(3, "Cancelled"))],
        [finished("Failed")],
    )
    assert shown[-1] == NOTICES["Cancelled"]
    assert pod.calls == [("coordinator", signal.SIGINT)]
    assert outcome.exit_code == 130


def test_interrupt_does_not_wait_for_pending_output(follow, whole, sample, monkeypatch):
    """Output that was held until the start of its Step is known is shown at once."""
    shown_pieces = []
    take = Follower.take

    def interrupted(follower, ordered):
        if isinstance(ordered, Output):
            if not shown_pieces:
                follow.interrupt()
            shown_pieces.append(ordered)
        return take(follower, ordered)

    monkeypatch.setattr(Follower, "take", interrupted)
    written = {"build-make": [b"one\n" * 2000, b"two\n" * 2000, b"three\n" * 2000]}
    shown, _, pod, _ = follow([reported(*whole[:4])], [reported(sample.run_finished(3))], [finished()], written=written)
    assert shown.index(NOTICES["Cancelled"]) < shown.index("[build : make] two")
    assert pod.calls == [("coordinator", signal.SIGINT)]


def test_second_interrupt_kills_the_run(follow, whole):
    shown, outcome, pod, _ = follow(
        [reported(*whole[:3])],
        [int(signal.SIGTERM), int(signal.SIGINT)],
        [finished("Failed")],
    )
    assert shown[-2:] == [NOTICES["Cancelled"], KILLING]
    assert pod.calls == [("coordinator", signal.SIGINT), "kill"]
    assert outcome.exit_code == 130


@pytest.fixture
def at_each_output(monkeypatch):
    """Calls a function with the number of each piece of output before it is shown."""

    def at_each_output(call):
        numbers = iter(range(1, 100))
        output = Follower.output
        monkeypatch.setattr(Follower, "output", lambda *arguments: (call(next(numbers)), output(*arguments))[1])

    return at_each_output


LEFT_OUT = "warning: 39.1 KiB of output are neither shown nor recorded, because of Ctrl-C"
"""Of four of the `PIECES`."""


def test_second_interrupt_leaves_out_what_takes_long_to_show(follow, whole, at_each_output):
    at_each_output(lambda _: follow.clock.pass_(REST_SECONDS / 3.5))
    two_signals = [int(signal.SIGINT), int(signal.SIGINT)]
    rounds = ([reported(*whole[:3])], two_signals, [reported(*whole[3:])], [finished("Failed")])
    shown, _, pod, _ = follow(*rounds, written={"build-make": PIECES}, unread=Unread.MUCH)
    assert pod.calls == [("coordinator", signal.SIGINT), "kill"]
    assert sum("xxx" in line for line in shown) == 4
    assert shown[-2:] == [SHOWN[-1], LEFT_OUT]
    assert follow.run.leaves_out_output
    assert follow.run.leaves_out_rest


@pytest.mark.parametrize("numbers", [(4,), (2, 4)])
def test_interrupts_after_the_end_leave_out_the_rest(follow, whole, at_each_output, numbers):
    at_each_output(lambda number: number in numbers and follow.interrupt())
    rounds = ([reported(*whole[:3])], [reported(*whole[3:])], [finished()])
    shown, outcome, pod, _ = follow(*rounds, written={"build-make": PIECES}, unread=Unread.MUCH)
    assert pod.calls == []
    assert shown.count(SHOWING_REST) == 1
    assert (outcome.exit_code, follow.run.was_hurried) == (0, True)
    if len(numbers) == 1:
        assert sum("xxx" in line for line in shown) == 8
        assert not follow.run.leaves_out_output
        assert not follow.run.leaves_out_rest
    else:
        assert shown[-2:] == [SHOWN[-1], LEFT_OUT]
        assert follow.run.leaves_out_output


def test_interrupt_of_a_cancelled_run_leaves_out_the_rest(follow, whole, at_each_output):
    at_each_output(lambda number: number == 4 and follow.interrupt())
    rounds = ([reported(*whole[:3])], [int(signal.SIGINT)], [reported(*whole[3:])], [finished()])
    shown, *_ = follow(*rounds, written={"build-make": PIECES}, unread=Unread.MUCH)
    assert shown[-2:] == [SHOWN[-1], LEFT_OUT]


def test_rest_waits_for_the_reader_when_the_disk_is_full(follow, whole):
    answers = iter([Unread.ALL_THERE_IS_ROOM_FOR] * 9)
    rounds = ([reported(*whole[:3])], [reported(*whole[3:])], [finished()])
    shown, *_ = follow(*rounds, written={"build-make": PIECES}, unread=lambda: next(answers, Unread.LITTLE))
    assert list(answers) == []
    assert sum("xxx" in line for line in shown) == 8


def test_interrupts_end_the_wait_for_the_reader_when_the_disk_is_full(follow, whole):
    rounds = ([reported(*whole[:3])], [reported(*whole[3:])], [finished()])

    def unread():
        if follow.run.status:
            follow.interrupt()
        return Unread.ALL_THERE_IS_ROOM_FOR

    shown, *_ = follow(*rounds, written={"build-make": PIECES}, unread=unread)
    assert not [line for line in shown if "xxx" in line]
    assert shown[-3:] == [SHOWING_REST, SHOWN[-1], LEFT_OUT.replace("39.1", "78.1")]


def test_interrupts_end_a_run_that_waits_for_the_reader_when_the_disk_is_full(follow, whole, monkeypatch):
    hold, calls = OutputOrder.output, iter(range(1, 9))
    has_failed = False

    def hold_or_fail(*arguments):
        nonlocal has_failed
        if next(calls) == 2:
            has_failed = True
            raise OSError(errno.ENOSPC, "No space left on device")
        hold(*arguments)

    def unread():
        if has_failed:
            follow.interrupt()
        return Unread.ALL_THERE_IS_ROOM_FOR

    monkeypatch.setattr(OutputOrder, "output", hold_or_fail)
    text = ContainerOutput("build-make", "stdout", PIECES[0])
    rounds = ([reported(*whole[:3]), text], [text], [reported(*whole[3:])], [finished("Failed")])
    *_, pod, _ = follow(*rounds, unread=unread)
    assert pod.calls[:2] == [("coordinator", signal.SIGINT), "kill"]
    assert follow.run.leaves_out_output


def test_terminal_that_closes_leaves_out_nothing(follow, whole, at_each_output):
    at_each_output(lambda _: follow.clock.pass_(REST_SECONDS))
    rounds = ([reported(*whole[:3])], [int(signal.SIGHUP)], [reported(*whole[3:])], [finished()])
    shown, *_ = follow(*rounds, written={"build-make": PIECES}, unread=Unread.MUCH)
    assert sum("xxx" in line for line in shown) == 8


def test_hangup_kills_the_run_at_once(follow, whole):
    shown, outcome, pod, _ = follow([reported(*whole[:3])], [int(signal.SIGHUP)], [finished("Failed")])
    assert shown[-1] == KILLING
    assert pod.calls == ["kill"]
    assert outcome.exit_code == 130


def test_request_before_the_start_is_sent_after_it(follow, whole):
    shown, _, pod, _ = follow(
        [int(signal.SIGINT)],
        [],
        [ContainerStarted("coordinator", 0, 1.0)],
        [reported(*whole)],
        [finished()],
    )
    assert shown[0] == NOTICES["Cancelled"]
    assert pod.calls == ["end unstarted", ("coordinator", signal.SIGINT)]
    _, outcome, pod, _ = follow([int(signal.SIGINT)], [int(signal.SIGINT)], [finished("Failed")])
    assert pod.calls == ["end unstarted", "kill"]
    assert outcome.exit_code == 130
    *_, pod, _ = follow(
        ["StoppedRunFinally"],
        ["CancelledRunFinally"],
        [reported(*whole[:3])],
        [cancelling("CancelledRunFinally")],
        [finished("Failed")],
    )
    assert pod.calls == [("coordinator", signal.SIGUSR1)]
    assert pod.answers == ["CancelledRunFinally"] * 2


@pytest.mark.parametrize("mode", ["Cancelled", "StoppedRunFinally"])
def test_request_is_repeated_to_a_restarted_coordinator(follow, whole, mode):
    *_, pod, _ = follow(
        [reported(*whole[:3]), mode],
        [ENDED, ContainerStarted("coordinator", 1, 2.0)],
        [reported(whole[3])],
        [cancelling(mode)],
        [finished("Failed")],
    )
    assert pod.calls == [("coordinator", SIGNALS[mode])] * 2


@pytest.mark.parametrize("last", [ENDED, ContainerStarted("coordinator", 1, 2.0)])
def test_handled_request_is_not_repeated(follow, whole, sample, last):
    """A cluster may report the end of a coordinator before its log has been read."""
    *_, pod, _ = follow(
        [reported(*whole[:3]), "Cancelled"],
        [ENDED, last],
        [cancelling("Cancelled"), reported(whole[3], sample.run_finished(3, "Cancelled"))],
        [finished("Failed")],
    )
    assert pod.calls == [("coordinator", signal.SIGINT)]


def test_cancel_modes_have_signals_and_only_get_harder(follow, whole):
    shown, outcome, pod, _ = follow(
        [reported(*whole[:3])],
        ["StoppedRunFinally"],
        [cancelling("StoppedRunFinally"), "StoppedRunFinally", "CancelledRunFinally"],
        [cancelling("CancelledRunFinally")],
        ["StoppedRunFinally"],
        ["Cancelled", "CancelledRunFinally"],
        [cancelling("Cancelled")],
        [finished("Failed")],
    )
    gentlest_first = ["StoppedRunFinally", "CancelledRunFinally", "Cancelled"]
    assert shown[-3:] == [NOTICES[mode] for mode in gentlest_first]
    assert pod.calls == [("coordinator", each) for each in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGINT)]
    gentlest, gentle, hard = gentlest_first
    assert pod.answers == [gentlest, gentlest, gentle, gentle, gentle, hard]
    assert outcome.exit_code == 130


@pytest.mark.parametrize("mode", ["StoppedRunFinally", "CancelledRunFinally", "Cancelled"])
def test_cancellation_by_others_is_shown_before_skipped_tasks(follow, whole, mode):
    skipped = TaskSkipped(START + 3, "deploy", "PipelineRun was cancelled")
    shown, *_ = follow([reported(*whole[:3])], [cancelling(mode), reported(skipped)], [finished("Failed")])
    assert shown[-2:] == [OTHERS_NOTICES[mode], "[deploy] Skipped: PipelineRun was cancelled"]


@pytest.mark.parametrize("mode", ["StoppedRunFinally", "CancelledRunFinally", "Cancelled"])
def test_interrupt_kills_only_a_fully_cancelled_run(follow, whole, mode):
    *_, pod, _ = follow([reported(*whole[:3])], [mode], [int(signal.SIGINT)], [finished("Failed")])
    assert pod.calls[1] == ("kill" if mode == "Cancelled" else ("coordinator", signal.SIGINT))


def test_ended_run_is_not_cancelled(follow, whole):
    shown, outcome, pod, _ = follow([reported(*whole)], ["Cancelled"], ["CancelledRunFinally", finished()])
    assert (pod.calls, pod.answers) == ([], [None, None])
    assert not set(shown) & set(NOTICES.values())
    assert outcome.exit_code == 0
    *_, pod, _ = follow([reported(*whole[:3])], ["Cancelled"], [reported(*whole[3:])], [finished()])
    assert pod.answers == [None]  # the coordinator did not take it: it was too late


def test_run_that_succeeded_despite_an_interrupt(follow, whole):
    _, outcome, *_ = follow([reported(*whole[:3]), int(signal.SIGINT)], [reported(*whole[3:])], [finished()])
    assert outcome.exit_code == 0


@pytest.mark.parametrize(
    "event",
    [
        ContainerTerminated("build-make", 0, 128, None, "StartError", "no such user", None, 2.0),
        ContainerNotStarted("build-make", "StartError", "no such user"),
    ],
)
def test_container_that_cannot_start_is_reported_to_the_coordinator(follow, event):
    shown, _, pod, _ = follow([event], [finished()])
    assert shown == ["warning: container build-make could not be started: no such user"]
    assert pod.calls == [("build-make", "StartError", "no such user")]


def test_containers_that_cannot_start_for_one_reason_are_warned_of_once(follow):
    reasons = [("build-make", "no image"), ("build-sidecar-db", "no image"), ("test-act", "no disk")]
    events = [ContainerNotStarted(name, "ErrImagePull", reason) for name, reason in reasons]
    shown, _, pod, _ = follow(events, [finished()])
    assert [line.rpartition(": ")[2] for line in shown] == ["no image", "no disk"]
    assert [call[0] for call in pod.calls] == [name for name, _ in reasons]


def test_coordinator_that_refuses_to_start_ends_the_run_at_once(follow):
    why = "this Plan was made by another version of monopod; compile the Pipeline again"
    refuses = ContainerTerminated("coordinator", 0, 2, None, "Error", f"{why}\n", None, 2.0)
    _, outcome, pod, _ = follow(
        [refuses], [dataclasses.replace(refuses, restart_count=1)], [finished("Failed", reason="Deleted")]
    )
    assert pod.calls == ["kill"]
    assert (outcome.status, outcome.message) == ("Failed", f"the run did not start: {why}")


@pytest.mark.parametrize(("count", "start"), [(0, "the run did not start"), (1, "the coordinator did not report how")])
def test_run_whose_coordinator_never_started(follow, whole, count, start):
    events = [reported(*whole[:count]), finished("Failed", reason="NotStarted", message="no room")]
    _, outcome, *_ = follow(events)
    assert (outcome.status, outcome.exit_code) == ("Failed", 1)
    assert outcome.message.startswith(start)
    assert outcome.message.endswith(": no room")


def test_killed_coordinator_is_awaited(follow, whole):
    killed = ContainerTerminated("coordinator", 0, 137, 9, "Error", "", None, 2.0)
    _, outcome, pod, _ = follow([killed], [reported(*whole)], [finished()])
    assert pod.calls == []
    assert outcome.exit_code == 0


ENDS_NOT = "warning: the run is over, but some of its containers are still running; killing them"


def test_containers_that_do_not_end_are_killed(follow, whole):
    almost = [Idle(0.6 * MOST_END_SECONDS)]
    shown, outcome, pod, _ = follow([reported(*whole)], almost, almost, [], [finished()])
    assert shown[-1] == ENDS_NOT
    assert pod.calls == ["kill"]
    assert outcome.exit_code == 0


@pytest.mark.parametrize("container", ["build-make", "build-sidecar-db"])
def test_only_output_of_steps_gives_their_pod_more_time(follow, whole, container):
    almost = [ContainerOutput(container, "stdout", b"more\n"), Idle(0.6 * MOST_END_SECONDS)]
    shown, _, pod, _ = follow([reported(*whole)], almost, almost, almost, [finished()])
    is_step = container == "build-make"
    assert ("kill" in pod.calls) is not is_step
    assert (ENDS_NOT in shown) is not is_step


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_killed_pod_that_does_not_end_is_killed_again(follow, whole, number):
    idle = [Idle(1.1 * KILL_SECONDS)]
    signals = [int(number)] if number == signal.SIGHUP else [int(number), int(number)]
    shown, _, pod, _ = follow([reported(*whole[:3])], signals, idle, idle, [finished("Failed")])
    assert pod.calls.count("kill") == 3
    assert ENDS_NOT not in shown


def test_busy_runner_does_not_blame_the_containers(follow, whole):
    slow_display = [SlowDisplay(2 * MOST_END_SECONDS)]
    shown, _, pod, _ = follow(
        [reported(*whole)], slow_display, [Idle(0.6 * MOST_END_SECONDS)], slow_display, [finished()]
    )
    assert shown[-1] == SHOWN[-1]
    assert pod.calls == []
