"""The control directory: files appear complete and readable, and files from a Step are never trusted."""

import errno
import fcntl
import os
import socket
import stat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monopod.coordinator.control_directory import (
    MAX_EXIT_BYTES,
    ControlDirectory,
    encode_request,
    parse_exit,
)
from monopod.coordinator.engine.events import Exit, RunStep

EXIT = b"code=3\nstart=1700000000.000000001\nend=1700000001.5\nuser=0.250000\nsystem=0.5\npeak=2048\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "step"


@pytest.fixture
def directory(path):
    path.mkdir()
    opened = ControlDirectory(str(path))
    yield opened
    opened.close()


@pytest.fixture(params=[0o000, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def test_created_files_are_usable_by_any_user(umask, path):
    path.mkdir(mode=0o777)
    directory = ControlDirectory(str(path))
    directory.write_request(1, b"a/bin/true\0.\0")
    directory.write_kill(1, 15, 1.5)
    directory.write_exit(7, 5)
    assert {entry.name: mode(entry) for entry in path.iterdir()} == {
        "bell": 0o666,
        "ring": 0o666,
        "coordinator": 0o644,
        "run.1": 0o644,
        "kill.1": 0o644,
        "exit": 0o644,
    }
    assert stat.S_ISFIFO((path / "bell").stat().st_mode)
    assert stat.S_ISFIFO((path / "ring").stat().st_mode)
    assert (path / "run.1").read_bytes() == b"a/bin/true\0.\0"
    assert (path / "kill.1").read_text() == "15 1500\n"
    assert (path / "exit").read_text() == "7 5000\n"
    directory.close()


def test_writing_a_file_rings_the_bell(directory, path):
    bell = os.open(path / "bell", os.O_RDONLY | os.O_NONBLOCK)
    for write in (
        lambda: directory.write_request(1, b".\0"),
        lambda: directory.write_kill(1, 15, 1),
        lambda: directory.write_exit(0, 5),
    ):
        write()
        assert os.read(bell, 100) == b"\n"
    os.close(bell)


def test_ringing_never_blocks_without_a_reader(directory):
    for _ in range(100_000):
        directory.ring_bell()


def test_ring_is_drained(directory, path):
    ring = os.open(path / "ring", os.O_WRONLY | os.O_NONBLOCK)
    os.write(ring, b"xxx")
    directory.drain_ring()
    directory.drain_ring()
    with pytest.raises(BlockingIOError):
        os.read(directory.ring, 1)
    os.close(ring)


def test_second_coordinator_uses_the_same_fifos(directory, path):
    before = (path / "bell").stat().st_ino, (path / "ring").stat().st_ino
    directory.close()
    ControlDirectory(str(path)).close()
    assert before == ((path / "bell").stat().st_ino, (path / "ring").stat().st_ino)


def test_missing_directory_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        ControlDirectory(str(tmp_path / "nothing"))


@pytest.mark.parametrize("again", [False, True])
def test_exit_is_read_only_once_the_entrypoint_released_the_request(directory, path, again):
    directory.write_request(1, b"a/bin/true\0.\0")
    entrypoint = os.open(path / "run.1", os.O_RDONLY)
    fcntl.flock(entrypoint, fcntl.LOCK_EX)
    if again:
        directory.close()
        directory.__init__(str(path))
    else:  # a Step replaces it
        (path / "run.1").rename(path / "other")
        (path / "run.1").write_text("false")
    (path / "exited.1").write_text("code=0\n")
    assert directory.read_exit(1) is None
    (path / "exited.1").write_text("code=3\n")
    os.close(entrypoint)
    assert directory.read_exit(1) == Exit(code=3)


@pytest.mark.parametrize("name", ["bell", "ring", "coordinator"])
@pytest.mark.parametrize("kind", ["symlink", "directory", "file", "socket"])
def test_other_files_instead_of_a_fifo_or_lock_are_harmless(path, tmp_path, monkeypatch, name, kind):
    path.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("kept")
    victim.chmod(0o600)
    match kind:
        case "symlink":
            (path / name).symlink_to(victim)
        case "directory":
            (path / name).mkdir()
        case "file":
            (path / name).write_text("")
        case "socket":
            monkeypatch.chdir(path)
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(name)
    directory = ControlDirectory(str(path))
    directory.ring_bell()
    directory.drain_ring()
    directory.write_request(1, b".\0")
    assert victim.read_text() == "kept"
    assert mode(victim) == 0o600
    assert (path / "run.1").read_bytes() == b".\0"
    directory.close()


class TestLock:
    def test_is_held_until_closed(self, directory, path):
        probe = os.open(path / "coordinator", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        directory.close()
        fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(probe)

    def test_is_retried_if_an_entrypoint_is_probing_it(self, path):
        path.mkdir()
        probe = os.open(path / "coordinator", os.O_RDONLY | os.O_CREAT, 0o644)
        fcntl.flock(probe, fcntl.LOCK_SH)
        directory = ControlDirectory(str(path))
        assert not directory.hold_lock()
        fcntl.flock(probe, fcntl.LOCK_UN)
        assert directory.hold_lock()
        with pytest.raises(BlockingIOError):
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(probe)
        directory.close()


class TestLiveness:
    @pytest.fixture
    def alive(self, path, directory):
        descriptor = os.open(path / "alive", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        yield descriptor
        os.close(descriptor)

    def test_absent_alive_dead(self, directory, alive, path):
        fcntl.flock(alive, fcntl.LOCK_EX)
        assert directory.liveness() == "alive"
        assert directory.liveness() == "alive"
        fcntl.flock(alive, fcntl.LOCK_UN)
        assert directory.liveness() == "dead"

    def test_absent(self, directory):
        assert directory.liveness() == "absent"

    def test_probe_leaves_the_lock_free(self, directory, alive):
        assert directory.liveness() == "dead"
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert directory.liveness() == "alive"

    def test_known_lock_cannot_be_replaced(self, directory, alive, path):
        fcntl.flock(alive, fcntl.LOCK_EX)
        assert directory.liveness() == "alive"
        (path / "alive").unlink()
        (path / "alive").write_text("")
        assert directory.liveness() == "alive"

    @pytest.mark.parametrize("make", [lambda p: p.symlink_to("/etc/passwd"), os.mkfifo, lambda p: p.mkdir()])
    def test_other_kinds_of_files_are_dead(self, directory, path, make):
        make(path / "alive")
        assert directory.liveness() == "dead"


class TestReadProbeOutput:
    @pytest.mark.parametrize(
        ("written", "text"),
        [
            (b"", ""),
            (b"not\n  yet\n", "not yet"),
            (b"x\n" * 4000 + b"HTTP Error 404\n", "x HTTP Error 404"),
            (b"a" * 150 + b"b" * 200, "\N{HORIZONTAL ELLIPSIS}" + "b" * 200),
        ],
    )
    def test_the_end_is_kept(self, directory, path, written, text):
        (path / "probe").write_bytes(written)
        assert directory.read_probe_output().endswith(text)
        assert len(directory.read_probe_output()) <= 201

    def test_other_kinds_of_files_are_not_read(self, directory, path):
        (path / "probe").symlink_to("/etc/passwd")
        assert directory.read_probe_output() == ""


class TestReadExit:
    def test_absent(self, directory):
        assert directory.read_exit(1) is None

    def test_present(self, directory, path):
        (path / "exited.1").write_bytes(EXIT)
        assert directory.read_exit(1) == Exit(3, None, "", 1700000000.000000001, 1700000001.5, 0.75, 2048)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda p: p.symlink_to("/etc/passwd"), "exited.1 cannot be read: Too many levels of symbolic links"),
            (lambda p: p.symlink_to("/dev/zero"), "exited.1 cannot be read: Too many levels of symbolic links"),
            (os.mkfifo, "malformed exited.1: it is not a regular file"),
            (lambda p: p.mkdir(), "malformed exited.1: it is not a regular file"),
            (lambda p: p.write_bytes(b"x" * 10_000_000), "malformed exited.1: it is larger than 65536 bytes"),
            (lambda p: p.write_bytes(b""), "malformed exited.1: unknown line ''"),
        ],
    )
    def test_malformed_exit_is_reported_as_an_exit(self, directory, path, make, words):
        make(path / "exited.1")
        assert directory.read_exit(1) == Exit(code=126, error=words)

    def test_a_socket(self, directory, path, monkeypatch):
        monkeypatch.chdir(path)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("exited.1")
            exit_ = directory.read_exit(1)
        assert exit_ is not None
        assert exit_.code == 126

    def test_replaced_control_directory_is_not_read(self, directory, path, tmp_path):
        path.rename(tmp_path / "moved")
        path.mkdir()
        (path / "exited.1").write_bytes(EXIT)
        assert directory.read_exit(1) is None
        directory.write_request(1, b".\0")
        assert (tmp_path / "moved" / "run.1").exists()

    @given(st.binary(max_size=200))
    @example(b"code=1\xff\n")
    def test_never_raises(self, tmp_path_factory, content):
        path = tmp_path_factory.mktemp("step")
        directory = ControlDirectory(str(path))
        (path / "exited.7").write_bytes(content)
        exit_ = directory.read_exit(7)
        directory.close()
        assert exit_ is not None
        assert (exit_.code is None) != (exit_.signal is None)


class TestParseExit:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"code=0\n", Exit(code=0)),
            (b"code=255", Exit(code=255)),
            (b"signal=9\nstopped=1\n", Exit(signal=9)),
            (b"signal=9\noom=1\n", Exit(signal=9, out_of_memory=True)),
            (b"peak=5\ncode=1\nuser=1\nsystem=2.5\n", Exit(code=1, cpu=3.5, peak=5)),
            (
                b"code=127\nerror=/x: No such file or directory\n",
                Exit(code=127, error="/x: No such file or directory", mark=""),
            ),
            (b"code=126\nerror=a=b \xff\n", Exit(code=126, error="a=b \ufffd", mark="")),
            (b"code=0\nmark=0123456789abcdef0123456789abcdef\n", Exit(code=0, mark="0123456789abcdef" * 2)),
            (b"code=0\nleft=sleep (process 7)\n", Exit(code=0, left="sleep (process 7)")),
        ],
    )
    def test_documented_forms(self, content, expected):
        assert parse_exit(content) == expected

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\n",
            b"code=0\n\n",
            b"error=x\n",
            b"code=1\nsignal=9\n",
            b"code=1\ncode=1\n",
            b"code=256\n",
            b"code=-1\n",
            b"code= 1\n",
            b"code=+1\n",
            b"code=1_0\n",
            b"code=\xd9\xa1\n",  # ARABIC-INDIC DIGIT ONE
            b"code=1" + b"0" * 5000 + b"\n",
            b"signal=65\n",
            b"code=0\nstart=nan\n",
            b"code=0\nstart=inf\n",
            b"code=0\nstart=1e9\n",
            b"code=0\nstart=.5\n",
            b"code=0\nstart=-1\n",
            b"code=0\nstart=99999999999999\n",
            b"code=0\npeak=99999999999999999\n",
            b"code=0\ncolour=red\n",
            b"code=0\nmark=\n",
            b"code=0\nmark=0123456789ABCDEF0123456789ABCDEF\n",
            b"code\n",
        ],
    )
    def test_anything_else_is_refused(self, content):
        with pytest.raises(ValueError, match=r"."):
            parse_exit(content)

    @given(
        st.builds(
            Exit,
            code=st.integers(0, 255),
            error=st.text(st.characters(codec="utf-8", exclude_characters="\n")),
            start=st.integers(0, 10**10),
            end=st.integers(0, 10**10),
            cpu=st.integers(0, 10**6),
            out_of_memory=st.booleans(),
            peak=st.integers(0, 2**40),
            signal=st.none(),
            mark=st.text("0123456789abcdef", min_size=32, max_size=32),
            left=st.text(st.characters(codec="utf-8", exclude_characters="\n")),
            next=st.integers(0, 2**31),
            restart=st.booleans(),
        )
    )
    def test_written_exit_is_read_back(self, exit_):
        fields = exit_._asdict()
        del fields["signal"]
        fields["user"] = fields.pop("cpu")
        fields["oom"] = int(fields.pop("out_of_memory"))
        fields["restart"] = int(fields["restart"])
        text = "".join(f"{key}={value}\n" for key, value in fields.items())
        assert parse_exit(text.encode()) == exit_


