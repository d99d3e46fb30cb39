"""The resolver ``bundles``, with Debian's docker-registry, and with a misbehaving server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from email.message import Message

import pytest
from own_certificate import untrusted_server
from registry_server import HTPASSWD

from monopod.compiler.remote import registry as remote_registry
from monopod.compiler.remote.cache import Cache
from monopod.compiler.remote.image_name import ImageName
from monopod.compiler.remote.registry_credentials import NOBODY, Login, login_of_user
from monopod.compiler.remote.web import UnreachableError, WebError
from monopod.system.http_login import basic

PIPELINE = b"kind: Pipeline"


def tar(content, name="task"):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as file:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        file.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def about(name, kind="task", api_version="tekton.dev/v1"):
    return {"name": name, "kind": kind, "apiVersion": api_version}


def asked(registry, name="hello", tag=":1", **more):
    return {"bundle": f"{registry.host}/team/bundle{tag}", "name": name, **more}


@pytest.fixture
def bundle(registry, task):
    """A bundle with a layer for each format of a document, and its digest."""
    layers = [
        (about("hello"), gzip.compress(tar(task.encode()))),
        (about("hello", "pipeline"), tar(PIPELINE)),
        (about("raw"), gzip.compress(b"raw")),
        (about("plain"), b"plain"),
    ]
    registry.digest = registry.pusher.bundle("team/bundle", "1", layers)
    return registry


def test_layer_is_found_by_kind_and_name(ask, bundle, task):
    resolved = ask("bundles", asked(bundle))
    assert resolved.content.decode() == task
    assert resolved.origin == f"bundle {bundle.host}/team/bundle@{bundle.digest[:19]} task hello"
    assert resolved.source.to_json() == {
        "uri": f"{bundle.host}/team/bundle",
        "digest": {"sha256": bundle.digest.partition(":")[2]},
        "entryPoint": "hello",
    }
    assert ask("bundles", asked(bundle, kind="Pipeline")).content == PIPELINE
    assert ask("bundles", asked(bundle, "raw")).content == b"raw"
    assert ask("bundles", asked(bundle, "plain")).content == b"plain"


def test_tag_is_requested_each_time_and_digest_is_cached(ask, refusal, bundle, task):
    pinned = asked(bundle, tag=f":1@{bundle.digest}")
    assert ask("bundles", asked(bundle)).content.decode() == task
    bundle.pusher.bundle("team/bundle", "1", [(about("hello"), b"changed")])
    assert ask("bundles", asked(bundle)).content == b"changed"
    bundle.stop()
    assert ask("bundles", pinned).content.decode() == task
    message, _ = refusal("bundles", asked(bundle))
    assert message.endswith(
        "cannot be reached: Connection refused; offline, only references with a digest come from the cache"
    )


def test_index_resolves_to_its_image(ask, refusal, bundle, task):
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
    ours = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": bundle.digest, "size": 1}
    other = {**ours, "digest": bundle.pusher.bundle("team/bundle", "other", [(about("hello"), b"arm")])}
    for entry, machine in ((ours, "amd64"), (other, "arm64")):
        entry["platform"] = {"os": "linux", "architecture": machine}
    bundle.pusher.manifest("team/bundle", "both", {**index, "manifests": [other, ours]})
    resolved = ask("bundles", asked(bundle, tag=":both"))
    assert (resolved.content.decode(), resolved.source.digest[0][1]) == (task, bundle.digest[7:])
    bundle.pusher.manifest("team/bundle", "none", {**index, "manifests": []})
    assert "an index without an image for linux/amd64" in refusal("bundles", asked(bundle, tag=":none"))[0]


def test_missing_bundle_or_entry_is_reported(refusal, bundle):
    what = f"bundle {bundle.host}/team/bundle"
    assert refusal("bundles", asked(bundle, "helo")) == (
        f"{what}:1: it contains no task 'helo' (did you mean 'task hello'?); it contains pipeline hello, task hello, "
        "task plain, task raw",
        "name",
    )
    message, _ = refusal("bundles", asked(bundle, tag=":2"))
    assert message.startswith(f"{what}:2: the server answered 404 Not Found")
    assert message.endswith("; check the name and the tag")
    assert refusal("bundles", {"bundle": "Not A Name", "name": "a"})[1] == "bundle"
    assert refusal("bundles", {"name": "a"})[0] == "the resolver bundles needs the param 'bundle'"


def test_invalid_bundle_is_reported(refusal, registry):
    def error_of(*layers):
        registry.pusher.bundle("team/bundle", "1", layers)
        return refusal("bundles", asked(registry))[0].partition("bundle:1: ")[2]

    many = [(about(f"t{number}"), b"x%d" % number) for number in range(21)]
    assert error_of(*many) == "it has 21 layers; a bundle has at most 20"
    assert error_of(({"name": "a", "kind": "task"}, b"x")) == (
        "not a bundle: layer 0 has no annotation dev.tekton.image.apiVersion"
    )
    assert error_of((about("a", "Tasks"), b"x")) == (
        "layer 0 has the kind 'Tasks', which must be lower case and singular"
    )
    assert (
        error_of((about("hello"), b"\x28\xb5\x2f\xfdx"))
        == "the layer is compressed with zstd, which bundles do not allow"
    )
    assert "cannot read the layer" in error_of((about("hello"), gzip.compress(b"x" * 1000)[:-12]))
    assert error_of((about("hello"), gzip.compress(b"\0" * (10 * 2**20 + 1)))) == ("the layer is larger than 10 MiB")


def test_login_comes_from_a_secret_or_from_docker(ask, refusal, start_registry, task, secret, tmp_path):
    registry = start_registry(HTPASSWD)
    registry.pusher.bundle("team/bundle", "1", [(about("hello"), task.encode())])
    message, _ = refusal("bundles", asked(registry))
    assert "the server answered 401 Unauthorized" in message
    assert message.endswith("name a Secret of type kubernetes.io/dockerconfigjson with secret")
    entry = {"auth": base64.b64encode(b"builder:secret").decode()}
    config = json.dumps({"auths": {registry.host: entry}})
    pull = secret("kubernetes.io/dockerconfigjson", **{".dockerconfigjson": config})
    assert ask("bundles", asked(registry, secret="pull"), pull=pull).content.decode() == task
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(config)
    assert ask("bundles", asked(registry, cache="never")).content.decode() == task
    wrong = config.replace(entry["auth"], base64.b64encode(b"builder:wrong").decode())
    (tmp_path / "docker" / "config.json").write_text(wrong)
    assert "401" in refusal("bundles", asked(registry, cache="never"))[0]


def test_secret_without_the_registry_is_reported(refusal, secret):
    asked_for = {"bundle": "registry.example.com/a", "name": "a", "secret": "pull"}
    assert refusal("bundles", asked_for, pull=secret(password="x")) == (
        "the Secret 'pull' is of type Opaque; expected kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg",
        "secret",
    )
    other = json.dumps({"auths": {"other.example.com": {"username": "a", "password": "b"}}})
    pull = secret("kubernetes.io/dockerconfigjson", **{".dockerconfigjson": other})
    assert refusal("bundles", asked_for, pull=pull) == (
        "the Secret 'pull' has no entry for registry.example.com",
        "secret",
    )
    for text in ("{", "[" * 100_000):
        broken = secret("kubernetes.io/dockerconfigjson", **{".dockerconfigjson": text})
        assert refusal("bundles", asked_for, pull=broken)[0].startswith("the Secret 'pull' is not JSON: ")


def test_serviceaccount_causes_a_warning(ask, bundle):
    (warning,) = ask("bundles", asked(bundle, serviceAccount="builder")).warnings
    assert warning.startswith("serviceAccount has no effect here")


# Registries that lie or require tokens: our own server


def serve_image(web, page, content, digest=None, protect=lambda answer: answer):
    """Put an image with one layer into the web server; return the registry's host and the layer's digest."""
    layer_digest = digest or f"sha256:{hashlib.sha256(content).hexdigest()}"
    annotations = {f"dev.tekton.image.{name}": value for name, value in about("hello").items()}
    manifest = json.dumps({"layers": [{"digest": layer_digest, "annotations": annotations}]}).encode()
    web.pages["/v2/team/bundle/manifests/1"] = protect(page(manifest))
    web.pages[f"/v2/team/bundle/blobs/{layer_digest}"] = protect(page(content))
    web.host = web.url.removeprefix("http://")
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}", manifest


def test_content_with_a_wrong_digest_is_rejected(refusal, web, page):
    digest, manifest = serve_image(web, page, b"x", "sha256:" + "0" * 64)
    assert "instead of sha256:000" in refusal("bundles", asked(web))[0]
    web.pages[f"/v2/team/bundle/manifests/{digest}"] = page(manifest + b" ")
    message, _ = refusal("bundles", asked(web, tag=f"@{digest}", cache="never"))
    assert f"instead of {digest}" in message
    serve_image(web, page, b"x", "md5:0")
    assert "only sha256 is supported" in refusal("bundles", asked(web))[0]
    for manifest in (b"<html>", b"[]", b"{}", b"[" * 100_000):
        web.pages["/v2/team/bundle/manifests/1"] = page(manifest)
        assert "its manifest is" in refusal("bundles", asked(web))[0]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (None, None),
        ({"username": "me", "password": "pw"}, "Basic " + base64.b64encode(b"me:pw").decode()),
        ({"identitytoken": "long"}, None),
    ],
)
def test_token_is_fetched(ask, web, page, tmp_path, entry, expected):
    def protect(answer):
        challenge = f'Bearer realm="{web.url}/token?a=1",service="s",scope="repository:team/bundle:pull"'
        refusal = page(b"", 401, {"WWW-Authenticate": challenge})
        return lambda headers: answer if headers["Authorization"] == "Bearer t0ken" else refusal

    serve_image(web, page, b"kind: Task", protect=protect)
    query = "service=s&scope=repository%3Ateam%2Fbundle%3Apull"
    path = "/token?a=1" if entry and "identitytoken" in entry else f"/token?a=1&{query}"
    web.pages[path] = page(json.dumps({"access_token": "t0ken"}).encode())
    if entry:
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {f"http://{web.host}/v2/": entry}}))
    assert ask("bundles", asked(web)).content == b"kind: Task"
    ((_, headers),) = [each for each in web.asked if each[0].startswith("/token")]
    assert headers["Authorization"] == expected


def test_registry_without_a_token_is_reported(refusal, web, page):
    challenge = {"WWW-Authenticate": f'Bearer realm="{web.url}/token"'}
    web.host = web.url.removeprefix("http://")
    web.pages["/v2/team/bundle/manifests/1"] = page(b"", 401, challenge)
    assert "404 Not Found" in refusal("bundles", asked(web))[0]
    web.pages["/token?service=&scope=repository%3Ateam%2Fbundle%3Apull"] = page(b"{}")
    assert "127.0.0.1 returned no token" in refusal("bundles", asked(web))[0]
    challenge["WWW-Authenticate"] = 'Bearer realm="http://tokens.example.com/"'
    assert "a password without encryption" in refusal("bundles", asked(web))[0]
    challenge["WWW-Authenticate"] = 'Bearer realm="https://["'
    assert "the registry asks for a token of a malformed address: https://[" in refusal("bundles", asked(web))[0]


LOGIN = Login("me", "pw")


@pytest.fixture
def asked_of(monkeypatch, tmp_path):
    """Asks a registry for an image; gives its error and what was requested with which credentials."""

    def make(answers):
        requests = []

        def answer(url, *_, authorization="", **__):
            requests.append((url, authorization))
            found = answers[url.partition(":")[0]].pop(0)
            raise found if isinstance(found, WebError) else WebError("refused", 401, headers(found), url)

        monkeypatch.setattr(remote_registry, "request", answer)
        registry = remote_registry.Registry(ImageName("10.0.0.1", "a"), LOGIN, Cache.of_user({"HOME": str(tmp_path)}))
        with pytest.raises(remote_registry.RegistryError) as error:
            registry.image()
        return str(error.value), requests

    def headers(challenge):
        made = Message()
        made["WWW-Authenticate"] = challenge
        return made

    return make


def test_credentials_for_https_are_never_sent_without_encryption(asked_of):
    message, requests = asked_of({"https": ["Basic", UnreachableError("reset")], "http": ["Basic"] * 2})
    url = "https://10.0.0.1/v2/a/manifests/latest"
    assert (message, requests) == ("reset", [(url, ""), (url, basic("me", "pw"))])


@pytest.mark.parametrize("challenge", ["Basic", 'Bearer realm="https://elsewhere.example/token"'])
def test_what_answers_without_encryption_gets_no_password(asked_of, challenge):
    message, requests = asked_of({"https": [UnreachableError("gone")], "http": [challenge]})
    assert message == "the registry wants a password without encryption; use one with https"
    assert requests == [(f"{scheme}://10.0.0.1/v2/a/manifests/latest", "") for scheme in ("https", "http")]


def test_where_a_registry_redirects_to_gets_no_password(refusal, web, page, tmp_path):
    elsewhere = web.url.replace("127.0.0.1", "localhost")
    web.host = web.url.removeprefix("http://")
    web.pages["/v2/team/bundle/manifests/1"] = page(b"", 307, {"Location": f"{elsewhere}/blob"})
    web.pages["/blob"] = page(b"", 401, {"WWW-Authenticate": f'Bearer realm="{elsewhere}/token"'})
    (tmp_path / "docker").mkdir()
    login = {"username": "me", "password": "pw"}
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {web.host: login}}))
    assert "401" in refusal("bundles", asked(web))[0]
    assert [(path, headers["Authorization"]) for path, headers in web.asked] == [
        ("/v2/team/bundle/manifests/1", None),
        ("/blob", None),
    ]


# Names and logins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpine", ImageName("index.docker.io", "library/alpine")),
        ("docker.io/team/a:1", ImageName("index.docker.io", "team/a", "1")),
        ("team/a", ImageName("index.docker.io", "team/a")),
        ("gcr.io/a/b/c:v1.2", ImageName("gcr.io", "a/b/c", "v1.2")),
        ("localhost/a", ImageName("localhost", "a")),
        ("localhost:5000/a:2", ImageName("localhost:5000", "a", "2")),
        ("registry:5000/a", ImageName("registry:5000", "a")),
        ("[::1]:5000/a", ImageName("[::1]:5000", "a")),
        (f"gcr.io/a:1@sha256:{'0' * 64}", ImageName("gcr.io", "a", "1", f"sha256:{'0' * 64}")),
    ],
)
def test_names_of_images(text, expected):
    assert ImageName.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "A", "a//b", "gcr.io/", "gcr.io/a:", "gcr.io/a@sha256:12", "a b", "https://gcr.io/a"]
)
def test_invalid_image_names(text):
    with pytest.raises(ValueError, match="is not the name of an image"):
        ImageName.parse(text)


@pytest.mark.parametrize(
    ("context", "user"),
    [
        ("gcr.io/project/a", "project"),
        ("gcr.io/projects/a", "all"),
        ("index.docker.io/library/a", "hub"),
        ("a.example.com/x", "wildcard"),
        ("a.b.example.com/x", ""),
        ("other.io/x", ""),
        ("empty.io/x", ""),
    ],
)
def test_longest_matching_entry_counts(tmp_path, context, user):
    entries = {
        "gcr.io": "all",
        "https://gcr.io/project": "project",
        "https://index.docker.io/v1/": "hub",
        "*.example.com": "wildcard",
        "empty.io": "",
    }
    auths = {key: {"username": name, "password": "p"} if name else {} for key, name in entries.items()}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    expected = Login(user, "p") if user else NOBODY
    assert login_of_user(context, {"DOCKER_CONFIG": str(tmp_path)}) == expected


@pytest.mark.parametrize(
    ("config", "answer", "expected"),
    [
        ({"credsStore": "test"}, {"Username": "me", "Secret": "pw"}, Login("me", "pw")),
        ({"credHelpers": {"gcr.io": "test"}}, {"Username": "<token>", "Secret": "t"}, Login(identity_token="t")),
        ({"credHelpers": {"other.io": "test"}}, {"Username": "me", "Secret": "pw"}, NOBODY),
        ({"credsStore": "missing"}, {}, NOBODY),
        ({"credsStore": "test"}, [], NOBODY),
    ],
)
def test_credential_helper_is_called_as_by_docker(tmp_path, config, answer, expected, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps(config))
    program = tmp_path / "docker-credential-test"
    program.write_text(f"#!/bin/sh\nread -r host\ntest \"$host\" = gcr.io || exit 1\necho '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert login_of_user("gcr.io/a", {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}) == expected


def test_podmans_logins_count_too(tmp_path):
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {"gcr.io": {"auth": base64.b64encode(b"me:p:w").decode()}}}))
    environment = {"DOCKER_CONFIG": str(tmp_path), "REGISTRY_AUTH_FILE": str(file)}
    assert login_of_user("gcr.io/a", environment) == Login("me", "p:w")


def test_a_certificate_that_cannot_be_trusted_is_reported(refusal, tmp_path):
    with untrusted_server(tmp_path) as (port, connections):
        message = refusal("bundles", {"bundle": f"127.0.0.1:{port}/a:1", "name": "x", "kind": "task"})[0]
    assert message.endswith("cannot be reached: its certificate cannot be trusted: self-signed certificate")
    assert len(connections) == 1
