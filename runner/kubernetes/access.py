"""How an API server is reached: its address, TLS, and who asks.

Rules:

- `FixedAccess` is for what most kubeconfigs and all Pods have: certificates, tokens and passwords. A token in a file is
  read again each minute, because it expires.
- `LibraryAccess` is for the rest: login programs, auth providers, proxies. Kubernetes' client library handles them. It
  is imported only then, and for commands in containers, because importing it takes longer than most requests.
- Private keys in a kubeconfig are never written to a disk.

Left to others: finding the context (``kubeconfig``), requests (``cluster``).
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import urllib3

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.kubernetes.kubeconfig import DEFAULT_FILE, Context, Section, find_context

STREAMS = 256
"""How many connections may be open at the same time."""

_TOKEN_SECONDS = 60.0
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_OF_CLUSTERS = frozenset(
    {"server", "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name"}
)
_OF_USERS = frozenset(
    {"client-certificate", "client-certificate-data", "client-key", "client-key-data"}
    | {"token", "tokenFile", "username", "password"}
)
_PROXIES = ("https_proxy", "http_proxy", "all_proxy")


class Access(Protocol):
    """A way to an API server."""

    @property
    def host(self) -> str:
        """The address, without a slash at its end."""

    def authorization(self) -> str | None:
        """Return the header that says who asks. May raise any exception."""

    def pool(self) -> urllib3.PoolManager:
        """Return a pool of connections."""

    def configuration(self) -> Any:
        """Return the same as a configuration of Kubernetes' client library."""


class Tls(NamedTuple):
    """The files and settings of TLS; without `ca_file`, the system's authorities count."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verifies: bool = True
    server_name: str | None = None


class FixedAccess:
    """Access with credentials that are in files or in the kubeconfig."""

    def __init__(self, host: str, tls: Tls, authorization: str | None = None, token_file: str | None = None) -> None:
        self.host = host
        self._tls = tls
        self._authorization = authorization
        self._token_file = token_file
        self._read_at = -_TOKEN_SECONDS

    def authorization(self) -> str | None:
        """Return the header; read the file of the token again if a minute has passed. Raises OSError."""
        now = time.monotonic()
        if self._token_file is not None and now - self._read_at >= _TOKEN_SECONDS:
            with open(self._token_file, encoding="utf-8") as file:
                self._authorization = f"Bearer {file.read().strip()}"
            self._read_at = now
        return self._authorization

    def pool(self) -> urllib3.PoolManager:
        """Return a pool of connections."""
        tls = self._tls
        settings: dict[str, Any] = {
            "cert_reqs": "CERT_REQUIRED" if tls.verifies else "CERT_NONE",
            "ca_certs": tls.ca_file,
            "cert_file": tls.cert_file,
            "key_file": tls.key_file,
        }
        if tls.server_name is not None:
            settings["server_hostname"] = tls.server_name
        return urllib3.PoolManager(maxsize=STREAMS, **settings)

    def configuration(self) -> Any:
        """Return the same as a configuration of Kubernetes' client library."""
        from kubernetes import client  # noqa: PLC0415  # slow to import

        configuration = client.Configuration(host=self.host)
        configuration.ssl_ca_cert, configuration.verify_ssl = self._tls.ca_file, self._tls.verifies
        configuration.cert_file, configuration.key_file = self._tls.cert_file, self._tls.key_file
        configuration.tls_server_name = self._tls.server_name
        return configuration


