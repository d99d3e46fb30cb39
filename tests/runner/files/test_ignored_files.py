"""Which files of a folder are copied: git is the oracle for .gitignore, Docker's documentation for .dockerignore."""

from __future__ import annotations

import os
import stat

import pytest
from git_command import git
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monopod.runner.files.docker_ignore import DockerIgnore
from monopod.runner.files.folder_files import FolderFiles
from monopod.runner.files.git_ignore import GitIgnore
from monopod.system.files.tree_reading import Choice, walk


@pytest.fixture(autouse=True)
def no_configuration_of_git(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def write_files(folder, files):
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)


def copied(folder, files=None):
    """The files that are copied, without those of git."""
    choose = (FolderFiles(str(folder)) if files is None else files).choose
    found = [each.path for each in walk(os.fsencode(folder), choose) if not stat.S_ISDIR(each.status.st_mode)]
    return {os.fsdecode(path) for path in found if b".git" not in path.split(b"/")}


NAMES = st.sampled_from(["a", "b", "ab", "a.o", "b.o", "c", "a b", "ä", "x#"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
WORDS = st.sampled_from(["a", "b", "*", "*.o", "?", "[ab]", "[!a]", "**", "a*", "ab", "c", "\\#", "x#", "a b", "ä"])
PATTERNS = st.builds(
    lambda negated, first, words, last: negated + first + "/".join(words) + last,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(WORDS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", " ", "\\ "]),
)
IGNORE_FILES = st.dictionaries(
    st.sampled_from(["", "a/", "b/", "a/b/"]), st.lists(PATTERNS, max_size=4).map("\n".join), max_size=3
)


@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=st.sets(PATHS, min_size=1, max_size=8), ignore=IGNORE_FILES)
def test_as_git_does_with_git_and_without(tmp_path_factory, monkeypatch, paths, ignore):
    folder = tmp_path_factory.mktemp("folder")
    paths = {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    for directory, content in ignore.items():
        parents = [parent for parent in ("a", "b", "a/b") if directory.startswith(f"{parent}/")]
        if not any((folder / parent).is_file() for parent in parents):
            (folder / directory).mkdir(parents=True, exist_ok=True)
            (folder / directory / ".gitignore").write_text(content)
    git(folder, "init", "-q")
    listed = git(folder, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
    expected = {path for path in listed if path}
    assert copied(folder) == expected
    without_git = FolderFiles(str(folder))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        without_git._git = GitIgnore(os.fsencode(folder))
        assert copied(folder, without_git) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a", "!*", "a"], set()),
        (["a/**", "!a/keep"], {"a/keep"}),
        (["b", "!a/"], {"a/keep"}),
        (["a/*", "!a/b"], {"a/b"}),
        (["a", "!a/b"], set()),
        (["**/"], set()),
        (["a/**/"], {"a/b", "a/keep"}),
        (["*/", "!a/"], {"a/b", "a/keep"}),
    ],
)
def test_the_last_pattern_that_matches_the_path_itself_decides(tmp_path, monkeypatch, lines, expected):
    write_files(tmp_path, {".gitignore": "\n".join(lines), "a/b": "", "a/keep": ""})
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert copied(tmp_path) - {".gitignore"} == expected
    git(tmp_path, "init", "-q")
    assert copied(tmp_path) - {".gitignore"} == expected


def test_a_tracked_file_is_copied_though_it_is_ignored(tmp_path):
    write_files(
        tmp_path, {".gitignore": "*.log\nbuild/", "kept.log": "", "other.log": "", "build/kept": "", "build/new": ""}
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", "kept.log", "build/kept")
    assert copied(tmp_path) == {".gitignore", "kept.log", "build/kept"}


def test_files_above_the_folder_and_in_the_repository_count(tmp_path):
    write_files(tmp_path, {".gitignore": "*.log", "app/a.log": "", "app/a.tmp": "", "app/a": ""})
    git(tmp_path, "init", "-q")
    (tmp_path / ".git" / "info" / "exclude").write_text("*.tmp")
    assert copied(tmp_path / "app") == {"a"}


def test_repositories_inside_decide_for_themselves(tmp_path):
    write_files(
        tmp_path,
        {".gitignore": "*.log", "inner/.gitignore": "*.tmp", "inner/a.log": "", "inner/a.tmp": "", "inner/a": ""},
    )
    git(tmp_path, "init", "-q")
    git(tmp_path / "inner", "init", "-q")
    assert copied(tmp_path) == {".gitignore", "inner/.gitignore", "inner/a.log", "inner/a"}


def test_a_folder_that_is_itself_ignored_is_copied(tmp_path):
    write_files(tmp_path, {".gitignore": "dist", "dist/a": "", "dist/deep/b": ""})
    git(tmp_path, "init", "-q")
    assert copied(tmp_path / "dist") == {"a", "deep/b"}


def test_the_history_and_empty_directories_are_copied(tmp_path):
    write_files(tmp_path, {".gitignore": "ignored", "ignored/a": ""})
    (tmp_path / "empty").mkdir()
    git(tmp_path, "init", "-q")
    found = {each.path for each in walk(os.fsencode(tmp_path), FolderFiles(str(tmp_path)).choose)}
    assert {b".git/HEAD", b"empty", b".gitignore"} <= found
    assert b"ignored" not in found


def test_git_variables_of_the_environment_do_not_matter(tmp_path, monkeypatch):
    write_files(tmp_path, {".gitignore": "ignored", "ignored": "", "a": ""})
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert copied(tmp_path) == {".gitignore", "a"}


def test_both_files_exclude(tmp_path):
    write_files(
        tmp_path, {".gitignore": "*.log", ".dockerignore": ".git\nsecret\n!a.log", "a.log": "", "secret": "", "a": ""}
    )
    git(tmp_path, "init", "-q")
    files = FolderFiles(str(tmp_path))
    assert {each.path for each in walk(os.fsencode(tmp_path), files.choose)} == {b".gitignore", b".dockerignore", b"a"}
    assert files.has_excluded


@pytest.mark.parametrize(
    ("content", "path", "is_directory", "choice"),
    [
        ("*/temp*", "somedir/temporary.txt", False, Choice.NO),
        ("*/temp*", "somedir/temp", True, Choice.NO),
        ("*/*/temp*", "somedir/subdir/temporary.txt", False, Choice.NO),
        ("*/*/temp*", "somedir/temporary.txt", False, Choice.YES),
        ("temp?", "tempa", False, Choice.NO),
        ("temp?", "dir/tempa", False, Choice.YES),
        ("**/*.go", "main.go", False, Choice.NO),
        ("**/*.go", "a/b/main.go", False, Choice.NO),
        ("*.md\n!README.md", "README.md", False, Choice.YES),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", False, Choice.NO),
        ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False, Choice.YES),
        ("# *.md", "a.md", False, Choice.YES),
        ("/foo/bar", "foo/bar", False, Choice.NO),
        ("foo/bar/", "foo/bar", True, Choice.NO),
        ("foo", "foo/bar/baz", False, Choice.NO),
        ("./a/../b", "b", False, Choice.NO),
        (".", "b", False, Choice.YES),
        ("node_modules\n!node_modules/mine", "node_modules", True, Choice.INSIDE),
        ("node_modules\n!node_modules/mine", "node_modules/mine", True, Choice.YES),
        ("node_modules\n!node_modules/mine", "node_modules/mine/x", False, Choice.YES),
        ("node_modules\n!node_modules/mine", "node_modules/other", True, Choice.NO),
        ("*\n!src", "src", True, Choice.YES),
        ("*\n!**/keep", "any", True, Choice.INSIDE),
        ("a+(b)", "a+(b)", False, Choice.NO),
        ("[a-c]x", "bx", False, Choice.NO),
        ("[^a]x", "bx", False, Choice.NO),
        ("[^a]x", "ax", False, Choice.YES),
        ("[", "[", False, Choice.NO),
        ("a\\*", "a*", False, Choice.NO),
        ("a\\*", "ab", False, Choice.YES),
        ("**", "a/b", False, Choice.NO),
        ("  spaces  ", "spaces", False, Choice.NO),
    ],
)
def test_docker_s_patterns(content, path, is_directory, choice):
    assert DockerIgnore(content.encode()).choice(path.encode(), is_directory=is_directory) is choice


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_any_dockerignore_can_be_read(content, path):
    DockerIgnore(content).choice(path, is_directory=False)
