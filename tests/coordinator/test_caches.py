"""The program of the Steps that restore and save caches, and its arguments."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import monopod
from monopod.coordinator.caches.__main__ import main
from monopod.system.caches.directory_store import DirectoryStore
from monopod.system.caches.requests import Cache, Hash, Request, UsageError, parse, to_arguments

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
TEMPLATES = st.lists(TEXTS | st.builds(Hash, TEXTS, st.lists(TEXTS, max_size=2)), min_size=1, max_size=3)
CACHES = st.builds(
    Cache,
    st.sampled_from(["pull", "push", "both"]),
    st.lists(TEXTS, max_size=2),
    TEMPLATES,
    st.lists(TEMPLATES, max_size=2),
    TEXTS,
    TEXTS,
)
REQUESTS = st.builds(
    Request,
    st.just("save"),
    TEXTS,
    st.dictionaries(st.sampled_from(["auth", "plain"]), TEXTS, max_size=2),
    st.lists(TEXTS, max_size=2),
    st.lists(CACHES, max_size=3),
)


@given(REQUESTS)
def test_whatever_the_texts_are_a_request_is_read_as_it_was_written(request_of_task):
    assert parse(list(to_arguments(request_of_task))) == request_of_task


@pytest.mark.parametrize(
    "arguments",
    [[], ["other"], ["restore", "--store"], ["restore", "--path", "x"], ["restore", "--cache", "--policy", "x"],
     ["restore", "--cache", "--key", "--files", "x"], ["restore", "--store", "-", "--cache", "--other", "x"]],
)  # fmt: skip
def test_other_arguments_are_refused(arguments, capsys):
    with pytest.raises(UsageError):
        parse(arguments)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: ")


@pytest.fixture
def task(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "source").mkdir()
    (tmp_path / "source/go.sum").write_text("1")
    return Task(tmp_path)


class Task:
    """A Task with one Workspace and one cache."""

    def __init__(self, directory):
        self.directory = directory
        self.source = directory / "source"
        self.store = DirectoryStore(str(directory / "store"))

    def request(self, verb, *, store=None, key=None, hit="", **fields):
        name = f"dir:{self.directory}/store" if store is None else store
        template = ["go-", Hash(str(self.source), ["go.sum"])]
        cache = Cache(
            **{"paths": [f"{self.source}/vendor"], "key": template, "restore_keys": [["go-"]], **fields},
            save_as=key or "",
            hit=hit,
        )
        return list(to_arguments(Request(verb, name, {}, [str(self.source)], [cache])))

    def restore(self, **options):
        assert main(self.request("restore", **options), str(self.directory / "results")) == 0
        return self.result("key-0"), self.result("hit-0")

    def save(self, key, hit="false", **options):
        assert main(self.request("save", key=key, hit=hit, **options)) == 0

    def result(self, name):
        return (self.directory / "results" / name).read_text()


def test_a_miss_is_saved_and_the_next_run_hits(task, capsys):
    key, hit = task.restore()
    assert hit == "false"
    (task.source / "vendor").mkdir()
    (task.source / "vendor/a").write_text("1")
    task.save(key, hit)
    (task.source / "vendor/a").unlink()
    assert task.restore() == (key, "true")
    assert (task.source / "vendor/a").read_text() == "1"
    task.save(key, "true")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"cache miss: {key}"
    assert told[1].startswith(f"cache saved: {key}, ")
    assert told[2].startswith(f"cache hit: {key}, 1 file (1 byte) in ")
    assert told[3] == f"cache not saved, since it was restored: {key}"


def test_a_cache_whose_key_has_a_line_break_is_skipped(task, monkeypatch, capsys):
    monkeypatch.setattr("monopod.coordinator.caches.__main__._text_of", lambda *_: "a\nb")
    assert task.restore() == ("", "false")
    assert capsys.readouterr().out.startswith("cache skipped: the key has a line break")


def test_a_changed_file_restores_the_newest_similar_entry(task, capsys):
    (task.source / "vendor").mkdir()
    task.save("go-0")
    task.save("go-1")
    key, hit = task.restore()
    assert hit == "false"
    assert f"cache miss: {key}; restored the newest similar entry: go-1, " in capsys.readouterr().out


def test_policies_limit_what_is_done(task):
    (task.source / "vendor").mkdir()
    task.save("go-1", policy="pull")
    assert task.store.entries() == []
    task.save("go-1", policy="push")
    assert len(task.store.entries()) == 1
    assert task.restore(policy="push", key="go-1")[1] == "false"


def test_without_a_store_every_restore_misses_and_nothing_is_saved(task, capsys):
    key, hit = task.restore(store="-")
    task.save(key, hit, store="-")
    assert capsys.readouterr().out == f"cache caching is off: {key}\n" * 2


def test_a_key_that_was_not_computed_saves_nothing(task, capsys):
    task.save("")
    task.save("$(steps.cache-restore.results.key-0)")
    assert capsys.readouterr().out == "cache not saved: there is no key\n" * 2


def test_paths_that_do_not_exist_save_nothing(task, capsys):
    task.save("go-1")
    assert capsys.readouterr().out == f"cache not saved, since there is nothing at {task.source}/vendor: go-1\n"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda task: (task.directory / "store").write_text(""), "Not a directory"),
        (lambda task: (task.source / "vendor").symlink_to("/etc"), "symbolic link"),
    ],
)
def test_what_is_wrong_with_the_store_or_the_files_is_a_warning(task, capsys, prepare, message):
    prepare(task)
    task.save("go-1", paths=[f"{task.source}/vendor", str(task.source)])
    assert message in capsys.readouterr().out
    key, hit = task.restore()
    assert (key[:3], hit) == ("go-", "false")


@pytest.fixture
def silent_registry(monkeypatch):
    """A registry that accepts connections and never answers; returns its name."""
    monkeypatch.setattr("monopod.system.caches.registry_client._PATIENCE", 0.2)
    monkeypatch.setattr("monopod.system.caches.registry_client._MOMENT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}/team/cache"


def test_a_store_that_does_not_answer_is_asked_and_reported_once(task, silent_registry, capsys):
    arguments = task.request("restore", store=f"oci:{silent_registry}", restore_keys=[["a"], ["b"]])
    caches = arguments[arguments.index("--cache") :]
    assert main([*arguments, *caches, *caches], str(task.directory / "results")) == 0
    assert [task.result(f"hit-{number}") for number in range(3)] == ["away"] * 3
    assert task.result("key-2").startswith("go-")
    why = "cannot be reached: no answer within 0 seconds; this Task caches nothing"
    assert capsys.readouterr().out.splitlines() == [f"cache not restored: {silent_registry}: {why}"]
    (task.source / "vendor").mkdir()
    save = task.request("save", store=f"oci:{silent_registry}", key="go-1", hit="away")
    assert main([*save, *save[save.index("--cache") :]]) == 0
    assert capsys.readouterr().out == "cache not saved, since the store did not answer in time before\n"
    save = task.request("save", store=f"oci:{silent_registry}", key="go-1", hit="false")
    assert main([*save, *save[save.index("--cache") :]]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_damaged_entry_is_a_warning_with_its_path(task, capsys):
    (task.source / "vendor").mkdir()
    key, _ = task.restore()
    task.save(key)
    (damaged,) = task.directory.glob("store/entries/*/entry.json")
    task.save("go-0")
    damaged.write_text("{")
    capsys.readouterr()
    arguments = task.request("restore")
    assert main([*arguments, *arguments[arguments.index("--cache") :]], str(task.directory / "results")) == 0
    told = capsys.readouterr().out.splitlines()
    (warning,) = [line for line in told if "damaged" in line]
    assert warning.startswith(f"cache warning: damaged entry {damaged.parent}: entry.json: ")
    assert warning.endswith("; `monopod cache prune` removes it")


def test_a_damaged_entry_with_an_odd_name_is_one_line(task, capsys):
    (task.source / "vendor").mkdir()
    task.save("go-1")
    (entries,) = task.directory.glob("store/entries")
    (entries / "x\ncache restored: all\x1b[2J").mkdir()
    capsys.readouterr()
    task.restore()
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if "x\\ncache" in line]
    assert warning.startswith(f"cache warning: damaged entry {entries}/x\\ncache restored: all\\x1b[2J: ")


def test_every_link_that_is_left_out_is_named(task, capsys):
    (task.source / "vendor").mkdir()
    for name in ("a", "b"):
        (task.source / "vendor" / name).symlink_to("/etc")
    task.save("go-1")
    task.restore()
    left_out = f"{task.source}/vendor/a, {task.source}/vendor/b"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"cache left out 2 links to a place outside the cached paths: {left_out}"


def test_paths_outside_the_workspaces_are_not_cached(task, capsys):
    task.save("go-1", paths=["/etc"])
    assert "/etc is neither in a Workspace nor in" in capsys.readouterr().out
    assert task.store.entries() == []


def test_a_key_that_is_too_long_is_not_cached(task, capsys):
    assert task.restore(key="", restore_keys=[], paths=[])[1] == "false"
    arguments = task.request("restore")
    long = ["x" * 513 if word == "go-" else word for word in arguments]
    assert main(long, str(task.directory / "results")) == 0
    assert task.result("key-0") == ""
    assert "the key is longer than 512 characters" in capsys.readouterr().out


def test_the_program_runs_with_nothing_but_the_standard_library(task):
    (task.directory / "library").mkdir()
    (task.directory / "library/monopod").symlink_to(Path(monopod.__file__).parent)
    command = [sys.executable, "-P", "-S", "-m", "monopod.coordinator.caches", str(task.directory / "results")]
    environment = {"PYTHONPATH": str(task.directory / "library")}
    done = subprocess.run(
        [*command, *task.request("restore")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"cache miss: {task.result('key-0')}\n"
