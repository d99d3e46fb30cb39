"""A registry that answers anything: every method of the store returns, or raises StoreError with one line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_entries import read_entry, save_entry

from monopod.system.caches import registry_artifacts, registry_client
from monopod.system.caches.entry_json import to_json
from monopod.system.caches.keys import Entry, Part
from monopod.system.caches.registry_client import Login
from monopod.system.caches.registry_store import RegistryStore
from monopod.system.caches.store import StoreError

VERSION = "0123456789abcdef"
ENTRY = Entry("go", VERSION, ("a",), 1.0, 1.0, 3, hashlib.sha256(b"one").hexdigest(), (Part("directory", 1),))
MANIFEST = {
    "annotations": {"dev.monopod.cache.entry": to_json(ENTRY)},
    "layers": [{"digest": f"sha256:{ENTRY.digest}", "size": ENTRY.size}],
}
URLS = st.sampled_from(
    [
        *(
            "",
            "/v2/a/x",
            "//x",
            "#",
            "https://[",
            "http://a:x/",
            "data:,x",
            "file:///etc/passwd",
            "ftp://a/",
            "\x7f",
            "é",
        ),
        *("http://HERE/x", "http://ELSEWHERE/x", "https:///", "http:///", "../..", "?n=1"),
    ]
)
HEADERS = st.one_of(
    st.tuples(st.just("Location"), URLS),
    st.tuples(st.just("Link"), URLS.map("<{}>; rel=next".format)),
    st.tuples(st.just("WWW-Authenticate"), URLS.map('Bearer realm="{}",service="s"'.format) | st.just("Basic")),
    st.tuples(st.just("Content-Length"), st.sampled_from(["0", "3", "-1", "x", "9" * 30, "1_0", "100000"])),
    st.tuples(st.just("Transfer-Encoding"), st.sampled_from(["chunked", "x"])),
)
STATUSES = st.sampled_from(
    [200, 200, 201, 202, 202, 204, 206, 301, 302, 303, 307, 400, 401, 401, 403, 404, 404, 405, 429, 500, 503, 199, 999]
)
BODIES = st.sampled_from(
    [
        *(b"", b"{}", b"[]", b"null", b"[" * 50_000, b"one", b"\xff\xfe\x00", json.dumps(MANIFEST).encode(), b"1e999"),
        *(b'{"tags": ["0123456789abcdef-go", 1, null]}', b'{"tags": {"a": 1}}'),
        *(b'{"token": "t"}', b'{"token": "\\ud800"}'),
        *(b'{"errors": [{"code": "A", "message": 5}]}', b'{"errors": [{"code": "A", "message": "\\ud800\\n"}]}'),
    ]
)
ANSWERS = st.tuples(STATUSES, st.lists(HEADERS, max_size=3), BODIES) | st.binary(max_size=20)


class Registry:
    """Answers the requests of any connection in turn, the last answer for ever; closes the connection after each."""

    def __init__(self):
        self.answers = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            connection, _ = self._socket.accept()
            with connection, contextlib.suppress(OSError):
                if not (request := connection.recv(1 << 16)):
                    return
                if not request.startswith(b"\x16"):  # else it asks with https first
                    connection.sendall(self._bytes(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]))
                    connection.shutdown(socket.SHUT_WR)

    def _bytes(self, answer):
        if isinstance(answer, bytes):
            return answer
        status, headers, body = answer
        fields = {"Content-Length": str(len(body)), **dict(headers)}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        here, elsewhere = f"127.0.0.1:{self.port}", f"localhost:{self.port}"
        head = head.replace("HERE", here).replace("ELSEW" + here, elsewhere)
        return f"HTTP/1.1 {status} \x1b[2J\r\n{head}\r\n".encode() + body

    def stop(self):
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def registry():
    registry = Registry()
    yield registry
    registry.stop()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(registry_artifacts.time, "sleep", lambda _: None)
    monkeypatch.setattr(registry_client, "_MOST_PAGES", 5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ANSWERS, min_size=1, max_size=6),
    st.sampled_from([Login(), Login("user", "password"), Login(identity_token="token")]),
)
def test_any_answer_is_an_error_or_harmless(registry, answers, login):
    uses = (
        lambda store: store.entries(),
        lambda store: store.find(VERSION, "x", ["g"]),
        lambda store: save_entry(store, "go", version=VERSION),
        lambda store: read_entry(store, ENTRY),
        lambda store: store.remove(ENTRY),
    )
    for use in uses:
        registry.answers = list(answers)
        try:
            use(RegistryStore(f"127.0.0.1:{registry.port}", "a", login))
        except StoreError as error:
            text = str(error)
            assert "\n" not in text
            assert len(text.encode()) < 1000
