"""What the images of one run's containers say to run, where Steps and Sidecars do not say it themselves.

Rules (Tekton docs/container-contract.md; pkg/pod/entrypoint_lookup.go):

- It is looked up only for these.
- An image whose digest is known from its registry is named by it in the Pod, so that what runs is what was looked at.
- What was found is recorded in an annotation.

Left to others: where images are looked up (``image_lookup``); how ENTRYPOINT, CMD and args go together
(``monopod.coordinator.engine.engine``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.documents import Documents
from monopod.compiler.tasks.resolved_steps import ResolvedStep
from monopod.schemas.kubernetes.objects import Secret
from monopod.schemas.plan import ImageProgram
from monopod.schemas.variables import MisfitError, Scope, substitute_all

if TYPE_CHECKING:
    from monopod.compiler.images.image_lookup import ImageLookup

ANNOTATION = "monopod.dev/images"

MakeLookup = Callable[[], "ImageLookup"]


def lookup_for(documents: Documents, config_files: tuple[str, ...]) -> MakeLookup:
    """Return what makes, once, that which looks images up: most compilations do without."""

    @cache
    def make() -> ImageLookup:
        from monopod.compiler.images.image_lookup import ImageLookup  # noqa: PLC0415  # it imports what HTTP needs

        return ImageLookup(config_files, {document.name: model for document, model in documents.of(Secret)})

    return make


@dataclass(slots=True)
class ImagePrograms:
    """What the images of one run say, as far as it was asked for."""

    documents: Documents
    make_lookup: MakeLookup
    _recorded: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of_pod(self, pod_fields: Mapping[str, Any]) -> PodImages:
        """Return the images of a Pod with these fields, which say who may pull them."""
        secrets = pod_fields.get("imagePullSecrets")
        if not secrets:
            account = pod_fields.get("serviceAccountName", "default")
            secrets = next(
                (
                    document.data.get("imagePullSecrets")
                    for document in self.documents.others()
                    if document.kind == "ServiceAccount" and document.name == account
                ),
                None,
            )
        named = secrets if isinstance(secrets, list) else []
        names = tuple(str(each["name"]) for each in named if isinstance(each, dict) and each.get("name"))
        return PodImages(self.make_lookup, names, self._recorded)

    def annotations(self) -> dict[str, str]:
        """Return the annotation that tells which images were looked up, and what they say; nothing if none was."""
        return {ANNOTATION: json.dumps(list(self._recorded.values()), ensure_ascii=False)} if self._recorded else {}


@dataclass(frozen=True, slots=True)
class PodImages:
    """The images of a Pod; ``pull_secrets`` are the names of Secrets for their registries."""

    make_lookup: MakeLookup
    pull_secrets: tuple[str, ...]
    recorded: dict[str, dict[str, Any]]

    def find(self, step: ResolvedStep, image: str, report: Report) -> tuple[ImageProgram, str] | None:
        """Return what the image of a Step or Sidecar runs, and its name for the Pod; report why that is not known."""
        lookup = self.make_lookup()
        if lookup.problems:
            return None  # the files may well tell of it
        found = lookup.look_up(image, self.pull_secrets)
        place, what = step.sources.sources[0][0], "Sidecar" if step.is_sidecar else "Step"
        start = f"the {what} has neither script nor command, and"
        if found.program is None:
            message = (
                f"{start} what its image '{image}' says to run is not known ({'; '.join(found.reasons)}); "
                "say what to run with command, or give the image's configuration with --image-config"
            )
            report.add(place.problem("no-command", message))
            return None
        if not _is_enough(found.program, step):
            message = f"{start} its image '{image}' has neither ENTRYPOINT nor CMD; say what to run with command"
            report.add(place.problem("no-command", message))
            return None
        if found.warning:
            message = f"the image '{image}' {found.warning}; say what to run with command"
            report.add(place.problem("image-platforms", message, "warning"))
        self._record(image, found.program, found.source, found.digest)
        return found.program, _pinned(image, found.digest)

    def _record(self, image: str, program: ImageProgram, source: str, digest: str) -> None:
        entry = {
            "image": image,
            "digest": digest,
            "source": source,
            "entrypoint": list(program.entrypoint),
            "cmd": list(program.cmd),
        }
        self.recorded[image] = {name: value for name, value in entry.items() if value}


def says_what_to_run(step: ResolvedStep, values: Scope) -> bool:
    """Whether a Step or Sidecar has a script or a command; one that comes to no words is none."""
    if step.fields.get("script"):
        return True
    try:
        return bool(substitute_all(step.fields.get("command", ()), values))
    except MisfitError:
        return True  # told with the references


def _is_enough(program: ImageProgram, step: ResolvedStep) -> bool:
    """Whether there is something to run; a Sidecar's args may be all there is, as in any container."""
    return bool(program.entrypoint or program.cmd or (step.is_sidecar and step.fields.get("args")))


def _pinned(image: str, digest: str) -> str:
    from monopod.compiler.images.image_names import with_digest  # noqa: PLC0415  # as in `lookup_for`

    return with_digest(image, digest) if digest and "@" not in image else image
