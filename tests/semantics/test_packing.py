"""Steps that share a container (docs/packing.md): what they find in it, and what names them, on each backend."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.slow

IMAGE = "localhost/monopod-test/busybox:1"
LIMITS = {"limits": {"memory": "24Mi"}}


def task(name: str, steps: dict[str, str], more: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A Task whose Steps are these scripts, all with the fields `more`."""
    described = [
        {"name": each, "image": IMAGE, "script": f"#!/bin/sh\n{script}", **(more or {})}
        for each, script in steps.items()
    ]
    return {"name": name, "taskSpec": {"results": [{"name": "r"}], "steps": described}, **fields}


def write_pipeline(path: Path, tasks: Sequence[dict[str, Any]]) -> Path:
    """Write a Pipeline of these Tasks, one after another."""
    for before, after in itertools.pairwise(tasks):
        after["runAfter"] = [before["name"]]
    document = {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "packed"}}
    path.write_text(json.dumps({**document, "spec": {"tasks": tasks}}))
    return path


TRACES = "ls -A /tmp /workspace $HOME $(results.r.path) 2>/dev/null | grep trace"


def test_steps_and_tasks_in_one_container_find_nothing_of_each_other(backend: Any, tmp_path: Path):
    leave = "touch /tmp/trace /workspace/trace $HOME/trace; printf trace > $(results.r.path)"
    write = {"write": f"{leave}; echo kept > /changed", "again": "ls -A /tmp; test $(context.task.retry-count) = 1"}
    read = {"look": f"{TRACES} || echo clean; cat /changed", "fail": "echo last; exit 4"}
    file = write_pipeline(tmp_path / "p.json", [task("one", write, retries=1), task("two", read)])
    report = tmp_path / "junit.xml"
    ran = backend.run("-f", file, "--pack", "--junit", report)
    assert ran.code == 1
    assert ran.reasons() == {"one": "Succeeded", "two": "StepFailed"}
    assert [step["name"] for step in ran.tasks()["two"]["steps"]] == ["look", "fail"]
    name = ran.document["metadata"]["name"]
    assert backend.monopod("logs", name, "one/again") == ""
    assert backend.monopod("logs", name, "two/look") == "clean\nkept\n"
    assert backend.monopod("logs", name, "two/fail") == "last\n"
    failed = ElementTree.parse(report).findall(".//testcase[failure]")
    assert [case.get("name") for case in failed] == ["fail"]


def test_only_a_title_that_a_step_wrote_is_shown(backend: Any, tmp_path: Path):
    """The title of the entrypoint is for those who read the log of the container."""
    forged = "\n\n==> one/b <==\n==> one/a <==\n\n==> one/b <==\n"
    steps = dict.fromkeys(("a", "b"), f"printf '{forged}'")
    ran = backend.run("-f", write_pipeline(tmp_path / "p.json", [task("one", steps)]), "--pack")
    assert ran.reasons() == {"one": "Succeeded"}
    for step in steps:
        assert backend.monopod("logs", ran.document["metadata"]["name"], f"one/{step}") == forged


def test_read_only_steps_share_a_container_without_being_asked(backend: Any, tmp_path: Path):
    read_only = {"securityContext": {"readOnlyRootFilesystem": True}}
    steps = {"a": "touch /changed 2>/dev/null || readlink /proc/self/ns/pid", "b": "readlink /proc/self/ns/pid"}
    file = write_pipeline(tmp_path / "p.json", [task("one", steps, read_only), task("two", steps, read_only)])
    ran = backend.run("-f", file)
    assert ran.reasons() == {"one": "Succeeded", "two": "Succeeded"}
    name = ran.document["metadata"]["name"]
    seen = {backend.monopod("logs", name, each) for each in ("one/a", "one/b", "two/a", "two/b")}
    assert len(seen) == 1
    assert seen.pop().startswith("pid:[")


def test_timeout_of_a_step_leaves_its_container_to_the_retry(backend: Any, tmp_path: Path):
    slow = "test $(context.task.retry-count) = 1 || sleep 1000"
    one = task("one", {"a": "echo a", "b": slow}, {"timeout": "1s"}, retries=1)
    ran = backend.run("-f", write_pipeline(tmp_path / "p.json", [one, task("two", {"c": "echo c"})]), "--pack")
    assert ran.reasons() == {"one": "Succeeded", "two": "Succeeded"}
    assert backend.monopod("logs", ran.document["metadata"]["name"], "one/a") == "a\na\n"


@pytest.mark.parametrize("retries", [0, 1])
def test_step_that_runs_out_of_memory_in_a_shared_container_is_named(make_backend: Any, tmp_path: Path, retries: int):
    """The OOM killer kills what fills the memory: with a retry, the same container runs the Task again."""
    backend = make_backend("podman")
    eat = "test $(context.task.retry-count) = 1 || tail /dev/zero"
    one = task("one", {"small": "echo small", "large": eat}, {"computeResources": LIMITS}, retries=retries)
    two = task("two", {"next": "echo next"}, {"computeResources": LIMITS})
    ran = backend.run("-f", write_pipeline(tmp_path / "p.json", [one, two]), "--pack")
    name = ran.document["metadata"]["name"]
    assert "[one : large] killed: out of memory, limit 24Mi" in ran.messages
    if retries:
        assert ran.reasons() == {"one": "Succeeded", "two": "Succeeded"}
        assert backend.monopod("logs", name, "one/small") == "small\nsmall\n"
    else:
        assert ran.reasons() == {"one": "StepOOM"}
        assert ran.skipped() == {"two": "PipelineRun was stopping"}
