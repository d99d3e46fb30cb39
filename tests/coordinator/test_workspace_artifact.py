"""The Steps that save a Workspace as an artifact and restore it, in a real registry."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

import pytest
from registry_server import HTPASSWD

from monopod.coordinator.workspaces import artifact
from monopod.system.caches.keys import Part
from monopod.system.caches.registry_artifacts import RegistryArtifacts
from monopod.system.caches.registry_client import AnswerError, Login, RegistryClient
from monopod.system.caches.store import Draft


@pytest.fixture
def carry(request, tmp_path, capsys, monkeypatch):
    """Saves or restores a directory; returns the exit code and the lines."""
    pauses = []
    monkeypatch.setattr(artifact.time, "sleep", pauses.append)

    def carry(verb, directory, group="one", run="uid-1", login="-", host=None, scratch=None):
        host = host or request.getfixturevalue("registry").host
        scratch = scratch or str(tmp_path)
        results = tmp_path / "results"
        results.mkdir(exist_ok=True)
        where = f"{host}/team/w"
        code = artifact.main([verb, where, login, run, group, "source", str(directory), scratch, str(results)])
        lines = capsys.readouterr().out.splitlines()
        assert [path.read_text() for path in results.iterdir()] == (lines if code else [])
        shutil.rmtree(results)
        return code, lines

    carry.pauses = pauses
    return carry


@pytest.fixture
def places(tmp_path):
    """Two Workspaces, in two Pods."""
    made = tmp_path / "first", tmp_path / "second"
    for each in made:
        each.mkdir()
        each.chmod(0o777)
    return made


def contents(root):
    """Return everything below a directory: kinds, modes, owners, times and contents."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(root))] = (oct(status.st_mode), status.st_uid, int(status.st_mtime), what)
    return found


def fill(root):
    (root / "bin").mkdir(mode=0o750)
    (root / "bin/tool").write_bytes(os.urandom(3_000_000))
    (root / "bin/tool").chmod(0o755)
    (root / "empty").mkdir()
    (root / "away").symlink_to("/usr/bin/env")
    (root / "up").symlink_to("../../x")
    (root / "closed").mkdir()
    (root / "closed/file").write_text("text")
    (root / "closed").chmod(0o500)
    (root / os.fsdecode(b"\xff name")).write_text("not UTF-8")
    os.utime(root / "bin/tool", (-100_000_000, -100_000_000))
    if os.geteuid() == 0:
        (root / "bin/tool").chmod(0o4755)
        (root / "empty").chmod(0o1777)
        (root / "bin").chmod(0o2750)


def test_what_is_restored_is_what_was_saved(carry, places, registry):
    first, second = places
    fill(first)
    code, (line,) = carry("save", first)
    assert code == 0
    assert line.startswith("workspace saved: source, 2.86 MiB in ")
    assert line.endswith(f", as {registry.host}/team/w:uid-1-one.source")
    (second / "left-over").write_text("x")
    code, (line,) = carry("restore", second)
    assert line.startswith("workspace restored: source, 5 files (2.86 MiB) in ")
    assert (code, contents(second)) == (0, contents(first))
    assert carry("restore", second)[0] == 0  # another attempt
    assert contents(second) == contents(first)


def test_saving_again_replaces_and_others_are_not_touched(carry, places):
    first, second = places
    (first / "f").write_text("1")
    carry("save", first)
    (first / "f").write_text("2")
    carry("save", first, group="two")
    carry("save", first, run="uid-2")
    (first / "f").write_text("3")
    carry("save", first)
    found = {}
    for group, run in (("one", "uid-1"), ("two", "uid-1"), ("one", "uid-2")):
        assert carry("restore", second, group=group, run=run)[0] == 0
        found[group, run] = (second / "f").read_text()
    assert found == {("one", "uid-1"): "3", ("two", "uid-1"): "2", ("one", "uid-2"): "2"}


def test_an_empty_workspace_is_carried_too(carry, places):
    first, second = places
    (second / "f").write_text("1")
    assert carry("save", first)[0] == 0
    assert carry("restore", second)[0] == 0
    assert contents(second) == {}


def test_what_belongs_to_the_file_system_stays(carry, places):
    for each in places:
        (each / "lost+found").mkdir()
        (each / "lost+found" / each.name).write_text("x")
    first, second = places
    (first / "f").write_text("1")
    carry("save", first)
    carry("restore", second)
    assert sorted(contents(second)) == ["f", "lost+found", "lost+found/second"]


def test_what_is_missing_or_of_something_else_is_one_line(carry, places, registry):
    first, second = places
    code, (line,) = carry("restore", second)
    where = f"{registry.host}/team/w:uid-1-one.source"
    assert (code, line) == (
        1,
        f"workspace not restored: source: {where}: cannot find the artifact of the group 'one': "
        "it was deleted or replaced; run the whole Pipeline again",
    )
    registry.pusher.image("team/w", "uid-1-one.source", {})
    assert carry("restore", second)[0] == 1
    for run in ("", "a b", "/"):
        code, (line,) = carry("save", first, run=run)
        assert (code, line.startswith(f"workspace not saved: source: '{run}' is not the uid of a run")) == (1, True)


