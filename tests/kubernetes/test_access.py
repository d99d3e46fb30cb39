"""Connecting to an API server: TLS, credentials, and kubeconfigs."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.kubernetes import access
from monopod.runner.kubernetes.access import FixedAccess, LibraryAccess, find_access
from monopod.runner.kubernetes.cluster import UnreachableError, connect


class Asked(BaseHTTPRequestHandler):
    """Answers with the identity of the client."""

    def do_GET(self):
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        subject = {key: value for ((key, value),) in (certificate or {}).get("subject", ())}
        answer = {"authorization": self.headers.get("authorization"), "name": subject.get("commonName")}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class QuietServer(ThreadingHTTPServer):
    """A server that does not report refused clients."""

    def handle_error(self, *_):
        pass


def serving(context: ssl.SSLContext | None = None) -> QuietServer:
    server = QuietServer(("127.0.0.1", 0), Asked)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority, and the certificates of a server and of the user jane."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority", "-days", "2")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:kubernetes.example\n")
    for name in ("server", "jane"):
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.crt")
    return folder


@pytest.fixture(scope="module")
def secure(certificates: Path):
    """The address of a server that requires a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = serving(context)
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def plain():
    """The address of a server without TLS."""
    server = serving()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(tmp_path: Path):
    """Writes a kubeconfig, makes a request with it and returns the client's identity from the server."""

    def ask(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
        path = tmp_path / "kubeconfig"
        path.write_text(kubeconfig(cluster, user))
        with connect(None, {"KUBECONFIG": str(path)}) as found:
            return found.request("GET", "/version")

    return ask


def kubeconfig(cluster: dict[str, Any], user: dict[str, Any], name: str = "here") -> str:
    return yaml.safe_dump(
        {
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
        }
    )


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_certificates_in_the_kubeconfig(ask, secure, certificates):
    cluster = {"server": secure, "certificate-authority-data": encoded(certificates / "ca.crt")}
    user = {
        "client-certificate-data": encoded(certificates / "jane.crt"),
        "client-key-data": encoded(certificates / "jane.key"),
    }
    assert ask(cluster, user) == {"authorization": None, "name": "jane"}


def test_certificates_in_files_next_to_the_kubeconfig(ask, secure, certificates, tmp_path):
    shutil.copytree(certificates, tmp_path / "pki")
    cluster = {"server": f"{secure}/", "certificate-authority": "pki/ca.crt", "tls-server-name": "kubernetes.example"}
    user = {"client-certificate": "pki/jane.crt", "client-key": str(certificates / "jane.key"), "token": "t0ken"}
    assert ask(cluster, user) == {"authorization": "Bearer t0ken", "name": "jane"}


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({}, {"client-certificate": "jane.crt", "client-key": "jane.key"}),  # an unknown authority
        ({"certificate-authority": "ca.crt"}, {}),
        ({"certificate-authority": "ca.crt", "tls-server-name": "other"}, {"client-certificate": "jane.crt"}),
        ({"certificate-authority": "names"}, {"client-certificate": "jane.crt", "client-key": "jane.key"}),
    ],
)
def test_server_rejected_by_tls_is_unreachable(ask, secure, certificates, tmp_path, cluster, user):
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    with pytest.raises(UnreachableError):
        ask({"server": secure, **cluster}, user)


def test_insecure_cluster_is_not_verified(ask, secure, certificates):
    user = {"client-certificate": str(certificates / "jane.crt"), "client-key": str(certificates / "jane.key")}
    with pytest.warns(Warning, match="Unverified HTTPS request"):
        assert ask({"server": secure, "insecure-skip-tls-verify": True}, user)["name"] == "jane"


def test_private_key_is_not_on_disk(secure, certificates, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "kubeconfig"
    path.write_text(kubeconfig({"server": secure}, {"client-key-data": encoded(certificates / "jane.key")}))
    found, *_ = find_access(None, {"KUBECONFIG": str(path)})
    key_file = Path(found.configuration().key_file)
    assert key_file.read_bytes() == (certificates / "jane.key").read_bytes()
    assert "memfd:" in str(key_file.readlink())
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ({}, None),
        ({"token": "abc"}, "Bearer abc"),
        ({"username": "jane", "password": "pässword"}, "Basic " + base64.b64encode("jane:pässword".encode()).decode()),
        ({"token": "abc", "tokenFile": "/none", "username": "jane", "password": "x"}, "Bearer abc"),
    ],
)
def test_authorization_header(ask, plain, user, authorization):
    assert ask({"server": plain}, user)["authorization"] == authorization


