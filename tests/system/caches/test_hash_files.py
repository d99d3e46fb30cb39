"""hashFiles: which files match, and their hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monopod.system.caches.hash_files import hash_files, matching_files


@pytest.fixture
def tree(tmp_path):
    for name in ("go.sum", "a/go.sum", "a/b/go.sum", "a/go.mod", ".x/go.sum", "a/[1]"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    os.mkfifo(tmp_path / "a/pipe")
    return tmp_path


def matched(tree, *patterns):
    return [os.path.relpath(path, tree) for path in matching_files(patterns, str(tree))]


def test_patterns_match_as_in_githubs_globs(tree):
    assert matched(tree, "go.sum") == ["go.sum"]
    assert matched(tree, "**/go.sum") == [".x/go.sum", "a/b/go.sum", "a/go.sum", "go.sum"]
    assert matched(tree, "*/go.sum") == [".x/go.sum", "a/go.sum"]
    assert matched(tree, "a/go.???") == ["a/go.mod", "a/go.sum"]
    assert matched(tree, "a/go.[ms]*") == ["a/go.mod", "a/go.sum"]
    assert matched(tree, "a/go.[!m]*") == ["a/go.sum"]
    assert matched(tree, "a") == ["a/[1]", "a/b/go.sum", "a/go.mod", "a/go.sum"]
    assert matched(tree, "**/go.sum", "!a/**") == [".x/go.sum", "go.sum"]
    assert matched(tree, "!a/**", "a/go.mod") == ["a/go.mod"]
    assert matched(tree, "missing", "*.lock") == []


def test_links_and_special_files_do_not_count(tree):
    assert matched(tree, "link", "a/pipe", "folder/passwd", "folder/**", "../**", "/etc/passwd") == []


def test_the_hash_is_the_hash_of_the_hashes_of_the_files(tree):
    digests = b"".join(hashlib.sha256(name.encode()).digest() for name in ("a/go.sum", "go.sum"))
    assert hash_files(["go.sum", "a/go.sum"], str(tree)) == hashlib.sha256(digests).hexdigest()
    assert hash_files(["go.sum", "a/*.sum"], str(tree)) == hash_files(["a/go.sum", "go.sum"], str(tree))


def test_the_hash_of_no_files_is_empty(tree):
    assert hash_files(["missing"], str(tree)) == ""


NAMES = st.sampled_from(["a", "ab", "b.x", "go.sum", ".h"])
WORDS = st.sampled_from(["a", "a*", "*", "**", "?.x", "[ab]*", "[!a]*", ".h", "go.sum"])
PATTERN = st.lists(WORDS, min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=6), PATTERN)
def test_patterns_match_what_pathlib_matches(tmp_path_factory, files, pattern):
    tree = tmp_path_factory.mktemp("tree")
    for names in files:
        path = Path(tree, *names)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError:  # a file is there
            continue
    text = "/".join(pattern)
    expected = {inner for each in tree.glob(text) for inner in (each, *each.rglob("*")) if inner.is_file()}
    assert {*map(Path, matching_files([text], str(tree)))} == expected
