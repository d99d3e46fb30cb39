"""A Workflow of Argo Workflows (argoproj.io/v1alpha1): a DAG in which each group is a resource template with its Pod.

Rules:

- The Pod is the one that `monopod compile` writes, and Argo creates it unchanged. Argo's own executor does not run in
  it, so nothing in it waits for Argo. The Workflow owns the Pod.
- The manifest names its owner itself. With `setOwnerReference` Argo would write it again, without the escapes, and then
  replace what an author wrote in double braces.
- What a group hands over is the termination message of its coordinator, as an output parameter. It is the shorter the
  more containers the Pod has.
- Argo replaces ``{{...}}`` in a manifest. The manifest is JSON, where two braces of an author are written as escapes.
- Argo passes a template to its executor in an environment variable, and one that is too long for it in a ConfigMap. The
  controller's role, as Argo installs it, may not create ConfigMaps. So the manifest is short: it is not indented.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from monopod.compiler.grouping.group_pod import (
    HANDED_OVER,
    HANDOVER_BYTES,
    GroupPod,
    own_metadata,
    pod_metadata,
)
from monopod.compiler.pod.assembly import COORDINATOR, with_variables
from monopod.compiler.pod.workload import Workload
from monopod.schemas.formats.termination_messages import longest_message

PARAMETER = "handed-over"
MAX_TEMPLATE_BYTES = 128 * 1024
"""How long a template in the environment of Argo's executor may be (``common.MaxEnvVarLen`` of Argo)."""
_ADDED_BYTES = 256
"""How much longer the names and fields are that Argo puts into a template."""
_API_VERSION = "argoproj.io/v1alpha1"
_ENTRY = "monopod-groups"


def workflow(pods: Sequence[GroupPod], workload: Workload, deadline: int | None) -> dict[str, Any]:
    """Return the Workflow of these groups, which ends within `deadline` seconds."""
    entry = _ENTRY
    while entry in {each.name for each in pods}:
        entry += "-x"
    ttl = {} if workload.ttl is None else {"ttlStrategy": {"secondsAfterCompletion": math.ceil(workload.ttl)}}
    return {
        "apiVersion": _API_VERSION,
        "kind": "Workflow",
        "metadata": own_metadata(pods[0].pod),
        "spec": {
            "entrypoint": entry,
            **({} if deadline is None else {"activeDeadlineSeconds": deadline}),
            **ttl,
            "templates": [
                {"name": entry, "dag": {"tasks": [_task(each) for each in pods]}},
                *(_template(each, workload) for each in pods),
            ],
        },
    }


def template_problem(workflow: Mapping[str, Any]) -> str | None:
    """Return why Argo has to pass templates of a Workflow in ConfigMaps, as a message; None if it does not."""
    sizes = {each["name"]: _environment_bytes(each) for each in workflow["spec"]["templates"]}
    largest = max(sizes, key=sizes.__getitem__)
    if sizes[largest] <= MAX_TEMPLATE_BYTES:
        return None
    return (
        f"the template of the group '{largest}' has {math.ceil(sizes[largest] / 1024)} KiB. Argo passes more than "
        f"{MAX_TEMPLATE_BYTES // 1024} KiB in a ConfigMap, which the role of its controller does not allow by default; "
        "let it create ConfigMaps, name one architecture (--arch amd64), or make smaller groups"
    )


def _environment_bytes(template: dict[str, Any]) -> int:
    """Return how long a template is in the environment, without what other groups hand over. Go escapes <, > and &."""
    text = json.dumps(template, separators=(",", ":"), ensure_ascii=False)
    return len(text.encode()) + 5 * sum(map(text.count, "<>&")) + _ADDED_BYTES


def _task(each: GroupPod) -> dict[str, Any]:
    parameters = [
        {"name": name, "value": f"{{{{tasks.{name}.outputs.parameters.{PARAMETER}}}}}"} for name in each.takes_over
    ]
    return {
        "name": each.name,
        "template": each.name,
        **({"dependencies": list(each.group.needs)} if each.group.needs else {}),
        **({"arguments": {"parameters": parameters}} if parameters else {}),
    }


def _template(each: GroupPod, workload: Workload) -> dict[str, Any]:
    output = {"name": PARAMETER, "valueFrom": {"jsonPath": _message_of_coordinator(each.pod)}}
    inputs = [{"name": name} for name in each.takes_over]
    return {
        "name": each.name,
        **({"inputs": {"parameters": inputs}} if inputs else {}),
        **({"outputs": {"parameters": [output]}} if each.hands_over else {}),
        "resource": {
            "action": "create",
            "successCondition": "status.phase == Succeeded",
            "failureCondition": "status.phase == Failed",
            "manifest": _manifest(each, workload),
        },
    }


def _message_of_coordinator(pod: dict[str, Any]) -> str:
    native = any(each["name"] == COORDINATOR for each in pod["spec"].get("initContainers") or ())
    statuses = "initContainerStatuses" if native else "containerStatuses"
    return f'{{.status.{statuses}[?(@.name=="{COORDINATOR}")].state.terminated.message}}'


def _manifest(each: GroupPod, workload: Workload) -> str:
    """Return the Pod as JSON in which only Argo's own variables are in double braces."""
    metadata = pod_metadata(each.pod)
    text = json.dumps({"metadata": metadata, "spec": each.pod["spec"]})
    mark = "@"
    while mark in text:
        mark += "@"

    def variable(name: str) -> str:
        return f"{mark}<{name}>{mark}"

    containers = len(each.pod["spec"]["containers"]) + len(each.pod["spec"]["initContainers"])
    values = {
        "MONOPOD_RUN_NAME": variable("workflow.name"),
        "MONOPOD_RUN_UID": variable("workflow.uid"),
        **(
            {HANDED_OVER: " ".join(variable(f"inputs.parameters.{name}") for name in each.takes_over)}
            if each.takes_over
            else {}
        ),
        **({HANDOVER_BYTES: str(longest_message(containers))} if each.hands_over else {}),
    }
    pod = with_variables(each.pod, [{"name": name, "value": value} for name, value in values.items()])
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{variable('workflow.name')}-{each.name}-",
            **metadata,
            "labels": {**metadata["labels"], **workload.labels},
            "ownerReferences": [
                {
                    "apiVersion": _API_VERSION,
                    "kind": "Workflow",
                    "name": variable("workflow.name"),
                    "uid": variable("workflow.uid"),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": pod["spec"],
    }
    written = json.dumps(manifest, indent=0, separators=(",", ":")).replace("{{", "\\u007b\\u007b")
    return written.replace(f"{mark}<", "{{").replace(f">{mark}", "}}")
