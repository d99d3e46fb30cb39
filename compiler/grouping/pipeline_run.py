"""A PipelineRun (tekton.dev/v1) in which each group is a Task of one Pod.

Rules:

- The coordinator is the Task's only Step: its log and its exit code are the TaskRun's. The containers of the group's
  Steps are Sidecars, which wait until it gives them something to run.
- The first Sidecar installs the entrypoint. Kubelet starts the others after its postStart hook. It ends when the
  coordinator runs.
- Tekton starts a Step once all Sidecars run or have ended, so the DAG starts with its last container.
- What a group hands over is a Result of its Task, which Tekton passes on as a param. Tekton puts it into the
  termination message of the Step, which is the shorter the more containers the Pod has.
- Tekton replaces ``$(...)`` in a Task, and has no escape. A text that looks like a variable of Tekton is an error.
- Each Task has the timeout of the PipelineRun. Without one, Tekton ends it after an hour.
- Tekton's feature ``enable-kubernetes-sidecar`` must be off, which is its default: it would restart Sidecars that have
  ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monopod.compiler.documents.plain_texts import texts_in
from monopod.compiler.grouping.group_pod import (
    HANDED_OVER,
    HANDOVER_BYTES,
    GroupPod,
    own_metadata,
    pod_metadata,
)
from monopod.compiler.pod.assembly import COORDINATOR, INSTALL
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.runtime_command import holding_command, wait_command
from monopod.compiler.pod.workload import Workload
from monopod.schemas.formats.termination_messages import longest_message

RESULT = "handed-over"
KUBE_VERSION = KubeVersion(1, 28)
"""Pods are compiled for a version without native sidecars, restart rules and requests of a Pod as a whole."""
_INIT_CONTAINERS = 2
"""How many init containers Tekton adds to a Pod at most for Tasks without scripts."""
_MESSAGE_BYTES = 256
"""How much of a Step's termination message Tekton needs beside the Result, with room for later versions."""
_VARIABLE = re.compile(
    r"\$\((params|context|results|workspaces|tasks|steps?|finally|inputs|outputs|artifacts|credentials)[.\[][^()]*\)"
)
"""What Tekton may take for a variable."""
_NOT_OF_THE_TEMPLATE = ("restartPolicy", "activeDeadlineSeconds", "containers", "initContainers", "volumes")


def pipeline_run(pods: Sequence[GroupPod], workload: Workload, deadline: int | None) -> dict[str, Any]:
    """Return the PipelineRun of these groups, which ends within `deadline` seconds."""
    metadata = own_metadata(pods[0].pod)
    metadata["labels"] = {**metadata["labels"], **workload.labels}
    fields = {key: value for key, value in pods[0].pod["spec"].items() if key not in _NOT_OF_THE_TEMPLATE}
    timeout = f"{deadline or 0}s"
    account = fields.pop("serviceAccountName", None)
    template = {
        **({} if account is None else {"serviceAccountName": account}),
        **({"podTemplate": fields} if fields else {}),
    }
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": metadata,
        "spec": {
            **({"taskRunTemplate": template} if template else {}),
            "timeouts": {"pipeline": timeout},
            "pipelineSpec": {"tasks": [_task(each, timeout) for each in pods]},
        },
    }


def replaced_by_tekton(pods: Sequence[GroupPod]) -> Iterator[str]:
    """Yield each text of a Pod that looks to Tekton like one of its own variables."""
    parts = (part for each in pods for what in ("containers", "volumes") for part in each.pod["spec"][what])
    for part in parts:
        for path, text in texts_in({key: value for key, value in part.items() if key != "name"}):
            if (variable := _VARIABLE.search(text)) is not None:
                field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
                yield (
                    f"--kind PipelineRun: Tekton would replace {variable[0]} in {part['name']}{field}; build it in "
                    "a script, or use --kind Workflow"
                )


def _task(each: GroupPod, timeout: str) -> dict[str, Any]:
    given = {
        "run-name": "$(context.pipelineRun.name)",
        "run-uid": "$(context.pipelineRun.uid)",
        **{f"group-{name}": f"$(tasks.{name}.results.{RESULT})" for name in each.takes_over},
    }
    spec = each.pod["spec"]
    containers = {each["name"]: each for each in spec["containers"]}
    coordinator = containers.pop(COORDINATOR)
    (installer,) = spec["initContainers"]
    assert installer["name"] == INSTALL
    return {
        "name": each.name,
        **({"runAfter": list(each.group.needs)} if each.group.needs else {}),
        "timeout": timeout,
        "params": [{"name": name, "value": value} for name, value in given.items()],
        "taskSpec": {
            "metadata": _pod_metadata(each),
            "params": [{"name": name, "type": "string"} for name in given],
            **({"results": [{"name": RESULT, "type": "string"}]} if each.hands_over else {}),
            "steps": [_in_tekton(_step(coordinator, each))],
            "sidecars": [_in_tekton(_holding(installer)), *map(_in_tekton, containers.values())],
            "volumes": spec["volumes"],
        },
    }


def _pod_metadata(each: GroupPod) -> dict[str, Any]:
    metadata = pod_metadata(each.pod)
    container = {"kubectl.kubernetes.io/default-container": f"step-{COORDINATOR}"}  # as Tekton names it
    return {**metadata, "annotations": {**metadata["annotations"], **container}}


def _step(coordinator: Mapping[str, Any], each: GroupPod) -> dict[str, Any]:
    values = {"MONOPOD_RUN_NAME": "$(params.run-name)", "MONOPOD_RUN_UID": "$(params.run-uid)"}
    if each.takes_over:
        values[HANDED_OVER] = " ".join(f"$(params.group-{name})" for name in each.takes_over)
    if each.hands_over:
        containers = len(each.pod["spec"]["containers"]) + 1 + _INIT_CONTAINERS
        values[HANDOVER_BYTES] = str(max(longest_message(containers) - _MESSAGE_BYTES, 0))
    others = [variable for variable in coordinator["env"] if variable["name"] not in values]
    handover = ["--handover", f"$(results.{RESULT}.path)"] if each.hands_over else []
    return {
        **coordinator,
        "env": [*others, *({"name": name, "value": value} for name, value in values.items())],
        "args": [*handover, *coordinator["args"]],
    }


def _holding(installer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **installer,
        "lifecycle": {"postStart": {"exec": {"command": wait_command()}}},
        "command": holding_command(installer["command"]),
    }


def _in_tekton(container: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container as a Step or Sidecar: they call the resources computeResources."""
    return dict(_renamed(container))


def _renamed(container: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in container.items():
        yield "computeResources" if key == "resources" else key, value
