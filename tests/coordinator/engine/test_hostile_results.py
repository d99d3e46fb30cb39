"""For any Results and Artifacts, the engine reaches decisions, and all its events can be encoded and printed.

The normal suite makes a few hundred runs of random Pipelines. More on demand:

    MONOPOD_HOSTILE_RUNS=100000 pytest tests/coordinator/engine/test_hostile_results.py
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from random import Random

from random_pipelines import DEFAULT, random_case
from simulation import Behaviour, simulate

from monopod.coordinator.control_directory import encode_request
from monopod.coordinator.engine.events import RunStep, event_from_line, event_to_line
from monopod.schemas.run_events import from_line, to_line
from monopod.schemas.run_log import RunLog

RUNS = int(os.environ.get("MONOPOD_HOSTILE_RUNS", "400"))
TEXTS = (
    "", "\0", "\n", "\r\n\x1b[2J", "é" * 1000, "'", '"', "')) || (('", "$(params.p)", "$(tasks.a.results.r[*])",
    "$(HOME)", "$$(HOME)", "*", "a" * 100_000, "\ufffd", "no array", "[", "[" * 100_000, "[" * 990 + "]" * 990, "[]",
    "{}", "null", "1", '["\\ud800"]', '["\\u0000", "$(params.p)"]', '[""]', '{"a": "\\udfff"}', '{"\\ud800": "x"}',
    '{"a": 1}', "NaN", "[NaN]", '{"outputs": [{"name": "x", "values": [{"uri": "' + "u" * 1000 + '"}]}]}',
    '{"outputs": [{"name": "\\ud800", "values": []}]}',
    '{"outputs": [{"name": "x", "values": [' + "[" * 990 + "]" * 990 + "]}]}",
)  # fmt: skip
MANY = (json.dumps(["x"] * 5000), json.dumps([""] * 300), json.dumps({f"k{number}": "v" for number in range(300)}))


def hostile(behaviour: Behaviour, random: Random) -> Behaviour:
    """Return the behaviour of a Step with other contents in some of its files."""
    files = {
        path: random.choice((text, random.choice(TEXTS), random.choice(MANY))) for path, text in behaviour.files.items()
    }
    return dataclasses.replace(behaviour, files=files)


def test_hostile_results():
    written = requests = 0
    for seed in range(RUNS):
        case, random = random_case(seed), Random(seed)
        behaviours = {key: hostile(behaviour, random) for key, behaviour in case.behaviours.items()}
        written += sum(behaviours[key].files != behaviour.files for key, behaviour in case.behaviours.items())
        try:
            run = simulate(
                case.plan,
                lambda request, known=behaviours: known.get((request.container, request.request), DEFAULT),
                ready=lambda container, known=case.ready: known.get(container, 0.0),
            )
            for event in run.events:
                assert event_from_line(event_to_line(event)) == event
            log = RunLog()
            for event in run.reported:
                assert "\n" not in to_line(event)
                from_line(to_line(event).encode(errors="replace").decode())
                "".join(log.lines(event)).encode(errors="replace")
            for _, command in run.commands:
                if isinstance(command, RunStep):
                    requests += 1
                    with contextlib.suppress(ValueError):  # the coordinator rejects such a request at once
                        encode_request(command)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    assert written > RUNS
    assert requests > RUNS
