"""A store in Debian's docker-registry: the same promises as a directory's."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import http.server
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
from email.message import Message
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_certificate import untrusted_server
from registry_server import HTPASSWD
from store_entries import read_entry as read
from store_entries import save_entry

from monopod.system.caches import registry_artifacts, registry_client
from monopod.system.caches.keys import Entry
from monopod.system.caches.registry_artifacts import escaped, is_busy, tag_of
from monopod.system.caches.registry_client import AnswerError, Login, RegistryClient, UnreachableError, login_in
from monopod.system.caches.registry_store import RegistryStore, _may_start_with
from monopod.system.caches.store import AwayError, StoreError
from monopod.system.http_login import basic

VERSION = "0123456789abcdef"
save = partial(save_entry, version=VERSION)


@pytest.fixture
def store(registry):
    return RegistryStore(registry.host, "team/cache", Login())


def test_an_entry_is_found_by_its_key_and_by_a_prefix(store):
    assert store.find(VERSION, "go 1/x", ["go "]) is None
    saved = save(store, "go 1/x", b"one" * 100_000)
    assert store.find(VERSION, "go 1/x", []) == saved
    assert store.find(VERSION, "go 2", ["go "]) == saved
    assert store.find("f" * 16, "go 1/x", ["go "]) is None
    assert read(store, saved) == b"one" * 100_000
    assert store.has(VERSION, "go 1/x")
    assert not store.has(VERSION, "go")


def test_the_newest_entry_with_the_prefix_is_found(store):
    for number in (2, 1, 3):
        save(store, f"go-{number}", b"%d" % number)
    assert store.find(VERSION, "go-", []).key == "go-3"
    assert [entry.key for entry in store.entries()] == ["go-3", "go-1", "go-2"]


def test_a_key_that_exists_is_not_saved_again(store):
    save(store, "go", b"one")
    assert save(store, "go", b"two") is None
    assert read(store, store.find(VERSION, "go", [])) == b"one"


def test_long_keys_with_the_same_beginning_are_different_entries(store):
    first, second = "é" * 500 + "1", "é" * 500 + "2"
    save(store, first, b"one")
    save(store, second, b"two")
    assert read(store, store.find(VERSION, first, [])) == b"one"
    assert store.find(VERSION, "é" * 501, ["é" * 500]).key == second
    assert store.find(VERSION, "x", ["é" * 500 + "1"]).key == first


def test_of_many_that_save_one_key_one_leaves_a_whole_entry(registry):
    def contend(number):
        save(RegistryStore(registry.host, "team/cache", Login()), "go", b"%d" % number * 100_000)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = RegistryStore(registry.host, "team/cache", Login())
    (entry,) = store.entries()
    content = read(store, entry)
    assert content == content[:1] * 100_000


@pytest.fixture
def refusals(monkeypatch):
    """Statuses and codes with which the registry refuses the next manifests, as while another run pushes the same."""
    errors = []
    put = RegistryClient.put

    def refuse_or_put(client, path, *arguments):
        if errors:
            raise AnswerError("refused", *errors.pop(0))
        put(client, path, *arguments)

    monkeypatch.setattr(RegistryClient, "put", refuse_or_put)
    monkeypatch.setattr(registry_artifacts.time, "sleep", lambda _: None)
    return errors


CONTENDED = (400, "DIGEST_INVALID")


def test_an_entry_is_pushed_again_while_another_run_is_pushing_a_part_of_it(store, refusals):
    refusals[:] = [CONTENDED, (500,), (404, "BLOB_UNKNOWN"), (429,), (503,)]
    saved = save(store, "go", b"one")
    assert store.find(VERSION, "go", []) == saved
    assert read(store, saved) == b"one"


@pytest.mark.parametrize(
    "errors", [[(403, "DENIED")], [(400, "NAME_INVALID")], [(404, "NAME_UNKNOWN")], [(400,)], [CONTENDED] * 6]
)
def test_a_registry_that_goes_on_refusing_an_entry_says_so(store, refusals, errors):
    refusals[:] = errors
    with pytest.raises(StoreError, match="refused"):
        save(store, "go", b"one")
    assert refusals == []
    assert not store.has(VERSION, "go")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ('{"code": "UNKNOWN"}', "UNKNOWN"),
        ('{"code": "DENIED", "message": "no space\\n left"}', r"DENIED \(no space left\)"),
        ('{"code": "UNKNOWN", "message": "' + 300 * "x" + '"}', r"UNKNOWN \(x{200}\)"),
    ],
)
def test_an_error_of_the_registry_has_its_code_and_message(hostile, error, said):
    hostile.answer = (500, {}, f'{{"errors": [{error}]}}'.encode())
    with pytest.raises(StoreError, match=rf"answered 500 Internal Server Error: {said}$"):
        RegistryStore(f"127.0.0.1:{hostile.server_port}", "a", Login()).entries()


KILLED = """
import os, signal, sys
from monopod.system.caches.registry_client import Login, RegistryClient
from monopod.system.caches.registry_store import RegistryStore
from monopod.system.caches.keys import Part
from monopod.system.caches.store import Draft
RegistryClient.put = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
def pack(write):
    write(b"content")
    return (Part("directory", 1),)
