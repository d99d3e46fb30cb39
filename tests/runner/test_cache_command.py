"""`monopod cache`: entries are listed and pruned."""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.caches.default_store import default_directory
from monopod.runner.caches.directory_stores import prepare_stores
from monopod.runner.caches.pruning import StoredEntry, entries_to_remove
from monopod.runner.commands.cache import add_arguments, execute
from monopod.system.caches.directory_store import DirectoryStore
from monopod.system.caches.keys import Entry, Part
from monopod.system.caches.store import Draft


def fill(directory, *sizes):
    store = DirectoryStore(str(directory))
    for number, size in enumerate(sizes):

        def pack(write, size=size):
            write(bytes(size))
            return (Part("directory", 1),)

        store.save(Draft(f"go-{number}", "v", ("vendor",)), pack)
    return store


@pytest.fixture
def cache(tmp_path):
    def run(*arguments, code=0):
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home")}
        environment.pop("MONOPOD_CACHE_STORE", None)
        command = [sys.executable, "-m", "monopod", "cache", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done

    return run


def test_entries_are_listed_with_size_and_age(cache, tmp_path):
    fill(tmp_path / "store", 2048, 10)
    lines = cache("list", "--cache-store", "./store").stdout.splitlines()
    assert lines[0].split() == ["KEY", "SIZE", "AGE", "UNUSED", "FOR", "PROJECT", "PATHS"]
    assert [line.split()[0] for line in lines[1:]] == ["go-1", "go-0"]
    assert "2 KiB" in lines[2]
    assert "vendor" in lines[2]


def test_entries_are_listed_as_json_and_by_name(cache, tmp_path):
    fill(tmp_path / "store", 1)
    (entry,) = json.loads(cache("list", "--cache-store", "./store", "-o", "json").stdout)
    assert (entry["key"], entry["size"], entry["paths"]) == ("go-0", 1, ["vendor"])
    assert cache("list", "--cache-store", "./store", "-o", "name").stdout == "go-0\n"


def test_the_stores_of_all_projects_are_the_default(cache, tmp_path):
    fill(tmp_path / "home/monopod/caches/one-1", 1)
    fill(tmp_path / "home/monopod/caches/two-2", 1)
    listed = json.loads(cache("list", "-o", "json").stdout)
    assert {entry["project"] for entry in listed} == {"one-1", "two-2"}
    assert cache("prune", "--all").stdout == "removed go-0 (1 byte)\n" * 2
    assert cache("list").stderr == "No entries in any store.\n"


def test_pruning_removes_the_least_recently_used_down_to_a_size(cache, tmp_path):
    store = fill(tmp_path / "store", 1000, 1000, 1000)
    with store.opened(store.find("v", "go-0", [])):
        pass
    done = cache("prune", "--cache-store", "./store", "--max-size", "2k")
    assert done.stdout == "removed go-1 (1000 bytes)\n"
    assert done.stderr == "removed 1 entry (1000 bytes), 2 entries (1.95 KiB) remain\n"
    assert {entry.key for entry in store.entries()} == {"go-0", "go-2"}


def test_pruning_by_age_and_key(cache, tmp_path):
    store = fill(tmp_path / "store", 1, 1)
    for path in (tmp_path / "store/entries").iterdir():
        entry = json.loads((path / "entry.json").read_text())
        if entry["key"] == "go-0":
            (path / "entry.json").write_text(json.dumps({**entry, "created": 0}))
            os.utime(path / "content.gz", (0, 0))
    assert cache("list", "--cache-store", "./store", "--older-than", "2w", "-o", "name").stdout == "go-0\n"
    assert cache("prune", "--cache-store", "./store", "--older-than", "1d12h", "--dry-run").stdout == (
        "would remove go-0 (1 byte)\n"
    )
    assert len(store.entries()) == 2
    cache("prune", "--cache-store", "./store", "--older-than", "7d")
    assert [entry.key for entry in store.entries()] == ["go-1"]
    cache("prune", "--cache-store", "./store", "--key", "go")
    assert store.entries() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune"], "choose what to remove: --older-than AGE, --max-size SIZE, --key PREFIX or --all"),
        (["prune", "--all", "--key", "a"], "--all removes every entry; leave out the other conditions, or --all"),
        (["prune", "--key", ""], "--key: an empty prefix matches every entry; leave out --key, or use --all"),
        (["list", "--all"], "--all applies only to prune"),
        (["list", "--dry-run"], "--dry-run applies only to prune"),
        (["prune", "--all", "-o", "json"], "-o applies only to list"),
        (["list", "--cache-store", "-"], "'-' is not a store; it turns caching off"),
        (["list", "--cache-store", "store"], "expected a directory (./DIR, /DIR), hostPath:DIR, pvc:CLAIM"),
        (["list", "--cache-store", "pvc:A_b"], "'A_b' is not a valid name"),
        (["list", "--cache-store", "pvc:a"], "the claim 'a' does not exist on this machine; --context CONTEXT reads"),
        (["list", "--cache-store", "./typo"], "/typo: the directory does not exist"),
        (["prune", "--all", "--cache-store", "hostPath:/dev/null"], "/dev/null: it is not a directory"),
        (["list", "--context", "kind"], "--context applies only to claims; name them with --cache-store pvc:CLAIM"),
        (["list", "-n", "ci", "--cache-store", "."], "-n applies only to claims"),
        (["list", "--runtime-image", "a"], "--runtime-image applies only to claims in a cluster; add --context"),
        (["prune", "--older-than", "7x"], "'7x' is not an age; write it like 2w, 7d, 12h or 1d12h"),
        (["prune", "--max-size", "big"], "'big' is not a quantity"),
        (["prune", "--max-size", "-1"], "a size must not be negative"),
    ],
)
def test_wrong_usage_is_one_line(cache, arguments, message):
    done = cache(*arguments, code=2)
    assert done.stdout == ""
    assert message in done.stderr.splitlines()[-1]


