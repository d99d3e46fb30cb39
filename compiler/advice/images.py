"""Images that are not pinned: the same name can refer to another image tomorrow.

An image is reported once per file, at its first use. An image that a param names is reported at the param's default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from monopod.compiler.advice.specs import Specs
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import DocumentPlace
from monopod.schemas.tekton.params import ParamSpec
from monopod.schemas.tekton.tasks import StepActionSpec, TaskSpec
from monopod.schemas.variables import only_reference

_DIGEST = re.compile(r"@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$")


def unpinned_images(specs: Specs) -> Iterator[Problem]:
    """Yield a problem for each image without a digest: a warning if it can change at any time, otherwise a note."""
    reported: set[tuple[str, str]] = set()
    for image, place in _images(specs):
        if (place.document.position(()).file, image) in reported or _DIGEST.search(image) or "$(" in image or not image:
            continue
        reported.add((place.document.position(()).file, image))
        tag = image.rpartition("/")[2].partition(":")[2]
        if tag in {"", "latest"}:
            what = f"'{image}' is the latest image at the time of the pull"
            yield place.problem("unpinned-image", f"{what}; write a version and a digest, NAME:TAG@sha256:…", "warning")
        else:
            message = f"'{image}' can change, because a tag can be moved; add its digest, @sha256:…"
            yield place.problem("unpinned-image", message, "note")


def _images(specs: Specs) -> Iterator[tuple[str, DocumentPlace]]:
    for task in specs.tasks:
        images = [(container.image, place.at("image")) for container, place in task.containers()]
        if task.spec.step_template is not None:
            images.append((task.spec.step_template.image, task.place.at("stepTemplate", "image")))
        for image, place in images:
            yield _or_default(image, place, task.spec, task.place)
    for action in specs.step_actions.values():
        yield _or_default(action.spec.image, action.place.at("image"), action.spec, action.place)


def _or_default(
    image: str, place: DocumentPlace, spec: TaskSpec | StepActionSpec, spec_place: DocumentPlace
) -> tuple[str, DocumentPlace]:
    """Return an image and its place, or the default of the Task's param that names it and the place of the default."""
    reference = only_reference(image)
    if reference is None or reference.path[0] != "params" or len(reference.path) != 2:
        return image, place
    params: list[tuple[int, ParamSpec]] = [
        numbered for numbered in enumerate(spec.params) if numbered[1].name == reference.path[1]
    ]
    for index, param in params:
        if isinstance(param.default, str):
            return param.default, spec_place.at("params", index, "default")
    return image, place
