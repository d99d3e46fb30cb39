"""The entrypoint, driven from outside like by a coordinator: with files, FIFOs and signals.

Every case runs with the release binary and with a binary built with ASan and UBSan. Nothing here sleeps: the end of
a request is signalled by the ring, and requests report their progress through FIFOs of the test.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import system_calls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monopod.coordinator.control_directory import parse_exit
from monopod.entrypoint import binary
from monopod.system.never_started import mark_never_started

PATIENCE = 300  # seconds after which a test has failed
SOURCES = Path(binary.__file__).parent
UNSHARE = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", *(["-r"] if os.geteuid() else [])]


WAITING = """
import resource, signal, sys
path, answer, *names = sys.argv[1:]
numbers = [getattr(signal, name) for name in names]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if answer in ("die", "ignore"):
    for number in numbers:
        signal.signal(number, signal.SIG_DFL if answer == "die" else signal.SIG_IGN)
else:
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
messages = open(path, "w", buffering=1)
print("ready", file=messages)
while answer in ("die", "ignore"):
    signal.pause()
while True:
    print(signal.sigwait(numbers).name, file=messages)
    if answer != "report":
        sys.exit(int(answer))
"""
"""A program that waits for signals. They kill it, are ignored, are reported, or are reported and end it with a code.

No shell does that without a moment in which it misses one."""


def wait_until_readable(descriptor: int) -> None:
    ready, _, _ = select.select([descriptor], [], [], PATIENCE)
    assert ready, "nothing came"


def read_until_end(reader: int, end: Path) -> int:
    """Read a pipe until it is empty and a request has ended, and return the number of bytes."""
    os.set_blocking(reader, False)
    read, has_ended = 0, False
    while not has_ended:
        has_ended = end.exists()  # before the last read
        with contextlib.suppress(BlockingIOError):
            while True:
                read += len(os.read(reader, 64 << 10))
    return read


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE, check=False)


class Fifo:
    """A FIFO through which a request sends messages to the test, or waits for the test."""

    def __init__(self, path: Path):
        os.mkfifo(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def line(self) -> str:
        while b"\n" not in self._rest:
            wait_until_readable(self.descriptor)
            self._rest += os.read(self.descriptor, 4096)
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def send(self, lines: int = 1) -> None:
        os.write(self.descriptor, b"\n" * lines)

    def close(self) -> None:
        os.close(self.descriptor)


class Container:
    """An entrypoint, its control directory, and the actions of a coordinator."""

    def __init__(self, program: Path, root: Path, *, bell: bool = True, ring: bool = True):
        self.program = program
        self.root = root
        self.path = root / "step"
        self.path.mkdir()
        self.path.chmod(0o777)
        self.last = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self._fifos = [Fifo(self.path / name) if wanted else None for name, wanted in (("bell", bell), ("ring", ring))]
        self._own: list[Fifo] = []

    def start(self, *options: str, prefix: tuple[str, ...] = (), **popen: object) -> None:
        logs = f"log_path={self.root}/sanitizer:detect_leaks=0"
        environment = {"PATH": os.environ["PATH"], "ASAN_OPTIONS": logs, "UBSAN_OPTIONS": logs}
        with open(self.root / "stdout", "ab") as stdout, open(self.root / "stderr", "ab") as stderr:
            arguments = {"stdout": stdout, "stderr": stderr, "stdin": subprocess.DEVNULL, "env": environment, **popen}
            self.process = subprocess.Popen([*prefix, self.program, *options, self.path], **arguments)  # type: ignore[call-overload]
        self.pid = self.process.pid

    def start_as_init(self, *prefix: str, options: tuple[str, ...] = ()) -> None:
        """Start it as PID 1 of a namespace, and wait until it runs."""
        self.start(*options, prefix=(*UNSHARE, *prefix))
        self.hear((self.path / "alive").exists)
        (child,) = psutil.Process(self.process.pid).children()
        self.pid = child.pid

    def put(self, name: str, content: bytes) -> None:
        (self.path / f".{name}").write_bytes(content)
        (self.path / f".{name}").rename(self.path / name)
        if self._fifos[0] is not None:
            self._fifos[0].send()

    def link(self, name: str, target: str) -> None:
        (self.path / f".{name}").symlink_to(target)
        (self.path / f".{name}").rename(self.path / name)
        self._fifos[0].send()

    def request(self, *records: str) -> int:
        """Write the next request. Each record is a letter and a text."""
        return self.raw_request("".join(f"{record}\0" for record in (*records, ".")).encode())

    def raw_request(self, content: bytes) -> int:
        self.last += 1
        self.put(f"run.{self.last}", content)
        return self.last

    def shell(self, script: str, *records: str) -> int:
        """Request a shell script. Kubernetes expands `$`, so `$$` is the shell's own."""
        return self.request(*records, "a/bin/sh", "a-c", f"a{script}")

    def waiting(self, messages: Fifo, answer: str, *signals: signal.Signals) -> int:
        """Request the program above, and wait until it is waiting."""
        arguments = [f"a{argument}" for argument in (messages.path, answer, *(number.name for number in signals))]
        number = self.request(f"a{sys.executable}", "a-SI", "a-c", f"a{WAITING}", *arguments)
        assert messages.line() == "ready"
        return number

    def kill(self, number: int, signal_number: int, grace: int) -> None:
        self.put(f"kill.{number}", f"{signal_number} {grace}\n".encode())

    def hear(self, condition: Callable[[], bool]) -> None:
        """Wait on the ring until a condition holds."""
        ring = self._fifos[1].descriptor
        while not condition():
            wait_until_readable(ring)
            os.read(ring, 4096)

    def end(self, number: int) -> dict[str, str]:
        """Wait for exited.N, and return its keys."""
        path = self.path / f"exited.{number}"
        self.hear(path.exists)
        content = path.read_bytes()
        parse_exit(content)  # the coordinator understands it, too
        return dict(line.split("=", 1) for line in content.decode(errors="surrogateescape").splitlines())

    def output(self, *records: str) -> str:
        """Run a request that must succeed, and return its output."""
        before = len(self.stdout())
        end = self.end(self.request(*records))
        assert end["code"] == "0", end
        return self.stdout()[before:]

    def stdout(self) -> str:
        return (self.root / "stdout").read_text(errors="surrogateescape")

    def stderr(self) -> str:
        return (self.root / "stderr").read_text()

    def fifo(self, name: str) -> Fifo:
        fifo = Fifo(self.root / name)
        self._own.append(fifo)
        return fifo

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):  # behind strace or setpriv, it does not end with its parent
                for child in psutil.Process(self.process.pid).children(recursive=True):
                    child.kill()
            self.process.kill()  # and the programs that it runs
            self.process.wait()
        for fifo in (*self._fifos, *self._own):
            if fifo is not None:
                fifo.close()
        self._fifos, self._own = [], []
        reports = [path.read_text() for path in self.root.glob("sanitizer*")]
        assert not reports, "\n".join(reports)


def _sanitized(sources: Path, output: Path, *definitions: str) -> Path:
    options = [*definitions, "-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1"]
    options += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no gcc and no clang on this machine")
    subprocess.run([compiler, *options, *sorted(sources.glob("*.c")), "-o", output], check=True)
    output.parent.chmod(0o755)
    return output


@pytest.fixture(scope="module")
def sanitized_entrypoint(tmp_path_factory) -> Path:
    return _sanitized(SOURCES, tmp_path_factory.mktemp("sanitized") / "entrypoint")


def _impatient(constant: str, milliseconds: int, directory: Path) -> Path:
    """Build the entrypoint with another value of a constant, in milliseconds."""
    for source in SOURCES.glob("*.[ch]"):
        shutil.copy(source, directory)
    text = (directory / "entrypoint.h").read_text()
    shorter = re.sub(rf"(?<={constant} = )\d+(?=, )", str(milliseconds), text)
    assert shorter != text
    (directory / "entrypoint.h").write_text(shorter)
    return _sanitized(directory, directory / "entrypoint")


@pytest.fixture(scope="module")
def quickly_given_up(tmp_path_factory) -> Path:
    """An entrypoint that retries to write an exit only for a second and a half."""
    return _impatient("EXITED_TIMEOUT", 1500, tmp_path_factory.mktemp("shorter"))


@pytest.fixture(scope="module")
def quickly_swept(tmp_path_factory) -> Path:
    """An entrypoint that waits only half a second for the leftover processes of a request."""
    return _impatient("SWEEP_TIMEOUT", 500, tmp_path_factory.mktemp("swept"))


@pytest.fixture(scope="module")
def of_an_old_kernel(tmp_path_factory) -> Path:
    """An entrypoint as on a 32-bit machine before Linux 5.1, which lacks system calls with 64-bit times."""
    output = tmp_path_factory.mktemp("old") / "entrypoint"
    return _sanitized(SOURCES, output, "-DEMULATE_OLD_KERNEL")


@pytest.fixture(params=["release", "sanitized"])
def program(request) -> Path:
    return binary.path() if request.param == "release" else request.getfixturevalue("sanitized_entrypoint")


@pytest.fixture
def make_container(program, tmp_path) -> Iterator[Callable[..., Container]]:
    containers: list[Container] = []

    def make(**options: bool) -> Container:
        root = tmp_path / str(len(containers))
        root.mkdir()
        containers.append(Container(program, root, **options))
        return containers[-1]

    yield make
    for container in containers:
        container.close()


@pytest.fixture
def container(make_container) -> Container:
    """A running entrypoint."""
    container = make_container()
    container.start()
    return container


@pytest.fixture(scope="module")
def pid_namespaces() -> None:
    """Skip the test if the kernel forbids PID namespaces."""
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("PID namespaces are not allowed here")


@pytest.fixture
def init(pid_namespaces, make_container) -> Container:
    """An entrypoint that is PID 1."""
    container = make_container()
    container.start_as_init()
    return container


