"""Knative's Build and its templates: a PipelineRun of the Tasks ``source`` and ``build``, and Tasks.

Rules (knative/build pkg/reconciler/build):

- The sources become the Steps of the Task ``source``, which shares the Workspace ``workspace`` with ``build``.
- The steps become the steps of ``build``, or ``build`` refers to the Task that the template becomes. Steps work in
  /workspace.
- ``${NAME}`` is a declared parameter of the template; other texts of this form stay as they are.
- ``template.env`` takes precedence over the env of the template's steps, and ``volumes`` of a Build with a template are
  beside the template's: both become fields of the podTemplate.
- A Build without a timeout has 10 minutes.

Left to others: which fields exist and which are refused (``schemas.foreign.knative``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from monopod.compiler.documents.validation import validate
from monopod.compiler.importers.containers import to_step
from monopod.compiler.importers.imported import Imported, Sourced, unfold, without_nothing
from monopod.compiler.importers.placeholders import Placeholders
from monopod.compiler.importers.support import unsupported
from monopod.schemas.foreign.containers import Container
from monopod.schemas.foreign.knative import Build, BuildSource, BuildTemplate
from monopod.schemas.formats.duration import to_text
from monopod.schemas.model import Path

GIT_IMAGE = "docker.io/alpine/git:2.47.2"
"""What fetches a git source; any image with git and sh does."""
GCS_IMAGE = "gcr.io/cloud-builders/gcs-fetcher:latest"
"""What fetches a gcs source (knative/build, the flag gcs-fetcher-image)."""

_DEFAULT_TIMEOUT = 600.0
_DIRECTORY = "/workspace"
_WORKSPACE = "workspace"
_PARAMETER = re.compile(r"\$\{([^{}]*)\}")
_NAMES = ("name", "generateName", "namespace", "labels", "annotations")
_FETCH = """\
#!/bin/sh
set -eu
mkdir -p "$DIRECTORY"
cd "$DIRECTORY"
git config --global --add safe.directory '*'
git init --quiet .
git remote add origin "$URL"
if git fetch --quiet --depth=1 origin "$REVISION" 2>/dev/null; then
  git checkout --quiet FETCH_HEAD
else
  git fetch --quiet --tags origin '+refs/heads/*:refs/remotes/origin/*'
  git checkout --quiet "$REVISION"
