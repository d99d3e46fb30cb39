"""The resolver ``http``, with a server on loopback."""

from __future__ import annotations

import base64
import hashlib

import pytest

from monopod.compiler.remote.web import Answer


def test_document_is_fetched_each_time(ask, web, page, task):
    web.pages["/a-task/0.1/task_1.yaml?ref=main&x=%20"] = page(task.encode())
    resolved = ask("http", {"url": f"{web.url}/a-task/0.1/task_1.yaml?ref=main&x=%20"})
    assert resolved.content.decode() == task
    assert resolved.origin == f"{web.url}/a-task/0.1/task_1.yaml?ref=main&x=%20"
    assert resolved.source.to_json() == {
        "uri": f"{web.url}/a-task/0.1/task_1.yaml?ref=main&x=%20",
        "digest": {"sha256": hashlib.sha256(task.encode()).hexdigest()},
    }
    assert resolved.warnings == ()
    web.pages["/a-task/0.1/task_1.yaml?ref=main&x=%20"] = page(b"changed")
    assert ask("http", {"url": f"{web.url}/a-task/0.1/task_1.yaml?ref=main&x=%20"}).content == b"changed"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_document_with_a_digest_is_cached_and_checked(ask, refusal, web, page, task, algorithm):
    digest = f"{algorithm}:{hashlib.new(algorithm, task.encode()).hexdigest()}"
    asked = {"url": f"{web.url}/task.yaml", "digest": digest}
    web.pages["/task.yaml"] = page(b"something else")
    message, param = refusal("http", asked)
    assert message.startswith(f"{web.url}/task.yaml now has the digest {algorithm}:")
    assert param == "digest"
    web.pages["/task.yaml"] = page(task.encode())
    assert ask("http", asked).content.decode() == task
    del web.pages["/task.yaml"]
    assert ask("http", {**asked, "digest": digest.upper().replace("SHA", "sha")}).content.decode() == task


@pytest.mark.parametrize("digest", ["abc", "md5:" + "0" * 32, "sha256:" + "0" * 63, "sha256:" + "g" * 64])
def test_malformed_digest_is_reported(refusal, digest):
    message, param = refusal("http", {"url": "https://example.com/a", "digest": digest})
    assert message.startswith(f"'{digest}' is not a digest; expected sha256:")
    assert param == "digest"


def test_password_comes_from_a_secret(ask, refusal, web, page, task, secret):
    expected = "Basic " + base64.b64encode(b"me:s3cret").decode()

    def protected(headers):
        return page(task.encode()) if headers["Authorization"] == expected else page(b"", 401)

    web.pages["/task.yaml"] = protected
    asked = {"url": f"{web.url}/task.yaml"}
    message, _ = refusal("http", asked)
    assert message.endswith("the server answered 401 Unauthorized; give http-username and http-password-secret")
    asked |= {"http-username": "me", "http-password-secret": "mine"}
    assert ask("http", asked, mine=secret(password="s3cret")).content.decode() == task
    asked["http-password-secret-key"] = "key"
    assert ask("http", asked, mine=secret(key="s3cret")).content.decode() == task
    resolved = ask("http", {"url": web.url.replace("//", "//me:s3cret@") + "/task.yaml"})
    assert resolved.content.decode() == task
    assert "s3cret" not in f"{resolved.origin} {resolved.source}"


def test_user_and_password_require_each_other_and_https(refusal, secret):
    url = "http://example.com/a"
    assert refusal("http", {"url": url, "http-username": "me"}) == (
        "it needs the param 'http-password-secret' too",
        "http-username",
    )
    assert refusal("http", {"url": url, "http-password-secret": "mine"}) == (
        "it needs the param 'http-username' too",
        "http-password-secret",
    )
    both = {"url": url, "http-username": "me", "http-password-secret": "mine"}
    assert refusal("http", both, mine=secret(password="x")) == (
        "the password would be sent without encryption; use https",
        "url",
    )


def test_password_is_not_sent_after_a_redirect(ask, web, page, task, secret):
    web.pages["/old"] = page(status=302, headers={"Location": "/new"})
    web.pages["/new"] = page(task.encode())
    asked = {"url": f"{web.url}/old", "http-username": "me", "http-password-secret": "mine"}
    assert ask("http", asked, mine=secret(password="x")).content.decode() == task
    assert [(path, headers["Authorization"] is not None) for path, headers in web.asked] == [
        ("/old", True),
        ("/new", False),
    ]


def test_the_body_of_a_redirect_is_not_read(ask, web, page, task):
    web.pages["/old"] = page(status=302, headers={"Location": "/new", "Content-Length": "9" * 30})
    web.pages["/new"] = page(task.encode())
    assert ask("http", {"url": f"{web.url}/old"}).content.decode() == task


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://a/b", "task.yaml", "http://", "http://a b/", "http://a:x/"]
)
def test_only_http_urls_are_fetched(refusal, url):
    assert refusal("http", {"url": url}) == (f"'{url}' is not a URL of http or https", "url")


def test_server_errors_are_reported(refusal, web, page):
    web.pages["/short"] = page(b"ask the team\n", 403)
    web.pages["/page"] = page(b"<html>", 500)
    web.pages["/cut"] = page(b"x", headers={"Content-Length": "2"})
    web.pages["/circle"] = page(status=302, headers={"Location": "/circle"})
    assert refusal("http", {"url": f"{web.url}/short"})[0] == (
        f"{web.url}/short: the server answered 403 Forbidden: ask the team"
    )
    assert refusal("http", {"url": f"{web.url}/page"})[0].endswith("the server answered 500 Internal Server Error")
    assert refusal("http", {"url": f"{web.url}/none"})[0].endswith(
        "the server answered 404 Not Found: no such page; check the URL"
    )
    assert refusal("http", {"url": f"{web.url}/cut"})[0].startswith(
        f"{web.url}/cut: the connection was lost during the answer"
    )
    assert "302" in refusal("http", {"url": f"{web.url}/circle"})[0]


def test_too_large_answer_is_rejected(refusal, web, page):
    web.pages["/long"] = page(b"x" * (10 * 2**20 + 1))
    assert "the answer is larger than 10 MiB" in refusal("http", {"url": f"{web.url}/long"})[0]


def test_error_without_a_network_names_a_remedy(refusal, nowhere):
    message, _ = refusal("http", {"url": f"{nowhere}/a"})
    assert message == (
        f"{nowhere}/a: cannot be reached: Connection refused; "
        "offline, only references with a digest come from the cache"
    )


def test_unencrypted_url_causes_a_warning(ask, monkeypatch, task):
    def answer(url, **_):
        return Answer(task.encode(), {}, url)

    monkeypatch.setattr("monopod.compiler.remote.http_resolver.request", answer)
    (warning,) = ask("http", {"url": "http://example.com/a"}).warnings
    assert warning.startswith("http://example.com/a is fetched without encryption")
    assert ask("http", {"url": "https://example.com/a"}).warnings == ()