# ---------------------------------------------------------------------------------------------------------------------
# How programs end


def test_success(container):
    number = container.shell("echo hello; echo problem >&2")
    end = container.end(number)
    assert end.keys() == {"code", "start", "end", "user", "system", "peak", "next"}
    assert end["code"] == "0"
    assert re.fullmatch(r"\d+\.\d{9}", end["start"])
    assert re.fullmatch(r"\d+\.\d{9}", end["end"])
    assert float(end["start"]) <= float(end["end"])
    assert re.fullmatch(r"\d+\.\d{6}", end["user"])
    assert re.fullmatch(r"\d+\.\d{6}", end["system"])
    assert int(end["peak"]) > 0
    assert container.stdout() == "hello\n"
    assert container.stderr() == "problem\n"


@pytest.mark.parametrize("code", [1, 2, 126, 127, 128, 255])
def test_exit_codes(container, code):
    end = container.end(container.shell(f"exit {code}"))
    assert end["code"] == str(code)
    assert "error" not in end
    assert "signal" not in end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGHUP])
def test_program_killed_by_a_signal(container, number):
    end = container.end(container.shell(f"ulimit -c 0; kill -{number} $$$$"))
    assert end["signal"] == str(int(number))
    assert "code" not in end
    assert "stopped" not in end


def test_peak_is_the_memory_of_the_program(container):
    script = "x = b'x' * (64 << 20)"
    end = container.end(container.request(f"a{sys.executable}", "a-c", f"a{script}"))
    assert int(end["peak"]) > 64 << 10


def test_requests_one_after_the_other(container):
    for number in range(1, 41):
        assert container.request("ash", "a-c", f"aexit {number}") == number
        assert container.end(number)["code"] == str(number)
    assert sorted(path.name for path in container.path.iterdir() if path.name.startswith(".")) == []


def test_requests_written_before_the_start(make_container):
    container = make_container()
    numbers = [container.shell(f"exit {code}") for code in range(3)]
    container.start()
    assert [container.end(number)["code"] for number in numbers] == ["0", "1", "2"]


def test_more_parallel_requests_than_slots(container):
    messages, gate = container.fifo("messages"), container.fifo("gate")
    numbers = [container.shell(f"echo {n} >{messages.path}; read line <{gate.path}") for n in range(1, 101)]
    started = {messages.line() for _ in range(64)}
    assert len(psutil.Process(container.pid).children()) == 64
    assert not list(container.path.glob("exited.*"))
    gate.send(100)
    assert {container.end(number)["code"] for number in numbers} == {"0"}
    assert started | {messages.line() for _ in range(36)} == {str(number) for number in numbers}


# ---------------------------------------------------------------------------------------------------------------------
# Errors of requests that cannot be run


def test_program_not_on_the_path(container):
    end = container.end(container.request("ePATH=/nowhere:/usr/share", "afrobnicate"))
    assert end["code"] == "127"
    assert end["error"] == "cannot run frobnicate: not found on PATH (/nowhere:/usr/share)"


def script(container: Container, name: str, content: str, mode: int = 0o755) -> Path:
    path = container.root / name
    path.write_text(content)
    path.chmod(mode)
    return path


def test_missing_program(container):
    end = container.end(container.request(f"a{container.root}/no/such"))
    assert end["code"] == "127"
    assert end["error"] == f"cannot run {container.root}/no/such: No such file or directory"


def test_empty_program(container):
    end = container.end(container.request("a"))
    assert (end["code"], end["error"]) == ("127", "cannot run : No such file or directory")


def test_program_that_is_not_executable(container):
    path = script(container, "x", "#!/bin/sh\n", 0o644)
    end = container.end(container.request(f"a{path}"))
    assert (end["code"], end["error"]) == ("126", f"cannot run {path}: Permission denied")
    end = container.end(container.request(f"ePATH=/nowhere:{container.root}", "ax"))
    assert (end["code"], end["error"]) == ("126", f"cannot run {path}: Permission denied")


def test_program_that_is_a_directory(container):
    end = container.end(container.request(f"a{container.root}"))
    assert (end["code"], end["error"]) == ("126", f"cannot run {container.root}: Permission denied")


def test_script_without_interpreter_line(container):
    path = script(container, "x", "echo hello\n")
    end = container.end(container.request(f"a{path}"))
    assert end["code"] == "126"
    assert end["error"].startswith(f"cannot run {path}: Exec format error (a script must start with")


def test_script_with_missing_interpreter(container):
    for line, named in (
        ("#!/no/such/shell\n", "/no/such/shell"),
        ("#! /no/such/shell -e\n", "/no/such/shell"),
        ("#!/bin/sh\r\n", "/bin/sh\\x0d"),
        ("#!/no" + "/such" * 40 + "\n", ("/no" + "/such" * 40)[:125]),
    ):
        path = script(container, "x", line)
        for records in ([f"a{path}"], [f"ePATH={container.root}:/bin", "ax"]):
            end = container.end(container.request(*records))
            assert end["code"] == "127"
            remark = f"the file exists, but its interpreter does not: {named}"
            assert end["error"] == f"cannot run {path}: No such file or directory ({remark})"


def test_errors_are_one_line(container):
    end = container.end(container.request("a/no\nsuch\x7f\tü"))
    assert end["error"] == "cannot run /no\\x0asuch\\x7f\\x09ü: No such file or directory"


def test_very_long_paths_in_errors(container):
    end = container.end(container.request("a/" + "x" * 100_000))
    assert end["code"] == "126"
    assert end["error"].startswith("cannot run /xxx")
    assert len(end["error"]) < 5000


def test_many_and_long_arguments(container):
    arguments = [f"a{'x' * 100_000}" for _ in range(10)]
    assert container.output("a/bin/sh", "a-c", "aecho $#", "a-", *arguments) == "10\n"
    many = ["ax"] * 20_000
    assert container.output("a/bin/sh", "a-c", "aecho $#", "a-", *many) == "20000\n"


def test_too_long_argument(container):
    end = container.end(container.request("atrue", f"a{'x' * (3 << 20)}"))
    assert end["code"] == "126"
    assert re.fullmatch(
        r"cannot run \S*/true: Argument list too long \(an argument .* longer than 128 KiB\)", end["error"]
    )


def test_too_large_request(container):
    end = container.end(container.request("atrue", *[f"a{'x' * 100_000}" for _ in range(180)]))
    assert (end["code"], end["error"]) == ("126", "run.1 is larger than 16 MiB")


def test_expansion_that_grows_without_bound(container):
    doubling = [f"eV{n + 1}=$(V{n})$(V{n})" for n in range(60)]
    end = container.end(container.request("eV0=xx", *doubling, "atrue"))
    assert end["code"] == "126"
    assert end["error"] == "the expanded arguments and environment are too large: Argument list too long"


MALFORMED = {
    b"": "record 1 is missing: the request has no closing record",
    b"atrue\0": "record 2 is missing: the request has no closing record",
    b"atrue": "record 1 has no terminating NUL",
    b"atrue\0.": "record 2 has no terminating NUL",
    b".\0": "record 1 closes a request without arguments",
    b"eA=1\0.\0": "record 2 closes a request without arguments",
    b"atrue\0.x\0": "record 2 closes the request but has a text",
    b"atrue\0.\0.\0": "record 2 closes the request but more follows",
    b"atrue\0.\0\n": "record 2 closes the request but more follows",
    b"atrue\0\0.\0": "record 2 has an unknown letter",
    b"atrue\0q1\0.\0": "record 2 discards the output but has a text",
    b"\xff\0.\0": "record 1 has an unknown letter",
    b"eA\0atrue\0.\0": "record 1 is not e NAME=VALUE",
    b"e\0atrue\0.\0": "record 1 is not e NAME=VALUE",
    b"e=1\0atrue\0.\0": "record 1 is not e NAME=VALUE",
    b"d/\0d/\0atrue\0.\0": "record 2 repeats a letter allowed once",
    b"o1\0atrue\0o2\0.\0": "record 3 repeats a letter allowed once",
    b"r1\0atrue\0r2\0.\0": "record 3 repeats a letter allowed once",
}


def test_malformed_requests(container):
    for content, words in MALFORMED.items():
        number = container.raw_request(content)
        end = container.end(number)
        assert end["code"] == "126"
        assert end["error"] == f"run.{number} is malformed: {words}"
    assert container.end(container.shell("exit 3"))["code"] == "3"


def test_requests_that_are_not_files(container):
    (container.path / "run.1").mkdir()
    os.mkfifo(container.path / "run.2")
    (container.path / "run.3").symlink_to("/etc/passwd")
    container.last = 3
    code = container.shell("exit 3")
    assert container.end(1)["error"] == "run.1 is not a regular file"
    assert container.end(2)["error"] == "run.2 is not a regular file"
    assert container.end(3)["error"] == "cannot read run.3: Too many levels of symbolic links"
    assert container.end(code)["code"] == "3"


# ---------------------------------------------------------------------------------------------------------------------
# Environment, arguments, working directory


def oracle(text: str, environment: dict[str, str]) -> str:
    """Kubernetes' expansion, with a regular expression: `$$`, or a reference; other text is kept."""
    return re.sub(
        r"\$\$|\$\(([^)]*)\)",
        lambda match: "$" if match[0] == "$$" else environment.get(match[1], match[0]),
        text,
    )


def test_expansion(container):
    environment = ["eA=one", "eB=$(A) two $(C)", "eC=$$(A)", "eA=three", "eEMPTY="]
    texts = ["$(A)$(B)", "$$(A)", "$$$(A)", "$(NONE)", "$(", "$", "$(A", "$A", "$(A)$", "$(EMPTY)", "$()", "$(A=t)"]
    output = container.output(*environment, "aprintf", "a%s|", *(f"a{text}" for text in texts))
    assert output == "threeone two $(C)|$(A)|$three|$(NONE)|$(|$|$(A|$A|three$||$()|$(A=t)|"


