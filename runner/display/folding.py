"""The marks that make CI systems fold parts of a log. They are documented in:

- GitHub Actions, and Gitea and Forgejo, which are compatible: "Workflow commands", grouping log lines
- GitLab: "CI/CD job logs", custom collapsible sections
- Azure Pipelines: "Logging commands", formatting commands
- Buildkite: "Managing log output", collapsing output
- TeamCity: "Service messages", blocks of service messages
- Travis CI: ``travis_fold`` of travis-build's shell functions

Pure: texts in, texts out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from monopod.runner.display.ci_systems import VARIABLES, is_set

Mark: TypeAlias = Callable[[str, str, int], str]
"""Makes a mark from a title, an identifier unique in the log, and the time in whole seconds."""


@dataclass(frozen=True, slots=True)
class Folding:
    """How one CI system folds. A mark is a whole line; an empty string means no mark.

    ``after`` is a heading for the lines after a fold, where a fold has no end mark and extends to the next heading.
    """

    begin: Mark
    end: Mark
    after: str = ""


def folding_of(environment: Mapping[str, str]) -> Folding | None:
    """Return how the CI system that runs this process folds; None outside CI, or if it does not fold."""
    known = [system for variable, system in VARIABLES.items() if is_set(environment, variable)]
    return _FOLDINGS[known[0]] if known else None


def identifier(title: str, number: int) -> str:
    """Return an identifier for a numbered fold, made of letters, digits, ``_``, ``-`` and ``.``."""
    return f"monopod_{number}_" + re.sub(r"[^A-Za-z0-9_.-]", "_", title)


def _no_mark(_title: str, _identifier: str, _now: int) -> str:
    return ""


def _github_begin(title: str, _identifier: str, _now: int) -> str:
    return "::group::" + title.replace("%", "%25")


def _github_end(_title: str, _identifier: str, _now: int) -> str:
    return "::endgroup::"


def _gitlab_begin(title: str, identifier: str, now: int) -> str:
    return f"\x1b[0Ksection_start:{now}:{identifier}\r\x1b[0K{title}"


def _gitlab_end(_title: str, identifier: str, now: int) -> str:
    return f"\x1b[0Ksection_end:{now}:{identifier}\r\x1b[0K"


def _azure_begin(title: str, _identifier: str, _now: int) -> str:
    return f"##[group]{title}"


def _azure_end(_title: str, _identifier: str, _now: int) -> str:
    return "##[endgroup]"


def _buildkite_begin(title: str, _identifier: str, _now: int) -> str:
    return f"--- {title}"


def _teamcity_begin(title: str, _identifier: str, _now: int) -> str:
    return f"##teamcity[blockOpened name='{teamcity_value(title)}']"


def _teamcity_end(title: str, _identifier: str, _now: int) -> str:
    return f"##teamcity[blockClosed name='{teamcity_value(title)}']"


def teamcity_value(text: str) -> str:
    """Return a text of one line as the value of a service message of TeamCity."""
    return re.sub(r"([|'\[\]])", r"|\1", text)


def _travis_begin(title: str, identifier: str, _now: int) -> str:
    return f"travis_fold:start:{identifier}\r\x1b[0K{title}"


def _travis_end(_title: str, identifier: str, _now: int) -> str:
    return f"travis_fold:end:{identifier}\r\x1b[0K"


_FOLDINGS = {
    "GitHub Actions": Folding(_github_begin, _github_end),
    "GitLab": Folding(_gitlab_begin, _gitlab_end),
    "Azure Pipelines": Folding(_azure_begin, _azure_end),
    "Buildkite": Folding(_buildkite_begin, _no_mark, after="+++ monopod"),
    "TeamCity": Folding(_teamcity_begin, _teamcity_end),
    "Travis CI": Folding(_travis_begin, _travis_end),
}
