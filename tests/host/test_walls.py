"""Attacks of a Step on the host backend: on this machine, on the caller and on other Steps. One test per attack.

Each attack runs as root and as an ordinary user, unless only one of them can try it. docs/security.md lists them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NODES = ("null", "zero", "full", "random", "urandom", "tty")
KEYS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
ADD, REQUEST, KEYCTL = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}[os.uname().machine]
SESSION, USER, USER_SESSION = -3, -4, -5
JOIN, SEARCH = 1, 10
def call(*words):
    result = libc.syscall(*(ctypes.c_long(each) if isinstance(each, int) else each for each in words))
    return result, ctypes.get_errno() if result < 0 else 0
"""


def shared(*names):
    """Return a volume and its mounts, for containers that work together."""
    mounts = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    return [{"name": "shared", "emptyDir": {}}], mounts


def attack_and_victim(make_container, attack, victim):
    """Return a Pod whose first container attacks what the second container uses afterwards."""
    return {"initContainers": [make_container("attack", attack)], "containers": [make_container("victim", victim)]}


# --- this machine


def test_capabilities_exclude_devices_and_raw_sockets(backend):
    ended = backend.run_script("grep CapBnd /proc/self/status; mount -t tmpfs none /mnt && echo mounted")
    assert "CapBnd:\t00000000a00405fb" in ended.output("main")
    assert "mounted" not in ended.output("main")


@pytest.mark.parametrize("place", ["/dev", "/tmp", "/dev/shm", "/var"])
def test_device_nodes_cannot_be_created(backend, place):
    ended = backend.run_script(f"mknod {place}/mine c 1 5; head -c 4 {place}/mine | wc -c")
    assert ended.output("main", "stdout") == "0\n"


def test_root_can_create_device_nodes_with_the_capability(root_backend):
    script = "mknod /dev/mine c 1 5; head -c 4 /dev/mine | wc -c"
    ended = root_backend.run_script(script, securityContext={"capabilities": {"add": ["MKNOD"]}})
    assert ended.output("main") == "4\n"


def test_only_harmless_devices_exist(backend):
    ended = backend.run_script("for each in $(find /dev); do [ -b $each ] || [ -c $each ] && echo $each; done; exit 0")
    own = {f"/dev/{name}" for name in (*NODES, "pts/ptmx", "ptmx")}
    assert set(ended.output("main").split()) - {"/dev/stdin"} == own  # which is /dev/null


def test_raw_sockets_need_a_capability(backend):
    script = "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print(1)' 2>&1 | tail -1"
    assert "PermissionError" in backend.run_script(script).output("main")
    asked = backend.run_script(script, securityContext={"capabilities": {"add": ["NET_RAW"]}})
    assert asked.output("main") == "1\n" or not backend.is_root  # the network belongs to root's user namespace


def state_of_nodes():
    states = {}
    for name in NODES:
        status = os.stat(f"/dev/{name}")
        states[name] = (status.st_mode, status.st_uid, status.st_gid, status.st_ino, status.st_mtime_ns)
    return states


@pytest.mark.parametrize("privileged", [False, True])
def test_device_nodes_of_the_machine_cannot_be_changed_or_removed(backend, make_container, privileged):
    before = state_of_nodes()
    attack = """
        for node in null zero full random urandom tty; do
            chmod 662 /dev/$node; chown 1:1 /dev/$node; touch -d 2001-01-01 /dev/$node; rm -f /dev/$node
        done 2>&1 | grep -v permitted
        mv /dev/null /dev/other; exit 0
    """
    victim = "echo lost > /dev/null; cat /dev/zero /dev/urandom | head -c 3 | wc -c; echo x > /dev/full || echo full"
    spec = attack_and_victim(make_container, attack, victim)
    spec["initContainers"][0]["securityContext"] = {"privileged": privileged}
    try:
        ended = backend.run(spec)
        assert state_of_nodes() == before
    finally:
        for name, state in before.items():
            if os.geteuid() == 0:
                os.chmod(f"/dev/{name}", stat.S_IMODE(state[0]))
                os.chown(f"/dev/{name}", state[1], state[2])
    assert ended.output("victim", "stdout").split() == ["3", "full"], ended.events


def test_privileged_container_has_devices_and_leaves_nothing_behind(backend):
    before = set(os.listdir("/dev"))
    ended = backend.run_script("ls /dev; echo fine > /dev/termination-log", securityContext={"privileged": True})
    assert set(ended.output("main").split()) >= before - {"ptmx", "pts"}
    assert ended.state("main")["terminated"]["message"] == "fine\n"
    assert set(os.listdir("/dev")) == before


