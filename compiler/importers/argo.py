"""Argo's Workflow and WorkflowTemplate with a containerSet: a PipelineRun with a Task for each container.

Rules (argo-workflows docs/container-set-template.md):

- A container becomes a Task of one Step; its ``dependencies`` become ``runAfter``, its retries the Task's ``retries``,
  with the same delay between them.
- A parameter of the Workflow, or of the entrypoint's inputs, becomes a param of the run; its value is the default.
- An emptyDir and a volumeClaimTemplate become Workspaces, mounted where they were. Other volumes stay volumes.
- An output comes from a file of the container ``main``, on a volume: a second Step of its Task copies it to a Result.
- Argo has no limit on the time of a Workflow without ``activeDeadlineSeconds``, so the run has none either.

Left to others: which fields exist and which are refused (``schemas.foreign.argo``).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.documents.own_annotations import RETRY_DELAY
from monopod.compiler.documents.validation import Complaint, validate
from monopod.compiler.importers.containers import POD_FIELDS, to_step
from monopod.compiler.importers.imported import Imported, Sourced, unfold, without_nothing
from monopod.compiler.importers.placeholders import Placeholders
from monopod.compiler.importers.support import unsupported
from monopod.schemas.foreign.argo import ArgoParameter, ArgoTemplate, ContainerNode, Workflow
from monopod.schemas.foreign.containers import Container
from monopod.schemas.formats.duration import to_text
from monopod.schemas.kubernetes.containers import VolumeMount
from monopod.schemas.model import Path

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_MAIN = "main"
_SYSTEM = "an Argo Workflow"
_OF_RUN = {
    "workflow.name": "$(context.pipelineRun.name)",
    "workflow.namespace": "$(context.pipelineRun.namespace)",
    "workflow.uid": "$(context.pipelineRun.uid)",
}
_NAMES = ("name", "generateName", "namespace")
_OF_OUTPUTS = ("image", "imagePullPolicy", "securityContext", "computeResources", "volumeMounts")
"""What the Step that reads the outputs has of the container ``main``."""
_NOT_OF_WORKSPACES = ("subPathExpr", "mountPropagation", "recursiveReadOnly")


def to_tekton(document: dict[str, Any]) -> Imported:
    """Return the PipelineRun that a Workflow or WorkflowTemplate means."""
    workflow, complaints = validate(Workflow, document)
    if workflow is None:
        return Imported(complaints=tuple(complaints))
    entry = _entry(workflow)
    if isinstance(entry, Complaint):
        return Imported(complaints=(entry,))
    index, template = entry
    of_workflow = unsupported(workflow.spec, ("spec",), _SYSTEM, frozenset({"templates"}))
    of_template = unsupported(template, ("spec", "templates", index), _SYSTEM)
    errors, warnings = [*of_workflow[0], *of_template[0]], [*of_workflow[1], *of_template[1]]
    if not errors and template.container_set is None and template.container is None:
        message = f"the template '{template.name}' has no containerSet; monopod runs a containerSet or a container"
        errors.append(Complaint(("spec", "templates", index), message, "missing-field"))
    if errors:
        return Imported(complaints=tuple(errors), warnings=tuple(warnings))
    translation = _Translation(workflow, template, ("spec", "templates", index))
    run = unfold(translation.run())
    return Imported((run,), tuple(translation.complaints), tuple(warnings))


def _entry(workflow: Workflow) -> tuple[int, ArgoTemplate] | Complaint:
    """Return the template that the Workflow begins with, and its index."""
    spec = workflow.spec
    if spec.workflow_template_ref:
        return next(iter(unsupported(spec, ("spec",), _SYSTEM, frozenset({"templates"}))[0]))
    if not spec.entrypoint:
        message = "an entrypoint is required: the name of the template to run"
        return Complaint(("spec",), message, "missing-field")
    names = [template.name for template in spec.templates]
    if spec.entrypoint not in names:
        message = f"there is no template '{spec.entrypoint}'{did_you_mean(spec.entrypoint, names)}"
        return Complaint(("spec", "entrypoint"), message, "unknown-reference")
    index = names.index(spec.entrypoint)
    return index, spec.templates[index]


@dataclass(frozen=True, slots=True)
class _Volume:
    """A volume of the Workflow: a Workspace with this binding or, without one, a volume of the Tasks that mount it."""

    path: Path
    binding: dict[str, Any] | None
    volume: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mount of a container, with Tekton's variables, and where it is written."""

    fields: dict[str, Any]
    path: Path

    @property
    def volume(self) -> str:
        """The name of its volume."""
        return str(self.fields["name"])