RegistryStore(sys.argv[1], "team/cache", Login()).save(Draft("go-1", "0123456789abcdef", ()), pack)
"""


def test_a_process_that_is_killed_after_pushing_the_content_leaves_no_entry(registry, store):
    killed = subprocess.run([sys.executable, "-c", KILLED, registry.host], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert store.entries() == []
    assert save(store, "go-1") is not None


def test_an_entry_can_be_removed(store):
    entry = save(store, "go")
    save(store, "other")
    store.remove(entry)
    assert [entry.key for entry in store.entries()] == ["other"]
    store.remove(entry)
    assert save(store, "go") is not None


def test_a_registry_that_cannot_delete_says_so(start_registry):
    store = RegistryStore(start_registry(deletes="false").host, "team/cache", Login())
    with pytest.raises(StoreError, match="does not allow to delete"):
        store.remove(save(store, "go"))


def test_other_images_in_the_repository_are_no_entries(registry, store):
    registry.pusher.image("team/cache", "latest", {})
    registry.pusher.image("team/cache", f"{VERSION}-go", {})
    assert store.entries() == []
    assert store.find(VERSION, "go", ["g"]) is None


def test_a_registry_with_a_password(start_registry, tmp_path):
    registry = start_registry(HTPASSWD)
    with pytest.raises(StoreError, match="the registry requires a login"):
        RegistryStore(registry.host, "team/cache", Login()).entries()
    with pytest.raises(StoreError, match="the registry refuses these credentials: 401 Unauthorized"):
        RegistryStore(registry.host, "team/cache", Login("builder", "wrong")).entries()
    store = RegistryStore(registry.host, "team/cache", Login("builder", "secret"))
    assert read(store, save(store, "go", b"one")) == b"one"


def test_a_password_is_not_sent_without_encryption():
    client = RegistryClient("10.0.0.1:5000", "a", Login("builder", "secret"))
    with pytest.raises(
        StoreError, match=r"^10\.0\.0\.1:5000/a: the registry wants a password without encryption; use "
    ):
        client._authorized('Basic realm="x"', "http://10.0.0.1:5000/v2/a/")
    assert client._authorized('Basic realm="x"', "https://10.0.0.1:5000/v2/a/").startswith("Basic ")


def test_a_registry_that_is_gone_says_so(registry, store):
    entry = save(store, "go")
    registry.stop()
    uses = (
        store.entries,
        lambda: store.find(VERSION, "x", []),
        lambda: save(store, "x"),
        lambda: read(store, entry),
    )
    for use in uses:
        with pytest.raises(StoreError, match="cannot be reached: Connection refused"):
            use()


def test_a_registry_that_was_away_is_asked_with_encryption_again(monkeypatch):
    asked = []

    def refuse(request, _seconds):
        asked.append(request.full_url.partition(":")[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(registry_client, "_open", refuse)
    client = RegistryClient("registry.svc", "team/cache", Login())
    for _ in range(2):
        with pytest.raises(UnreachableError, match="Connection refused"):
            client.get("tags/list")
    assert asked == ["https", "http"] * 2


@pytest.fixture
def asked(monkeypatch):
    """Requests by scheme; `asked.answers` are the answers of each in turn: a challenge, or an error."""

    class Requests(list):
        answers = None

    requests = Requests()

    def answer(request, _seconds):
        scheme = request.full_url.partition(":")[0]
        requests.append((request.full_url, request.get_header("Authorization")))
        found = requests.answers[scheme].pop(0)
        if isinstance(found, OSError):
            raise found
        headers = Message()
        headers["WWW-Authenticate"] = found
        raise urllib.error.HTTPError(request.full_url, 401, "", headers, io.BytesIO())

    monkeypatch.setattr(registry_client, "_open", answer)
    return requests


def test_credentials_for_https_are_never_sent_without_encryption(asked):
    asked.answers = {"https": ['Basic realm="x"', ConnectionResetError(104, "reset")] * 2, "http": ["Basic"] * 4}
    client = RegistryClient("10.0.0.1:5000", "a", Login("builder", "secret"))
    for _ in range(2):
        with pytest.raises(UnreachableError, match="reset"):
            client.get("tags/list")
    url, authorization = "https://10.0.0.1:5000/v2/a/tags/list", basic("builder", "secret")
    assert asked == [(url, None), (url, authorization)] * 2


def test_what_answers_without_encryption_does_not_choose_who_gets_the_password(asked):
    challenge = 'Bearer realm="https://elsewhere.example/token"'
    asked.answers = {"https": [ConnectionRefusedError(111, "refused")], "http": [challenge]}
    client = RegistryClient("10.0.0.1:5000", "a", Login("builder", "secret"))
    with pytest.raises(StoreError, match="wants a password without encryption"):
        client.get("tags/list")
    assert asked == [(f"{scheme}://10.0.0.1:5000/v2/a/tags/list", None) for scheme in ("https", "http")]


def test_the_body_of_a_redirect_is_not_read_and_messages_are_short(hostile):
    hostile.answers["/v2/a/tags/list"] = (307, {"Location": "/list", "Content-Length": "9" * 30}, b"")
    hostile.answers["/list"] = (200, {}, b'{"tags": []}')
    store = RegistryStore(f"127.0.0.1:{hostile.server_port}", "a", Login())
    assert store.entries() == []
    hostile.answers["/v2/a/tags/list"] = challenging("http://elsewhere.example/" + "x" * 10_000)
    with pytest.raises(StoreError) as error:
        store.entries()
    assert len(str(error.value)) < 400


def test_where_a_registry_redirects_to_gets_no_password(hostile):
    port = hostile.server_port
    elsewhere = f"http://localhost:{port}"
    hostile.answers["/v2/a/tags/list"] = (307, {"Location": f"{elsewhere}/blob"}, b"")
    for challenge in (f'Bearer realm="{elsewhere}/token"', "Basic"):
        hostile.answers["/blob"] = (401, {"WWW-Authenticate": challenge}, b"")
        with pytest.raises(StoreError, match="answered 401"):
            RegistryStore(f"127.0.0.1:{port}", "a", Login("builder", "secret")).entries()
    assert hostile.asked == [("/v2/a/tags/list", None), ("/blob", None)] * 2


def test_damaged_content_is_an_error(store, tmp_path):
    entry = save(store, "go", b"one")
    (blob,) = [path for path in tmp_path.rglob("data") if path.read_bytes() == b"one"]
    blob.write_bytes(b"two")
    with pytest.raises(StoreError, match="damaged"):
        read(store, entry)
    blob.write_bytes(b"longer")
    with pytest.raises(StoreError, match=r"damaged|answered"):
        read(store, entry)


@pytest.fixture
def hostile():
    """A registry that answers each path with what `answers` has, any other with `answer`.

    `asked` lists paths and credentials. An answer may be a function of the credentials.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            self.server.asked.append((path, self.headers["Authorization"]))
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            answer = self.server.answers.get(path, self.server.answer)
            status, headers, content = answer(self.headers["Authorization"]) if callable(answer) else answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content)

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815  # http.server calls them so

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer, server.answers, server.asked = (200, {}, b""), {}, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


