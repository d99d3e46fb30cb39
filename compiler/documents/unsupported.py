"""Fields that one Pod cannot support: each is an error with the reason. None is silently ignored.

Left to others: fields that only one stage refuses, in that stage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.run_names import TektonLabels
from monopod.compiler.tasks.shebangs import wrong_interpreter
from monopod.schemas.kubernetes.containers import EnvVar, ObjectFieldSelector, ResourceRequirements, SecurityContext
from monopod.schemas.model import Model
from monopod.schemas.tekton.runs import PipelineRunSpec, PipelineTaskRunSpec, TaskRunSpec
from monopod.schemas.tekton.tasks import Sidecar, StepActionSpec, StepTemplate, TaskSpec

if TYPE_CHECKING:
    from monopod.schemas.kubernetes.claims import PersistentVolumeClaimSpec
    from monopod.schemas.kubernetes.pods import NodeAffinity, NodeSelectorTerm, PodSecurityContext
    from monopod.schemas.kubernetes.volumes import DownwardAPIVolumeFile, ProjectedVolumeSource, Volume
    from monopod.schemas.tekton.pod_templates import PodTemplate
    from monopod.schemas.tekton.workspace_bindings import WorkspaceBinding

_TEKTON_CONTROLLER = "tekton.dev/pipeline"
_NOT_RESTARTED = "a Sidecar runs from before the first Step until after the last, and is not restarted meanwhile"
_NO_TERMINAL = "a Sidecar has no terminal to talk to"
_NO_STATUS = "a run starts at once, and is cancelled with monopod cancel"
_WINDOWS = "the Pod runs on Linux, whose containers cannot run what is for Windows"
_LINUX_NODES = "choose nodes with kubernetes.io/os: linux"
_OS = "kubernetes.io/os"
_NO_CLAIMS = "a Pod of Tekton's has no resourceClaims that a container could use"
_EMPTY = "the Workspace is an emptyDir of the Pod, empty and with a file system"
_BIND_CLAIM = "bind the claim itself, with persistentVolumeClaim"
_CONTAINER_NAMES = "the containers of the one Pod are called after their Task and Step"
_OF_TEKTON = re.compile(r"metadata\.(label|annotation)s\['(tekton\.dev/[^']*)'\]")

_OF_SIDECARS = {
    "livenessProbe": _NOT_RESTARTED,
    "lifecycle": _NOT_RESTARTED,
    "restartPolicy": _NOT_RESTARTED,
    "stdin": _NO_TERMINAL,
    "stdinOnce": _NO_TERMINAL,
    "tty": _NO_TERMINAL,
}
_OF_RUNS = {"status": _NO_STATUS}
_OF_CLAIM_TEMPLATES = dict.fromkeys(("dataSource", "dataSourceRef", "selector", "volumeName"), _EMPTY)


def in_task(spec: TaskSpec, place: Place, labels: TektonLabels) -> Iterator[Problem]:
    """Yield the fields of a Task that are refused."""
    if spec.step_template is not None:
        yield from _in_container(spec.step_template, place.at("stepTemplate"), labels)
    for index, step in enumerate(spec.steps):
        yield from _in_container(step, place.at("steps", index), labels)
        yield from _in_script(step.script, place.at("steps", index))
    for index, sidecar in enumerate(spec.sidecars):
        where = place.at("sidecars", index)
        yield from _refused(sidecar, _OF_SIDECARS, where)
        yield from _in_container(sidecar, where, labels)
        yield from _in_script(sidecar.script, where)
    yield from _in_volumes(spec.volumes, place.at("volumes"), labels)


def in_step_action(spec: StepActionSpec, place: Place, labels: TektonLabels) -> Iterator[Problem]:
    """Yield the fields of a StepAction that are refused."""
    yield from _in_environment(spec.env, place.at("env"), labels)
    yield from _in_security(spec.security_context, place.at("securityContext"))
    yield from _in_script(spec.script, place)


def in_run(
    spec: PipelineRunSpec | TaskRunSpec, place: Place, labels: TektonLabels, *, keep_claims: bool
) -> Iterator[Problem]:
    """Yield the fields of a PipelineRun or TaskRun that are refused; `keep_claims` as of ``workspaces.bind_run``."""
    yield from _refused(spec, _OF_RUNS, place)
    if spec.managed_by not in {None, "", _TEKTON_CONTROLLER}:
        message = f"this run is for another controller, '{spec.managed_by}'; leave managedBy out"
        yield place.at("managedBy").problem("unsupported", message)
    for index, binding in enumerate(spec.workspaces):
        yield from _in_binding(binding, place.at("workspaces", index), labels, keep_claims)
    if isinstance(spec, TaskRunSpec):
        yield from _in_pod_template(spec.pod_template, place.at("podTemplate"), labels)
        yield from _in_task_resources(spec, place)
        return
    yield from _in_pod_template(spec.task_run_template.pod_template, place.at("taskRunTemplate", "podTemplate"), labels)
    for index, task_spec in enumerate(spec.task_run_specs):
        where = place.at("taskRunSpecs", index)
        yield from _in_pod_template(task_spec.pod_template, where.at("podTemplate"), labels)
        yield from _in_task_resources(task_spec, where)


# Parts of them


def _in_container(container: StepTemplate | Sidecar, place: Place, labels: TektonLabels) -> Iterator[Problem]:
    yield from _in_environment(container.env, place.at("env"), labels)
    yield from _in_security(container.security_context, place.at("securityContext"))
    yield from _in_resources(container.compute_resources, place.at("computeResources"))


def _in_environment(variables: Iterable[EnvVar], place: Place, labels: TektonLabels) -> Iterator[Problem]:
    for index, variable in enumerate(variables):
        source, where = variable.value_from, place.at(index, "valueFrom")
        if source is None:
            continue
        yield from _in_field(source.field_ref, where.at("fieldRef"), labels)
        if source.resource_field_ref is not None and source.resource_field_ref.container_name is not None:
            message = f"{_CONTAINER_NAMES}; leave containerName out, for the Step's own container"
            yield where.at("resourceFieldRef", "containerName").problem("unsupported", message)


def _in_field(field: ObjectFieldSelector | None, place: Place, labels: TektonLabels) -> Iterator[Problem]:
    match = None if field is None else _OF_TEKTON.fullmatch(field.field_path)
    if match is None:
        return
    if match[1] == "annotation":
        yield place.at("fieldPath").problem("unsupported", f"the Pod has no annotation {match[2]}; remove it")
    elif match[2] not in labels.present:
        yield place.at("fieldPath").problem("unsupported", labels.why_not(match[2]))


def _in_security(context: SecurityContext | PodSecurityContext | None, place: Place) -> Iterator[Problem]:
    if context is not None:
        yield from _refused(context, {"windowsOptions": _WINDOWS}, place)


def _in_resources(resources: ResourceRequirements | None, place: Place) -> Iterator[Problem]:
    if resources is not None and resources.claims:
        yield from _refused(resources, {"claims": _NO_CLAIMS}, place)


def _in_task_resources(spec: TaskRunSpec | PipelineTaskRunSpec, place: Place) -> Iterator[Problem]:
    yield from _in_resources(spec.compute_resources, place.at("computeResources"))
    for index, step in enumerate(spec.step_specs):
        yield from _in_resources(step.compute_resources, place.at("stepSpecs", index, "computeResources"))
    for index, sidecar in enumerate(spec.sidecar_specs):
        yield from _in_resources(sidecar.compute_resources, place.at("sidecarSpecs", index, "computeResources"))


def _in_script(script: str, place: Place) -> Iterator[Problem]:
    if script.startswith("#!win"):
        yield place.at("script").problem("unsupported", f"{_WINDOWS}; write the script for Linux")
    elif message := wrong_interpreter(script):
        yield place.at("script").problem("shebang", message)


def _in_volumes(volumes: Iterable[Volume], place: Place, labels: TektonLabels) -> Iterator[Problem]:
    for index, volume in enumerate(volumes):
        if volume.downward_api is not None:
            yield from _in_downward_files(volume.downward_api.items, place.at(index, "downwardAPI", "items"), labels)
        yield from _in_projected(volume.projected, place.at(index, "projected"), labels)


def _in_projected(volume: ProjectedVolumeSource | None, place: Place, labels: TektonLabels) -> Iterator[Problem]:
    for index, source in enumerate(volume.sources if volume is not None else ()):
        if source.downward_api is not None:
            yield from _in_downward_files(
                source.downward_api.items, place.at("sources", index, "downwardAPI", "items"), labels
            )


def _in_downward_files(files: Iterable[DownwardAPIVolumeFile], place: Place, labels: TektonLabels) -> Iterator[Problem]:
    for index, file in enumerate(files):
        yield from _in_field(file.field_ref, place.at(index, "fieldRef"), labels)
        if file.resource_field_ref is not None:
            message = f"{_CONTAINER_NAMES}, so a volume cannot name one; use env with valueFrom.resourceFieldRef"
            yield place.at(index, "resourceFieldRef").problem("unsupported", message)


def _in_binding(binding: WorkspaceBinding, place: Place, labels: TektonLabels, keep_claims: bool) -> Iterator[Problem]:
    yield from _in_projected(binding.projected, place.at("projected"), labels)
    if binding.volume_claim_template is None:
        return
    claim, where = binding.volume_claim_template.spec, place.at("volumeClaimTemplate", "spec")
    if keep_claims:
        yield from _in_kept_claim(claim, where)
        return
    yield from _refused(claim, _OF_CLAIM_TEMPLATES, where, _BIND_CLAIM)
    if claim.volume_mode == "Block":
        yield where.at("volumeMode").problem("unsupported", f"{_EMPTY}; {_BIND_CLAIM}")


def _in_kept_claim(claim: PersistentVolumeClaimSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a claim that the cluster would refuse, or could not mount."""
    if claim.volume_mode == "Block":
        message = "a Workspace is a file system, which a volume of this mode has not; leave volumeMode out"
        yield place.at("volumeMode").problem("unsupported", message)
    if not claim.access_modes:
        yield place.problem("missing-field", "a claim needs accessModes, such as [ReadWriteOnce]")
    if "storage" not in claim.resources.requests:
        yield place.problem("missing-field", "a claim needs resources.requests.storage, such as 1Gi")


