"""Which Step of a shared container wrote a line of its log, and which lines are those of titles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.kubernetes.titled_log import TitledLog

OUTPUT = "==> build/compile <==\none\n\ntwo\n\n==> build/link <==\n\n==> test[1]/run (attempt 2) <==\nthree\n"
LINES = [
    ("build", "compile", "one"),
    ("build", "compile", ""),
    ("build", "compile", "two"),
    ("test[1]", "run", "three"),
]


def read(pieces):
    log = TitledLog()
    return [tuple(line) for lines in pieces for line in log.feed(lines)] + [tuple(line) for line in log.end()]


@pytest.mark.parametrize("lines_at_once", [1, 2, 100])
def test_titles_and_the_empty_lines_before_them_belong_to_no_step(lines_at_once):
    lines = OUTPUT.removesuffix("\n").split("\n")
    pieces = ["\n".join(lines[at : at + lines_at_once]) for at in range(0, len(lines), lines_at_once)]
    assert read(pieces) == LINES


def test_empty_lines_at_the_end_are_output():
    assert read(["==> a/b <==\nx\n\n"]) == [("a", "b", "x"), ("a", "b", ""), ("a", "b", "")]


STEPS = st.lists(st.lists(st.sampled_from(["", "x", "==> no title"]), max_size=4), min_size=1, max_size=4)


@given(STEPS, st.data())
def test_every_line_of_a_step_is_read_in_whatever_pieces_it_comes(steps, data):
    lines, written = [], []
    for number, output in enumerate(steps):
        lines += [*([""] if number else []), f"==> t/s{number} <==", *output]
        written += [("t", f"s{number}", line) for line in output]
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(lines) - 1, 1)))))
    pieces = [lines[start:end] for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    assert read(["\n".join(piece) for piece in pieces if piece]) == written
