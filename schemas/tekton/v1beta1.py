"""``tekton.dev/v1beta1`` Pipeline, PipelineRun, Task and TaskRun, rewritten as ``tekton.dev/v1``.

The functions take plain data before validation, and modify nothing in place. Renamed and moved fields are moved, and
their origins are recorded. Fields that v1 no longer has are dropped with a warning where Tekton drops them (what a Step
inherited from a container: ports, probes …), and refused where Tekton refuses them (PipelineResources). A ClusterTask
is read as a Task.

Source: Tekton docs/migrating-v1beta1-to-v1.md and pkg/apis/pipeline/v1beta1/*_conversion.go. All other fields are the
same in both versions; the models of v1 check them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from monopod.schemas.model import Path

CLUSTER_TASK = "ClusterTask"
KINDS = frozenset({"Pipeline", "PipelineRun", "Task", "TaskRun", CLUSTER_TASK})

_RESOURCES = {"resources": "computeResources"}
_OVERRIDES = {"stepOverrides": "stepSpecs", "sidecarOverrides": "sidecarSpecs"}
_TASK_RUN_SPEC = {"taskServiceAccountName": "serviceAccountName", "taskPodTemplate": "podTemplate", **_OVERRIDES}
_NOTHING: tuple[object, ...] = (None, "", [], {}, False)
"""Values that are the same as no value."""
_GONE_FROM_STEPS = (
    *("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"),
    *("terminationMessagePath", "terminationMessagePolicy", "stdin", "stdinOnce", "tty"),
)


_GONE_FROM_TEMPLATES = ("name", *_GONE_FROM_STEPS)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A document as v1.

    `origins` maps the paths of moved values to their v1beta1 paths; `problems` and `warnings` have v1beta1 paths.
    """

    data: dict[str, Any]
    origins: Mapping[Path, Path]
    problems: tuple[tuple[Path, str], ...]
    warnings: tuple[tuple[Path, str], ...] = ()


def to_v1(document: dict[str, Any]) -> Rewritten:
    """Return a v1beta1 document of one of the `KINDS` as v1."""
    rewriter = _Rewriter()
    data = rewriter.document(document)
    return Rewritten(data, rewriter.origins, tuple(rewriter.problems), tuple(rewriter.warnings))


def origin(path: Path, origins: Mapping[Path, Path]) -> Path:
    """Return the path before rewriting of a path in a rewritten document."""
    for length in range(len(path), -1, -1):
        if (before := origins.get(path[:length])) is not None:
            return (*before, *path[length:])
    return path


@dataclass(frozen=True, slots=True)
class _At:
    """A path in v1beta1, and the same in v1."""

    old: Path = ()
    new: Path = ()

    def __truediv__(self, part: str | int) -> _At:
        return _At((*self.old, part), (*self.new, part))

    def moved(self, old: str, new: str) -> _At:
        return _At((*self.old, old), (*self.new, new))


_Rewrite: TypeAlias = Callable[[dict[str, Any], _At], dict[str, Any]]


