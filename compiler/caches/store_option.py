"""Where the caches of a run are kept: ``--cache-store``, ``MONOPOD_CACHE_STORE`` or ``monopod.dev/cache-store``.

Rules: as with ``-w``, a directory of this machine starts with ``.``, ``/`` or ``~``. ``-`` turns caching off.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from monopod.compiler.remote.image_name import ImageName
from monopod.schemas.formats.image_names import LONGEST_NAME
from monopod.schemas.formats.object_names import subdomain_problem
from monopod.schemas.formats.utf8 import checked_utf8

VARIABLE = "MONOPOD_CACHE_STORE"
OPTION = "--cache-store"
LOGIN_OBJECT: Final = "monopod-cache-login"
"""The Secret with the user's login, which only a Pod on this machine has."""

Kind: TypeAlias = Literal["off", "directory", "claims", "registry"]


@dataclass(frozen=True, slots=True)
class CacheStore:
    """A store.

    ``names`` are: a directory of the node (absolute), claims of which a run uses one, or ``REGISTRY/REPOSITORY``.
    ``secret`` is the Secret with the credentials for the registry; `login`, instead, is its content: Docker's
    config.json. ``option`` is how the user wrote it.
    """

    kind: Kind
    names: tuple[str, ...] = ()
    secret: str = ""
    option: str = ""
    login: str = field(default="", repr=False)


OFF = CacheStore("off")


def login_secret(store: CacheStore | None) -> dict[str, Any] | None:
    """Return the Secret with the user's login for a registry, for a Pod on this machine; None if it needs none."""
    if store is None or not store.login:
        return None
    content = base64.b64encode(store.login.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": LOGIN_OBJECT},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": content},
    }


def parse_store(text: str) -> CacheStore:
    """Return the store that a text names. Raises ValueError."""
    if text == "-":
        return CacheStore("off", option=text)
    kind, _, rest = text.partition(":")
    if text.startswith((".", "/", "~")):
        return CacheStore("directory", (_path(text),), option=text)
    if kind == "hostPath" and rest:
        return CacheStore("directory", (_path(rest),), option=text)
    if kind == "pvc" and rest:
        return CacheStore("claims", tuple(map(_claim, rest.split(","))), option=text)
    if kind == "oci" and rest:
        repository, secret = parse_registry(rest, "oci:")
        return CacheStore("registry", (repository,), secret, option=text)
    raise ValueError(
        f"expected a directory (./DIR, /DIR), hostPath:DIR, pvc:CLAIM[,CLAIM...], oci:REGISTRY/REPOSITORY or - for "
        f"no caching, got '{text}'"
    )


def _path(text: str) -> str:
    return checked_utf8(os.path.abspath(os.path.expanduser(text)))


def _claim(name: str) -> str:
    if (problem := subdomain_problem(name)) is not None:
        raise ValueError(problem)
    return name


def parse_registry(text: str, prefix: str = "") -> tuple[str, str]:
    """Return the repository and the name of the Secret in ``REGISTRY/REPOSITORY[,secret=NAME]``.

    Raises ValueError, with the text after a `prefix`.
    """
    repository, _, option = text.partition(",")
    try:
        name = ImageName.parse(repository)
    except ValueError:
        form = f"{prefix}REGISTRY/REPOSITORY[,secret=NAME] in lower case, without https://"
        raise ValueError(f"expected {form}, got '{prefix}{text}'") from None
    if "@" in repository or ":" in repository.rpartition("/")[2]:
        raise ValueError(f"expected {prefix}REGISTRY/REPOSITORY without tag and digest, got '{prefix}{repository}'")
    if "/" not in repository:
        raise ValueError(f"expected {prefix}REGISTRY/REPOSITORY, got '{prefix}{repository}' without a registry")
    if not _is_address(name.registry):
        raise ValueError(f"'{name.registry}' is not an address of a registry; expected HOST or HOST:PORT, up to 65535")
    if len(name.context) > LONGEST_NAME:
        message = f"the name of the repository has {len(name.context)} characters with the registry"
        raise ValueError(f"{message}; registries take {LONGEST_NAME}, so use a shorter one")
    return name.context, _secret(option, prefix)


def _is_address(registry: str) -> bool:
    try:
        return urlsplit(f"//{registry}").port != 0
    except ValueError:
        return False


def _secret(option: str, prefix: str) -> str:
    if not option:
        return ""
    key, _, name = option.partition("=")
    if key != "secret" or not name:
        raise ValueError(f"expected {prefix}REGISTRY/REPOSITORY,secret=NAME, got ',{option}'")
    if (problem := subdomain_problem(name)) is not None:
        raise ValueError(problem)
    return name
