"""Pipelines-as-Code: the values of ``{{ revision }}`` and its other variables in the files of ``.tekton``.

Rules (Pipelines-as-Code docs, creating-pipelines, dynamic variables):

- A file belongs to it if it is in a directory ``.tekton``, or if an object in it has one of its annotations.
- A variable has the value of ``-p NAME=VALUE``, else its value in the git checkout around the file, as a push of the
  current branch would have it. A variable of the event without a value is an error.
- Unknown names in ``{{ }}`` stay as text, as they do there.
- The annotations ``task``, ``task-1`` … list Tasks, in brackets or not, ``pipeline`` a Pipeline: a file of the
  repository by its path from the root, a URL, or a name in the hub (pkg/matcher/annotation_tasks_install.go).
- A path in an annotation of a Pipeline at a URL is relative to that URL.

Left to others: asking git (``git_checkout``), fetching (``remote``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import urljoin

from monopod.compiler.documents.plain_texts import replace_texts
from monopod.compiler.documents.validation import Complaint
from monopod.schemas.model import Path

DIRECTORY = ".tekton"
OF_CHECKOUT = frozenset(
    {
        *("revision", "repo_url", "repo_owner", "repo_name", "source_url", "source_branch", "target_branch"),
        *("git_tag", "sender"),
    }
)
"""Variables that a git checkout has values of."""

_PREFIX = "pipelinesascode.tekton.dev/"
_NAMED = re.compile(re.escape(_PREFIX) + r"(?:(?P<task>task)(?:-\d+)?|pipeline)")
_FILE = re.compile(r"/|\.ya?ml$")
_DEFAULT_HUB = "default://"
_PLACEHOLDER = re.compile(r"\{\{([^}]{2,})\}\}")
_ANY_VERSION = ">= 0"
_OF_PUSH = {"event": "push", "event_type": "push", "trigger_comment": "", "pull_request_labels": ""}
"""Variables that are the same for each push."""
_OF_EVENT = frozenset({"git_auth_secret", "pull_request_number", "target_namespace"})
_EVENT_PARTS = re.compile(r"(?:body|headers|files)\b|cel:")

Lookup = Callable[[str], str]
"""Returns the value of a variable of the checkout. Raises ValueError with the reason why it has none."""


@dataclass(frozen=True, slots=True)
class Named:
    """A Task or Pipeline that an annotation names, and the path of the annotation."""

    kind: Literal["Task", "Pipeline"]
    text: str
    path: Path

    @property
    def is_file(self) -> bool:
        """Whether it is a path."""
        return "://" not in self.text and _FILE.search(self.text) is not None

    def reference(self, base: str = "") -> dict[str, Any]:
        """Return the fields of Tekton's reference for it; a path is relative to the URL `base`.

        Raises ValueError if it is in a hub that only a cluster knows.
        """
        if self.is_file or self.text.startswith(("https://", "http://")):
            return {"resolver": "http", "params": [{"name": "url", "value": urljoin(base, self.text)}]}
        name, _, version = self.text.removeprefix(_DEFAULT_HUB).partition(":")
        if "://" in self.text and not self.text.startswith(_DEFAULT_HUB):
            raise ValueError(
                f"'{self.text}' is in a hub that is set up in a cluster; give the file with -f, or use the resolver "
                "hub with its url"
            )
        params = {"name": name, "kind": self.kind.lower(), "version": version or _ANY_VERSION}
        return {"resolver": "hub", "params": [{"name": each, "value": value} for each, value in params.items()]}


def named_in(data: Any) -> Iterator[Named]:
    """Yield what the annotations of an object name."""
    for name, value in _annotations(data).items():
        match = _NAMED.fullmatch(str(name))
        if match is not None and isinstance(value, str):
            for entry in filter(None, map(str.strip, value.strip().removeprefix("[").removesuffix("]").split(","))):
                yield Named("Task" if match["task"] else "Pipeline", entry, ("metadata", "annotations", name))


def root_of(file: str) -> str:
    """Return the directory that paths in annotations begin at: the parent of ``.tekton``, else the file's own."""
    parts = PurePath(file).parts
    if DIRECTORY in parts:
        return str(PurePath(*parts[: parts.index(DIRECTORY)]))
    return str(PurePath(file).parent)


def is_of_pipelines_as_code(file: str, objects: list[Any]) -> bool:
    """Return whether a file belongs to Pipelines-as-Code."""
    return DIRECTORY in PurePath(file).parts or any(
        str(name).startswith(_PREFIX) for data in objects for name in _annotations(data)
    )


def _annotations(data: Any) -> dict[Any, Any]:
    metadata = data.get("metadata") if isinstance(data, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


@dataclass
class Variables:
    """Replaces the variables in the objects of one file.

    `used` are the variables that have a value from `given`; `complaints` are what is wrong in the object at hand.
    """

    given: Mapping[str, str]
    lookup: Lookup
    used: set[str] = field(default_factory=set)
    complaints: list[Complaint] = field(default_factory=list)

    def fill(self, value: Any) -> Any:
        """Return plain data with the values of variables in its texts."""
        return replace_texts(value, (), self._text)

    def _text(self, text: str, path: Path) -> str:
        return _PLACEHOLDER.sub(lambda match: self._value(match, path), text) if "{{" in text else text

    def _value(self, match: re.Match[str], path: Path) -> str:
        name = match[1].strip()
        if name in self.given:
            self.used.add(name)
            return self.given[name]
        if name in _OF_PUSH:
            return _OF_PUSH[name]
        try:
            if name in OF_CHECKOUT:
                return self.lookup(name)
            if name in _OF_EVENT or _EVENT_PARTS.match(name):
                raise ValueError("it is a part of the event, and there is none")
        except ValueError as error:
            way_out = f"give it with -p '{name}=…'" if "=" not in name else "write a value in the file"
            message = f"{{{{ {name} }}}} has no value: {error}; {way_out}"
            self.complaints.append(Complaint(path, message, "missing-param"))
        return match[0]