class TestWriting:
    def test_files_of_a_step_are_replaced(self, directory, path, tmp_path):
        victim = tmp_path / "victim"
        victim.write_text("kept")
        (path / "run.1").symlink_to(victim)
        directory.write_request(1, b".\0")
        assert victim.read_text() == "kept"
        assert not (path / "run.1").is_symlink()

    @pytest.mark.parametrize("name", ["run.1", "kill.1", "exit"])
    def test_directory_in_the_way_is_moved_away(self, directory, path, name):
        (path / name / "with something").mkdir(parents=True)
        directory.write_request(1, b".\0")
        directory.write_kill(1, 15, 0)
        directory.write_exit(0, 5)
        assert all((path / each).is_file() for each in ("run.1", "kill.1", "exit"))

    def test_failed_write_leaves_nothing(self, directory, path, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError

        monkeypatch.setattr(os, "rename", refuse)
        with pytest.raises(PermissionError):
            directory.write_request(1, b".\0")
        assert sorted(os.listdir(path)) == ["bell", "coordinator", "ring"]

    def test_orders_are_links_on_a_full_disk(self, directory, path, monkeypatch):
        def refuse(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        (path / "exit/with something").mkdir(parents=True)
        monkeypatch.setattr("monopod.coordinator.control_directory.write_all", refuse)
        directory.write_kill(1, 15, 1.5)
        directory.write_exit(7, 5)
        assert (os.readlink(path / "kill.1"), os.readlink(path / "exit")) == ("15 1500", "7 5000")
        with pytest.raises(OSError, match="No space left on device"):
            directory.write_request(1, b".\0")

    def test_has_request(self, directory):
        assert not directory.has_request(1)
        directory.write_request(1, b".\0")
        assert directory.has_request(1)

    def test_after_closing_it_fails(self, directory):
        directory.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            directory.write_exit(0, 5)


class TestEncodeRequest:
    def test_records(self):
        step = RunStep(
            slot="s",
            container="c",
            request=1,
            arguments=("/bin/echo", "", "é\n"),
            environment=(("A", "1=2"), ("B", "")),
            working_directory="src",
            stdout_path="/tekton/results/out",
            stderr_path="/err",
            readable=("/tekton/results", "/x"),
        )
        assert (
            encode_request(step)
            == (
                "eA=1=2\0eB=\0a/bin/echo\0a\0aé\n\0dsrc\0o/tekton/results/out\0r/err\0x/tekton/results\0x/x\0.\0"
            ).encode()
        )

    def test_nul_cannot_start_a_record(self):
        """A Result of another Task may contain a NUL."""
        step = RunStep(slot="s", container="c", request=1, arguments=("echo", "x\0a/bin/evil"))
        with pytest.raises(ValueError, match=r"argument 'x.*contains a NUL character"):
            encode_request(step)

    def test_lone_surrogate_is_refused(self):
        with pytest.raises(ValueError, match="surrogates"):
            encode_request(RunStep(slot="s", container="c", request=1, arguments=("\ud800",)))


def test_largest_exit_is_read(directory, path):
    (path / "exited.1").write_bytes(b"code=126\nerror=".ljust(MAX_EXIT_BYTES, b"x"))
    exit_ = directory.read_exit(1)
    assert exit_ is not None
    assert len(exit_.error) == MAX_EXIT_BYTES - len("code=126\nerror=")
