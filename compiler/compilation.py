"""Compiling a run: documents in, the Plan and the Pod out.

Each stage takes what the stage before it returned:

- **select** a run: which PipelineRun or TaskRun, with the params and Workspaces of the command line,
- **bind** its params, Workspaces and settings,
- **lower** its Pipeline to the Plan's, and its Steps and Sidecars to containers,
- **assemble** the parts of the Pod,
- **check** what only the whole Pod shows,
- **pack** Steps into containers,
- **write** the Plan, the Pod and the object around the Pod.

A stage adds its problems to the report of the run. A value that it cannot resolve becomes unknown and fits everywhere,
so that one cause gives one error.

Left to others: the stages themselves. This module is the edge, which raises the errors as `Problems`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import filterfalse
from typing import TYPE_CHECKING, Any

from monopod.compiler.caches.store_choice import StoreChoice
from monopod.compiler.caches.store_option import login_secret
from monopod.compiler.diagnostics import CompilationStoppedError, Problem, Problems, Report
from monopod.compiler.documents.annotations import read
from monopod.compiler.documents.catalog import Catalog
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.own_annotations import ARTIFACT_REPOSITORY
from monopod.compiler.documents.places import DocumentPlace, OptionPlace, Place
from monopod.compiler.documents.run_selection import Run, choose, select
from monopod.compiler.images.image_programs import ImagePrograms, MakeLookup, lookup_for
from monopod.compiler.options import Options
from monopod.compiler.packing.choice import pack_choice
from monopod.compiler.packing.containers import Packed, pack
from monopod.compiler.pod import invalid_names
from monopod.compiler.pod.architectures import architecture_problems, architectures_of
from monopod.compiler.pod.assembly import make_pod, size_problem
from monopod.compiler.pod.draft import PodContents, PodDraft
from monopod.compiler.pod.files_container import ExchangedWorkspace
from monopod.compiler.pod.injected_credentials import injected_credentials
from monopod.compiler.pod.limit_ranges import NO_LIMITS, LimitRanges, limit_ranges_of
from monopod.compiler.pod.metadata import pod_metadata
from monopod.compiler.pod.missing_objects import is_advice, missing
from monopod.compiler.pod.parts import PodParts
from monopod.compiler.pod.resources import over_limits, pod_resources
from monopod.compiler.pod.restarts import with_restarts
from monopod.compiler.pod.security import annotation_violations, context_of_pod, restricted, violations
from monopod.compiler.pod.shrinkable import shrinkable_requests
from monopod.compiler.pod.start_timeout import start_timeout
from monopod.compiler.pod.workload import make_workload, name_problem
from monopod.compiler.pod.workload_annotations import OF_WORKLOADS, with_annotations
from monopod.compiler.scope.run_names import TektonLabels
from monopod.compiler.tasks.artifact_tasks import ArtifactRepository, parse_repository, with_artifact_tasks
from monopod.compiler.tasks.breakpoints import with_breakpoints
from monopod.compiler.tasks.exchanged_workspaces import exchanged_workspaces
from monopod.compiler.tasks.grouped_tasks import GroupedTask
from monopod.compiler.tasks.parallel_limit import max_parallel
from monopod.compiler.tasks.port_clashes import PortOfSidecar, port_clashes
from monopod.compiler.tasks.runs import BoundRun, bind_run, lower_run
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.views import unknown_views
from monopod.compiler.tasks.when_expressions import one_for_missing_cel
from monopod.schemas.capacity.shares import Requests
from monopod.schemas.formats.object_names import label_problem, prefix_problem
from monopod.schemas.kubernetes.claims import PersistentVolumeClaim
from monopod.schemas.kubernetes.objects import ConfigMap, Secret
from monopod.schemas.plan import Pipeline, Plan, runnable_tasks
from monopod.schemas.variables import TooLargeError

if TYPE_CHECKING:
    from monopod.compiler.remote.reference import RemoteReference, Resolved


@dataclass(frozen=True, slots=True)
class Compilation:
    """A compiled run, with the unchanged objects that its files have beside it, also of unknown kinds.

    ``workload`` is the object that creates the Pod; by default, the Pod itself. ``exchanged`` are the Workspaces whose
    files are copied between this machine and the Pod. ``cache_directory`` is the directory of the node where its caches
    are kept, if there is one. ``texts`` are the files that were read, by name. ``shrinkable`` are the requests that the
    runner is to lower while it runs. ``lowered`` is what it was made of, before Steps shared containers.
    """

    plan: Plan
    pod: dict[str, Any]
    workload: dict[str, Any]
    config_maps: tuple[dict[str, Any], ...]
    secrets: tuple[dict[str, Any], ...]
    claims: tuple[dict[str, Any], ...]
    passed_through: tuple[dict[str, Any], ...]
    exchanged: tuple[ExchangedWorkspace, ...] = ()
    warnings: tuple[Problem, ...] = ()
    cache_directory: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    shrinkable: tuple[Requests, ...] = ()
    lowered: Lowered | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of compiling one document: all problems, in order, and the compiled run unless one is an error.

    ``remote`` are the remote references, each with its document. ``unpacked`` are the containers before Steps shared
    any, if nobody has chosen whether they do.
    """

    problems: tuple[Problem, ...]
    compilation: Compilation | None = None
    remote: tuple[tuple[RemoteReference, Resolved, Document], ...] = ()
    unpacked: Packed | None = None