TEXTS = st.text(st.sampled_from("$()AB=x ü\n"), max_size=12)
NAMES = st.sampled_from(["A", "B", "AB", "x", "$(A)", "$$", "A)"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(variables=st.lists(st.tuples(NAMES, TEXTS), max_size=5), arguments=st.lists(TEXTS, min_size=1, max_size=8))
def test_expansion_agrees_with_kubernetes(container, variables, arguments):
    expected = {"PATH": os.environ["PATH"]}
    for name, value in variables:
        expected[name] = oracle(value, expected)
    records = [f"e{name}={value}" for name, value in variables]
    output = container.output(*records, "aprintf", "a%s\\0", *(f"a{argument}" for argument in arguments))
    assert output.split("\0")[:-1] == [oracle(argument, expected) for argument in arguments]
    printed = dict(variable.split("=", 1) for variable in container.output(*records, "aenv", "a-0").split("\0")[:-1])
    assert {name: printed.get(name) for name in expected} == expected
    assert printed.keys() - expected.keys() == {"ASAN_OPTIONS", "UBSAN_OPTIONS"}


def test_environment_of_the_container_is_kept_and_overridden(make_container):
    container = make_container()
    container.start(env={"PATH": os.environ["PATH"], "KEPT": "1", "CHANGED": "2", "CHANGED2": "3"})
    output = container.output("eCHANGED=$(CHANGED)+$(KEPT)", "aenv")
    lines = set(output.splitlines())
    assert {"KEPT=1", "CHANGED=2+1", "CHANGED2=3"} <= lines
    assert "CHANGED=2" not in lines


def test_path_of_the_request_finds_the_program(container):
    (container.root / "bin").mkdir()
    script(container, "bin/tool", "#!/bin/sh\necho from $0\n")
    assert container.output(f"ePATH=/nowhere:{container.root}/bin:/bin", "atool") == f"from {container.root}/bin/tool\n"
    assert container.output(f"d{container.root}/bin", "ePATH=:/bin", "atool") == "from ./tool\n"


def test_default_path(make_container):
    container = make_container()
    container.start(env={})
    assert container.output("aecho", "ahello") == "hello\n"


def test_working_directory(make_container):
    container = make_container()
    container.start(cwd=container.root, umask=0o022)
    assert container.output("apwd") == f"{container.root}\n"
    assert container.output(f"d{container.root}/a//b/c/", "apwd") == f"{container.root}/a/b/c\n"
    assert container.output("drelative/x", "apwd") == f"{container.root}/relative/x\n"
    assert stat.S_IMODE((container.root / "a/b").stat().st_mode) == 0o755


def test_invalid_working_directory(container):
    file = script(container, "file", "")
    end = container.end(container.request(f"d{file}", "atrue"))
    assert (end["code"], end["error"]) == ("126", f"cannot change to the working directory {file}: Not a directory")
    end = container.end(container.request(f"d{file}/x/y", "atrue"))
    assert (end["code"], end["error"]) == ("126", f"cannot change to the working directory {file}/x/y: Not a directory")
    end = container.end(container.request("d/proc/no/such", "atrue"))
    assert (end["code"], end["error"]) == (
        "126",
        "cannot create the working directory /proc/no/such: No such file or directory",
    )
    end = container.end(container.request("d", "atrue"))
    assert end["error"] == "cannot change to the working directory : No such file or directory"


def test_program_starts_in_a_clean_state(make_container):
    """It has its own session, no blocked or ignored signals, and no descriptors except the standard streams."""

    def spoil() -> None:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGRTMAX})

    container = make_container()
    container.start(preexec_fn=spoil, restore_signals=False)
    assert container.output("agrep", "a-E", "a^Sig(Blk|Ign)", "a/proc/self/status").split()[1::2] == ["0" * 16] * 2
    assert container.output("als", "a/proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is the descriptor of ls
    pid, group, session = container.output("acut", "a-d ", "a-f1,5,6", "a/proc/self/stat").split()
    assert pid == group == session
    container.process.terminate()
    assert container.exit_code() == 128 + signal.SIGTERM


def test_closed_standard_streams(make_container):
    container = make_container()
    container.start(preexec_fn=lambda: os.closerange(0, 3))
    number = container.shell(f"ls -l /proc/self/fd >{container.root}/list; exit 3")
    assert container.end(number)["code"] == "3"
    assert (container.root / "list").read_text().count("/dev/null") == 2


# ---------------------------------------------------------------------------------------------------------------------
# Files: copies of the output, and what is made readable


def test_copies_of_the_output(container):
    out, err = container.root / "new/out/file", container.root / "err"
    err.write_text("to be truncated")
    end = container.end(container.shell("echo hello; echo problem >&2; exit 4", f"o{out}", f"r{err}"))
    assert end["code"] == "4"
    assert out.read_text() == container.stdout() == "hello\n"
    assert err.read_text() == container.stderr() == "problem\n"


def test_copies_into_one_file(container):
    both = container.root / "both"
    container.end(container.shell("for i in 1 2 3 4; do echo out $i; echo err $i >&2; done", f"o{both}", f"r{both}"))
    expected = [f"{stream} {number}" for stream in ("err", "out") for number in range(1, 5)]
    assert sorted(both.read_text().splitlines()) == expected


def test_copies_are_relative_to_the_working_directory(container):
    container.end(container.shell("echo hello", f"d{container.root}/work", "osub/out"))
    assert (container.root / "work/sub/out").read_text() == "hello\n"


def test_copies_of_much_output(container):
    """More than a pipe holds, from a process that is still writing when the program ends."""
    out, err = container.root / "out", container.root / "err"
    write = "head -c 3000000 /dev/zero | tr '\\0'"
    end = container.end(container.shell(f"{write} e >&2 & {write} o; wait", f"o{out}", f"r{err}"))
    assert end["code"] == "0"
    assert out.read_bytes() == (container.root / "stdout").read_bytes() == b"o" * 3_000_000
    assert err.read_bytes() == (container.root / "stderr").read_bytes() == b"e" * 3_000_000


def test_copies_end_with_the_program(container):
    """A leftover process in another session has the pipe open, and must not keep the request from ending."""
    messages, out = container.fifo("messages"), container.root / "out"
    script = f"setsid sh -c 'echo $$$$ >{messages.path}; exec sleep 600' & read pid <{messages.path}; echo $pid; exit 2"
    assert container.end(container.shell(script, f"o{out}", f"r{out}.2"))["code"] == "2"
    left_behind = psutil.Process(int(out.read_text()))
    assert left_behind.is_running()
    left_behind.kill()


def test_copies_continue_without_a_reader_of_the_stream(make_container):
    container = make_container()
    reader, writer = os.pipe()
    container.start(stdout=writer)
    os.close(reader)
    os.close(writer)
    out = container.root / "out"
    assert container.end(container.shell("echo one; echo two", f"o{out}"))["code"] == "0"
    assert out.read_text() == "one\ntwo\n"


def test_copies_wait_for_room_in_a_stream_that_does_not_block(make_container):
    """An earlier Step may have made it so, and its reader may be slow: nothing is lost."""
    container = make_container()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    container.start(stdout=writer)
    size, out = 3 * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ), container.root / "out"
    request = container.shell(f"head -c {size} /dev/zero", f"o{out}")
    while select.select([], [writer], [], 0)[1]:  # until the pipe is full
        pass
    assert read_until_end(reader, container.path / f"exited.{request}") == size
    assert container.end(request)["code"] == "0"
    assert out.stat().st_size == size
    os.close(reader)
    os.close(writer)


def test_copies_that_cannot_be_written(container):
    end = container.end(container.request(f"o{container.root}", "atrue"))
    assert end["code"] == "126"
    assert end["error"] == f"cannot write the copy of standard output to {container.root}: Is a directory"
    end = container.end(container.request("r/proc/no/such", "atrue"))
    assert end["error"] == "cannot write the copy of standard error to /proc/no/such: No such file or directory"
    if Path("/dev/full").exists():
        assert container.end(container.shell("echo hello", "o/dev/full"))["code"] == "0"
        assert container.stdout() == "hello\n"
        assert container.stderr() == "monopod: cannot write /dev/full: No space left on device\n"


def test_program_has_no_foreign_children(container):
    """The copy processes are not its children."""
    out = container.root / "out"
    script = "import os\ntry: os.wait()\nexcept ChildProcessError: print('none')"
    container.end(container.request(f"o{out}", f"r{out}.2", f"a{sys.executable}", "a-c", f"a{script}"))
    assert out.read_text() == "none\n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_files_are_made_readable(container):
    root = container.root
    script = (
        "umask 077; echo 1 >file; mkdir -p dir/sub; echo 2 >dir/result; echo 3 >dir/sub/deep; ln -s ../secret dir/link"
    )
    (root / "secret").write_text("")
    (root / "secret").chmod(0o600)
    number = container.shell(script, f"d{root}", f"x{root}/file", "xdir", "xnot/there", "xsecret/no")
    assert container.end(number)["code"] == "0"
    assert mode(root / "file") == 0o644
    assert mode(root / "dir") == 0o755
    assert mode(root / "dir/result") == 0o644
    assert mode(root / "dir/sub") == 0o755
    assert mode(root / "dir/sub/deep") == 0o600
    assert mode(root / "secret") == 0o600
    assert container.stderr() == ""


def test_files_are_made_readable_after_a_failure(container):
    path = container.root / "file"
    assert container.end(container.shell(f"umask 777; >{path}; kill -9 $$$$", f"x{path}"))["signal"] == "9"
    assert mode(path) == 0o444


def test_directory_with_many_entries_is_made_readable(container):
    container.end(
        container.shell("umask 077; mkdir many; cd many; seq 1500 | xargs touch", f"d{container.root}", "xmany")
    )
    assert {mode(path) for path in (container.root / "many").iterdir()} == {0o644}


