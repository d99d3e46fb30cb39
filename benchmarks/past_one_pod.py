"""Simulates runs in one Pod and in several, and draws curves: ``python benchmarks/past_one_pod.py FILE.svg``.

No cluster of this project is large enough, so time is simulated. The groups, their order and their peaks are those of
the compiler. The rest are constants, measured on a Kubernetes 1.36 node (docs/scale.md)
except `ENGINE`. Nodes have `NODE_CPU` cores. Nothing is asserted.
"""

from __future__ import annotations

import heapq
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from svg_chart import Chart, Series, drawn

from monopod.compiler.compilation import Compilation
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.grouping.groups import compile_groups
from monopod.compiler.grouping.partition import Limit
from monopod.compiler.options import Options
from monopod.compiler.pod.assembly import plan_of

POD = 1.0
"""Seconds from a Pod's creation to its first container."""
CONTAINER = 0.16
"""Seconds between the starts of containers of one Pod."""
END = 1.5
"""Seconds from the last Step's end until others see that the Pod has ended."""
ENGINE = 1.0
"""Seconds from there until an engine has created the next Pod. Assumed."""
NODE_CPU = 16
SECONDS = 60.0
"""How long a Task of the heavy examples runs."""


def main(path: str) -> int:
    """Simulate, print the figures, and write the curves into the file."""
    charts = [_shards(), _groups(), _small_tasks()]
    for chart in charts:
        for series in chart.series:
            for x, y in series.points:
                print(f"{chart.title}, {series.name}: {x} {chart.x_label}: {y:.3g}")
    Path(path).write_text(
        drawn(charts, f"simulated: nodes of {NODE_CPU} cores; constants in benchmarks/past_one_pod.py")
    )
    return 0


