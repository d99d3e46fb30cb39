"""The content of an entry: packed and restored, and hostile content."""

from __future__ import annotations

import io
import os
import stat
import zlib
from pathlib import Path

import pytest

from monopod.system.caches.content import CachedPath, pack, restore
from monopod.system.caches.keys import Part
from monopod.system.files import tar_entries
from monopod.system.files.tar_entries import Entry, MalformedError
from monopod.system.files.tree_reading import UnreadableError


def paths_in(root, *relative):
    return [CachedPath(path, str(root), path) for path in relative]


def packed(root, *relative):
    content = io.BytesIO()
    parts = pack(paths_in(root, *relative), content.write)
    return parts, content.getvalue()


def restored(root, parts, content, *relative):
    return restore(paths_in(root, *relative), parts, io.BytesIO(content))


def compressed(*segments):
    compressors = [(zlib.compressobj(1, wbits=31), segment) for segment in segments]
    return b"".join(compressor.compress(segment) + compressor.flush() for compressor, segment in compressors)


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    (root / "vendor/a").mkdir(parents=True)
    (root / "vendor/a/x.go").write_text("package a")
    (root / "vendor/run").write_bytes(b"#!/bin/sh\n")
    (root / "vendor/run").chmod(0o755)
    (root / "vendor/inside").symlink_to("a/x.go")
    (root / "vendor/large").write_bytes(os.urandom(3 << 20))
    (root / "empty").mkdir()
    (root / "one").write_text("1")
    return root


@pytest.fixture
def target(tmp_path):
    root = tmp_path / "target"
    root.mkdir()
    return root


ALL = ("vendor", "empty", "one", "missing")


def test_what_was_packed_is_restored(source, target):
    parts, content = packed(source, *ALL)
    assert [part.kind for part in parts] == ["directory", "directory", "file", "absent"]
    assert restored(target, parts, content, *ALL).files == 5
    assert (target / "vendor/a/x.go").read_text() == "package a"
    assert (target / "vendor/run").stat().st_mode & 0o777 == 0o755
    assert os.readlink(target / "vendor/inside") == "a/x.go"
    assert (target / "vendor/large").read_bytes() == (source / "vendor/large").read_bytes()
    assert (target / "empty").is_dir()
    assert (target / "one").read_text() == "1"
    assert not (target / "missing").exists()


