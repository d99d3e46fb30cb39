"""The values that can be listed: runs, Pods, contexts, and what the files on the command line define.

Rules:

- Completion is quick and silent. A file that cannot be read or parsed, a cluster that cannot be reached, or a kubectl
  that is not installed offers nothing.
- Files are parsed as plain YAML, not validated: the compiler's models take 0.2 s to import.
- Only Pods and namespaces need the cluster. kubectl lists them, and has `_CLUSTER_SECONDS` to do so.
- A command line without files means those of the project, as for the commands.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from monopod.compiler.remote.local.project_directories import nearest_with
from monopod.runner.commands.options import project
from monopod.runner.completion.words import Line, Listed

Candidate: TypeAlias = tuple[str, str]
"""A value, and what it is."""

_CLUSTER_SECONDS = 2
_IN_CLUSTERS = ("known run", "logged run", "active run")
_MAX_FILE_BYTES = 512 * 1024
_POLICIES = ("merge", "discard", "directory")
_PATTERN_PARAMS = {"git": "url", "bundles": "bundle", "hub": "name", "http": "url"}
"""The param of each resolver that a pattern of ``--resolve`` is about."""
_BINDINGS = (".", "emptyDir", "pvc:", "hostPath:", "secret:", "configMap:")


def candidates(kind: Listed, line: Line, current: str, *, is_plugin: bool) -> Iterator[Candidate]:
    """Return the values of one kind that fit the rest of the command line.

    `current` is the word typed so far. `is_plugin`: the command line is kubectl's, so runs are in the cluster.
    """
    if kind in _IN_CLUSTERS and (is_plugin or line.options.keys() & {"--context", "--namespace"}):
        kind = "pod"
    yield from _SOURCES[kind](line, current)


# Runs and clusters


def _recorded_runs(_line: Line, _current: str) -> Iterator[Candidate]:
    from monopod.runner.records.store import records, records_root  # noqa: PLC0415  # only for runs

    for record in records(records_root()):
        yield record.identity, record.status


def _known_runs(_line: Line, _current: str) -> Iterator[Candidate]:
    """Yield recorded runs, those of this project first, and their Pipelines."""
    from monopod.runner.records.store import own_project, records, records_root  # noqa: PLC0415  # only for runs

    project = own_project()
    recorded = records(records_root())
    own = [record for record in recorded if record.header.project == project]
    others = [record for record in recorded if record.header.project != project]
    for record in (*own, *others):
        yield record.identity, record.status
    identities = {record.identity for record in recorded}
    for pipeline in dict.fromkeys(record.header.pipeline for record in own):
        if pipeline and pipeline not in identities:
            yield pipeline, "latest run of this Pipeline"


def _logged_runs(line: Line, current: str) -> Iterator[Candidate]:
    """Yield recorded runs, and the Tasks of the latest one."""
    yield from _known_runs(line, current)
    yield from _tasks_of_run(None, current)


def _logged_tasks(line: Line, current: str) -> Iterator[Candidate]:
    """Yield the Tasks of the run on the command line."""
    if line.arguments:
        yield from _tasks_of_run(line.arguments[0], current)


def _tasks_of_run(name: str | None, current: str) -> Iterator[Candidate]:
    """Yield the Tasks of a recorded run, or, once a Task and a slash are typed, its Steps."""
    from monopod.runner.follow.source import step_names  # noqa: PLC0415  # only for runs
    from monopod.runner.records.recorded_run import read_plan  # noqa: PLC0415
    from monopod.runner.records.store import RecordError, choose, own_project, records_root  # noqa: PLC0415
    from monopod.schemas.plan import runnable_tasks  # noqa: PLC0415

    with contextlib.suppress(RecordError):
        for task in runnable_tasks(read_plan(choose(records_root(), name, own_project())).pipeline):
            if not current.startswith(f"{task.path}/"):
                yield task.path, "Task"
                continue
            for step in step_names(task.task):
                yield f"{task.path}/{step}", "Step"


def _active_runs(_line: Line, _current: str) -> Iterator[Candidate]:
    from monopod.runner.known_runs.finding import active_names  # noqa: PLC0415  # only for runs

    with contextlib.suppress(OSError):
        for name in active_names():
            yield name, ""


def _pods(line: Line, _current: str) -> Iterator[Candidate]:
    words = ("pods", "--selector", "app.kubernetes.io/managed-by=monopod")
    for name in _objects(line, ("--context", "--namespace"), words):
        yield name, ""


def _namespaces(line: Line, _current: str) -> Iterator[Candidate]:
    """Yield the namespaces of the contexts, and those in the cluster."""
    named: dict[str, str] = {}
    for configuration in _kubeconfigs():
        for entry in _mappings(configuration.get("contexts")):
            namespace = _mapping(entry.get("context")).get("namespace")
            if namespace:
                named.setdefault(str(namespace), f"of the context {entry.get('name', '')}")
    yield from named.items()
    for name in _objects(line, ("--context",), ("namespaces",)):
        if name not in named:
            yield name, ""


def _objects(line: Line, options: Iterable[str], words: Iterable[str]) -> Iterator[str]:
    """Yield the names of objects in the cluster, as ``kubectl get`` lists them."""
    import subprocess  # noqa: PLC0415  # only for objects in a cluster

    command = ["kubectl", "get", *words, "--output", "name", f"--request-timeout={_CLUSTER_SECONDS}s"]
    for option in options:
        command += [f"{option}={value}" for value in line.options.get(option, ())[-1:]]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_CLUSTER_SECONDS, check=True
        )
        for name in done.stdout.split():
            yield name.partition("/")[2]


def _contexts(_line: Line, _current: str) -> Iterator[Candidate]:
    configurations = _kubeconfigs()
    current = next(filter(None, (configuration.get("current-context") for configuration in configurations)), None)
    for configuration in configurations:
        for context in _mappings(configuration.get("contexts")):
            name = str(context.get("name", ""))
            yield name, "the current context" if name == current else ""


def _kubeconfigs() -> list[Mapping[str, Any]]:
    paths = (os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")).split(os.pathsep)
    return [content for path in paths for content in _read_yaml(path)]


# What the files define


def _documents(line: Line, _current: str) -> Iterator[Candidate]:
    for document in _read_files(line):
        metadata = _mapping(document.get("metadata"))
        name = metadata.get("name") or metadata.get("generateName")
        if name and document.get("kind") in ("Pipeline", "PipelineRun", "Task", "TaskRun"):
            yield str(name), str(document["kind"])


def _params(line: Line, current: str) -> Iterator[Candidate]:
    name, is_complete, _ = current.partition("=")
    for param in _declared("params", line):
        if not is_complete:
            yield f"{param['name']}=", str(param.get("description") or "")
        elif param["name"] == name:
            values = param.get("enum")
            yield from ((f"{name}={value}", "") for value in (values if isinstance(values, list) else ()))


def _workspaces(line: Line, current: str) -> Iterator[Candidate]:
    name, is_complete, _ = current.partition("=")
    for workspace in _declared("workspaces", line):
        if not is_complete:
            yield f"{workspace['name']}=", str(workspace.get("description") or "")
        elif workspace["name"] == name:
            yield from ((f"{name}={binding}", "") for binding in _BINDINGS)


def _fetches(line: Line, current: str) -> Iterator[Candidate]:
    if ":" not in current:
        for workspace in _declared("workspaces", line):
            yield f"{workspace['name']}:", str(workspace.get("description") or "")


def _tasks(line: Line, current: str) -> Iterator[Candidate]:
    """Yield the Tasks of the Pipelines, or, once a Task and a slash are typed, its Steps."""
    for task, spec in _pipeline_tasks(line, "tasks", "finally"):
        name = str(task.get("name", ""))
        if not current.startswith(f"{name}/"):
            yield name, str(task.get("description") or "")
            continue
        for step in _mappings(spec.get("steps")):
            if "name" in step:
                yield f"{name}/{step['name']}", ""


def _task_lists(line: Line, current: str) -> Iterator[Candidate]:
    """Yield the Tasks of the Pipelines as the next entry of a list."""
    before, comma, _ = current.rpartition(",")
    for name, description in _tasks(line, ""):
        if name not in before.split(","):
            yield f"{before}{comma}{name}", description


def _views(line: Line, current: str) -> Iterator[Candidate]:
    """Yield the Workspaces of the Tasks of the Pipelines or, once one is typed, the policies of a view."""
    name, is_complete, _ = current.partition("=")
    if is_complete:
        yield from ((f"{name}={policy}", "") for policy in _POLICIES)
        return
    for task, spec in _pipeline_tasks(line, "tasks", "finally"):
        for workspace in _mappings(spec.get("workspaces")):
            yield f"{task.get('name', '')}/{workspace.get('name', '')}", str(workspace.get("description") or "")


def _results(line: Line, current: str) -> Iterator[Candidate]:
    """Yield the Results of the Tasks of the Pipelines."""
    if "=" in current:
        return
    for task, spec in _pipeline_tasks(line, "tasks"):
        for result in _mappings(spec.get("results")):
            yield f"{task.get('name', '')}.{result.get('name', '')}=", str(result.get("description") or "")


def _pipeline_tasks(line: Line, *fields: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the entries of these fields of the Pipelines, each with the spec of its Task, empty if no file has it."""
    documents = list(_read_files(line))
    definitions = {
        str(_mapping(document.get("metadata")).get("name")): document
        for document in documents
        if document.get("kind") == "Task"
    }
    for pipeline in _pipelines(documents):
        for task in (entry for field in fields for entry in _mappings(pipeline.get(field))):
            referenced = definitions.get(str(_mapping(task.get("taskRef")).get("name")), {})
            yield task, _mapping(task.get("taskSpec") or referenced.get("spec"))


