"""Credentials for a registry: from a Secret of Docker's types, or from ``docker login`` and ``podman login``.

Rules:

- The key of an entry is a registry, optionally with a path; the longest matching key counts. ``*`` in a host matches
  one label (Kubernetes docs, "Interpretation of config.json").
- ``credHelpers`` and ``credsStore`` programs are called, as in Docker.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.compiler.remote.reference import RemoteError, ResolverOptions
from monopod.system import foreign_json

_KEYS_OF_SECRETS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_HUB = ("index.docker.io", "docker.io", "registry-1.docker.io")
_HELPER_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Login:
    """A user and password, or a token instead; all empty for anonymous access."""

    user: str = ""
    password: str = ""
    identity_token: str = ""


NOBODY = Login()


def login_of_secret(name: str, param: str, context: str, options: ResolverOptions) -> Login:
    """Return a Secret's credentials for ``REGISTRY/REPOSITORY``. Raises RemoteError."""
    kind = options.secret(name, param).type or "Opaque"
    if kind not in _KEYS_OF_SECRETS:
        wanted = " or ".join(_KEYS_OF_SECRETS)
        raise RemoteError(f"the Secret '{name}' is of type {kind}; expected {wanted}", param)
    text = options.secret_value(name, _KEYS_OF_SECRETS[kind], param)
    try:
        content = foreign_json.loads(text)
    except ValueError as error:
        raise RemoteError(f"the Secret '{name}' is not JSON: {error}", param) from error
    login = _of_entries(content if kind.endswith("dockercfg") else _mapping(content, "auths"), context)
    if login is None:
        raise RemoteError(f"the Secret '{name}' has no entry for {context.partition('/')[0]}", param)
    return login


def login_of_user(context: str, environment: Mapping[str, str]) -> Login:
    """Return this user's credentials for ``REGISTRY/REPOSITORY``; empty if there are none."""
    for path in _files(environment):
        try:
            with open(path, encoding="utf-8") as file:
                content = foreign_json.loads(file.read())
        except (OSError, ValueError):
            continue
        login = _of_helper(content, context, environment) or _of_entries(_mapping(content, "auths"), context)
        if login is not None:
            return login
    return NOBODY


def docker_configuration(context: str, login: Login) -> str:
    """Return Docker's config.json with only one login, for ``REGISTRY/REPOSITORY``."""
    entry = {"identitytoken": login.identity_token} if login.identity_token else {}
    if login.user:
        entry["auth"] = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    return json.dumps({"auths": {context: entry}})


def _files(environment: Mapping[str, str]) -> Iterator[str]:
    yield os.path.join(environment.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "config.json")
    if file := environment.get("REGISTRY_AUTH_FILE"):
        yield file
    if directory := environment.get("XDG_RUNTIME_DIR"):
        yield os.path.join(directory, "containers", "auth.json")


def _mapping(content: Any, name: str) -> dict[str, Any]:
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, dict) else {}


def _of_entries(entries: Any, context: str) -> Login | None:
    fitting = [
        (len(_location(key)), entry)
        for key, entry in (entries if isinstance(entries, dict) else {}).items()
        if isinstance(entry, dict) and _fits(_location(key), context)
    ]
    for _, entry in sorted(fitting, key=lambda sized: -sized[0]):
        login = _of_entry(entry)
        if login is not None:
            return login
    return None


def _location(key: str) -> str:
    """Return the registry and the optional path in an entry's key, which may be a URL."""
    location = key.partition("://")[2] or key
    host, _, path = location.strip("/").partition("/")
    path = "" if path in {"v1", "v2"} else path
    host = _HUB[0] if host in _HUB else host
    return f"{host}/{path}".rstrip("/")


def _fits(location: str, context: str) -> bool:
    host, _, path = location.partition("/")
    registry, _, repository = context.partition("/")
    labels, wanted = host.split("."), registry.split(".")
    same = len(labels) == len(wanted) and all(map(fnmatch.fnmatchcase, wanted, labels))
    return same and (not path or repository == path or repository.startswith(f"{path}/"))


def _of_entry(entry: dict[str, Any]) -> Login | None:
    user, password = entry.get("username"), entry.get("password")
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
    token = entry.get("identitytoken")
    login = Login(str(user or ""), str(password or ""), str(token or ""))
    return None if login == NOBODY else login


def _of_helper(content: Any, context: str, environment: Mapping[str, str]) -> Login | None:
    """Return a helper program's credentials (docker-credential-helpers: ``get``, the registry on standard input)."""
    registry = context.partition("/")[0]
    hub = f"https://{_HUB[0]}/v1/"
    helpers = _mapping(content, "credHelpers")
    helper = helpers.get(registry) or (content.get("credsStore") if isinstance(content, dict) else None)
    if not isinstance(helper, str) or not helper or "/" in helper:
        return None
    import subprocess  # noqa: PLC0415  # most logins are in a file

    try:
        answer = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=(hub if registry == _HUB[0] else registry).encode(),
            env=dict(environment),
            capture_output=True,
            check=True,
            timeout=_HELPER_TIMEOUT,
        ).stdout
        entry = foreign_json.loads(answer)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    user, secret = str(_text(entry, "Username")), str(_text(entry, "Secret"))
    if user == "<token>":
        return Login(identity_token=secret)
    return Login(user, secret) if secret else None


def _text(entry: Any, name: str) -> str:
    value = entry.get(name) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""
