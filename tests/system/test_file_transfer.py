"""Copies over connections that break: the receiver has everything or knows that it does not."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import zlib
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.system.files import file_transfer
from monopod.system.files.descriptor_channel import DescriptorChannel
from monopod.system.files.file_transfer import WINDOW, BrokenError, FailedError, receive, refuse, send
from monopod.system.files.tree_reading import ChangedError, UnreadableError


class Receiver:
    """Keeps the segments; fails at one of them on request."""

    def __init__(self, fails_at=None):
        self.digests, self.segments, self.is_finished, self.fails_at = [], [], False, fails_at

    def take(self, digest, segment):
        if len(self.segments) == self.fails_at:
            raise OSError(28, "No space left on device")
        self.digests.append(digest)
        self.segments.append(segment)

    def finish(self):
        self.is_finished = True
        return f"{len(self.segments)} segments"


class Line:
    """A connection through a proxy that breaks it after some bytes from the sender, or damages a byte."""

    def __init__(self, cut=None, damage=None):
        self.cut, self.damage, self.passed = cut, damage, 0
        self.sender, self._near = socket.socketpair()
        self._far, self.receiver = socket.socketpair()
        self._threads = [
            threading.Thread(target=self._pass, args=(self._near, self._far, True)),
            threading.Thread(target=self._pass, args=(self._far, self._near, False)),
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for end in (self.sender, self.receiver):
            self._shut(end)
        for thread in self._threads:
            thread.join()
        for end in (self.sender, self._near, self._far, self.receiver):
            end.close()

    def _shut(self, end):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

    def _pass(self, source, target, is_counted):
        try:
            while data := bytearray(source.recv(65536)):
                if is_counted:
                    if self.damage is not None and 0 <= self.damage - self.passed < len(data):
                        data[self.damage - self.passed] ^= 1
                    if self.cut is not None and self.passed + len(data) > self.cut:
                        target.sendall(data[: self.cut - self.passed])
                        self._shut(source)
                        break
                    self.passed += len(data)
                target.sendall(data)
        except OSError:
            pass
        for end, how in ((source, socket.SHUT_RD), (target, socket.SHUT_WR)):
            with contextlib.suppress(OSError):
                end.shutdown(how)


def channel(end):
    return DescriptorChannel(end.fileno(), end.fileno())


def copy(segments, receiver, sent, reports=None, **line):
    """Copy over one connection; return the errors of both sides, and the receiver's message."""
    errors, said = [None, None], []

    def receiving():
        try:
            receive(channel(connection.receiver), receiver)
        except (BrokenError, FailedError, ChangedError, UnreadableError, OSError) as error:
            errors[1] = error
            if isinstance(error, OSError):
                refuse(channel(connection.receiver), error.strerror)
            connection._shut(connection.receiver)

    with Line(**line) as connection:
        thread = threading.Thread(target=receiving)
        thread.start()
        try:
            report = (lambda _: None) if reports is None else reports.append
            said.append(send(channel(connection.sender), segments, sent, report))
        except (BrokenError, FailedError, ChangedError, UnreadableError, OSError) as error:
            errors[0] = error
            connection._shut(connection.sender)
        thread.join()
    return errors, said


def random_segments(count, length=5000, seed=1):
    generator = random.Random(seed)
    return [generator.randbytes(length) for _ in range(count)]


def test_copy_over_a_good_connection():
    segments, receiver, reports = random_segments(30), Receiver(), []
    errors, said = copy(iter(segments), receiver, [], reports)
    assert errors == [None, None]
    assert said == ["30 segments"]
    assert receiver.segments == segments
    assert reports == sorted(reports)
    assert reports[-1] == sum(map(len, segments))


def test_nothing_to_copy():
    receiver = Receiver()
    assert copy(iter([]), receiver, []) == ([None, None], ["0 segments"])
    assert receiver.is_finished


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 60_000), min_size=1, max_size=6))
def test_copy_continues_after_breaks_without_repetition(cuts):
    segments, receiver, sent = random_segments(20), Receiver(), []
    for cut in cuts:
        errors, said = copy(iter(segments), receiver, sent, cut=cut)
        assert receiver.segments == segments[: len(receiver.segments)]
        if receiver.is_finished:
            break
        assert isinstance(errors[0], BrokenError)
        assert said == []
    if not receiver.is_finished:
        assert copy(iter(segments), receiver, sent) == ([None, None], ["20 segments"])
    assert receiver.segments == segments


def test_existing_segments_are_not_sent_again():
    segments, receiver, sent = random_segments(20), Receiver(), []
    copy(iter(segments), receiver, sent, cut=60_000)
    had = len(receiver.segments)
    assert 0 < had < 20
    with Line() as connection:
        thread = threading.Thread(target=receive, args=(channel(connection.receiver), receiver))
        thread.start()
        send(channel(connection.sender), iter(segments), sent)
        thread.join()
        assert connection.passed < (20 - had) * 5200 + 200


