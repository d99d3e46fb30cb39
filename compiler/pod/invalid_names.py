"""Names in a compiled Pod that a cluster would refuse: names of objects, image names, and paths inside volumes.

Rules: a name that depends on a value known only while running is not checked. Left to others: names that monopod
generates (``generated_names``), names of documents (``schemas.tekton.fields``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import Place
from monopod.compiler.pod.parts import PodPlaces
from monopod.compiler.pod.volume_sources import OBJECTS, WITH_ITEMS, sources_of
from monopod.schemas.formats.image_names import image_problem
from monopod.schemas.formats.object_names import key_problem, path_problem, subdomain_problem
from monopod.schemas.model import Path

_Check = Callable[[str], str | None]
_Mistakes = Iterator[tuple[Path, str]]


def in_volumes(volumes: Iterable[dict[str, Any]], places: PodPlaces) -> Iterator[Problem]:
    """Yield what is wrong with names and paths in the volumes of a Pod."""
    for volume in volumes:
        yield from in_source(volume, places.volumes[volume["name"]])


def in_source(source: dict[str, Any], place: Place) -> Iterator[Problem]:
    """Yield what is wrong with names and paths in the source of a volume, even if no Task uses it."""
    yield from _at(place, _in_volume(source))


def in_mounts(mounts: Iterable[dict[str, Any]], place: Place) -> Iterator[Problem]:
    """Yield what is wrong with paths in the volumeMounts at `place`."""
    for index, mount in enumerate(mounts):
        for field in ("subPath", "subPathExpr"):
            yield from _at(place, _wrong(mount, field, path_problem, (index,)))


def in_sub_path(sub_path: str, place: Place) -> Iterator[Problem]:
    """Yield what is wrong with the subPath of a Workspace; `place` is where the Workspace is bound."""
    yield from _at(place, _wrong({"subPath": sub_path}, "subPath", path_problem, ()))


def in_image(fields: dict[str, Any], place: Place) -> Iterator[Problem]:
    """Yield what is wrong with the image of a container with these fields; `place` is where ``image`` is written."""
    for _, message in _wrong(fields, "image", image_problem, ()):
        yield place.problem("invalid-value", message)


def in_variable(entry: dict[str, Any], place: Place) -> Iterator[Problem]:
    """Yield what is wrong with names in an entry of ``env``."""
    for kind in ("configMapKeyRef", "secretKeyRef"):
        reference = (entry.get("valueFrom") or {}).get(kind)
        yield from _at(place, _wrong(reference, "name", subdomain_problem, ("valueFrom", kind)))
        yield from _at(place, _wrong(reference, "key", key_problem, ("valueFrom", kind)))


def in_environment(sources: Iterable[dict[str, Any]], place: Place) -> Iterator[Problem]:
    """Yield what is wrong with names in ``envFrom``."""
    for index, source in enumerate(sources):
        for kind in ("configMapRef", "secretRef"):
            yield from _at(place, _wrong(source.get(kind), "name", subdomain_problem, (index, kind)))


def _at(place: Place, mistakes: _Mistakes) -> Iterator[Problem]:
    for path, message in mistakes:
        yield place.at(*path).problem("invalid-value", message)


def _in_volume(volume: dict[str, Any]) -> _Mistakes:
    for path, source in sources_of(volume):
        kind = path[-1]
        for field in OBJECTS.get(str(kind), ()):
            yield from _wrong(source, field, subdomain_problem, path)
        for index, item in enumerate((source.get("items") or ()) if kind in WITH_ITEMS else ()):
            yield from _wrong(item, "key", key_problem, (*path, "items", index))
            yield from _wrong(item, "path", path_problem, (*path, "items", index))


def _wrong(holder: Any, field: str, check: _Check, path: Path) -> _Mistakes:
    text = (holder or {}).get(field)
    if isinstance(text, str) and text and "$(" not in text and (message := check(text)) is not None:
        yield (*path, field), message
