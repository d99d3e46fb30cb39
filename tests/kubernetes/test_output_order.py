"""In what order lines are told that come on streams of their own."""

import pytest

from monopod.runner.kubernetes.log_lines import LogLine
from monopod.runner.kubernetes.output_order import OutputOrder
from monopod.schemas.run_events import StepFinished, StepStarted


def started(container, at):
    return StepStarted(at, "task", None, 0, "step", container)


def finished(container, at):
    return StepFinished(at, "task", None, 0, "step", container, 0, "Completed", "", at - 1, at, 0, 0)


@pytest.fixture
def order():
    return OutputOrder()


@pytest.fixture
def told(order):
    """What was told since the last time, as texts."""
    return lambda: [output.data.decode() for output in order.take()]


def test_the_end_of_a_step_waits_for_its_output(order, told):
    order.coordinator(b"start a", started("a", 1))
    order.output("a", [LogLine(2, b"first")])
    order.coordinator(b"end a", finished("a", 3), 1)
    order.coordinator(b"later", None)
    assert told() == ["start a", "first"]
    order.output("a", [LogLine(2.5, b"second")])
    assert told() == []
    order.caught_up("a", 1)
    assert told() == ["second", "end a", "later"]
    order.output("a", [LogLine(2.9, b"late")])
    assert told() == ["late"]


def test_other_steps_go_on_meanwhile(order, told):
    order.coordinator(b"start a", started("a", 1))
    order.coordinator(b"start b", started("b", 1))
    order.coordinator(b"end a", finished("a", 3), 1)
    order.output("b", [LogLine(2, b"b says")])
    assert told() == ["start a", "start b", "b says"]


def test_attempts_in_one_container_are_told_apart_by_time(order, told):
    order.coordinator(b"start 1", started("a", 1))
    order.coordinator(b"end 1", finished("a", 3), 1)
    order.coordinator(b"start 2", started("a", 3.5))
    order.coordinator(b"end 2", finished("a", 5), 2)
    order.output("a", [LogLine(2, b"of 1"), LogLine(3.1, b"still of 1"), LogLine(4, b"of 2")])
    assert told() == ["start 1"]
    order.caught_up("a", 1)
    assert told() == ["of 1", "still of 1", "end 1", "start 2"]
    order.caught_up("a", 2)
    assert told() == ["of 2", "end 2"]


def test_at_the_end_all_is_told(order, told):
    order.coordinator(b"start a", started("a", 1))
    order.coordinator(b"end a", finished("a", 3), 1)
    order.output("a", [LogLine(2, b"text")])
    order.end()
    assert told() == ["start a", "text", "end a"]


def test_output_whose_step_nobody_told_of_is_told_at_once(order, told):
    order.output("sidecar", [LogLine(1, b"listening")])
    assert told() == ["listening"]
