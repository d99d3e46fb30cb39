"""Which registries may use plain http, and what a registry says about its login."""

from __future__ import annotations

import pytest

from monopod.system.http_login import (
    LOCAL_NAMES,
    is_confidential,
    is_loopback,
    is_same_server,
    may_be_plain,
    may_lead_to,
    parse_challenge,
    token_in,
)


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        *(("localhost:5000", True), ("a.localhost", True), ("nas.local", True), ("[::1]:5000", True)),
        *(("127.0.0.1", True), ("10.1.2.3:5000", True), ("0.0.0.0", False)),
        *(("8.8.8.8", False), ("ghcr.io", False), ("localhost.example", False), ("registry.ci.svc", False)),
        ("[1:2]:5000", False),
    ],
)
def test_plain_http_is_for_this_machine_and_private_networks(registry, expected):
    assert may_be_plain(registry) == expected


def test_a_pod_may_use_plain_http_to_a_service():
    assert may_be_plain("registry.ci.svc", (*LOCAL_NAMES, ".svc"))


def test_a_private_network_is_not_this_machine():
    assert is_loopback("http://127.0.0.1:5000/v2/")
    assert is_loopback("http://a.localhost/v2/")
    assert not is_loopback("http://10.1.2.3/v2/")
    assert not is_loopback("http://nas.local/v2/")
    assert not is_loopback("http://[127.0.0.1/v2/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        *(("https://registry.example/", True), ("http://127.0.0.1:5000/", True), ("http://a.localhost/", True)),
        *(("http://10.1.2.3/", False), ("http://[", False), ("https:x", False), ("data:,x", False), ("", False)),
        ("http://127.0.0.1@registry.example/", False),
    ],
)
def test_nobody_reads_what_is_encrypted_or_stays_here(url, expected):
    assert is_confidential(url) == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        *(("https://a/x", True), ("https://a:443/x?y", True), ("HTTPS://A/x", True)),
        *(("http://a/x", False), ("https://a:5000/x", False), ("https://a.b/x", False), ("https://b@c/x", False)),
        *(("https://a:x/", False), ("https://[/", False), ("/x", False)),
    ],
)
def test_a_server_is_a_scheme_a_host_and_a_port(other, expected):
    assert is_same_server("https://a/v2/", other) == expected
    assert not is_same_server(other, "https://[/")


@pytest.mark.parametrize(
    ("target", "from_https", "from_http"),
    [
        *(("https://b/x", True, True), ("http://a/x", False, True), ("ftp://a/x", False, False)),
        *(("data:,x", False, False), ("file:///etc/passwd", False, False), ("https://[", False, False)),
        *(("https:", False, False), ("", False, False)),
    ],
)
def test_an_answer_leads_to_nothing_less_safe(target, from_https, from_http):
    assert may_lead_to("https://a/v2/", target) == from_https
    assert may_lead_to("http://a/v2/", target) == from_http


def test_a_challenge_has_a_scheme_and_parameters():
    assert parse_challenge('Bearer Realm="https://a/token",service="a, b"') == (
        "bearer",
        {"realm": "https://a/token", "service": "a, b"},
    )
    assert parse_challenge(r'Bearer realm="https://a/\"b\\",service=a.b, scope="x=\"y\"",error=') == (
        "bearer",
        {"realm": 'https://a/"b\\', "service": "a.b", "scope": 'x="y"'},
    )
    assert parse_challenge("") == ("", {})


@pytest.mark.parametrize("header", ["a" * 1_000_000, '="' * 500_000, 'a="' + "\\" * 999_999, "a=" * 500_000])
def test_a_long_challenge_is_parsed_in_linear_time(header):
    assert parse_challenge(f"Bearer {header}")[0] == "bearer"  # in quadratic time, it would be half an hour


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        *((b'{"token": "t"}', "t"), (b'{"access_token": "t"}', "t"), (b'{"token": "", "access_token": "t"}', "t")),
        *((b"<html>", None), (b"[]", None), (b"{}", None), (b'{"token": 1}', None), (b'{"token": "a\\nb"}', None)),
    ],
)
def test_a_token_is_a_printable_text(answer, token):
    assert token_in(answer) == token
