"""How much of a termination message kubelet keeps (Kubernetes docs, "Determine the Reason for Pod Failure")."""

from __future__ import annotations

LONGEST_MESSAGE = 4096
"""The maximum length of one message, in bytes."""
_ALL_OF_A_POD = 12288


def longest_message(containers: int) -> int:
    """Return the maximum in a Pod with so many containers, which get equal parts of 12 KiB."""
    return min(LONGEST_MESSAGE, _ALL_OF_A_POD // containers)
