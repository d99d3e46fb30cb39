"""Where the time of a run went: its critical path, its waits, how much ran at once, and what a change would bring.

Rules:

- What is computed from is what was measured. A Task instance waits from the moment when all Tasks before it are over
  (`ready`) to its start, and then takes its time. The critical path is the chain of Tasks that ends with the last one,
  each of which held up the next; its waits and times add up to the length of the run.
- A combination of a matrix that ran in a slot after another one waited for that one too.
- A change is thought to alter nothing else: what runs at the same time would take as long as it did. On a machine whose
  cores are all busy that is too hopeful.

What is left to others: the graph (``schedule``), how it is told (``commands.explain``, ``page``).
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from monopod.runner.records.recorded_run import RecordedRun, TaskRun
from monopod.runner.reports.schedule import Schedule

MOST_TOLD = 5
"""How many waits, and how many changes, are told at most."""
WORTH_SECONDS = 0.05
WORTH_SHARE = 0.01
"""What is shorter than this, or than this share of the run, is not told."""


@dataclass(frozen=True, slots=True)
class Span:
    """A Task instance in time, in seconds since the run started.

    ``ready``: all Tasks before it were over. ``free``: its slot was, too. ``began``: its first Step's program was
    started; None if none ever was.
    """

    label: str
    path: str
    ready: float
    free: float
    started: float
    ended: float
    began: float | None
    cpu: float

    @property
    def waited(self) -> float:
        """How long it could have run but did not: for its slot, then for its turn, then for its container."""
        return max((self.started if self.began is None else self.began) - self.ready, 0.0)

    @property
    def seconds(self) -> float:
        """How long it took, from its start on."""
        return self.ended - self.started

    @property
    def held_up(self) -> float:
        """How long it waited once its slot was free, too: on the critical path, its own wait."""
        return self.started - self.free

    @property
    def own(self) -> float:
        """Its own wait and time: on the critical path, what it adds to the run."""
        return self.ended - self.free


@dataclass(frozen=True, slots=True)
class Wait:
    """A Task instance that waited though all before it was over, how long, and in words what for."""

    label: str
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """What would bring a shorter run: ``what`` in words, and by how many seconds."""

    what: str
    saved: float


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """Where the time of a run went. Times are in seconds; ``total`` is how long the run took.

    ``work`` is how long all Tasks took together, ``shortest`` the longest chain of dependent Tasks without any wait:
    no number of cores makes the run shorter than that. ``peak`` is how many Tasks ran at the same time at most,
    ``widest`` how many could have. ``cpu`` is the processor time of all Steps.
    """

    total: float
    spans: tuple[Span, ...]
    critical: tuple[Span, ...]
    after_last: float
    waits: tuple[Wait, ...]
    work: float
    shortest: float
    peak: int
    widest: int
    cpu: float
    changes: tuple[Change, ...]

    @property
    def reached(self) -> float:
        """How many Tasks ran at the same time on average."""
        return self.work / self.total if self.total else 0.0

    @property
    def possible(self) -> float:
        """How many would have, had none waited."""
        return self.work / self.shortest if self.shortest else 0.0


def time_spent(run: RecordedRun) -> TimeSpent:
    """Return where the time of a run went; of one that goes on, up to the last that was heard of it."""
    total = run.ended - run.started
    spans = tuple(_spans(run))
    ran = tuple(span for span in spans if run.by_label[span.label].attempts)
    edges = tuple(_edges(run))
    turns = tuple(_turns(run))
    schedule = Schedule({span.label: span.own for span in spans}, (*edges, *turns))
    by_label = {span.label: span for span in spans}
    critical = tuple(by_label[name] for name in schedule.critical_path if run.by_label[name].attempts)
    work = sum(span.seconds for span in ran)
    names = {span.label for span in ran}
    alone = Schedule({span.label: span.seconds for span in spans}, edges)
    return TimeSpent(
        total=total,
        spans=spans,
        critical=critical,
        after_last=max(total - max((span.ended for span in spans), default=0.0), 0.0),
        waits=tuple(sorted(_waits(run, ran, total), key=lambda wait: -wait.seconds)[:MOST_TOLD]),
        work=work,
        shortest=alone.length,
        peak=_peak(ran),
        widest=Schedule(dict.fromkeys(names, 1.0), _bridged(edges, names)).widest,
        cpu=sum(span.cpu for span in ran),
        changes=tuple(sorted(_changes(run, schedule, by_label, total), key=lambda each: -each.saved)[:MOST_TOLD]),
    )


def _spans(run: RecordedRun) -> Iterator[Span]:
    """Yield the Task instances in the order of the Pipeline. One that never started took no time when it could have."""
    previous = dict(_turns_by_next(run))
    spans: dict[str, Span] = {}
    for task in _in_order(run):
        ready = max((spans[each].ended for each in task.before), default=0.0)
        free = spans[previous[task.label]].ended if task.label in previous else 0.0
        spans[task.label] = _span(run, task, ready, max(ready, free))
    yield from (spans[task.label] for task in run.tasks)


def _span(run: RecordedRun, task: TaskRun, ready: float, free: float) -> Span:
    if task.state.started is None or not task.attempts:
        return Span(task.label, task.state.path, ready, ready, ready, ready, None, 0.0)
    start = task.state.started - run.started
    end = (run.ended if task.state.ended is None else task.state.ended) - run.started
    begun = min((step.start for step in task.attempts[0].steps if step.start is not None), default=None)
    return Span(
        label=task.label,
        path=task.state.path,
        ready=min(ready, start),
        free=min(free, start),
        started=start,
        ended=max(end, start),
        began=None if begun is None else max(begun - run.started, start),
        cpu=sum(step.cpu for attempt in task.attempts for step in attempt.steps),
    )


def _in_order(run: RecordedRun) -> Iterator[TaskRun]:
    """Yield the Task instances so that each comes after those that it waited for."""
    before = {task.label: set(task.before) for task in run.tasks}
    for earlier, later in _turns(run):
        before[later].add(earlier)
    for label in graphlib.TopologicalSorter(before).static_order():
        yield run.by_label[label]


def _edges(run: RecordedRun) -> Iterator[tuple[str, str]]:
    for task in run.tasks:
        for before in task.before:
            yield before, task.label


def _turns(run: RecordedRun) -> Iterator[tuple[str, str]]:
    """Yield the pairs of Task instances of which the second ran in the slot of the first when that was over."""
    by_slot: dict[str, list[TaskRun]] = {}
    for task in run.tasks:
        if task.attempts:
            by_slot.setdefault(task.attempts[0].slot, []).append(task)
    for tasks in by_slot.values():
        ordered = sorted(tasks, key=lambda task: task.attempts[0].started)
        yield from ((one.label, other.label) for one, other in pairwise(ordered))


def _turns_by_next(run: RecordedRun) -> Iterator[tuple[str, str]]:
    return ((later, earlier) for earlier, later in _turns(run))


def _bridged(edges: tuple[tuple[str, str], ...], names: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the edges between the nodes `names`, and those that lead through others."""
    nexts: dict[str, list[str]] = {}
    for before, after in edges:
        nexts.setdefault(before, []).append(after)
    for name in names:
        pending, seen = list(nexts.get(name, ())), set()
        while pending:
            each = pending.pop()
            if each in seen:
                continue
            seen.add(each)
            if each in names:
                yield name, each
            else:
                pending.extend(nexts.get(each, ()))


