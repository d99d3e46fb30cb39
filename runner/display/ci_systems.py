"""Which CI system runs this process: each sets a variable that it documents.

sudo takes these variables away, and the log is the CI system's all the same: so below sudo they are looked for in the
processes that started this one.

No imports but the standard library's smallest, since every command asks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLES = {
    "GITHUB_ACTIONS": "GitHub Actions",  # Gitea and Forgejo set it too, and do as it does
    "GITLAB_CI": "GitLab",
    "TF_BUILD": "Azure Pipelines",
    "BUILDKITE": "Buildkite",
    "TEAMCITY_VERSION": "TeamCity",
    "TRAVIS": "Travis CI",
}
"""The names of the CI systems by the variable that each sets."""

ANY = "CI"
"""The variable that nearly all of them set."""

_MOST_PARENTS = 16


def systems_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the CI systems that the environment says; all of them if it is another one."""
    found = tuple(system for variable, system in VARIABLES.items() if is_set(environment, variable))
    return found or (tuple(VARIABLES.values()) if is_set(environment, ANY) else ())


def is_set(environment: Mapping[str, str], variable: str) -> bool:
    """Return whether a variable is set and does not say no."""
    return environment.get(variable, "").lower() not in ("", "false", "0")


def surrounding(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment of this process, or the one around sudo if that started it and left no such variable."""
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
        found = {name: value for name, _, value in pairs}
        if systems_of(found):
            return found
    return environment