def compile_runs(documents: Documents, options: Options) -> tuple[Compilation, ...]:
    """Return the Plan and the Pod of each run that the options select. Raises Problems, of all runs."""
    lookup = lookup_for(documents, options.image_configs)
    errors = [Problem(None, message, "workload") for message in options.workload.problems()]
    errors += lookup().problems if options.image_configs else []
    missing = () if options.unknown_params else documents.missing_values
    without_value = {problem.position for problem in missing}
    errors += missing
    compilations = []
    for document in choose(documents, options.name, all_templates=options.workload.kind == "CronJob"):
        outcome = compile_document(document, documents, options, lookup)
        errors += (
            problem
            for problem in outcome.problems
            if problem.severity == "error"
            and not (problem.rule == "invalid-value" and problem.position in without_value)  # one cause gives one error
        )
        if outcome.compilation is not None:
            warnings = tuple(filterfalse(is_advice, outcome.problems))
            compilations.append(replace(outcome.compilation, warnings=warnings, texts=documents.texts))
    if errors:
        raise Problems(errors)
    return tuple(compilations)


def compile_document(document: Document, documents: Documents, options: Options, lookup: MakeLookup) -> Outcome:
    """Compile the run of one document, ignoring `options.name`. Raises nothing: problems are in the outcome."""
    report = Report()
    report.extend(documents.warnings)
    catalog = Catalog(documents, options.context, options.sources, report)
    compilation = unpacked = None
    try:
        run = select(document, catalog, options, report)
        options = replace(options, workload=with_annotations(options.workload, run.annotations, report))
        state = _state(run, catalog, ImagePrograms(documents, lookup), options, report)
        bound = bind_run(run, state)
        lowered = _lower(bound, state, options)
        parts = _assemble(lowered, options, report)
        ranges = limit_ranges_of(documents, options.limit_ranges, parts.namespace)
        report.extend(_check(lowered, parts, documents, options))
        choice = pack_choice(lowered.run.annotations, report, option=options.pack)
        if not report.has_errors:  # what is wrong may have no order
            whole = lowered
            unpacked = Packed(lowered.pipeline, parts.containers) if choice is None else None
            packed = pack(lowered.pipeline, parts.containers, choice)
            lowered, parts = replace(lowered, pipeline=packed.pipeline), replace(parts, containers=packed.containers)
        report.extend(_check_resources(lowered, parts, options, ranges))
        if not report.has_errors:
            compilation = replace(_write(lowered, parts, documents, options, report, ranges=ranges), lowered=whole)
    except TooLargeError as error:
        report.add(document.problem((), str(error), "too-large"))
    except CompilationStoppedError:
        pass  # the report says why
    problems = one_for_missing_cel(sorted(set(report.problems)))
    return Outcome(problems, compilation, catalog.remote.resolved(), unpacked)


def _state(run: Run, catalog: Catalog, images: ImagePrograms, options: Options, report: Report) -> CompilerState:
    return CompilerState(
        catalog,
        PodDraft(),
        images,
        report,
        TektonLabels.of(run.names, run.referenced),
        max_concurrency=options.max_concurrency,
        keep_volume_claims=options.keep_volume_claims,
        has_cel=options.has_cel,
        cache_store=StoreChoice(run, options, report),
        annotations_of_run=run.own_annotations if run.source.kind == "PipelineRun" else None,
        views={(task, workspace): policy for task, workspace, policy in options.views},
        selection=options.selection,
        pod_security=options.pod_security,
    )