def _peak(spans: tuple[Span, ...]) -> int:
    """Return how many of the spans overlap at most; one that ends when another starts does not overlap it."""
    moments = sorted(
        [(span.started, 1) for span in spans if span.seconds] + [(span.ended, -1) for span in spans if span.seconds]
    )
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def _is_worth(seconds: float, total: float) -> bool:
    return seconds >= WORTH_SECONDS and seconds >= WORTH_SHARE * total


def _waits(run: RecordedRun, spans: tuple[Span, ...], total: float) -> Iterator[Wait]:
    previous = dict(_turns_by_next(run))
    for span in spans:
        if not _is_worth(span.waited, total):
            continue
        parts = [
            (span.free - span.ready, f"its turn, after {previous.get(span.label, '')}"),
            (span.started - span.free, "its start"),
            ((span.started if span.began is None else span.began) - span.started, "its container"),
        ]
        yield Wait(span.label, span.waited, max(parts)[1])


def _changes(run: RecordedRun, schedule: Schedule, spans: dict[str, Span], total: float) -> Iterator[Change]:
    found = [
        *_shorter_tasks(schedule, spans),
        *_fewer_dependencies(run, schedule),
        *_more_at_once(run, schedule),
    ]
    yield from (change for change in found if _is_worth(change.saved, total))


