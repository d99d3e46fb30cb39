"""How a run ended whose coordinator was not heard to the end: what the status of its Pod says (DESIGN, "Evidence").

Rules, from the strongest to the weakest: the termination message, in which the coordinator says how the run ended; its
exit code 0, which only a run that succeeded has; the phase Succeeded, since a run that failed has a container that
failed. Nothing else says that a run succeeded. A status that says none of this proves nothing.

Pure. What is left to others: what became of a Pod without evidence (``run``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.display.summary import Outcome
from monopod.schemas.run_events import FinalStatus

_FIRST_LINE = re.compile(rf"({'|'.join(get_args(FinalStatus))}) \((\w+)\): (.*)")
_BY_ITS_POD = "the coordinator was not heard to the end; its Pod says that the run succeeded"


def evident_outcome(status: Mapping[str, Any]) -> Outcome | None:
    """Return how the run of a Pod ended, by its status (core/v1 PodStatus); None if that does not say."""
    endings = list(_endings(status))
    for ended in endings:
        match = _FIRST_LINE.match(str(ended.get("message") or ""))
        if match is not None:
            (name,) = (each for each in get_args(FinalStatus) if each == match[1])
            return Outcome(name, match[2], match[3].strip())
    if any(ended.get("exitCode") == 0 for ended in endings) or status.get("phase") == "Succeeded":
        return Outcome("Succeeded", "Succeeded", _BY_ITS_POD)
    return None


def _endings(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield how the coordinator ended, the latest time first."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            if container.get("name") == COORDINATOR:
                for state in ("state", "lastState"):
                    ended = (container.get(state) or {}).get("terminated")
                    if ended:
                        yield ended
