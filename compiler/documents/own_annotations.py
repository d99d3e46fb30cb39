"""The annotations ``monopod.dev/…`` that authors may write, and those that a document has by mistake.

Rules: an annotation that monopod does not know has no effect, so it is reported. Tekton ignores all of them.

Left to others: what each annotation means, and where it may be (the modules that read it).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.schemas.model import Path

PREFIX = "monopod.dev/"
KNOWN = frozenset(
    {
        "cache",
        "cache-store",
        "completion",
        "concurrency-policy",
        "digest",
        "fail-fast",
        "ignore",
        "max-concurrency",
        "max-parallel",
        "retry-delay",
        "schedule",
        "start-timeout",
        "suspend",
        "time-zone",
        "ttl",
        "views",
    }
)
"""The names of the annotations, without the prefix."""
WRITTEN = frozenset({"images", "pipeline", "resolved", "runtime", "version"})
"""The names of the annotations and labels that monopod itself writes."""


def unknown_annotations(data: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the path and a message for each unknown annotation in the metadata of an object at any depth."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from unknown_annotations(item, (*path, index))
    elif isinstance(data, dict):
        for key, value in data.items():
            if key == "metadata" and isinstance(value, dict) and isinstance(value.get("annotations"), dict):
                yield from _unknown(value["annotations"], (*path, key, "annotations"))
            else:
                yield from unknown_annotations(value, (*path, key))


def _unknown(annotations: dict[Any, Any], path: Path) -> Iterator[tuple[Path, str]]:
    for key in annotations:
        if isinstance(key, str) and key.startswith(PREFIX) and key.removeprefix(PREFIX) not in KNOWN | WRITTEN:
            guess = did_you_mean(key, (PREFIX + name for name in sorted(KNOWN)))
            yield (*path, key), f"unknown annotation, which has no effect{guess}"
