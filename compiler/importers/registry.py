"""Which documents of other systems are imported, and by which module.

A module is loaded only when a file holds a document of its system.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from monopod.compiler.diagnostics import closest
from monopod.compiler.importers.imported import Imported, Surroundings

_ARGO = "argoproj.io/v1alpha1"
_KNATIVE = "build.knative.dev/v1alpha1"
_FURIKO = "execution.furiko.io/v1alpha1"

_MODULES = {
    (_ARGO, "Workflow"): "argo",
    (_ARGO, "WorkflowTemplate"): "argo",
    (_ARGO, "ClusterWorkflowTemplate"): "argo",
    (_KNATIVE, "Build"): "knative",
    (_KNATIVE, "BuildTemplate"): "knative",
    (_KNATIVE, "ClusterBuildTemplate"): "knative",
    (_FURIKO, "Job"): "furiko.documents",
    (_FURIKO, "JobConfig"): "furiko.documents",
}
_OTHER_KINDS = frozenset(
    {
        *("CronWorkflow", "WorkflowEventBinding", "WorkflowArtifactGCTask", "WorkflowTaskResult", "WorkflowTaskSet"),
        *("Application", "ApplicationSet", "AppProject", "EventBus", "EventSource", "Sensor"),
        *("AnalysisRun", "AnalysisTemplate", "ClusterAnalysisTemplate", "Experiment", "Rollout"),
    }
)
"""Kinds of the same groups that are passed through."""


def is_imported(api_version: str, kind: str) -> bool:
    """Return whether documents of this kind are imported."""
    return (api_version, kind) in _MODULES


def refers_to_others(api_version: str) -> bool:
    """Return whether documents of this type refer to each other, and are imported once all files are read."""
    return api_version == _FURIKO


def import_document(document: dict[str, Any], surroundings: Surroundings) -> Imported:
    """Return the Tekton documents that a document of an imported kind means."""
    module = import_module(f"monopod.compiler.importers.{_MODULES[document['apiVersion'], document['kind']]}")
    others = (surroundings,) if refers_to_others(document["apiVersion"]) else ()
    imported: Imported = module.to_tekton(document, *others)
    return imported


def wrong_type(api_version: str, kind: str) -> tuple[str, str] | None:
    """Return the field that probably misspells the type of an imported document, and a message about it."""
    group, _, _ = api_version.partition("/")
    for supported, _ in _MODULES:
        if supported.partition("/")[0] == group and supported != api_version and is_imported(supported, kind):
            return "apiVersion", f"'{api_version}' is not supported for the kind {kind}; supported: {supported}"
    if kind in _OTHER_KINDS or is_imported(api_version, kind):
        return None
    meant = closest(kind, (known for version, known in _MODULES if version == api_version))
    return None if meant is None else ("kind", f"unknown kind '{kind}' in {api_version} (did you mean '{meant}'?)")
