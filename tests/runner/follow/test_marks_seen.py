"""Recognizing marks in a stream."""

from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.follow.marks_seen import MarksSeen
from monopod.runner.follow.output_marks import mark

TOKENS = ["a" * 32, "b" * 32, "0123456789abcdef" * 2]
PIECES = st.sampled_from(
    [*map(mark, TOKENS), b"text\n", b"\x1emonopod ", b"\x1e", b"a" * 31, b"\n", b"\x1emonopod " + b"g" * 32]
)


@given(st.lists(PIECES, max_size=8), st.data())
def test_marks_are_recognized_across_chunks(pieces, data):
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    seen = MarksSeen()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        seen.feed(stream[start:end])
    assert {token for token in TOKENS if mark(token) in seen} == {token for token in TOKENS if mark(token) in stream}


def test_genuine_mark_is_recognized_after_many_forged_marks():
    seen = MarksSeen()
    for number in range(5000):
        seen.feed(mark(f"{number:032x}"))
    seen.feed(b"output" + mark("f" * 32))
    assert mark("f" * 32) in seen