def test_token_file_is_read_again(plain, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "kubeconfig").write_text(kubeconfig({"server": plain}, {"tokenFile": "token"}))
    with connect(None, {"KUBECONFIG": str(tmp_path / "kubeconfig")}) as cluster:
        assert cluster.request("GET", "/version")["authorization"] == "Bearer first"
        (tmp_path / "token").write_text("second\n")
        assert cluster.request("GET", "/version")["authorization"] == "Bearer first"
        monkeypatch.setattr(access, "_TOKEN_SECONDS", 0.0)
        assert cluster.request("GET", "/version")["authorization"] == "Bearer second"
        (tmp_path / "token").unlink()
        with pytest.raises(UnreachableError, match="logging in failed"):
            cluster.request("GET", "/version")


def test_login_program_needs_the_library(ask, plain, tmp_path):
    program = tmp_path / "login"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "new"}}
    program.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    program.chmod(0o755)
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    assert ask({"server": plain}, {"exec": login})["authorization"] == "Bearer new"


@pytest.mark.parametrize(
    ("cluster", "user", "environment", "kind"),
    [
        ({}, {}, {}, FixedAccess),
        ({"proxy-url": "http://proxy.example"}, {}, {}, LibraryAccess),
        ({}, {}, {"HTTPS_PROXY": "http://proxy.example"}, LibraryAccess),
        ({}, {"auth-provider": {"name": "x"}}, {}, LibraryAccess),
        ({}, {"as": "admin"}, {}, LibraryAccess),
    ],
)
def test_kubeconfigs_that_need_the_library(plain, tmp_path, cluster, user, environment, kind):
    (tmp_path / "kubeconfig").write_text(kubeconfig({"server": plain, **cluster}, user))
    found, name, namespace, _ = find_access(None, {"KUBECONFIG": str(tmp_path / "kubeconfig"), **environment})
    assert type(found) is kind
    assert (name, namespace) == (f"cluster of context 'here' ({plain})", "default")


def test_first_of_several_kubeconfigs_wins(plain, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_text(kubeconfig({"server": plain}, {"tokenFile": "token"}))
    (tmp_path / "a" / "token").write_text("of one")
    (tmp_path / "two").write_text(kubeconfig({"server": "http://none"}, {"token": "of two"}))
    (tmp_path / "three").write_text(kubeconfig({"server": plain}, {"token": "of three"}, name="there"))
    environment = {"KUBECONFIG": f"{tmp_path}/a/one:{tmp_path}/none:{tmp_path}/two:{tmp_path}/three"}
    with connect(None, environment) as cluster:
        assert cluster.request("GET", "/version")["authorization"] == "Bearer of one"
    with connect("there", environment) as cluster:
        assert cluster.request("GET", "/version")["authorization"] == "Bearer of three"


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"client-key": "none.key"}, "the kubeconfig cannot be used: there is no file {}/none.key"),
        ({"tokenFile": "none"}, "the kubeconfig cannot be used: there is no file {}/none"),
        ({"client-key-data": "%"}, "the kubeconfig cannot be used: client-key-data of 'here' is not base64"),
    ],
)
def test_incomplete_kubeconfigs(tmp_path, user, words):
    (tmp_path / "kubeconfig").write_text(kubeconfig({"server": "https://127.0.0.1"}, user))
    with pytest.raises(BackendUnavailableError) as caught:
        find_access(None, {"KUBECONFIG": str(tmp_path / "kubeconfig")})
    assert str(caught.value) == words.format(tmp_path)


def test_service_account_in_a_pod(tmp_path, monkeypatch):
    monkeypatch.setattr(access, "_ACCOUNT", str(tmp_path))
    monkeypatch.setattr(access, "DEFAULT_FILE", str(tmp_path / "no-kubeconfig"))
    for name, text in (("ca.crt", ""), ("token", "of the account"), ("namespace", "builds\n")):
        (tmp_path / name).write_text(text)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    found, name, namespace, _ = find_access(None, environment)
    assert (found.host, name, namespace) == ("https://[fd00::1]:6443", "the cluster of this Pod", "builds")
    assert found.authorization() == "Bearer of the account"


def test_usual_kubeconfigs_do_not_import_the_library(api, kubeconfig):
    program = (
        "import sys; from monopod.runner.kubernetes.cluster import connect; from monopod.runner.kubernetes import pod;"
        "print(connect('test').version().minor, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    minor, *modules = done.stdout.split()
    assert minor == "36"
    assert not {"kubernetes", "websocket", "requests"} & set(modules)