def _references(line: Line, current: str) -> Iterator[Candidate]:
    """Yield the patterns of the remote references or, once a pattern is typed, directories."""
    pattern, is_complete, typed = current.rpartition("=")
    if is_complete:
        parent = os.path.dirname(typed)
        with contextlib.suppress(OSError):
            for entry in sorted(os.scandir(parent or "."), key=lambda entry: entry.name):
                if entry.is_dir() and not entry.name.startswith("."):
                    yield f"{pattern}={os.path.join(parent, entry.name)}", ""
        return
    patterns = dict.fromkeys(pattern for document in _read_files(line) for pattern in _patterns(document))
    yield from ((f"{pattern}=", "") for pattern in patterns)


def _patterns(value: Any) -> Iterator[str]:
    """Yield a pattern for each remote reference in a document."""
    if isinstance(value, list):
        for element in value:
            yield from _patterns(element)
    elif isinstance(value, dict):
        params = {param.get("name"): str(param.get("value")) for param in _mappings(value.get("params"))}
        resolver = str(value.get("resolver"))
        name = params.get(_PATTERN_PARAMS.get(resolver, ""))
        if name and "$" not in name:
            if resolver == "bundles":
                name = re.sub(r"(:[\w.-]+)?(@.*)?$", "", name)
            yield re.split("[?#]", name)[0] if resolver == "http" else f"{resolver}:{'*/' * (resolver == 'hub')}{name}"
        for element in value.values():
            yield from _patterns(element)