# ---------------------------------------------------------------------------------------------------------------------
# Stopping, and leftover processes


def test_stop_by_a_signal(container):
    number = container.waiting(container.fifo("messages"), "7", signal.SIGTERM)
    container.kill(number, signal.SIGTERM, 600_000)
    end = container.end(number)
    assert (end["code"], end["stopped"]) == ("7", "1")
    assert not (container.path / f"kill.{number}").exists()


def test_stop_with_an_unlimited_grace_period(container):
    number = container.waiting(container.fifo("messages"), "7", signal.SIGTERM)
    container.kill(number, signal.SIGTERM, 10**12)
    assert container.end(number)["code"] == "7"


def test_sigkill_after_the_grace_period(container):
    number = container.waiting(container.fifo("messages"), "ignore", signal.SIGTERM)
    container.kill(number, signal.SIGTERM, 20)
    end = container.end(number)
    assert (end["signal"], end["stopped"]) == ("9", "1")


def test_later_stop_request_may_shorten_the_grace_period(container):
    messages = container.fifo("messages")
    number = container.waiting(messages, "report", signal.SIGUSR1, signal.SIGTERM)
    container.kill(number, signal.SIGUSR1, 600_000)
    assert messages.line() == "SIGUSR1"
    container.kill(number, signal.SIGTERM, 0)
    assert container.end(number)["signal"] == "9"


def test_stop_at_once(container):
    """The stop request arrives with the request, so usually before exec."""
    for _ in range(20):
        container.last += 1
        container.put(f"kill.{container.last}", b"15 600000")
        container.put(f"run.{container.last}", b"asleep\x00a600\x00.\x00")
        end = container.end(container.last)
        assert (end["signal"], end["stopped"]) == ("15", "1")


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("memory.events", "low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n"),
        ("memory/memory.oom_control", "under_oom 0\noom_kill 4\n", "under_oom 0\noom_kill 5\n"),
    ],
    ids=["cgroup-v2", "cgroup-v1"],
)
def test_out_of_memory_kill_is_reported(pid_namespaces, make_container, tmp_path, file, before, after):
    container = make_container()
    control_group = tmp_path / "cgroup"
    (control_group / "memory").mkdir(parents=True)
    (control_group / file).write_text(before)
    here = f"mount --bind {control_group} /sys/fs/cgroup"
    container.start_as_init("sh", "-c", f'{here} && exec "$0" "$@"')
    more = f"printf '{after}' > /sys/fs/cgroup/{file}".replace("\n", "\\n")
    ends = [
        container.end(container.shell(script)) for script in ("exit 3", "exit 0", f"{more}; kill -9 $$$$", "exit 4")
    ]
    assert [(end.get("code"), end.get("signal"), end.get("oom")) for end in ends] == [
        ("3", None, None), ("0", None, None), (None, "9", "1"), ("4", None, None),
    ]  # fmt: skip


def test_out_of_memory_kill_in_a_successful_request(pid_namespaces, make_container, tmp_path):
    """To Kubernetes the whole container ran out of memory, whether or not its program failed."""
    container = make_container()
    control_group = tmp_path / "cgroup"
    control_group.mkdir()
    (control_group / "memory.events").write_text("oom_kill 0\n")
    container.start_as_init("sh", "-c", f'mount --bind {control_group} /sys/fs/cgroup && exec "$0" "$@"')
    gate, messages = container.fifo("gate"), container.fifo("messages")
    beside = container.shell(f"echo ready >{messages.path}; read line <{gate.path}")
    assert messages.line() == "ready"
    short = container.end(container.shell("echo oom_kill 1 > /sys/fs/cgroup/memory.events; exit 0"))
    gate.send()
    ends = [short, container.end(beside), container.end(container.shell("exit 0"))]
    assert [(end["code"], end.get("oom")) for end in ends] == [("0", "1"), ("0", "1"), ("0", None)]


def test_stop_affects_only_its_request(container):
    messages, gate = container.fifo("messages"), container.fifo("gate")
    stays = container.shell(f"echo ready >{messages.path}; read line <{gate.path}; exit 5")
    assert messages.line() == "ready"
    goes = container.waiting(messages, "die", signal.SIGINT)
    container.kill(goes, signal.SIGINT, 600_000)
    assert container.end(goes)["signal"] == "2"
    gate.send()
    end = container.end(stays)
    assert end["code"] == "5"
    assert "stopped" not in end


@pytest.mark.parametrize("content", [b"", b"15", b"15 ", b"0 5", b"65 5", b"15 x", b"15 5 5", b"-9 5", b"9" * 40,
                                     b"15 5\0more", b"15 " + b"0" * 28 + b"x"])  # fmt: skip
def test_malformed_stop_request_is_ignored(container, content):
    gate, messages = container.fifo("gate"), container.fifo("messages")
    number = container.shell(f"echo ready >{messages.path}; read line <{gate.path}")
    assert messages.line() == "ready"
    container.put(f"kill.{number}", content)
    container.end(container.shell("true"))
    gate.send()
    end = container.end(number)
    assert end["code"] == "0"
    assert "stopped" not in end
    assert container.stderr() == f"monopod: ignoring malformed kill.{number}\n"


def is_held(path: Path) -> bool:
    """Whether a process has a FIFO open for writing."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.read(descriptor, 1)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def leave_behind(container: Container, prefix: str = "") -> tuple[str, Path]:
    """Return a script that leaves a process behind, and a FIFO that this process has open."""
    started, held = container.fifo("started"), container.root / "held"
    os.mkfifo(held)
    background = f"{prefix} sh -c 'exec 3<>{held}; echo started >{started.path}; exec sleep 600'"
    return f"{background} & read line <{started.path}; exit 3", held


def test_background_processes_end_with_the_request(container):
    script, held = leave_behind(container)
    assert container.end(container.shell(script))["code"] == "3"
    assert not is_held(held)
    assert psutil.Process(container.pid).children() == []


def test_orphans_are_reaped(container):
    messages = container.fifo("messages")
    path = messages.path
    script = f"for i in 1 2 3; do (sh -c 'echo gone >{path}' & true); done; read a <{path}; read b <{path}"
    assert container.end(container.shell(script))["code"] == "0"
    assert psutil.Process(container.pid).children() == []


# ---------------------------------------------------------------------------------------------------------------------
# The mark at the end of the output


def mark_of(end: dict[str, str]) -> str:
    return f"\x1emonopod {end['mark']}\n"


def test_mark_ends_the_output_of_joined_streams(container):
    """Of two pipes, a container runtime may read either one first."""
    ends = [container.end(container.shell(f"echo {text}; printf '{text} no newline' >&2", "m")) for text in "ab"]
    marks = [mark_of(end) for end in ends]
    assert all(re.fullmatch("\x1emonopod [0-9a-f]{32}\n", mark) for mark in marks)
    assert marks[0] != marks[1]
    assert container.stdout() == f"a\na no newline{marks[0]}b\nb no newline{marks[1]}"
    assert container.stderr() == ""


def test_request_cannot_write_to_an_unmarked_stream(container):
    """Such lines could appear after its mark, as output of the next request."""
    script = f"for number in 1 2; do echo $number >>/proc/{container.pid}/fd/$number; done"
    end = container.end(container.shell(script, "m"))
    assert container.stdout() == f"1\n2\n{mark_of(end)}"
    assert container.stderr() == ""


def test_discarded_output(container):
    """A probe writes nothing to the log of its container, and a later request does again."""
    end = container.end(container.shell("echo a; echo b >&2; exit 3", "q"))
    assert end["code"] == "3"
    container.end(container.shell("echo c"))
    assert container.stdout() == "c\n"
    assert "b" not in container.stderr()
    end = container.end(container.request("qtext", "a/bin/true"))
    assert "discards the output but has a text" in end["error"]


def test_mark_record_must_come_first(container):
    """The entrypoint must know whether to join the streams before it runs the request."""
    end = container.end(container.request("a/bin/true", "m"))
    assert end["code"] == "126"
    assert "not the first" in end["error"]


def test_no_mark_without_a_mark_record(container):
    assert "mark" not in container.end(container.shell("echo a"))
    assert container.stdout() == "a\n"


def test_mark_follows_all_copies_of_the_output(container):
    end = container.end(container.shell("head -c 3000000 /dev/zero", "m", f"o{container.root}/copy"))
    assert len(container.stdout()) == 3_000_000 + len(mark_of(end))
    assert container.stdout().endswith(mark_of(end))
    assert (container.root / "copy").stat().st_size == 3_000_000


def test_request_that_cannot_run_has_a_mark(container):
    end = container.end(container.request("m", "a/not/there"))
    assert end["code"] == "127"
    assert container.stdout() == mark_of(end)


def test_mark_that_blocks_delays_only_the_next_request(make_container):
    container = make_container()
    reader, writer = os.pipe()
    container.start(stdout=writer)
    size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    end = container.end(container.shell(f"head -c {size} /dev/zero", "m"))
    os.close(writer)
    second = container.shell("echo second", "m")
    assert not (container.path / f"exited.{second}").exists()
    read = os.read(reader, size)
    second_end = container.end(second)
    while not read.endswith(mark_of(second_end).encode()):
        read += os.read(reader, size)
    os.close(reader)
    assert read == b"\0" * size + f"{mark_of(end)}second\n{mark_of(second_end)}".encode()


def test_streams_of_a_request_block_whatever_an_earlier_one_did(make_container):
    """Requests share the container's streams. A program that writes more than a pipe holds must not get EAGAIN."""
    container = make_container()
    reader, writer = os.pipe()
    container.start(stdout=writer)
    container.end(container.request(f"a{sys.executable}", "a-c", "aimport os; os.set_blocking(1, False)"))
    assert not os.get_blocking(writer)
    size = 2 * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    request = container.request("a/usr/bin/head", f"a-c{size}", "a/dev/zero")
    while select.select([], [writer], [], 0)[1]:  # until the pipe is full
        pass
    assert read_until_end(reader, container.path / f"exited.{request}") == size
    assert container.end(request)["code"] == "0"
    os.close(reader)
    os.close(writer)


