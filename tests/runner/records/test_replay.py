"""Replaying a record: in the order in which it was shown, from bytes in any pieces, while it grows."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from recorded import recorder_of

from monopod.runner.display.summary import Outcome
from monopod.runner.follow.follower import Follower, OutputLines, ReplayingFollower
from monopod.runner.records.growing_record import GrowingRecord
from monopod.runner.records.output_lines import EventPlace, Source, parse_line, prefix_of_lines, text_of_place
from monopod.runner.records.replay import NOT_KEPT, Replay
from monopod.runner.records.store import open_record
from monopod.schemas.run_events import RunStarted, RunWarning, to_line

SOURCE = Source("build[go=1.22]", "compile", 1)


def shown_by(replayed):
    """What was shown, with each line on its own."""
    result = []
    for item in replayed:
        if isinstance(item.shown, OutputLines):
            source = item.shown.task, item.shown.step, item.attempt
            result += [(*source, text) for text in item.shown.text.split("\n")]
        else:
            result.append(item.shown)
    return result


def test_lines_of_the_file_are_parsed():
    source, line = parse_line(prefix_of_lines(1.5, SOURCE) + "a\tb")
    assert (source, line.at, line.text) == (SOURCE, 1.5, "a\tb")
    assert parse_line(text_of_place(2.0, EventPlace(7)).rstrip("\n")) == EventPlace(7)
    for damaged in ("", "x", "1.0\ta\tb\tx\ttext", "1.0\t\t\t\tx", "1.0\ta\t\t\t7"):
        assert parse_line(damaged) is None


items = st.lists(st.one_of(st.integers(0, 3).map(str), st.none()), max_size=12)


@given(items, st.lists(st.integers(1, 40), min_size=1), st.randoms(use_true_random=False))
def test_order_does_not_depend_on_how_the_bytes_arrive(written, sizes, random):
    events, output, expected = b"", b"", []
    for number, text in enumerate(written):
        if text is None:
            event = RunWarning(float(number), f"event {number}")
            expected.append(event)
            events += to_line(event).encode() + b"\n"
            output += text_of_place(9.0, EventPlace(sum(each is None for each in written[: number + 1]))).encode()
        else:
            expected.append((SOURCE.task, SOURCE.step, SOURCE.attempt, text))
            output += (prefix_of_lines(float(number % 2), SOURCE) + text + "\n").encode()
    replay, found = Replay(), []
    while events or output:
        size = random.choice(sizes)
        if random.random() < 0.5:
            replay.take_events(events[:size])
            events = events[size:]
        else:
            replay.take_output(output[:size])
            output = output[size:]
        found += shown_by(replay.ready())
        assert found == expected[: len(found)]
    assert found + shown_by(replay.rest()) == expected


def test_events_whose_place_is_lost_follow_the_rest():
    replay = Replay()
    replay.take_output((prefix_of_lines(1.0, SOURCE) + "line\n" + text_of_place(1.0, EventPlace(5))).encode())
    replay.take_events(to_line(RunStarted(1.0, "ci", "default", "uid")).encode() + b"\n" + b'{"event": "Torn')
    replay.take_gap()
    assert len(list(replay.ready())) == 2
    assert [item.shown.message for item in replay.rest()] == [NOT_KEPT]


def test_record_is_followed_while_it_is_written(tmp_path, failed_run):
    plan, feed = failed_run
    recorder = recorder_of(tmp_path, plan)
    follower, written, reading = Follower(plan), [], threading.Semaphore(0)
    recorder.take(*follower.event(feed[0]))
    recorder.refresh(1.0)
    record = open_record(recorder.directory)
    assert record.status == "Running"

    def write():
        for number, item in enumerate(feed[1:]):
            for shown in follower.output(*item) if type(item) is tuple else follower.event(item):
                recorder.take(shown)
                written.append(shown)
            recorder.refresh(float(number + 2))
            reading.acquire(timeout=1)
        recorder.end(Outcome("Failed", "Failed", ""), 1.0)
        recorder.close()

    writer = threading.Thread(target=write)
    found = []
    with GrowingRecord(record) as growing:
        found += growing.read()
        assert isinstance(found[0].shown, RunStarted)
        writer.start()
        while not growing.is_over:
            reading.release()
            growing.wait()
            found += growing.read()
    writer.join()
    replayed = ReplayingFollower(plan)
    for item in found:
        replayed.take_shown(item.shown)
    assert [item for item in shown_by(found[1:]) if type(item) is not tuple] == [
        each for each in written if not isinstance(each, OutputLines)
    ]
    for task in follower.tasks:
        for step in task.failed_steps:
            assert replayed.last_lines(task, step) == follower.last_lines(task, step) != ()
