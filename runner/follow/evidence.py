"""The outcome of a run according to the status of its Pod, if the coordinator reported none (DESIGN, "Evidence").

Evidence, from the strongest to the weakest:

1. the coordinator's termination message, which states the outcome; kubelet cuts it if the Pod has many containers,
2. the coordinator's exit code 0, which it has only if the run succeeded,
3. the phase Succeeded, since a failed run has a failed container.

Nothing else proves that a run succeeded. A status without any of these proves nothing.

Pure. ``run`` decides on a Pod without evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.display.summary import Outcome
from monopod.schemas.run_events import FinalStatus

_FIRST_LINE = re.compile(rf"({'|'.join(get_args(FinalStatus))}) \((\w+)(?:\): (.*))?")
_CUT_SHORT = "the coordinator's termination message was cut short; see its log"
_BY_ITS_POD = "the coordinator reported no outcome; according to the status of its Pod, the run succeeded"


def evident_outcome(status: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome of a run according to its Pod's `status` (core/v1 PodStatus); None without evidence."""
    endings = list(_endings(status))
    for ended in endings:
        match = _FIRST_LINE.match(str(ended.get("message") or ""))
        if match is not None:
            (name,) = (final for final in get_args(FinalStatus) if final == match[1])
            if match[3] is None:
                return Outcome(name, name, _CUT_SHORT, lacks_events=True)
            return Outcome(name, match[2], match[3].strip(), lacks_events=True)
    if any(ended.get("exitCode") == 0 for ended in endings) or status.get("phase") == "Succeeded":
        return Outcome("Succeeded", "Succeeded", _BY_ITS_POD, lacks_events=True)
    return None


def _endings(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the terminated states of the coordinator's container, the latest first."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            if container.get("name") == COORDINATOR:
                for state in ("state", "lastState"):
                    ended = (container.get(state) or {}).get("terminated")
                    if ended:
                        yield ended
