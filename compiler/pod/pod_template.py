"""The settings of a run for its Pods, merged into one Pod: podTemplate, taskRunSpecs, resources.

Rules (Tekton docs/podtemplates.md, pipelineruns.md, compute-resources.md, labels.md):

- Settings for all Tasks go to the Pod. Settings of a taskRunSpec go to the Task's containers if a container can have
  them (environment, uid, resources …), else to the Pod: node labels and lists are merged, and two conflicting values
  are refused.
- There is one ServiceAccount.
- The environment of a podTemplate applies to Steps, not to Sidecars, and wins over a Step's own.
- ``computeResources`` of a whole Task are spread over its Steps as Tekton does: requests evenly, limits for each.

Left to others: the containers (``slots``), the Pod (``pod.assembly``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.places import Place
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.metadata import ForOneTask
from monopod.compiler.scope.references import Names
from monopod.compiler.scope.texts import texts
from monopod.compiler.scope.variables import Variables
from monopod.compiler.tasks.resolved_steps import ResolvedStep
from monopod.compiler.tasks.steps import Sources, merge_template, written
from monopod.schemas.formats import quantity
from monopod.schemas.tekton.pipelines import Matrix, PipelineTask
from monopod.schemas.tekton.runs import PipelineRunSpec, PipelineTaskRunSpec, TaskRunSpec
from monopod.schemas.variables import Path

if TYPE_CHECKING:
    from monopod.schemas.tekton.pod_templates import PodTemplate

_PER_CONTAINER = frozenset(
    {
        "appArmorProfile",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seLinuxOptions",
        "seccompProfile",
        "windowsOptions",
    }
)
_LISTS = frozenset({"tolerations", "imagePullSecrets", "hostAliases", "topologySpreadConstraints"})


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """The settings that a run has for the containers of a Task.

    ``steps`` and ``sidecars`` are resources by name, ``places`` is where they are written.
    """

    environment: Sequence[Mapping[str, Any]] = ()
    security_context: Mapping[str, Any] = field(default_factory=dict)
    security_place: Place | None = None
    steps: Mapping[str, Any] = field(default_factory=dict)
    sidecars: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] | None = None
    timeout: float | None = None
    places: Mapping[tuple[str, str], Place] = field(default_factory=dict)
    annotations: Annotations | None = None


@dataclass(frozen=True, slots=True)
class PodSettings:
    """The fields of the Pod, and the settings of Tasks: of each Task that has its own, and of all other Tasks."""

    fields: dict[str, Any] = field(default_factory=dict)
    base: TaskSettings = TaskSettings()
    by_task: Mapping[str, TaskSettings] = field(default_factory=dict)


NO_SETTINGS = PodSettings()
_ONE_POD = (
    "the run is one Pod, so all combinations of a matrix have the same podTemplate; write a value that fits all, or "
    "start a run for each combination"
)


class _Collector:
    """Merges settings from several places into one Pod."""

    def __init__(self, params: Variables, draft: PodDraft) -> None:
        self.fields: dict[str, Any] = {}
        self._params = params
        self._draft = draft
        self._volumes: dict[str, dict[str, Any]] = {}

    def resolved(self, template: PodTemplate, place: Place, matrix: Matrix | None = None) -> dict[str, Any]:
        """Return the fields of a podTemplate, with values instead of references to params."""
        fanned_out: dict[Path, str] = {
            ("params", name): _ONE_POD for name in (matrix.names() if matrix is not None else ())
        }
        names = Names({}, self._params.names, refused=lambda path: fanned_out.get(path[:2]))
        variables = replace(self._params, names=names)
        for text in texts(template):
            variables.check(text, place)
        return variables.resolve(template.to_kubernetes(), place)

    def add(self, name: str, value: Any, place: Place) -> None:
        """Add a field of the Pod."""
        present = self.fields.get(name)
        for path in written({name: value}):
            self._draft.places.fields.setdefault(path, place.at(*path))
        if present is None:
            self.fields[name] = value
        elif name in _LISTS:
            self.fields[name] = [*present, *(item for item in value if item not in present)]
        elif name in {"nodeSelector", "securityContext"}:
            for key, item in value.items():
                if present.get(key, item) != item:
                    self._refuse(f"{name}.{key}", present[key], item, place.at(name, key))
            self.fields[name] = {**present, **value}
        elif present != value:
            self._refuse(name, present, value, place.at(name))

    def add_volumes(self, volumes: Sequence[dict[str, Any]], place: Place) -> None:
        """Add the volumes of a podTemplate, which Steps mount by name."""
        for index, volume in enumerate(volumes):
            present = self._volumes.setdefault(volume["name"], volume)
            if present is volume:
                self._draft.keep_volume(volume, place.at("volumes", index))
            elif present != volume:
                self._refuse(f"volume '{volume['name']}'", present, volume, place.at("volumes", index))

    def _refuse(self, what: str, present: Any, value: Any, place: Place) -> None:
        first, second = (json.dumps(side, ensure_ascii=False) for side in (present, value))
        message = f"the run is one Pod, whose {what} cannot be both {first} and {second}; give all Tasks the same"
        self._params.report.add(place.problem("pod-conflict", message))


def of_pipeline_run(
    spec: PipelineRunSpec,
    place: Place,
    tasks: Mapping[str, PipelineTask],
    params: Variables,
    draft: PodDraft,
) -> PodSettings:
    """Return the settings of a PipelineRun; `tasks` are its PipelineTasks by name."""
    collector = _Collector(params, draft)
    common, where = spec.task_run_template, place.at("taskRunTemplate")
    if common.service_account_name:
        collector.add("serviceAccountName", common.service_account_name, where)
    base = _take_common(common.pod_template, where.at("podTemplate"), collector)
    by_task: dict[str, TaskSettings] = {}
    for index, task_spec in enumerate(spec.task_run_specs):
        at = place.at("taskRunSpecs", index)
        if task_spec.pipeline_task_name not in tasks:
            message = (
                f"there is no Task '{task_spec.pipeline_task_name}'{did_you_mean(task_spec.pipeline_task_name, tasks)}"
            )
            params.report.add(at.at("pipelineTaskName").problem("unknown-task", message))
            continue
        task = tasks[task_spec.pipeline_task_name]
        if task.task_ref is None and task.task_spec is None:
            message = f"this does not apply to the Tasks of the Pipeline '{task.name}', as in Tekton"
            params.report.add(at.problem("no-effect", message, "warning"))
            continue
        if task_spec.service_account_name:
            collector.add("serviceAccountName", task_spec.service_account_name, at)
        if task_spec.metadata is not None:
            draft.of_tasks.append(ForOneTask(task_spec.metadata, at.at("metadata")))
        own = replace(_with_resources(base, task_spec, at), timeout=task_spec.timeout)
        if task_spec.metadata is not None:
            own = replace(own, annotations=Annotations(task_spec.metadata.annotations, at.at("metadata")))
        if task_spec.pod_template is not None:
            fields = collector.resolved(task_spec.pod_template, at.at("podTemplate"), task.matrix)
            own = _take_own(fields, at.at("podTemplate"), own, collector)
        by_task[task_spec.pipeline_task_name] = own
    return PodSettings(collector.fields, base, by_task)


def of_task_run(spec: TaskRunSpec, place: Place, params: Variables, draft: PodDraft) -> PodSettings:
    """Return the settings of a TaskRun."""
    collector = _Collector(params, draft)
    if spec.service_account_name:
        collector.add("serviceAccountName", spec.service_account_name, place)
    base = _take_common(spec.pod_template, place.at("podTemplate"), collector)
    return PodSettings(collector.fields, _with_resources(base, spec, place))


def _take_common(template: PodTemplate | None, place: Place, collector: _Collector) -> TaskSettings:
    """Add the podTemplate of all Tasks to the Pod and return the settings for their containers."""
    if template is None:
        return TaskSettings()
    fields = collector.resolved(template, place)
    environment = fields.pop("env", ())
    collector.add_volumes(fields.pop("volumes", ()), place)
    for name, value in fields.items():
        collector.add(name, value, place)
    return TaskSettings(environment)


def _take_own(fields: dict[str, Any], place: Place, settings: TaskSettings, collector: _Collector) -> TaskSettings:
    """Add the podTemplate of one Task to the Pod and return the settings for the Task's containers."""
    environment = {entry["name"]: entry for entry in (*settings.environment, *fields.pop("env", ()))}
    collector.add_volumes(fields.pop("volumes", ()), place)
    security = fields.pop("securityContext", {})
    own = {key: value for key, value in security.items() if key in _PER_CONTAINER}
    rest = {key: value for key, value in security.items() if key not in _PER_CONTAINER}
    if rest:
        fields["securityContext"] = rest
    for name, value in fields.items():
        collector.add(name, value, place)
    return replace(settings, environment=tuple(environment.values()), security_context=own, security_place=place)


