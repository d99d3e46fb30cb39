"""Each case is a run with its expected outcome, which is the same on every backend, and so is the status.

A case is a file in ``cases/``. Its last document is of the kind Expected:

- ``exitCode``, ``reason`` of the run, ``results``, ``tasks`` (the reason of each), ``skipped``: all there is.
- ``steps``: some fields of some Steps. ``output``: the lines of some Steps. ``messages``: parts of
  lines for a person.
- ``containers``: it shows what only containers can, and is not run on the host. ``root``: on the host it needs root.
- ``prebuilt``: its coordinator needs the prebuilt image in containers, for CEL.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tekton_documents
import yaml
from finished_run import FinishedRun

from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE

pytestmark = pytest.mark.slow

CASES = {path.stem: path for path in sorted(Path(__file__).with_name("cases").glob("*.yaml"))}


def read(name: str) -> tuple[str, dict[str, Any]]:
    """Return the documents of a case, and the expected outcome."""
    text, _, expected = CASES[name].read_text().rpartition("\n---\n")
    facts = yaml.safe_load(expected)
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


@pytest.mark.parametrize("backend_name", ["host", "podman"])
@pytest.mark.parametrize("name", CASES)
def test_case_is_the_same_on_every_backend(
    name: str,
    backend_name: str,
    make_backend: Callable[[str], Any],
    run_once: Callable[..., FinishedRun],
    tmp_path: Path,
):
    text, expected = read(name)
    if expected.get("containers") and backend_name == "host":
        pytest.skip("what only containers can do is not for the host backend")
    if expected.get("root") and backend_name == "host" and os.geteuid() != 0:
        pytest.skip("to be several users, the host backend needs root")
    file = tmp_path / f"{name}.yaml"
    file.write_text(text)

    def run(backend_name: str) -> FinishedRun:
        backend = make_backend(backend_name)
        image = ["--runtime-image", RUNTIME_IMAGE] if expected.get("prebuilt") and backend_name != "host" else []
        return run_once(f"{name}-{backend_name}", lambda: backend.run("-f", file, *image))

    ran = run(backend_name)
    check(ran, expected)
    if backend_name == "podman":
        assert containers_without_identity(ran) == []
    if backend_name != "host" and not expected.get("containers") and not (expected.get("root") and os.geteuid()):
        on_host = run("host")
        assert ran.comparable() == on_host.comparable()
        assert ran.all_lines() == on_host.all_lines()