# Lower and assemble


@dataclass(frozen=True, slots=True)
class Lowered:
    """A run in the terms of the Plan and the Pod.

    ``document`` is the run for the Plan, ``sources`` are the Pipelines and Tasks that it refers to. ``labels`` are the
    Tekton labels of the Pod, ``pod_fields`` are the fields that the run sets in the PodSpec. ``start_timeout`` is how
    long a container may take to start, ``max_parallel`` how many TaskRuns may run at the same time. ``exchanged`` are
    the Workspaces whose files are copied, ``copied`` those that the Pod must help to copy: none on this machine.
    ``cache_directory`` is as in `Compilation`. ``secrets`` are added to the Secrets of the files. ``grouped`` are the
    Tasks of the run's own Pipeline. ``artifact_repository`` keeps the Workspaces that cross from group to group.
    """

    run: Run
    pipeline: Pipeline
    contents: PodContents
    pod_fields: dict[str, Any]
    ports: tuple[PortOfSidecar, ...]
    document: dict[str, Any]
    sources: dict[str, dict[str, Any]]
    labels: TektonLabels
    start_timeout: float
    max_parallel: int | None
    exchanged: tuple[ExchangedWorkspace, ...]
    copied: tuple[ExchangedWorkspace, ...]
    cache_directory: str
    secrets: tuple[dict[str, Any], ...]
    grouped: tuple[GroupedTask, ...]
    artifact_repository: ArtifactRepository | None


def _lower(bound: BoundRun, state: CompilerState, options: Options) -> Lowered:
    run = bound.run
    pipeline = with_breakpoints(lower_run(bound, state), options.breakpoints, run.spec, run.place, state.report)
    if options.carried is not None:
        context = context_of_pod(bound.settings.fields, options.pod_security)
        pipeline = with_artifact_tasks(pipeline, options.carried, state.draft, context)
    exchanged = exchanged_workspaces(bound.run.workspaces, bound.workspaces, options.fetched, state.draft, state.report)
    metadata = bound.run.document["metadata"]
    records = {**state.catalog.remote.annotations(), **state.images.annotations()}
    annotations = {**(metadata.get("annotations") or {}), **records}
    document = {**bound.run.document, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}
    return Lowered(
        bound.run,
        pipeline,
        state.draft.contents(),
        bound.settings.fields,
        tuple(state.ports),
        document,
        state.sources,
        state.labels,
        start_timeout(bound.run.annotations, state.report),
        max_parallel(bound.run.annotations, options.max_parallel, state.report),
        exchanged,
        () if options.local else exchanged,
        state.draft.cache_directory,
        tuple(filter(None, [login_secret(state.cache_store.chosen)])),
        tuple(state.grouped),
        _artifact_repository(run, options, state.report),
    )


def _artifact_repository(run: Run, options: Options, report: Report) -> ArtifactRepository | None:
    """Return what the option says, else the annotation of the run, else that of its Pipeline."""
    own = read(ARTIFACT_REPOSITORY, run.annotations, parse_repository, report)
    return options.artifact_repository or (None if own is None else own.value)


def _assemble(lowered: Lowered, options: Options, report: Report) -> PodParts:
    metadata = lowered.document["metadata"]
    of_pod = pod_metadata(lowered.run.document["metadata"], lowered.run.definition.metadata, lowered.contents.of_tasks)
    report.extend(of_pod.problems)
    annotations = {**of_pod.annotations, **(metadata.get("annotations") or {})}
    return PodParts(
        name=metadata.get("name"),
        generate_name=metadata.get("generateName"),
        namespace=options.namespace or metadata.get("namespace"),
        labels={**of_pod.labels, **lowered.labels.present},
        annotations={key: text for key, text in annotations.items() if key not in OF_WORKLOADS},
        containers=lowered.contents.containers,
        volumes=lowered.contents.volumes,
        pod_fields=lowered.pod_fields,
    )


# Check


