"""Why the host backend cannot run a Pod. The text of each error is for the person who asked for it."""

from __future__ import annotations


class HostUnavailableError(Exception):
    """This machine does not let the caller run containers. The text says what to use instead."""


class PodRefusedError(Exception):
    """The Pod asks for what cannot be had here, or refers to what is not there. Nothing was started."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