def test_title_waits_for_room_in_a_stream_that_does_not_block(make_container):
    """Some programs make it so, which lasts. A title must not be lost, since readers remove it by its text."""
    container = make_container()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    os.set_blocking(reader, True)
    container.start(stdout=writer)
    size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    assert os.write(writer, b"\0" * size) == size
    request = container.request("t==> a <==\n", "a/bin/echo", "afine")
    ended = container.path / f"exited.{request}"
    children = psutil.Process(container.pid).children
    while not ended.exists() and not any(each.status() == psutil.STATUS_SLEEPING for each in children()):
        pass
    assert not ended.exists()
    assert os.read(reader, size) == b"\0" * size
    container.end(request)
    assert os.read(reader, size) == b"==> a <==\nfine\n"
    os.close(reader)
    os.close(writer)


def test_mark_that_blocks_forever_does_not_prevent_the_exit(pid_namespaces, make_container):
    container = make_container()
    reader, writer = os.pipe()
    container.start(stdout=writer)
    size = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    container.end(container.shell(f"head -c {size} /dev/zero", "m"))
    container.put("exit", b"7")
    assert container.exit_code() == 7
    os.close(reader)
    os.close(writer)


def test_stream_without_a_reader_blocks_nothing(make_container):
    container = make_container()
    reader, writer = os.pipe()
    container.start(stdout=writer)
    os.close(reader)
    os.close(writer)
    assert [container.end(container.shell("true", "m"))["code"] for _ in range(2)] == ["0", "0"]


def test_no_output_after_the_mark(init):
    """A background process would write until it is killed."""
    messages = init.fifo("messages")
    script = f"setsid sh -c 'echo on >{messages.path}; while :; do echo again; done' & read line <{messages.path}"
    end = init.end(init.shell(script, "m"))
    assert init.stdout().endswith(mark_of(end))
    init.end(init.shell("true"))
    assert init.stdout().endswith(mark_of(end))


# ---------------------------------------------------------------------------------------------------------------------
# Ends and requests that a request writes itself


def test_exit_is_written_once_the_lock_of_the_request_is_free(container):
    """The request may have written a file with that name, or with the name of the next exit."""
    messages, go = container.fifo("messages"), container.fifo("go")
    forge = "mkdir -p exited.1/x exited.2/x; rm run.1; echo false > run.1"
    wait = f"echo on >{messages.path}; read x <{go.path}"
    number = container.shell(f"cd {container.path}; {wait}; {forge}; {wait}", "m")
    request = os.open(container.path / "run.1", os.O_RDONLY)
    messages.line()
    go.send()
    messages.line()
    with pytest.raises(BlockingIOError):
        fcntl.flock(request, fcntl.LOCK_SH | fcntl.LOCK_NB)
    go.send()
    container.hear((container.path / f"exited.{number}").is_file)
    fcntl.flock(request, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(request)
    assert container.end(number)["code"] == "0"
    assert not (container.path / "exited.2").exists()


def test_requests_written_by_a_marked_request_end_with_it(container):
    """Run beside it or after it, they would write under the name of the next request."""
    messages = container.fifo("messages")
    put = f"cd {container.path}; put() {{ cat >.x; mv .x $$1; }}; "
    beside = "printf 'a/bin/sh\\000a-c\\000a%s\\000.\\000' \"$$own\" | put run.2; echo >bell; "
    after = "printf 'm\\000a/bin/echo\\000amine\\000.\\000' | put run.3; echo 'code=0' | put exited.4; "
    own = f"own='echo on >{messages.path}; while :; do echo mine; done'; "
    script = f"{own}{put}{beside}{after}read x <{messages.path}"
    end = container.end(container.shell(script, "m"))
    assert end["next"] == "4"
    assert container.stdout().endswith(mark_of(end))
    assert not (container.path / "exited.4").exists()
    container.last = 3
    last = container.end(container.shell("echo other", "m"))
    assert container.stdout().endswith(f"{mark_of(end)}other\n{mark_of(last)}")


# ---------------------------------------------------------------------------------------------------------------------
# Unkillable processes


@pytest.fixture
def unprivileged(pid_namespaces, quickly_swept, request) -> Iterator[Container]:
    """An entrypoint that is PID 1 and not root, in a container where a program may become root."""
    if os.geteuid():
        pytest.skip("only root can make a program that makes root")
    with tempfile.TemporaryDirectory() as directory:  # the directory of pytest belongs to root
        root = Path(directory)
        root.chmod(0o755)
        shutil.copy(shutil.which("setpriv"), root / "become-root")
        (root / "become-root").chmod(0o4755)
        container = Container(Path(shutil.copy(quickly_swept, root)), root)
        for fifo in (container.path / "bell", container.path / "ring"):
            fifo.chmod(0o666)
        try:
            options = getattr(request, "param", ())
            container.start_as_init("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", options=options)
            yield container
        finally:
            container.close()


def leave_unkillable_process(container: Container) -> dict[str, str]:
    """Run a request that exits with 3 and leaves a process of root behind; return its end."""
    messages = container.fifo("messages")
    become_root = f"{container.root}/become-root --reuid=0 --regid=0 --clear-groups"
    script = (
        f"setsid {become_root} sh -c 'echo there >{messages.path}; exec sleep 600' & read line <{messages.path}; exit 3"
    )
    end = container.end(container.shell(script, "m"))
    assert re.fullmatch(r"sleep \(process \d+\)", end["left"]), end
    return end


def test_unkillable_process_is_named_and_retires_the_container(unprivileged):
    """As of `sudo service postgresql start` in a Step."""
    end = leave_unkillable_process(unprivileged)
    assert end["code"] == "3"
    assert unprivileged.stdout() == mark_of(end)
    unprivileged.shell("echo never", "m")
    unprivileged.put("exit", b"7")
    assert unprivileged.exit_code() == 7
    assert unprivileged.stdout() == mark_of(end)


@pytest.mark.parametrize("unprivileged", [("--restarts",)], indirect=True)
def test_a_container_that_restarts_ends_with_what_cannot_be_killed(unprivileged):
    end = leave_unkillable_process(unprivileged)
    assert (end["code"], end["restart"]) == ("3", "1")
    assert unprivileged.exit_code() == 77
    assert unprivileged.stdout() == mark_of(end)


def test_program_of_the_same_user_cannot_trace_its_entrypoint(unprivileged):
    """It can neither trace it nor open its files; its own files are unaffected."""
    script = """
        for name in exe cwd root fd/1; do readlink /proc/1/$$name && exit 1; done
        ls /proc/1/fd && exit 2
        (: </proc/1/mem) && exit 3
        cat /proc/1/environ && exit 4
        sh -c 'readlink /proc/$$PPID/exe >/dev/null; exit $$?'
    """
    assert unprivileged.end(unprivileged.shell(f"({script}) 2>/dev/null; exit $$?"))["code"] == "0"
    assert unprivileged.stdout() == ""


# ---------------------------------------------------------------------------------------------------------------------
# As PID 1


def test_init_ends_everything_with_the_last_request(init):
    script, held = leave_behind(init, "setsid")
    assert init.end(init.shell(script))["code"] == "3"
    assert not is_held(held)
    assert psutil.Process(init.pid).children(recursive=True) == []
    assert init.end(init.shell("exit 4"))["code"] == "4"


def test_init_keeps_background_processes_while_another_request_runs(init):
    script, held = leave_behind(init, "setsid")
    ready, gate = init.fifo("ready"), init.fifo("gate")
    other = init.shell(f"echo ready >{ready.path}; read line <{gate.path}")
    assert ready.line() == "ready"
    assert init.end(init.shell(script))["code"] == "3"
    assert is_held(held)
    gate.send()
    assert init.end(other)["code"] == "0"
    assert not is_held(held)


def test_init_and_copies(init):
    script, held = leave_behind(init, "setsid")
    out, late = init.root / "out", init.root / "late"
    number = init.shell(f"umask 077; head -c 2000000 /dev/zero; >{late}; {script}", f"o{out}", f"x{late}")
    assert init.end(number)["code"] == "3"
    assert out.stat().st_size == (init.root / "stdout").stat().st_size == 2_000_000
    assert mode(late) == 0o644
    assert not is_held(held)
    assert psutil.Process(init.pid).children(recursive=True) == []


def test_init_with_many_requests_that_end_together(init):
    gate, messages = init.fifo("gate"), init.fifo("messages")
    script = f"setsid sleep 600 & echo ready >{messages.path}; read line <{gate.path}"
    numbers = [init.shell(script, f"o{init.root}/out", f"x{init.root}/out") for _ in range(30)]
    for _ in numbers:
        assert messages.line() == "ready"
    gate.send(len(numbers))
    assert {init.end(number)["code"] for number in numbers} == {"0"}
    assert psutil.Process(init.pid).children(recursive=True) == []


def runs(process, text):
    """Return whether the command line of a process, which may be a zombie, contains a text."""
    try:
        return text in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_init_reaps_zombies(init):
    messages, gate = init.fifo("messages"), init.fifo("gate")
    orphans = f"(sh -c 'exit 0' & true); setsid sh -c 'echo gone >{messages.path}' & wait"
    number = init.shell(f"{orphans}; echo end >{messages.path}; read line <{gate.path}")
    assert {messages.line(), messages.line()} == {"gone", "end"}
    adopted = [child for child in psutil.Process(init.pid).children() if not runs(child, str(gate.path))]
    _, unreaped = psutil.wait_procs(adopted, PATIENCE)
    assert unreaped == []
    gate.send()
    assert init.end(number)["code"] == "0"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_init_ends_at_once_when_idle(init, number):
    os.kill(init.pid, number)
    assert init.exit_code() == 128 + number


def test_init_forwards_signals(init):
    number = init.waiting(init.fifo("messages"), "9", signal.SIGTERM)
    os.kill(init.pid, signal.SIGTERM)
    assert init.exit_code() == 143
    assert init.end(number)["code"] == "9"


# ---------------------------------------------------------------------------------------------------------------------
# Signals to the entrypoint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_terminating_signal_while_idle(container, number):
    container.end(container.shell("true"))
    container.process.send_signal(number)
    assert container.exit_code() == 128 + number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_terminating_signal_while_requests_run(container, number):
    messages = container.fifo("messages")
    dies = container.waiting(messages, "die", number)
    ends = container.waiting(messages, "9", number)
    container.process.send_signal(number)
    assert container.exit_code() == 128 + number
    assert container.end(dies)["signal"] == str(int(number))
    assert container.end(ends)["code"] == "9"


def test_other_signals_are_passed_on(container):
    messages = container.fifo("messages")
    signals = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGWINCH]
    request = container.waiting(messages, "report", *signals)
    for number in signals:
        container.process.send_signal(number)
        assert messages.line() == number.name
    container.kill(request, signal.SIGKILL, 0)
    container.end(request)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGPIPE, signal.SIGALRM])
