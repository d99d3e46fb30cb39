"""A PipelineTask: from what an author wrote to the Task of the Plan, its slots and their containers.

Left to others, one stage each: params, Workspaces, Steps, Sidecars, volumes, the matrix; and what a Pipeline is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from monopod.compiler import steps, workspaces
from monopod.compiler.catalog import Catalog, Found
from monopod.compiler.diagnostics import Problem
from monopod.compiler.ordering import Order, texts
from monopod.compiler.params import Around, Bound, Declaration, Given, bind, undeclared, value_if_known
from monopod.compiler.places import Place
from monopod.compiler.pod_draft import PodDraft
from monopod.compiler.references import STRING, Names, Shape, check, check_value
from monopod.compiler.settling import settle
from monopod.compiler.unsupported import in_task
from monopod.compiler.variables_in_scope import (
    TASK_RUN_CONTEXT,
    declared_results,
    listed,
    running_task_shapes,
    step_name,
    step_variables,
    task_variables,
)
from monopod.compiler.workspaces import Bindings, TaskWorkspace, Texts
from monopod.schemas import plan, tekton
from monopod.schemas.plan import Value
from monopod.schemas.variables import Path, Scope, evaluate, references, references_in


@dataclass(frozen=True, slots=True)
class CompilerState:
    """What all stages share: what can be referred to, the Pod so far, and what is wrong so far."""

    catalog: Catalog
    draft: PodDraft
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class PipelineScope:
    """What a PipelineTask sees of the Pipeline around it."""

    path: tuple[str, ...]
    names: Names
    values: Scope
    workspaces: Bindings


@dataclass(frozen=True, slots=True)
class PipelineTask:
    """A PipelineTask, where it is written, and the Task that it runs."""

    task: tekton.PipelineTask
    place: Place
    found: Found[tekton.TaskSpec]
    given: tuple[Given, ...]

    @classmethod
    def of(cls, task: tekton.PipelineTask, place: Place, found: Found[tekton.TaskSpec]) -> PipelineTask:
        """Return a PipelineTask of a Pipeline."""
        given = (
            Given(each.name, each.value, place.at("params", index, "value")) for index, each in enumerate(task.params)
        )
        return cls(task, place, found, tuple(given))

    @property
    def receiver(self) -> str:
        """What it is called in messages."""
        return f"the Task '{self.found.name}'"


def when_expressions(
    expressions: Sequence[tekton.WhenExpression], names: Names, place: Place, problems: list[Problem]
) -> tuple[plan.WhenExpression, ...]:
    """Return guards for the Plan."""
    for index, each in enumerate(expressions):
        at = place.at("when", index)
        problems.extend(check(each.input, "element", names, at.at("input")))
        problems.extend(check(each.cel, "text", names, at.at("cel")))
        for number, text in enumerate(each.values):
            problems.extend(check(text, "element", names, at.at("values", number)))
    return tuple(plan.WhenExpression(each.input, each.operator or "in", each.values, each.cel) for each in expressions)


def result_declarations(results: Sequence[tekton.StepResult]) -> tuple[plan.ResultDeclaration, ...]:
    """Return declared Results for the Plan."""
    return tuple(
        plan.ResultDeclaration(
            result.name,
            result.value_type,
            tuple(result.properties or ()),
            (result.value or None) if isinstance(result, tekton.TaskResult) else None,
        )
        for result in results
    )


def compile_task(source: PipelineTask, order: Order, scope: PipelineScope, state: CompilerState) -> plan.Task:
    """Return the Task of the Plan; its containers and volumes are added to the draft of the Pod."""
    state.problems.extend(in_task(source.found.spec, source.found.place))
    return _TaskCompiler(source, scope, state).compiled(order)


class _TaskCompiler:
    """The work of one `compile_task`."""

    def __init__(self, source: PipelineTask, scope: PipelineScope, state: CompilerState) -> None:
        self._task = source.task
        self._place = source.place
        self._given = source.given
        self._spec = source.found.spec
        self._spec_place = source.found.place
        self._embedded = source.found.embedded
        self._receiver = source.receiver
        self._scope = scope
        self._state = state
        self._problems = state.problems
        self._draft = state.draft
        self._outer_names = scope.names if self._embedded else None
        self._outer_values = scope.values if self._embedded else None
        self._fixed = task_variables(self._spec, source.found.name)
        self._task_name = source.found.name

    def compiled(self, order: Order) -> plan.Task:
        task, place = self._task, self._place
        bound = self._bind_params()
        self._workspaces = self._bind_workspaces(bound)
        self._fixed |= workspaces.variables(self._workspaces, self._draft)
        bound = self._with_late_values(bound)
        self._params = bound
        self._names = self._task_names()
        self._values = Scope({**bound.known, **self._fixed}, self._outer_values)
        usages = chain(
            *(step.workspaces for step in self._spec.steps), *(each.workspaces for each in self._spec.sidecars)
        )
        self._isolated = frozenset(usage.name for usage in usages)
        self._used = {
            each.path for text in texts((self._task, self._spec)) if "$(" in text for each in references(text)
        }
        self._steps = [self._resolved_step(index, step) for index, step in enumerate(self._spec.steps)]
        self._check_texts()
        settled = self._settled(self._values)
        compiled_steps = tuple(map(self._plan_step, self._steps, settled.containers))
        return plan.Task(
            name=task.name,
            task_name=self._task_name,
            display_name=task.display_name,
            after=order.after,
            result_sources=order.sources,
            when=when_expressions(task.when, self._scope.names, place, self._problems),
            params=bound.params,
            retries=task.retries,
            timeout=task.timeout or None,
            on_error=task.on_error or "stopAndFail",
            steps=compiled_steps,
            results=result_declarations(self._spec.results),
            variables=listed(self._fixed, self._used),
            slots=(self._slot(None, settled),),
        )

    # Params and Workspaces

    def _bind_params(self) -> Bound:
        declared = [(spec, self._spec_place.at("params", index)) for index, spec in enumerate(self._spec.params)]
        if not self._embedded:
            for each, hint in undeclared(self._given, (spec.name for spec, _ in declared)):
                message = f"{self._receiver} declares no param '{each.name}', so it has no effect{hint}"
                self._problems.append(each.place.problem("unknown-param", message, "warning"))
        declaration = Declaration(self._receiver, declared, Names(self._late_shapes(), self._outer_names))
        around = Around(self._scope.names, self._scope.values, self._embedded)
        return bind(declaration, self._given, around, self._place, self._problems)

    def _late_shapes(self) -> dict[Path, Shape]:
        """Return what the values of params may refer to although it is the Task's: these come in a second round."""
        names = {declaration.name for declaration in self._spec.workspaces}
        names |= {binding.name for binding in self._task.workspaces}
        paths: dict[Path, Shape] = {
            ("workspaces", name, field): STRING for name in names for field in ("path", "claim", "volume")
        }
        return {**dict.fromkeys(self._fixed, STRING), **paths, **TASK_RUN_CONTEXT}

    def _with_late_values(self, bound: Bound) -> Bound:
        late = {path: value for path, value in self._fixed.items() if path[-1] != "bound"}
        names = Names(self._late_shapes(), self._scope.names)
        for given in self._given:
            self._problems.extend(check_value(given.value, names, given.place))
        changed = {
            param.name: evaluate(param.value, Scope(late))
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
        return Bound(params, bound.shapes, known)

    def _bind_workspaces(self, bound: Bound) -> list[TaskWorkspace]:
        return workspaces.bind_task(
            [(each, self._spec_place.at("workspaces", index)) for index, each in enumerate(self._spec.workspaces)],
            [(each, self._place.at("workspaces", index)) for index, each in enumerate(self._task.workspaces)],
            self._scope.workspaces,
            inherited=self._embedded,
            used=self._used_workspaces() if self._embedded else (),
            receiver=self._receiver,
            place=self._place,
            outside=Texts(self._scope.names, self._scope.values),
            params=Texts(Names(bound.shapes, self._outer_names), Scope(bound.known, self._outer_values)),
            problems=self._problems,
        )

    def _used_workspaces(self) -> set[str]:
        """Return the Workspaces that the embedded spec refers to as its own (``bound`` is known to Pipelines too)."""
        found = (each for text in texts(self._spec) if "$(workspaces" in text for each in references(text))
        return {each.path[1] for each in found if each.path[0] == "workspaces" and len(each.path) == 3}

    # Names and checks

    def _task_names(self) -> Names:
        shapes: dict[Path, Shape] = {
            **dict.fromkeys(self._fixed, STRING),
            **running_task_shapes(),
            **workspaces.shapes(self._workspaces),
        }
        self._without_params = Names(shapes, self._outer_names)
        return Names(self._params.shapes, self._without_params)

    def _check_texts(self) -> None:
        spec, place = self._spec, self._spec_place
        self._problems.extend(check(self._task.display_name, "text", self._scope.names, self._place.at("displayName")))
        if spec.step_template is not None:
            template = spec.step_template.to_kubernetes()
            self._problems.extend(steps.check_references(template, self._names, place.at("stepTemplate")))
        for index, step in enumerate(spec.steps):
            self._problems.extend(
                steps.check_references(step.to_kubernetes(), self._steps[index].names, place.at("steps", index))
            )
        for index, volume in enumerate(spec.volumes):
            for text in texts(volume):
                self._problems.extend(check(text, "text", self._names, place.at("volumes", index)))

    # Steps and containers

    def _settled(self, values: Scope) -> _Settled:
        """Return all that goes into one slot of the Pod, with these values known."""
        spec, place = self._spec, self._spec_place
        volumes = [
            settle(volume.to_kubernetes(), values, self._names, place.at("volumes", index), self._problems)
            for index, volume in enumerate(spec.volumes)
        ]
        names = frozenset(volume["name"] for volume in volumes)
        names |= {workspaces.name_in_pod(each.volume, self._draft) for each in self._workspaces if each.volume}
        containers = []
        for step in self._steps:
            own_values = Scope({**step.fixed}, values)
            around = steps.Surroundings(step.names, own_values, own_values, names)
            mounts = workspaces.mounts(self._workspaces, step.usages, self._isolated, self._draft)
            containers.append(steps.container(step.fields, step.sources, mounts, around, self._problems))
        return _Settled(volumes, containers)

    def _resolved_step(self, index: int, step: tekton.Step) -> _ResolvedStep:
        place = self._spec_place.at("steps", index)
        name = step_name(step.name, index)
        own = step.to_kubernetes()
        fixed = step_variables(step.results, name)
        for usage in step.workspaces:
            if usage.mount_path:
                fixed["workspaces", usage.name, "path"] = usage.mount_path
        template = self._spec.step_template.to_kubernetes() if self._spec.step_template is not None else {}
        return _ResolvedStep(
            name=name,
            step=step,
            fields=steps.merge_template(template, own),
            sources=steps.Sources(place, frozenset(own), self._spec_place.at("stepTemplate")),
            fixed=fixed,
            names=Names(self._earlier_results(index) | dict.fromkeys(fixed, STRING), self._names),
            usages=step.workspaces,
        )

    def _earlier_results(self, index: int) -> dict[Path, Shape]:
        """Return the Results of Steps before one, which it may refer to."""
        return {
            ("steps", step_name(step.name, number), "results", result): shape
            for number, step in enumerate(self._spec.steps[:index])
            for result, shape in declared_results(step.results).items()
        }

    def _plan_step(self, step: _ResolvedStep, container: steps.Container) -> plan.Step:
        fields = step.fields
        if not fields.get("script") and not fields.get("command"):
            self._problems.append(step.sources.own.problem("no-command", _NO_COMMAND))
        return plan.Step(
            name=step.name,
            command=tuple(fields.get("command", ())),
            args=tuple(fields.get("args", ())),
            script=fields.get("script") or None,
            environment=container.environment,
            working_directory=steps.working_directory(fields),
            timeout=step.step.timeout or None,
            on_error=step.step.on_error or "stopAndFail",
            stdout_path=step.step.stdout_config.path or None if step.step.stdout_config else None,
            stderr_path=step.step.stderr_config.path or None if step.step.stderr_config else None,
            results=result_declarations(step.step.results),
            when=when_expressions(step.step.when, step.names, step.sources.own, self._problems),
            variables=listed(step.fixed, self._used),
        )

    def _slot(self, index: int | None, settled: _Settled) -> plan.Slot:
        """Add a slot's containers and volumes to the draft of the Pod."""
        name = self._draft.slot((*self._scope.path, self._task.name), index)
        names = {
            volume["name"]: self._draft.volume((name, volume["name"]), _source(volume)) for volume in settled.volumes
        }
        containers = tuple(
            self._draft.container(
                name,
                step.name,
                container.with_volumes(names),
                is_sidecar=False,
                has_script=bool(step.fields.get("script")),
            )
            for step, container in zip(self._steps, settled.containers, strict=True)
        )
        return plan.Slot(name, containers)


_NO_COMMAND = (
    "the Step has neither script nor command, so the image's own ENTRYPOINT would run, which is not supported yet; "
    "say what to run with command"
)


def _source(volume: dict[str, Any]) -> dict[str, Any]:
    """Return the source of a volume; one without is an empty directory (Kubernetes API, Volume)."""
    return {key: value for key, value in volume.items() if key != "name"} or {"emptyDir": {}}


@dataclass(frozen=True, slots=True)
class _ResolvedStep:
    """A Step with all its fields, and what its texts may refer to."""

    name: str
    step: tekton.Step
    fields: dict[str, Any]
    sources: steps.Sources
    fixed: dict[Path, Value]
    names: Names
    usages: Sequence[tekton.WorkspaceUsage]


@dataclass(frozen=True, slots=True)
class _Settled:
    """What goes into one slot, its volumes still under their names in the Task."""

    volumes: list[dict[str, Any]]
    containers: list[steps.Container]
