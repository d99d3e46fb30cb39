"""Output is grouped by Task."""

from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display.grouped_output import IN_MEMORY, GroupedOutput


class Groups:
    """Records the written lines."""

    def __init__(self):
        self.written = []
        self.open = None

    def begin_group(self, task, *, is_continued):
        assert self.open is None
        self.open = task
        self.written.append(f"<{task}{' again' if is_continued else ''}>")

    def write_lines(self, lines):
        self.written += lines.decode().split("\n")

    def end_group(self):
        assert self.open is not None
        self.written.append(f"</{self.open}>")
        self.open = None


def test_one_task_streams_while_others_are_grouped():
    groups = Groups()
    output = GroupedOutput(groups)
    output.add("a", b"a1")
    output.add("b", b"b1")
    output.add("a", b"a2")
    output.add("c", b"c1")
    output.add("b", b"b2")
    assert groups.written == ["<a>", "a1", "a2"]
    assert output.current == "a"
    output.end("c", b"c is over")
    output.add("a", b"a3")
    output.end("a", b"a is over")
    assert output.current == "b"
    output.add("b", b"b3")
    output.write_between(b"warning")
    output.add("c", b"c2")  # a Sidecar with late output
    output.close()
    assert "".join(f"{line}\n" for line in groups.written) == (
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


def test_silent_task_has_no_group():
    groups = Groups()
    output = GroupedOutput(groups)
    output.add("a", b"a1")
    output.end("b")
    output.end("a", b"done")
    output.add("c", b"c1")
    output.close()
    assert groups.written == ["<a>", "a1", "</a>", "done", "<c>", "c1", "</c>"]


def test_large_buffer_moves_to_a_file():
    groups = Groups()
    output = GroupedOutput(groups)
    output.add("a", b"a1")
    lines = [f"{number} é\x85\u2028\x0c|" for number in range(IN_MEMORY // 8)]
    for line in lines:
        output.add("b", line.encode())
    assert output._buffers["b"]._rolled
    output.close()
    assert groups.written == ["<a>", "a1", "</a>", "<b>", *lines, "</b>"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["line", "line", "line", "end", "between"]))))
def test_no_line_is_lost_or_interleaved(happenings):
    groups = Groups()
    output = GroupedOutput(groups)
    written = {task: [] for task in "abcd"}
    ended = set()
    for number, (task, what) in enumerate(happenings):
        if what == "line":
            written[task].append(f"{task}{number}")
            output.add(task, f"{task}{number}".encode())
        elif what == "between":
            output.write_between(b"-")
            assert groups.written[-1] == "-"
        elif task not in ended:
            ended.add(task)
            output.end(task)
            assert [line for line in groups.written if line[0] == task] == written[task]
    output.close()
    for task, lines in written.items():
        assert [line for line in groups.written if line[0] == task] == lines
    inside = None
    for line in groups.written:
        if line.startswith("</"):
            inside = None
        elif line.startswith("<"):
            inside = line[1]
        elif inside is not None and line != "-":
            assert line[0] == inside
