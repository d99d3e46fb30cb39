"""Compiles a run for an engine that runs groups of its Tasks, a Pod each: JobSet, Argo Workflows or Tekton.

Rules:

- The run is compiled as a whole, for its errors and to find the groups. Then it is compiled for each group, as if the
  other Tasks were left out. So matrices, guards, retries and all else within a group are those of any Pod.
- A Task of another group that a Task waits for has what that group hands over. If the engine hands nothing over, it
  counts as succeeded, and nothing that needs more may cross (``crossing``).
- A Workspace that each Pod has of its own crosses as an artifact, if there is a repository. If the best cut divides one
  that artifacts cannot carry, because nobody would have all that was written, the cut avoids that where it can.
- A run whose groups are one needs no handing over, and may have what cannot cross.

Left to others: which Task is in which group (``partition``), and the objects (``job_set``, ``workflow``,
``pipeline_run``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final, get_args

from monopod.compiler.compilation import Compilation, Lowered, compile_runs
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import Documents
from monopod.compiler.documents.run_selection import choose
from monopod.compiler.grouping.crossing import all_routes, carried_volumes, crossing_problems
from monopod.compiler.grouping.group_pod import GroupPod
from monopod.compiler.grouping.job_set import LONGEST_SUFFIX, job_set, job_set_problems
from monopod.compiler.grouping.partition import Limit, TaskGroup, partition, waits_for
from monopod.compiler.grouping.pipeline_run import KUBE_VERSION, pipeline_run, replaced_by_tekton
from monopod.compiler.grouping.routes import Route
from monopod.compiler.grouping.workflow import template_problem, workflow
from monopod.compiler.options import Options
from monopod.compiler.pod.assembly import MAX_STORED_BYTES, field_characters
from monopod.compiler.pod.deadline import active_deadline
from monopod.compiler.pod.limit_ranges import limit_ranges_of
from monopod.compiler.pod.peak_requests import request_of
from monopod.compiler.pod.resources import PodResources, pod_resources
from monopod.compiler.pod.workload import KindOfGroups, Workload
from monopod.compiler.scope.variables_in_scope import variable_name
from monopod.compiler.tasks.artifact_tasks import CarriedWorkspaces
from monopod.compiler.tasks.left_out import Selection, needed_output, task_references
from monopod.schemas.formats import quantity
from monopod.schemas.plan import ELSEWHERE, LeftOut

KINDS: Final[tuple[KindOfGroups, ...]] = get_args(KindOfGroups)
_LONGEST = 63
"""The longest name of a Job, a TaskRun and a Pod of a JobSet."""


def compile_groups(
    documents: Documents, options: Options, kind: KindOfGroups, limits: Sequence[Limit] = ()
) -> Compilation:
    """Return the run that the options select, with an object that runs its groups as its workload. Raises Problems."""
    _raise(_option_problems(options.workload, kind, limits))
    chosen = choose(documents, options.name)
    if len(chosen) > 1:
        _raise([f"--kind {kind} is for one run, and these files have {len(chosen)}; choose one with --name"])
    hands_over = kind != "JobSet"
    version = min(options.kube_version, KUBE_VERSION) if kind == "PipelineRun" else options.kube_version
    inner = replace(options, workload=Workload("PodTemplate"), kube_version=version)
    (whole,) = compile_runs(documents, inner)
    assert whole.lowered is not None
    lowered = whole.lowered
    ranges = limit_ranges_of(documents, options.limit_ranges, whole.pod["metadata"].get("namespace"))
    resources = pod_resources(lowered.pipeline, lowered.contents.containers, ranges, version)
    own_containers = 2 if kind == "PipelineRun" else 1  # the container that installs the runtime is a Sidecar
    groups = _groups(lowered, resources, limits, hands_over=hands_over, own_containers=own_containers)
    crossing = list(crossing_problems(whole.lowered, groups, kind, hands_over=hands_over))
    if any(problem.severity == "error" for problem in crossing):
        raise Problems([problem for problem in crossing if problem.severity == "error"])
    pods, warnings = _compiled(documents, inner, whole, groups, kind)
    _raise(_limit_problems(pods, limits, kind))
    if kind == "JobSet":
        _raise(job_set_problems(pods))
    _raise(_name_problems(whole, pods, kind))
    if kind == "PipelineRun":
        _raise(replaced_by_tekton(pods))
    deadline = active_deadline(whole.plan)
    body = (
        job_set(pods, options.workload, options.kube_version)
        if kind == "JobSet"
        else (workflow if kind == "Workflow" else pipeline_run)(pods, options.workload, deadline)
    )
    _raise(_size_problems(body, kind, pods, len(groups)))
    too_long = template_problem(body) if kind == "Workflow" else None
    advice = [] if too_long is None else [Problem(None, too_long, "workload", "warning")]
    unique = tuple(dict.fromkeys((*warnings, *crossing, *advice)))
    return replace(whole, pod=pods[0].pod, workload=body, warnings=unique)


def _groups(
    lowered: Lowered, resources: PodResources, limits: Sequence[Limit], *, hands_over: bool, own_containers: int
) -> tuple[TaskGroup, ...]:
    """Return the groups of a run. Raises Problems."""
    carried = carried_volumes(lowered)
    while True:
        groups = partition(
            lowered, resources, limits, hands_over=hands_over, own_containers=own_containers, carried=carried
        )
        clashing = {clash.volume for clash in all_routes(lowered, groups)[1]}
        if clashing.isdisjoint(carried):
            return groups
        carried -= clashing


def _compiled(
    documents: Documents, options: Options, whole: Compilation, groups: Sequence[TaskGroup], kind: KindOfGroups
) -> tuple[list[GroupPod], list[Problem]]:
    """Compile the run for each group. Returns the Pods and the warnings. Raises Problems once they are too large."""
    if len(groups) < 2:
        group = TaskGroup("all" if not groups else groups[0].name, (), ())
        return [GroupPod(group, whole.plan, whole.pod)], list(whole.warnings)
    assert whole.lowered is not None
    pods: list[GroupPod] = []
    warnings: list[Problem] = []
    hands_over = kind != "JobSet"
    waits = waits_for(whole.lowered)
    found, _ = all_routes(whole.lowered, groups)
    for group in groups:
        selection = Selection(only=group.tasks, earlier=_elsewhere(waits, group, groups, hands_over=hands_over))
        names = tuple(_handed_over(whole.lowered, waits, group, groups)) if hands_over else ()
        carried = _carried(whole.lowered, found, group)
        (compiled,) = compile_runs(documents, replace(options, selection=selection, hands_over=names, carried=carried))
        takes_over = dict.fromkeys(
            each.left_out.group
            for each in compiled.plan.pipeline.tasks
            if each.left_out is not None and each.left_out.group
        )
        pods.append(GroupPod(group, compiled.plan, compiled.pod, tuple(takes_over)))
        warnings += compiled.warnings
        _raise(_size_problems([each.pod for each in pods], kind, pods, len(groups)))
    return pods, warnings


def _carried(lowered: Lowered, routes: Sequence[Route], group: TaskGroup) -> CarriedWorkspaces | None:
    """Return the Workspaces that artifacts carry to a group and from it; None if there are none."""
    names = lowered.contents.workspaces
    restored = tuple((names[each.volume], each.source) for each in routes if each.target == group.name)
    saved = dict.fromkeys(names[each.volume] for each in routes if each.source == group.name)
    if lowered.artifact_repository is None or not (restored or saved):
        return None
    return CarriedWorkspaces(lowered.artifact_repository, group.name, restored, tuple(saved))


def _elsewhere(
    waits: Mapping[str, Iterable[str]], group: TaskGroup, groups: Sequence[TaskGroup], *, hands_over: bool
) -> dict[str, LeftOut]:
    """Return the Tasks of other groups, as a group sees them. `waits` are the Tasks that each Task waits for."""
    awaited = {name for task in group.tasks for name in waits[task]}
    left_out = {}
    for other in groups:
        for name in other.tasks if other is not group else ():
            of_other = LeftOut(ELSEWHERE, f"in the group {other.name}")
            if name in awaited:
                of_other = of_other._replace(group=other.name) if hands_over else of_other._replace(reused=True)
            left_out[name] = of_other
    return left_out


def _handed_over(
    lowered: Lowered, waits: Mapping[str, Iterable[str]], group: TaskGroup, groups: Sequence[TaskGroup]
) -> Iterator[str]:
    """Yield the Tasks of a group that others wait for, and the variables that others use, each once."""
    later = {name for other in groups if other is not group for name in other.tasks}
    awaited = {name for task in later for name in waits[task]}
    yield from (f"tasks.{name}" for name in group.tasks if name in awaited)
    used = {
        needed: None
        for each in lowered.grouped
        if each.task.name in later
        for path, _ in task_references(each.task, each.place)
        if (needed := needed_output(path)) is not None and needed[1] in group.tasks
    }
    yield from map(variable_name, used)


def _option_problems(workload: Workload, kind: str, limits: Sequence[Limit]) -> Iterator[str]:
    for option, value in (("--schedule", workload.schedule), ("--time-zone", workload.time_zone)):
        if value is not None:
            yield f"{option} is for --kind CronJob, not for {kind}"
    if workload.shards is not None:
        yield f"--shards and --shard-by are for --kind Job, not for {kind}"
    if workload.ttl is not None and kind == "PipelineRun":
        yield "--ttl is for objects that a cluster removes by itself, and Tekton does not remove a PipelineRun"
    others = replace(workload, kind="Job", schedule=None, time_zone=None, shards=None)
    yield from others.problems()
    for limit in limits:
        try:
            if limit.amount <= 0:
                yield f"{limit.option} must be more than 0, got {limit.text}"
        except ValueError as error:
            yield f"{limit.option}: {error}"


def _limit_problems(pods: Sequence[GroupPod], limits: Sequence[Limit], kind: str) -> Iterator[str]:
    """Yield each group that has to request more than its peak."""
    for each in pods:
        spec = each.pod["spec"]
        sidecars = (
            container
            for container in spec["initContainers"]
            if kind == "PipelineRun" or container.get("restartPolicy") == "Always"
        )
        containers = (*spec["containers"], *sidecars)
        for limit in limits:
            requests = (request_of(container.get("resources") or {}, limit.resource) for container in containers)
            amount = sum(map(quantity.parse, filter(None, requests)), Fraction(0))
            if amount > limit.amount:
                yield (
                    f"the Pod of the group '{each.name}' has to request {quantity.canonical(amount)} of "
                    f"{limit.resource}, as the LimitRanges of its namespace say, and {limit.option} is {limit.text}; "
                    f"raise {limit.option}"
                )


def _name_problems(whole: Compilation, pods: Sequence[GroupPod], kind: str) -> Iterator[str]:
    metadata = whole.pod["metadata"]
    name = metadata.get("name") or f"{metadata.get('generateName', '')}xxxxx"
    for group in pods if len(pods) > 1 or kind == "JobSet" else ():
        full = f"{name}-{group.name}{LONGEST_SUFFIX if kind == 'JobSet' else ''}"
        if len(full) > _LONGEST:
            yield (
                f"the name '{full}' of the group '{group.name}' would have {len(full)} characters, and {_LONGEST} are "
                "possible; give the run or the group a shorter name"
            )


def _size_problems(body: object, kind: str, pods: Sequence[GroupPod], count: int) -> Iterator[str]:
    """Yield a problem if an object, or a part of it with the first Pods, is too large for a cluster."""
    size = _stored_bytes(body, kind, pods)
    if size > MAX_STORED_BYTES:
        several = "each Pod carries monopod itself; make fewer groups"
        single = "join Steps into one, or move long scripts into an image"
        already = f"already with {len(pods)} of them " if len(pods) < count else ""
        what = f"this {kind} of {max(count, 1)} group{'s' * (count > 1)}"
        yield (
            f"{what} grows {already}to about {size / 2**20:.1f} MiB in a cluster, whose store takes "
            f"{MAX_STORED_BYTES / 2**20:.1f} MiB: {several if count > 1 else single}"
        )


def _stored_bytes(body: object, kind: str, pods: Sequence[GroupPod]) -> int:
    """Return how much the object takes in a cluster's store.

    Tekton repeats the spec of a PipelineRun in its status. The record of who set each field (managedFields) of a JobSet
    is 1.5 times as long as its Pods without what they carry, as a Pod's. The other kinds hold Pods as one value.
    """
    size = len(json.dumps(body, separators=(",", ":")))
    if kind == "PipelineRun":
        return 2 * size
    return size + (sum(field_characters(each.pod) for each in pods) * 3 // 2 if kind == "JobSet" else 0)


def _raise(messages: Iterable[str]) -> None:
    problems = [Problem(None, message, "workload") for message in messages]
    if problems:
        raise Problems(problems)
