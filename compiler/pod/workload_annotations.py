"""The annotations of a run that say how a Job or CronJob runs it, for what the command line leaves open.

Rules:

- They are ``monopod.dev/schedule``, ``time-zone``, ``concurrency-policy`` and ``suspend`` of a CronJob, and ``ttl``,
  of a Job too. The run's own take precedence over those of its Pipeline or Task, and options over all.
- They are read, and checked, only for the kinds of object that have them: a run with a schedule can be run now.

Left to others: the options (``workload``), and what a schedule may be (``cron_schedule``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from monopod.compiler.diagnostics import Problem, Report, did_you_mean
from monopod.compiler.documents.annotations import Annotations, owner_of, parse_boolean, read
from monopod.compiler.documents.own_annotations import CONCURRENCY_POLICY, SCHEDULE, SUSPEND, TIME_ZONE, TTL
from monopod.compiler.pod.cron_schedule import schedule_problem
from monopod.compiler.pod.workload import CONCURRENCY_POLICIES, MAX_SECONDS, Workload, time_zone_problem
from monopod.schemas.formats import duration

OF_WORKLOADS = frozenset({SCHEDULE, TIME_ZONE, TTL, CONCURRENCY_POLICY, SUSPEND})

_NEEDS_SCHEDULE = (
    f"--kind CronJob needs --schedule, such as --schedule '30 3 * * 1-5', or the annotation {SCHEDULE} of the run"
)


def with_annotations(workload: Workload, sources: Sequence[Annotations], report: Report) -> Workload:
    """Return a workload with what these annotations say; what is wrong with them is added to the report."""
    settings = {
        field: read(name, sources, parse, report, "workload") for name, field, parse in _annotations_of(workload)
    }
    made = replace(workload, **{field: each.value for field, each in settings.items() if each is not None})
    if made.kind == "CronJob" and made.schedule is None and owner_of(SCHEDULE, sources) is None:
        report.add(Problem(None, _NEEDS_SCHEDULE, "workload"))
    return made


def _annotations_of(workload: Workload) -> Iterator[tuple[str, str, Callable[[str], Any]]]:
    """Yield the annotations that an object needs: the name, the field, and what reads the text."""
    if workload.kind in ("Job", "CronJob") and workload.ttl is None:
        yield TTL, "ttl", _ttl
    if workload.kind != "CronJob":
        return
    yield CONCURRENCY_POLICY, "concurrency_policy", _concurrency_policy
    yield SUSPEND, "suspend", parse_boolean
    if workload.schedule is None:
        yield SCHEDULE, "schedule", _schedule
        if workload.time_zone is None:
            yield TIME_ZONE, "time_zone", _time_zone


def _ttl(text: str) -> float:
    seconds = duration.parse(text)
    if seconds > MAX_SECONDS:
        raise ValueError(f"a ttl may be {MAX_SECONDS} seconds at most")
    return seconds


def _schedule(text: str) -> str:
    lines = text.splitlines()
    if len(lines) > 1:
        raise ValueError(f"a CronJob has one schedule, not {len(lines)}; compile it once for each, with --schedule")
    if (wrong := schedule_problem(text)) is not None:
        raise ValueError(f"{wrong}. Or set a schedule with --schedule")
    return text


def _time_zone(text: str) -> str:
    if (wrong := time_zone_problem(text)) is not None:
        raise ValueError(wrong)
    return text


def _concurrency_policy(text: str) -> str:
    if text not in CONCURRENCY_POLICIES:
        known = ", ".join(CONCURRENCY_POLICIES)
        hint = did_you_mean(text, CONCURRENCY_POLICIES)
        raise ValueError(f"a CronJob has no concurrencyPolicy '{text}'{hint}; use one of {known}")
    return text
