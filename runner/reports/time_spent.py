"""Where a run spent its time: its critical path, its waits, its parallelism, and what would make it faster.

Rules:

- Everything is computed from measured times. A Task instance waits from the moment all Tasks before it are done
  (`ready`) until it starts. The critical path is the chain of Tasks that delayed one another up to the last one; its
  waits and durations add up to the duration of the run.
- A combination of a matrix that reused a slot also waited for the previous combination in that slot.
- An estimated change alters nothing else: everything that runs in parallel takes as long as it did. That is too
  optimistic on a machine whose cores are all busy.

The graph is in ``schedule``; ``commands.explain`` and ``page`` present the result.
"""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from monopod.runner.records.recorded_run import RecordedRun, TaskRun
from monopod.runner.reports.given_back import GivenBack, given_back
from monopod.runner.reports.given_back import to_json as given_back_to_json
from monopod.runner.reports.schedule import Schedule

T = TypeVar("T")

MOST_REPORTED = 5
"""The maximum number of waits, and of changes, that are reported."""
WORTH_SECONDS = 0.05
WORTH_SHARE = 0.01
"""Waits and changes shorter than this, or than this share of the run, are not reported."""


@dataclass(frozen=True, slots=True)
class Span:
    """A Task instance in time, in seconds since the run started.

    ``ready``: all Tasks before it were done. ``free``: its slot was free, too. ``began``: the program of its first Step
    started; None if no program ever did.
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
        """How long it was ready but did not run: it waited for its slot, its turn, and its container."""
        return max((self.started if self.began is None else self.began) - self.ready, 0.0)

    @property
    def seconds(self) -> float:
        """How long it took from its start."""
        return self.ended - self.started

    @property
    def held_up(self) -> float:
        """How long it waited after its slot was free: its own wait on the critical path."""
        return self.started - self.free

    @property
    def own(self) -> float:
        """Its own wait and duration: what it adds to the critical path."""
        return self.ended - self.free


@dataclass(frozen=True, slots=True)
class Wait:
    """A Task instance that waited although all Tasks before it were done, how long, and for what (``why``)."""

    label: str
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change that would make the run faster: ``what`` as a clause, and the seconds it would save."""

    what: str
    saved: float


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """Where a run spent its time. Times are in seconds; ``total`` is how long the run took.

    ``work`` is the duration of all Tasks added up, ``shortest`` the longest chain of dependent Tasks with no waiting:
    no number of cores makes the run faster than that. ``peak`` is the maximum number of Tasks that ran in parallel,
    ``widest`` the maximum that could have. ``cpu`` is the CPU time of all Steps. ``given_back`` is what the run gave
    back to its cluster, None if it was nothing.
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
    given_back: GivenBack | None = None

    @property
    def reached(self) -> float:
        """The average number of Tasks that ran in parallel."""
        return self.work / self.total if self.total else 0.0

    @property
    def possible(self) -> float:
        """The average number that would have run in parallel with no waiting."""
        return self.work / self.shortest if self.shortest else 0.0


def time_spent(run: RecordedRun) -> TimeSpent:
    """Return where a run spent its time. An active run is measured up to its latest event."""
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
    without_waits = Schedule({span.label: span.seconds for span in spans}, edges)
    return TimeSpent(
        total=total,
        spans=spans,
        critical=critical,
        after_last=max(total - max((span.ended for span in spans), default=0.0), 0.0),
        waits=_largest(_waits(run, ran, total), lambda wait: wait.seconds),
        work=work,
        shortest=without_waits.length,
        peak=_peak(ran),
        widest=Schedule(dict.fromkeys(names, 1.0), _bridged(edges, names)).widest,
        cpu=sum(span.cpu for span in ran),
        changes=_largest(_changes(run, schedule, by_label, total), lambda change: change.saved),
        given_back=given_back(run.given_back, run.ended),
    )


def _largest(items: Iterable[T], seconds: Callable[[T], float]) -> tuple[T, ...]:
    return tuple(sorted(items, key=seconds, reverse=True)[:MOST_REPORTED])


def _spans(run: RecordedRun) -> Iterator[Span]:
    """Yield the Task instances in Pipeline order. An unstarted instance takes no time, when it was ready."""
    previous = dict(_turns_by_next(run))
    spans: dict[str, Span] = {}
    for task in _in_topological_order(run):
        ready = max((spans[label].ended for label in task.before), default=0.0)
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


def _in_topological_order(run: RecordedRun) -> Iterator[TaskRun]:
    """Yield the Task instances in topological order."""
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
    """Yield pairs of Task instances that ran in the same slot, one after the other."""
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
    """Yield the edges between the nodes `names`, including edges that lead through other nodes."""
    nexts: dict[str, list[str]] = {}
    for before, after in edges:
        nexts.setdefault(before, []).append(after)
    for name in names:
        pending, seen = list(nexts.get(name, ())), set()
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            if node in names:
                yield name, node
            else:
                pending.extend(nexts.get(node, ()))


def _peak(spans: tuple[Span, ...]) -> int:
    """Return the maximum number of overlapping spans. A span that ends when another starts does not overlap it."""
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
        limit = _limit_reached(run, span, spans)
        parts = [
            (span.free - span.ready, f"its turn, after {previous.get(span.label, '')}"),
            (span.started - span.free, limit or "its start"),
            ((span.started if span.began is None else span.began) - span.started, "its container"),
        ]
        yield Wait(span.label, span.waited, max(parts)[1])


def _limit_reached(run: RecordedRun, span: Span, spans: tuple[Span, ...]) -> str:
    """Return what a Task waited for if others had used up the limit of Tasks that run at a time; else an empty text."""
    most = run.plan.max_parallel
    if most is None:
        return ""
    before = [other for other in spans if other.started < span.started and other.ended > span.free]
    words = f"its turn: --max-parallel lets {most} Task{'s' * (most != 1)} run at a time"
    return words if len(before) >= most else ""


def _changes(run: RecordedRun, schedule: Schedule, spans: dict[str, Span], total: float) -> Iterator[Change]:
    changes = [
        *_shorter_tasks(schedule, spans),
        *_fewer_dependencies(run, schedule),
        *_more_at_once(run, schedule),
    ]
    yield from (change for change in changes if _is_worth(change.saved, total))


def _shorter_tasks(schedule: Schedule, spans: dict[str, Span]) -> Iterator[Change]:
    for name in schedule.critical_path:
        span = spans[name]
        without = schedule.with_seconds(name, span.held_up)
        yield Change(f"if {name} took no time", schedule.length - without.length)


def _fewer_dependencies(run: RecordedRun, schedule: Schedule) -> Iterator[Change]:
    """Yield the effect of removing each dependency on the critical path, except the dependencies of `finally` Tasks."""
    critical = [(run.by_label[before], run.by_label[after]) for before, after in schedule.critical_edges]
    declared = {(_dependency(before, after), after.state.path): after for before, after in critical}
    for (dependency, path), task in declared.items():
        if dependency is None:
            continue
        edges = [
            (before, instance.label)
            for instance in run.tasks
            if instance.state.path == path
            for before in instance.before
            if _is_below(run.by_label[before].state.path, dependency)
        ]
        uses = " (whose Result it uses)" if _uses_result(task, dependency) else ""
        saved = schedule.length - schedule.without_edges(edges).length
        yield Change(f"if {path} did not depend on {dependency}{uses}", saved)


def _more_at_once(run: RecordedRun, schedule: Schedule) -> Iterator[Change]:
    """Yield the effect of running all combinations of each matrix in parallel."""
    turns = tuple(_turns(run))
    for path in {run.by_label[after].state.path for edge in schedule.critical_edges if edge in turns for after in edge}:
        edges = [edge for edge in turns if run.by_label[edge[1]].state.path == path]
        saved = schedule.length - schedule.without_edges(edges).length
        yield Change(f"if all combinations of {path} ran in parallel", saved)


def _dependency(before: TaskRun, after: TaskRun) -> str | None:
    """Return the path in `after`'s dependencies that covers `before`; None if there is none."""
    return next((path for path in after.state.after if _is_below(before.state.path, path)), None)


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above + "/")


def _uses_result(task: TaskRun, path: str) -> bool:
    return task.planned is not None and path.rpartition("/")[2] in task.planned.result_sources


def to_json(spent: TimeSpent) -> dict[str, Any]:
    """Return plain data for JSON. Times are in seconds; moments count from the start of the run."""
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
        "waits": [{"task": wait.label, "seconds": _rounded(wait.seconds), "for": wait.why} for wait in spent.waits],
        "parallelism": {
            "work": _rounded(spent.work),
            "reached": _rounded(spent.reached),
            "possible": _rounded(spent.possible),
            "peak": spent.peak,
            "widest": spent.widest,
            "shortest": _rounded(spent.shortest),
            "cpu": _rounded(spent.cpu),
        },
        "changes": [{"change": change.what, "saved": _rounded(change.saved)} for change in spent.changes],
        **({} if spent.given_back is None else {"givenBack": given_back_to_json(spent.given_back)}),
    }


def _rounded(value: float) -> float:
    return round(value, 3)
