"""A PipelineTask: from the author's YAML to the Task of the Plan, its slots and their containers.

Left to others, each a stage: params, Workspaces, Steps and Sidecars, fan-out and slots; and the Pipeline around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.catalog import Definition
from monopod.compiler.documents.places import Place
from monopod.compiler.documents.unsupported import in_task
from monopod.compiler.packing.choice import pack_choice
from monopod.compiler.pod import pod_template
from monopod.compiler.pod.metadata import ForOneTask
from monopod.compiler.pod.security import context_of_pod
from monopod.compiler.scope.params import (
    Argument,
    BoundParams,
    Declaration,
    OuterScope,
    bind,
    undeclared_params,
    value_if_known,
)
from monopod.compiler.scope.references import STRING, Names, Shape, check, check_value
from monopod.compiler.scope.run_names import NOT_NAMED, RunNames
from monopod.compiler.scope.texts import texts
from monopod.compiler.scope.variables import Variables
from monopod.compiler.scope.variables_in_scope import listed, running_task_shapes, task_variables
from monopod.compiler.tasks import fan_out, steps, workspaces
from monopod.compiler.tasks.fan_out import FanOut
from monopod.compiler.tasks.ordering import Order
from monopod.compiler.tasks.own_steps import AnnotatedTask, own_steps
from monopod.compiler.tasks.port_clashes import PortOfSidecar
from monopod.compiler.tasks.probes import readiness
from monopod.compiler.tasks.resolved_steps import (
    Artifacts,
    ResolvedStep,
    TaskScope,
    resolve_sidecars,
    resolve_steps,
    result_shapes,
    unresolved_results,
)
from monopod.compiler.tasks.sidecar_ports import ports_of
from monopod.compiler.tasks.slots import Combinations, Environment, Slots, TaskParts, one_slot, slots_of_matrix
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.task_policies import TaskPolicies
from monopod.compiler.tasks.when_expressions import check_guards, plan_guards
from monopod.compiler.tasks.workspaces import Bindings, Receiver, TaskWorkspace
from monopod.schemas import plan
from monopod.schemas.plan import Value
from monopod.schemas.tekton import pipelines
from monopod.schemas.tekton.params import StepResult, TaskResult
from monopod.schemas.tekton.pipelines import EmbeddedTask, WorkspacePipelineTaskBinding
from monopod.schemas.tekton.tasks import Sidecar, Step, TaskSpec
from monopod.schemas.variables import MisfitError, Path, Reference, Scope, evaluate, references_in

if TYPE_CHECKING:
    from monopod.compiler.caches.annotation import CacheSpec
    from monopod.compiler.documents.text_in_document import TextPlace
    from monopod.schemas.kubernetes.volumes import Volume


@dataclass(frozen=True, slots=True)
class PipelineScope:
    """The scope of a PipelineTask in its Pipeline; `path` are the PipelineTasks that the Pipeline runs in.

    `run` has the names of the Pipeline's PipelineRun, or of the TaskRun. `enums` are as in `OuterScope`. `caches` are
    for Tasks without caches of their own. `left_out` are the PipelineTasks that do not run. `references` are those in
    each PipelineTask and its embedded Task.
    """

    path: tuple[str, ...]
    names: Names
    values: Scope
    workspaces: Bindings
    run: RunNames = NOT_NAMED
    enums: Mapping[str, Sequence[str]] = field(default_factory=dict)
    caches: tuple[tuple[CacheSpec, TextPlace], ...] = ()
    left_out: Mapping[str, plan.LeftOut] = field(default_factory=dict)
    references: Mapping[str, Sequence[Reference]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PipelineTask:
    """A PipelineTask, where it is written, and the Task that it runs. `of_run`: it is the one Task of a TaskRun."""

    task: pipelines.PipelineTask
    place: Place
    definition: Definition[TaskSpec]
    arguments: tuple[Argument, ...]
    of_run: bool = False

    @classmethod
    def of(cls, task: pipelines.PipelineTask, place: Place, definition: Definition[TaskSpec]) -> PipelineTask:
        """Return a PipelineTask of a Pipeline."""
        return cls(task, place, definition, passed_params(task, place))


def passed_params(task: pipelines.PipelineTask, place: Place) -> tuple[Argument, ...]:
    """Return the params that a PipelineTask passes."""
    return tuple(
        Argument(param.name, param.value, place.at("params", index, "value")) for index, param in enumerate(task.params)
    )


def bindings_of(task: pipelines.PipelineTask, place: Place) -> list[tuple[WorkspacePipelineTaskBinding, Place]]:
    """Return the Workspace bindings of a PipelineTask, each with its place."""
    return [(binding, place.at("workspaces", index)) for index, binding in enumerate(task.workspaces)]


def result_declarations(results: Sequence[StepResult]) -> tuple[plan.ResultDeclaration, ...]:
    """Return declared Results for the Plan."""
    return tuple(
        plan.ResultDeclaration(
            result.name,
            result.value_type,
            tuple(result.properties or ()),
            (result.value or None) if isinstance(result, TaskResult) else None,
        )
        for result in results
    )


def _evaluated(template: plan.Value, values: Scope) -> plan.Value:
    """Return a template with these values inserted, or unchanged if it uses them wrongly, which is reported."""
    try:
        return evaluate(template, values)
    except MisfitError:
        return template


def compile_task(source: PipelineTask, order: Order, scope: PipelineScope, state: CompilerState) -> plan.Task:
    """Return the Task of the Plan; its containers and volumes are added to the draft of the Pod."""
    spec, place = source.definition.spec, source.definition.place
    state.report.extend(in_task(spec, place, state.labels))
    if isinstance(spec, EmbeddedTask):
        state.draft.of_tasks.append(ForOneTask(spec.metadata, place.at("metadata")))
    return _TaskCompiler(source, scope, state).compiled(order)


class _TaskCompiler:
    """The work of one `compile_task`."""

    def __init__(self, source: PipelineTask, scope: PipelineScope, state: CompilerState) -> None:
        self._task = source.task
        self._place = source.place
        self._arguments = source.arguments
        self._of_run = source.of_run
        self._definition = source.definition
        self._spec = source.definition.spec
        self._spec_place = source.definition.place
        self._embedded = source.definition.embedded
        self._receiver = f"the Task '{source.definition.name}'"
        self._scope = scope
        self._state = state
        self._report = state.report
        self._draft = state.draft
        settings = state.settings
        self._settings = settings.base if scope.path else settings.by_task.get(source.task.name, settings.base)
        self._outer_names = scope.names if self._embedded else None
        self._outer_values = scope.values if self._embedded else None
        self._params = OuterScope()
        self._annotations = Annotations.of_task(source.definition)

    def compiled(self, order: Order) -> plan.Task:
        task, place = self._task, self._place
        fixed = task_variables(self._spec, None if self._embedded else self._definition.name)
        fan = self._fan_out()
        bound = self._bind_params(fixed, fan)
        self._params = OuterScope(Names(bound.shapes, self._outer_names), bound.values({}, self._outer_values))
        bound_workspaces = self._bind_workspaces()
        fixed |= workspaces.variables(bound_workspaces)
        bound = self._with_late_values(bound, {**fixed, **self._context})
        values = bound.values({**fixed, **self._context}, self._outer_values)
        names = self._task_names(bound, fixed, bound_workspaces, values)
        resolved = resolve_steps(self._spec, self._spec_place, names, self._state.catalog)
        sidecars = resolve_sidecars(self._spec, self._spec_place, names)
        self._report.extend(pod_template.unused(self._settings, (*resolved, *sidecars)))
        resolved = pod_template.apply(self._settings, resolved)
        sidecars = pod_template.apply(self._settings, sidecars)
        has_cel = self._state.has_cel
        self._report.extend(check_guards(task.when, self._scope.names, place.at("when"), has_cel=has_cel))
        self._check_texts(names.names, resolved, fan)
        annotated = self._annotated(names.names, Scope(fixed), [step.name for step in resolved], fan)
        bound_workspaces, injected = own_steps(annotated, bound_workspaces, self._state)
        parts = TaskParts(
            path=(*self._scope.path, task.name),
            steps=resolved,
            sidecars=sidecars,
            volumes=self._volumes(),
            workspaces=bound_workspaces,
            names=names.names,
            images=self._state.images.of_pod(self._state.settings.fields),
            injected=injected,
            pod_context=context_of_pod(self._state.settings.fields, self._state.pod_security),
            pack=pack_choice(self._all_annotations(), self._report),
        )
        slots = self._slots(parts, bound, values, fan)
        of_unknown_number = fan is not None and fan.unresolved
        self._state.ports.extend(self._ports(parts.path, 1 if of_unknown_number else len(slots.slots)))
        policies = TaskPolicies(self._all_annotations(), self._report)
        return plan.Task(
            name=task.name,
            task_name=self._definition.name,
            display_name=task.display_name,
            after=order.after,
            result_sources=order.sources,
            when=plan_guards(task.when),
            params=bound.params,
            matrix=policies.matrix(fan.in_plan(pinned=slots.pinned) if fan is not None else None),
            retries=task.retries,
            retry_delay=policies.retry_delay(task.retries),
            timeout=(task.timeout if self._settings.timeout is None else self._settings.timeout) or None,
            on_error=task.on_error or "stopAndFail",
            steps=(
                *(step.in_plan() for step in injected.before),
                *map(self._plan_step, self._spec.steps, resolved, slots.environments),
                *(step.in_plan() for step in injected.after),
            ),
            sidecars=tuple(map(self._plan_sidecar, self._spec.sidecars, sidecars, slots.environments[len(resolved) :])),
            results=result_declarations(self._spec.results),
            variables=listed(fixed, self._used),
            slots=slots.slots,
            source=self._state.source(self._definition),
        )

    # Params, matrix and Workspaces

    def _fan_out(self) -> FanOut | None:
        if self._task.matrix is None:
            return None
        place = self._place.at("matrix")
        fan = fan_out.fan_out(self._task.matrix, self._scope.names, self._scope.values, place)
        self._report.extend(fan.problems)
        self._report.extend(fan_out.check_combinations(fan, self._spec.params, self._receiver, place))
        return fan

    def _bind_params(self, fixed: dict[Path, Value], fan: FanOut | None) -> BoundParams:
        declared = [(spec, self._spec_place.at("params", index)) for index, spec in enumerate(self._spec.params)]
        late = self._late_shapes(fixed)
        for argument in self._arguments:
            self._report.extend(check_value(argument.value, Names(late, self._scope.names), argument.place))
        used = partial(self._state.catalog.params_used, self._spec)
        declaration = Declaration(self._receiver, declared, Names(late, self._outer_names), used, self._of_run)
        if not self._embedded:
            self._report.extend(undeclared_params(self._arguments, declaration))
        outer = OuterScope(self._scope.names, self._scope.values, self._embedded, self._scope.enums)
        bound = bind(declaration, self._arguments, outer, self._place, fan.shapes if fan is not None else None)
        self._report.extend(bound.problems)
        return bound

    def _late_shapes(self, fixed: dict[Path, Value]) -> dict[Path, Shape]:
        """Return variables of the Task that its params' values may contain: Tekton replaces them one round later."""
        names = {declaration.name for declaration in self._spec.workspaces}
        names |= {binding.name for binding in self._task.workspaces}
        names |= self._scope.workspaces.keys() if self._embedded else frozenset()
        paths: dict[Path, Shape] = {
            ("workspaces", name, field): STRING for name in names for field in ("path", "claim", "volume")
        }
        return {**dict.fromkeys(fixed, STRING), **paths, **running_task_shapes()}

    def _with_late_values(self, bound: BoundParams, fixed: dict[Path, Value]) -> BoundParams:
        """Return params with the Task's fixed variables inserted; other variables are inserted while running."""
        late = {path: value for path, value in fixed.items() if path[-1] != "bound"}
        changed = {
            param.name: _evaluated(param.value, Scope(late, budget=bound.budget))
            for param in bound.params
            if any(reference.path in late for reference in references_in(param.value))
        }
        if not changed:
            return bound
        params = tuple(plan.Param(param.name, changed.get(param.name, param.value)) for param in bound.params)
        known = dict(bound.known)
        for name, template in changed.items():
            value = value_if_known(template, self._scope.values)
            if value is not None:
                known["params", name] = value
        return replace(bound, params=params, known=known)

    def _bind_workspaces(self) -> list[TaskWorkspace]:
        declared = [
            (workspace, self._spec_place.at("workspaces", index))
            for index, workspace in enumerate(self._spec.workspaces)
        ]
        receiver = Receiver(self._receiver, declared, self._place, self._embedded)
        bindings, outer = bindings_of(self._task, self._place), self._scope.workspaces
        pipeline = Variables(self._scope.names, self._scope.values, self._report)
        bound = workspaces.bind_for_pipeline(bindings, outer, receiver.name, pipeline)
        self._report.extend(workspaces.task_binding_problems(receiver, bindings, bound, outer))
        params = Variables(self._params.names, self._params.values, self._report)
        used = self._used_workspaces() if self._embedded else ()
        return workspaces.bind_task(receiver, bound, outer, used, params, draft=self._draft)

    @property
    def _context(self) -> dict[Path, Value]:
        """The names that are known for all instances."""
        return self._scope.run.of_all_instances() if self._task.matrix is not None else self._context_of(None)

    def _context_of(self, index: int | None) -> dict[Path, Value]:
        return self._scope.run.of_task(self._task.name, index, embedded=self._embedded)

    @cached_property
    def _used(self) -> frozenset[Path]:
        """All paths that the PipelineTask, its Task and the Task's StepActions refer to."""
        catalog = self._state.catalog
        own = {reference.path for reference in self._scope.references.get(self._task.name, ())}
        is_searched = self._task.task_spec is not None  # a spec that is embedded in a TaskRun is not
        of_task = frozenset() if is_searched else catalog.paths_in_spec(self._spec)
        return of_task.union(own, catalog.paths_in_actions(self._spec, self._spec_place, self._params))

    def _used_workspaces(self) -> set[str]:
        """Return the Workspaces that the embedded spec refers to."""
        return {path[1] for path in self._used if path[0] == "workspaces" and len(path) == 3}

    # Names and checks

    def _task_names(
        self, bound: BoundParams, fixed: dict[Path, Value], bound_workspaces: Sequence[TaskWorkspace], values: Scope
    ) -> TaskScope:
        shapes: dict[Path, Shape] = {
            **dict.fromkeys(fixed, STRING),
            **running_task_shapes(),
            **workspaces.shapes(bound_workspaces),
        }
        without_params = Names(shapes, self._outer_names)
        return TaskScope(Names(bound.shapes, without_params), without_params, values, self._state.labels, self._report)

    def _check_texts(self, names: Names, resolved: Sequence[ResolvedStep], fan: FanOut | None) -> None:
        """Check the texts outside params, Workspaces, guards, Steps and Sidecars."""
        passed: dict[Path, Shape] = {
            ("params", argument.name): names.shape(("params", argument.name)) or STRING for argument in self._arguments
        }
        matrix: dict[Path, Shape] = {("params", name): STRING for name in (fan.shapes if fan is not None else ())}
        outside = Names({**passed, **matrix} if fan is not None else {}, self._scope.names)
        self._report.extend(check(self._task.display_name, "text", outside, self._place.at("displayName")))
        if fan is not None:
            for index, entry in enumerate(fan.matrix.include):
                place = self._place.at("matrix", "include", index, "name")
                self._report.extend(check(entry.name, "text", outside, place))
        self._report.extend(check(self._task.on_error or "", "text", self._scope.names, self._place.at("onError")))
        for volume, place in self._volumes():
            for text in texts(volume):
                self._report.extend(check(text, "text", names, place))
        of_steps = Names(
            result_shapes(resolved), open_ended=Artifacts.of(resolved), unresolved=unresolved_results(resolved)
        )
        for index, result in enumerate(self._spec.results):
            if result.value:
                place = self._spec_place.at("results", index, "value")
                self._report.extend(check_value(result.value, of_steps, place))

    # Steps, Sidecars and slots

    def _volumes(self) -> list[tuple[Volume, Place]]:
        return [(volume, self._spec_place.at("volumes", index)) for index, volume in enumerate(self._spec.volumes)]

    def _slots(self, parts: TaskParts, bound: BoundParams, values: Scope, fan: FanOut | None) -> Slots:
        if fan is None:
            return one_slot(parts, values, self._draft, self._report)
        count = fan.slots(self._limit())
        combinations = None
        if fan.combinations is not None and count == len(fan.combinations):
            defaults = {param.name: value_if_known(param.value, self._scope.values) for param in bound.params}
            combinations = [
                fan_out.values_of(combination, defaults, Scope(self._context_of(index), values))
                for index, combination in enumerate(fan.combinations)
            ]
        return slots_of_matrix(parts, Combinations(values, combinations), count, self._draft, self._report)

    def _ports(self, path: tuple[str, ...], slots: int) -> Iterator[PortOfSidecar]:
        for index, sidecar in enumerate(self._spec.sidecars):
            for listening in ports_of(sidecar, self._spec_place.at("sidecars", index)):
                yield PortOfSidecar(path, sidecar.name or f"sidecar-{index}", listening, slots)

    def _limit(self) -> int | None:
        return fan_out.max_concurrency([self._annotations], self._report) or self._state.max_concurrency

    def _all_annotations(self) -> list[Annotations]:
        """Return the annotations of the run for this Task, if any, and its own."""
        of_run = self._settings.annotations
        return [self._annotations] if of_run is None else [of_run, self._annotations]

    def _annotated(self, names: Names, fixed: Scope, steps: Sequence[str], fan: FanOut | None) -> AnnotatedTask:
        declared = {param.name for param in self._spec.params}
        return AnnotatedTask(
            path=(*self._scope.path, self._task.name),
            receiver=self._receiver,
            steps=steps,
            annotations=self._all_annotations(),
            matrix=[name for name in (fan.shapes if fan is not None else ()) if self._embedded or name in declared],
            used=self._used,
            names=names,
            fixed=fixed,
            outer=self._scope.workspaces,
            caches=self._scope.caches,
        )

    def _plan_step(self, step: Step, resolved: ResolvedStep, environment: Environment) -> plan.Step:
        fields = resolved.fields
        guards = check_guards(step.when, resolved.names, resolved.sources.place("when"), has_cel=self._state.has_cel)
        self._report.extend(guards)
        stdout, stderr = fields.get("stdoutConfig") or {}, fields.get("stderrConfig") or {}
        return self._program(resolved, environment)._replace(
            timeout=step.timeout or None,
            on_error=step.on_error or "stopAndFail",
            stdout_path=stdout.get("path"),
            stderr_path=stderr.get("path"),
            results=result_declarations(resolved.results),
            when=plan_guards(step.when),
            params=resolved.bound.params,
        )

    def _program(self, resolved: ResolvedStep, environment: Environment) -> plan.Step:
        """Return the fields that Steps and Sidecars share: the program, its directory and its environment."""
        fields = resolved.fields
        return plan.Step(
            name=resolved.name,
            command=tuple(fields.get("command", ())),
            args=tuple(fields.get("args", ())),
            script=fields.get("script") or None,
            environment=environment,
            working_directory=steps.working_directory(fields),
            variables=listed(resolved.fixed, self._used),
        )

    def _plan_sidecar(self, sidecar: Sidecar, resolved: ResolvedStep, environment: Environment) -> plan.Sidecar:
        probe = readiness(sidecar, resolved.sources.sources[0][0], self._report)
        return plan.Sidecar(self._program(resolved, environment), probe)