def test_an_empty_store_is_named(cache, tmp_path):
    (tmp_path / "store").mkdir()
    assert cache("list", "--cache-store", "./store").stderr == "No entries in ./store.\n"


def test_the_entries_of_several_claims_name_their_claim(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    fill(tmp_path / "data/monopod/claims/default/a", 1)
    fill(tmp_path / "data/monopod/claims/ci/b", 1)
    fill(tmp_path / "data/monopod/claims/ci/c", 1)
    (line,) = cache("list", "--cache-store", "pvc:a").stdout.splitlines()[1:]
    assert line.split()[-2:] == ["a", "vendor"]
    listed = json.loads(cache("list", "--cache-store", "pvc:b,c", "-n", "ci", "-o", "json").stdout)
    assert {entry["claim"] for entry in listed} == {"b", "c"}
    cache("prune", "--all", "--cache-store", "pvc:b", "-n", "ci")
    assert cache("list", "--cache-store", "pvc:b,c", "-n", "ci", "-o", "name").stdout == "go-0\n"


NOW = 10
FUTURE = NOW + 86401
SIZES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9) | st.sampled_from([11, FUTURE, 10**9])), max_size=6)


def age(entry):
    return 10**9 if entry.used >= FUTURE else NOW - entry.used


@given(SIZES, st.none() | st.integers(0, 30), st.none() | st.integers(0, 10))
def test_what_remains_keeps_the_limits_and_is_the_most_recently_used(entries, max_size, older_than):
    stored = [
        StoredEntry(Entry(str(number), "v", (), 0, used, size, "", ())) for number, (size, used) in enumerate(entries)
    ]
    removed = entries_to_remove(stored, NOW, older_than=older_than, max_size=max_size)
    kept = [each.entry for each in stored if each not in removed]
    if max_size is None and older_than is None:
        assert kept == []
        return
    assert older_than is None or all(age(entry) <= older_than for entry in kept)
    assert max_size is None or sum(entry.size for entry in kept) <= max_size
    by_size = [each.entry for each in removed if older_than is None or age(each.entry) <= older_than]
    if by_size:
        last = max(by_size, key=lambda entry: (-age(entry), entry.key))
        assert all((-age(entry), entry.key) > (-age(last), last.key) for entry in kept)
        assert sum(entry.size for entry in kept) + last.size > max_size


def test_the_default_store_belongs_to_the_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "repository/.git").mkdir(parents=True)
    (tmp_path / "repository/ci").mkdir()
    (tmp_path / "other").mkdir()
    inside = {default_directory([str(tmp_path / "repository" / name)]) for name in ("p.yaml", "ci/p.yaml", "ci")}
    assert len(inside) == 1
    assert inside.pop().startswith(f"{tmp_path}/home/monopod/caches/repository-")
    monkeypatch.chdir(tmp_path / "other")
    assert "/other-" in default_directory(["-"])