def _shorter_tasks(schedule: Schedule, spans: dict[str, Span]) -> Iterator[Change]:
    for name in schedule.critical_path:
        span = spans[name]
        without = schedule.with_seconds(name, span.held_up)
        yield Change(f"if {name} took no time", schedule.length - without.length)


def _fewer_dependencies(run: RecordedRun, schedule: Schedule) -> Iterator[Change]:
    """Yield what it would bring to do without a dependency on the critical path; those of `finally` are a must."""
    critical = [(run.by_label[before], run.by_label[after]) for before, after in schedule.critical_edges]
    declared = {(_dependency(before, after), after.state.path): after for before, after in critical}
    for (dependency, path), task in declared.items():
        if dependency is None:
            continue
        edges = [
            (before, each.label)
            for each in run.tasks
            if each.state.path == path
            for before in each.before
            if _is_below(run.by_label[before].state.path, dependency)
        ]
        uses = ", of which it uses a Result" if _uses_result(task, dependency) else ""
        saved = schedule.length - schedule.without_edges(edges).length
        yield Change(f"if {path} did not depend on {dependency}{uses}", saved)


def _more_at_once(run: RecordedRun, schedule: Schedule) -> Iterator[Change]:
    """Yield what it would bring to run all combinations of a matrix at the same time."""
    turns = tuple(_turns(run))
    for path in {run.by_label[after].state.path for edge in schedule.critical_edges if edge in turns for after in edge}:
        edges = [edge for edge in turns if run.by_label[edge[1]].state.path == path]
        saved = schedule.length - schedule.without_edges(edges).length
        yield Change(f"if all combinations of {path} ran at the same time", saved)


def _dependency(before: TaskRun, after: TaskRun) -> str | None:
    """Return the path by which `after` says that it waits for `before`; None if that is not what it says."""
    return next((path for path in after.state.after if _is_below(before.state.path, path)), None)


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above + "/")


def _uses_result(task: TaskRun, path: str) -> bool:
    return task.planned is not None and path.rpartition("/")[2] in task.planned.result_sources


def to_json(spent: TimeSpent) -> dict[str, Any]:
    """Return it as plain data, for programs: times in seconds, since the start of the run where they are moments."""
    return {
        "seconds": _rounded(spent.total),
        "criticalPath": [
            {
                "task": span.label,
                "ready": _rounded(span.free),
                "started": _rounded(span.started),
                "ended": _rounded(span.ended),
            }
            for span in spent.critical
        ],
        "afterLastTask": _rounded(spent.after_last),
        "waits": [{"task": each.label, "seconds": _rounded(each.seconds), "for": each.why} for each in spent.waits],
        "parallelism": {
            "work": _rounded(spent.work),
            "reached": _rounded(spent.reached),
            "possible": _rounded(spent.possible),
            "peak": spent.peak,
            "widest": spent.widest,
            "shortest": _rounded(spent.shortest),
            "cpu": _rounded(spent.cpu),
        },
        "changes": [{"change": each.what, "saved": _rounded(each.saved)} for each in spent.changes],
    }


def _rounded(value: float) -> float:
    return round(value, 3)
