"""The root file system of a container."""

from __future__ import annotations

import errno
from contextlib import nullcontext

import pytest

from monopod.runner.host import root_view
from monopod.runner.host.root_view import MountPoint, mount_points
from monopod.runner.kubelet.hidden_directories import hidden_directories, is_below

MOUNTINFO = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 254:1 / /home\040of\134all rw,relatime master:2 propagate_from:1 - xfs /dev/vdb rw
31 30 0:30 /sub /home\040of\134all/me ro,nosuid - nfs4 server:/x rw
32 27 0:31 / /data rw - tmpfs none rw
33 32 0:32 / /data rw - ext4 /dev/vdc rw
"""


def test_mount_points():
    assert mount_points(MOUNTINFO) == (
        MountPoint("/", "ext4"),
        MountPoint("/data", "ext4"),
        MountPoint("/home of\\all", "xfs"),
        MountPoint("/home of\\all/me", "nfs4", is_read_only=True),
        MountPoint("/proc", "proc"),
    )


def test_is_below():
    assert is_below("/a/b", "/a")
    assert is_below("/a", "/")
    assert not is_below("/ab", "/a")
    assert not is_below("/a", "/a")
    assert not is_below("/", "/")


def test_private_directories_are_always_hidden():
    assert "/var/tmp" in hidden_directories(["/var/tmp/monopod-0"])
    assert "/var/tmp/monopod-0" not in hidden_directories(["/var/tmp/monopod-0"])
    assert "/scratch/monopod-0" in hidden_directories(["/scratch/monopod-0"])
    found = hidden_directories(["/home/me/b", "/home/me/b/c", "/home/me/a", "/dev/shm/monopod-0"])
    assert found[-2:] == ("/home/me/a", "/home/me/b")
    assert not any(path.startswith("/dev/shm") for path in found)


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_mount_that_goes_away_is_not_an_error(monkeypatch, failures):
    """Linux refuses an overlay of a mount that is being detached with EINVAL, and then no more."""
    answers = [errno.EINVAL] * failures
    mounted = []

    def mount(source, target, flags, options):
        if answers:
            raise OSError(answers.pop(), "Invalid argument")
        mounted.append(target)

    monkeypatch.setattr(root_view.namespaces, "mount", mount)
    with nullcontext() if failures < 3 else pytest.raises(OSError, match="Invalid argument"):
        root_view._mount_overlay("/gone", "/target", "/layers", "")
    assert mounted == ["/target"] * (failures < 3)