def test_other_users_do_not_reach_the_default_stores_but_steps_of_any_user_may_write(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    default, other = default_directory(["-"]), str(tmp_path / "other")
    assert prepare_stores([default, other]) == []
    modes = [os.stat(path).st_mode & 0o777 for path in (os.path.dirname(default), f"{default}/entries", other)]
    assert modes == [0o700, 0o777, 0o755]
    (problem,) = prepare_stores(["/proc/nowhere"])
    assert problem.startswith("the cache store /proc/nowhere cannot be made, or is not a directory")


def test_a_run_whose_user_cannot_have_the_default_store_caches_nothing(tmp_path):
    (tmp_path / "home").write_text("a file, where nobody can make a directory")
    (tmp_path / "task.yaml").write_text(
        "apiVersion: tekton.dev/v1\n"
        "kind: Task\n"
        "metadata: {name: build, annotations: {monopod.dev/cache: '{key: a, paths: [~/a]}'}}\n"
        "spec: {steps: [{name: s, image: x, script: echo built}]}\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "home")}
    environment.pop("MONOPOD_CACHE_STORE", None)
    command = [sys.executable, "-m", "monopod", "run", "-f", "task.yaml"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nothing is cached, since there is no store" in done.stderr
    assert "[build : s] built\n" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--cache-store", "./home/monopod"]])
def test_a_directory_that_cannot_be_listed_is_one_line(monkeypatch, capsys, tmp_path, arguments):
    (tmp_path / "home/monopod/caches").mkdir(parents=True)
    (tmp_path / "home/monopod/entries").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MONOPOD_CACHE_STORE", raising=False)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with mock.patch("os.listdir", side_effect=PermissionError(errno.EACCES, "Permission denied")):
        assert execute(parser.parse_args(["list", *arguments])) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("monopod cache: ")
    assert line.endswith(": Permission denied")


def test_a_damaged_entry_with_an_odd_name_is_one_line(cache, tmp_path):
    fill(tmp_path / "store", 10)
    odd = os.fsencode(tmp_path / "store/entries") + b"/x\nremoved go-0\x1b[2J\xff\xe2\x80\xae"
    os.mkdir(odd)
    shown = f"{tmp_path}/store/entries/x\\nremoved go-0\\x1b[2J"
    listed = cache("list", "--cache-store", f"{tmp_path}/store")
    (line,) = [line for line in listed.stderr.splitlines() if "damaged" in line]
    assert line.startswith(f"monopod cache: damaged entry {shown}")
    assert "\u202e" not in listed.stderr
    (line,) = cache("prune", "--max-size", "1Gi", "--cache-store", f"{tmp_path}/store").stdout.splitlines()
    assert line.startswith(f"removed damaged entry {shown}")


def test_an_entry_of_the_future_is_pruned_as_the_oldest(cache, tmp_path):
    fill(tmp_path / "store", 1000, 1000)
    for path in (tmp_path / "store/entries").iterdir():
        entry = json.loads((path / "entry.json").read_text())
        if entry["key"] == "go-0":
            (path / "entry.json").write_text(json.dumps({**entry, "created": 200_000_000_000}))
    assert cache("prune", "--cache-store", "./store", "--max-size", "1k", "--dry-run").stdout == (
        "would remove go-0 (1000 bytes)\n"
    )
    done = cache("prune", "--cache-store", "./store", "--older-than", "30d")
    assert done.stdout == "removed go-0 (1000 bytes)\n"


@pytest.mark.parametrize("is_link", [True, False])
def test_damaged_entries_are_reported_and_pruned(cache, tmp_path, is_link):
    fill(tmp_path / "store", 10)
    damaged = tmp_path / "store/entries" / ("0" * 32)
    (tmp_path / "outside").mkdir()
    damaged.symlink_to(tmp_path / "outside") if is_link else damaged.write_text("")
    kind = "a symbolic link" if is_link else "a file"
    about = f"damaged entry {damaged}: it is {kind}, not a directory"
    hint = "; `monopod cache prune` with --all, --older-than or --max-size removes it"
    for arguments in (("list",), ("prune", "--key", "x"), ("prune", "--all", "--dry-run")):
        done = cache(*arguments, "--cache-store", f"{tmp_path}/store")
        assert f"monopod cache: {about}{hint}" in done.stderr.splitlines()
    done = cache("prune", "--max-size", "1Gi", "--cache-store", f"{tmp_path}/store")
    assert done.stdout == f"removed {about}\n"
    assert "damaged" not in done.stderr
    assert len(cache("list", "-o", "name", "--cache-store", f"{tmp_path}/store").stdout.splitlines()) == 1
    assert (tmp_path / "outside").is_dir()
