"""The annotations ``monopod.dev/…`` that authors may write, and those that a document has by mistake.

Rules: an annotation that monopod does not know, or that it does not read there, has no effect, so it is reported.
Tekton ignores all of them.

Left to others: what each annotation means (the modules that read it).
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


OF_TASKS = frozenset({"completion", "fail-fast", "retry-delay"})
"""Those that are about one Task, so a Pipeline or PipelineRun cannot have them."""
OF_RUNS = frozenset({"max-parallel"})
"""Those that are about the whole run, so a Task cannot have them."""


def unknown_annotations(data: Any) -> Iterator[tuple[Path, str]]:
    """Yield the path and a message for each unknown annotation in the metadata of an object at any depth."""
    for path, name in _own_annotations(data):
        if name not in KNOWN | WRITTEN:
            guess = did_you_mean(PREFIX + name, (PREFIX + known for known in sorted(KNOWN)))
            yield path, f"unknown annotation, which has no effect{guess}"


def misplaced_annotations(data: Any, kind: str) -> Iterator[tuple[Path, str]]:
    """Yield the path and a message for each annotation of an object of this kind that is read from others only."""
    for path, name in _own_annotations(data):
        if name in OF_TASKS and kind in ("Pipeline", "PipelineRun") and path[0] == "metadata":
            yield (
                path,
                "this is about a Task, so it has no effect here; write it in the metadata of the Task",
            )
        elif name in OF_RUNS and (kind == "Task" or "taskSpec" in path or "taskRunSpecs" in path):
            yield path, "this is about the whole run, so it has no effect here; write it in the Pipeline's metadata"


def _own_annotations(data: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the path and the name, without the prefix, of each annotation of monopod."""
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _own_annotations(item, (*path, index))
    elif isinstance(data, dict):
        for key, value in data.items():
            if key == "metadata" and isinstance(value, dict) and isinstance(value.get("annotations"), dict):
                for name in value["annotations"]:
                    if isinstance(name, str) and name.startswith(PREFIX):
                        yield (*path, key, "annotations", name), name.removeprefix(PREFIX)
            else:
                yield from _own_annotations(value, (*path, key))
