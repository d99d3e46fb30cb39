"""The version of Kubernetes that a Pod is compiled for, and the features that depend on it.

Left to others: asking a cluster for its version (``monopod.runner.kubernetes``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"v?(?P<major>\d{1,3})\.(?P<minor>\d{1,3})(?:[.+-].*)?", re.ASCII)


class KubeVersion(NamedTuple):
    """A version of the Kubernetes API, such as 1.36."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str) -> KubeVersion:
        """Return the version in a text: ``1.36``, or as clusters report it (``v1.36.2-eks-1``).

        Raises ValueError, with a message for the user, also for versions that monopod does not support.
        """
        match = _VERSION.fullmatch(text)
        if match is None:
            raise ValueError(f"'{text}' is not a version of Kubernetes; expected one such as 1.36")
        version = cls(int(match["major"]), int(match["minor"]))
        if version < OLDEST:
            raise ValueError(f"monopod runs on Kubernetes {OLDEST} and later, not on {text}")
        return version

    @property
    def has_native_sidecars(self) -> bool:
        """Whether an init container may have restartPolicy Always (on by default since 1.29)."""
        return self >= (1, 29)

    @property
    def has_pod_failure_policy(self) -> bool:
        """Whether a Job can decide by the reason of a failure whether it retries (on by default since 1.26)."""
        return self >= (1, 26)

    @property
    def has_pod_replacement_policy(self) -> bool:
        """Whether a Job may wait for the end of a Pod before it creates the next (on by default since 1.29)."""
        return self >= (1, 29)

    @property
    def sums_what_is_there(self) -> bool:
        """Whether a LimitRange for Pods adds up the values that are set; before 1.28 every container had to set one."""
        return self >= (1, 28)

    @property
    def has_pod_level_resources(self) -> bool:
        """Whether a Pod as a whole may ask for cpu and memory (on by default since 1.34)."""
        return self >= (1, 34)

    @property
    def has_restart_rules(self) -> bool:
        """Whether kubelet may restart a container of a Pod that is never restarted (on by default since 1.35)."""
        return self >= WITH_RESTART_RULES


OLDEST = KubeVersion(1, 25)
DEFAULT = KubeVersion(1, 29)
"""The default. Its Pods run on all later versions too."""
WITH_RESTART_RULES = KubeVersion(1, 35)
"""The version whose Pods the host backend runs."""
WITHOUT_NATIVE_SIDECARS = KubeVersion(1, 28)
"""The version whose Pods podman can run."""
