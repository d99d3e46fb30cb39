"""A problem on a terminal: wrapped, with its source line and a caret."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from terminal import Terminal

from monopod.compiler.diagnostics import Position, Problem
from monopod.runner.display.problem_report import print_problems
from monopod.runner.display.problem_view import ProblemView, spot

MONOPOD = str(Path(sys.executable).with_name("monopod"))
BROKEN = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  params: [{name: version, default: x}]
  steps:
  - image: alpine:3
    script: |
      #!/bin/sh
      echo start
      echo $(params.verison)
"""


def under_caret(lines: list[str]) -> str:
    """Return the text above the caret and the tildes of the last line."""
    source, carets = lines[-2], lines[-1]
    match = re.search(r"\^~*", carets)
    assert match is not None
    start, end = cell_len(carets[: match.start()]), cell_len(carets[: match.end()])
    result, column = "", 0
    for character in source:
        if start <= column < end:
            result += character
        column += cell_len(character)
    return result


def rendered(folder: Path, line: str, column: int, width: int = 80, message: str = "is wrong") -> list[str]:
    path = folder / "p.yaml"
    path.write_text(f"first: line\n{line}\nlast: line\n")
    problem = Problem(Position(str(path), 2, column), message, "invalid")
    return ProblemView(width, False).render(problem).split("\n")


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        ("    runAfter: [bild]", 16, "bild"),
        ("\tkey:\tbild", 7, "bild"),
        ("  日本語: bild", 8, "bild"),
        ("  - 'a quoted text': x", 5, "'a quoted text'"),
        ("  name: &anchor bild", 9, "&anchor"),
        ("a", 1, "a"),
        ("x: " + "long " * 60 + "bild " + "more " * 60, 3 + 5 * 60 + 1, "bild"),
        ("x: " + "語" * 200 + " bild " + "語" * 200, 3 + 200 + 2, "bild"),
    ],
)
@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_caret_is_under_the_mistake(tmp_path, line, column, expected, width):
    lines = rendered(tmp_path, line, column, width)
    shown = under_caret(lines)
    assert shown == expected or (expected.startswith(shown) and shown)
    assert all(cell_len(each) <= width for each in lines[-2:])


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(line=st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=300), data=st.data())
def test_any_line_fits_with_its_caret(tmp_path, line, data):
    column = data.draw(st.integers(1, len(line) + 1))
    width = data.draw(st.integers(20, 120))
    lines = rendered(tmp_path, line, column, width)
    assert all(cell_len(each) <= width for each in lines if "p.yaml" not in each)
    if line.split("\n")[0].strip():
        assert "^" in lines[-1] or "^" not in "".join(lines)


def test_message_is_wrapped_between_words(tmp_path):
    lines = rendered(tmp_path, "a: b", 4, 60, "one two three four five " * 10)
    message = [each for each in lines if "|" not in each]
    assert len(message) > 3
    assert all(cell_len(each) <= 60 or str(tmp_path) in each for each in message)
    assert " ".join(" ".join(message).split()).endswith("one two three four five")


def test_caret_is_at_the_reference_in_a_script(tmp_path):
    lines = BROKEN.splitlines()
    found = spot(Position("p.yaml", 8, 13), "spec.steps[0].script: $(params.verison): there is no param", lines)
    assert found is not None
    assert (found.line, lines[found.line - 1][found.start : found.end]) == (11, "$(params.verison)")


@pytest.mark.parametrize("position", [Position("p"), Position("p", 99, 1), Position("missing", 1, 1)])
def test_position_outside_of_the_file_has_no_source(position, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p").write_text("one\n")
    assert ProblemView(80, False).render(Problem(position, "m", "invalid")) == f"{position}: error: m"


def test_only_regular_files_are_read_again(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    problem = Problem(Position(str(tmp_path / "fifo")), "m", "invalid")
    assert "\n" not in ProblemView(200, False).render(problem)


def test_problems_are_one_line_without_a_terminal(tmp_path):
    stream = io.StringIO()
    print_problems([Problem(Position("p", 1, 2), "long " * 60, "invalid")], stream)
    assert stream.getvalue() == f"p:1:2: {'long ' * 60}\n"


@pytest.mark.parametrize("no_colour", ["", "1"])
@pytest.mark.parametrize("command", ["check", "compile"])
def test_command_shows_source_and_colour_on_a_terminal(tmp_path, command, no_colour):
    (tmp_path / "p.yaml").write_text(BROKEN)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_COLOR": no_colour}
    with Terminal([MONOPOD, command, "-f", str(tmp_path / "p.yaml")], environment, 72, 40) as terminal:
        assert terminal.finish() == 2
    rows = terminal.screen.text.split("\n")
    row = next(index for index, each in enumerate(rows) if "echo $(params.verison)" in each)
    assert under_caret([rows[row], rows[row + 1]]) == "$(params.verison)"
    assert ("\x1b[" in terminal.sent) == (not no_colour)
