"""Ports of Sidecars that can run at the same time."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

HEAD = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p}
spec:
"""
SIDECAR = "{name: db, image: i, command: [serve], ports: [{containerPort: PORT}]}"


def task(name: str, *ports: int, more: str = "") -> str:
    sidecars = ", ".join(
        SIDECAR.replace("db", f"db{index}").replace("PORT", str(port)) for index, port in enumerate(ports)
    )
    return f"  - {{name: {name}, {more}taskSpec: {{params: [{{name: m, default: x}}], sidecars: [{sidecars}], steps: [{{image: i, script: x}}]}}}}\n"


CLASH = (
    "the port 80 is taken by the Sidecar 'db0' of the Task 'a', which can run at the same time in the same Pod; use another "
    "port, or let one Task run after the other"
)
CASES = {
    "at the same time": ("  tasks:\n" + task("a", 80) + task("b", 80), [CLASH]),
    "other ports": ("  tasks:\n" + task("a", 80) + task("b", 81), []),
    "one after the other": (
        "  tasks:\n" + task("a", 80) + task("b", more="runAfter: [a], ") + task("c", 80, more="runAfter: [b], "),
        [],
    ),
    "finally": ("  tasks:\n" + task("a", 80) + "  finally:\n" + task("z", 80), []),
    "in one Task": ("  tasks:\n" + task("a", 80, 80), ["the port 80 is taken by the Sidecar 'db0' of the Task 'a'"]),
    "a matrix": (
        "  tasks:\n" + task("a", 80, more="matrix: {params: [{name: m, value: [u, v]}]}, "),
        [
            "2 combinations of the Task 'a' can run at the same time in one Pod, which has the port 80 only once; annotate "
            "the Task with monopod.dev/max-concurrency: '1'"
        ],
    ),
    "in an inner Pipeline": (
        "  tasks:\n"
        + task("a", 80)
        + "  - name: in\n    pipelineSpec:\n      tasks:\n"
        + "".join(f"    {line}" for line in (task("b", 80)).splitlines(keepends=True)),
        [CLASH],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ports_clash_if_their_tasks_can_overlap(problems, case):
    spec, expected = CASES[case]
    assert [line.partition("]: ")[2] for line in problems(HEAD + spec)] == expected
