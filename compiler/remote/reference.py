"""A request to a resolver, and its answer.

Left to others: choosing the resolver (``resolution``), the params in the documents (``remote_documents``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.remote.cache import Cache
from monopod.schemas.kubernetes.objects import Secret

Kind: TypeAlias = Literal["Pipeline", "Task", "StepAction"]

MAX_DOCUMENT_BYTES = 10 * 1024 * 1024
"""The size limit of a document, as for files (``documents``)."""
TIMEOUT = 60.0
"""The timeout of one answer in seconds, as in Tekton (docs/git-resolver.md, ``fetch-timeout``)."""


class RemoteError(Exception):
    """A reference could not be resolved. The text is one line; `param` is the wrong param, if there is one."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class RemoteReference:
    """A kind of document, and the resolver that fetches it by these params, in which all references are replaced."""

    kind: Kind
    resolver: str
    params: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """Return a param; an empty one counts as missing, as in Tekton."""
        return dict(self.params).get(name) or default

    def required(self, name: str) -> str:
        """Return a param. Raises RemoteError if it is missing."""
        value = self.get(name)
        if not value:
            raise RemoteError(f"the resolver {self.resolver} needs the param '{name}'")
        return value

    def one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return a param that must have one of these values. Raises RemoteError if it has another."""
        value = self.get(name, default)
        if value not in choices:
            hint = did_you_mean(value, choices)
            raise RemoteError(f"'{value}' is not one of {', '.join(choices)}{hint}", name)
        return value


Layout: TypeAlias = Literal["path", "below", "catalog", "named"]
"""Where a document is in a directory: at a path; at what the pattern's ``*`` stands for; as in Tekton's catalog, at
``<kind>/<name>/<version>/<name>.yaml``; or anywhere below it, found by kind and name."""


@dataclass(frozen=True, slots=True)
class Address:
    """What a reference names, known from its params alone.

    `names` are the texts that a pattern of ``--resolve`` can match, the most usual one first. `path`, or `kind`, `name`
    and `version`, say which document it is. `param` is the param that is wrong if there is no such document.
    """

    resolver: str
    names: tuple[str, ...]
    layout: Layout
    param: str
    path: str = ""
    kind: str = ""
    name: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class RefSource:
    """The source of a document, as Tekton records it (``RefSource`` of its v1 API)."""

    uri: str
    digest: tuple[tuple[str, str], ...]
    entry_point: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not empty."""
        fields = {"uri": self.uri, "digest": dict(self.digest), "entryPoint": self.entry_point}
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A document that was fetched or read. `origin` is its name in messages, instead of a file name.

    `name` is its name if the content may have other documents; otherwise the first document counts, as in Tekton.
    `is_in_project`: a rule of the repository's ``monopod.yaml`` named the directory.
    """

    content: bytes
    origin: str
    source: RefSource
    warnings: tuple[str, ...] = ()
    name: str = ""
    is_in_project: bool = False


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """What resolvers may use: the Secrets in the documents, a kubectl context, the cache, the environment."""

    cache: Cache
    environment: Mapping[str, str]
    context: str | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def secret(self, name: str, param: str) -> Secret:
        """Return a Secret that `param` names. Raises RemoteError if it is not in the documents."""
        if name not in self.secrets:
            hint = did_you_mean(name, self.secrets)
            raise RemoteError(f"there is no Secret '{name}' in the documents{hint}; add its file with -f", param)
        return self.secrets[name]

    def secret_value(self, name: str, key: str, param: str) -> str:
        """Return the text of one key of a Secret that `param` names. Raises RemoteError if it is missing."""
        secret = self.secret(name, param)
        if key in secret.string_data:
            return secret.string_data[key]
        if key not in secret.data:
            hint = did_you_mean(key, {*secret.data, *secret.string_data})
            raise RemoteError(f"the Secret '{name}' has no key '{key}'{hint}", param)
        try:
            return base64.b64decode(secret.data[key], validate=False).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RemoteError(f"the key '{key}' of the Secret '{name}' is not base64 of a UTF-8 text", param) from error