def _shards() -> Chart:
    """A matrix of 1,000 combinations of a minute on one core, in an Indexed Job, with a node for each of its Pods."""
    indexed = []
    for count in (1, 2, 5, 10, 20, 40, 60):
        combinations = -(-1000 // count)
        slots = min(NODE_CPU, combinations)
        started = [POD + CONTAINER * number for number in range(slots)]
        indexed.append((count, _slots_end(started, combinations, SECONDS) + END))
    each = [(count, _slots_end([0.0] * count * NODE_CPU, 1000, POD + SECONDS + END + ENGINE)) for count, _ in indexed]
    series = [Series("Indexed Job, a Pod for each node", indexed), Series("a Pod for each combination", each)]
    return Chart("1,000 combinations of 60 s on 1 core, s", "nodes", series, logarithmic=True)


def _slots_end(free: Sequence[float], count: int, seconds: float) -> float:
    """Return when the last of `count` equal things ends, of which each takes the slot that is free first."""
    slots = list(free)
    heapq.heapify(slots)
    last = 0.0
    for _ in range(count):
        last = heapq.heappop(slots) + seconds
        heapq.heappush(slots, last)
    return last


def _groups() -> Chart:
    """A Pipeline whose peak is 48 cores, cut for nodes of different sizes; a Pod for each Task beside it."""
    tasks = _pipeline_of_builds(12)
    grouped, named, each = [], [], []
    for cpu in (12, 16, 24, 32, 48):
        groups = _compiled(tasks, cpu)
        grouped.append((cpu, _run(tasks, {name: group for group, names in groups.items() for name in names})))
        named.append((cpu, _run(tasks, {name: _branch(name, cpu // 4) for name in tasks})))
        each.append((cpu, _run(tasks, {name: name for name in tasks})))
        print(f"  cut for {cpu} cores: {len(groups)} groups")
    lines = {"groups that --max-cpu finds": grouped, "groups by name, side by side": named, "a Pod for each Task": each}
    series = [Series(*line) for line in lines.items()]
    return Chart("12 builds, tests and packages, peak 48 cores, s", "cores of a node", series)


def _branch(name: str, builds: int) -> str:
    """Return the group of a Task if the branches of so many builds are a group, and what is before and after them."""
    _, dash, number = name.partition("-")
    return f"branch-{int(number) // builds}" if dash else name


def _small_tasks() -> Chart:
    """Chains of Tasks of one second: one Pod, ten groups, a Pod for each."""
    counts = (10, 50, 100, 200, 400)
    lines: dict[str, list[tuple[float, float]]] = {"one Pod": [], "10 groups": [], "a Pod for each Task": []}
    for count in counts:
        tasks = {f"t{number}": (1.0, 1, (f"t{number - 1}",) if number else ()) for number in range(count)}
        for name, size in (("one Pod", count), ("10 groups", -(-count // 10)), ("a Pod for each Task", 1)):
            of_group = {task: str(number // size) for number, task in enumerate(tasks)}
            lines[name].append((count, _run(tasks, of_group)))
    return Chart("A chain of Tasks of 1 s, s", "Tasks", [Series(*each) for each in lines.items()])


_Tasks = Mapping[str, tuple[float, int, tuple[str, ...]]]
"""Seconds, cores and predecessors of Tasks, by name and in running order."""


def _pipeline_of_builds(count: int) -> dict[str, tuple[float, int, tuple[str, ...]]]:
    tasks: dict[str, tuple[float, int, tuple[str, ...]]] = {"fetch": (10.0, 1, ())}
    for number in range(count):
        tasks[f"build-{number}"] = (SECONDS, 4, ("fetch",))
        tasks[f"test-{number}"] = (SECONDS, 2, (f"build-{number}",))
        tasks[f"package-{number}"] = (10.0, 1, (f"test-{number}",))
    tasks["publish"] = (10.0, 1, tuple(f"package-{number}" for number in range(count)))
    return tasks


def _run(tasks: _Tasks, group_of: Mapping[str, str]) -> float:
    """Return when a run ends whose groups are Pods of their own, all of which find a node at once."""
    members: dict[str, list[str]] = {}
    for name in tasks:
        members.setdefault(group_of[name], []).append(name)
    ends: dict[str, float] = {}
    closed: dict[str, float] = {}
    waiting = dict(members)
    while waiting:
        for group, names in list(waiting.items()):
            before = {group_of[each] for name in names for each in tasks[name][2]} - {group}
            if not before <= closed.keys():
                continue
            created = max((closed[each] + ENGINE for each in before), default=0.0)
            for number, name in enumerate(names):
                ready = created + POD + CONTAINER * number
                seconds, _, after = tasks[name]
                ends[name] = max([ready, *(ends[each] for each in after if group_of[each] == group)]) + seconds
            closed[group] = max(ends[name] for name in names) + END
            del waiting[group]
    return max(closed.values())


def _compiled(tasks: _Tasks, cpu: int) -> dict[str, list[str]]:
    """Return the groups that the compiler finds with a limit."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "pipeline.json")
        file.write_text(json.dumps(_document(tasks)))
        compiled = _workflow(str(file), cpu)
    templates = compiled.workload["spec"]["templates"]
    plans = {
        each["name"]: plan_of(json.loads(each["resource"]["manifest"])) for each in templates if "resource" in each
    }
    return {name: [task.name for task in plan.pipeline.tasks if task.left_out is None] for name, plan in plans.items()}


def _workflow(file: str, cpu: int) -> Compilation:
    try:
        return compile_groups(load([file]), Options(), "Workflow", [Limit("cpu", "--max-cpu", str(cpu + 1))])
    except Problems as error:
        raise SystemExit("\n".join(map(str, error.problems))) from error


def _document(tasks: _Tasks) -> dict[str, object]:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "builds"},
        "spec": {
            "tasks": [
                {
                    "name": name,
                    "runAfter": list(after),
                    "taskSpec": {
                        "steps": [
                            {
                                "name": "run",
                                "image": "busybox:stable",
                                "script": "true",
                                "computeResources": {"requests": {"cpu": str(cpu)}},
                            }
                        ]
                    },
                }
                for name, (_, cpu, after) in tasks.items()
            ]
        },
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
