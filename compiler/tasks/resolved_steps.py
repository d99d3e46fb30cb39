"""Steps and Sidecars with all their fields, after merging in the StepAction and the stepTemplate.

Rules (Tekton docs/stepactions.md; docs/tasks.md, "Specifying a Step template" and "Specifying Sidecars"):

- A StepAction sees its own params, which the Step passes, and not the Task's. It sees all other names that the Task's
  Steps see. Its script may not contain params. The Step's own fields beside the ``ref`` see the Task's params.
- The Step gets the StepAction's image, securityContext, workingDir, command, args, script, env, volumeMounts and
  results. It keeps all other fields of its own.
- A Step may refer to Results and Artifacts of the Steps before it.
- The stepTemplate is for Steps, not for Sidecars.

Left to others: containers (``steps``), and the slots they run in (``slots``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.diagnostics import Problem, Report
from monopod.compiler.documents.catalog import Catalog
from monopod.compiler.documents.places import Place
from monopod.compiler.documents.unsupported import in_step_action
from monopod.compiler.pod.draft import characters_in, check_size
from monopod.compiler.scope.params import Argument, BoundParams, Declaration, OuterScope, bind, undeclared_params
from monopod.compiler.scope.references import STRING, Names, Shape, check_value, is_unresolved, shape_of
from monopod.compiler.scope.run_names import TektonLabels
from monopod.compiler.scope.step_params import renamed, renamed_bound
from monopod.compiler.scope.undeclared_results import undeclared_results
from monopod.compiler.scope.variables_in_scope import declared_results, step_name, step_variables
from monopod.compiler.tasks.steps import Sources, check_references, merge_template, written
from monopod.schemas.plan import Value
from monopod.schemas.tekton.params import ParamSpec, StepResult
from monopod.schemas.tekton.tasks import Step, StepActionSpec, TaskSpec, WorkspaceUsage
from monopod.schemas.variables import Path, Scope, references

NOTHING_BOUND = BoundParams((), {}, {})


@dataclass(frozen=True, slots=True)
class ResolvedStep:
    """A Step or Sidecar with all its fields, and the names that its texts may refer to.

    ``fixed`` are its own variables, ``bound`` the params of its StepAction, under the names of ``step_params``.
    `unresolved`: the StepAction is missing, so the Step's program and Results are unknown.
    """

    name: str
    fields: dict[str, Any]
    sources: Sources
    names: Names
    fixed: dict[Path, Value]
    bound: BoundParams
    usages: Sequence[WorkspaceUsage]
    results: Sequence[StepResult] = ()
    is_sidecar: bool = False
    unresolved: bool = False

    @property
    def names_in_fields(self) -> Names:
        """The names that the texts of its fields may refer to, including the fields of its StepAction."""
        return Names(self.bound.shapes, self.names) if self.bound.shapes else self.names

    def values(self, task: Scope) -> Scope:
        """Return the values known in this Step; `task` has the values known in the Task."""
        return self.bound.values(self.fixed, task)


@dataclass(frozen=True, slots=True)
class TaskScope:
    """The names that the texts of a Task may refer to, and the known values; ``without_params`` is for StepActions.

    ``labels`` are the Tekton labels that the Pod has.
    """

    names: Names
    without_params: Names
    values: Scope
    labels: TektonLabels
    report: Report


def resolve_steps(spec: TaskSpec, place: Place, task: TaskScope, catalog: Catalog) -> list[ResolvedStep]:
    """Return the Steps of a Task; references in all their fields are checked. Raises TooLargeError."""
    template: dict[str, Any] = {}
    if spec.step_template is not None:
        template = spec.step_template.to_kubernetes()
        check_size(characters_in(template) * len(spec.steps))
        task.report.extend(check_references(template, task.names, place.at("stepTemplate")))
    result: list[ResolvedStep] = []
    positions: dict[str, int] = {}
    results: dict[Path, Shape] = {}
    places = {step_name(step.name, index): index for index, step in enumerate(spec.steps)}
    for index, step in enumerate(spec.steps):
        earlier = _EarlierSteps(
            results, Artifacts(positions, index), unresolved_results(result), _WithoutResults(places, index)
        )
        resolver = _StepResolver(step_name(step.name, index), step, place.at("steps", index), earlier, task)
        resolved = resolver.resolved(template, place.at("stepTemplate"), catalog)
        undeclared = undeclared_results(resolved.name, resolved.fields, resolved.results, spec)
        task.report.extend(_undeclared_problems(undeclared, place.at("steps", index)))
        resolved = replace(resolved, results=(*resolved.results, *undeclared)) if undeclared else resolved
        positions.setdefault(resolved.name, len(result))
        results |= result_shapes([resolved])
        result.append(resolved)
    return result


def _undeclared_problems(results: Iterable[StepResult], place: Place) -> Iterator[Problem]:
    for result in results:
        message = (
            f"the Step writes the Result '{result.name}', which is used, and does not declare it; add it to results"
        )
        yield place.problem("undeclared-result", message, "warning")


def resolve_sidecars(spec: TaskSpec, place: Place, task: TaskScope) -> list[ResolvedStep]:
    """Return the Sidecars of a Task; references in all their fields are checked."""
    result = []
    for index, sidecar in enumerate(spec.sidecars):
        where = place.at("sidecars", index)
        fields = {key: value for key, value in sidecar.to_kubernetes().items() if value not in ("", [], {}, None)}
        fixed = _workspace_paths(sidecar.workspaces)
        names = Names(dict.fromkeys(fixed, STRING), task.names)
        task.report.extend(check_references(fields, names, where))
        sources = Sources(((where, written(fields)),))
        name = sidecar.name or f"sidecar-{index}"
        result.append(
            ResolvedStep(name, fields, sources, names, fixed, NOTHING_BOUND, sidecar.workspaces, is_sidecar=True)
        )
    return result


def result_shapes(steps: Iterable[ResolvedStep]) -> dict[Path, Shape]:
    """Return the shapes of the Results of these Steps."""
    return {
        ("steps", step.name, "results", result): shape
        for step in steps
        for result, shape in declared_results(step.results).items()
    }


def unresolved_results(steps: Iterable[ResolvedStep]) -> frozenset[Path]:
    """Return the paths of Results that are unknown, because their Steps are unresolved."""
    return frozenset(("steps", step.name, "results") for step in steps if step.unresolved)


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The first words of references to the Artifacts of the first `count` Steps; ``positions`` has all Steps.

    All Steps share one mapping, since there may be thousands of them.
    """

    positions: Mapping[str, int]
    count: int

    @classmethod
    def of(cls, steps: Sequence[ResolvedStep]) -> Artifacts:
        """Return the Artifacts of all these Steps."""
        return cls({step.name: position for position, step in enumerate(steps)}, len(steps))

    def __bool__(self) -> bool:
        return self.count > 0

    def __contains__(self, path: object) -> bool:
        match path:
            case ("steps", str(name), "inputs" | "outputs"):
                return self.positions.get(name, self.count) < self.count
        return False


