"""The annotation ``monopod.dev/digest: WORKSPACE,...`` of a Task: a Step that reports the digest of each Workspace.

Rules: the Step comes after the author's Steps, so it runs if none of them failed. The digest is an Artifact of the Task
that has the name of the Workspace (Tekton docs/artifacts.md). An optional Workspace that is not bound has none.

Left to others: computing the digest (``coordinator.workspaces.digest``), the Step's container (``injected_steps``).
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.compiler.diagnostics import Report, did_you_mean
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.own_annotations import DIGEST
from monopod.compiler.tasks.injected_steps import InjectedStep, InjectedSteps
from monopod.compiler.tasks.workspaces import TaskWorkspace, mount_of

_DIRECTORY = "/monopod/workspace"


def digest_steps(
    annotations: Annotations, workspaces: Sequence[TaskWorkspace], receiver: str, report: Report
) -> InjectedSteps:
    """Return the Steps that the annotation asks for; `receiver` is the name of the Task in messages."""
    place = annotations.place(DIGEST)
    by_name = {workspace.name: workspace for workspace in workspaces}
    steps = []
    for name in dict.fromkeys(annotations.listed(DIGEST)):
        workspace = by_name.get(name)
        if not name:
            known = f" (such as '{next(iter(by_name))}')" if by_name else ""
            message = f"the name of a Workspace is missing{known}; name one or more, separated by commas"
            report.add(place.problem("invalid-value", message))
        elif workspace is None:
            hint = did_you_mean(name, by_name)
            message = f"{receiver} has no Workspace '{name}' to compute a digest of{hint}"
            report.add(place.problem("unknown-workspace", message))
        elif workspace.volume is not None:
            mount = {**mount_of(workspace, _DIRECTORY), "readOnly": True}
            arguments = (name, _DIRECTORY, "$(step.artifacts.path)")
            module = "coordinator.workspaces.digest"
            steps.append(InjectedStep(f"digest-{name}", module, arguments, (mount,), place, has_artifacts=True))
    return InjectedSteps(after=tuple(steps))
