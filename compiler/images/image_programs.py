"""What the Steps and Sidecars of one run execute when they have no script and command: the image's ENTRYPOINT and CMD.

Rules (Tekton docs/container-contract.md; pkg/pod/entrypoint_lookup.go):

- Only the images of such Steps and Sidecars are looked up.
- If the registry's digest is known, the Pod names the image by it, so that what runs is what was looked up.
- The result is recorded in an annotation.

Left to others: the sources of configurations (``image_lookup``); combining ENTRYPOINT, CMD and args
(``monopod.coordinator.engine.engine``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, cast

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
    """Return a function that makes the lookup on its first call: most compilations need none."""

    @cache
    def make() -> ImageLookup:
        from monopod.compiler.images.image_lookup import ImageLookup  # noqa: PLC0415  # it imports what HTTP needs

        return ImageLookup(config_files, {document.name: model for document, model in documents.of(Secret)})

    return make


def no_lookup() -> ImageLookup:
    """Return a lookup for compilations whose Pod is not used: it finds no image, and that is not reported."""
    return cast("ImageLookup", _NoLookup())


class _NoLookup:
    problems = ("no image is looked up",)


@dataclass(slots=True)
class ImagePrograms:
    """The looked-up images of one run."""

    documents: Documents
    make_lookup: MakeLookup
    _recorded: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of_pod(self, pod_fields: Mapping[str, Any]) -> PodImages:
        """Return the images of a Pod with these fields, which contain the pull Secrets."""
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
        names = tuple(str(secret["name"]) for secret in named if isinstance(secret, dict) and secret.get("name"))
        return PodImages(self.make_lookup, names, self._recorded)

    def annotations(self) -> dict[str, str]:
        """Return the annotation with the images that were looked up; empty if there were none."""
        return {ANNOTATION: json.dumps(list(self._recorded.values()), ensure_ascii=False)} if self._recorded else {}


@dataclass(frozen=True, slots=True)
class PodImages:
    """The images of a Pod; ``pull_secrets`` are the names of Secrets for their registries."""

    make_lookup: MakeLookup
    pull_secrets: tuple[str, ...]
    recorded: dict[str, dict[str, Any]]

    def find(self, step: ResolvedStep, image: str, report: Report) -> tuple[ImageProgram, str] | None:
        """Return the ENTRYPOINT and CMD for a Step or Sidecar, and the image's name in the Pod; report why not."""
        lookup = self.make_lookup()
        if lookup.problems:
            return None  # the files may have it
        looked_up = lookup.look_up(image, self.pull_secrets)
        place, what = step.sources.sources[0][0], "Sidecar" if step.is_sidecar else "Step"
        start = f"the {what} has neither script nor command, and"
        if looked_up.program is None:
            message = (
                f"{start} the ENTRYPOINT of its image '{image}' is unknown ({'; '.join(looked_up.reasons)}); "
                "set command, or give the image's configuration with --image-config"
            )
            report.add(place.problem("no-command", message))
            return None
        if not _is_enough(looked_up.program, step):
            message = f"{start} its image '{image}' has neither ENTRYPOINT nor CMD; set command"
            report.add(place.problem("no-command", message))
            return None
        if looked_up.warning:
            message = f"the image '{image}' {looked_up.warning}; set command to choose"
            report.add(place.problem("image-platforms", message, "warning"))
        self._record(image, looked_up.program, looked_up.source, looked_up.digest)
        return looked_up.program, _pinned(image, looked_up.digest)

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
    """Whether a Step or Sidecar has a script or a command; a command that expands to nothing does not count."""
    if step.fields.get("script"):
        return True
    try:
        return bool(substitute_all(step.fields.get("command", ()), values))
    except MisfitError:
        return True  # reported with the references


def _is_enough(program: ImageProgram, step: ResolvedStep) -> bool:
    """Whether there is something to run; a Sidecar may have only args, as any container."""
    return bool(program.entrypoint or program.cmd or (step.is_sidecar and step.fields.get("args")))


def _pinned(image: str, digest: str) -> str:
    from monopod.compiler.images.image_names import with_digest  # noqa: PLC0415  # as in `lookup_for`

    return with_digest(image, digest) if digest and "@" not in image else image
