"""The Pod that this process runs in, as an object of the API server: changes its requests.

Standard library only. The token and the certificate of the CA are read for each request, since kubelet renews them.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from monopod.system import foreign_json

CREDENTIALS = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a container finds the token of its Pod's ServiceAccount, and the certificate of the API server's CA."""
ANSWER_SECONDS = 10.0
_STRATEGIC_MERGE = "application/strategic-merge-patch+json"
_TEMPORARY = frozenset({409, 429, 500, 502, 503, 504})
_UNKNOWN_RESOURCE = "could not find the requested resource"
_ADVICE = {
    403: "; its ServiceAccount needs a Role with the verb patch on pods/resize (docs/capacity.md)",
    404: "; only Kubernetes 1.33 or later has pods/resize",
    405: "; only Kubernetes 1.33 or later has pods/resize",
}
_LONGEST_ANSWER = 8 * 1024 * 1024


class RefusedError(Exception):
    """The API server refuses a request; the text says why. ``is_temporary``: the same request may succeed later."""

    def __init__(self, message: str, *, is_temporary: bool = False) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary


class OwnPod:
    """This Pod, as the API server knows it. `environment` has the server's address, and the Pod's name and uid."""

    def __init__(self, environment: Mapping[str, str], credentials: str = CREDENTIALS) -> None:
        self._host = environment.get("KUBERNETES_SERVICE_HOST", "")
        self._port = environment.get("KUBERNETES_SERVICE_PORT") or "443"
        namespace, name = environment.get("MONOPOD_NAMESPACE", ""), environment.get("MONOPOD_RUN_NAME", "")
        self._path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}"
        self._uid = environment.get("MONOPOD_RUN_UID", "")
        self._credentials = credentials

    def resize(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Change requests, and return the Pod. Raises RefusedError."""
        if not self._host or not self._port.isdecimal():
            address = f"{self._host}:{self._port}"
            raise RefusedError(f"KUBERNETES_SERVICE_HOST and _PORT are not the address of the API server: '{address}'")
        context, headers = self._login()
        body = json.dumps({"metadata": {"uid": self._uid}, "spec": spec})
        connection = http.client.HTTPSConnection(self._host, int(self._port), timeout=ANSWER_SECONDS, context=context)
        try:
            connection.request("PATCH", f"{self._path}/resize", body, {**headers, "Content-Type": _STRATEGIC_MERGE})
            response = connection.getresponse()
            status, answer = response.status, _object(response.read(_LONGEST_ANSWER))
        except ssl.SSLCertVerificationError as error:
            reason = getattr(error, "verify_message", None) or str(error)
            raise RefusedError(f"the API server cannot be trusted: {reason}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise RefusedError(f"the API server cannot be reached: {reason}", is_temporary=True) from error
        finally:
            connection.close()
        if not 200 <= status < 300:
            message = " ".join(str(answer.get("message") or f"HTTP status {status}").split())
            is_about_pod = status == 404 and _UNKNOWN_RESOURCE not in message
            advice = "" if is_about_pod else _ADVICE.get(status, "")
            raise RefusedError(f"{message}{advice}", is_temporary=status in _TEMPORARY)
        return answer

    def _login(self) -> tuple[ssl.SSLContext, dict[str, str]]:
        """Return what verifies the API server, and the headers that a request has. Raises RefusedError."""
        try:
            context = ssl.create_default_context(cafile=f"{self._credentials}/ca.crt")
            with open(f"{self._credentials}/token", encoding="ascii") as file:
                token = file.read().strip()
        except (OSError, ValueError) as error:
            raise RefusedError(f"cannot read the token in {self._credentials}: {error}") from error
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "monopod"}
        return context, headers


def _object(content: bytes) -> dict[str, Any]:
    try:
        answer = foreign_json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
