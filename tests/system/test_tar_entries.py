"""Entries of archives: written and read back, by tarfile too; and the rejection of hostile archives."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.system.files import tar_entries
from monopod.system.files.tar_entries import Entry, MalformedError, components, pack, stays_inside, unpack

NAMES = st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
NAMES = NAMES.filter(lambda name: name not in (b".", b".."))
PATHS = st.lists(NAMES, min_size=1, max_size=8).map(b"/".join)
TARGETS = st.binary(min_size=1, max_size=4095).map(lambda target: target.replace(b"\0", b"_"))
TIMES = st.integers(0, 0o77777777777) | st.integers(-(10**12), 10**12)
MODES = st.integers(0, 0o7777)
OWNERS = st.tuples(*[st.one_of(st.integers(0, 0o7777777), st.integers(0, 2**32 - 2))] * 2)


@st.composite
def parts(draw):
    data = draw(st.binary(max_size=2000))
    offset = draw(st.integers(0, 10**15))
    size = offset + len(data) + draw(st.integers(0, 10**15))
    whole = draw(st.booleans())
    entry = Entry(draw(PATHS), "file", draw(MODES), draw(TIMES), size=len(data))
    return (entry if whole else entry._replace(offset=offset, size=size, more=draw(st.booleans()))), data


UNOWNED = st.one_of(
    parts(),
    st.tuples(PATHS, st.just("link"), st.just(0o777), TIMES, TARGETS).map(lambda fields: (Entry(*fields), b"")),
    st.tuples(PATHS, st.just("directory"), MODES, TIMES).map(lambda fields: (Entry(*fields), b"")),
)

ENTRIES = st.tuples(UNOWNED, OWNERS).map(lambda pair: (pair[0][0]._replace(owner=pair[1]), pair[0][1]))


@given(st.lists(ENTRIES, max_size=5))
def test_entries_round_trip(entries):
    archive = b"".join(pack(entry, data) for entry, data in entries)
    assert [(entry, bytes(data)) for entry, data in unpack(archive)] == entries


@given(st.lists(ENTRIES, max_size=3))
def test_tarfile_reads_the_same(entries):
    archive = b"".join(pack(entry, data) for entry, data in entries) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(archive), encoding="utf-8", errors="surrogateescape") as tar:
        members = tar.getmembers()
        kinds = {tarfile.REGTYPE: "file", tarfile.SYMTYPE: "link", tarfile.DIRTYPE: "directory"}
        assert [kinds[member.type] for member in members] == [entry.kind for entry, _ in entries]
        for member, (entry, data) in zip(members, entries, strict=True):
            assert member.name.encode("utf-8", "surrogateescape") == entry.path.rstrip(b"/")
            assert member.linkname.encode("utf-8", "surrogateescape") == entry.target
            assert (member.mode, member.mtime) == (entry.mode, entry.mtime)
            assert (member.uid, member.gid) == entry.owner
            if member.isreg():
                assert tar.extractfile(member).read() == data


@pytest.mark.parametrize(
    "path", [b"", b"/etc/passwd", b"..", b"a/../b", b"a//b", b"./a", b"a/", b"a\0b", b"x" * 256, b"a/" * 256 + b"a"]
)
def test_path_that_escapes_is_refused(path):
    with pytest.raises(MalformedError):
        components(path)
    with pytest.raises(MalformedError):
        list(unpack(pack(Entry(path, "directory"))))


@pytest.mark.parametrize(
    ("path", "target", "stays"),
    [
        (b"a", b"b", True),
        (b"a", b"./b/c", True),
        (b"a", b"../b", False),
        (b"a", b"/etc", False),
        (b"d/a", b"../b", True),
        (b"d/a", b"../../b", False),
        (b"d/e/a", b"../.././b", True),
        (b"d/a", b"b/../c", False),  # b may be a link, so .. may be elsewhere
        (b"d/a", b"..", True),
    ],
)
def test_allowed_link_targets(path, target, stays):
    assert stays_inside(path, target) == stays


def changed(archive, position, data):
    return archive[:position] + data + archive[position + len(data) :]


def sealed(archive, position, data):
    """Change the first header of an archive, and correct its checksum."""
    header = changed(archive, position, data)[:512]
    checksum = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    return header[:148] + checksum + header[156:] + archive[512:]


FILE = pack(Entry(b"name", "file", size=3), b"abc")
UNUSUAL_NUMBERS = (
    b"-0000000001",
    b"-0000001000",
    b"+0000000003",
    b"0000000_003",
    b"0o000000003",
    b"0000000 003",
    b"8",
    b"3\0x",
)
HOSTILE = {
    **{f"a size of {number!r}": sealed(FILE, 124, number.ljust(12, b"\0")) for number in UNUSUAL_NUMBERS},
    **{
        f"a {what} of {number!r}": sealed(FILE, position, number + b"\0")
        for what, position in (("mode", 100), ("user", 108), ("group", 116))
        for number in (b"-000001", b"+000001", b"000_001", b"0o00001")
    },
    "no header": b"x" * 512,
    "cut": FILE[:-1],
    "a wrong checksum": changed(FILE, 0, b"x"),
    "a part that is too long": pack(Entry(b"name", "file", offset=1, size=2), b"abc"),
    "a device": tarfile.TarInfo("null").tobuf()[:156] + b"3" + tarfile.TarInfo("null").tobuf()[157:],
}


@pytest.mark.parametrize("archive", HOSTILE.values(), ids=HOSTILE.keys())
def test_malformed_archive_is_refused(archive):
    with pytest.raises(MalformedError):
        list(unpack(archive))


@pytest.mark.parametrize("mtime", ["1.5", "+1", "--1", "-", "1_0", "", "9" * 19, "1e3", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_time_is_whole_seconds(mtime):
    info = tarfile.TarInfo("name")
    info.pax_headers = {"mtime": mtime}
    archive = info.tobuf(tarfile.PAX_FORMAT)
    assert b"mtime=" in archive
    with pytest.raises(MalformedError, match="mtime is not a number"):
        list(unpack(archive))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE, tarfile.GNUTYPE_LONGNAME, b"S"])
def test_other_types_are_refused(kind):
    info = tarfile.TarInfo("name")
    info.type = kind
    with pytest.raises(MalformedError, match="unknown type"):
        list(unpack(info.tobuf(tarfile.USTAR_FORMAT)))


DIGITS = st.text("01234567+-_ox9 \0", max_size=12).map(str.encode)


@given(DIGITS, st.sampled_from([(100, 8), (108, 8), (116, 8), (124, 12), (136, 12)]))
def test_a_number_is_octal_digits(text, field):
    position, length = field
    text = text[:length].ljust(length, b"\0")
    archive = sealed(FILE, position, text)
    digits = text.rstrip(b"\0 ").lstrip(b" ")
    try:
        for count, (entry, data) in enumerate(unpack(archive)):
            assert count == 0
            assert len(data) <= entry.size
            assert min(entry.mode, entry.mtime, *entry.owner) >= 0
        assert set(digits) <= set(b"01234567")
    except MalformedError:
        assert position == 124 or not set(digits) <= set(b"01234567")


@given(st.binary(max_size=2048), st.integers(0, 2047))
def test_damage_is_an_error_or_harmless(data, position):
    archive = pack(Entry(b"a" * 150, "file", size=5, more=True), b"12345")
    try:
        for entry, _ in unpack(changed(archive, position % len(archive), data)[: len(archive)]):
            components(entry.path)
    except MalformedError:
        pass


class Counted(bytes):
    """Bytes that count how many of them are copied."""

    copied = 0

    def __getitem__(self, key):
        part = Counted(super().__getitem__(key))
        Counted.copied += len(part)
        return part


def test_records_are_read_in_linear_time():
    assert tar_entries._parse_records(Counted(b"5 a=\n" * 10_000)) == {b"a": b""}
    assert Counted.copied < 10_000 * 50