class LibraryAccess:
    """Access as Kubernetes' client library finds it."""

    def __init__(self, context: Context) -> None:
        """Raises BackendUnavailableError."""
        from kubernetes import client, config  # noqa: PLC0415  # slow to import

        self._configuration = client.Configuration()
        self._configuration.retries = 0
        self._configuration.connection_pool_maxsize = STREAMS
        try:
            config.load_kube_config(context.files, context.name, self._configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise unusable(str(error)) from error

    @property
    def host(self) -> str:
        """The address."""
        return str(self._configuration.host)

    def authorization(self) -> str | None:
        """Return the header; log in again if that has expired. A login plugin may raise any exception."""
        settings: Mapping[str, Any] = self._configuration.auth_settings()
        values = (setting["value"] for setting in settings.values() if setting["in"] == "header")
        return next((value for value in values if value), None)

    def pool(self) -> urllib3.PoolManager:
        """Return a pool of connections."""
        from kubernetes.client import rest  # noqa: PLC0415  # slow to import

        pool: urllib3.PoolManager = rest.RESTClientObject(self._configuration).pool_manager
        return pool

    def configuration(self) -> Any:
        """Return the configuration."""
        return self._configuration


def unusable(why: str) -> BackendUnavailableError:
    """Return the error that a kubeconfig cannot be used."""
    return BackendUnavailableError(f"the kubeconfig cannot be used: {' '.join(why.split())}")


def find_access(wanted: str | None, environment: Mapping[str, str]) -> tuple[Access, str, str, str]:
    """Return the access of a context, the name of the cluster for people, the default namespace, and the context.

    Without a wanted context it is the current one, or the cluster of this process's Pod, which has no context. Raises
    BackendUnavailableError.
    """
    files = environment.get("KUBECONFIG")
    if wanted is None and _is_in_pod(environment, files):
        return _access_in_pod(environment), "the cluster of this Pod", _namespace_in_pod(), ""
    context = find_context(files or DEFAULT_FILE, wanted)
    if context.cluster is None:
        raise unusable(f"context '{context.name}' names a cluster that is not there")
    access = _access(context, context.cluster, environment)
    return access, f"cluster of context '{context.name}' ({access.host})", context.namespace, context.name


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether there is a kubeconfig, or this process runs in a Pod."""
    files = environment.get("KUBECONFIG")
    paths = (files or DEFAULT_FILE).split(os.pathsep)
    return _is_in_pod(environment, files) or any(os.path.exists(os.path.expanduser(path)) for path in paths if path)


def _access(context: Context, cluster: Section, environment: Mapping[str, str]) -> Access:
    user = context.user or Section("", {}, "")
    has_proxy = any(environment.get(name) or environment.get(name.upper()) for name in _PROXIES)
    is_fixed = cluster.fields.keys() <= _OF_CLUSTERS and user.fields.keys() <= _OF_USERS and not has_proxy
    if not is_fixed or not cluster.fields.get("server"):
        return LibraryAccess(context)
    host = str(cluster.fields["server"]).rstrip("/")
    server_name = cluster.fields.get("tls-server-name")
    tls = Tls(
        _content(cluster, "certificate-authority"),
        _content(user, "client-certificate"),
        _content(user, "client-key"),
        not cluster.fields.get("insecure-skip-tls-verify"),
        None if server_name is None else str(server_name),
    )
    return FixedAccess(host, tls if host.startswith("https") else Tls(), *_credentials(user))


def _credentials(user: Section) -> tuple[str | None, str | None]:
    """Return the header that says who asks, and the file of a token."""
    if user.fields.get("token"):
        return f"Bearer {user.fields['token']}", None
    token_file = user.file("tokenFile")
    if token_file is not None:
        return None, _existing(token_file)
    if "username" in user.fields and "password" in user.fields:
        pair = f"{user.fields['username']}:{user.fields['password']}".encode()
        return f"Basic {base64.b64encode(pair).decode()}", None
    return None, None


def _content(section: Section, name: str) -> str | None:
    """Return the path of a file with what a field, or the field with ``-data``, holds; the data is only in memory."""
    data = section.fields.get(f"{name}-data")
    if not data:
        path = section.file(name)
        return None if path is None else _existing(path)
    try:
        content = base64.b64decode(str(data), validate=True)
    except binascii.Error as error:
        raise unusable(f"{name}-data of '{section.name}' is not base64") from error
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)  # open for as long as this process, which may connect again
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return f"/proc/self/fd/{descriptor}"


def _existing(path: str) -> str:
    if not os.path.isfile(path):
        raise unusable(f"there is no file {path}")
    return path


def _is_in_pod(environment: Mapping[str, str], files: str | None) -> bool:
    return (
        files is None
        and "KUBERNETES_SERVICE_HOST" in environment
        and not os.path.exists(os.path.expanduser(DEFAULT_FILE))
    )


def _access_in_pod(environment: Mapping[str, str]) -> FixedAccess:
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT") or "443"
    address = f"[{host}]" if ":" in host else host
    tls = Tls(_existing(f"{_ACCOUNT}/ca.crt"))
    return FixedAccess(f"https://{address}:{port}", tls, token_file=_existing(f"{_ACCOUNT}/token"))


def _namespace_in_pod() -> str:
    try:
        with open(f"{_ACCOUNT}/namespace", encoding="utf-8") as file:
            return file.read().strip() or "default"
    except OSError:
        return "default"
