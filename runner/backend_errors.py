"""Why a backend cannot run a Pod. The texts are for a person, and say what to do instead."""

from __future__ import annotations

from collections.abc import Sequence


class BackendUnavailableError(Exception):
    """Nothing can be run with this backend. The text is for a person, and says what to do instead."""


class PodRefusedError(Exception):
    """The Pod needs something that is not available here, or refers to something missing. Nothing was started."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