def test_other_signals_while_idle_do_nothing(container, number):
    container.end(container.shell("true"))
    container.process.send_signal(number)
    assert container.end(container.shell("exit 3"))["code"] == "3"


# ---------------------------------------------------------------------------------------------------------------------
# The control directory


def test_modes_do_not_depend_on_the_umask(make_container):
    container = make_container()
    container.start(umask=0o777)
    container.end(container.shell("true"))
    assert mode(container.path / "exited.1") == 0o644
    assert mode(container.path / "alive") == 0o644


def try_lock(path: Path) -> bool:
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_alive_is_locked_until_the_end(container):
    messages = container.fifo("messages")
    container.hear((container.path / "alive").exists)
    container.shell(f"echo ready >{messages.path}; exec sleep 600", f"o{container.root}/out")
    assert messages.line() == "ready"
    assert not try_lock(container.path / "alive")
    container.process.kill()
    container.process.wait()
    assert try_lock(container.path / "alive")


def test_programs_do_not_outlive_the_entrypoint(container):
    messages, held = container.fifo("messages"), container.root / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    container.shell(f"exec 3>{held}; echo ready >{messages.path}; exec sleep 600")
    assert messages.line() == "ready"
    container.process.kill()
    container.process.wait()
    wait_until_readable(reader)  # the end of the file, once there is no writer
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_ring_signals_the_start_and_every_exit(container):
    ring = container._fifos[1].descriptor
    wait_until_readable(ring)
    assert os.read(ring, 1) == b"\n"
    assert not try_lock(container.path / "alive")
    container.shell("true")
    wait_until_readable(ring)
    assert os.read(ring, 1) == b"\n"
    assert (container.path / "exited.1").exists()


def test_without_a_bell(make_container):
    container = make_container(bell=False)
    container.start()
    assert container.end(container.shell("exit 3"))["code"] == "3"


def test_fifos_are_created_by_the_first_process(make_container):
    container = make_container(bell=False, ring=False)
    container.shell("true")
    container.put("exit", b"0")
    container.start(umask=0o077)
    assert container.exit_code() == 0
    for name in ("bell", "ring"):
        status = (container.path / name).lstat()
        assert stat.S_ISFIFO(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o666


def test_umask_of_the_container_is_kept(make_container):
    container = make_container()
    container.start(umask=0o027)
    assert container.output("a/bin/sh", "a-c", "aumask").strip() == "0027"


def test_bell_created_later(make_container):
    container = make_container(bell=False)
    (container.path / "bell").touch()
    container.start()
    container.end(container.shell("true"))
    (container.path / "bell").unlink()
    container._fifos[0] = Fifo(container.path / "bell")
    container.end(container.shell("true"))
    for _ in range(50):
        assert container.end(container.shell("exit 3"))["code"] == "3"


def test_without_a_ring(make_container):
    container = make_container(ring=False)
    container.shell("exit 3")
    container.put("exit", b"5")
    container.start()
    assert container.exit_code() == 5
    assert b"code=3\n" in (container.path / "exited.1").read_bytes()


def test_ring_and_bell_of_another_type(make_container):
    container = make_container(ring=False, bell=False)
    (container.path / "ring").write_text("kept")
    (container.path / "bell").symlink_to(container.path / "ring")
    container.shell("exit 3")
    container.put("exit", b"5\n")
    container.start()
    assert container.exit_code() == 5
    assert (container.path / "ring").read_text() == "kept"


def test_full_or_unread_ring(make_container):
    container = make_container(ring=False)
    os.mkfifo(container.path / "ring")
    container.start()
    container.shell("exit 3")
    full = os.open(container.path / "ring", os.O_RDWR | os.O_NONBLOCK)
    while select.select([], [full], [], 0)[1]:
        os.write(full, b"\n" * 4096)
    container.shell("exit 4")
    container.put("exit", b"5\n")
    assert container.exit_code() == 5
    os.close(full)
    assert b"code=4\n" in (container.path / "exited.2").read_bytes()


@pytest.mark.parametrize("code", [0, 1, 255])
def test_exit(container, code):
    container.end(container.shell("true"))
    container.put("exit", f"{code}\n".encode())
    assert container.exit_code() == code


def test_exit_waits_for_running_requests(container):
    messages, gate = container.fifo("messages"), container.fifo("gate")
    number = container.shell(f"echo ready >{messages.path}; read line <{gate.path}; exit 3")
    assert messages.line() == "ready"
    container.put("exit", b"6\n")
    other = container.shell("exit 4")
    assert container.end(other)["code"] == "4"
    assert container.process.poll() is None
    gate.send()
    assert container.exit_code() == 6
    assert container.end(number)["code"] == "3"


@pytest.mark.parametrize(
    "content",
    [b"", b"256", b"x", b"1 x", b"1 2 3", b"1 ", b"-1", b"9" * 20, b"9" * 31, b"1\0x", b"7 " + b"0" * 29 + b"x"],
)
def test_malformed_exit_is_ignored(container, content):
    container.put("exit", content)
    for _ in range(2):
        container.end(container.shell("true"))
    assert container.stderr() == "monopod: ignoring malformed exit\n"
    container.put("exit", b"6")
    assert container.exit_code() == 6


def test_exit_waits_at_most_its_grace_period(container):
    """Also for a request that nobody but a Step has written."""
    messages = container.fifo("messages")
    number = container.waiting(messages, "ignore", signal.SIGTERM)
    container.put("exit", b"6 0\n")
    assert container.exit_code() == 6
    assert container.end(number)["signal"] == "9"


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_exit_is_final_once_read(make_container, content):
    container = make_container(bell=False)  # so that it is read at a tick, before the next request is taken
    container.start()
    messages, gate = container.fifo("messages"), container.fifo("gate")
    container.shell(f"echo ready >{messages.path}; read line <{gate.path}")
    assert messages.line() == "ready"
    container.put("exit", b"6\n")
    other = container.shell(f"echo ready >{messages.path}")
    assert messages.line() == "ready"
    container.end(other)
    (container.path / "exit").unlink()
    if content is not None:
        container.put("exit", content)
    gate.send()
    assert container.exit_code() == 6


def test_unremovable_control_files_are_reported_once(container):
    """A Step replaced them with directories."""
    gate = container.fifo("gate")
    number = container.shell(f"read line <{gate.path}")
    (container.path / f"kill.{number}").mkdir()
    for _ in range(3):
        assert container.end(container.shell("true"))["code"] == "0"
    gate.send()
    container.end(number)
    assert container.stderr() == f"monopod: ignoring malformed kill.{number}: Is a directory\n"


def test_failed_write_of_an_exit_is_retried(make_container):
    """A directory where the temporary file should be makes writing fail, as a full disk would."""
    container = make_container()
    stderr = container.fifo("errors")
    (container.path / ".exited.1").mkdir()
    container.start(stderr=stderr.descriptor)
    number = container.shell("exit 3")
    words = "monopod: cannot write exited.1, retrying every second: File exists"
    assert stderr.line() == words
    assert container.end(container.shell("true"))["code"] == "0"
    (container.path / ".exited.1").rmdir()
    assert container.end(number)["code"] == "3"


SLOW = ("strace", "-qq", "-o", "/dev/null", "-e", "inject=openat:delay_enter=100000")
"""Delays each file that the entrypoint opens by 0.1 s, but not the files of its programs."""


@pytest.mark.parametrize("prefix", [(), SLOW], ids=["", "slow"])
def test_exit_and_mark_are_written_on_a_full_disk(program, tmp_path, full_disk, prefix):
    """Also if the program fills its control directory and removes the files there, before they are reserved."""
    if prefix and shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    container = Container(program, tmp_path)
    full_disk(container.path)
    container.path.chmod(0o777)
    for name in ("bell", "ring"):
        os.mkfifo(container.path / name)
    container.close()
    ring = os.open(container.path / "ring", os.O_RDWR | os.O_NONBLOCK)
    try:
        script = (
            f"cd {container.path}; rm -f .??*; cat /dev/zero >full 2>/dev/null; touch 1 2 3 4 5 6 2>/dev/null; exit 3"
        )
        (container.path / "run.1").write_bytes(f"m\0a/bin/sh\0a-c\0a{script}\0.\0".encode())
        container.start(prefix=prefix)
        while not (container.path / "exited.1").exists():
            wait_until_readable(ring)
            os.read(ring, 4096)
        end = dict(line.split("=", 1) for line in (container.path / "exited.1").read_text().splitlines())
        assert end["code"] == "3"
        assert container.stdout() == mark_of(end)
    finally:
        os.close(ring)
        container.close()


def test_permanently_failing_write_of_an_exit_ends_the_container(quickly_given_up, tmp_path):
    """A minute is long for a test: this is the same program with a shorter limit."""
    container = Container(quickly_given_up, tmp_path)
    try:
        (container.path / ".exited.1").mkdir()
        container.start()
        container.shell("exit 3")
        assert container.exit_code() == 74
        errors = container.stderr().splitlines()
        assert errors[0].startswith("monopod: cannot write exited.1, retrying every second: ")
        assert errors[1].startswith("monopod: cannot write exited.1, giving up: ")
        assert len(errors) == 2
    finally:
        container.close()


@pytest.fixture
def full_disk():
    """Makes of a directory a file system that has room for a few small files only."""
    made = []

    def full_disk(path: Path) -> None:
        command = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=12", "tmpfs", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this user may not mount: {done.stderr.strip()}")
        made.append(path)

    yield full_disk
    for path in made:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def read_only(tmp_path):
    """Makes a directory read-only, which root can write to otherwise; it can be undone."""
    made = []

    def mount(*arguments: object) -> None:
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this user may not mount: {done.stderr.strip()}")

    def read_only(path: Path) -> Callable[[], None]:
        mount("--bind", path, path)
        made.append(path)
        mount("-o", "remount,bind,ro", path)
        return lambda: mount("-o", "remount,bind,rw", path)

    yield read_only
    for path in made:
        subprocess.run(["umount", path], check=True)


