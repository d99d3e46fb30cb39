"""`status` and `logs` on Pods that somebody has changed, and on coordinator logs with arbitrary contents.

The API server validates the shape of a Pod. The tests change what it does not validate: annotations, labels,
arguments, and the names and states of containers. Commands print what they know or what is wrong, and never crash.
"""

from __future__ import annotations

import copy
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monopod.schemas.run_events import StepFinished, TaskStarted, to_line

EXAMPLES = int(os.environ.get("MONOPOD_FUZZ_EXAMPLES", "10"))
TEXTS = st.sampled_from(["", "a", "\n", "\x1b[2J", "{}", "[]", "null", "1", "é" * 300, "{" * 2000, "9" * 5000])
VALUES = st.sampled_from([None, True, -1, 1 << 80, 1.5, "", "a", "\x1b[2J", [], {}, [[]]])
COMMANDS = (
    ("status", "build"),
    ("status", "build", "-o", "json"),
    ("logs", "build"),
    ("logs", "build", "first"),
    ("logs", "build", "second/act"),
)


@pytest.fixture
def half_done(api, compiled, make, coordinator):
    pod = compiled(make.run(make.task("first", "true"), make.task("second", "true", after=["first"]))).pod
    api.put("pods", "ci", {**pod, "kind": "Pod"})
    with api.changed:
        api.objects["pods", "ci", "build"]["metadata"].update(uid="uid-1", namespace="ci")
    running = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
    api.set_status("build", phase="Running", initContainerStatuses=[running])
    it = coordinator()
    it.started()
    it.task_started("first")
    it.prints("first", "one")
    it.task_finished("first")
    it.task_started("second")
    return it


def _change(pod: dict, data: st.DataObject) -> None:
    kind = data.draw(
        st.sampled_from(["annotation", "label", "argument", "container", "status", "phase", "environment"])
    )
    if kind in ("annotation", "label"):
        held = pod["metadata"].setdefault(f"{kind}s", {})
        held[data.draw(st.sampled_from([*sorted(held), "monopod.dev/other"]))] = data.draw(TEXTS)
        if data.draw(st.booleans()):
            pod["metadata"].pop(f"{kind}s")
        return
    containers = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    each = data.draw(st.sampled_from(containers))
    if kind == "argument" and each.get("args"):
        each["args"][data.draw(st.integers(0, len(each["args"]) - 1))] = data.draw(TEXTS)
    elif kind == "container":
        each["name"] = data.draw(st.sampled_from(["a", "first-act", "coordinator"]))
    elif kind == "environment":
        each["env"] = [{"name": "A", "value": data.draw(TEXTS)}]
    elif kind == "phase":
        pod["status"] = {"phase": data.draw(st.sampled_from(["Pending", "Running", "Unknown"]))}
    else:
        state = data.draw(st.sampled_from([{}, {"waiting": {}}, {"waiting": {"reason": "\x1b[2J"}}, {"running": {}}]))
        name = data.draw(st.sampled_from(["coordinator", "first-act", "b"]))
        pod["status"]["containerStatuses"] = [{"name": name, "restartCount": 0, "state": state}]


def _line(data: st.DataObject) -> bytes:
    event = data.draw(
        st.sampled_from(
            [
                TaskStarted(1.0, "first", None, 0, "first", {}),
                StepFinished(*(1.0, "x", 2, 0, "s", "c", 0, "", "", 1, 1, 1, 1)),
            ]
        )
    )
    fields = json.loads(to_line(event))
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(VALUES)
    return data.draw(st.sampled_from([json.dumps(fields).encode(), data.draw(st.binary(max_size=20))])) + b"\n"


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES == 10)
@given(data=st.data())
def test_commands_on_hostile_pods(monopod, api, half_done, data):
    key = "pods", "ci", "build"
    whole = copy.deepcopy(api.objects[key])
    try:
        for _ in range(data.draw(st.integers(0, 3))):
            _change(api.objects[key], data)
        if data.draw(st.booleans()):
            half_done.write("build", "coordinator", _line(data))
        for command in data.draw(st.permutations(COMMANDS))[:2]:
            ran = monopod(*command)
            assert ran.code in (0, 1, 2), command
            assert "Traceback" not in ran.err
            assert "\x1b[2J" not in ran.out + ran.err
    finally:
        with api.changed:
            api.objects[key] = whole