def _declared(field: str, line: Line) -> Iterator[Mapping[str, Any]]:
    """Yield the params or Workspaces that a run binds: of the Pipelines or, without a Pipeline, of the Tasks."""
    documents = list(_read_files(line))
    specs = list(_pipelines(documents)) or [
        _mapping(_mapping(document.get("spec")).get("taskSpec") or document.get("spec")) for document in documents
    ]
    for spec in specs:
        yield from (entry for entry in _mappings(spec.get(field)) if "name" in entry)


def _pipelines(documents: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the specs of the Pipelines, including Pipelines embedded in a run."""
    for document in documents:
        spec = _mapping(document.get("spec"))
        if document.get("kind") == "Pipeline":
            yield spec
        elif "pipelineSpec" in spec:
            yield _mapping(spec["pipelineSpec"])


def _read_files(line: Line) -> Iterator[Mapping[str, Any]]:
    for path in (*line.options.get("--filename", ()), *line.arguments) or _files_of_project():
        if os.path.isdir(path):
            names = sorted(name for name in os.listdir(path) if name.endswith((".yaml", ".yml", ".json")))
            for name in names:
                yield from _read_yaml(os.path.join(path, name))
        else:
            yield from _read_yaml(path)


def _files_of_project() -> Iterator[str]:
    """Yield the files that commands read if the command line names none."""
    configured = None
    directory = nearest_with("monopod.yaml")
    if directory is not None:
        for content in _read_yaml(os.path.join(directory, "monopod.yaml")):
            configured = os.path.join(directory, str(content["file"])) if "file" in content else configured
    for path in project.candidates(configured):
        yield from project.files_below(path) if os.path.basename(path) == project.TEKTON_DIRECTORY else (path,)


def _read_yaml(path: str) -> list[Mapping[str, Any]]:
    """Return the mappings in a file; none if it is not a regular file, is large, or cannot be parsed."""
    import yaml  # noqa: PLC0415  # only where files are read

    path = os.path.expanduser(path)
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MAX_FILE_BYTES:
            return []
        with open(path, "rb") as stream:
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            return [document for document in yaml.load_all(stream, loader) if isinstance(document, dict)]
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


_SOURCES: dict[Listed, Callable[[Line, str], Iterator[Candidate]]] = {
    "run": _recorded_runs,
    "known run": _known_runs,
    "logged run": _logged_runs,
    "logged task": _logged_tasks,
    "active run": _active_runs,
    "pod": _pods,
    "context": _contexts,
    "namespace": _namespaces,
    "document": _documents,
    "param": _params,
    "workspace": _workspaces,
    "fetch": _fetches,
    "task": _tasks,
    "tasks": _task_lists,
    "result": _results,
    "reference": _references,
    "view": _views,
}
