"""Steps that attack: what they do to their Results and to their control directory harms nobody but themselves."""

import hostile_steps
import pytest

pytestmark = pytest.mark.slow


def test_steps_that_attack_harm_only_themselves(run):
    ended = run.run(hostile_steps.attacks())
    wanted = hostile_steps.wanted()
    told = {name: ended.task(name) for name in wanted}
    assert {name: reason for name, (reason, _) in told.items()} == wanted
    assert hostile_steps.wrong_messages({name: message for name, (_, message) in told.items()}) == {}
    assert "[report : s0] victim was Succeeded" in ended.shown
    assert "daemon:x:" not in ended.shown + str(ended.document)  # nothing that was linked to was read
    assert ended.code == 0, ended.shown