DEEP = b"[" * 100_000
MALFORMED = "the registry asks for a token of a malformed address: "


def challenging(realm):
    return 401, {"WWW-Authenticate": f'Bearer realm="{realm}"'}, b""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {}, b"not json"), "the list of tags is not JSON"),
        ((200, {}, b"[]"), "the list of tags is not JSON"),
        ((200, {}, b'{"tags": 1}'), "the list of tags is not JSON"),
        ((200, {}, DEEP), "the list of tags is not JSON"),
        ((200, {"Link": "<https://[?n=1>; rel=next"}, b"{}"), "the list of tags does not end"),
        ((500, {}, b""), "answered 500"),
        ((500, {}, DEEP), "answered 500 Internal Server Error$"),
        ((500, {}, b'{"errors": [{"code": "A", "message": "a\\ud800"}]}'), "Server Error: A \\(a\ufffd\\)$"),
        (challenging("https://["), rf"{MALFORMED}https://\[$"),
        (challenging("https://a:x/"), f"{MALFORMED}https://a:x/$"),
        (challenging("https:///x"), f"{MALFORMED}https:///x$"),
        (challenging("token"), f"{MALFORMED}token$"),
        (challenging("file:///etc/passwd"), MALFORMED),
        (challenging("ftp://a/"), "without encryption"),
        ((200, {}, b"x" * (5 << 20)), "an answer is too large"),
        ((401, {"WWW-Authenticate": 'Bearer realm="http://elsewhere.example/"'}, b""), "without encryption"),
        ((401, {"WWW-Authenticate": "nonsense"}, b""), "requires a login"),
    ],
)
def test_a_hostile_registry_is_an_error(hostile, answer, message):
    hostile.answer = answer
    store = RegistryStore(f"127.0.0.1:{hostile.server_port}", "a", Login())
    with pytest.raises(StoreError, match=message):
        store.entries()


