"""Annotations: how a CI system shows that a Step failed, and where. They are documented in:

- GitHub Actions, and Gitea and Forgejo: "Workflow commands", setting an error message
- Azure Pipelines: "Logging commands", task.logissue
- TeamCity: "Service messages", reporting build problems

GitLab, Buildkite and Travis CI have no such commands in their logs.

Text from a Step is only ever data of a command: it is on one line, and every character with a meaning is escaped.

Pure: texts in, texts out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monopod.runner.display.folding import teamcity_value
from monopod.runner.display.printable import printable

MOST_ANNOTATIONS = 10
"""GitHub shows no more errors of one step of a job."""
_LONGEST_TEXT = 1000
"""Characters of a message."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """An error. ``file`` is relative to the root of the repository. What is not known is empty, or 0."""

    title: str
    text: str
    file: str = ""
    line: int = 0
    column: int = 0


def annotation_lines(system: str, annotations: Sequence[Annotation]) -> list[str]:
    """Return the commands for the log of a CI system; none if it has no such commands."""
    write = _COMMANDS.get(system)
    return [] if write is None else [write(_safe(annotation)) for annotation in annotations[:MOST_ANNOTATIONS]]


def _safe(annotation: Annotation) -> Annotation:
    """Return an annotation whose texts are one line each, without control characters, and not too long."""
    title, text, file = (
        printable(text[:_LONGEST_TEXT].replace("\n", " "), colours=False)
        for text in (annotation.title, annotation.text, annotation.file)
    )
    return Annotation(title, text, file, annotation.line, annotation.column)


def _github(annotation: Annotation) -> str:
    properties = [("file", annotation.file), ("line", annotation.line), ("col", annotation.column)]
    written = [f"{name}={_github_property(str(value))}" for name, value in properties if value]
    written.append(f"title={_github_property(annotation.title)}")
    return f"::error {','.join(written)}::{_github_text(annotation.text)}"


def _github_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_text(text).replace(":", "%3A").replace(",", "%2C")


def _azure(annotation: Annotation) -> str:
    places = [("sourcepath", annotation.file), ("linenumber", annotation.line), ("columnnumber", annotation.column)]
    properties = "".join(f"{name}={_azure_property(str(value))};" for name, value in places if value)
    return f"##vso[task.logissue type=error;{properties}]{_azure_text(f'{annotation.title}: {annotation.text}')}"


def _azure_text(text: str) -> str:
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def _azure_property(text: str) -> str:
    return _azure_text(text).replace("]", "%5D").replace(";", "%3B")


def _teamcity(annotation: Annotation) -> str:
    place = f"{annotation.file}:{annotation.line}: " if annotation.file else ""
    return f"##teamcity[buildProblem description='{teamcity_value(f'{place}{annotation.title}: {annotation.text}')}']"


_COMMANDS: dict[str, Callable[[Annotation], str]] = {
    "GitHub Actions": _github,
    "Azure Pipelines": _azure,
    "TeamCity": _teamcity,
}
