"""Logs as podman's monitor writes them, read correctly while they grow in any pieces."""

from __future__ import annotations

import itertools
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.follow.output_marks import mark
from monopod.runner.podman.log_file import LogFile, parse, take_marks_out, written_lines

TIME = b"2026-01-02T03:04:05.678901234+00:00"
PARTS = st.sampled_from([b"a", b"two words", b"\n", b"\n\n", b"\r\n", b" ", b"P x", b"\xff\x00", "é".encode()])
WRITES = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.lists(PARTS, min_size=1).map(b"".join)))


def logged(stream: str, data: bytes) -> bytes:
    """Return the log lines of one read of the monitor: complete lines, and a line with the tag P without a newline."""
    lines = data.split(b"\n")
    tagged = [(b"F", line) for line in lines[:-1]] + ([(b"P", lines[-1])] if lines[-1] else [])
    return b"".join(b" ".join((TIME, stream.encode(), tag, line)) + b"\n" for tag, line in tagged)


def merged(writes):
    groups = itertools.groupby(writes, key=lambda write: write[0])
    return [(stream, b"".join(data for _, data in group)) for stream, group in groups]


@given(WRITES, st.lists(st.integers(0, 10_000)))
def test_log_is_read_correctly_while_it_grows(writes, cuts):
    log = b"".join(logged(*write) for write in writes)
    edges = [0, *sorted(cut % (len(log) + 1) for cut in cuts), len(log)]
    read = []
    with tempfile.NamedTemporaryFile() as file:
        reader = LogFile(file.name)
        for start, end in itertools.pairwise(edges):
            file.write(log[start:end])
            file.flush()
            while pieces := reader.read():
                read += pieces
        reader.close()
    assert merged(read) == merged(writes)


def test_long_log_is_read_in_parts():
    line = b"x" * 1000
    with tempfile.NamedTemporaryFile() as file:
        file.write(logged("stdout", (line + b"\n") * 3000))
        file.flush()
        reader = LogFile(file.name)
        pieces = list(iter(reader.read, []))
        reader.close()
    assert len(pieces) > 1
    assert merged(itertools.chain(*pieces)) == [("stdout", (line + b"\n") * 3000)]


def test_malformed_log_lines_are_passed_on():
    assert parse(b"something else") == ("stderr", b"something else\n")
    assert parse(b"") == ("stderr", b"\n")


def test_unknown_tags_are_ignored():
    assert parse(TIME + b" stdout P:more half") == ("stdout", b"half")
    assert parse(TIME + b" stdout F") == ("stdout", b"\n")


def test_kept_log_has_no_marks(tmp_path):
    true, forged = mark("0" * 32), mark("1" * 32)
    time = b"2026-01-01T00:00:00.000000000+00:00"
    lines = [
        time + b" stdout F one\n",
        time + b" stdout F " + true,
        time + b" stderr F no newline" + true,
        time + b" stdout F " + forged,
        time + b" stderr F two\x1e\n",
    ]
    path = tmp_path / "ctr.log"
    path.write_bytes(b"".join(lines))
    take_marks_out(str(path), frozenset([true]))
    kept = [lines[0], time + b" stderr F no newline\n", *lines[3:]]
    assert path.read_bytes() == b"".join(kept)
    assert list(written_lines(str(path))) == [b"one\n", forged]
