"""Compiling: documents in, the Plan and the Pod of a run out.

Left to others: every stage of it. This is the edge, which raises what they found wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import filterfalse
from typing import Any

from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.catalog import Catalog
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.places import DocumentPlace, OptionPlace, Place
from monopod.compiler.documents.run_selection import Asked, choose, select
from monopod.compiler.images.image_programs import ImagePrograms, MakeLookup, lookup_for
from monopod.compiler.pod import invalid_names
from monopod.compiler.pod.assembly import RUNTIME_IMAGE, LogFormat, make_pod, size_problem
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.injected_credentials import injected_credentials
from monopod.compiler.pod.kube_version import DEFAULT, KubeVersion
from monopod.compiler.pod.limit_ranges import NO_LIMITS, limit_ranges_of
from monopod.compiler.pod.metadata import pod_metadata
from monopod.compiler.pod.missing_objects import is_advice, missing
from monopod.compiler.pod.parts import PodParts
from monopod.compiler.pod.resources import over_limits, pod_resources
from monopod.compiler.pod.security import Profile, annotation_violations, restricted, violations
from monopod.compiler.pod.workload import A_POD, Workload, make_workload, name_problem
from monopod.compiler.scope.run_names import TektonLabels
from monopod.compiler.tasks.port_clashes import port_clashes
from monopod.compiler.tasks.runs import compile_selected
from monopod.compiler.tasks.state import CompilerState
from monopod.schemas.formats.object_names import label_problem, prefix_problem
from monopod.schemas.kubernetes.objects import ConfigMap, Secret
from monopod.schemas.kubernetes.volumes import PersistentVolumeClaim
from monopod.schemas.plan import Plan
from monopod.schemas.variables import TooLargeError


@dataclass(frozen=True, slots=True)
class Options:
    """How to compile: params and Workspaces as on the command line; ``name`` selects one of several runs.

    ``max_concurrency`` limits how many combinations of a matrix run at the same time, unless the Task says itself.
    ``keep_volume_claims`` lets the Pod claim what a ``volumeClaimTemplate`` asks for, where it gets an emptyDir else.
    ``context`` is that of kubectl for what is fetched from a cluster. ``image_configs`` are files that tell what images
    say to run. ``kube_version`` is what the Pod is for, and ``workload`` the object in which it is handed over.
    With ``unknown_params`` a param without a value is unknown, for a Plan that is only looked at.
    With ``local`` the Pod runs on this machine, which must have what it needs from outside of itself.
    ``pod.security`` is the profile that the Pod must pass, ``limit_ranges`` are LimitRanges of its namespace beside
    those in the documents. ``new_name`` makes a name of a generateName when compiling, ``default_namespace`` is where a
    Pod without a namespace is made, if that is known.
    """

    params: tuple[tuple[str, str], ...] = ()
    workspaces: tuple[tuple[str, str], ...] = ()
    name: str | None = None
    namespace: str | None = None
    max_concurrency: int | None = None
    keep_volume_claims: bool = False
    timeout: float | None = None
    runtime_image: str = RUNTIME_IMAGE
    log_format: LogFormat = "human"
    kube_version: KubeVersion = DEFAULT
    context: str | None = None
    image_configs: tuple[str, ...] = ()
    workload: Workload = A_POD
    pod_security: Profile | None = None
    limit_ranges: tuple[dict[str, Any], ...] = ()
    unknown_params: bool = False
    local: bool = False
    new_name: Callable[[str], str] | None = None
    default_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Compilation:
    """What came of compiling. The objects given beside the run, and those of kinds unknown, are as they were given.

    ``workload`` is the object that makes the Pod, which is the Pod itself unless another kind was asked for.
    """

    plan: Plan
    pod: dict[str, Any]
    workload: dict[str, Any]
    config_maps: tuple[dict[str, Any], ...]
    secrets: tuple[dict[str, Any], ...]
    claims: tuple[dict[str, Any], ...]
    passed_through: tuple[dict[str, Any], ...]
    warnings: tuple[Problem, ...]


def compile_runs(documents: Documents, options: Options) -> tuple[Compilation, ...]:
    """Return the Plan and the Pod of each run that the documents and options ask for. Raises Problems, of all runs."""
    compilations = []
    lookup = lookup_for(documents, options.image_configs)
    problems = [Problem(None, message, "workload") for message in options.workload.problems()]
    problems += lookup().problems if options.image_configs else []
    for document in choose(documents, options.name):
        try:
            compiled = compile_document(document, documents, options, lookup)
            compilations.append(replace(compiled, warnings=tuple(filterfalse(is_advice, compiled.warnings))))
        except Problems as error:
            problems.extend(error.problems)
    if problems:
        raise Problems(problems)
    return tuple(compilations)


def compile_document(document: Document, documents: Documents, options: Options, lookup: MakeLookup) -> Compilation:
    """Return the Plan and the Pod of what one document runs; `options.name` plays no part. Raises Problems."""
    images = ImagePrograms(documents, lookup)
    state = CompilerState(
        Catalog(documents, options.context),
        PodDraft(),
        images,
        max_concurrency=options.max_concurrency,
        keep_volume_claims=options.keep_volume_claims,
    )
    asked = Asked(
        options.params,
        options.workspaces,
        options.timeout,
        namespace=options.namespace,
        default_namespace=options.default_namespace,
        new_name=options.new_name,
        has_name_of_run=options.workload.kind == "Pod",
        unknown_params=options.unknown_params,
    )
    try:
        run = select(document, state.catalog, asked, state.problems)
        if run is None:
            raise Problems(state.problems)
        labels = TektonLabels.of(run.names, run.referenced)
        state = replace(state, labels=labels)
        compiled = compile_selected(run, state)
    except TooLargeError as error:
        raise Problems([*state.problems, document.problem((), str(error), "too-large")]) from error
    state.problems.extend(port_clashes(compiled.pipeline, state.ports))
    state.problems.extend(missing(state.draft, compiled.pipeline, documents, local=options.local))
    service_account = compiled.pod_fields.get("serviceAccountName", "default")
    state.problems.extend(injected_credentials(documents, service_account))
    source = run.pipeline or run.task
    metadata_of_pod = pod_metadata(
        run.document["metadata"], source.metadata if source is not None else None, state.draft.of_tasks, state.problems
    )
    if (too_long := name_problem(run.document["metadata"], options.workload.kind)) is not None:
        state.problems.append(document.problem(("metadata", "name"), too_long, "workload"))
    found = {**state.catalog.remote.annotations(), **images.annotations()}
    annotations = {**(run.document["metadata"].get("annotations") or {}), **found}
    metadata = {**run.document["metadata"], **({"annotations": annotations} if annotations else {})}
    parts = PodParts(
        name=metadata.get("name"),
        generate_name=metadata.get("generateName"),
        namespace=options.namespace or metadata.get("namespace"),
        labels={**metadata_of_pod.labels, **labels.present},
        annotations={**metadata_of_pod.annotations, **annotations},
        containers=tuple(state.draft.containers),
        volumes=tuple(state.draft.volumes),
        pod_fields=compiled.pod_fields,
    )
    in_volumes = invalid_names.in_volumes(parts.volumes, state.draft.places)
    state.problems.extend(problem for problem in in_volumes if problem not in state.problems)
    state.problems.extend(_wrong_namespace(document, options))
    if options.pod_security is not None:
        in_metadata = DocumentPlace(document, ("metadata", "annotations")).at
        state.problems.extend(annotation_violations(parts.annotations, in_metadata))
        state.problems.extend(violations(parts, state.draft.places, options.kube_version))
        parts = restricted(parts)
    for part in parts.containers:
        place = partial(state.draft.places.containers[part.name], "computeResources", "requests")
        for name, message in over_limits(part.fields.get("resources") or {}):
            state.problems.append(place(name).problem("request-over-limit", message))
    ranges = limit_ranges_of(documents, options.limit_ranges, parts.namespace, state.problems)
    if ranges != NO_LIMITS:
        resources = pod_resources(compiled.pipeline, parts.containers, ranges, options.kube_version)
        state.problems.extend(finding.problem(state.draft.places) for finding in resources.findings)
    errors = [problem for problem in state.problems if problem.severity == "error"]
    if errors:
        raise Problems(errors)
    plan = Plan(compiled.pipeline, {**run.document, "metadata": metadata}, sources=state.sources)
    pod = make_pod(
        plan,
        parts,
        runtime_image=options.runtime_image,
        log_format=options.log_format,
        kube_version=options.kube_version,
        limit_ranges=ranges,
    )
    too_large = size_problem(pod)
    if too_large is not None:
        state.problems.append(document.problem((), too_large, "pod-size", severity="warning"))
    return Compilation(
        plan,
        pod,
        make_workload(pod, options.workload, options.kube_version),
        tuple(document.data for document, _ in documents.of(ConfigMap)),
        tuple(document.data for document, _ in documents.of(Secret)),
        tuple(document.data for document, _ in documents.of(PersistentVolumeClaim)),
        tuple(document.data for document in documents if document.model is None or document.kind == "LimitRange"),
        tuple(sorted({*documents.warnings, *run.warnings, *state.problems})),
    )


def _wrong_namespace(document: Document, options: Options) -> Iterator[Problem]:
    """Yield what is wrong with the namespace that the Pod is for, and with the beginning of its name."""
    metadata = document.data.get("metadata") or {}
    written = DocumentPlace(document, ("metadata",))
    namespace: tuple[Place, str | None] = (written.at("namespace"), metadata.get("namespace"))
    if options.namespace is not None:
        namespace = (OptionPlace("--namespace"), options.namespace)
    beginning = (written.at("generateName"), metadata.get("generateName"))
    for (place, text), problem_of in ((namespace, label_problem), (beginning, prefix_problem)):
        if text and (message := problem_of(text)) is not None:
            yield place.problem("invalid-value", message)
