"""Files of other systems: a one-line message that names the system and what to do.

Left to others: files that are not YAML (``yaml_files``), documents of Tekton and Kubernetes (``documents``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TEMPLATE = re.compile(
    r"\{\{-?\s*(?:if|else|end|include|range|with|define|template|toYaml|tpl|/\*|\.(?:Values|Release|Chart)\b)"
)
_AS_TEKTON = "monopod runs Tekton Pipelines; write its jobs as Tasks of a Pipeline"
_KUSTOMIZE = "run kustomize build FOLDER | monopod COMMAND -f -"
_JENKINSFILE = re.compile(r"(?:@Library\b.*\s)?(?:pipeline|node)\b[^{]*\{")
_URL = re.compile(r"(?:https?|oci|git|ssh|s3)://|git@[\w.-]+:")

_TRIGGER_KINDS = frozenset({"TriggerBinding", "ClusterTriggerBinding", "EventListener", "Trigger", "Interceptor"})


def of_another_system(data: Any) -> str | None:
    """Return what a document without apiVersion and kind is, and what to do; None if it is not recognised."""
    if isinstance(data, str):
        return _of_text(data)
    if isinstance(data, list):
        return f"this is a JSON patch; {_KUSTOMIZE}" if data and all(map(_is_operation, data)) else None
    if not isinstance(data, Mapping):
        return None
    for is_one, answer in (
        (_is_github_workflow, f"this is a GitHub workflow; {_AS_TEKTON}"),
        (_is_github_action, f"this is a GitHub action; {_AS_TEKTON}"),
        (_is_gitlab, f"this is a GitLab CI file; {_AS_TEKTON}, or let a job of it call monopod"),
        (_is_drone, f"this is a Drone CI file; {_AS_TEKTON}"),
        (_is_bitbucket, f"this is a Bitbucket Pipelines file; {_AS_TEKTON}"),
        (_is_circle, f"this is a CircleCI file; {_AS_TEKTON}"),
        (_is_azure, f"this is an Azure Pipelines file; {_AS_TEKTON}"),
        (_is_compose, "this is a docker-compose file; write its services as Sidecars of a Task"),
        (_is_kustomization, f"this is a kustomization; {_KUSTOMIZE}"),
        (_is_chart, "this is a file of a Helm chart; run helm template CHART | monopod COMMAND -f -"),
    ):
        if is_one(data):
            return answer
    return None


def of_another_api(api_version: str, kind: str) -> str | None:
    """Return what an object of another API is, if a user might try to run it as a Pipeline; else None."""
    if api_version.startswith("argoproj.io/") and kind == "CronWorkflow":
        return (
            "this is an Argo CronWorkflow; write its workflowSpec as a Workflow, and compile it with "
            "--kind CronJob --schedule"
        )
    if api_version.startswith("triggers.tekton.dev/") and kind in _TRIGGER_KINDS:
        named = f"{_article(kind)} {kind} of Tekton Triggers"
        return f"this is {named}, which monopod does not run; give the TriggerTemplate, or a PipelineRun"
    return None


def _article(word: str) -> str:
    return "an" if word[0] in "AEIOU" else "a"


def template_in(text: str) -> tuple[int, str] | None:
    """Return the offset of the first Helm template in a text that is not YAML, and what to do; None without one."""
    match = _TEMPLATE.search(text)
    if match is None:
        return None
    return match.start(), "this is a template of a Helm chart; run helm template CHART | monopod COMMAND -f -"


def url_in_place_of_file(path: str) -> str | None:
    """Return what to do with a URL that is used as a file name; None if it is not a URL."""
    if not _URL.match(path):
        return None
    way_out = f"curl -fsSL '{path}' | monopod COMMAND -f -" if path.startswith("http") else "fetch it first"
    return f"this is a URL, and only files are read; {way_out}"


def _has(data: Mapping[Any, Any], key: str, kind: type | tuple[type, ...]) -> bool:
    return isinstance(data.get(key), kind)


def _jobs(data: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    jobs = data.get("jobs")
    return [value for value in jobs.values() if isinstance(value, Mapping)] if isinstance(jobs, Mapping) else []


def _is_github_workflow(data: Mapping[Any, Any]) -> bool:
    return any(job.keys() & {"runs-on", "uses"} for job in _jobs(data)) or (bool(_jobs(data)) and "on" in data)


def _is_github_action(data: Mapping[Any, Any]) -> bool:
    return _has(data, "runs", Mapping) and "using" in data["runs"]


def _is_gitlab(data: Mapping[Any, Any]) -> bool:
    jobs = [value for value in data.values() if isinstance(value, Mapping)]
    has_script = any(job.keys() & {"script", "trigger", "extends"} for job in jobs)
    return has_script or (_has(data, "stages", list) and all(isinstance(stage, str) for stage in data["stages"]))


def _is_drone(data: Mapping[Any, Any]) -> bool:
    return data.get("kind") == "pipeline" and _has(data, "steps", list)


def _is_bitbucket(data: Mapping[Any, Any]) -> bool:
    return _has(data, "pipelines", Mapping) and bool(
        data["pipelines"].keys() & {"default", "branches", "pull-requests", "custom", "tags"}
    )


def _is_operation(entry: Any) -> bool:
    return isinstance(entry, Mapping) and {"op", "path"} <= entry.keys()


def _of_text(text: str) -> str | None:
    if _JENKINSFILE.match(text):
        return f"this is a Jenkinsfile; {_AS_TEKTON}"
    return None


def _is_circle(data: Mapping[Any, Any]) -> bool:
    return "version" in data and bool(_jobs(data))


def _is_azure(data: Mapping[Any, Any]) -> bool:
    return bool(data.keys() & {"trigger", "pool", "pr"}) and bool(data.keys() & {"steps", "stages", "jobs"})


def _is_compose(data: Mapping[Any, Any]) -> bool:
    services = data.get("services")
    return isinstance(services, Mapping) and any(
        isinstance(value, Mapping) and bool(value.keys() & {"image", "build"}) for value in services.values()
    )


def _is_kustomization(data: Mapping[Any, Any]) -> bool:
    return _has(data, "resources", list) and all(isinstance(resource, str) for resource in data["resources"])


def _is_chart(data: Mapping[Any, Any]) -> bool:
    api_version = data.get("apiVersion")  # of any type, and not always hashable
    return api_version in ("v1", "v2") and "kind" not in data and {"name", "version"} <= data.keys()
