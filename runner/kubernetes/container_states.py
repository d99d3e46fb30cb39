"""Translates what the API reports of a container (core/v1 ContainerStatus) to events of a Pod. Pure."""

from __future__ import annotations

from typing import Any

from monopod.runner.follow.pod_events import ContainerTerminated
from monopod.schemas.formats.timestamps import from_rfc3339


def state_of(status: dict[str, Any], *, between_lives: bool) -> tuple[str, dict[str, Any]]:
    """Return Kubernetes' state of a container. With `between_lives`, one that waits for its restart has terminated."""
    kind, state = next(iter((status.get("state") or {}).items()), ("waiting", {}))
    ended = (status.get("lastState") or {}).get("terminated")
    return ("terminated", ended) if kind == "waiting" and between_lives and ended else (kind, state)


def termination(name: str, restarts: int, state: dict[str, Any]) -> ContainerTerminated:
    """Return the end of a container after so many restarts. `state` is core/v1 ContainerStateTerminated."""
    reason = state.get("reason") or ""
    return ContainerTerminated(
        name,
        restarts,
        int(state.get("exitCode") or 0),
        state.get("signal"),
        "StartError" if reason == "ContainerCannotRun" else reason,
        (state.get("message") or "").strip(),
        seconds(state.get("startedAt")),
        seconds(state.get("finishedAt")),
    )


def seconds(timestamp: str | None) -> float:
    """Return a time of the API in seconds since the epoch, 0 without one."""
    return 0.0 if timestamp is None else from_rfc3339(timestamp)