@pytest.mark.parametrize("content", [DEEP, b"[]", b'{"token": "\xc3\xa9"}', b'{"token": "a\\nb"}'])
def test_a_malformed_token_is_none(hostile, content):
    hostile.answer = challenging(f"http://127.0.0.1:{hostile.server_port}/token")
    hostile.answers["/token"] = (200, {}, content)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1 returned no token$"):
        RegistryStore(f"127.0.0.1:{hostile.server_port}", "a", Login()).entries()


@pytest.mark.parametrize("manifest", [DEEP, b"[]", b'{"annotations": 1}', b'{"layers": {}, "annotations": {}}'])
def test_a_malformed_manifest_is_not_an_entry(hostile, manifest):
    hostile.answers["/v2/a/tags/list"] = (200, {}, json.dumps({"tags": [1, f"{VERSION}-go"]}).encode())
    hostile.answers[f"/v2/a/manifests/{VERSION}-go"] = (200, {}, manifest)
    store = RegistryStore(f"127.0.0.1:{hostile.server_port}", "a", Login())
    assert (store.entries(), store.has(VERSION, "go")) == ([], False)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError(104, "reset"), UnreachableError),
        (http.client.RemoteDisconnected("gone"), UnreachableError),
        (ssl.SSLEOFError(8, "EOF occurred"), UnreachableError),
        (urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution")), UnreachableError),
        (urllib.error.URLError(ssl.SSLCertVerificationError(1, "certificate verify failed")), StoreError),
        (urllib.error.URLError("no host given"), StoreError),
        (http.client.InvalidURL("nonnumeric port"), StoreError),
        (UnicodeEncodeError("ascii", "x", 0, 1, "ordinal not in range"), StoreError),
    ],
)
def test_only_what_may_pass_counts_as_unreachable(monkeypatch, error, kind):
    def fail(*_):
        raise error

    monkeypatch.setattr(registry_client, "_open", fail)
    with pytest.raises(StoreError, match=r"^registry\.example/a: cannot be reached: ") as raised:
        RegistryClient("registry.example", "a", Login()).tags()
    assert type(raised.value) is kind


