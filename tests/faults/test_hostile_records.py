"""Records with all kinds of damage: the commands that read them report what is wrong and never crash.

The normal suite tries a hundred cases of damage; more with ``MONOPOD_FUZZ_EXAMPLES=10000``.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from unittest import mock

import pytest
from hostile_input import run_monopod
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from observed import run as simulated
from random_pipelines import random_case
from recorded import record_run

EXAMPLES = int(os.environ.get("MONOPOD_FUZZ_EXAMPLES", "60"))
COMMANDS = (
    ("runs",),
    ("runs", "-o", "json"),
    ("explain",),
    ("explain", "-o", "json"),
    ("report", "--format", "html", "-o", "{}/report"),
    ("report", "--format", "junit", "-o", "{}/report"),
    ("report", "--format", "trace", "-o", "{}/report"),
    ("report", "--format", "json", "-o", "{}/report"),
)
ODD = st.sampled_from(
    [None, True, -1, 1 << 80, 1.5, 1e308, float("nan"), "", "a", "\n", "\x00", "..", "9" * 5000, [], {}, [[]]]
)


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    """A state directory with the record of one eventful run."""
    state = tmp_path_factory.mktemp("state")
    case = next(case for case in map(random_case, range(1000)) if len(case.plan.pipeline.tasks) == 5)
    events = simulated(case).reported
    container = next(iter(case.behaviours))[0]
    lines = [(container, b"one\n"), (container, "zwei \u2028 \x1b[1m\n".encode())]
    record_run(state / "monopod" / "runs", case.plan, [*events[:-1], *lines, events[-1]])
    return state


def _damaged(path: Path, data: st.DataObject) -> None:
    content = path.read_bytes()
    lines = content.split(b"\n")
    kind = data.draw(st.sampled_from(["bytes", "cut", "none", "empty", "line", "directory", "value", "value", "value"]))
    if kind == "bytes":
        at = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:at] + data.draw(st.binary(max_size=8)) + content[at + data.draw(st.integers(0, 8)) :])
    elif kind == "cut":
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "line":
        number = data.draw(st.integers(0, len(lines) - 1))
        lines.insert(data.draw(st.integers(0, len(lines) - 1)), lines.pop(number))
        path.write_bytes(b"\n".join(lines))
    elif kind == "value":
        number = data.draw(st.integers(0, len(lines) - 1))
        lines[number] = _with_another_value(lines[number], data)
        path.write_bytes(b"\n".join(lines))
    else:
        path.unlink()
        if kind == "directory":
            path.mkdir()


def _with_another_value(line: bytes, data: st.DataObject) -> bytes:
    try:
        found = json.loads(line)
    except ValueError:
        fields = line.split(b"\t")
        fields[data.draw(st.integers(0, len(fields) - 1))] = str(data.draw(ODD)).encode()
        return b"\t".join(fields)
    holder = found
    while isinstance(holder, dict) and holder:
        key = data.draw(st.sampled_from(sorted(holder)))
        if isinstance(holder[key], dict) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        if data.draw(st.integers(0, 4)):
            holder[key] = data.draw(ODD)
        else:
            del holder[key]
        break
    return json.dumps(found).encode()


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES == 60)
@given(data=st.data())
def test_damaged_records(state, tmp_path_factory, data):
    copied = tmp_path_factory.mktemp("copied")
    shutil.copytree(state, copied, dirs_exist_ok=True)
    (record,) = (copied / "monopod" / "runs").iterdir()
    files = sorted(each.name for each in record.iterdir() if each.is_file() and each.stat().st_size)
    for name in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=2, unique=True)):
        _damaged(record / name, data)
    with mock.patch.dict(os.environ, XDG_STATE_HOME=str(copied)):
        for command in COMMANDS:
            run_monopod(*(word.format(copied) for word in command))
    shutil.rmtree(copied)
