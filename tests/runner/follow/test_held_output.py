"""Output that is held is a queue of bytes, on the disk if there is much of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.follow import held_output
from monopod.runner.follow.held_output import HeldOutput


@given(
    steps=st.lists(st.binary(max_size=40) | st.just("full") | st.tuples(st.integers(1, 60), st.integers(0, 60))),
    in_memory=st.integers(0, 30),
)
def test_first_in_is_first_out(steps, in_memory):
    """Append bytes, also while the disk is full, or take some and push some of those back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_output, "MOST_IN_MEMORY", in_memory)
        patch.setattr(held_output, "SEGMENT_BYTES", 50)
        patch.setattr(held_output, "_PIECE", 7)
        held, expected = HeldOutput(), b""
        for step in steps:
            if step == "full":
                held.append_in_memory(b"more")
                expected += b"more"
            elif isinstance(step, bytes):
                try:
                    held.append(step)
                    expected += step
                except OSError:
                    assert held.overflow
            else:
                at_least, back = step
                taken = held.take(at_least)
                assert len(taken) >= min(at_least, len(expected))
                assert expected.startswith(taken)
                held.push_back(taken[len(taken) - back :] if back < len(taken) else taken)
                expected = expected[max(0, len(taken) - back) :]
            assert len(held) == len(expected)
        assert b"".join(iter(lambda: held.take(1), b"")) == expected
        assert not held._segments
        held.append(b"x" * 100)
        held.close()
        assert len(held) == 0


def test_small_pieces_are_joined():
    held = HeldOutput()
    for _ in range(10_000):
        held.append(b"x")
    assert len(held._first) < 10


def test_files_are_removed_while_more_is_written(monkeypatch):
    monkeypatch.setattr(held_output, "SEGMENT_BYTES", 2_000_000)
    held = HeldOutput()
    for _ in range(100):
        held.append(b"x" * 1_000_000)
        if len(held) > 5_000_000:
            held.take(1_000_000)
        assert len(held._segments) <= 6
    held.close()
