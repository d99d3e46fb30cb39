"""Tekton Triggers' TriggerTemplate (``triggers.tekton.dev``). Source: tektoncd/triggers docs/triggertemplates.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from monopod.schemas.foreign.objects import ForeignObject
from monopod.schemas.foreign.support import AnyText
from monopod.schemas.model import Anything, ListOf, Model, Path, duplicates
from monopod.schemas.tekton.fields import NonEmpty


class TriggerParameter(Model):
    """A parameter of a TriggerTemplate."""

    name: NonEmpty
    description: str = ""
    default: AnyText | None = None


class TriggerTemplateSpec(Model):
    """The spec of a TriggerTemplate."""

    params: ListOf[TriggerParameter] = ()
    resourcetemplates: ListOf[Anything]

    def problems(self) -> Iterator[tuple[Path, str]]:
        """There are resources, and the names of params are unique."""
        yield from duplicates("params", self.params, "param")
        if not self.resourcetemplates:
            yield ("resourcetemplates",), "a TriggerTemplate needs resourcetemplates, a list that is not empty"


class TriggerTemplate(ForeignObject):
    """A TriggerTemplate."""

    api_version: Literal["triggers.tekton.dev/v1beta1", "triggers.tekton.dev/v1alpha1"]
    kind: Literal["TriggerTemplate"]
    spec: TriggerTemplateSpec
