"""What the coordinator makes of the answers to a request for its own Pod."""

from __future__ import annotations

import io
import json
import ssl

import pytest
from own_certificate import certificate

from monopod.coordinator.capacity import own_pod
from monopod.coordinator.capacity.own_pod import OwnPod, RefusedError

ADDRESS = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
SPEC = {"containers": []}


class Connection:
    """A connection to an API server that answers with this, or fails."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []

    def __call__(self, host, port, **_):
        self.address = (host, port)
        return self

    def request(self, method, path, body, headers):
        self.requests.append((method, path, json.loads(body), headers["Content-Type"]))
        if isinstance(self.answer, Exception):
            raise self.answer

    def getresponse(self):
        status, content = self.answer
        response = io.BytesIO(content if isinstance(content, bytes) else json.dumps(content).encode())
        response.status = status
        return response

    def close(self):
        pass


@pytest.fixture
def resize(monkeypatch, tmp_path):
    certificate(tmp_path)
    (tmp_path / "token").write_text("t")
    run = {"MONOPOD_NAMESPACE": "ci", "MONOPOD_RUN_NAME": "build-x", "MONOPOD_RUN_UID": "u"}

    def resize(answer, environment=ADDRESS):
        connection = Connection(answer)
        monkeypatch.setattr(own_pod.http.client, "HTTPSConnection", connection)
        return OwnPod({**run, **environment}, str(tmp_path)).resize(SPEC), connection

    return resize


def test_change_is_a_patch_of_this_pod_only(resize):
    pod, connection = resize((200, {"kind": "Pod"}))
    assert pod == {"kind": "Pod"}
    assert connection.address == ("fd00::1", 443)
    path, body = "/api/v1/namespaces/ci/pods/build-x/resize", {"metadata": {"uid": "u"}, "spec": SPEC}
    assert connection.requests == [("PATCH", path, body, "application/strategic-merge-patch+json")]


def refused(message):
    return {"kind": "Status", "message": message}


@pytest.mark.parametrize(
    ("answer", "words", "is_temporary"),
    [
        ((403, refused("forbidden")), "forbidden; its ServiceAccount needs a Role with the verb patch", False),
        ((404, refused('pods "build-x" not found')), 'pods "build-x" not found', False),
        (
            (404, refused("the server could not find the requested resource")),
            "the server could not find the requested resource; only Kubernetes 1.33 or later has pods/resize",
            False,
        ),
        ((405, b"no"), "HTTP status 405; only Kubernetes 1.33 or later has pods/resize", False),
        ((422, refused("Pod QOS Class may not change")), "Pod QOS Class may not change", False),
        ((409, refused("the object has been\nmodified")), "the object has been modified", True),
        ((429, refused("too many requests")), "too many requests", True),
        ((500, b"<html>"), "HTTP status 500", True),
        ((302, b""), "HTTP status 302", False),
        (ConnectionRefusedError(111, "Connection refused"), "cannot be reached: Connection refused", True),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "cannot be reached: EOF occurred", True),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "cannot be trusted", False),
    ],
)
def test_refusal_says_why_and_whether_it_passes(resize, answer, words, is_temporary):
    with pytest.raises(RefusedError) as raised:
        resize(answer)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.is_temporary is is_temporary


@pytest.mark.parametrize("address", [{}, {**ADDRESS, "KUBERNETES_SERVICE_PORT": "tcp://10.0.0.1:443"}])
def test_pod_without_the_address_of_the_server_makes_no_request(resize, address):
    with pytest.raises(RefusedError, match="are not the address of the API server") as raised:
        resize((200, {}), address)
    assert not raised.value.is_temporary
