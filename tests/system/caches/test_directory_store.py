"""A store in a directory: entries are immutable, and whole or absent, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest
from store_entries import read_entry as read
from store_entries import save_entry

from monopod.system.caches import directory_store
from monopod.system.caches.directory_store import DirectoryStore, identity
from monopod.system.caches.keys import Part
from monopod.system.caches.store import Damage, Draft, StoreError

save = partial(save_entry, version="v")


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(str(tmp_path / "store"))


def test_an_entry_is_found_by_its_key(store):
    saved = save(store, "go-1", b"one")
    found = store.find("v", "go-1", [])
    assert found._replace(used=0) == saved._replace(used=0)
    assert read(store, found) == b"one"
    assert store.has("v", "go-1")


def test_an_empty_store_misses(store):
    assert store.find("v", "go-1", ["go-"]) is None
    assert store.entries() == []


def test_an_entry_is_found_by_a_restore_key_of_the_same_version_only(store):
    save(store, "go-1", b"one")
    save(store, "go-2", b"two", version="other")
    assert store.find("v", "go-3", ["go-"]).key == "go-1"
    assert store.find("w", "go-3", ["go-"]) is None


def test_a_key_that_exists_is_not_saved_again(store):
    save(store, "go-1", b"one")
    assert save(store, "go-1", b"two") is None
    assert read(store, store.find("v", "go-1", [])) == b"one"
    assert len(store.entries()) == 1


def test_of_many_that_save_one_key_one_leaves_a_whole_entry(store, tmp_path):
    start = threading.Barrier(8)

    def contend(number):
        start.wait()
        save(DirectoryStore(str(tmp_path / "store")), "go-1", b"%d" % number * 100_000)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (entry,) = store.entries()
    content = read(store, entry)
    assert content == content[:1] * 100_000
    assert os.listdir(tmp_path / "store/drafts") == []


def test_nobody_probes_the_lock_of_a_draft_that_is_about_to_be_locked(store, monkeypatch):
    probed = []
    is_locked, lock = directory_store.is_locked, directory_store._lock

    def probe(descriptor):
        probed.append(descriptor)
        return is_locked(descriptor)

    def compete_and_lock(descriptor):
        monkeypatch.setattr(directory_store, "_lock", lock)
        assert save(store, "other") is not None
        assert probed == []
        lock(descriptor)
        store._remove_leftovers()

    monkeypatch.setattr(directory_store, "is_locked", probe)
    monkeypatch.setattr(directory_store, "_lock", compete_and_lock)
    assert save(store, "go-1", b"one") is not None
    assert {entry.key for entry in store.entries()} == {"other", "go-1"}


KILLED = """
import os, signal, sys
from monopod.system.caches.directory_store import DirectoryStore, identity
from monopod.system.caches.store import Draft
def pack(write):
    write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
