"""Checking podman's version, and its error messages."""

from __future__ import annotations

import pytest

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.podman import command
from monopod.runner.podman.command import PodmanError

LOG = 'time="2026-01-02T03:04:05Z" level=%s msg=%s\n'


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ""),
        ("Error: no such pod\n", "no such pod"),
        ("Error: one\nError: two\nError: one\n", "one; two"),
        (LOG % ("warning", '"a network that is not used"') + "Error: bad\n", "bad"),
        (LOG % ("error", '"cannot \\"do\\" it"'), 'cannot "do" it'),
        (LOG % ("fatal", "unquoted"), "unquoted"),
        (LOG % ("error", '"broken'), "broken"),
        ("\n \nError: with blank lines\n\n", "with blank lines"),
    ],
)
def test_errors_are_shown_without_decoration(written, expected):
    assert command.error_message(written) == expected


def info(version="4.3.1", *, is_remote=False):
    return {"version": {"Version": version}, "host": {"serviceIsRemote": is_remote}}


@pytest.mark.parametrize("version", ["4.3.0", "4.3.1-rhel", "4.10.0", "5.0.0-dev", "10.0"])
def test_podman_4_3_and_later_are_accepted(fake_podman, version):
    fake_podman.answer("info", info(version))
    command.check()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"output": info("4.2.9")}, "this is podman 4.2.9; monopod needs 4.3 or later"),
        ({"output": info("3.4.4")}, "this is podman 3.4.4; monopod needs 4.3 or later"),
        ({"output": info(is_remote=True)}, "podman runs its containers on another machine"),
        ({"errors": "Error: no storage\n", "code": 125}, "podman does not work here: no storage"),
        ({"code": 1}, "podman does not work here: podman info ended with exit code 1"),
    ],
)
def test_unsuitable_podman_is_rejected_with_a_reason(fake_podman, answer, message):
    fake_podman.answer("info", **answer)
    with pytest.raises(BackendUnavailableError) as error:
        command.check()
    assert str(error.value).startswith(message)


def test_missing_podman_suggests_the_host_backend(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    command.why_unusable.cache_clear()
    with pytest.raises(BackendUnavailableError, match="podman is not installed; use --backend host"):
        command.check()


def test_failed_command_raises_its_message(fake_podman):
    fake_podman.answer("pod rm", errors="Error: it is not there\n", code=1)
    with pytest.raises(PodmanError, match=r"^it is not there$"):
        command.run("pod", "rm", "x")


GONE = "Error: read /proc/2196/cgroup: no such process\n"


def test_inspection_is_repeated_if_a_process_ended_meanwhile(fake_podman):
    fake_podman.answer("container inspect one", errors=GONE, code=125, times=2)
    fake_podman.answer("container inspect", [{"Name": "one"}])
    assert command.inspect("container", ["one"]) == [{"Name": "one"}]
    assert len(fake_podman.asked()) == 3


@pytest.mark.parametrize("errors", [GONE, "Error: no such container one\n"])
def test_inspection_that_keeps_failing_is_an_error(fake_podman, errors):
    fake_podman.answer("container inspect", errors=errors, code=125)
    with pytest.raises(PodmanError, match="no such"):
        command.inspect("container", ["one"])
    assert len(fake_podman.asked()) == (6 if errors == GONE else 1)
