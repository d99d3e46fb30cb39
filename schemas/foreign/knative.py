"""Knative's Build, BuildTemplate and ClusterBuildTemplate (``build.knative.dev/v1alpha1``).

Source: knative/build pkg/apis/build/v1alpha1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from monopod.schemas.foreign.containers import Container
from monopod.schemas.foreign.objects import ForeignObject
from monopod.schemas.foreign.support import AnyText, NoEffect, Refused
from monopod.schemas.formats.duration import Duration
from monopod.schemas.kubernetes.containers import EnvVar
from monopod.schemas.kubernetes.pods import Affinity
from monopod.schemas.kubernetes.volumes import Volume
from monopod.schemas.model import ListOf, Model, Path, duplicates, exactly_one
from monopod.schemas.tekton.fields import NonEmpty

_GENERATION = NoEffect("the server sets it")


class GitSource(Model):
    """A git repository, and the branch, tag, commit or ref to check out."""

    url: NonEmpty
    revision: NonEmpty


class GCSSource(Model):
    """An archive, or a manifest that lists files, in Google Cloud Storage."""

    type: Literal["Archive", "Manifest"] = "Archive"
    location: NonEmpty


class BuildSource(Model):
    """What is fetched into /workspace before the first step."""

    name: str = ""
    git: GitSource | None = None
    gcs: GCSSource | None = None
    custom: Container | None = None
    sub_path: str = ""
    target_path: str = ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one kind of source; a custom one places its files itself."""
        yield from exactly_one(self, "git", "gcs", "custom")
        if self.custom is not None and self.target_path:
            yield ("targetPath",), "a custom source writes where its command says; leave targetPath out"
        if self.custom is not None and self.custom.name:
            yield ("custom", "name"), "a custom source has the name of the source"


class BuildArgument(Model):
    """The value of a parameter of a template."""

    name: NonEmpty
    value: AnyText


class BuildTemplateReference(Model):
    """The template that a Build uses, and its arguments."""

    name: NonEmpty
    kind: Literal["BuildTemplate", "ClusterBuildTemplate"] = "BuildTemplate"
    arguments: ListOf[BuildArgument] = ()
    env: ListOf[EnvVar] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Arguments are unique."""
        yield from duplicates("arguments", self.arguments, "argument")


class BuildSpec(Model):
    """The spec of a Build: steps, or a template that has them."""

    source: BuildSource | None = None
    sources: ListOf[BuildSource] = ()
    steps: ListOf[Container] = ()
    template: BuildTemplateReference | None = None
    volumes: ListOf[Volume] = ()
    service_account_name: str = ""
    node_selector: dict[str, str] = Field(default_factory=dict)
    affinity: Affinity | None = None
    timeout: Duration | None = None
    status: Annotated[Any, Refused("cancel a run with monopod cancel")] = None
    generation: Annotated[Any, _GENERATION] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Steps or a template; source or sources; at most one subPath (Knative's BuildSpec.Validate)."""
        yield from duplicates("steps", self.steps, "step")
        yield from duplicates("volumes", self.volumes, "volume")
        yield from duplicates("sources", self.sources, "source")
        if self.template is None and not self.steps:
            yield (), "a Build needs steps or a template"
        elif self.template is not None and self.steps:
            yield ("template",), "only one of steps, template may be given"
        if self.source is not None and self.sources:
            yield ("sources",), "only one of source, sources may be given"
        with_sub_path = [index for index, source in enumerate(self.sources) if source.sub_path]
        for index in with_sub_path[1:]:
            yield ("sources", index, "subPath"), "only one source may have a subPath"


class Build(ForeignObject):
    """A Build."""

    api_version: Literal["build.knative.dev/v1alpha1"]
    kind: Literal["Build"]
    spec: BuildSpec


class BuildParameter(Model):
    """A parameter of a template."""

    name: NonEmpty
    description: str = ""
    default: AnyText | None = None


class BuildTemplateSpec(Model):
    """The spec of a template."""

    parameters: ListOf[BuildParameter] = ()
    steps: ListOf[Container]
    volumes: ListOf[Volume] = ()
    generation: Annotated[Any, _GENERATION] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Names are unique."""
        yield from duplicates("parameters", self.parameters, "parameter")
        yield from duplicates("steps", self.steps, "step")
        yield from duplicates("volumes", self.volumes, "volume")


class BuildTemplate(ForeignObject):
    """A BuildTemplate or ClusterBuildTemplate."""

    api_version: Literal["build.knative.dev/v1alpha1"]
    kind: Literal["BuildTemplate", "ClusterBuildTemplate"]
    spec: BuildTemplateSpec