def test_read_only_control_directory(program, tmp_path, read_only):
    directory = tmp_path / "step"
    directory.mkdir()
    read_only(directory)
    result = command(program, directory)
    assert result.returncode == 74
    words = f"monopod: cannot create and lock alive in {directory}: Read-only file system\n"
    assert result.stderr == words


def test_descriptors_do_not_grow_with_requests(container):
    """For all ends of requests, and all kinds of open files."""

    def run_some() -> int:
        for records in ((), ("ocopy", "rcopy"), ("ocopy", "rother", "xcopy"), ("dno/../such",)):
            placed = (f"{each[0]}{container.root}/{each[1:]}" for each in records)
            container.end(container.shell("echo text; exit 3", *placed))
        container.end(container.shell("echo text", "o/proc/no/such/copy"))
        container.end(container.request("a/no/such/program"))
        container.end(container.raw_request(b"nonsense"))
        return len(os.listdir(f"/proc/{container.pid}/fd"))

    first = run_some()
    last = [run_some() for _ in range(10)][-1]
    assert last <= first + 1  # the file of the last exit may be open
    seen = container.output("a/bin/ls", "a/proc/self/fd").split()
    assert len(seen) == 4, seen  # the three standard streams, and the directory that is listed


def test_started_twice(container, program):
    container.end(container.shell("true"))
    result = command(program, container.path)
    assert result.returncode == 76
    assert "refusing to start a second time" in result.stderr
    container.process.kill()
    container.process.wait()
    result = command(program, container.path)
    assert result.returncode == 76


# ---------------------------------------------------------------------------------------------------------------------
# Started again, with --restarts


FIRST_OF_SECOND = 1_000_001
FIRST_OF_THIRD = 2_000_001


def restarted(container: Container, life: int) -> None:
    """Kill it, start it again as kubelet does, and wait until it is there."""
    container.process.kill()
    container.process.wait()
    container.start("--restarts")
    container.hear((container.path / f"alive.{life}").exists)
    container.last = (life - 1) * 1_000_000


@pytest.fixture
def restarting(make_container) -> Container:
    container = make_container()
    container.start("--restarts")
    container.hear((container.path / "alive").exists)
    return container


def test_each_life_has_an_alive_and_numbers_of_its_own(restarting):
    for life in (1, 2, 3):
        if life > 1:
            restarted(restarting, life)
        name = "alive" if life == 1 else f"alive.{life}"
        assert restarting.end(restarting.shell(f"exit {life}"))["code"] == str(life)
        assert not try_lock(restarting.path / name)
    assert {name.name for name in restarting.path.glob("exited.*")} == {
        "exited.1",
        f"exited.{FIRST_OF_SECOND}",
        f"exited.{FIRST_OF_THIRD}",
    }
    assert try_lock(restarting.path / "alive")
    assert try_lock(restarting.path / "alive.2")
    assert mode(restarting.path / "alive.3") == 0o644


def test_a_request_of_an_earlier_life_is_never_run_again(restarting):
    """Neither the one that was running nor those that had not started."""
    messages, ran = restarting.fifo("messages"), restarting.root / "ran"
    restarting.shell(f"echo x >>{ran}; echo ready >{messages.path}; exec sleep 600", "m")
    assert messages.line() == "ready"
    restarting.shell(f"echo x >>{ran}", "m")
    restarted(restarting, 2)
    assert restarting.end(restarting.shell("exit 3"))["code"] == "3"
    assert ran.read_text() == "x\n"


def test_a_step_that_removes_its_alive_does_not_run_again(restarting):
    messages, ran = restarting.fifo("messages"), restarting.root / "ran"
    alive = restarting.path / "alive"
    restarting.shell(f"echo x >>{ran}; rm {alive}; echo ready >{messages.path}; exec sleep 600")
    assert messages.line() == "ready"
    restarting.process.kill()
    restarting.process.wait()
    restarting.start("--restarts")
    restarting.hear(alive.exists)
    restarting.put("exit", b"7")
    assert restarting.exit_code() == 7
    assert ran.read_text() == "x\n"


def test_what_an_earlier_life_has_prepared_for_a_later_one_is_removed(restarting):
    forged = (
        f"echo forged >{restarting.path}/run.{FIRST_OF_SECOND}; echo code=0 >{restarting.path}/exited.{FIRST_OF_SECOND}"
    )
    restarting.end(restarting.shell(forged))
    restarted(restarting, 2)
    assert not (restarting.path / f"run.{FIRST_OF_SECOND}").exists()
    assert not (restarting.path / f"exited.{FIRST_OF_SECOND}").exists()


def test_lives_that_a_step_has_made_up_are_skipped(restarting):
    restarting.end(restarting.shell(f"cd {restarting.path}; touch alive.2; mkdir alive.3; ln -s nowhere alive.4"))
    restarted(restarting, 5)
    assert restarting.end(restarting.shell("exit 3"))["code"] == "3"


def test_it_does_not_start_while_it_lives(restarting, program):
    result = command(program, "--restarts", restarting.path)
    assert result.returncode == 76
    assert "refusing to start a second time" in result.stderr


def test_it_does_not_start_where_the_container_was_given_up(make_container, program):
    container = make_container()
    mark_never_started(str(container.path), "ImagePullBackOff", "it is not there")
    assert command(program, "--restarts", container.path).returncode == 76


def test_the_output_of_a_further_life_begins_with_its_mark(restarting):
    messages = restarting.fifo("messages")
    first = restarting.end(restarting.shell("echo one", "m"))
    restarting.shell(f"echo killed; echo ready >{messages.path}; exec sleep 600", "m")
    assert messages.line() == "ready"
    restarted(restarting, 2)
    token = (restarting.path / "alive.2").read_text()
    assert re.fullmatch(r"[0-9a-f]{32}\n", token)
    second = restarting.end(restarting.shell("echo two", "m"))
    third = restarting.end(restarting.shell("echo three", "m"))
    between = f"\x1emonopod {token}"
    assert restarting.stdout() == (
        f"one\n{mark_of(first)}killed\n{between}two\n{mark_of(second)}three\n{mark_of(third)}"
    )


def test_without_marks_a_further_life_writes_none(restarting):
    restarting.end(restarting.shell("echo one"))
    restarted(restarting, 2)
    restarting.end(restarting.shell("echo two"))
    assert restarting.stdout() == "one\ntwo\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/no/such", "cannot open the control directory /no/such: No such file or directory"),
        ("/etc/passwd", "cannot open the control directory /etc/passwd: Not a directory"),
        ("/proc", "cannot create and lock alive in /proc: No such file or directory"),
    ],
)
def test_unusable_control_directory(program, path, words):
    result = command(program, path)
    assert (result.returncode, result.stderr) == (74, f"monopod: {words}\n")


# ---------------------------------------------------------------------------------------------------------------------
# Without a coordinator. There is no bell here, so each request takes a tick of the entrypoint


