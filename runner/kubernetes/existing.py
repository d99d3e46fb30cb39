"""Finds the Pods of monopod in a cluster, and reads what they run.

Rules: only Pods with monopod's label count. The Plan and the names of the containers come from the Pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.pod.assembly import INDEX_ANNOTATION, coordinator_of, plan_of
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.known_runs.finding import KINDS
from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, PodName, UnreachableError, collection_path
from monopod.runner.kubernetes.pod_states import phase
from monopod.schemas.plan import Plan

_LISTED = 10
"""How many indexes of a Job a message lists."""
_JOBS = ("job", "jobs", "job.batch")
_LABEL, _OURS = "app.kubernetes.io/managed-by", "monopod"


class NoSuchPodError(Exception):
    """The Pod does not exist, is not one of monopod's, or does not support the command. The text is for people."""


class PodGoneError(NoSuchPodError):
    """The Pod does not exist."""


@dataclass(frozen=True, slots=True)
class ExistingPod:
    """A Pod as the cluster returned it, and its Plan."""

    cluster: Cluster
    name: PodName
    pod: dict[str, Any]
    plan: Plan

    @property
    def reports_events(self) -> bool:
        """Whether its coordinator logs events for programs instead of text for people."""
        arguments = coordinator_of(self.pod).get("args") or []
        return arguments[:2] == ["--format", "json"] or "--format=json" in arguments


def find(cluster: Cluster, namespace: str | None, text: str) -> ExistingPod:
    """Return the Pod that is named by ``NAME``, ``pod/NAME``, ``job/NAME[/INDEX]`` or the output of `run -o name`.

    Raises NoSuchPodError, BackendUnavailableError.
    """
    kind, slash, rest = text.partition("/")
    if kind.lower() in _JOBS and rest:
        job, _, index = rest.partition("/")
        kind, rest = "pod", _pod_of_job(cluster, namespace or cluster.namespace, job, index)
    if slash and (kind.lower() not in KINDS or not rest or "/" in rest):
        raise NoSuchPodError(f"'{text}' is not a Pod; give its name, pod/NAME, or job/NAME/INDEX")
    name = PodName(namespace or cluster.namespace, rest if slash else text)
    try:
        pod = cluster.request("GET", name.path)
    except ApiError as error:
        if about(Request.OBJECT, error) is About.GONE:
            raise PodGoneError(f"there is no {name}{_suggestion(cluster, name)}") from error
        raise BackendUnavailableError(error.describe()) from error
    except UnreachableError as error:
        raise BackendUnavailableError(f"{cluster.name} cannot be reached: {error}") from error
    if (pod["metadata"].get("labels") or {}).get(_LABEL) != _OURS:
        raise NoSuchPodError(f"{name} was not made by monopod (it has no label {_LABEL}={_OURS})")
    try:
        return ExistingPod(cluster, name, pod, plan_of(pod))
    except ValueError as error:
        raise NoSuchPodError(f"{name}: {error}") from error


def _pod_of_job(cluster: Cluster, namespace: str, job: str, index: str) -> str:
    """Return the name of the newest Pod of a Job, or of one of its indexes.

    Raises NoSuchPodError, BackendUnavailableError.
    """
    pods = pods_of_job(cluster, namespace, job)
    newest = {index_of(pod): pod for pod in pods}
    if index in newest or (not index and len(newest) == 1):
        return str(newest.get(index, pods[-1])["metadata"]["name"])
    indexes = sorted(newest, key=lambda each: (len(each), each))
    phases = ", ".join(f"{each} {phase(newest[each])}" for each in indexes[:_LISTED])
    more = f" and {len(indexes) - _LISTED} more" if len(indexes) > _LISTED else ""
    raise NoSuchPodError(f"the Job '{job}' has these indexes: {phases}{more}; name one: job/{job}/INDEX")


def job_in(text: str) -> str | None:
    """Return the name of a Job if the text is ``job/NAME``, None for anything else."""
    kind, _, rest = text.partition("/")
    return rest if kind.lower() in _JOBS and rest and "/" not in rest else None


def pods_of_job(cluster: Cluster, namespace: str, job: str) -> list[dict[str, Any]]:
    """Return the Pods of a Job in the order of their creation, at least one.

    Raises NoSuchPodError, BackendUnavailableError.
    """
    try:
        listed = cluster.request("GET", collection_path("pods", namespace), [("labelSelector", f"job-name={job}")])
    except ApiError as error:
        raise BackendUnavailableError(error.describe()) from error
    except UnreachableError as error:
        raise BackendUnavailableError(f"{cluster.name} cannot be reached: {error}") from error
    pods = sorted(listed.get("items") or (), key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    if not pods:
        raise NoSuchPodError(f"the Job '{job}' in namespace '{namespace}' has no Pods, or does not exist")
    return pods


def index_of(pod: Mapping[str, Any]) -> str:
    """Return the index of a Pod of an Indexed Job; empty for another Pod."""
    return str((pod["metadata"].get("annotations") or {}).get(INDEX_ANNOTATION, ""))


def _suggestion(cluster: Cluster, name: PodName) -> str:
    try:
        listed = cluster.request("GET", name.collection, [("labelSelector", f"{_LABEL}={_OURS}")])
    except (ApiError, UnreachableError):
        return ""  # the suggestion is optional
    names = [item["metadata"]["name"] for item in listed.get("items") or ()]
    if not names:
        return ", and no other Pod of monopod's"
    return f"{did_you_mean(name.name, names)}; there are {', '.join(names[:10])}{', …' * (len(names) > 10)}"