DirectoryStore(sys.argv[1]).save(Draft("go-1", "v", ("vendor",)), pack)
"""


def test_a_process_that_is_killed_while_it_saves_leaves_no_entry(store, tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "store")], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert store.entries() == []
    assert store.find("v", "go-1", ["go"]) is None
    assert len(os.listdir(tmp_path / "store/drafts")) == 1
    save(store, "go-2")
    assert os.listdir(tmp_path / "store/drafts") == []
    assert [entry.key for entry in store.entries()] == ["go-2"]


def test_what_another_process_is_saving_is_not_removed(store, tmp_path):
    def pack(write):
        write(b"one")
        save(DirectoryStore(str(tmp_path / "store")), "go-2")
        return (Part("directory", 1),)

    store.save(Draft("go-1", "v", ()), pack)
    assert sorted(entry.key for entry in store.entries()) == ["go-1", "go-2"]


def test_an_entry_that_cannot_be_packed_is_not_saved(store, tmp_path):
    def pack(write):
        write(b"half")
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        store.save(Draft("go-1", "v", ()), pack)
    assert store.entries() == []
    assert os.listdir(tmp_path / "store/drafts") == []


def test_a_damaged_entry_is_removed_and_can_be_saved_again(store, tmp_path):
    entry = save(store, "go-1", b"one")
    (path,) = (tmp_path / "store/entries").iterdir()
    (path / "content.gz").write_bytes(b"two")
    with pytest.raises(StoreError, match="damaged"):
        read(store, entry)
    assert store.entries() == []
    assert save(store, "go-1", b"one") is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": 1}', "nonsense", "x" * 100_000])
def test_a_malformed_entry_counts_as_none_and_gives_way(store, tmp_path, text):
    save(store, "go-1")
    (path,) = (tmp_path / "store/entries").iterdir()
    (path / "entry.json").write_text(text)
    assert store.entries() == []
    assert save(store, "go-1") is not None
    assert len(store.entries()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("created", 1e300), ("created", -1), ("created", float("nan")), ("size", -1), ("parts", 1), ("key", "a\nb")),
        *(("size", 2**63), ("digest", ""), ("digest", "../x"), ("digest", "0" * 64 + "\n")),
        *(("paths", [1]), ("version", "\udc80")),
    ],
)
def test_a_malformed_entry_hides_no_other(store, tmp_path, name, value):
    save(store, "go-1")
    (path,) = (tmp_path / "store/entries").iterdir()
    fields = json.loads((path / "entry.json").read_text())
    (path / "entry.json").write_text(json.dumps({**fields, name: value}))
    save(store, "go-2")
    assert [entry.key for entry in store.entries()] == ["go-2"]


def test_an_endlessly_nested_entry_hides_no_other(store, tmp_path):
    save(store, "go-1")
    (path,) = (tmp_path / "store/entries").iterdir()
    (path / "entry.json").write_text("[" * 60_000)
    save(store, "go-2")
    assert [entry.key for entry in store.entries()] == ["go-2"]


def test_content_of_another_size_is_damaged_and_not_read(store, tmp_path):
    entry = save(store, "go-1", b"one")
    (path,) = (tmp_path / "store/entries").iterdir()
    os.truncate(path / "content.gz", 1 << 40)
    with pytest.raises(StoreError, match="damaged"):
        read(store, entry)
    assert store.entries() == []


def put_file(path, outside):
    path.write_text("x")


def put_link(path, outside):
    path.symlink_to(outside)


@pytest.mark.parametrize(("put", "why"), [(put_file, "a file"), (put_link, "a symbolic link")])
def test_something_else_in_place_of_an_entry_is_damage_and_gives_way(store, tmp_path, put, why):
    save(store, "go-1", b"one")
    (path,) = (tmp_path / "store/entries").iterdir()
    outside = tmp_path / "outside"
    path.rename(outside)
    put(path, outside)
    assert store.find("v", "go-1", []) is None
    assert store.damaged == (Damage(str(path), f"it is {why}, not a directory"),)
    assert read(store, save(store, "go-1", b"two")) == b"two"
    assert store.damaged == ()
    assert len(list(outside.iterdir())) == 2
    assert os.listdir(tmp_path / "store/drafts") == []


@pytest.mark.parametrize("put", [put_file, put_link])
def test_damage_is_removed_without_following_links(store, tmp_path, put):
    save(store, "go-1")
    (path,) = (tmp_path / "store/entries").iterdir()
    outside = tmp_path / "outside"
    path.rename(outside)
    put(path, outside)
    assert store.entries() == []
    (damage,) = store.damaged
    store.remove_damaged(damage)
    assert (os.listdir(tmp_path / "store/entries"), store.damaged) == ([], ())
    assert len(list(outside.iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: (path / "entry.json").write_text("{"), "entry.json: "),
        (lambda path: (path / "entry.json").unlink(), "entry.json: No such file"),
        (lambda path: (path / "content.gz").unlink(), "content.gz: No such file"),
        (lambda path: (path / "content.gz").rename(path / "entry.json"), "content.gz: No such file"),
        (lambda path: ((path / "content.gz").unlink(), (path / "content.gz").mkdir()), "content.gz: it is not a reg"),
        (lambda path: path.rename(path.with_name("f" * 32)), "entry.json: it is for another key: go-1"),
    ],
)
def test_what_is_wrong_with_an_entry_is_noted(store, tmp_path, change, why):
    save(store, "go-1")
    (path,) = (tmp_path / "store/entries").iterdir()
    change(path)
    assert store.entries() == []
    (damage,) = store.damaged
    assert damage.why.startswith(why)
    store.remove_damaged(damage)
    assert os.listdir(tmp_path / "store/entries") == []


def test_a_link_in_drafts_is_not_followed(store, tmp_path):
    save(store, "go-1")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/content.gz").write_text("x")
    link = tmp_path / "store/drafts/link"
    link.symlink_to(tmp_path / "outside")
    os.utime(link, (0, 0), follow_symlinks=False)
    save(store, "go-2")
    assert os.listdir(tmp_path / "store/drafts") == []
    assert os.listdir(tmp_path / "outside") == ["content.gz"]


@pytest.mark.parametrize("name", ["entries", "drafts"])
def test_a_link_in_place_of_a_directory_of_the_store_is_refused(store, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / name).symlink_to(outside)
    with pytest.raises(StoreError, match=f"store/{name}: "):
        save(store, "go-1")
    assert outside.stat().st_mode & 0o777 == 0o700
    assert os.listdir(outside) == []


def test_a_store_follows_no_links(store, tmp_path):
    entry = save(store, "go-1", b"one")
    (path,) = (tmp_path / "store/entries").iterdir()
    secret = tmp_path / "secret"
    secret.write_bytes(b"one")
    (path / "content.gz").unlink()
    (path / "content.gz").symlink_to(secret)
    with pytest.raises(StoreError, match="symbolic links"):
        read(store, entry)


def test_reading_notes_that_an_entry_was_used(store, tmp_path):
    entry = save(store, "go-1")
    (path,) = (tmp_path / "store/entries").iterdir()
    os.utime(path / "content.gz", (0, 0))
    assert store.entries()[0].used == pytest.approx(entry.created)
    read(store, entry)
    assert store.entries()[0].used >= entry.created


def test_an_entry_can_be_removed_while_it_is_read(store):
    entry = save(store, "go-1", b"one")
    with store.opened(entry) as source:
        store.remove(entry)
        assert store.entries() == []
        assert source.read(10) == b"one"
    store.remove(entry)


def test_a_store_that_cannot_be_made_says_why(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory"):
        save(DirectoryStore(str(tmp_path / "file/store")), "go-1")


def test_an_entry_is_readable_json(store, tmp_path):
    save(store, "go-1")
    (path,) = (tmp_path / "store/entries").iterdir()
    assert json.loads((path / "entry.json").read_text())["key"] == "go-1"


@pytest.fixture
def small_store(tmp_path):
    directory = tmp_path / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield DirectoryStore(str(directory))
    subprocess.run(["umount", str(directory)], check=True)


def test_the_least_recently_used_entries_make_room_in_a_full_file_system(small_store):
    for number in range(3):
        save(small_store, f"go-{number}", os.urandom(300_000))
    with small_store.opened(small_store.find("v", "go-0", [])):
        pass
    content = os.urandom(500_000)
    entry = save(small_store, "go-3", content)
    assert read(small_store, entry) == content
    assert sorted(each.key for each in small_store.entries()) == ["go-0", "go-3"]


def test_what_was_used_in_the_future_makes_room_first(small_store):
    for number in range(2):
        entry = save(small_store, f"go-{number}", os.urandom(400_000))
    os.utime(f"{small_store._entries}/{identity(entry.version, entry.key)}/content.gz", (10**10, 10**10))
    save(small_store, "go-2", os.urandom(400_000))
    assert sorted(each.key for each in small_store.entries()) == ["go-0", "go-2"]


def test_a_draft_of_the_future_is_a_leftover(store, tmp_path):
    save(store, "go-1")
    draft = tmp_path / "store/drafts/unlocked-left"
    draft.mkdir()
    os.utime(draft, (10**10, 10**10))
    save(store, "go-2")
    assert os.listdir(tmp_path / "store/drafts") == []


def test_an_entry_that_can_never_fit_removes_no_others(small_store):
    save(small_store, "go-1", b"one")
    with pytest.raises(StoreError, match="No space left on device"):
        save(small_store, "go-2", bytes(2_000_000))
    assert [entry.key for entry in small_store.entries()] == ["go-1"]