OPENED = """
import os
for name in os.listdir("/proc"):
    if name.isdecimal() or os.path.islink(f"/proc/{name}"):
        continue
    files = [f"/proc/{name}"] if os.path.isfile(f"/proc/{name}") else []
    files += [os.path.join(at, each) for at, _, names in os.walk(f"/proc/{name}") for each in names]
    for path in files:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            mode = os.stat(path).st_mode
            if mode & 0o222 and not mode & 0o002:  # what any user may write to is no setting
                print(path)
        except OSError:
            continue
"""


def test_settings_in_proc_cannot_be_written(root_backend):
    ended = root_backend.run_script(f"python3 - <<'END'\n{OPENED}\nEND\necho done")
    assert ended.output("main") == "done\n"


def test_settings_in_sys_cannot_be_written(root_backend):
    ended = root_backend.run_script("echo 1 > /sys/kernel/mm/ksm/run; echo $$ > /sys/fs/cgroup/cgroup.procs; exit 0")
    assert "kernel/mm/ksm/run" in ended.output("main", "stderr")
    assert ended.output("main", "stderr").count("Read-only file system") >= 1


def test_kernel_file_systems_below_sys_are_hidden(root_backend):
    mounts = 'mount -t debugfs none /sys/kernel/debug && exec "$@"'
    root_backend.wrapper = ("unshare", "--mount", "--propagation=private", "sh", "-c", mounts, "sh")
    ended = root_backend.run_script("ls /sys/kernel/debug | wc -l; ls /sys/fs/cgroup | wc -l")
    debug, cgroups = ended.output("main").split()
    assert debug == "0"
    assert int(cgroups) > 0


def test_privileged_container_does_not_weaken_others(backend, make_container):
    spec = {
        "containers": [
            make_container("other", "unshare --user --map-root-user --cgroup true || echo refused"),
            make_container(
                "main",
                "unshare --user --map-root-user --cgroup true && echo allowed",
                securityContext={"privileged": True},
            ),
        ]
    }
    ended = backend.run(spec)
    assert ended.output("other", "stdout") == "refused\n"
    assert ended.output("main") == "allowed\n"


def test_cgroups_of_the_caller_cannot_be_written(backend):
    script = "unshare --user --map-root-user --mount --cgroup true; unshare --user --map-root-user true && echo users"
    ended = backend.run_script(script)
    assert "Operation not permitted" in ended.output("main", "stderr")
    assert ended.output("main", "stdout") == "users\n"


def test_nested_user_namespace_grants_nothing(backend):
    script = """
        umount /proc/sys; umount /proc/keys; umount /sys; mount -o remount,bind,rw /sys; mount -o remount,rw /sys
        mount -t cgroup2 none /mnt && echo cgroups; mount -t cgroup -o freezer none /mnt && echo freezer
        echo x > /proc/sys/kernel/domainname && echo settings
        echo 1 > /sys/kernel/mm/ksm/run && echo settings; mknod /mnt/x c 1 5 && echo device
        mount -t proc none /mnt; [ -e /mnt/version ] && echo 1 > /mnt/sysrq-trigger && echo settings; umount /mnt
        unshare --net mount -t sysfs none /mnt; echo 1 > /mnt/kernel/mm/ksm/run && echo settings; echo done
    """
    lines = "unshare --user --map-root-user --mount --pid --fork sh <<'END'\n" + script + "\nEND\n"
    assert backend.run_script(lines).output("main", "stdout") == "done\n"


def test_new_threads_and_processes_still_work_without_clone3(backend):
    script = (
        "python3 -c 'import threading, subprocess; t = threading.Thread(target=print, args=(1,)); t.start(); "
        't.join(); subprocess.run(["echo", "2"])\''
    )
    assert sorted(backend.run_script(script).output("main").split()) == ["1", "2"]


@pytest.fixture
def daemons(backend):
    """Sockets of this machine that any user may connect to: below /run, and in a read-only directory."""
    if os.geteuid() != 0:
        pytest.skip("only root can listen where a daemon does")
    directories = [Path(tempfile.mkdtemp(prefix="host-test-", dir=each)) for each in ("/run", "/var/lib", "/opt")]
    sockets = []
    for directory in directories:
        directory.chmod(0o755)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(directory / "socket"))
        (directory / "socket").chmod(0o777)
        listener.listen()
        sockets.append(listener)
    yield [str(directory / "socket") for directory in directories]
    for listener, directory in zip(sockets, directories, strict=True):
        listener.close()
        shutil.rmtree(directory)