def test_a_registry_that_is_away_is_asked_again_and_then_is_one_line(carry, places, registry):
    registry.stop()
    code, lines = carry("save", places[0])
    assert (code, lines) == (
        1,
        [f"workspace not saved: source: {registry.host}/team/w: cannot be reached: Connection refused"],
    )
    assert carry.pauses == [0.5, 1.0, 2.0, 4.0]
    assert carry("restore", places[1])[0] == 1


def test_a_busy_registry_is_asked_again(carry, places, monkeypatch):
    errors = [(503,), (429,), (400, "DIGEST_INVALID")]
    put = RegistryClient.put

    def refuse_or_put(client, path, *arguments):
        if errors:
            raise AnswerError("refused", *errors.pop())
        put(client, path, *arguments)

    monkeypatch.setattr(RegistryClient, "put", refuse_or_put)
    (places[0] / "f").write_text("1")
    assert carry("save", places[0])[0] == 0
    assert carry("restore", places[1])[0] == 0
    assert carry.pauses == [0.5, 1.0, 2.0]
    for lasting in ((403, "DENIED"), (404, "NAME_UNKNOWN"), (400, "NAME_INVALID"), (400,)):
        errors += [lasting]
        code, lines = carry("save", places[0])
        assert (code, lines, errors) == (1, ["workspace not saved: source: refused"], [])
    assert carry.pauses == [0.5, 1.0, 2.0]


def test_a_missing_blob_is_not_asked_for_again(carry, places, tmp_path):
    (places[0] / "f").write_text("1")
    carry("save", places[0])
    (blob,) = [path for path in tmp_path.rglob("data") if path.read_bytes().startswith(b"\x1f\x8b")]
    blob.unlink()
    code, (line,) = carry("restore", places[1])
    assert (code, "404 Not Found" in line) == (1, True)
    assert carry.pauses == []


def test_a_login_that_is_missing_or_wrong(carry, places, start_registry, tmp_path):
    host = start_registry(HTPASSWD).host
    assert carry("save", places[0], host=host)[1] == [
        f"workspace not saved: source: {host}/team/w: the registry requires a login"
    ]
    code, (line,) = carry("save", places[0], host=host, login=str(tmp_path / "missing"))
    assert (code, line) == (
        1,
        f"workspace not saved: source: {host}/team/w: cannot read the login: the Secret does not exist or is not "
        "of type kubernetes.io/dockerconfigjson",
    )


def test_damaged_content_is_not_restored(carry, places, tmp_path):
    first, second = places
    (first / "f").write_text("1")
    carry("save", first)
    (second / "old").write_text("1")
    (blob,) = [path for path in tmp_path.rglob("data") if path.read_bytes().startswith(b"\x1f\x8b")]
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    code, (line,) = carry("restore", second)
    assert (code, line) == (
        1,
        "workspace not restored: source: the content of the entry 'one.source' is damaged",
    )
    assert sorted(contents(second)) == ["old"]


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "link/escaped"])
def test_nothing_is_written_outside_of_the_workspace(carry, places, registry, name, tmp_path):
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        file = tarfile.TarInfo(name)
        file.size = 1
        tar.addfile(file, BytesIO(b"x"))
    segment = archive.getvalue()[: 512 * 3]

    def pack(write):
        write(gzip.compress(segment))
        return (Part("directory", 1),)

    host, repository = registry.host, "team/w"
    artifacts = RegistryArtifacts(RegistryClient(host, repository, Login()), artifact.WORKSPACE)
    with artifacts.packed(Draft("one.source", "uid-1", ("source",)), pack) as (entry, packed):
        artifacts.push_content(entry, packed)
        artifacts.push_manifest(entry)
    code, (line,) = carry("restore", places[1])
    assert (code, line.startswith("workspace not restored: source: ")) == (1, True)
    assert not (tmp_path / "escaped").exists()


@pytest.fixture
def open_directory():
    """A directory that every user reaches."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chmod(directory, 0o777)
        yield Path(directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_lets_every_user_have_what_is_not_its_own(carry, places, open_directory, registry):
    first, second = places[0], open_directory
    for name, user in (("mine", 1234), ("other", 4321)):
        (first / name).write_text(name)
        (first / name).chmod(0o640)
        os.chown(first / name, user, user)
    carry("save", first)
    where = f"{registry.host}/team/w"
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(1234, 1234, 1234)
        os.setresuid(1234, 1234, 1234)
        os._exit(artifact.main(["restore", where, "-", "uid-1", "one", "source", str(second), "/var/tmp", "/var/tmp"]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert {path.name: (path.stat().st_uid, oct(path.stat().st_mode & 0o777)) for path in second.iterdir()} == {
        "mine": (1234, "0o640"),
        "other": (1234, "0o666"),
    }


def test_other_arguments_are_refused(capsys):
    assert artifact.main(["push"]) == 2
    assert capsys.readouterr().err.startswith("usage: artifact save|restore REPOSITORY ")
