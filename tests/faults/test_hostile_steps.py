"""Hostile Steps: attacks on their Results and on their control directory harm only themselves."""

import hostile_steps
import pytest

pytestmark = pytest.mark.slow


def test_hostile_steps_harm_only_themselves(run):
    ended = run.run(hostile_steps.attacks())
    wanted = hostile_steps.wanted()
    ends = {name: ended.task(name) for name in wanted}
    assert {name: reason for name, (reason, _) in ends.items()} == wanted
    assert hostile_steps.wrong_messages({name: message for name, (_, message) in ends.items()}) == {}
    assert "[report : s0] victim was Succeeded" in ended.shown
    assert "daemon:x:" not in ended.shown + str(ended.document)  # no link target was read
    assert ended.code == 0, ended.shown
