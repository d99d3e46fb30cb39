"""The rules of ``--resolve``: which references they match, and which of them wins."""

from __future__ import annotations

import re

import pytest

from monopod.compiler.remote.local.rules import Rule, check_rules, choose
from monopod.compiler.remote.reference import RemoteReference
from monopod.compiler.remote.resolution import address_of

DIGEST = "@sha256:" + "0" * 64


def address(resolver, **params):
    return address_of(RemoteReference("Task", resolver, tuple(params.items())))


def git(url):
    return address("git", url=url, pathInRepo="task.yaml")


def bundle(text):
    return address("bundles", bundle=text, name="build")


def directory_of(rule, asked):
    match = Rule.parse(rule, "--resolve").match(asked)
    return None if match is None else match.directory


@pytest.mark.parametrize(
    ("rule", "url", "directory"),
    [
        ("git:https://github.com/acme/tasks=d", "https://github.com/acme/tasks", "d"),
        ("git:https://github.com/acme/tasks=d", "https://github.com/acme/tasks.git", "d"),
        ("git:https://github.com/acme/tasks.git=d", "https://github.com/acme/tasks", "d"),
        ("git:https://github.com/acme/tasks/=d", "https://user:secret@github.com/acme/tasks", "d"),
        ("git:https://github.com/acme/tasks=d", "git@github.com:acme/tasks.git", "d"),
        ("git:git@github.com:acme/*=d", "https://github.com/acme/tasks", "d"),
        ("git:https://github.com/acme/*=../*", "https://github.com/acme/tasks.git", "../tasks"),
        ("git:https://gitlab.com/*=d/*", "https://gitlab.com/acme/team/tasks", "d/acme/team/tasks"),
        ("git:*=d", "ssh://git@example.com:2222/tasks.git", "d"),
        ("git:*/tasks=d", "https://github.com/acme/tasks.git", "d"),
        ("git:https://github.com/acme/*=d", "https://github.com/acmes/tasks", None),
        ("git:https://github.com/acme/tasks=d", "https://github.com/acme/tasks2", None),
        ("bundles:*=d", "https://github.com/acme/tasks", None),
    ],
)
def test_pattern_of_git_matches_the_repository(rule, url, directory):
    assert directory_of(rule, git(url)) == directory


def test_pattern_of_git_matches_org_and_repo_and_the_default_repository():
    assert directory_of("git:https://github.com/acme/*=*", address("git", org="acme", repo="x", pathInRepo="a")) == "x"
    assert directory_of("git:https://github.com/tektoncd/catalog=d", address("git", pathInRepo="a")) == "d"


@pytest.mark.parametrize(
    ("rule", "text", "directory"),
    [
        ("bundles:quay.io/acme/*=d/*", "quay.io/acme/task-init:0.4" + DIGEST, "d/task-init"),
        ("bundles:quay.io/acme/task-init:0.4=d", "quay.io/acme/task-init:0.4" + DIGEST, "d"),
        ("bundles:quay.io/acme/task-init:0.4=d", "quay.io/acme/task-init:0.5", None),
        ("bundles:quay.io/acme/task-init" + DIGEST + "=d", "quay.io/acme/task-init" + DIGEST, "d"),
        ("bundles:localhost:5000/*=d/*", "localhost:5000/init", "d/init"),
        ("bundles:acme/*=d/*", "acme/init:1", "d/init"),
        ("bundles:index.docker.io/acme/*=d/*", "acme/init:1", "d/init"),
    ],
)
def test_pattern_of_bundles_matches_the_image(rule, text, directory):
    assert directory_of(rule, bundle(text)) == directory


def test_patterns_of_the_other_resolvers():
    hub = address("hub", name="git-clone", version="0.9")
    assert directory_of("hub:*=d", hub) == "d"
    assert directory_of("hub:git-clone=d", hub) == "d"
    assert directory_of("hub:tekton-catalog-tasks/*=d/*", hub) == "d/git-clone"
    assert directory_of("cluster:ci/*=d", address("cluster", kind="task", name="build", namespace="ci")) == "d"
    http = address("http", url="https://u:p@example.com/a/b.yaml?ref=main")
    assert directory_of("https://example.com/a/*=d", http) == "d"
    assert directory_of("https://example.com/a/=d", http) == "d"
    assert directory_of("https://example.com/a/b.yaml=d", http) == "d"
    assert directory_of("https://example.com/a/b.yaml?ref=main=d", http) == "d"
    assert directory_of("http://example.com/a/*=d", http) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks", "'tasks' is not a rule; expected RESOLVER:PATTERN=DIR or URL=DIR"),
        ("git:x=", "'git:x=' is not a rule"),
        (
            "gti:x=d",
            "'gti:x' is not a pattern (did you mean 'git'?); it begins with git:, bundles:, hub:, cluster:, name:,",
        ),
        ("git:=d", "'git:' is not a pattern"),
        ("github.com/acme/*=d", "'github.com/acme/*' is not a pattern; it begins with"),
        ("git:*/acme/*=d", "'git:*/acme/*' has more than one *"),
        ("git:https://example.com/x=d/*", "the directory 'd/*' has a * that the pattern does not have"),
    ],
)
def test_invalid_rules_are_errors(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Rule.parse(text, "--resolve")


def rules(*texts):
    return tuple(Rule.parse(text, "--resolve") for text in texts)


def chosen(*layers):
    match = choose(layers, git("https://github.com/acme/tasks"))
    return None if match is None else match.directory


def test_most_specific_rule_wins_in_any_order():
    texts = ["git:*=any", "git:*/tasks=end", "git:https://github.com/*=host", "git:https://github.com/acme/tasks=exact"]
    for order in (texts, texts[::-1]):
        assert chosen(rules(*order)) == "exact"
        assert chosen(rules(*(text for text in order if "exact" not in text))) == "host"
        assert chosen(rules(*(text for text in order if "any" in text or "end" in text))) == "end"


def test_nearer_layer_wins():
    exact = rules("git:https://github.com/acme/tasks=exact")
    assert chosen(rules("git:*=any"), exact) == "any"
    assert chosen(rules("bundles:*=any"), exact) == "exact"
    assert chosen() is None


def test_two_directories_of_one_pattern_are_an_error():
    check_rules(rules("git:*=d", "git:*=d"))
    with pytest.raises(ValueError, match=r"--resolve 'git:\*=d' and --resolve 'git:\*=e' have the same pattern"):
        check_rules(rules("git:*=d", "git:*=e"))
