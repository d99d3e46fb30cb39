"""The cases of the semantics suite (``tests/semantics/cases``): each is a run and its expected outcome.

A case is a file. Its last document is of the kind Expected:

- ``exitCode``, ``reason`` of the run, ``results``, ``tasks`` (the reason of each), ``skipped``: all there is.
- ``steps``: some fields of some Steps. ``output``: the lines of some Steps. ``messages``: parts of
  lines for a person. ``$(namespace)`` in it is the namespace of the run.
- ``options``: further words of the command line.
- ``containers``: it shows what only containers can, and is not run on the host. ``root``: on the host it needs root.
- ``prebuilt``: its coordinator needs the prebuilt image in containers, for CEL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tekton_documents
import yaml
from finished_run import FinishedRun

CASES = {path.stem: path for path in sorted(Path(__file__).parents[1].glob("semantics/cases/*.yaml"))}


def read(name: str, namespace: str = "default") -> tuple[str, dict[str, Any]]:
    """Return the documents of a case, and the expected outcome in a namespace."""
    text, _, expected = CASES[name].read_text().rpartition("\n---\n")
    facts = yaml.safe_load(expected.replace("$(namespace)", namespace))
    assert facts.pop("kind") == "Expected"
    return text, facts


def check(ran: FinishedRun, expected: dict[str, Any]) -> None:
    """Compare a run with its expected outcome."""
    said = "\n".join(ran.messages)
    assert tekton_documents.problems(ran.document) == []
    assert "x1emonopod " not in said  # a mark of the end of some output
    assert ran.code == expected.get("exitCode", 0), said
    assert ran.condition["reason"] == expected.get("reason", "Succeeded"), said
    assert ran.results() == expected.get("results", {})
    assert ran.skipped() == expected.get("skipped", {})
    assert ran.reasons() == expected.get("tasks", {}), said
    for task, steps in expected.get("steps", {}).items():
        for step, fields in steps.items():
            found = ran.steps(task)[step]
            assert {key: found.get(key) for key in fields} == fields, (task, step)
    for step, lines in expected.get("output", {}).items():
        assert ran.lines(step) == lines, step
    for line in expected.get("messages", ()):
        assert any(line in message for message in ran.messages), said


def containers_without_identity(ran: FinishedRun) -> list[str]:
    """Return the Steps and Sidecars that ran and do not name their container and image."""
    parts = [part for task in ran.tasks().values() for part in (*task.get("steps", ()), *task.get("sidecars", ()))]
    ended = [part for part in parts if "startedAt" in part.get("terminated", {})]
    return [part["name"] for part in ended if not (part.get("imageID") and part["terminated"].get("containerID"))]
