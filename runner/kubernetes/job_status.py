"""Prints the status of a Job with several indexes: a row for each index, with its newest Pod.

Rules:

- An index without a Pod has not started, or its Pod is gone. It is listed if the Job can be read, which knows the
  indexes that have succeeded or failed. A Job that is over starts no others.
- Tries are the Pods of an index that still exist.
- A Job with a single Pod is a run like any other (``run_status``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import quote

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.display.ci_log import write_json, write_yaml
from monopod.runner.display.printable import printable
from monopod.runner.kubernetes import pod_states
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, UnreachableError
from monopod.runner.kubernetes.existing import index_of, pods_of_job
from monopod.schemas.formats.timestamps import from_rfc3339
from monopod.schemas.formats.words import format_duration, table_lines

_HEAD = ("INDEX", "STATUS", "TRIES", "DURATION", "POD", "")


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """An index of a Job. ``seconds`` is how long its newest Pod has run, ``why`` is why it failed or waits."""

    index: int
    status: str
    tries: int = 0
    seconds: float | None = None
    pod: str = ""
    why: str = ""


def print_job_status(
    cluster: Cluster, namespace: str | None, job: str, output: Literal["human", "json", "yaml", "name"]
) -> bool:
    """Print the status of all indexes of a Job. Returns False, and prints nothing, if it has a single Pod.

    Raises NoSuchPodError, BackendUnavailableError.
    """
    pods = pods_of_job(cluster, namespace or cluster.namespace, job)
    indexes = list(index_statuses(pods, _read(cluster, namespace or cluster.namespace, job), time.time()))
    if len(indexes) < 2:
        return False
    document = {"job": job, "indexes": [asdict(each) for each in indexes]}
    if output == "json":
        write_json(json.dumps(document, indent=2) + "\n")
    elif output == "yaml":
        write_yaml([document])
    elif output == "name":
        print("\n".join(f"pod/{each.pod}" for each in indexes if each.pod))
    else:
        for line in status_lines(job, indexes):
            print(printable(line, colours=False))
    return True


def index_statuses(
    pods: Sequence[Mapping[str, Any]], job: Mapping[str, Any] | None, now: float
) -> Iterator[IndexStatus]:
    """Yield the status of each index; `pods` are in the order of their creation, `job` is None if it is not known."""
    by_index: dict[int, list[Mapping[str, Any]]] = {}
    for pod in pods:
        if (text := index_of(pod)).isdecimal():
            by_index.setdefault(int(text), []).append(pod)
    without_pod = _ended(job or {})
    otherwise = "Stopped" if _is_over(job or {}) else "Waiting"
    for index in range(max([_completions(job), *(each + 1 for each in by_index)])):
        tries = by_index.get(index, [])
        if tries:
            newest = tries[-1]
            name = str(newest["metadata"]["name"])
            yield IndexStatus(index, pod_states.phase(newest), len(tries), _seconds(newest, now), name, _why(newest))
        else:
            yield IndexStatus(index, without_pod.get(index, otherwise))


def status_lines(job: str, indexes: Sequence[IndexStatus]) -> list[str]:
    """Return the status of a Job as lines of text."""
    rows = [
        (
            str(each.index),
            each.status,
            str(each.tries or "-"),
            "-" if each.seconds is None else format_duration(each.seconds),
            each.pod or "-",
            each.why,
        )
        for each in indexes
    ]
    counts: dict[str, int] = {}
    for each in indexes:
        counts[each.status] = counts.get(each.status, 0) + 1
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    hint = f"monopod status job/{job}/INDEX shows one"
    return [*table_lines([_HEAD, *rows]), "", f"{job}: {len(indexes)} indexes: {summary}; {hint}"]


def _seconds(pod: Mapping[str, Any], now: float) -> float | None:
    started = (pod.get("status") or {}).get("startTime")
    if not started:
        return None
    ended = pod_states.ended_at(pod) if pod_states.is_over(pod) else now
    return None if ended is None else max(0.0, ended - from_rfc3339(started))


def _why(pod: Mapping[str, Any]) -> str:
    if pod_states.phase(pod) != "Failed":
        return ""
    if ending := pod_states.describe_ending(pod):
        return ending
    for status in pod_states.statuses(pod):
        message = ((status.get("state") or {}).get("terminated") or {}).get("message")
        if status["name"] == COORDINATOR and message:
            return str(message).splitlines()[0]
    return ""


def _read(cluster: Cluster, namespace: str, job: str) -> dict[str, Any] | None:
    """Return a Job; None if it cannot be read."""
    path = f"/apis/batch/v1/namespaces/{quote(namespace, safe='')}/jobs/{quote(job, safe='')}"
    try:
        return cluster.request("GET", path)
    except ApiError:
        return None  # perhaps only Pods may be read
    except UnreachableError as error:
        raise BackendUnavailableError(f"{cluster.name} cannot be reached: {error}") from error


def _completions(job: Mapping[str, Any] | None) -> int:
    """Return how many indexes a Job has; 1 if it has none, 0 if it is not known."""
    if job is None:
        return 0
    spec = job["spec"]
    return int(spec.get("completions") or 1) if spec.get("completionMode") == "Indexed" else 1


def _ended(job: Mapping[str, Any]) -> dict[int, str]:
    """Return the indexes that a Job knows to have ended, whether their Pods are there or not."""
    status = job.get("status") or {}
    return {
        index: phase
        for field, phase in (("completedIndexes", "Succeeded"), ("failedIndexes", "Failed"))
        for index in _indexes(str(status.get(field) or ""))
    }


def _indexes(text: str) -> Iterator[int]:
    """Yield the numbers in a list such as ``1,3-5,7``."""
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _is_over(job: Mapping[str, Any]) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(each.get("type") in ("Complete", "Failed") and each.get("status") == "True" for each in conditions)