@pytest.mark.parametrize("status", [503, 403])
def test_a_refused_token_has_its_status(hostile, status):
    hostile.answer = challenging(f"http://127.0.0.1:{hostile.server_port}/token")
    hostile.answers["/token"] = (status, {}, b"")
    with pytest.raises(AnswerError, match="no token from 127") as raised:
        RegistryStore(f"127.0.0.1:{hostile.server_port}", "a", Login()).entries()
    assert (raised.value.status, is_busy(raised.value)) == (status, status == 503)


def test_an_answer_that_is_cut_is_a_lost_connection(hostile):
    entry = Entry("go", VERSION, (), 0.0, 0.0, 3, hashlib.sha256(b"one").hexdigest(), ())
    hostile.answer = (200, {"Content-Length": "9"}, b"on")
    store = RegistryStore(f"127.0.0.1:{hostile.server_port}", "a", Login())
    for use in (store.entries, lambda: read(store, entry)):
        with pytest.raises(UnreachableError, match="the connection was lost"):
            use()


def test_a_certificate_that_cannot_be_trusted_is_reported(tmp_path):
    with untrusted_server(tmp_path) as (port, connections):
        with pytest.raises(StoreError, match="reached: its certificate cannot be trusted: self-signed"):
            RegistryStore(f"127.0.0.1:{port}", "a", Login()).entries()
        assert len(connections) == 1


@pytest.mark.parametrize(
    ("challenge", "login", "wanted"),
    [
        ("Negotiate", Login("u", "p"), "a login of another kind than Basic and Bearer"),
        ("Bearer", Login(identity_token="t"), "a login of another kind than Basic and Bearer"),
        ("Basic", Login(identity_token="t"), "a user and a password"),
    ],
)
def test_a_login_that_cannot_be_sent_is_not_called_refused(hostile, challenge, login, wanted):
    hostile.answers["/v2/a/manifests/x"] = (401, {"WWW-Authenticate": challenge}, b"")
    with pytest.raises(StoreError, match=f"the registry requires {wanted}$"):
        RegistryClient(f"127.0.0.1:{hostile.server_port}", "a", login).get("manifests/x")
    assert {authorization for _, authorization in hostile.asked} == {None}


class Trickle:
    """An answer that has one byte after each 0.9 seconds, for ever; `clock` continues meanwhile."""

    length = None
    reason = url = ""
    headers = Message()

    def __init__(self, status, clock):
        self.status = status
        self._clock = clock

    def read1(self, _size):
        self._clock[0] += 0.9
        assert self._clock[0] < 1000
        return b" "

    def close(self):
        pass


