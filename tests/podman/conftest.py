"""A podman that does nothing but what it is told to answer, and notes what it is asked."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

PROGRAM = """\
#!{python} -IS
import json, os, sys
with open({asked!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
with open({answers!r}) as file:
    answers = json.load(file)
line = " ".join(sys.argv[1:])
code, output, errors = next((answer for start, answer in answers if line.startswith(start)), (0, "", ""))
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(code)
"""


class FakePodman:
    """The program, in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._asked = directory / "asked"
        self._answers = directory / "answers"
        self._known: list[tuple[str, tuple[int, str, str]]] = []
        program = directory / "podman"
        fields = {"python": sys.executable, "asked": str(self._asked), "answers": str(self._answers)}
        program.write_text(PROGRAM.format(**fields))
        program.chmod(0o755)
        self._asked.touch()
        self._answers.write_text("[]")

    def answer(self, start: str, output: object = "", errors: str = "", code: int = 0) -> None:
        """Answer so to what starts with these words; what is said first counts."""
        text = output if isinstance(output, str) else json.dumps(output)
        self._known.append((start, (code, text, errors)))
        self._answers.write_text(json.dumps(self._known))

    def asked(self) -> list[str]:
        return [" ".join(json.loads(line)) for line in self._asked.read_text().splitlines()]


@pytest.fixture
def fake_podman(tmp_path, monkeypatch):
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return FakePodman(directory)
