"""Measures how a Pod scales with its Steps, and draws curves: ``python benchmarks/scale.py FILE.svg`` (`make plots`).

Everything is measured one after another, beside Steps that poll (``polling``). The load of the machine is written under
the curves. Nothing is asserted.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import generated
import yaml
from figures import gaps
from measured_run import MONOPOD, command_seconds, step_times_and_memory, written
from polling import hand_offs
from svg_chart import Chart, Series, drawn

from monopod.coordinator.__main__ import parse_options
from monopod.coordinator.engine.engine import Engine
from monopod.coordinator.engine.events import (
    Begun,
    ContainerReady,
    Event,
    Exit,
    ReadResults,
    ResultsRead,
    RunStep,
    StepExited,
)
from monopod.schemas.plan import Plan, decode

STEPS = (10, 50, 100, 200, 500)
TASKS = (125, 250, 500, 1000)


def main(path: str) -> int:
    """Measure, print the figures, and write the curves into the file."""
    before = os.getloadavg()[0]
    charts = [_hand_off(), *_fans(), _compiler_and_engine()]
    load = f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    machine = f"Linux {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}, {load}"
    for chart in charts:
        for series in chart.series:
            for x, y in series.points:
                print(f"{chart.title}, {series.name}: {x} {chart.x_label}: {y:.3g}")
    print(machine)
    Path(path).write_text(drawn(charts, machine))
    return 0


def _hand_off() -> Chart:
    """From a Step's exit to the next exec, in chains of Tasks whose containers run, p50; and poll loops."""
    ours = []
    for count in STEPS:
        steps, _ = step_times_and_memory(generated.gated_chain_of_tasks(count), waiting=count)
        ours.append((count, statistics.median(gaps(steps)) * 1000))
    series = [Series("monopod", ours)]
    for interval, count in ((0.01, 50), (1.0, 12)):
        polled = statistics.median(hand_offs(count, interval)) * 1000  # more would only load the machine
        series.append(Series(f"a poll loop of {interval:g} s, {count} Steps", [(number, polled) for number in STEPS]))
    return Chart("From a Step's exit to the next exec, p50, ms", "Steps", series, logarithmic=True)


def _fans() -> list[Chart]:
    """One Step, then many at once, then one; and the coordinator's resources while those wait."""
    out, back, memory, descriptors = [], [], [], []
    for count in STEPS:
        steps, waiting = step_times_and_memory(generated.fan_out_and_in(count), waiting=count + 1)
        gate, *branches, join = steps
        out.append((count, (max(branch.start for branch in branches) - gate.end) * 1000))
        back.append((count, (join.start - max(branch.end for branch in branches)) * 1000))
        memory.append((count, waiting.coordinator / 1024))
        descriptors.append((count, float(waiting.descriptors)))
    fans = [Series("fan-out: exit to the last exec", out), Series("fan-in: last exit to exec", back)]
    return [
        Chart("Fan-out and fan-in, ms", "Steps at once", fans),
        Chart("Coordinator, resident, MiB", "Steps", [Series("all Steps wait", memory)]),
        Chart("Coordinator, open descriptors", "Steps", [Series("all Steps wait", descriptors)]),
    ]


def _compiler_and_engine() -> Chart:
    """`monopod compile`, whole process; and a run of the Plan by the engine only, whose Steps end at once."""
    compiled, ran = [], []
    for count in TASKS:
        with written(generated.realistic(count)) as file:
            compiled.append((count, command_seconds("compile", "-f", file, "-o", "/dev/null")))
            ran.append((count, _engine_seconds(_plan(file))))
    return Chart("Compiler and engine, s", "Tasks", [Series("monopod compile", compiled), Series("engine", ran)])


def _plan(file: str) -> Plan:
    done = subprocess.run(
        [MONOPOD, "compile", "-f", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    ).stdout
    pod = next(document for document in yaml.safe_load_all(done) if document["kind"] == "Pod")
    return decode(parse_options(pod["spec"]["initContainers"][0]["args"]).pieces)


def _engine_seconds(plan: Plan) -> float:
    engine = Engine(plan)
    names = [name for task in plan.pipeline.tasks for slot in task.slots for name in slot.containers]
    events: deque[Event] = deque([Begun(0.0, "run", "default", "uid"), *(ContainerReady(0.0, name) for name in names)])
    began = time.monotonic()
    while events:
        for command in engine.handle(events.popleft()):
            match command:
                case RunStep(container=container, request=request):
                    events.append(StepExited(0.0, container, request, Exit(code=0)))
                case ReadResults(slot=slot, paths=paths):
                    events.append(ResultsRead(0.0, slot, dict.fromkeys(paths, "text"), {}))
    seconds = time.monotonic() - began
    assert engine.finished
    return seconds


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed monopod has its bytecode
    with tempfile.TemporaryDirectory(prefix="monopod-bench-") as records:
        os.environ["XDG_STATE_HOME"] = records  # measured runs leave no records
        sys.exit(main(sys.argv[1]))
