"""The schedule and the concurrency of a JobConfig as annotations of its run, for a CronJob.

Rules:

- What Kubernetes cannot express stays as it is written: it is an error only if a CronJob is made.
- Without a time zone, a schedule is in UTC (Furiko's DefaultCronTimezone). A zone such as ``UTC+08:00`` has a name in
  the time zone database if it is of whole hours.

Left to others: cron expressions (``cron``), and making CronJobs (``pod.workload_annotations``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from monopod.compiler.documents.own_annotations import CONCURRENCY_POLICY, SCHEDULE, SUSPEND, TIME_ZONE
from monopod.compiler.documents.validation import Complaint
from monopod.compiler.importers.furiko.cron import NotOfKubernetesError, has_hashed_second, to_kubernetes, union
from monopod.compiler.importers.imported import Sourced
from monopod.compiler.pod.workload import time_zone_problem
from monopod.schemas.foreign.furiko import FurikoCron, FurikoJobConfig
from monopod.schemas.model import Path

_UTC = "Etc/UTC"
_OFFSET = re.compile(r"(?:UTC|GMT)(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?", re.ASCII)


@dataclass(slots=True)
class ScheduleTranslation:
    """The annotations of a JobConfig's run, and what is wrong with its schedule."""

    annotations: dict[str, Sourced] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    warnings: list[Complaint] = field(default_factory=list)


def annotations_of(config: FurikoJobConfig, name: str) -> ScheduleTranslation:
    """Return what a JobConfig with a name says about when and beside what its Jobs run."""
    made = ScheduleTranslation()
    concurrency, schedule = config.spec.concurrency, config.spec.schedule
    made.annotations[CONCURRENCY_POLICY] = Sourced(concurrency.policy, ("spec", "concurrency", "policy"))
    if concurrency.policy == "Forbid" and (concurrency.max_concurrency or 1) > 1:
        maximum: Path = ("spec", "concurrency", "maxConcurrency")
        message = "maxConcurrency has no effect: a CronJob that forbids several Jobs at the same time runs one"
        made.warnings.append(Complaint(maximum, message, "no-effect", at_key=True))
    if schedule is None:
        return made
    if schedule.disabled:
        made.annotations[SUSPEND] = Sourced("true", ("spec", "schedule", "disabled"))
    key = f"{config.metadata.namespace or 'default'}/{name}"
    _add_schedule(schedule.cron, key, made)
    path: Path = ("spec", "schedule", "cron", "timezone")
    zone = _named_zone(schedule.cron.timezone)
    if not _OFFSET.fullmatch(zone) and (wrong := time_zone_problem(zone)) is not None:
        made.complaints.append(Complaint(path, wrong, "invalid-value"))
    made.annotations[TIME_ZONE] = Sourced(zone, path)
    return made


def _add_schedule(cron: FurikoCron, key: str, made: ScheduleTranslation) -> None:
    path: Path = ("spec", "schedule", "cron")
    written: list[tuple[str, Path]] = [
        (text, (*path, "expressions", index)) for index, text in enumerate(cron.expressions)
    ]
    if cron.expression:
        written = [(cron.expression, (*path, "expression"))]
    lines = []
    for text, where in written:
        try:
            lines.append(to_kubernetes(text, key))
            if has_hashed_second(text):
                message = "the second has no effect: a CronJob starts Jobs at the beginning of a minute"
                made.warnings.append(Complaint(where, message, "no-effect"))
        except NotOfKubernetesError:
            lines.append(text)
        except ValueError as error:
            made.complaints.append(Complaint(where, str(error), "invalid-value"))
    if made.complaints:
        return
    try:
        schedule = union((text for text, _ in written), key)
    except NotOfKubernetesError:
        schedule = "\n".join(lines)
    where = written[0][1] if len(written) == 1 else (*path, "expressions")
    made.annotations[SCHEDULE] = Sourced(schedule, where)


def _named_zone(zone: str) -> str:
    """Return the name of a zone in the time zone database; an offset without a name there stays as it is."""
    if zone in ("", "Local", "UTC", "GMT"):
        return _UTC
    match = _OFFSET.fullmatch(zone)
    if match is None:
        return zone
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    name = f"Etc/GMT{'-' if match['sign'] == '+' else '+'}{hours}"  # POSIX counts westward
    if hours == minutes == 0:
        return _UTC
    return name if minutes == 0 and time_zone_problem(name) is None else zone