def _with_resources(settings: TaskSettings, spec: TaskRunSpec | PipelineTaskRunSpec, place: Place) -> TaskSettings:
    steps = {step_spec.name: step_spec.compute_resources.to_kubernetes() for step_spec in spec.step_specs}
    sidecars = {
        sidecar_spec.name: sidecar_spec.compute_resources.to_kubernetes() for sidecar_spec in spec.sidecar_specs
    }
    places = {("Step", name): place.at("stepSpecs", index) for index, name in enumerate(steps)}
    places |= {("Sidecar", name): place.at("sidecarSpecs", index) for index, name in enumerate(sidecars)}
    whole = spec.compute_resources.to_kubernetes() if spec.compute_resources is not None else None
    return replace(settings, steps=steps, sidecars=sidecars, places=places, resources=whole)


def unused(settings: TaskSettings, steps: Sequence[ResolvedStep]) -> Iterator[Problem]:
    """Yield resources that a run gives to Steps and Sidecars which the Task does not have; `steps` are both."""
    names = {("Sidecar" if step.is_sidecar else "Step", step.name) for step in steps}
    for (what, name), place in settings.places.items():
        if (what, name) not in names:
            hint = did_you_mean(name, [known for kind, known in names if kind == what])
            message = f"the Task has no {what} '{name}', so this has no effect{hint}"
            yield place.at("name").problem("no-effect", message, "warning")


