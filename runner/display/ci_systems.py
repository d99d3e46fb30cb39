"""Which CI system runs this process. Each CI system sets a documented environment variable.

sudo removes these variables although the log still belongs to the CI system. Under sudo, they are looked up in the
parent processes.

This module imports only small modules of the standard library, because every command uses it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLES = {
    "GITHUB_ACTIONS": "GitHub Actions",  # Gitea and Forgejo set it too, and behave alike
    "GITLAB_CI": "GitLab",
    "TF_BUILD": "Azure Pipelines",
    "BUILDKITE": "Buildkite",
    "TEAMCITY_VERSION": "TeamCity",
    "TRAVIS": "Travis CI",
}
"""The variable that each CI system sets, and the name of the CI system."""

ANY = "CI"
"""The variable that nearly every CI system sets."""

_MOST_PARENTS = 16


def systems_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the CI systems that the environment names; all of them in an unknown CI system."""
    named = tuple(system for variable, system in VARIABLES.items() if is_set(environment, variable))
    return named or (tuple(VARIABLES.values()) if is_set(environment, ANY) else ())


def is_set(environment: Mapping[str, str], variable: str) -> bool:
    """Return whether a variable is set to anything but empty, ``0`` or ``false``."""
    return environment.get(variable, "").lower() not in ("", "false", "0")


def job_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return this process's environment; under sudo, the environment of the parent that has a CI variable."""
    if "SUDO_COMMAND" not in environment or systems_of(environment):
        return environment
    process = os.getppid()
    for _ in range(_MOST_PARENTS):
        try:
            with open(f"/proc/{process}/environ", encoding="utf-8", errors="replace") as file:
                pairs = [pair.partition("=") for pair in file.read().split("\0")]
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                process = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
        parent = {name: value for name, _, value in pairs}
        if systems_of(parent):
            return parent
    return environment