@pytest.mark.parametrize("position", [60, 3000, 20_000])
def test_damaged_byte_is_detected(position):
    segments, receiver, sent = random_segments(10), Receiver(), []
    errors, _ = copy(iter(segments), receiver, sent, damage=position)
    assert isinstance(errors[0], BrokenError)
    assert isinstance(errors[1], BrokenError)
    assert receiver.segments == segments[: len(receiver.segments)]
    assert not receiver.is_finished


def test_changed_files_are_not_mixed():
    receiver, sent = Receiver(), []
    copy(iter(random_segments(20)), receiver, sent, cut=60_000)
    errors, _ = copy(iter(random_segments(20, seed=2)), receiver, sent)
    assert [type(error) for error in errors] == [ChangedError, ChangedError]
    assert not receiver.is_finished


def test_new_sender_cannot_continue_with_other_files():
    receiver = Receiver()
    copy(iter(random_segments(20)), receiver, [], cut=60_000)
    errors, _ = copy(iter(random_segments(20, seed=2)), receiver, [])
    assert [type(error) for error in errors] == [ChangedError, ChangedError]
    assert not receiver.is_finished


def test_fewer_files_than_before_are_a_change():
    receiver, sent, segments = Receiver(), [], random_segments(20)
    copy(iter(segments), receiver, sent, cut=60_000)
    errors, _ = copy(iter(segments[:5]), receiver, sent)
    assert [type(error) for error in errors] == [ChangedError, ChangedError]


def test_sender_gets_the_error_of_the_receiver():
    errors, _ = copy(iter(random_segments(40)), Receiver(fails_at=7), [])
    assert isinstance(errors[0], FailedError)
    assert str(errors[0]) == "No space left on device"


def test_receiver_gets_the_error_of_the_sender():
    def segments():
        yield from random_segments(3)
        raise UnreadableError("cannot read key: Permission denied")

    receiver = Receiver()
    errors, _ = copy(segments(), receiver, [])
    assert isinstance(errors[0], UnreadableError)
    assert isinstance(errors[1], FailedError)
    assert "cannot read key" in str(errors[1])
    assert not receiver.is_finished


def test_receiver_gets_the_error_of_a_sender_that_is_gone():
    sender, receiver = socket.socketpair()
    with receiver:
        with sender:
            refuse(channel(sender), "there is no 'dist' in the Workspace")
        with pytest.raises(FailedError, match="there is no 'dist' in the Workspace"):
            receive(channel(receiver), Receiver())


def test_slow_receiver_limits_the_sender():
    handed_out, gate = [], threading.Event()

    class Slow(Receiver):
        def take(self, digest, segment):
            if len(self.segments) == 2:
                most.append(len(handed_out))
                gate.wait(60)
            super().take(digest, segment)

    def segments():
        for segment in random_segments(60, length=10):
            handed_out.append(None)
            if len(handed_out) == 2 + WINDOW:
                gate.set()
            yield segment

    most = []
    assert copy(segments(), Slow(), [])[0] == [None, None]
    assert most[0] <= 3 + WINDOW


def test_silent_connection_is_broken(monkeypatch):
    monkeypatch.setattr(file_transfer, "QUIET_SECONDS", 0)
    ends = socket.socketpair()
    with ends[0], ends[1], pytest.raises(BrokenError, match="nothing was received"):
        send(channel(ends[0]), iter([]), [])


BOMB = zlib.compress(bytes(100 << 20), 9)
HOSTILE = {
    "no frame": b"HTTP/1.1 200 OK\r\n\r\n",
    "a frame without end": struct.pack(">cI", b"s", 0xFFFFFFFF),
    "a bomb": struct.pack(">cI", b"s", len(BOMB) + 32) + sha256(bytes(100 << 20)).digest() + BOMB,
    "no zlib": struct.pack(">cI", b"s", 40) + bytes(40),
    "an early end": struct.pack(">cI", b"e", 36) + struct.pack(">I", 3) + bytes(32),
    "an unknown frame": struct.pack(">cI", b"?", 0),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_sender_writes_nothing(data):
    receiver = Receiver()
    ends = socket.socketpair()
    with ends[0], ends[1]:
        ends[0].sendall(data)
        ends[0].shutdown(socket.SHUT_WR)
        with pytest.raises((BrokenError, ChangedError)):
            receive(channel(ends[1]), receiver)
    assert not receiver.is_finished
    assert receiver.segments == []


@given(st.binary(max_size=300))
def test_noise_from_a_receiver_ends_the_sender(data):
    ends = socket.socketpair()
    with ends[0], ends[1]:
        ends[0].sendall(data)
        ends[0].shutdown(socket.SHUT_WR)
        with pytest.raises((BrokenError, FailedError, ChangedError)):
            send(channel(ends[1]), iter([b"x"]), [])


def test_closed_reader_is_a_broken_connection():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(BrokenError):
            DescriptorChannel(writer, writer).write(b"x")
    finally:
        os.close(writer)