@pytest.mark.parametrize(
    ("status", "error"), [(200, "no answer within 30 seconds"), (500, "the registry answered 500")]
)
def test_an_answer_that_does_not_end_is_not_awaited(monkeypatch, status, error):
    clock = [0.0]
    monkeypatch.setattr(registry_client, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(registry_client, "_open", lambda *_: Trickle(status, clock))
    client = RegistryClient("localhost:5000", "a", Login())
    with pytest.raises(StoreError, match=error):
        client.get("manifests/x")
    assert clock[0] < 60
    with pytest.raises(AwayError):
        client.get("manifests/x")


def test_headers_that_do_not_end_are_not_awaited(monkeypatch):
    monkeypatch.setattr(registry_client, "_PATIENCE", 0.01)
    monkeypatch.setattr(registry_client, "_MOMENT", 0.01)
    ended = threading.Event()

    def trickle(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nA: ")
        for _ in range(5000):
            if not ended.wait(0.001):
                connection.sendall(b"a")

    with answering(trickle) as port:
        client = RegistryClient(f"localhost:{port}", "a", Login())
        client._bases = (f"http://localhost:{port}/v2/a/",)
        with pytest.raises(AwayError, match="no answer within"):
            client.has("manifests/x")
        ended.set()


@contextlib.contextmanager
def answering(answer):
    """Give the port of a server that answers each connection with a function, in a thread."""
    with socket.create_server(("localhost", 0)) as server:

        def serve():
            while True:
                with server.accept()[0] as connection:
                    if not connection.recv(1):
                        return
                    with contextlib.suppress(OSError):
                        answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield port
        finally:
            socket.create_connection(("localhost", port)).close()
            thread.join()


def uploads_to(hostile, location):
    """Push a blob to a registry that wants it at a place; return what it was asked."""
    hostile.answer = (404, {}, b"")

    def answer(authorization):
        if authorization is None:
            return 401, {"WWW-Authenticate": "Basic"}, b""
        return 202, {} if location is None else {"Location": location}, b""

    hostile.answers["/v2/a/blobs/uploads/"] = answer
    RegistryClient(f"127.0.0.1:{hostile.server_port}", "a", Login("builder", "secret")).push_blob("sha256:0", 1, b"x")


@pytest.mark.parametrize(
    "location",
    [None, "data:,x", "file:///etc/passwd", "ftp://127.0.0.1/x", "https://[/x", "ftp://h/?secret", "https:///x"],
)
def test_a_blob_is_not_pushed_to_an_unsafe_place(hostile, location):
    with pytest.raises(
        StoreError, match=r"^127\.0\.0\.1:\d+/a: the registry wants a blob at an unsafe place: "
    ) as error:
        uploads_to(hostile, location)
    assert "secret" not in str(error.value)
    assert {path for path, _ in hostile.asked} == {"/v2/a/blobs/sha256:0", "/v2/a/blobs/uploads/"}


def test_a_blob_for_another_host_is_pushed_without_credentials(hostile):
    hostile.answers["/there"] = (201, {}, b"")
    login = basic("builder", "secret")
    for location, expected in (("/there?x=1", login), (f"http://localhost:{hostile.server_port}/there", None)):
        hostile.asked.clear()
        uploads_to(hostile, location)
        assert hostile.asked[1:] == [
            ("/v2/a/blobs/uploads/", None),
            ("/v2/a/blobs/uploads/", login),
            ("/there", expected),
        ]


def test_a_blob_that_is_for_https_is_not_pushed_without_encryption():
    client = RegistryClient("registry.svc", "a", Login())
    assert client._upload_url("https://registry.svc/v2/", "/x") == "https://registry.svc/x"
    assert client._upload_url("http://registry.svc/v2/", "https://b/x") == "https://b/x"
    with pytest.raises(StoreError, match=r"at an unsafe place: http://registry\.svc/x$"):
        client._upload_url("https://registry.svc/v2/", "http://registry.svc/x")


KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200)


@given(KEYS, KEYS)
def test_tags_of_keys_are_valid_unique_and_keep_prefixes(key, other):
    tag = tag_of(VERSION, key)
    assert len(tag) <= 128
    assert set(tag) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert (tag == tag_of(VERSION, other)) == (key == other)
    for end in range(len(key) + 1):
        assert _may_start_with(tag, VERSION, [key[:end]])
    if len(escaped(key)) < 100 and not key.startswith(other):
        assert not _may_start_with(tag, VERSION, [other])


def test_the_login_is_the_longest_matching_entry():
    def entry(user):
        return {"auth": base64.b64encode(f"{user}:secret".encode()).decode()}

    entries = {"r.example": entry("all"), "r.example/team": entry("team"), "https://index.docker.io/v1/": entry("hub")}
    text = json.dumps({"auths": entries})
    assert login_in(text, "r.example/team/cache") == Login("team", "secret")
    assert login_in(text, "r.example/teams/cache") == Login("all", "secret")
    assert login_in(text, "docker.io/a/b").user == "hub"
    assert login_in(text, "other.example/a") == Login()
    for wrong in (
        "",
        "[]",
        DEEP.decode(),
        '{"auths": []}',
        '{"auths": {"r.example": 1}}',
        '{"auths": {"r.example": {"auth": "="}}}',
    ):
        assert login_in(wrong, "r.example/a") == Login()


def test_what_is_being_saved_is_on_the_disk_that_was_chosen(registry, tmp_path):
    store = RegistryStore(registry.host, "a", Login(), str(tmp_path / "missing"))
    with pytest.raises(StoreError, match="no room for the content of an entry"):
        save(store, "go")
    assert os.listdir(tmp_path)