class _Translation:
    """Makes the run of one Workflow; collects what is wrong in `complaints`."""

    def __init__(self, workflow: Workflow, template: ArgoTemplate, path: Path) -> None:
        self._workflow = workflow
        self._spec = workflow.spec
        self._template = template
        self._path = path
        self._placeholders = Placeholders(_PLACEHOLDER, self._variable)
        self.complaints = self._placeholders.complaints

    def run(self) -> dict[str, Any]:
        """Return the PipelineRun."""
        spec = without_nothing(
            {
                "pipelineSpec": Sourced(self._pipeline(), self._path),
                "timeouts": {"pipeline": self._timeout()},
                "taskRunTemplate": without_nothing(
                    {"serviceAccountName": self._pod_field("serviceAccountName"), "podTemplate": self._pod_template()}
                ),
                "workspaces": [
                    Sourced({"name": name, **volume.binding}, volume.path)
                    for name, volume in self._volumes.items()
                    if volume.binding is not None
                ],
            }
        )
        return {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": self._metadata(), "spec": spec}

    def _metadata(self) -> dict[str, Any]:
        written = self._workflow.metadata.to_kubernetes()
        fields = {name: written[name] for name in _NAMES if name in written}
        metadata: dict[str, Any] = {name: Sourced(value, ("metadata", name)) for name, value in fields.items()}
        if self._workflow.kind != "Workflow" and "name" in fields:
            metadata.pop("name")
            metadata["generateName"] = Sourced(f"{fields['name']}-", ("metadata", "name"))
        for field in ("labels", "annotations"):
            merged: dict[str, Any] = {}
            for owner, path in (
                (self._workflow.metadata, ("metadata",)),
                (self._spec.pod_metadata, ("spec", "podMetadata")),
                (self._template.metadata, (*self._path, "metadata")),
            ):
                merged |= {key: Sourced(value, (*path, field, key)) for key, value in getattr(owner, field).items()}
            if merged:
                metadata[field] = merged
        return metadata

    # Settings of the run

    def _timeout(self) -> Any:
        limits = [
            (owner.active_deadline_seconds, (*path, "activeDeadlineSeconds"))
            for owner, path in ((self._spec, ("spec",)), (self._template, self._path))
            if owner.active_deadline_seconds
        ]
        if not limits:
            return "0s"
        seconds, path = min(limits)
        return Sourced(f"{seconds}s", path)

    def _pod_field(self, name: str) -> Any:
        for owner, path in ((self._template, self._path), (self._spec, ("spec",))):
            fields = owner.to_kubernetes()
            if name in fields:
                return Sourced(self._placeholders.translate(fields[name], (*path, name)), (*path, name))
        return None

    def _pod_template(self) -> dict[str, Any]:
        fields = {name: self._pod_field(name) for name in POD_FIELDS}
        fields["priorityClassName"] = fields["priorityClassName"] or self._pod_field("podPriorityClassName")
        return without_nothing(fields)

    # Params

    @cached_property
    def _params(self) -> dict[str, tuple[ArgoParameter, Path]]:
        """The parameters of the Workflow, and parameters of the entrypoint that the Workflow does not have."""
        params: dict[str, tuple[ArgoParameter, Path]] = {}
        for arguments, path in (
            (self._template.inputs, (*self._path, "inputs", "parameters")),
            (self._spec.arguments, ("spec", "arguments", "parameters")),
        ):
            params |= {
                parameter.name: (parameter, (*path, index)) for index, parameter in enumerate(arguments.parameters)
            }
        return params

    def _declared(self, parameter: ArgoParameter, path: Path) -> Sourced:
        fields: dict[str, Any] = {"name": parameter.name, "type": "string", "description": parameter.description}
        fields = without_nothing({**fields, "enum": list(parameter.enum)})
        default = self._value(parameter, path)
        if default is None:  # a parameter of the Workflow without a value may have one in the entrypoint's inputs
            inputs = enumerate(self._template.inputs.parameters)
            own = [(each, (*self._path, "inputs", "parameters", index)) for index, each in inputs]
            default = next((self._value(*each) for each in own if each[0].name == parameter.name), None)
        if default is not None:
            fields["default"] = default
        return Sourced(fields, path)

    def _value(self, parameter: ArgoParameter, path: Path) -> Sourced | None:
        """Return the value of a parameter, or its default; None without one."""
        for field, value in (("value", parameter.value), ("default", parameter.default)):
            if value is not None:
                return Sourced(self._placeholders.translate(value, (*path, field)), (*path, field))
        return None

    def _variable(self, name: str) -> str:
        """Return Tekton's variable for one of Argo's."""
        of_workflow = {each.name for each in self._spec.arguments.parameters}
        of_inputs = {each.name for each in self._template.inputs.parameters}
        known = {f"inputs.parameters.{each}": f"$(params.{each})" for each in of_inputs}
        known |= {f"workflow.parameters.{each}": f"$(params.{each})" for each in of_workflow}
        known |= _OF_RUN
        if name in known:
            return known[name]
        if name.startswith("="):
            raise ValueError(f"monopod does not evaluate expressions of Argo: '{{{{{name}}}}}'; use a parameter")
        raise ValueError(f"there is no variable '{name}'{did_you_mean(name, known)}; monopod has {_listed(known)}")

    # Volumes

    @cached_property
    def _volumes(self) -> dict[str, _Volume]:
        volumes = {}
        for owner, path in ((self._spec, ("spec",)), (self._template, self._path)):
            for index, volume in enumerate(owner.volumes):
                where = (*path, "volumes", index)
                fields = self._placeholders.translate(volume.to_kubernetes(), where)
                sources = fields.keys() - {"name"}
                is_empty = sources <= {"emptyDir"}
                binding = {"emptyDir": fields.get("emptyDir", {})} if is_empty else None
                volumes[volume.name] = _Volume(where, binding, fields)
        for index, claim in enumerate(self._spec.volume_claim_templates):
            where = ("spec", "volumeClaimTemplates", index)
            name = claim.metadata.name or ""
            template = claim.to_kubernetes()
            template.pop("status", None)
            volumes[name] = _Volume(where, {"volumeClaimTemplate": template}, {})
        return volumes

    def _mounts(self, container: Container, path: Path) -> Iterator[_Mount]:
        """Yield the mounts of a container and of its set that are of a known volume."""
        of_set = self._template.container_set.volume_mounts if self._template.container_set is not None else ()
        owners: Sequence[tuple[Sequence[VolumeMount], Path]] = (
            (of_set, (*self._path, "containerSet", "volumeMounts")),
            (container.volume_mounts, (*path, "volumeMounts")),
        )
        for mounts, where in owners:
            for index, mount in enumerate(mounts):
                if mount.name in self._volumes:
                    at = (*where, index)
                    yield _Mount(self._placeholders.translate(mount.to_kubernetes(), at), at)
                else:
                    message = f"there is no volume '{mount.name}'{did_you_mean(mount.name, self._volumes)}"
                    self.complaints.append(Complaint((*where, index, "name"), message, "unknown-volume"))

    # Tasks

    def _pipeline(self) -> dict[str, Any]:
        containers = self._containers()
        outputs = self._template.outputs.parameters
        where = (*self._path, "outputs", "parameters")
        if outputs and _MAIN not in {container.name for container, _ in containers}:
            message = f"an output comes from the container '{_MAIN}', and there is none; give a container this name"
            self.complaints.append(Complaint(where, message, "missing-field"))
        results = [
            Sourced(
                without_nothing(
                    {
                        "name": output.name,
                        "description": output.description,
                        "value": f"$(tasks.{_MAIN}.results.{output.name})",
                    }
                ),
                (*where, index),
            )
            for index, output in enumerate(outputs)
        ]
        return without_nothing(
            {
                "params": [self._declared(*each) for each in self._params.values()],
                "workspaces": [
                    Sourced({"name": name}, volume.path)
                    for name, volume in self._volumes.items()
                    if volume.binding is not None
                ],
                "tasks": [self._task(container, path, containers) for container, path in containers],
                "results": results,
            }
        )

    def _containers(self) -> list[tuple[Container, Path]]:
        if self._template.container_set is None:
            assert self._template.container is not None
            path = (*self._path, "container")
            return [(self._template.container.model_copy(update={"name": _MAIN}), path)]
        path = (*self._path, "containerSet", "containers")
        return [(each, (*path, index)) for index, each in enumerate(self._template.container_set.containers)]

    def _task(self, container: Container, path: Path, siblings: Sequence[tuple[Container, Path]]) -> Sourced:
        mounts = list(self._mounts(container, path))
        workspaces, bound = self._workspaces(mounts)
        step = {"name": "run", **to_step(container, path, self._placeholders, volumes=False)}
        others = [mount for mount in mounts if self._volumes[mount.volume].binding is None]
        step["volumeMounts"] = [Sourced(mount.fields, mount.path) for mount in others]
        own = {mount.volume: self._volumes[mount.volume] for mount in others}
        outputs = self._template.outputs.parameters if container.name == _MAIN else ()
        steps = [Sourced(without_nothing(step), path)]
        if outputs:
            steps.append(self._output_step(step, mounts, path))
        task = {
            "metadata": self._policies(),
            "workspaces": workspaces,
            "volumes": [Sourced(volume.volume, volume.path) for volume in own.values()],
            "results": [
                Sourced({"name": output.name, "type": "string"}, (*self._path, "outputs", "parameters", index))
                for index, output in enumerate(outputs)
            ],
            "steps": steps,
        }
        fields: dict[str, Any] = {"name": container.name, "runAfter": self._dependencies(container, path, siblings)}
        fields |= {"retries": self._retries(len(siblings)), "workspaces": bound, "taskSpec": without_nothing(task)}
        return Sourced(without_nothing(fields), path)

    def _dependencies(self, container: Container, path: Path, siblings: Sequence[tuple[Container, Path]]) -> Any:
        if not isinstance(container, ContainerNode):
            return None
        names = [each.name for each, _ in siblings]
        for index, name in enumerate(container.dependencies):
            if name not in names:
                message = f"there is no container '{name}'{did_you_mean(name, names)}"
                self.complaints.append(Complaint((*path, "dependencies", index), message, "unknown-task"))
        return Sourced(list(container.dependencies), (*path, "dependencies"))

    def _retries(self, containers: int) -> Any:
        container_set, of_template = self._template.container_set, self._template.retry_strategy
        path = (*self._path, "retryStrategy")
        if of_template is not None and of_template.limit is None:
            message = "Argo retries without end; write a limit"
            self.complaints.append(Complaint(path, message, "unsupported"))
        if of_template is not None and containers > 1:
            message = "monopod retries a container, not a whole containerSet; use containerSet.retryStrategy"
            self.complaints.append(Complaint(path, message, "unsupported"))
        if container_set is not None and container_set.retry_strategy is not None:
            where = (*self._path, "containerSet", "retryStrategy", "retries")
            return Sourced(container_set.retry_strategy.retries or None, where)
        return None if of_template is None else Sourced(of_template.limit or None, (*path, "limit"))

    def _policies(self) -> dict[str, Any]:
        """Return the metadata of a Task, whose annotations say how it is retried."""
        container_set = self._template.container_set
        strategy = container_set.retry_strategy if container_set is not None else None
        seconds = strategy.duration if strategy is not None else None
        path = (*self._path, "containerSet", "retryStrategy", "duration")
        delay = Sourced(to_text(seconds) if seconds else "", path)
        return without_nothing({"annotations": without_nothing({RETRY_DELAY: delay})})

    def _workspaces(self, mounts: Sequence[_Mount]) -> tuple[list[Sourced], list[Sourced]]:
        """Return the Workspaces that a Task declares for its mounts, and how they are bound."""
        declared, bound = [], []
        taken: dict[str, int] = {}
        for mount in mounts:
            name, fields = mount.volume, mount.fields
            if self._volumes[name].binding is None:
                continue
            taken[name] = taken.get(name, 0) + 1
            own = name if taken[name] == 1 else f"{name}-{taken[name]}"
            for field in _NOT_OF_WORKSPACES:
                if fields.get(field):
                    message = f"monopod does not support {field} of a volume that the containers share; leave it out"
                    self.complaints.append(Complaint((*mount.path, field), message, "unsupported", at_key=True))
            declaration = {"name": own, "mountPath": Sourced(fields["mountPath"], (*mount.path, "mountPath"))}
            if fields.get("readOnly"):
                declaration["readOnly"] = True
            declared.append(Sourced(declaration, mount.path))
            binding: dict[str, Any] = {"name": own, "workspace": name}
            if fields.get("subPath"):
                binding["subPath"] = Sourced(fields["subPath"], (*mount.path, "subPath"))
            bound.append(Sourced(binding, mount.path))
        return declared, bound

    def _output_step(self, main: Mapping[str, Any], mounts: Sequence[_Mount], origin: Path) -> Sourced:
        """Return the Step that copies the output files of the container ``main`` to Results."""
        commands = []
        for index, output in enumerate(self._template.outputs.parameters):
            source = output.value_from
            assert source is not None
            where = (*self._path, "outputs", "parameters", index, "valueFrom")
            path = self._placeholders.translate(source.path, (*where, "path"))
            if not any(_is_within(path, mount.fields["mountPath"]) for mount in mounts):
                message = (
                    f"'{source.path}' is not on a volume that the container '{_MAIN}' mounts; "
                    "mount an emptyDir at its directory"
                )
                self.complaints.append(Complaint((*where, "path"), message, "unsupported"))
            file = shlex.quote(path)
            copy = f'printf %s "$(cat {file})" > "$(results.{output.name}.path)"'
            if source.default is not None:
                default = shlex.quote(self._placeholders.translate(source.default, (*where, "default")))
                copy = f"if [ -e {file} ]; then {copy}; else printf %s {default} "
                copy += f'> "$(results.{output.name}.path)"; fi'
            commands.append(copy)
        inherited = without_nothing({name: main.get(name) for name in _OF_OUTPUTS})
        script = "#!/bin/sh\nset -e\n" + "\n".join(commands) + "\n"
        step = {"name": "outputs", **inherited, "script": Sourced(script, (*self._path, "outputs", "parameters"))}
        return Sourced(step, origin)


def _is_within(path: str, directory: str) -> bool:
    directory = posixpath.normpath(directory)
    return posixpath.normpath(path).startswith(directory.rstrip("/") + "/")


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(names)