def _check(lowered: Lowered, parts: PodParts, documents: Documents, options: Options) -> Iterator[Problem]:
    """Yield what is wrong with the whole Pod, before Steps share containers."""
    document = lowered.run.source
    contents, places = lowered.contents, lowered.contents.places
    yield from port_clashes(lowered.pipeline, lowered.ports)
    yield from unknown_views(options.views, {each.path for each in runnable_tasks(lowered.pipeline)})
    yield from missing(contents, lowered.pipeline, documents, local=options.local)
    yield from injected_credentials(documents, parts.pod_fields.get("serviceAccountName", "default"))
    too_long = name_problem(lowered.document["metadata"], options.workload.kind)
    if too_long is not None:
        yield document.problem(("metadata", "name"), too_long, "workload")
    yield from invalid_names.in_volumes(parts.volumes, places)
    yield from architecture_problems(parts.pod_fields, options.architectures, places)
    yield from _wrong_namespace(document, options)
    if options.pod_security is not None:
        in_metadata = DocumentPlace(document, ("metadata", "annotations")).at
        yield from annotation_violations(parts.annotations, in_metadata)
        yield from violations(parts, places, options.kube_version)
    for part in parts.containers:
        for name, message in over_limits(part.fields.get("resources") or {}):
            place = places.containers[part.name]("computeResources", "requests", name)
            yield place.problem("request-over-limit", message)


def _check_resources(lowered: Lowered, parts: PodParts, options: Options, ranges: LimitRanges) -> Iterator[Problem]:
    """Yield what the LimitRanges of the namespace do not allow."""
    yield from ranges.problems
    if ranges != NO_LIMITS:
        resources = pod_resources(
            lowered.pipeline, parts.containers, ranges, options.kube_version, has_files=bool(lowered.copied)
        )
        yield from (finding.problem(lowered.contents.places) for finding in resources.findings)


def _wrong_namespace(document: Document, options: Options) -> Iterator[Problem]:
    """Yield what is wrong with the Pod's namespace, and with the beginning of its name."""
    metadata = document.data.get("metadata") or {}
    written = DocumentPlace(document, ("metadata",))
    namespace: tuple[Place, str | None] = (written.at("namespace"), metadata.get("namespace"))
    if options.namespace is not None:
        namespace = (OptionPlace("--namespace"), options.namespace)
    beginning = (written.at("generateName"), metadata.get("generateName"))
    for (place, text), problem_of in ((namespace, label_problem), (beginning, prefix_problem)):
        if text and (message := problem_of(text)) is not None:
            yield place.problem("invalid-value", message)


# Write


def _write(
    lowered: Lowered, parts: PodParts, documents: Documents, options: Options, report: Report, *, ranges: LimitRanges
) -> Compilation:
    pipeline = with_restarts(lowered.pipeline) if options.kube_version.has_restart_rules else lowered.pipeline
    plan = Plan(pipeline, lowered.document, lowered.start_timeout, sources=lowered.sources)
    shrinkable = () if options.shrinks is None else _shrinkable(lowered, parts, options, ranges)
    plan = plan._replace(
        max_parallel=lowered.max_parallel,
        hands_over=options.hands_over,
        shrinkable=shrinkable if options.shrinks == "coordinator" else (),
    )
    pod = make_pod(
        plan,
        parts if options.pod_security is None else restricted(parts),
        runtime_image=options.coordinator_image,
        log_format=options.log_format,
        architectures=architectures_of(parts.pod_fields, options.architectures, local=options.local),
        kube_version=options.kube_version,
        limit_ranges=ranges,
        exchanged=lowered.copied,
        is_shrunk=options.shrinks is not None,
    )
    if (too_large := size_problem(pod)) is not None:
        report.add(lowered.run.source.problem((), too_large, "pod-size", severity="warning"))
    return Compilation(
        plan,
        pod,
        make_workload(pod, options.workload, options.kube_version),
        tuple(document.data for document, _ in documents.of(ConfigMap)),
        (*(document.data for document, _ in documents.of(Secret)), *lowered.secrets),
        tuple(document.data for document, _ in documents.of(PersistentVolumeClaim)),
        tuple(document.data for document in documents if document.model is None or document.kind == "LimitRange"),
        lowered.exchanged,
        cache_directory=lowered.cache_directory,
        shrinkable=shrinkable if options.shrinks == "runner" else (),
    )


def _shrinkable(lowered: Lowered, parts: PodParts, options: Options, ranges: LimitRanges) -> tuple[Requests, ...]:
    """Return the requests that can be lowered while the Pod runs."""
    resources = pod_resources(
        lowered.pipeline,
        parts.containers,
        ranges,
        options.kube_version,
        has_files=bool(lowered.copied),
        max_parallel=lowered.max_parallel,
        is_shrunk=True,
    )
    return shrinkable_requests(resources)