def _in_pod_template(template: PodTemplate | None, place: Place, labels: TektonLabels) -> Iterator[Problem]:
    if template is None:
        return
    yield from _in_environment(template.env, place.at("env"), labels)
    yield from _in_security(template.security_context, place.at("securityContext"))
    yield from _in_volumes(template.volumes, place.at("volumes"), labels)
    if template.node_selector.get(_OS) == "windows":
        yield place.at("nodeSelector", _OS).problem("unsupported", f"{_WINDOWS}; {_LINUX_NODES}")
    if template.affinity is not None and template.affinity.node_affinity is not None:
        yield from _in_node_affinity(template.affinity.node_affinity, place.at("affinity", "nodeAffinity"))


def _in_node_affinity(affinity: NodeAffinity, place: Place) -> Iterator[Problem]:
    """Yield a problem if every term requires Windows: one that does not lets the Pod run on Linux."""
    required = affinity.required_during_scheduling_ignored_during_execution
    terms = () if required is None else required.node_selector_terms
    of_windows = [index for term in terms for index in _of_windows(term)[:1]]
    if terms and len(of_windows) == len(terms):
        where = place.at("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms", 0)
        yield where.at("matchExpressions", of_windows[0]).problem("unsupported", f"{_WINDOWS}; {_LINUX_NODES}")


def _of_windows(term: NodeSelectorTerm) -> list[int]:
    """Return which expressions of a term hold only for nodes with Windows."""
    return [
        index
        for index, expression in enumerate(term.match_expressions)
        if expression.key == _OS and (expression.operator, *set(expression.values)) == ("In", "windows")
    ]


def _refused(model: Model, reasons: dict[str, str], place: Place, way_out: str = "") -> Iterator[Problem]:
    for name, value in model.to_kubernetes().items():
        if value and name in reasons:
            yield place.at(name).problem("unsupported", f"{reasons[name]}; {way_out or f'leave {name} out'}")