fi
git submodule --quiet update --init --recursive --depth=1
echo "$(git rev-parse HEAD) of $URL"
"""


def to_tekton(document: dict[str, Any]) -> Imported:
    """Return the run that a Build means, or the Task that a template means."""
    return _of_build(document) if document["kind"] == "Build" else _of_template(document)


def _metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: Sourced(metadata[name], ("metadata", name)) for name in _NAMES if name in metadata}


# Templates


def _of_template(document: dict[str, Any]) -> Imported:
    template, complaints = validate(BuildTemplate, document)
    if template is None:
        return Imported(complaints=tuple(complaints))
    errors, warnings = unsupported(template.spec, ("spec",), f"a {template.kind}")
    spec = template.spec
    names = {parameter.name for parameter in spec.parameters}
    placeholders = Placeholders(_PARAMETER, lambda name: f"$(params.{name})" if name in names else None)
    params = [
        Sourced(
            without_nothing({"name": parameter.name, "type": "string", "description": parameter.description})
            | ({} if parameter.default is None else {"default": parameter.default}),
            ("spec", "parameters", index),
        )
        for index, parameter in enumerate(spec.parameters)
    ]
    volumes = [
        Sourced(placeholders.translate(volume.to_kubernetes(), ("spec", "volumes", index)), ("spec", "volumes", index))
        for index, volume in enumerate(spec.volumes)
    ]
    task = {
        "params": params,
        "workspaces": [{"name": _WORKSPACE, "mountPath": _DIRECTORY, "optional": True}],
        "volumes": volumes,
        "steps": _steps(spec.steps, ("spec", "steps"), placeholders),
    }
    made = {
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": _metadata(template.metadata.to_kubernetes()),
        "spec": without_nothing(task),
    }
    return Imported((unfold(made),), (*errors, *placeholders.complaints), tuple(warnings))


def _steps(containers: Sequence[Container], path: Path, placeholders: Placeholders) -> list[Sourced]:
    return [_step(container, (*path, index), placeholders) for index, container in enumerate(containers)]


def _step(container: Container, path: Path, placeholders: Placeholders, name: str = "") -> Sourced:
    own = name or placeholders.translate(container.name, (*path, "name"))
    fields = {"name": Sourced(own, (*path, "name")), **to_step(container, path, placeholders)}
    return Sourced(without_nothing({"workingDir": _DIRECTORY, **fields}), path)


# Builds


def _of_build(document: dict[str, Any]) -> Imported:
    build, complaints = validate(Build, document)
    if build is None:
        return Imported(complaints=tuple(complaints))
    errors, warnings = unsupported(build.spec, ("spec",), "a Build")
    translation = _Translation(build)
    run = unfold(translation.run())
    found = (*errors, *translation.placeholders.complaints)
    return Imported((run,), found, tuple(warnings))


class _Translation:
    """Makes the run of one Build."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._spec = build.spec
        self.placeholders = Placeholders(_PARAMETER, lambda _: None)
        self._sources: list[tuple[BuildSource, Path]] = []
        if build.spec.source is not None:
            self._sources = [(build.spec.source, ("spec", "source"))]
        self._sources += [(each, ("spec", "sources", index)) for index, each in enumerate(build.spec.sources)]

    def run(self) -> dict[str, Any]:
        """Return the PipelineRun."""
        shares = bool(self._sources)
        timeout = _DEFAULT_TIMEOUT if self._spec.timeout is None else self._spec.timeout
        tasks = [self._source_task(), self._build_task()] if shares else [self._build_task()]
        pipeline = {"workspaces": [{"name": _WORKSPACE}] if shares else [], "tasks": tasks}
        template = {"serviceAccountName": self._field("serviceAccountName"), "podTemplate": self._pod_template()}
        spec = {
            "pipelineSpec": Sourced(without_nothing(pipeline), ("spec",)),
            "timeouts": Sourced({"pipeline": to_text(timeout)}, ("spec", "timeout")),
            "taskRunTemplate": without_nothing(template),
            "workspaces": [{"name": _WORKSPACE, "emptyDir": {}}] if shares else [],
        }
        return {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": _metadata(self._build.metadata.to_kubernetes()),
            "spec": without_nothing(spec),
        }

    def _field(self, name: str) -> Sourced:
        return Sourced(self._spec.to_kubernetes().get(name), ("spec", name))

    def _pod_template(self) -> dict[str, Any]:
        fields = {"nodeSelector": self._field("nodeSelector"), "affinity": self._field("affinity")}
        if self._spec.template is not None:
            env = [variable.to_kubernetes() for variable in self._spec.template.env]
            where: Path = ("spec", "template", "env")
            fields["env"] = Sourced(self.placeholders.translate(env, where), where)
            fields["volumes"] = self._volumes()
        return without_nothing(fields)

    def _volumes(self) -> Sourced:
        return Sourced([volume.to_kubernetes() for volume in self._spec.volumes], ("spec", "volumes"))

    def _build_task(self) -> Sourced:
        binding: dict[str, Any] = {"name": _WORKSPACE, "workspace": _WORKSPACE}
        for source, path in self._sources:
            if source.sub_path:
                binding["subPath"] = Sourced(source.sub_path, (*path, "subPath"))
        task: dict[str, Any] = {"name": "build"}
        if self._sources:
            task |= {"runAfter": ["source"], "workspaces": [binding]}
        template = self._spec.template
        if template is None:
            steps = Sourced(_steps(self._spec.steps, ("spec", "steps"), self.placeholders), ("spec", "steps"))
            declared = [{"name": _WORKSPACE, "mountPath": _DIRECTORY}] if self._sources else []
            spec = without_nothing({"workspaces": declared, "volumes": self._volumes(), "steps": steps})
            return Sourced({**task, "taskSpec": spec}, ("spec",))
        where: Path = ("spec", "template")
        arguments = [
            Sourced(argument.model_dump(), (*where, "arguments", index))
            for index, argument in enumerate(template.arguments)
        ]
        reference = {"name": Sourced(template.name, (*where, "name"))}
        return Sourced(without_nothing({**task, "taskRef": reference, "params": arguments}), where)

    def _source_task(self) -> Sourced:
        steps = [self._source_step(source, path, index) for index, (source, path) in enumerate(self._sources)]
        mounted = {mount.name for source, _ in self._sources for mount in _mounts(source)}
        volumes = [
            Sourced(volume.to_kubernetes(), ("spec", "volumes", index))
            for index, volume in enumerate(self._spec.volumes)
            if volume.name in mounted
        ]
        workspaces = [{"name": _WORKSPACE, "mountPath": _DIRECTORY}]
        spec = without_nothing({"workspaces": workspaces, "volumes": volumes, "steps": steps})
        bound = [{"name": _WORKSPACE, "workspace": _WORKSPACE}]
        return Sourced({"name": "source", "workspaces": bound, "taskSpec": spec}, self._sources[0][1])

    def _source_step(self, source: BuildSource, path: Path, index: int) -> Sourced:
        name = source.name or str(index)
        if source.custom is not None:
            return _step(source.custom, (*path, "custom"), self.placeholders, f"custom-source-{name}")
        target = f"{_DIRECTORY}/{source.target_path}" if source.target_path else _DIRECTORY
        if source.git is not None:
            values = {"URL": ("url", source.git.url), "REVISION": ("revision", source.git.revision)}
            env = [
                {"name": variable, "value": Sourced(value, (*path, "git", field))}
                for variable, (field, value) in values.items()
            ]
            env.append({"name": "DIRECTORY", "value": Sourced(target, (*path, "targetPath"))})
            step = {"name": f"git-source-{name}", "image": GIT_IMAGE, "env": env, "script": _FETCH}
            return Sourced({**step, "workingDir": _DIRECTORY}, (*path, "git"))
        assert source.gcs is not None
        arguments = ["--type", source.gcs.type, "--location", source.gcs.location, "--dest_dir", target]
        step = {"name": f"gcs-source-{name}", "image": GCS_IMAGE, "args": arguments, "workingDir": _DIRECTORY}
        return Sourced(step, (*path, "gcs"))


def _mounts(source: BuildSource) -> Sequence[Any]:
    return () if source.custom is None else source.custom.volume_mounts
