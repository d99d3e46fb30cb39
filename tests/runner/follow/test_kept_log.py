"""Removing the marks from logs that are kept."""

import os

import pytest

from monopod.runner.follow.kept_log import take_marks_out
from monopod.runner.follow.output_marks import mark

TRUE, FALSE = mark("1" * 32), mark("2" * 32)


@pytest.mark.parametrize(
    ("log", "left", "is_copied"),
    [
        (b"", b"", False),
        (b"one\ntwo\n", b"one\ntwo\n", False),
        (b"one\ntwo\n" + TRUE, b"one\ntwo\n", False),
        (TRUE, b"", False),
        (b"one\n" + TRUE + b"two\n" + TRUE, b"one\ntwo\n", True),
        (b"one\n" + FALSE, b"one\n" + FALSE, True),
    ],
)
def test_only_genuine_marks_are_removed_and_few_logs_are_copied(tmp_path, log, left, is_copied):
    path = tmp_path / "log"
    path.write_bytes(log)
    before = os.stat(path).st_ino
    take_marks_out(str(path), frozenset([TRUE]))
    assert path.read_bytes() == left
    assert (os.stat(path).st_ino != before) == is_copied
