"""Attributing output to Steps and ordering it, for any order of arrival and any chunks."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.runner.follow.held_output import MOST_IN_MEMORY
from monopod.runner.follow.ordered import Output
from monopod.runner.follow.output_marks import LENGTH, mark, without_marks
from monopod.runner.follow.output_order import PATIENCE, OutputOrder
from monopod.runner.follow.pod_events import BOTH, ContainerOutput
from monopod.schemas import plan
from monopod.schemas.run_events import (
    ContainerRestarted,
    OutputEnded,
    RunWarning,
    SidecarStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
)

STREAMS = ("stdout", BOTH)  # of a container whose requests are marked


def token(number):
    return f"{number:032x}"


def task(name):
    return plan.Task(
        name,
        steps=(plan.Step("s"),),
        sidecars=(plan.Sidecar(plan.Step("db")),),
        slots=(plan.Slot(name, (f"{name}-s",), (f"{name}-db",)),),
    )


def started(name, attempt=0, *, is_marked=True, title=""):
    return StepStarted(1.0, name, None, attempt, "s", f"{name}-s", is_marked, title)


def sidecar_started(name, attempt=0, title=""):
    return SidecarStarted(1.0, name, None, attempt, "db", f"{name}-db", title)


def title(name, attempt=0):
    return f"{chr(10) * (attempt > 0)}==> {name}/s {attempt} <==\n"


def finished(name, attempt=0, end_mark="", code=0):
    fields = (1.0, name, None, attempt, "s", f"{name}-s", code, "Completed", "", 1.0, 1.0, 0, 0)
    return StepFinished(*fields, end_mark)


class Fed:
    """Feeds an `OutputOrder`; the methods return what it shows as a result."""

    def __init__(self, *tasks):
        self.ended = set()
        self.now = 0.0
        self.most = math.inf
        pipeline = plan.Pipeline("p", tasks=tuple(map(task, tasks or ("a", "b"))))
        self.order = OutputOrder(plan.Plan(pipeline, {}), lambda container, life: (container, life) in self.ended)

    def write(self, container, data, stream="stdout"):
        self.order.output(ContainerOutput(container, stream, data), self.now)
        return self.shown()

    def mark(self, container, number):
        return self.write(container, mark(token(number)))

    def event(self, event):
        self.order.event(event)
        return self.shown()

    def shown(self):
        return list(self.order.take(self.now, self.most))


@pytest.fixture
def fed():
    return Fed()


def test_output_comes_after_the_start_and_before_the_end_of_its_step(fed):
    assert fed.write("a-s", b"early") == []
    assert fed.event(started("a")) == [started("a"), Output("a-s", b"early")]
    assert fed.write("a-s", b"text") == [Output("a-s", b"text")]
    assert fed.event(finished("a", end_mark=token(1))) == []
    assert fed.write("a-s", b"late" + mark(token(1))) == [Output("a-s", b"late"), finished("a", end_mark=token(1))]


def test_only_dependents_wait_for_the_end_of_a_step(fed):
    fed.event(started("a"))
    fed.event(started("b"))
    ended = TaskFinished(1.0, "a", None, 0, "Succeeded", "Succeeded", "")
    assert fed.event(finished("a", end_mark=token(1))) == []
    assert fed.event(ended) == []
    assert fed.write("b-s", b"b continues") == [Output("b-s", b"b continues")]
    assert fed.mark("a-s", 1) == [finished("a", end_mark=token(1)), ended]


def test_attempts_in_one_container_are_separated_in_one_chunk(fed):
    for number in range(3):
        fed.write("a-s", b"out %d" % number)
        fed.mark("a-s", number)
    shown = []
    for number in range(3):
        shown += [*fed.event(started("a", number)), *fed.event(finished("a", number, token(number)))]
    assert shown == [
        each
        for number in range(3)
        for each in (
            started("a", number),
            Output("a-s", b"out %d" % number),
            finished("a", number, token(number)),
        )
    ]


def test_mark_ends_a_request_in_a_combined_stream(fed):
    fed.event(started("a"))
    assert fed.write("a-s", b"text\n" + mark(token(1)) + b"next", BOTH) == [Output("a-s", b"text\n", stream=BOTH)]
    assert fed.event(finished("a", end_mark=token(1))) == [finished("a", end_mark=token(1))]
    assert fed.event(started("a", 1)) == [started("a", 1), Output("a-s", b"next", stream=BOTH)]


def test_entrypoint_messages_before_the_streams_were_joined_are_shown(fed):
    fed.event(started("a"))
    assert fed.write("a-s", b"entrypoint: kill.7\n", "stderr") == [
        Output("a-s", b"entrypoint: kill.7\n", stream="stderr")
    ]
    fed.event(finished("a", end_mark=token(1)))
    assert fed.mark("a-s", 1) == [finished("a", end_mark=token(1))]


def test_forged_mark_is_text_and_delays_only_its_own_step(fed):
    fed.event(started("a"))
    fed.event(started("b"))
    forged = mark(token(99))
    assert fed.write("a-s", b"text\n" + forged + b"more\n") == [Output("a-s", b"text\n")]
    assert fed.write("b-s", b"b continues") == [Output("b-s", b"b continues")]
    fed.mark("a-s", 1)
    shown = fed.event(finished("a", end_mark=token(1)))
    assert b"".join(each.data for each in shown[:-1]) == forged + b"more\n"
    assert shown[-1] == finished("a", end_mark=token(1))


def test_partial_mark_is_text(fed):
    fed.event(started("a"))
    half = mark(token(1))[:20]
    assert fed.write("a-s", half) == []
    assert fed.write("a-s", b"x") == [Output("a-s", half + b"x")]
    assert fed.write("a-s", half) == []
    assert fed.mark("a-s", 1) == [Output("a-s", half)]
    assert fed.event(finished("a", end_mark=token(1))) == [finished("a", end_mark=token(1))]


def test_many_forged_marks_use_no_memory_and_lose_no_output(fed):
    fed.event(started("a"))
    flood = b"".join(mark(token(number)) for number in range(1000))
    for _ in range(200):
        assert fed.write("a-s", flood) == []
    (stream,) = fed.order._containers["a-s"].streams.values()
    assert len(stream.waiting) == 200 * len(flood) > 7 * MOST_IN_MEMORY
    assert sum(map(len, stream.waiting._first)) <= MOST_IN_MEMORY
    fed.mark("a-s", 1 << 100)
    *output, end = fed.event(finished("a", end_mark=token(1 << 100)))
    assert b"".join(each.data for each in output) == flood * 200
    assert end == finished("a", end_mark=token(1 << 100))
    assert len(stream.waiting) == 0


def test_run_continues_with_a_warning_if_a_mark_stays_away(fed):
    fed.event(started("a"))
    assert fed.event(finished("a", end_mark=token(1))) == []
    assert fed.order.seconds_to_wait(fed.now) == PATIENCE
    fed.now += PATIENCE - 1
    assert fed.write("a-s", b"slow") == [Output("a-s", b"slow")]
    fed.now += PATIENCE - 1
    assert fed.shown() == []
    fed.now += 1
    warning, end = fed.shown()
    assert isinstance(warning, RunWarning)
    assert "Step 's' of Task 'a'" in warning.message
    assert end == finished("a", end_mark=token(1))
    assert fed.order.seconds_to_wait(fed.now) is None
    assert fed.event(started("a", 1)) == [started("a", 1)]
    assert fed.write("a-s", b"late" + mark(token(1)) + b"next") == [
        Output("a-s", b"late", started("a")),
        Output("a-s", b"next"),
    ]


def test_without_a_mark_the_step_ends_with_its_container(fed):
    fed.event(started("a"))
    assert fed.event(finished("a", end_mark=None)) == []
    assert fed.write("a-s", b"last words") == [Output("a-s", b"last words")]
    assert 0 < fed.order.seconds_to_wait(fed.now) < 1
    fed.ended.add(("a-s", 1))
    assert fed.shown() == [finished("a", end_mark=None)]


def test_ended_container_without_a_mark_is_not_awaited(fed):
    fed.event(started("a"))
    fed.event(finished("a", end_mark=token(1)))
    fed.ended.add(("a-s", 1))
    assert fed.shown() == [finished("a", end_mark=token(1))]


def test_step_that_did_not_run_has_no_mark(fed):
    fed.event(started("a"))
    assert fed.event(finished("a", end_mark="")) == [finished("a", end_mark="")]
    assert fed.event(started("a", 1)) == [started("a", 1)]
    assert fed.write("a-s", b"second") == [Output("a-s", b"second")]


def test_step_that_never_started_ends_at_once(fed):
    assert fed.event(finished("a", end_mark=None)) == [finished("a", end_mark=None)]
    fed.event(started("a"))
    assert fed.event(finished("a", 1)) == [finished("a", 1)]  # of another attempt
    assert fed.write("a-s", b"of the first") == [Output("a-s", b"of the first")]


def test_events_repeated_by_a_restarted_coordinator_are_the_same_request(fed):
    fed.event(started("a"))
    assert fed.event(started("a")) == [started("a")]
    fed.mark("a-s", 1)
    assert fed.event(finished("a", end_mark=token(1))) == [finished("a", end_mark=token(1))]
    assert fed.event(finished("a", end_mark=token(1))) == [finished("a", end_mark=token(1))]
    assert fed.event(started("a", 1)) == [started("a", 1)]
    assert fed.write("a-s", b"second") == [Output("a-s", b"second")]


def test_wait_for_marks_of_an_older_coordinator_is_short(fed):
    first = started("a", is_marked=False)
    fed.event(first)
    fed.write("a-s", b"first")
    end = finished("a", end_mark=None)
    assert fed.event(end) == []
    fed.now += 2
    assert fed.shown() == [end]
    fed.event(started("a", 1, is_marked=False))
    assert fed.write("a-s", b"second") == [Output("a-s", b"second")]


def test_output_of_sidecars_is_separated_too(fed):
    first, again = sidecar_started("a", 0, title("a")), sidecar_started("a", 1, title("a", 1))
    assert fed.write("a-db", f"{title('a')}ready".encode()) == []
    assert fed.event(first) == [first, Output("a-db", b"ready")]
    fed.write("a-db", b"bye" + mark(token(7)) + f"{title('a', 1)}ready again".encode())
    assert fed.event(OutputEnded(1.0, "a-db", token(7))) == [OutputEnded(1.0, "a-db", token(7))]
    assert fed.event(again) == [again, Output("a-db", b"ready again")]


@pytest.mark.parametrize("stream", STREAMS)
def test_the_title_of_a_request_is_not_shown(fed, stream):
    text = title("a").encode()
    fed.event(started("a", title=title("a")))
    for byte in text:
        assert fed.write("a-s", bytes([byte]), stream) == []
    assert fed.write("a-s", b"text" + text, stream) == [Output("a-s", b"text" + text, stream=stream)]  # of the Step


def test_title_behind_a_message_of_the_entrypoint_is_not_shown(fed):
    fed.event(started("a", title=title("a")))
    shown = fed.write("a-s", f"monopod: ignoring malformed exit\n{title('a')}text\n".encode())
    assert shown == [Output("a-s", b"monopod: ignoring malformed exit\n"), Output("a-s", b"text\n")]


def test_title_that_is_longer_than_a_mark_is_not_shown(fed):
    long = title("a" * 3 * LENGTH, 1)
    fed.event(started("a", title=long))
    assert fed.write("a-s", long[: 2 * LENGTH].encode()) == []
    assert fed.write("a-s", long[2 * LENGTH :].encode() + b"text") == [Output("a-s", b"text")]


def test_beginning_of_a_title_is_text(fed):
    fed.event(started("a", title=title("a")))
    assert fed.write("a-s", b"==> a/") == []
    assert fed.write("a-s", b"\n") == [Output("a-s", b"==> a/\n")]


def test_title_of_the_next_request_is_text_of_the_one_before(fed):
    fed.event(started("a", title=title("a")))
    forged = title("a", 1).encode()
    end = finished("a", end_mark=token(1))
    assert fed.write("a-s", title("a").encode() + forged + mark(token(1))) == [Output("a-s", forged)]
    assert fed.event(end) == [end]
    again = started("a", 1, title=title("a", 1))
    assert fed.event(again) == [again]
    assert fed.write("a-s", forged + b"text") == [Output("a-s", b"text")]


def test_request_that_ended_before_its_title_hides_nothing_of_the_next(fed):
    fed.event(started("a", title=title("a")))
    fed.event(finished("a", end_mark=token(1)))
    fed.event(started("a", 1))
    text = title("a").encode()
    shown = fed.write("a-s", mark(token(1)) + text)
    assert shown == [finished("a", end_mark=token(1)), started("a", 1), Output("a-s", text)]


def killed(name, attempt=0):
    return finished(name, attempt, end_mark=None, code=137)


@pytest.fixture
def restarting():
    fed = Fed()
    pipeline = plan.Pipeline("p", tasks=tuple(map(task, ("a", "b"))))
    tasks = tuple(each._replace(slots=(each.slots[0]._replace(restarts=True),)) for each in pipeline.tasks)
    whole = plan.Plan(pipeline._replace(tasks=tasks), {})
    fed.order = OutputOrder(whole, lambda container, life: (container, life) in fed.ended)
    return fed


def test_output_of_a_killed_request_ends_with_the_life_of_its_container(restarting):
    fed = restarting
    fed.event(started("a"))
    assert fed.event(killed("a")) == []
    assert fed.write("a-s", b"last words") == [Output("a-s", b"last words")]
    fed.ended.add(("a-s", 1))
    assert fed.shown() == [killed("a")]
    assert fed.event(ContainerRestarted(1.0, "a-s", 2, token(9))) == [ContainerRestarted(1.0, "a-s", 2, token(9))]
    assert fed.event(started("a", 1)) == [started("a", 1)]
    assert fed.write("a-s", mark(token(9)) + b"again" + mark(token(1))) == [Output("a-s", b"again")]
    assert fed.event(finished("a", 1, token(1))) == [finished("a", 1, token(1))]


def test_output_of_the_next_life_that_comes_before_the_end_is_not_that_of_the_killed_request(restarting):
    fed = restarting
    fed.write("a-s", b"killed" + mark(token(9)) + b"again" + mark(token(1)))
    shown = fed.event(started("a"))
    for event in (killed("a"), ContainerRestarted(1.0, "a-s", 2, token(9)), started("a", 1)):
        shown += fed.event(event)
    shown += fed.event(finished("a", 1, token(1)))
    assert shown == [
        started("a"),
        Output("a-s", b"killed"),
        killed("a"),
        ContainerRestarted(1.0, "a-s", 2, token(9)),
        started("a", 1),
        Output("a-s", b"again"),
        finished("a", 1, token(1)),
    ]


@pytest.mark.parametrize("is_started", [True, False])
def test_the_mark_of_a_life_before_which_nothing_was_killed_is_not_shown(restarting, is_started):
    """An idle container was killed, perhaps the one of a Sidecar that is to start."""
    fed = restarting
    fed.event(started("a"))
    fed.event(finished("a", end_mark=token(1)))
    fed.mark("a-s", 1)
    restarted = ContainerRestarted(1.0, "a-s", 2, token(9))
    events = [started("a", 1), restarted] if is_started else [restarted, started("a", 1)]
    shown = [each for event in events for each in fed.event(event)]
    shown += fed.write("a-s", mark(token(9)) + b"again" + mark(token(2)))
    shown += fed.event(finished("a", 1, token(2)))
    assert shown == [*events, Output("a-s", b"again"), finished("a", 1, token(2))]


def test_all_held_output_is_shown_at_the_end(fed):
    fed.event(started("a"))
    fed.write("a-s", b"text" + mark(token(3)) + b"of whom")
    forged = fed.event(finished("a", end_mark=token(1)))
    assert b"".join(each.data for each in forged) == mark(token(3)) + b"of whom"
    fed.write("b-s", b"b")
    assert list(fed.order.end(fed.now)) == [finished("a", end_mark=token(1)), Output("b-s", b"b")]


@pytest.mark.parametrize("stream", STREAMS)
def test_mark_of_a_sidecar_without_a_reported_end_is_not_shown(fed, stream):
    """A run ends with its last Task, so the end of its Sidecars is no longer reported."""
    fed.event(sidecar_started("a"))
    fed.write("a-db", b"served\n" + mark(token(7)) + b"forged?\n" + mark(token(8)), stream)
    shown = b"".join(each.data for each in fed.order.end(fed.now))
    assert shown.count(mark(token(8))) == 0
    assert shown.count(mark(token(7))) == shown.count(b"forged?\n") == 1


def test_what_is_not_shown_yet_is_no_reason_to_lose_patience(fed):
    fed.most = 1
    pieces = [letter * 5000 for letter in (b"x", b"y", b"z")]
    fed.event(started("a"))
    fed.event(started("b"))
    for piece in pieces:
        fed.order.output(ContainerOutput("a-s", "stdout", piece), fed.now)
    fed.order.output(ContainerOutput("a-s", "stdout", mark(token(1))), fed.now)
    assert fed.write("b-s", b"text") == [Output("a-s", pieces[0])]
    assert fed.order.backlog == 10_000 + LENGTH + 4
    assert fed.event(finished("a", end_mark=token(1))) == [Output("b-s", b"text")]  # in turns
    fed.now += 2 * PATIENCE
    assert fed.order.seconds_to_wait(fed.now) == 0
    assert fed.shown() == [Output("a-s", pieces[1])]
    assert fed.shown() == [Output("a-s", pieces[2])]
    assert fed.shown() == [finished("a", end_mark=token(1))]
    assert fed.order.backlog == 0
    assert fed.order.seconds_to_wait(fed.now) is None


def test_output_of_containers_outside_the_plan_is_shown_at_once(fed):
    assert fed.write("coordinator", b"oh dear", "stderr") == [Output("coordinator", b"oh dear", stream="stderr")]


def test_full_disk_loses_output_with_a_warning(fed, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monopod.runner.follow.held_output.os.pwrite", full)
    (warning,) = fed.write("a-s", b"x" * (MOST_IN_MEMORY + 1))
    assert warning.message.startswith("output of container 'a-s' is lost")


def test_full_disk_loses_nothing_that_can_be_shown(fed, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monopod.runner.follow.held_output.os.pwrite", full)
    fed.event(started("a"))
    first, second = ContainerOutput("a-s", "stdout", b"x" * MOST_IN_MEMORY), ContainerOutput("a-s", "stdout", b"y")
    fed.order.output(first, fed.now)
    with pytest.raises(OSError, match="No space"):
        fed.order.output(second, fed.now)
    assert fed.shown() == [Output("a-s", first.data)]
    fed.order.output(second, fed.now)
    assert fed.shown() == [Output("a-s", b"y")]


def attempts_by_chance(chance, name, attempts):
    """Return the output of the attempts, their events, and the bytes of the container's stream, with some titles."""
    written, events, stream = {}, [], b""
    for number in range(attempts):
        secret = mark(token(10 + number))
        titles = [title(name, each).encode() for each in (number, number + 1)]
        pieces = [b"", b"x\n", b"no newline", mark(token(5)), mark(token(9 + number)), secret[:30], b"\x1e", *titles]
        written[name, number] = b"%s %d %s " % (name.encode(), number, b"".join(chance.choices(pieces, k=3)))
        is_titled = chance.random() < 0.7
        stream += titles[0] * is_titled + written[name, number] + secret
        start = started(name, number, title=title(name, number) * is_titled)
        events += [start, finished(name, number, secret[9:-1].decode())]
    return written, events, stream


