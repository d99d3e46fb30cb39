"""The annotations ``monopod.dev/…`` that authors may write, and those that a document has by mistake.

Rules: an annotation that monopod does not know, or that it does not read there, has no effect, so it is reported.
Tekton ignores all of them.

Left to others: what each annotation means (the modules that read it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.rules import Rule
from monopod.schemas.model import Path

PREFIX: Final = "monopod.dev/"

ARTIFACT_REPOSITORY: Final = "monopod.dev/artifact-repository"
CACHE: Final = "monopod.dev/cache"
CACHE_STORE: Final = "monopod.dev/cache-store"
COMPLETION: Final = "monopod.dev/completion"
CONCURRENCY_POLICY: Final = "monopod.dev/concurrency-policy"
DIGEST: Final = "monopod.dev/digest"
FAIL_FAST: Final = "monopod.dev/fail-fast"
GROUP: Final = "monopod.dev/group"
IGNORE: Final = "monopod.dev/ignore"
MAX_CONCURRENCY: Final = "monopod.dev/max-concurrency"
MAX_PARALLEL: Final = "monopod.dev/max-parallel"
PACK: Final = "monopod.dev/pack"
RETRY_DELAY: Final = "monopod.dev/retry-delay"
SCHEDULE: Final = "monopod.dev/schedule"
START_TIMEOUT: Final = "monopod.dev/start-timeout"
SUSPEND: Final = "monopod.dev/suspend"
TIME_ZONE: Final = "monopod.dev/time-zone"
TTL: Final = "monopod.dev/ttl"
VIEWS: Final = "monopod.dev/views"

Owner: TypeAlias = Literal["any", "task", "run"]
KNOWN: Mapping[str, Owner] = {
    ARTIFACT_REPOSITORY: "run",
    CACHE: "any",
    CACHE_STORE: "any",
    COMPLETION: "task",
    CONCURRENCY_POLICY: "any",
    DIGEST: "any",
    FAIL_FAST: "task",
    GROUP: "task",
    IGNORE: "any",
    MAX_CONCURRENCY: "any",
    MAX_PARALLEL: "run",
    PACK: "any",
    RETRY_DELAY: "task",
    SCHEDULE: "any",
    START_TIMEOUT: "any",
    SUSPEND: "any",
    TIME_ZONE: "any",
    TTL: "any",
    VIEWS: "any",
}
"""What may have each annotation: an annotation about one Task cannot be on a Pipeline or PipelineRun, one about the
whole run cannot be on a Task."""
WRITTEN = frozenset(PREFIX + name for name in ("images", "pipeline", "resolved", "runtime", "version"))
"""The annotations and labels that monopod itself writes."""
NOT_FOR_PODS = frozenset(KNOWN) - {IGNORE}
"""The annotations that describe only the object that has them, so the Pod does not get them."""

_NESTED = (dict, list)


def useless_annotations(data: Any, kind: str) -> Iterator[tuple[Path, str, Rule]]:
    """Yield the path, a message and the rule for each annotation that has no effect, at any depth of an object."""
    for path, name in _own_annotations(data):
        owner = KNOWN.get(name)
        if owner is None and name not in WRITTEN:
            guess = did_you_mean(name, sorted(KNOWN))
            yield path, f"unknown annotation, which has no effect{guess}", "unknown-annotation"
        elif owner == "task" and kind in ("Pipeline", "PipelineRun") and path[0] == "metadata":
            message = "this is about a Task, so it has no effect here; write it in the metadata of the Task"
            yield path, message, "no-effect"
        elif name == GROUP and _is_never_cut(path):
            message = "this has no effect here: finally Tasks and Pipelines that run as Tasks are never cut"
            yield path, message, "no-effect"
        elif owner == "run" and (kind == "Task" or "taskSpec" in path or "taskRunSpecs" in path):
            message = "this is about the whole run, so it has no effect here; write it in the Pipeline's metadata"
            yield path, message, "no-effect"


def _is_never_cut(path: Path) -> bool:
    """Return whether a path of a Pipeline or PipelineRun is in a finally Task, or in a Pipeline that runs as a Task."""
    return "finally" in path or any(path[at : at + 1] == ("pipelineSpec",) for at in range(2, len(path)))


def _own_annotations(data: Any) -> list[tuple[Path, str]]:
    """Return the path and the name of each annotation of monopod, in order."""
    found: list[tuple[Path, str]] = []
    _add_own_annotations(data, (), found)
    return found


def _add_own_annotations(data: dict[str, Any] | list[Any], path: Path, found: list[tuple[Path, str]]) -> None:
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        if not isinstance(value, _NESTED):
            continue
        if key == "metadata" and isinstance(value, dict) and isinstance(value.get("annotations"), dict):
            names = (name for name in value["annotations"] if isinstance(name, str) and name.startswith(PREFIX))
            found += (((*path, key, "annotations", name), name) for name in names)
        else:
            _add_own_annotations(value, (*path, key), found)
