"""Whose lines are written when."""

from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display.turns import IN_MEMORY, Turns


class Pieces:
    """Notes what is written."""

    def __init__(self):
        self.written = []
        self.open = None

    def begin_piece(self, task, *, is_continued):
        assert self.open is None
        self.open = task
        self.written.append(f"<{task}{' again' if is_continued else ''}>")

    def write_line(self, line):
        self.written += line.split("\n")

    def end_piece(self):
        assert self.open is not None
        self.written.append(f"</{self.open}>")
        self.open = None


def test_one_task_has_its_turn_and_the_others_follow_in_one_piece():
    pieces = Pieces()
    turns = Turns(pieces)
    turns.add("a", "a1")
    turns.add("b", "b1")
    turns.add("a", "a2")
    turns.add("c", "c1")
    turns.add("b", "b2")
    assert pieces.written == ["<a>", "a1", "a2"]
    assert turns.turn == "a"
    turns.end("c", "c is over")
    turns.add("a", "a3")
    turns.end("a", "a is over")
    assert turns.turn == "b"
    turns.add("b", "b3")
    turns.write_between("warning")
    turns.add("c", "c2")  # a Sidecar that says farewell
    turns.close()
    assert "".join(f"{line}\n" for line in pieces.written) == (
        """\
<a>
a1
a2
</a>
<c>
c1
</c>
c is over
<a again>
a3
</a>
a is over
<b>
b1
b2
b3
</b>
warning
c2
"""
    )


def test_a_silent_task_is_no_piece():
    pieces = Pieces()
    turns = Turns(pieces)
    turns.add("a", "a1")
    turns.end("b")
    turns.end("a", "done")
    turns.add("c", "c1")
    turns.close()
    assert pieces.written == ["<a>", "a1", "</a>", "done", "<c>", "c1", "</c>"]


def test_much_is_kept_in_a_file():
    pieces = Pieces()
    turns = Turns(pieces)
    turns.add("a", "a1")
    lines = [f"{number} é\x85\u2028\x0c|" for number in range(IN_MEMORY // 8)]
    for line in lines:
        turns.add("b", line)
    assert turns._kept["b"]._rolled
    turns.close()
    assert pieces.written == ["<a>", "a1", "</a>", "<b>", *lines, "</b>"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["line", "line", "line", "end", "between"]))))
def test_no_line_is_lost_and_none_is_mixed(happenings):
    pieces = Pieces()
    turns = Turns(pieces)
    written = {task: [] for task in "abcd"}
    ended = set()
    for number, (task, what) in enumerate(happenings):
        if what == "line":
            written[task].append(f"{task}{number}")
            turns.add(task, f"{task}{number}")
        elif what == "between":
            turns.write_between("-")
            assert pieces.written[-1] == "-"
        elif task not in ended:
            ended.add(task)
            turns.end(task)
            assert [line for line in pieces.written if line[0] == task] == written[task]
    turns.close()
    for task, lines in written.items():
        assert [line for line in pieces.written if line[0] == task] == lines
    inside = None
    for line in pieces.written:
        if line.startswith("</"):
            inside = None
        elif line.startswith("<"):
            inside = line[1]
        elif inside is not None and line != "-":
            assert line[0] == inside
