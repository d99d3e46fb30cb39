"""Real servers on loopback for the resolvers, each in its own thread or process, and an empty cache."""

from __future__ import annotations

import base64
import http.server
import os
import subprocess
import threading
from dataclasses import dataclass, field

import pytest
from registry_server import registry, start_registry  # noqa: F401  # fixtures

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.remote.cache import Cache
from monopod.compiler.remote.reference import RemoteError, RemoteReference, ResolverOptions
from monopod.compiler.remote.resolution import resolve
from monopod.schemas.kubernetes.objects import Secret

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: hello}
spec:
  steps:
  - name: say
    image: alpine
    script: echo hello
"""


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path, monkeypatch):
    """Hides the user's cache, logins and configuration, and clusters."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    for name in ("ARTIFACT_HUB_API", "TEKTON_HUB_API", "REGISTRY_AUTH_FILE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def task():
    return TASK


@pytest.fixture
def secret():
    """Makes a Secret."""

    def make(type_="Opaque", **data):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return Secret.model_validate({"apiVersion": "v1", "kind": "Secret", "type": type_, "data": encoded})

    return make


@pytest.fixture
def ask(tmp_path):
    """Resolves a reference; options are Secrets by name."""

    def make(resolver, params, kind="Task", context=None, **secrets):
        environment = dict(os.environ)
        options = ResolverOptions(Cache.of_user(environment), environment, context, secrets)
        return resolve(RemoteReference(kind, resolver, tuple(params.items())), options)

    return make


@pytest.fixture
def refusal(ask):
    """Returns why a reference cannot be resolved, and the param that is wrong."""

    def make(resolver, params, **options):
        with pytest.raises(RemoteError) as error:
            ask(resolver, params, **options)
        assert "\n" not in str(error.value)
        return str(error.value), error.value.param

    return make


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compiles documents given as text, in the file ``p.yaml``."""

    def make(text, **options):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "p.yaml").write_text(text)
        return compile_runs(load(["p.yaml"]), Options(**options))[0]

    return make


@pytest.fixture
def problems(compiled):
    """Compiles wrong documents and returns their problems as lines."""

    def make(text, **options):
        with pytest.raises(Problems) as error:
            compiled(text, **options)
        return [str(problem) for problem in error.value.problems]

    return make


# A web server


@dataclass
class Page:
    """The answer for a path."""

    content: bytes = b""
    status: int = 200
    headers: dict = field(default_factory=dict)


class WebServer:
    """A server with pages set by tests; it records its requests."""

    def __init__(self, server):
        self.pages = {}
        self.asked = []
        self.url = f"http://127.0.0.1:{server.server_port}"

    def answer(self, path, headers):
        self.asked.append((path, headers))
        page = self.pages.get(path, Page(b"no such page", 404))
        return page(headers) if callable(page) else page


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        page = self.server.web.answer(self.path, self.headers)
        self.send_response(page.status)
        for name, value in {"Content-Length": str(len(page.content)), **page.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.content)

    do_POST = do_GET  # noqa: N815  # http.server calls it so

    def log_message(self, *arguments):
        pass


def _serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    return server, thread


@pytest.fixture
def web():
    """A web server."""
    server, thread = _serve(_Handler)
    server.web = WebServer(server)
    yield server.web
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page():
    return Page


@pytest.fixture
def nowhere():
    """A URL without a listener."""
    server = http.server.HTTPServer(("127.0.0.1", 0), _Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    server.server_close()
    return url


# Git


class Repository:
    """A repository on disk, with files committed to it."""

    def __init__(self, directory, object_format="sha1"):
        self.directory = directory
        directory.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", f"--object-format={object_format}")
        self.url = directory.as_uri()

    def git(self, *arguments):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgSign=false"]
        run = subprocess.run(
            ["git", *identity, *arguments], cwd=self.directory, check=True, capture_output=True, text=True
        )
        return run.stdout.strip()

    def commit(self, **files):
        """Write files (a dot in a name is written __, a slash ___), commit them and return the commit."""
        for name, content in files.items():
            path = self.directory / name.replace("___", "/").replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "-m", "Change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    """A repository with the Task in task.yaml on main."""
    made = Repository(tmp_path / "repository")
    made.first = made.commit(task__yaml=TASK)
    return made


@pytest.fixture
def make_repository(tmp_path):
    return lambda name, **options: Repository(tmp_path / name, **options)


class _GitHandler(http.server.BaseHTTPRequestHandler):
    """Serves repositories with git's own CGI program, optionally with a token."""

    def do_GET(self):
        token = self.server.token
        expected = "Basic " + base64.b64encode(f"{self.server.user}:{token}".encode()).decode()
        if token and self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        self.server.asked.append(path)
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        ran = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815  # http.server calls it so

    def log_message(self, *arguments):
        pass


@pytest.fixture
def git_server(tmp_path):
    """Serves the directory ``tmp_path`` over HTTP, with git's smart protocol."""
    server, thread = _serve(_GitHandler)
    server.root, server.token, server.user, server.asked = tmp_path, "", "git", []
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