def owners(shown):
    """Return the output of each attempt, which was shown between its start and its end."""
    found, current = {}, {}
    for each in shown:
        if isinstance(each, StepStarted):
            current[each.container] = each.task, each.attempt
            found[each.task, each.attempt] = b""
        elif isinstance(each, StepFinished):
            del current[each.container]
        else:
            assert each.late is None
            found[current[each.container]] += each.data
    assert current == {}
    return found


@settings(max_examples=200)
@given(st.randoms(use_true_random=False), st.integers(1, 5), st.sampled_from(STREAMS))
def test_any_order_of_events_and_chunks(chance, attempts, stream):
    """Interleave the streams of two containers and the events at random, each in its own order."""
    fed, shown = Fed(), []
    written, events, streams = {}, [], {}
    for name in ("a", "b"):
        outputs, happened, streams[f"{name}-s"] = attempts_by_chance(chance, name, attempts)
        written |= outputs
        events += happened
    events.sort(key=lambda event: event.attempt)
    while any(streams.values()) or events:
        source = chance.choice([source for source, data in streams.items() if data] + [None] * bool(events))
        if source is None:
            shown += fed.event(events.pop(0))
            continue
        size = chance.choice([1, 7, LENGTH, 1000])
        fed.most = chance.choice([1, 50, math.inf])
        shown += fed.write(source, streams[source][:size], stream)
        streams[source] = streams[source][size:]
    fed.most = math.inf
    shown += fed.shown()
    assert owners(shown) == written


def test_removing_marks_from_a_log():
    log = b"one\n" + mark(token(1)) + b"two" + mark(token(2)) + b"\x1emonopod is text\n"
    assert without_marks(log) == b"one\ntwo\x1emonopod is text\n"
