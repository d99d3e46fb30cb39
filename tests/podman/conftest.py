"""A fake podman with scripted answers, which records its arguments."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from monopod.runner.podman import command

PROGRAM = """\
#!{python} -IS
import json, os, sys
with open({asked!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
with open({answers!r}) as file:
    answers = json.load(file)
line = " ".join(sys.argv[1:])
with open({asked!r}) as file:
    asked = [" ".join(json.loads(each)) for each in file]
code, output, errors = 0, "", ""
for start, answer, times in answers:
    if line.startswith(start) and sum(each.startswith(start) for each in asked) <= times:
        code, output, errors = answer
        break
sys.stdout.write(output)
sys.stderr.write(errors)
sys.stderr.flush()
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


class FakePodman:
    """The program, in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._asked = directory / "asked"
        self._answers = directory / "answers"
        self._known: list[tuple[str, tuple[int, str, str], int]] = []
        program = directory / "podman"
        fields = {"python": sys.executable, "asked": str(self._asked), "answers": str(self._answers)}
        program.write_text(PROGRAM.format(**fields))
        program.chmod(0o755)
        self._asked.touch()
        self._answers.write_text("[]")

    def answer(self, start: str, output: object = "", errors: str = "", code: int = 0, times: int = 1000) -> None:
        """Give this answer, this many times, to commands that start with these words; earlier calls take precedence."""
        text = output if isinstance(output, str) else json.dumps(output)
        self._known = [each for each in self._known if each[0] != start]
        self._known.append((start, (code, text, errors), times))
        self._answers.write_text(json.dumps(self._known))

    def asked(self) -> list[str]:
        return [" ".join(json.loads(line)) for line in self._asked.read_text().splitlines()]


@pytest.fixture
def fake_podman(tmp_path, monkeypatch):
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    command.why_unusable.cache_clear()
    yield FakePodman(directory)
    command.why_unusable.cache_clear()