def apply(settings: TaskSettings, steps: Sequence[ResolvedStep]) -> list[ResolvedStep]:
    """Return the Steps or the Sidecars of a Task with the run's settings."""
    if settings == TaskSettings():
        return list(steps)
    return [_applied(settings, step, len(steps)) for step in steps]


def _applied(settings: TaskSettings, step: ResolvedStep, count: int) -> ResolvedStep:
    fields, sources = dict(step.fields), step.sources
    if settings.environment and not step.is_sidecar:
        names = {entry["name"] for entry in settings.environment}
        own = [entry for entry in fields.get("env", ()) if entry["name"] not in names]
        fields["env"] = [*own, *map(dict, settings.environment)]
    if settings.security_context:
        fields["securityContext"] = merge_template(settings.security_context, fields.get("securityContext", {}))
        if settings.security_place is not None:
            paths = written({"securityContext": settings.security_context})
            sources = Sources((*sources.sources, (settings.security_place, paths)))
    by_name = settings.sidecars if step.is_sidecar else settings.steps
    if step.name in by_name:
        overrides = {"computeResources": by_name[step.name]}
        fields = merge_template(fields, overrides)
        place = settings.places["Sidecar" if step.is_sidecar else "Step", step.name]
        sources = Sources(sources.sources, ((place, written(overrides)),))
    if settings.resources is not None and not step.is_sidecar:
        fields["computeResources"] = _share(settings.resources, fields.get("computeResources", {}), count)
    return replace(step, fields=fields, sources=sources)


def _share(whole: Mapping[str, Any], own: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Return one Step's share of a Task's resources."""
    requests = whole.get("requests") or (whole.get("limits") if not own.get("requests") else None) or {}
    parts = {name: _part(name, amount, count) for name, amount in requests.items()}
    result = {"requests": parts, "limits": whole.get("limits")}
    return {name: value for name, value in result.items() if value}


def _part(name: str, amount: str, count: int) -> str:
    """Return an amount divided by `count`, rounded down to whole bytes or to thousandths."""
    unit = 1 if name in {"memory", "ephemeral-storage"} else 1000
    return quantity.canonical(Fraction(quantity.parse(amount) * unit // count, unit), quantity.family(amount))
