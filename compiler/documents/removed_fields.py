"""Fields that Tekton has removed, or has elsewhere: what to write instead.

Source: Tekton docs/migrating-v1beta1-to-v1.md, docs/deprecations.md, and the fields of v1 by their level.

Left to others: the existing fields (``monopod.schemas``), older spellings that v1beta1 documents may still use
(``schemas.tekton.v1beta1``).
"""

from __future__ import annotations

import re

from monopod.schemas.model import Path, format_path

_NO_RESOURCES = "Tekton removed PipelineResources; use params, Workspaces and Results instead"
_NO_INPUTS = "Tekton removed it; use params, Workspaces and Results instead"
_NO_CONDITIONS = "Tekton removed Conditions; guard the Task with when instead"
_BUNDLE = "Tekton removed bundle; use resolver: bundles with the params bundle, name and kind"
_ONLY_SIDECARS = "Tekton removed it from Steps; only a Sidecar can have it"
_BESIDE = "it belongs to the PipelineTask, beside taskSpec"
_NO_TIMEOUT = "a Task has no timeout; set it on the PipelineTask beside taskSpec or taskRef, on the run, or on a Step"

_IN_CONTAINER = r"(?:steps\[\d+\]|stepTemplate|sidecars\[\d+\])"
_REPLACEMENTS: tuple[tuple[re.Pattern[str], frozenset[str], str], ...] = tuple(
    (re.compile(pattern + "$"), frozenset(kinds.split()), text)
    for pattern, kinds, text in (
        (r"Ref\.bundle", "", _BUNDLE),
        (r"(?:tasks|finally)\[\d+\]\.conditions", "", _NO_CONDITIONS),
        (r"\.whenExpressions", "", "it is called when in tekton.dev/v1"),
        (_IN_CONTAINER + r"\.resources", "", "it is called computeResources in tekton.dev/v1"),
        (r"(?:^spec|tasks\[\d+\]|finally\[\d+\]|taskSpec|pipelineSpec)\.resources", "", _NO_RESOURCES),
        (r"params\[\d+\]\.value", "", "a param that is declared has a default; its value is given by what uses it"),
        (r"params\[\d+\]\.default", "", "a param that is given has a value; its default is where it is declared"),
        (r"taskSpec\.ref", "", "a Step has ref; a Task is referred to by taskRef, instead of taskSpec"),
        (r"taskSpec\.timeout", "", _NO_TIMEOUT),
        (r"^spec\.timeout", "Task", _NO_TIMEOUT),
        (r"taskSpec\.(?:runAfter|retries|matrix|when|onError)", "", _BESIDE),
        (r"^spec\.(?:inputs|outputs)", "Task Pipeline", _NO_INPUTS),
        (r"taskSpec\.(?:inputs|outputs)", "", _NO_INPUTS),
        (r"^spec\.serviceAccountName", "PipelineRun", "write taskRunTemplate.serviceAccountName"),
        (r"^spec\.podTemplate", "PipelineRun", "write taskRunTemplate.podTemplate"),
        (r"^spec\.timeout", "PipelineRun", "write timeouts.pipeline"),
        (r"^spec\.serviceAccountNames", "PipelineRun", "write taskRunSpecs[].serviceAccountName"),
        (r"^spec\.timeouts", "TaskRun", "a TaskRun has timeout"),
        (r"taskRunSpecs\[\d+\]\.taskServiceAccountName", "", "it is called serviceAccountName in tekton.dev/v1"),
        (r"taskRunSpecs\[\d+\]\.taskPodTemplate", "", "it is called podTemplate in tekton.dev/v1"),
        (r"\.stepOverrides", "", "it is called stepSpecs in tekton.dev/v1"),
        (r"\.sidecarOverrides", "", "it is called sidecarSpecs in tekton.dev/v1"),
        (
            r"(?:steps\[\d+\]|stepTemplate)\.(?:ports|livenessProbe|readinessProbe|startupProbe|lifecycle)",
            "",
            _ONLY_SIDECARS,
        ),
        (
            r"^spec\.(?:steps|stepTemplate|sidecars)",
            "Pipeline",
            "Steps belong to a Task; write tasks, each with a taskSpec",
        ),
        (r"^spec\.(?:tasks|finally)", "Task", "only a Pipeline has tasks; write kind: Pipeline"),
        (r"^spec\.(?:tasks|finally)", "PipelineRun", "write them in pipelineSpec"),
        (r"^spec\.steps", "TaskRun", "write them in taskSpec"),
        (r"(?:tasks|finally)\[\d+\]\.(?:steps|script|image)", "", "Steps belong to a Task; write them in taskSpec"),
    )
)


def replacement(path: Path, kind: str) -> str | None:
    """Return what to write instead of a field that a document of this kind cannot have; None if it is not known."""
    text = format_path(path)
    return next(
        (way for pattern, kinds, way in _REPLACEMENTS if (not kinds or kind in kinds) and pattern.search(text)), None
    )