def test_what_cannot_be_read_is_named_as_its_user_knows_it(source, monkeypatch):
    scandir = os.scandir

    def forbidden(path):
        if os.fsencode(path).endswith(b"/closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    (source / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(UnreadableError, match=r"^cannot read source/closed: "):
        pack([CachedPath("source", str(source), "")], io.BytesIO().write)


def test_the_top_of_a_volume_can_be_cached(source, target):
    parts, content = packed(source, "")
    restored(target, parts, content, "")
    assert sorted(os.listdir(target)) == ["empty", "one", "vendor"]


def test_the_content_is_a_gzip_stream_of_tar_archives(source):
    _, content = packed(source, "vendor")
    assert zlib.decompressobj(wbits=31).decompress(content)[257:262] == b"ustar"


def test_files_that_are_there_stay_unless_they_are_restored(source, target):
    (target / "vendor").mkdir()
    (target / "vendor/other").write_text("stays")
    (target / "vendor/run").write_text("replaced")
    parts, content = packed(source, "vendor")
    restored(target, parts, content, "vendor")
    assert (target / "vendor/other").read_text() == "stays"
    assert (target / "vendor/run").read_text() == "#!/bin/sh\n"


def test_links_that_lead_out_of_the_path_are_left_out(source, target):
    (source / "vendor/out").symlink_to("/etc/passwd")
    (source / "vendor/up").symlink_to("../one")
    parts, content = packed(source, "vendor")
    assert restored(target, parts, content, "vendor").left_out == ("vendor/out", "vendor/up")
    assert not os.path.lexists(target / "vendor/out")
    assert not os.path.lexists(target / "vendor/up")


def test_nothing_is_read_or_written_through_a_link(source, target, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (source / "linked").symlink_to(secret)
    (source / "key").symlink_to(secret / "key")
    for path in ("linked", "linked/key", "key"):
        with pytest.raises(OSError, match="symbolic link"):
            packed(source, path)
    parts, content = packed(source, "vendor")
    (target / "vendor").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic link"):
        restored(target, parts, content, "vendor")
    assert os.listdir(secret) == ["key"]


HOSTILE = {
    "up": tar_entries.pack(Entry(b"xx/evil", "file"), b"").replace(b"xx/evil", b"../evil"),
    "absolute": tar_entries.pack(Entry(b"xtmp/evil", "file"), b"").replace(b"xtmp/evil", b"/tmp/evil"),
    "device": tar_entries.pack(Entry(b"null", "file"), b"").replace(b"0\0", b"3\0"),
    "hard link": tar_entries.pack(Entry(b"passwd", "link", target=b"/etc/passwd")),
}


def with_checksum(header: bytes) -> bytes:
    total = sum(header) - sum(header[148:156]) + 8 * 32
    return header[:148] + b"%06o\0 " % total + header[156:]


def with_type(header: bytes, kind: bytes) -> bytes:
    return with_checksum(header[:156] + kind + header[157:])


@pytest.mark.parametrize(
    "segment",
    [
        with_checksum(HOSTILE["up"]),
        with_checksum(HOSTILE["absolute"]),
        with_type(tar_entries.pack(Entry(b"null", "file")), b"3"),
        with_type(tar_entries.pack(Entry(b"null", "file")), b"4"),
        with_type(tar_entries.pack(Entry(b"pipe", "file")), b"6"),
        with_type(tar_entries.pack(Entry(b"passwd", "link", target=b"/etc/passwd")), b"1"),
        b"not a tar archive".ljust(512),
    ],
    ids=["up", "absolute", "character device", "block device", "pipe", "hard link", "garbage"],
)
def test_hostile_content_writes_nothing(target, segment):
    (target / "vendor").mkdir()
    with pytest.raises(MalformedError):
        restored(target, [Part("directory", 1)], compressed(segment), "vendor")
    assert os.listdir(target) == ["vendor"]
    assert os.listdir(target / "vendor") == []


def test_a_link_in_the_content_does_not_lead_out_of_the_path(target, tmp_path):
    segment = tar_entries.pack(Entry(b"a", "link", target=b"..")) + tar_entries.pack(Entry(b"a/evil", "file"), b"")
    restored(target, [Part("directory", 1)], compressed(segment), "vendor")
    assert (target / "vendor/a/evil").is_file()
    assert not (target / "evil").exists()
    inside = tar_entries.pack(Entry(b"b", "link", target=b"a")) + tar_entries.pack(Entry(b"b/evil", "file"), b"")
    with pytest.raises(MalformedError):
        restored(target, [Part("directory", 1)], compressed(inside), "vendor")


def test_set_user_id_bits_are_not_restored(target):
    header = tar_entries.pack(Entry(b"su", "file", 0o755))
    segment = with_checksum(header.replace(b"0000755\0", b"0004755\0"))
    restored(target, [Part("directory", 1)], compressed(segment), "vendor")
    assert stat.S_IMODE((target / "vendor/su").stat().st_mode) == 0o755


def test_a_file_brings_no_other_files_along(target):
    for entry in (Entry(b"other", "file"), Entry(b"one/x", "file"), Entry(b"one", "link", target=b"x")):
        with pytest.raises(MalformedError):
            restored(target, [Part("file", 1)], compressed(tar_entries.pack(entry)), "one")
    assert os.listdir(target) == []


@pytest.mark.parametrize("change", [lambda content: content[:-9], lambda content: content + content, lambda _: b"x"])
def test_content_of_another_length_is_an_error(source, target, change):
    parts, content = packed(source, "vendor")
    with pytest.raises(MalformedError):
        restored(target, parts, change(content), "vendor")


def test_a_segment_that_expands_to_gigabytes_is_refused(target):
    bomb = compressed(bytes(8 << 20))
    assert len(bomb) < 1 << 16
    with pytest.raises(MalformedError, match="too long"):
        restored(target, [Part("directory", 1)], bomb, "vendor")


def test_the_entry_must_have_as_many_paths(source, target):
    parts, content = packed(source, "vendor")
    with pytest.raises(MalformedError):
        restored(target, parts, content, "vendor", "one")


def test_a_path_cannot_lead_out_of_its_volume(source):
    with pytest.raises(OSError, match="leads out"):
        packed(source / "vendor", "../one")


def test_read_only_directories_are_restored(source, target):
    (source / "vendor/a").chmod(0o555)
    parts, content = packed(source, "vendor")
    restored(target, parts, content, "vendor")
    restored(target, parts, content, "vendor")
    assert Path(target / "vendor/a").stat().st_mode & 0o777 == 0o555


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_restores_belongs_to_the_user_that_had_it(source, target):
    for folder, _, files in os.walk(source / "vendor"):
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(path, 1001, 1002, follow_symlinks=False)
    parts, content = packed(source, "vendor", "one")
    restored(target, parts, content, "deep/er/vendor", "one")
    for path in ("deep", "deep/er", "deep/er/vendor", "deep/er/vendor/a/x.go", "deep/er/vendor/inside"):
        status = os.lstat(target / path)
        assert (status.st_uid, status.st_gid) == (1001, 1002), path
    assert os.stat(target / "one").st_uid == 0
    assert os.stat(target).st_uid == 0


def test_shared_files_can_be_changed_by_every_user(source, target):
    parts, content = packed(source, "vendor", "one")
    paths = paths_in(target, "deep/vendor", "one")
    restore(paths, parts, io.BytesIO(content), is_shared=True)
    modes = {
        path: (target / path).stat().st_mode & 0o777 for path in ("deep", "deep/vendor/a", "deep/vendor/run", "one")
    }
    assert modes == {"deep": 0o777, "deep/vendor/a": 0o777, "deep/vendor/run": 0o777, "one": 0o666}
