"""Ports of Sidecars that can run at the same time."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

from monopod.compiler.documents.places import OptionPlace
from monopod.compiler.tasks.sidecar_ports import ports_of
from monopod.schemas.tekton.tasks import Sidecar

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


SHOWN = {
    "a script that binds": """script: 'import socket; s.bind(("127.0.0.1", 15432))'""",
    "a script that listens": "script: 'require(\"http\").createServer().listen(15432)'",
    "an option": "command: [serve], args: ['--port=15432']",
    "a probe": "command: [serve], readinessProbe: {tcpSocket: {port: 15432}}",
    "the environment": "command: [serve], env: [{name: PORT, value: '15432'}]",
    "Python's server": "script: python3 -m http.server 15432",
}


def matrix_of(fields: str, more: str = "") -> str:
    return (
        HEAD + f"  tasks: [{{name: a, matrix: {{params: [{{name: m, value: [u, v]}}]}}, taskSpec: {{{more}"
        f"params: [{{name: m}}], sidecars: [{{name: db, image: i, {fields}}}], steps: [{{image: i, script: x}}]}}}}]\n"
    )


@pytest.mark.parametrize("case", SHOWN)
def test_clash_of_a_probable_port_is_a_warning(problems, case):
    (line,) = problems(matrix_of(SHOWN[case]))
    assert "warning: " in line
    assert line.endswith(
        "2 combinations of the Task 'a' can run at the same time in one Pod, and the Sidecar 'db' of each seems to listen "
        "on the port 15432, which the Pod has only once; annotate the Task with monopod.dev/max-concurrency: '1'"
    )


@pytest.mark.parametrize(
    "fields",
    [
        "command: [serve], args: ['--port=$(params.m)']",
        "script: 'curl localhost:15432; sleep 15432; echo bind 15432'",
        "command: [app], env: [{name: DB_PORT, value: '5432'}]",
    ],
)
def test_unused_or_private_ports_do_not_clash(problems, fields):
    assert problems(matrix_of(fields)) == []


def test_combinations_that_run_one_after_another_share_a_port(problems):
    in_turn = "metadata: {annotations: {monopod.dev/max-concurrency: '1'}}, "
    assert problems(matrix_of(SHOWN["a probe"], in_turn)) == []


def test_port_of_a_well_known_server():
    sidecar = Sidecar(name="db", image="docker.io/library/postgres:16@sha256:1")
    assert [each.port for each in ports_of(sidecar, OptionPlace("db"))] == [5432]