class _Rewriter:
    """Has a method for each difference; each returns a new mapping."""

    def __init__(self) -> None:
        self.origins: dict[Path, Path] = {}
        self.problems: list[tuple[Path, str]] = []
        self.warnings: list[tuple[Path, str]] = []

    def document(self, data: dict[str, Any]) -> dict[str, Any]:
        specs: dict[str, _Rewrite] = {
            "Pipeline": self._pipeline,
            "PipelineRun": self._pipeline_run,
            "Task": self._task,
            "TaskRun": self._task_run,
            CLUSTER_TASK: self._task,
        }
        result = {**data, "apiVersion": "tekton.dev/v1"}
        if data["kind"] == CLUSTER_TASK:
            result["kind"] = "Task"
        return self._inside(result, _At(), spec=specs[data["kind"]])

    # Specs

    def _pipeline(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        self._refuse_pipeline_resources(data, at)
        return self._each(data, at, tasks=self._pipeline_task, **{"finally": self._pipeline_task})

    def _pipeline_task(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        self._refuse_pipeline_resources(data, at)
        return self._inside(
            data,
            at,
            taskRef=self._task_ref,
            taskSpec=self._task,
            pipelineRef=self._pipeline_ref,
            pipelineSpec=self._pipeline,
        )

    def _task(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        self._refuse_pipeline_resources(data, at)
        data = self._each(data, at, steps=self._step, sidecars=self._with_resources)
        return self._inside(data, at, stepTemplate=self._step_template)

    def _step(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        return self._without(_GONE_FROM_STEPS, "a Step", data, at)

    def _step_template(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        return self._without(_GONE_FROM_TEMPLATES, "a stepTemplate", data, at)

    def _without(self, gone: Collection[str], owner: str, data: dict[str, Any], at: _At) -> dict[str, Any]:
        for name in gone:
            if data.get(name) not in _NOTHING:
                message = f"{owner} has no {name} since v1, and Tekton drops it: it has no effect; remove it"
                self.warnings.append(((*at.old, name), message))
        kept = {name: value for name, value in data.items() if name not in gone}
        return self._renamed(kept, at, _RESOURCES)

    def _with_resources(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        return self._renamed(data, at, _RESOURCES)

    def _pipeline_run(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        self._refuse_pipeline_resources(data, at)
        data = self._inside(data, at, pipelineRef=self._pipeline_ref, pipelineSpec=self._pipeline)
        data = self._each(data, at, taskRunSpecs=self._task_run_spec)
        data = self._into(data, at, "timeouts", {"timeout": "pipeline"})
        names = {name: name for name in ("podTemplate", "serviceAccountName")}
        return self._into(data, at, "taskRunTemplate", names)

    def _task_run(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        self._refuse_pipeline_resources(data, at)
        data = self._inside(data, at, taskRef=self._task_ref, taskSpec=self._task)
        return self._overridden(data, at, _OVERRIDES)

    def _task_run_spec(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        return self._overridden(data, at, _TASK_RUN_SPEC)

    def _overridden(self, data: dict[str, Any], at: _At, names: Mapping[str, str]) -> dict[str, Any]:
        data = dict(data)
        for old, new in _OVERRIDES.items():
            if old in data:
                data[old] = self._all(data[old], at.moved(old, new), self._with_resources)
        return self._renamed(data, at, names)

    # References

    def _task_ref(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        return self._without_bundle(data, at, str(data.get("kind") or "Task"))

    def _pipeline_ref(self, data: dict[str, Any], at: _At) -> dict[str, Any]:
        return self._without_bundle(data, at, "Pipeline")

    def _without_bundle(self, data: dict[str, Any], at: _At, kind: str) -> dict[str, Any]:
        """Turn ``bundle`` into the params of the bundles resolver, which replaced it."""
        if not data.get("bundle"):
            return data
        params = [("bundle", data["bundle"]), ("name", data.get("name")), ("kind", kind)]
        for index, field in enumerate(("bundle", "name")):
            self.origins[(*at.new, "params", index)] = (*at.old, field)
        self.origins[(*at.new, "resolver")] = (*at.old, "bundle")
        kept = {name: value for name, value in data.items() if name not in {"bundle", "name", "kind"}}
        return {**kept, "resolver": "bundles", "params": [{"name": name, "value": value} for name, value in params]}

    # Moving fields

    def _refuse_pipeline_resources(self, data: dict[str, Any], at: _At) -> None:
        if data.get("resources") not in _NOTHING:
            message = "Tekton no longer has PipelineResources; use params, Workspaces and Results"
            self.problems.append(((*at.old, "resources"), message))
        data.pop("resources", None)

    def _renamed(self, data: dict[str, Any], at: _At, names: Mapping[str, str]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in data.items():
            new = names.get(name, name)
            if new != name:
                self.origins[(*at.new, new)] = (*at.old, name)
            result[new] = value
        return result

    def _into(self, data: dict[str, Any], at: _At, field: str, names: Mapping[str, str]) -> dict[str, Any]:
        """Move fields into the mapping `field`, under these names."""
        moved = {name: value for name, value in data.items() if name in names and value is not None}
        if not moved:
            return data
        if data.get(field) is not None:
            self.problems.append(((*at.old, field), f"only one of {field}, {', '.join(moved)} may be given"))
        for name in moved:
            self.origins[(*at.new, field, names[name])] = (*at.old, name)
        kept = {name: value for name, value in data.items() if name not in names}
        return {**kept, field: {names[name]: value for name, value in moved.items()}}

    def _inside(self, data: dict[str, Any], at: _At, **rewrites: _Rewrite) -> dict[str, Any]:
        """Rewrite fields that are mappings."""
        result = dict(data)
        for name, rewrite in rewrites.items():
            if isinstance(value := result.get(name), dict):
                result[name] = rewrite(dict(value), at / name)
        return result

    def _each(self, data: dict[str, Any], at: _At, **rewrites: _Rewrite) -> dict[str, Any]:
        """Rewrite the elements of fields that are lists."""
        result = dict(data)
        for name, rewrite in rewrites.items():
            if name in result:
                result[name] = self._all(result[name], at / name, rewrite)
        return result

    @staticmethod
    def _all(items: Any, at: _At, rewrite: _Rewrite) -> Any:
        if not isinstance(items, list):
            return items
        return [rewrite(dict(item), at / index) if isinstance(item, dict) else item for index, item in enumerate(items)]