@pytest.fixture
def coordinator_lock() -> Iterator[Callable[[Container], int]]:
    descriptors = []

    def hold(container: Container) -> int:
        descriptors.append(os.open(container.path / "coordinator", os.O_RDONLY | os.O_CREAT, 0o644))
        fcntl.flock(descriptors[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptors[-1]

    yield hold
    for descriptor in descriptors:
        os.close(descriptor)


def test_coordinator_that_holds_its_lock(make_container, coordinator_lock):
    container = make_container(bell=False)
    lock = coordinator_lock(container)
    container.start("--orphan-seconds", "0")
    for _ in range(2):
        container.end(container.shell("true"))
    messages, held = container.fifo("messages"), container.root / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    container.shell(f"exec 3>{held}; echo ready >{messages.path}; exec sleep 600")
    assert messages.line() == "ready"
    fcntl.flock(lock, fcntl.LOCK_UN)
    assert container.exit_code() == 75
    assert container.stderr() == "monopod: the coordinator is gone, exiting: its lock has been free for too long\n"
    wait_until_readable(reader)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_coordinator_that_has_not_started(make_container):
    container = make_container(bell=False)
    container.start("--orphan-seconds", "0")
    for _ in range(2):
        assert container.end(container.shell("true"))["code"] == "0"
    (container.path / "coordinator").touch()
    assert container.exit_code() == 75


@pytest.mark.skipif(not system_calls.IS_SUPPORTED, reason="the numbers of system calls are not known here")
@pytest.mark.parametrize("hours", [-5, 5])
def test_clock_set_while_a_request_runs(make_container, tmp_path, hours):
    """Its end time is the start time plus the elapsed time."""
    clock = tmp_path / "clock"
    clock.write_text("864000")
    container = make_container()
    container.start(prefix=(sys.executable, system_calls.__file__, f"clock_gettime={clock}", "--"))
    messages = container.fifo("messages")
    gate = container.fifo("go")
    number = container.shell(f"echo there > {messages.path}; read line < {gate.path}")
    assert messages.line() == "there"
    clock.write_text(f"{864000 + hours * 3600}")
    gate.send()
    exited = container.end(number)
    start, end = float(exited["start"]), float(exited["end"])
    assert abs(start - 864000 - time.time()) < 3600
    assert 0 <= end - start < 3600


def test_kernel_without_64_bit_time_calls(of_an_old_kernel, tmp_path):
    """It uses the clocks and timeouts of the older calls, and sleeps when idle."""
    container = Container(of_an_old_kernel, tmp_path)
    before = time.time()
    container.start()
    try:
        ended = container.end(container.shell("echo hello"))
        assert before <= float(ended["start"]) <= float(ended["end"]) <= time.time()
        messages = container.fifo("messages")
        number = container.waiting(messages, "ignore", signal.SIGTERM)
        container.kill(number, signal.SIGTERM, 1)
        assert container.end(number)["signal"] == str(int(signal.SIGKILL))
        while psutil.Process(container.pid).status() != psutil.STATUS_SLEEPING:
            pass
        container.put("exit", b"3\n")
        assert container.exit_code() == 3
    finally:
        container.close()


def test_coordinator_restarted_in_time(make_container, coordinator_lock):
    container = make_container(bell=False)
    lock = coordinator_lock(container)
    container.start("--orphan-seconds", "3600")
    container.end(container.shell("true"))
    fcntl.flock(lock, fcntl.LOCK_UN)
    for _ in range(2):
        assert container.end(container.shell("true"))["code"] == "0"


# ---------------------------------------------------------------------------------------------------------------------
# Command line


def test_version(program):
    result = command(program, "--version")
    assert result.returncode == 0
    assert re.fullmatch(r"monopod entrypoint \S+\n", result.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["a", "b"],
        ["install"],
        ["install", "a", "b"],
        ["--orphan-seconds"],
        ["--orphan-seconds", "x", "/tmp"],
        ["--orphan-seconds", "-1", "/tmp"],
        ["--orphan-seconds", "1", "a", "b"],
        ["--version", "x"],
    ],
)
def test_usage(program, arguments):
    result = command(program, *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: entrypoint ")
    assert result.stdout == ""


def test_default_control_directory(program):
    if Path("/monopod/step").exists():
        pytest.skip("this machine has a /monopod/step")
    result = command(program)
    assert result.returncode == 74
    assert result.stderr == "monopod: cannot open the control directory /monopod/step: No such file or directory\n"


def test_install(program, tmp_path):
    for _ in range(2):  # an older binary is replaced
        subprocess.run([program, "install", tmp_path], check=True, umask=0o777)
        assert (tmp_path / "entrypoint").read_bytes() == program.read_bytes()
        assert mode(tmp_path / "entrypoint") == 0o755
        assert os.listdir(tmp_path) == ["entrypoint"]
        (tmp_path / "entrypoint").write_text("old")
    result = command(program, "install", tmp_path / "no")
    assert (result.returncode, result.stderr) == (
        74,
        f"monopod: cannot open {tmp_path}/no: {os.strerror(errno.ENOENT)}\n",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Hostile requests, and the cost of waiting


RECORDS = st.lists(
    st.tuples(st.sampled_from("eaadorx."), st.text(st.sampled_from("ab$()=.\n"), max_size=6)), max_size=8
)
CONTENTS = st.one_of(
    RECORDS.map(lambda records: "".join(f"{letter}{text}\0" for letter, text in records).encode() + b".\0"),
    st.binary(max_size=40).filter(lambda content: b"/" not in content),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENTS)
def test_any_request_ends(make_container, content):
    container = make_container()
    container.start(cwd=container.root, env={"PATH": "/nowhere"})
    end = container.end(container.raw_request(content))
    assert end["code"] in {"126", "127"}
    assert "error" in end
    container.put("exit", b"0")
    assert container.exit_code() == 0
    container.close()


ORDERS = st.one_of(
    st.binary(max_size=40),
    st.text("0123456789 -+\n\0", max_size=30).map(str.encode),
    st.tuples(st.integers(-1, 1 << 70), st.integers(-1, 1 << 70))
    .map(lambda numbers: f"{numbers[0]} {numbers[1]}\n")
    .map(str.encode),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=st.lists(ORDERS, min_size=1, max_size=4), ends=st.lists(ORDERS, max_size=3))
def test_container_ends_after_any_control_files(make_container, orders, ends):
    """`kill.1` and `exit` have random bytes while a request runs; its exit is still written."""
    container = make_container()
    container.start()
    runs = container.fifo("runs")
    number = container.shell(f"echo > {runs.path}; exec sleep 600")
    runs.line()  # requests before a valid `exit` without a grace period may never start
    for content in orders:
        container.put(f"kill.{number}", content)
    for content in ends:
        container.put("exit", content)
    container.kill(number, signal.SIGKILL, 0)
    assert container.end(number).keys() & {"code", "signal"}
    container.put("exit", b"7 0\n")
    assert container.exit_code() in range(256) if ends else container.exit_code() == 7
    container.close()


def test_stop_request_that_follows_at_once_is_not_lost(make_container):
    """It arrives while the previous stop request is read and unlinked, sooner or later at that very moment."""
    container = make_container()
    container.start()
    for _ in range(200):
        number = container.shell("exec sleep 600")
        container.kill(number, signal.SIGWINCH, 600_000)
        container.kill(number, signal.SIGKILL, 0)
        assert container.end(number)["signal"] == str(int(signal.SIGKILL))
    container.close()


def test_orders_of_a_full_disk_are_links(make_container):
    """A link takes no block."""
    container = make_container()
    container.start()
    number = container.shell("exec sleep 600")
    container.link(f"kill.{number}", "10 600000")
    assert container.end(number)["signal"] == str(int(signal.SIGUSR1))
    assert not (container.path / f"kill.{number}").is_symlink()
    container.link("exit", "nonsense")
    container.link("exit", "7 0")
    assert container.exit_code() == 7
    assert set(container.stderr().splitlines()) <= {"monopod: ignoring malformed exit"}


def test_resident_memory_while_waiting(make_container, program):
    if program != binary.path():
        pytest.skip("the sanitizers take their own")
    container = make_container()
    container.start()
    container.end(container.shell("true", f"o{container.root}/out", f"x{container.root}/out"))
    rollup = Path(f"/proc/{container.pid}/smaps_rollup").read_text()
    assert int(re.search(r"^Rss: +(\d+) kB$", rollup, re.MULTILINE)[1]) <= 100


# What earlier requests left


@pytest.fixture
def left(tmp_path: Path) -> Path:
    directory = tmp_path / "left"
    directory.mkdir()
    return directory


def names_below(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_a_directory_is_emptied_before_the_program_starts(container, left, tmp_path):
    deep = left.joinpath(*(f"d{level}" for level in range(100)))
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (left / "many").mkdir()
    for number in range(3000):
        (left / "many" / f"a rather long name {number}").touch()
    (left / "closed").mkdir()
    (left / "closed" / "file").touch()
    (left / "closed").chmod(0)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "kept").touch()
    (left / "link").symlink_to(tmp_path / "target")
    (left / "broken").symlink_to("nowhere")
    os.mkfifo(left / "fifo")
    assert container.output(f"c{left}", "a/bin/ls", "a-A", f"a{left}") == ""
    assert names_below(tmp_path / "target") == ["kept"]
    assert container.stderr() == ""


def test_what_is_older_than_the_container_stays(make_container, left):
    (left / "image").mkdir()
    (left / "image" / "file").touch()
    (left / "empty").mkdir()
    later = left.with_name("later")
    later.touch()
    while later.stat().st_ctime_ns <= (left / "empty").stat().st_ctime_ns:  # the clock of files ticks every few ms
        later.touch()
    container = make_container()
    container.start()
    script = f"cd {left}; mkdir -p new/deep; touch new/deep/file file image/other; cp -p image/file copy"
    container.end(container.shell(script))
    container.end(container.request(f"n{left}", "a/bin/true"))
    assert names_below(left) == ["empty", "image", "image/file"]


def test_what_is_mounted_below_stays(make_container, left, tmp_path):
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "kept").touch()
    for path in ("mounted", "deep/mounted"):
        (left / path).mkdir(parents=True)
    (left / "file").touch()
    mounts = "; ".join(f"mount --bind {volume} {left}/{path}" for path in ("mounted", "deep/mounted"))
    container = make_container()
    container.start_as_init("unshare", "--mount", "sh", "-c", f'{mounts}; exec "$0" "$@"')
    assert container.output(f"c{left}", "a/bin/ls", "a-A", f"a{left}", f"a{left}/deep") == (
        f"{left}:\ndeep\nmounted\n\n{left}/deep:\nmounted\n"
    )
    assert names_below(volume) == ["kept"]
    assert container.stderr() == ""


def test_a_missing_directory_is_empty(container, left):
    assert container.output(f"c{left}/none", f"n{left}/none", "a/bin/echo", "afine") == "fine\n"


def test_a_title_comes_before_the_output(container):
    assert container.output("t\n==> a <==\n", "a/bin/echo", "afine") == "\n==> a <==\nfine\n"
    end = container.end(container.request("m", "t==> b <==\n", "a/bin/echo", "afine"))
    assert container.stdout().endswith(f"fine\n==> b <==\nfine\n{mark_of(end)}")
    assert "repeats a letter" in container.end(container.request("ta", "tb", "a/bin/true"))["error"]