CONNECT = """
import socket, sys
for path in sys.argv[1:]:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError as error:
        print(type(error).__name__)
    else:
        print("connected")
"""


def test_sockets_of_daemons_cannot_be_reached(backend, daemons):
    ended = backend.run_script(f"python3 - {' '.join(daemons)} <<'END'\n{CONNECT}\nEND")
    assert len(ended.output("main").split()) == 3
    assert "connected" not in ended.output("main")


def test_socket_in_a_mounted_volume_can_be_reached(backend, daemons):
    directory = os.path.dirname(daemons[0])
    spec = {
        "volumes": [{"name": "daemon", "hostPath": {"path": directory}}],
        "containers": [
            {
                "name": "main",
                "image": "none",
                "command": ["python3", "-c", CONNECT, "/daemon/socket"],
                "volumeMounts": [{"name": "daemon", "mountPath": "/daemon"}],
            }
        ],
    }
    assert backend.run(spec).output("main") == "connected\n"


# --- the caller


def with_keys(wrapper_python):
    """Return a wrapper command with a key in its session keyring and in its user keyring."""
    prepare = f"""{KEYS}
import sys
call(KEYCTL, JOIN, None)
for ring in (SESSION, USER):
    if call(ADD, b"user", b"host-test-secret", b"hunter2", 7, ring)[0] < 0:
        sys.exit(77)
os.execvp(sys.argv[1], sys.argv[1:])
"""
    return (wrapper_python, "-c", prepare)


READ_KEYS = f"""{KEYS}
import sys
for ring in (SESSION, USER, USER_SESSION):
    print(call(KEYCTL, SEARCH, ring, b"user", b"host-test-secret", 0)[0])
print(call(REQUEST, b"user", b"host-test-secret", None, 0)[0], call(ADD, b"user", b"x", b"y", 1, SESSION)[0])
print(open("/proc/keys").read().count("host-test-secret") if sys.argv[1] == "root" else 0)  # others see its name
"""


@pytest.fixture
def keys(backend):
    if not os.path.exists("/proc/keys") or os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("no keyrings here")
    backend.wrapper = with_keys(backend.python)
    yield
    forget = f"{KEYS}\ncall(KEYCTL, 3, call(KEYCTL, SEARCH, USER, b'user', b'host-test-secret', 0)[0])"
    who = {} if backend.user == os.geteuid() else {"user": backend.user, "group": backend.user}
    subprocess.run([backend.python, "-c", forget], check=False, **who)


@pytest.mark.usefixtures("keys")
def test_keys_of_the_caller_cannot_be_read(backend):
    ended = backend.run_script(f"python3 - {'root' if backend.is_root else 'user'} <<'END'\n{READ_KEYS}\nEND")
    assert ended.output("main").split() == ["-1"] * 5 + ["0"]


@pytest.mark.usefixtures("keys")
def test_privileged_container_has_its_own_session_keyring(backend):
    script = f"{KEYS}\nprint(*call(KEYCTL, SEARCH, SESSION, b'user', b'host-test-secret', 0))"
    ended = backend.run_script(f"python3 - <<'END'\n{script}\nEND", securityContext={"privileged": True})
    assert ended.output("main") == "-1 126\n"  # ENOKEY


