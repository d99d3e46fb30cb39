"""The part of a terminal that is redrawn."""

import io

import pytest
from screen import Screen

from monopod.runner.display.screen_region import ScreenRegion, reflows


class Recorder:
    """Records the written text, and shows it."""

    def __init__(self, width, height):
        self.screen = Screen(width, height)
        self.written = []

    def write(self, text):
        self.written.append(text)
        self.screen.write(text)

    def flush(self):
        pass


@pytest.fixture
def terminal():
    return Recorder(20, 6)


SIZE = (20, 6)


def test_only_rows_that_changed_are_written(terminal):
    region = ScreenRegion(terminal)
    region.draw([], ["one", "two", "three"], SIZE)
    region.draw([], ["one", "2", "three"], SIZE)
    assert terminal.written[-1] == "\x1b[?2026h\r\x1b[2A\n2  \nthree\x1b[?2026l"
    assert terminal.screen.rows[:4] == ["one", "2", "three", ""]
    region.draw([], ["one", "2", "three"], SIZE)
    assert len(terminal.written) == 2
    region.draw([], ["1", "2"], SIZE)
    assert terminal.screen.rows[:4] == ["1", "2", "", ""]
    region.draw([], ["1", "2", "3", "4"], SIZE)
    assert terminal.screen.rows[:5] == ["1", "2", "3", "4", ""]


def test_lines_scroll_above_the_region(terminal):
    region = ScreenRegion(terminal)
    region.draw([b"a" * 45], ["row 1", "row 2"], SIZE)
    assert terminal.screen.rows == ["a" * 20, "a" * 20, "a" * 5, "row 1", "row 2", ""]
    assert not terminal.screen.cursor_is_visible
    region.draw([f"line {number}".encode() for number in range(9)], ["row 3"], SIZE)
    assert terminal.screen.rows == [*(f"line {number}" for number in range(4, 9)), "row 3"]
    region.clear([b"the", b"end"])
    lines = ["a" * 20, "a" * 20, "a" * 5, *(f"line {number}" for number in range(9)), "the", "end"]
    assert terminal.screen.text == "\n".join(lines) + "\n"
    assert terminal.screen.cursor_is_visible


def test_region_without_rows(terminal):
    region = ScreenRegion(terminal)
    region.draw([b"one"], [], SIZE)
    region.draw([b"two"], [], SIZE)
    region.clear([b"three"])
    assert terminal.screen.rows[:4] == ["one", "two", "three", ""]
    assert "\x1b[?25" not in "".join(terminal.written)


def test_rewrapped_rows_are_replaced(terminal):
    region = ScreenRegion(terminal, reflows=True)
    region.draw([], ["\x1b[31m123456789\x1b[0m", "日本語日本", ""], SIZE)
    region.draw([], ["1", "2", "3"], (8, 6))  # 9 and 10 cells take two rows each of eight columns
    assert terminal.written[-1].startswith("\x1b[?2026h\r\x1b[4A\x1b[J")


def test_lines_above_are_kept_on_other_terminals(terminal):
    region = ScreenRegion(terminal)
    region.draw([b"kept"], ["123456789", "123456789"], SIZE)
    region.draw([], ["1", "2"], (8, 6))
    assert terminal.written[-1].startswith("\x1b[?2026h\r\x1b[1A\x1b[J")
    assert terminal.screen.rows[0] == "kept"


@pytest.mark.parametrize(("encoding", "line"), [("utf-8", "│ é"), ("latin-1", "? é")])
def test_lines_are_written_in_the_encoding_of_the_stream(encoding, line):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding, errors="replace")
    stream.write("before\n")
    region = ScreenRegion(stream)
    region.draw(["│ é".encode()], ["row é"], SIZE)
    assert written.getvalue().decode(encoding).startswith("before\n\x1b")
    assert f"{line}\nrow é\x1b" in written.getvalue().decode(encoding)


def test_terminals_that_rewrap_lines():
    assert reflows({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"})
    assert reflows({"TERM": "xterm-kitty"})
    assert reflows({"TERM": "foot"})
    assert reflows({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"})
    assert not reflows({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"})
    assert not reflows({"TERM": "linux"})