@dataclass(frozen=True, slots=True)
class _WithoutResults:
    """The reasons why the Step at index `count` cannot refer to some Results of existing Steps.

    All Steps share one mapping of positions, as in `Artifacts`.
    """

    positions: Mapping[str, int]
    count: int

    def reason(self, path: Path) -> str | None:
        match path:
            case ("steps", name, "results", result, *_) if name in self.positions:
                if self.positions[name] == self.count:
                    return f"a Step cannot use its own Results; the file is $(step.results.{result}.path)"
                if self.positions[name] > self.count:
                    return f"the Step '{name}' comes later; a Step can use the Results of Steps before it only"
                return f"the Step '{name}' declares no Result '{result}'"
        return None


@dataclass(frozen=True, slots=True)
class _EarlierSteps:
    """The names of earlier Steps that a Step may refer to."""

    results: Mapping[Path, Shape]
    artifacts: Artifacts
    unresolved: frozenset[Path]
    refused: _WithoutResults


def _workspace_paths(usages: Iterable[WorkspaceUsage]) -> dict[Path, Value]:
    return {("workspaces", usage.name, "path"): usage.mount_path for usage in usages if usage.mount_path}


@dataclass(frozen=True, slots=True)
class _StepResolver:
    """The work of resolving one Step."""

    name: str
    step: Step
    place: Place
    earlier: _EarlierSteps
    task: TaskScope

    def resolved(self, template: Mapping[str, Any], template_place: Place, catalog: Catalog) -> ResolvedStep:
        own = self.step.to_kubernetes()
        sources = ((self.place, written(own)), (template_place, written(template)))
        if self.step.ref is None:
            fixed = self._fixed(self.step.results)
            names = self._names({}, fixed, self.task.names)
            self.task.report.extend(check_references(own, names, self.place))
            return ResolvedStep(
                self.name,
                merge_template(template, own),
                Sources(sources),
                names,
                fixed,
                NOTHING_BOUND,
                self.step.workspaces,
                self.step.results,
            )
        outer = OuterScope(self.task.names, self.task.values)
        definition = catalog.step_action(self.step.ref, self.place.at("ref"), outer)
        if definition is None:
            return self._unresolved(merge_template(template, own), Sources(sources))
        action, action_place = definition.spec, definition.place
        bound = self._bind(definition.name, action, action_place)
        fixed = self._fixed(action.results)
        names = self._names(bound.shapes, fixed, self.task.without_params)
        from_action = action.to_kubernetes()
        own_names = self._names({}, fixed, self.task.names)
        self.task.report.extend(check_references(own, own_names, self.place))
        self.task.report.extend(check_references(from_action, names, action_place))
        self.task.report.extend(in_step_action(action, action_place, self.task.labels))
        self._check_script(action.script, action_place)
        fields = merge_template(template, {**own, **renamed(from_action)})
        return ResolvedStep(
            self.name,
            fields,
            Sources(((action_place, written(from_action)), *sources)),
            own_names,
            fixed,
            renamed_bound(bound),
            self.step.workspaces,
            action.results,
        )

    def _unresolved(self, fields: dict[str, Any], sources: Sources) -> ResolvedStep:
        names = self._names({}, self._fixed(()), self.task.names)
        for index, param in enumerate(self.step.params):
            self.task.report.extend(check_value(param.value, names, self.place.at("params", index, "value")))
        return ResolvedStep(self.name, fields, sources, names, {}, NOTHING_BOUND, self.step.workspaces, unresolved=True)

    def _fixed(self, results: Iterable[StepResult]) -> dict[Path, Value]:
        return {**step_variables(results, self.name), **_workspace_paths(self.step.workspaces)}

    def _names(self, params: Mapping[Path, Shape], fixed: Mapping[Path, Value], outer: Names) -> Names:
        shapes = {**params, **dict.fromkeys(fixed, STRING), **self.earlier.results}
        hidden = ("params",) if self.step.ref is not None and outer is self.task.without_params else ()
        return Names(
            shapes,
            outer,
            open_ended=self.earlier.artifacts,
            unresolved=self.earlier.unresolved,
            refused=self.earlier.refused.reason,
            hidden=hidden,
        )

    def _bind(self, action_name: str, action: StepActionSpec, place: Place) -> BoundParams:
        receiver = f"the StepAction '{action_name}'"
        names = self._names({}, {}, self.task.names)
        arguments = self._without_ignored(receiver, action, names)
        for argument in arguments:
            self.task.report.extend(check_value(argument.value, names, argument.place))
        declared = [(spec, place.at("params", index)) for index, spec in enumerate(action.params)]
        declaration = Declaration(receiver, declared, self.task.without_params)
        self.task.report.extend(undeclared_params(arguments, declaration, "error"))
        bound = bind(declaration, arguments, OuterScope(names, self.task.values), self.place)
        self.task.report.extend(bound.problems)
        return bound

    def _without_ignored(self, receiver: str, action: StepActionSpec, names: Names) -> list[Argument]:
        """Return the arguments that the Step passes, without strings for object params, which Tekton ignores.

        For these params the StepAction sees the keys of the default.
        """
        objects = {spec.name: spec for spec in action.params if spec.value_type == "object"}
        arguments = []
        for index, param in enumerate(self.step.params):
            place, spec = self.place.at("params", index, "value"), objects.get(param.name)
            is_text = shape_of(param.value, names) == STRING
            if spec is not None and is_text and _has_whole_default(spec) and not is_unresolved(param.value, names):
                message = (
                    f"the param '{param.name}' of {receiver} is of type object and this value is of type string, "
                    "so it has no effect, as in Tekton: the default is used"
                )
                self.task.report.add(place.problem("no-effect", message, "warning"))
            else:
                arguments.append(Argument(param.name, param.value, place))
        return arguments

    def _check_script(self, script: str, place: Place) -> None:
        reference = next((used for used in references(script) if used.path[0] == "params"), None)
        if reference is not None:
            message = f"{reference.text}: the script of a StepAction may not hold params; hand it over in env"
            self.task.report.add(place.at("script").problem("param-in-script", message))


def _has_whole_default(spec: ParamSpec) -> bool:
    """Return whether the default of an object param has all required keys."""
    return isinstance(spec.default, dict) and (spec.properties or {}).keys() <= spec.default.keys()