def private_files(home: Path, backend):
    """Make files that monopod keeps of other runs; return them."""
    files = [
        home / ".local/state/monopod/runs/other-run/output",
        home / ".local/share/monopod/claims/default/others/data",
        home / ".cache/monopod/remote/aa/content",
        Path(backend.environment["TMPDIR"]) / f"monopod-{backend.user}" / "other-run-1" / "logs" / "x.log",
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("hunter2\n")
    for directory, _, names in os.walk(home):
        os.chown(directory, backend.user, -1)
        for name in names:
            os.chown(os.path.join(directory, name), backend.user, -1)
    os.chmod(files[-1].parents[2], 0o700)
    return files


def test_records_claims_and_state_of_other_runs_are_hidden(backend, home):
    backend.environment["TMPDIR"] = str(home / "tmp")
    files = private_files(home, backend)
    spec = {
        "volumes": [
            {"name": "claim", "persistentVolumeClaim": {"claimName": "others"}},
            {"name": "home", "hostPath": {"path": str(home)}},
        ],
        "containers": [
            {
                "name": "main",
                "image": "none",
                "command": [
                    "sh",
                    "-c",
                    'cat "$@"; cat /claim/data; grep -rl hunter2 /home-too',
                    "sh",
                    *map(str, files),
                ],
                "volumeMounts": [
                    {"name": "claim", "mountPath": "/claim"},
                    {"name": "home", "mountPath": "/home-too"},
                ],
            }
        ],
    }
    ended = backend.run(spec)
    assert ended.output("main", "stdout") == "hunter2\n"  # the file of the Pod's own claim
    assert ended.output("main", "stderr").count("No such file") == len(files)
    assert all(file.read_text() == "hunter2\n" for file in files)


def test_moved_private_directory_stays_hidden(backend, home, make_container):
    backend.environment["TMPDIR"] = str(home / "tmp")
    files = private_files(home, backend)
    spec = attack_and_victim(
        make_container,
        "mkdir /home-too/new && mv /home-too/.local /home-too/.cache /home-too/new/",
        f"ls -d /home-too/new/.local/share/monopod; grep -rl hunter2 /home-too {home}; exit 0",
    )
    spec["volumes"] = [{"name": "home", "hostPath": {"path": str(home)}}]
    for container in (*spec["initContainers"], *spec["containers"]):
        container["volumeMounts"] = [{"name": "home", "mountPath": "/home-too"}]
    ended = backend.run(spec)
    try:
        assert ended.output("victim", "stdout") == "/home-too/new/.local/share/monopod\n", ended.events
        assert all((home / "new" / file.relative_to(home)).exists() for file in files[:3])
    finally:
        shutil.rmtree(home / "new")


def test_private_directory_mounted_twice_is_hidden_at_both_paths(root_backend):
    home = Path(tempfile.mkdtemp(prefix="host test ", dir="/opt"))
    try:
        root_backend.environment |= {"HOME": str(home), "XDG_STATE_HOME": "", "XDG_DATA_HOME": "", "XDG_CACHE_HOME": "",
                                     "TMPDIR": str(home / "tmp")}  # fmt: skip
        files = private_files(home, root_backend)
        (home / "again").mkdir()
        script = f'mount --bind "{home}/.local" "{home}/again" && exec "$@"'
        root_backend.wrapper = ("unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh")
        ended = root_backend.run_script(f'ls -d "{home}/again/share/monopod"; grep -r hunter2 "{home}"; exit 0')
        assert ended.output("main", "stdout") == f"{home}/again/share/monopod\n", ended.events
        assert all(file.exists() for file in files)
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("target", [".local/share/monopod", ".local/share/monopod/claims/default"])
def test_link_of_a_step_cannot_redirect_a_sub_path(backend, home, target):
    backend.environment["TMPDIR"] = str(home / "tmp")
    files = private_files(home, backend)
    (home / "link").symlink_to(target)
    mounts = {"volumeMounts": [{"name": "home", "mountPath": "/data", "subPath": "link"}]}
    spec = {
        "volumes": [{"name": "home", "hostPath": {"path": str(home)}}],
        "containers": [{"name": "main", "image": "none", "command": ["grep", "-r", "hunter2", "/data"], **mounts}],
    }
    ended = backend.run(spec)
    assert ended.output("main") == ""
    terminated = ended.state("main")["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("StartError", 128)
    assert "subPath 'link' leads to what is hidden" in terminated["message"]
    assert all(file.exists() for file in files)


def test_files_written_during_a_run_are_hidden(backend, home):
    record = home / ".local/state/monopod/runs/this-run/output"
    sync = home / "sync"
    sync.mkdir()
    os.chown(sync, backend.user, -1)
    os.mkfifo(sync / "fifo")
    os.chmod(sync / "fifo", 0o666)
    process = backend.start(
        backend.pod(
            {
                "volumes": [{"name": "sync", "hostPath": {"path": str(sync)}}],
                "containers": [
                    {
                        "name": "main",
                        "image": "none",
                        "command": ["sh", "-c", f"echo up; read go < /sync/fifo; cat {record} /sync/said"],
                        "volumeMounts": [{"name": "sync", "mountPath": "/sync"}],
                    }
                ],
            }
        )
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    if first["event"] == "unavailable":
        pytest.skip(first["message"])
    assert any("ContainerOutput" in line for line in process.stdout)
    for file in (record, sync / "said"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("hunter2\n")
        os.chmod(file, 0o666)
    with open(sync / "fifo", "w") as fifo:
        fifo.write("go\n")
    output, _ = process.communicate(timeout=300)
    assert output.count("aHVudGVyMgo=") == 1  # "hunter2" in base64: the readable file, only once
    for directory in (home / ".local/state", home / ".local"):
        os.chown(directory, backend.user, -1)


def test_names_cannot_escape_their_directory(backend, home, make_container):
    backend.environment["TMPDIR"] = str(home)
    claim = {"name": "v", "persistentVolumeClaim": {"claimName": "../../../../escaped"}}
    attacks = [
        ({"name": "../escaped"}, {}),
        ({"namespace": "../../../../escaped"}, {}),
        ({}, {"volumes": [claim]}),
        ({}, {"volumes": [{"name": "../escaped", "emptyDir": {}}]}),
        ({}, {"containers": [make_container("../../escaped", "echo never")]}),
    ]
    for metadata, spec in attacks:
        ended = backend.run({"containers": [make_container("main", "echo never")], **spec}, metadata=metadata)
        (refused,) = ended.of("refused")
        assert "escaped' is not a valid name" in refused["problems"][0]
    assert list(home.iterdir()) == []


# --- other Steps


def test_step_cannot_redirect_the_output_of_another(backend, make_container):
    attack = (
        "rm -f /dev/stdout /dev/fd; ln -s /dev/shm/stolen /dev/stdout; : > /dev/shm/stolen; chmod 666 /dev/shm/stolen"
    )
    ended = backend.run(attack_and_victim(make_container, attack, "echo secret > /dev/stdout; cat /dev/shm/stolen"))
    assert ended.output("victim") == "secret\n"


def test_step_sees_no_terminal_of_another(backend, make_container):
    volumes, mounts = shared()
    terminal = (
        "import os; m, s = os.openpty(); print(os.ttyname(s), file=open('/shared/up', 'w')); open('/shared/end').read()"
    )
    spec = {
        "volumes": volumes,
        "initContainers": [make_container("fifos", "mkfifo /shared/up /shared/end", **mounts)],
        "containers": [
            make_container("victim", f'python3 -c "{terminal}"', **mounts),
            make_container("attack", "read name < /shared/up; ls /dev/pts; echo > /shared/end", **mounts),
        ],
    }
    assert backend.run(spec).output("attack") == "ptmx\n"


@pytest.mark.parametrize("file", ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"])
def test_step_cannot_redirect_host_names_of_another(backend, make_container, file):
    attack = f"echo '127.0.0.66 registry.example' >> {file}; rm -f {file}; mv {file} /tmp; exit 0"
    ended = backend.run(attack_and_victim(make_container, attack, f"grep -c . {file}; grep 127.0.0.66 {file}; exit 0"))
    assert "127.0.0.66" not in ended.output("victim")
    assert ended.exit_code("victim") == 0
    with open(file, encoding="utf-8") as own:
        assert "127.0.0.66" not in own.read()


def test_step_cannot_see_signal_or_trace_another(backend, make_container):
    volumes, mounts = shared()
    spec = {
        "volumes": volumes,
        "initContainers": [make_container("fifos", "mkfifo /shared/up /shared/end", **mounts)],
        "containers": [
            make_container(
                "victim", "trap 'echo hit' TERM; echo > /shared/up; read end < /shared/end; echo whole", **mounts
            ),
            make_container(
                "attack",
                "read up < /shared/up; kill -TERM -1; ls -d /proc/[0-9]* | wc -l; ls -d /proc/[0-9]*/fd/* | wc -l; "
                "echo > /shared/end",
                **mounts,
            ),
        ],
    }
    ended = backend.run(spec)
    assert ended.output("victim") == "whole\n"
    assert all(int(count) <= 12 for count in ended.output("attack", "stdout").split())


def test_usual_actions_as_root_still_work(root_backend):
    script = """
        set -e
        cd /tmp; touch file; chown 1:1 file; stat -c %u file
        tar cf archive file; rm file; tar xf archive; stat -c %u file
        su -s /bin/sh nobody -c 'id -u'; setpriv --reuid=12 --clear-groups id -u
        chroot / /bin/true; mkfifo pipe; mkdir -p /usr/local/made; echo x > /etc/made
        dd if=/dev/zero of=/dev/null count=1
        python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("bound")'
        exec 3> /dev/stderr; echo fine > /dev/fd/1
    """
    ended = root_backend.run_script(script)
    assert ended.output("main", "stdout").split() == ["1", "1", "65534", "12", "bound", "fine"], ended.output("main")


def test_mounts_of_a_container_cannot_be_changed(backend):
    script = "umount /proc/sys /sys /dev; mount -o remount,rw /sys; mount --bind / /mnt; nsenter -t 1 -m true; exit 0"
    refused = backend.run_script(script).output("main", "stderr")
    assert len(re.findall(r"must be superuser|permission denied|not permitted", refused, re.IGNORECASE)) >= 4
