"""Whole Pods, as root and as an ordinary user: what containers see, how they end, and that nothing is left."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from monopod.runner.kubelet.runtime_image import PACKAGE_DIRECTORY

pytestmark = pytest.mark.slow


def test_container_has_its_own_copy_of_this_machines_files(backend, on_disk, make_container):
    before = sorted(os.listdir("/etc"))
    spec = {
        "containers": [
            make_container(
                "main", "rm -rf /etc 2>/dev/null; ls /etc; echo mine > /marker; cat /marker; rm -r /usr/share/doc/apt"
            ),
            make_container("other", "ls /etc | wc -l; cat /marker"),
        ]
    }
    ended = backend.run(spec)
    assert sorted(os.listdir("/etc")) == before
    assert not os.path.exists("/marker")
    assert os.path.isdir("/usr/share/doc/apt")
    assert "mine" in ended.output("main")
    if backend.is_root:
        assert set(ended.output("main").split()) == {"hosts", "hostname", "mine"}
    assert int(ended.output("other", "stdout")) > 10
    assert "No such file" in ended.output("other", "stderr")
    assert ended.exit_code("other") == 1


def test_container_sees_only_its_own_processes(backend):
    ended = backend.run_script("echo $$; ls -d /proc/[0-9]* | wc -l; readlink /proc/1/exe")
    pid, count, program = ended.output("main").split()
    assert pid == "1"
    assert int(count) <= 4  # the shell, ls and wc
    assert program == os.path.realpath("/bin/sh")


def test_warning_where_other_processes_are_visible(backend):
    script = "echo $$; ls /proc | grep -c '^[0-9]'"
    warning = "Steps can see all processes of this machine"
    assert not [each for each in backend.run_script(script).of("PodWarning") if warning in each["message"]]
    ended = dataclasses.replace(backend, proc_is_hidden=True).run_script(script)
    warnings = [each for each in ended.of("PodWarning") if warning in each["message"]]
    pid, count = ended.output("main").split()
    assert pid == "1"
    if backend.is_root:  # trusted by the kernel
        assert int(count) <= 4
        assert warnings == []
    else:
        assert int(count) > 4
        assert len(warnings) == 1


def test_background_processes_end_with_their_container(backend):
    ended = backend.run_script("setsid sleep 1000 & echo started")
    assert ended.output("main") == "started\n"
    assert ended.phase == "Succeeded"


@pytest.mark.parametrize(
    ("script", "state", "phase"),
    [
        ("exit 0", {"exitCode": 0, "reason": "Completed"}, "Succeeded"),
        ("exit 7", {"exitCode": 7, "reason": "Error"}, "Failed"),
        ("exit 255", {"exitCode": 255, "reason": "Error"}, "Failed"),
        ("kill -9 $$", None, "Failed"),
        ("sh -c 'kill -9 $$'", {"exitCode": 137, "reason": "Error"}, "Failed"),
    ],
)
def test_exit_code_reason_and_phase_match_kubelet(backend, script, state, phase):
    if state is None:  # PID 1 cannot kill itself
        state, phase = {"exitCode": 0, "reason": "Completed"}, "Succeeded"
    ended = backend.run_script(script)
    terminated = ended.state("main")["terminated"]
    assert {key: terminated[key] for key in state} == state
    assert ended.phase == phase


def test_missing_program_is_a_start_error(backend, make_container):
    spec = {
        "containers": [
            {"name": "missing", "image": "none", "command": ["no-such-program"]},
            {"name": "no-program", "image": "none", "command": ["/etc/passwd"]},
            make_container("fine", "echo fine"),
        ]
    }
    ended = backend.run(spec)
    for name, text in (("missing", "not found"), ("no-program", "Permission denied")):
        terminated = ended.state(name)["terminated"]
        assert (terminated["exitCode"], terminated["reason"]) == (128, "StartError")
        assert text in terminated["message"]
    assert ended.output("fine") == "fine\n"
    assert ended.phase == "Failed"


def test_private_directories_are_empty_and_the_state_is_hidden(backend):
    ended = backend.run_script(
        f"ls -A /tmp /var/tmp; ls -A {backend.directory}; stat -c %a /tmp /var/tmp; cd /tmp; echo x > y"
    )
    assert ended.output("main", "stdout").split() == ["/tmp:", "/var/tmp:", "1777", "1777"]
    assert ended.exit_code("main") == 0


def test_hostname_is_the_name_of_the_pod_and_resolves(backend):
    ended = backend.run_script("hostname; cat /etc/hostname; echo $HOSTNAME; grep -c $(hostname) /etc/hosts")
    assert ended.output("main").split() == [backend.directory.name] * 3 + ["1"]


def test_init_containers_run_first_and_in_order(backend, make_container):
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    spec = {
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "initContainers": [
            make_container("one", "echo one >> /shared/log", **mount),
            make_container("two", "echo two >> /shared/log", **mount),
        ],
        "containers": [make_container("main", "cat /shared/log", **mount)],
    }
    ended = backend.run(spec)
    assert ended.output("main") == "one\ntwo\n"
    assert ended.phase == "Succeeded"


def test_failed_init_container_fails_the_pod(backend, make_container):
    spec = {
        "initContainers": [make_container("bad", "exit 3"), make_container("never", "echo never")],
        "containers": [make_container("main", "echo never")],
    }
    ended = backend.run(spec)
    assert ended.phase == "Failed"
    assert ended.exit_code("bad") == 3
    assert ended.state("never") == {"waiting": {"reason": "PodInitializing"}}
    assert ended.of("ContainerOutput") == []


def test_sidecar_starts_first_restarts_and_ends_last(backend, make_container):
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    sidecar = make_container(
        "sidecar",
        """
        echo run >> /shared/runs
        if [ $(wc -l < /shared/runs) = 1 ]; then
            read x < /shared/fifo; exit 5
        fi
        echo > /shared/fifo2
        trap 'echo stopped; exit 0' TERM
        echo ready; while :; do sleep 0.01; done
        """,
        restartPolicy="Always",
        lifecycle={
            "postStart": {"exec": {"command": ["/bin/sh", "-c", "echo $$ >> /shared/hooks; ls /proc/1 > /dev/null"]}}
        },
        **mount,
    )
    main = """
        cat /shared/hooks | wc -l
        echo > /shared/fifo; read x < /shared/fifo2
        wc -l < /shared/runs; wc -l < /shared/hooks
    """
    spec = {
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "initContainers": [make_container("fifos", "mkfifo /shared/fifo /shared/fifo2", **mount), sidecar],
        "containers": [make_container("main", main, **mount)],
    }
    ended = backend.run(spec)
    hooked, runs, _ = ended.output("main").split()
    assert (hooked, runs) == ("1", "2")
    assert ended.phase == "Succeeded"
    ends = [(event["container"], event["exit_code"]) for event in ended.of("ContainerTerminated")]
    assert ends == [("fifos", 0), ("sidecar", 5), ("main", 0), ("sidecar", 0)] or ends == [
        ("fifos", 0),
        ("sidecar", 5),
        ("main", 0),
        ("sidecar", 143),  # stopped before it could set its trap
    ]
    status = next(each for each in ended.status["initContainerStatuses"] if each["name"] == "sidecar")
    assert status["restartCount"] == 1


def test_failed_hook_of_a_sidecar_fails_the_pod_with_a_message(backend, make_container):
    sidecar = make_container(
        "sidecar",
        "sleep 1000",
        restartPolicy="Always",
        lifecycle={"postStart": {"exec": {"command": ["/bin/sh", "-c", "echo cannot install >&2; exit 4"]}}},
    )
    ended = backend.run({"initContainers": [sidecar], "containers": [make_container("main", "echo never")]})
    assert ended.phase == "Failed"
    assert ended.status["reason"] == "NotStarted"
    why = "sidecar sidecar could not be started: it ended with exit code 4: cannot install"
    assert ended.status["message"] == why
    assert any("exit code 4: cannot install" in event["message"] for event in ended.of("PodWarning"))


def test_terminated_containers_may_end_by_themselves(backend, make_container):
    spec = {
        "initContainers": [
            make_container(
                "last", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done", restartPolicy="Always"
            )
        ],
        "containers": [
            make_container("main", "trap 'echo ending; exit 9' TERM; echo running; while :; do sleep 0.01; done")
        ],
    }
    ended = backend.run(spec, reactions=[["running", "terminate", 60]])
    assert ended.output("main") == "running\nending\n"
    assert ended.exit_code("main") == 9
    assert [event["container"] for event in ended.of("ContainerTerminated")] == ["main", "last"]
    assert ended.phase == "Failed"


def test_container_that_ignores_sigterm_is_killed_after_the_grace_period(backend):
    ended = backend.run(
        {
            "containers": [
                {"name": "main", "image": "none", "command": ["/bin/sh", "-c", "trap '' TERM; echo up; sleep 1000"]}
            ]
        },
        reactions=[["up", "terminate", 0.05]],
    )
    terminated = ended.state("main")["terminated"]
    assert (terminated["exitCode"], terminated["signal"]) == (137, signal.SIGKILL)


def test_pod_killed_while_it_initializes_ends(backend, make_container):
    spec = {
        "initContainers": [make_container("main", "echo up; sleep 1000")],
        "containers": [make_container("no", ":")],
    }
    ended = backend.run(spec, reactions=[["up", "kill"]])
    assert ended.exit_code("main") == 137
    assert ended.phase == "Failed"


def test_active_deadline(backend, make_container):
    spec = {
        "activeDeadlineSeconds": 0.1,
        "terminationGracePeriodSeconds": 0,
        "containers": [make_container("main", "sleep 1000")],
    }
    ended = backend.run(spec)
    assert (ended.phase, ended.status["reason"]) == ("Failed", "DeadlineExceeded")


def test_signal_reaches_the_first_process(backend, make_container):
    script = "trap 'echo got it; exit 0' USR1; echo up; while :; do sleep 0.01; done"
    ended = backend.run({"containers": [make_container("main", script)]}, reactions=[["up", "signal", "main", 10]])
    assert ended.output("main") == "up\ngot it\n"


@pytest.mark.parametrize("before", ["", "echo kept > /monopod/step/alive;"])
def test_only_a_container_that_never_started_is_marked_so(backend, make_container, before):
    script = f"{before} echo up; while [ ! -e /monopod/step/alive ]; do sleep 0.01; done; cat /monopod/step/alive"
    main = make_container("main", script, volumeMounts=[{"name": "box", "mountPath": "/monopod/step"}])
    reactions = [["up", "declare_dead", "main", "StartError", "no such\nuser"]]
    ended = backend.run({"containers": [main], "volumes": [{"name": "box", "emptyDir": {}}]}, reactions=reactions)
    assert ended.output("main").splitlines() == ["up", *(["kept"] if before else ["StartError", "no such user"])]
    assert ended.of("PodWarning") == []


def test_closing_a_running_pod_leaves_nothing(backend, make_container):
    spec = {"containers": [make_container("main", "echo up; sleep 1000")]}
    process = backend.start(backend.pod(spec), reactions=[["up", "close"]])
    process.communicate()
    assert backend.remains() == []


def test_sigkill_of_the_runner_leaves_nothing(backend, make_container, wait_for_end):
    spec = {
        "volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}],
        "containers": [
            make_container(
                f"c{i}",
                "trap '' TERM; setsid sleep 1000 & echo up; sleep 1000",
                volumeMounts=[{"name": "v", "mountPath": "/v"}],
            )
            for i in range(3)
        ],
    }
    process = backend.start(backend.pod(spec))
    assert process.stdout is not None
    running = json.loads(process.stdout.readline())
    if running["event"] == "unavailable":
        pytest.skip(running["message"])
    up = 0
    while up < 3:
        up += "ContainerOutput" in process.stdout.readline()
    assert len(backend.processes()) >= 3
    process.kill()
    process.communicate()
    wait_for_end(running["launcher"])
    assert backend.remains() == []


def test_sigkill_of_the_launcher_ends_the_pod_and_the_next_run_cleans_up(backend, make_container, wait_for_end):
    spec = {"containers": [make_container("main", "echo up; sleep 1000")]}
    process = backend.start(backend.pod(spec))
    assert process.stdout is not None
    running = json.loads(process.stdout.readline())
    if running["event"] == "unavailable":
        pytest.skip(running["message"])
    os.kill(running["launcher"], signal.SIGKILL)
    rest, _ = process.communicate()
    finished = json.loads(rest.splitlines()[-2])
    assert finished["status"]["phase"] == "Failed"
    assert finished["status"]["message"] == "the Pod's sandbox was killed"
    assert backend.processes() == []
    assert os.path.isdir(running["state"])
    backend.run_script("true")
    assert not os.path.exists(running["state"])


def test_a_hundred_containers(backend, make_container):
    spec = {"containers": [make_container(f"c{i}", f"echo {i}; exit {i % 3}") for i in range(100)]}
    ended = backend.run(spec)
    assert [ended.output(f"c{i}") for i in range(100)] == [f"{i}\n" for i in range(100)]
    assert [ended.exit_code(f"c{i}") for i in range(100)] == [i % 3 for i in range(100)]


def test_output_is_complete_and_precedes_the_end(backend, make_container):
    spec = {"containers": [make_container("main", "head -c 3000000 /dev/zero; echo error >&2; printf end")]}
    ended = backend.run(spec)
    assert len(ended.output("main", "stdout")) == 3_000_003
    assert ended.output("main", "stderr") == "error\n"
    kinds = [event["event"] for event in ended.events if event.get("container") == "main"]
    assert kinds[0] == "ContainerStarted" or kinds[0] == "ContainerOutput"
    assert kinds[-1] == "ContainerTerminated"


def test_pipe_of_a_container_that_writes_fast_becomes_large(backend, make_container):
    program = 'import fcntl, sys; print("x" * 3_000_000, flush=True); print(fcntl.fcntl(1, fcntl.F_GETPIPE_SZ))'
    ended = backend.run({"containers": [make_container("main", shlex.join(["python3", "-c", program]))]})
    assert ended.output("main")[3_000_000:] == "\n1048576\n"


def test_no_descriptor_leaks(backend, make_container):
    ended = backend.run({"containers": [make_container(f"c{i}", "ls -l /proc/self/fd | wc -l") for i in range(5)]})
    assert {ended.output(f"c{i}") for i in range(5)} == {"5\n"}  # a headline, 0, 1, 2 and the descriptor of ls
    running, closed = ended.of("running")[0], ended.of("closed")[0]
    assert closed["descriptors"] < running["descriptors"]


def test_keep_leaves_logs_volumes_and_the_pod_with_its_status(backend, make_container):
    spec = {
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "secret", "secret": {"secretName": "s"}}],
        "containers": [
            make_container(
                "main",
                "echo out; echo error >&2; echo x > /data/file",
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            )
        ],
    }
    secret = {"s": {"data": {"password": base64.b64encode(b"hunter2").decode()}}}
    ended = backend.run(spec, keep=True, secrets=secret)
    state = Path(ended.of("running")[0]["state"])
    pod = json.loads((state / "pod.json").read_text())
    assert pod["status"]["phase"] == "Succeeded"
    assert sorted((state / "logs" / "main-0.log").read_text().split()) == ["error", "out"]
    assert (state / "volumes/data/file").read_text() == "x\n"
    assert not any(b"hunter2" in path.read_bytes() for path in state.rglob("*") if path.is_file())
    backend.run_script("true")
    assert state.is_dir()
    shutil.rmtree(state.parent)


def test_environment_command_and_arguments(backend):
    container = {
        "name": "main",
        "image": "none",
        "command": ["/bin/sh", "-c"],
        "args": ['echo "$(GREETING)" $$(GREETING) "$MESSAGE" $(UNKNOWN) $HOME $0 $1; pwd', "$(NAME)", "$$(NAME)"],
        "env": [
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['who']"}}},
            {"name": "GREETING", "value": "hello $(NAME)"},
            {"name": "MESSAGE", "valueFrom": {"configMapKeyRef": {"name": "texts", "key": "message"}}},
        ],
        "envFrom": [{"secretRef": {"name": "keys"}, "prefix": "KEY_"}],
        "workingDir": "/made/for/me",
    }
    container["args"][0] += "; env | grep KEY_"
    ended = backend.run(
        {"containers": [container]},
        metadata={"labels": {"who": "world"}},
        config_maps={"texts": {"data": {"message": "two  blanks"}}},
        secrets={"keys": {"data": {"a": base64.b64encode(b"A").decode()}, "stringData": {"b": "B"}}},
    )
    lines = ended.output("main", "stdout").splitlines()
    assert lines[0].startswith("hello world ")
    assert "two  blanks" in lines[0]
    assert lines[0].endswith("world $(NAME)")
    assert lines[1] == "/made/for/me"
    assert sorted(lines[2:]) == ["KEY_a=A", "KEY_b=B"]


def test_environment_of_the_caller_is_not_inherited(backend):
    backend.environment["SECRET_OF_MINE"] = "x"
    ended = backend.run_script("env | cut -d= -f1 | sort")
    assert set(ended.output("main").split()) <= {"HOME", "HOSTNAME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}


def test_limits_of_the_caller_are_inherited(backend):
    ended = backend.run_script("ulimit -n; ulimit -s; umask")
    limits = subprocess.run(["sh", "-c", "ulimit -n; ulimit -s"], capture_output=True, text=True, check=True).stdout
    assert ended.output("main").split() == [*limits.split(), "0022"]


def test_no_new_privileges_read_only_root_and_capabilities(backend):
    ended = backend.run_script(
        "grep -E 'NoNewPrivs|CapBnd|CapEff' /proc/self/status; "
        "touch /x /tmp/y /usr/z; touch /dev/shm/fine && echo fine",
        securityContext={
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        },
    )
    output = ended.output("main", "stdout")
    assert "NoNewPrivs:\t1" in output
    assert f"CapBnd:\t{1 << 10:016x}" in output
    assert f"CapEff:\t{1 << 10:016x}" in output
    assert "fine\n" in output
    assert ended.output("main", "stderr").count("Read-only file system") == 3


def test_users_and_groups_as_root(root_backend, make_container):
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    spec = {
        "securityContext": {"runAsUser": 1234, "runAsGroup": 4321, "fsGroup": 777, "supplementalGroups": [888]},
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            make_container(
                "pod", "id -u; id -g; id -G; touch /data/x; stat -c %g /data/x; grep CapEff /proc/self/status", **mount
            ),
            make_container("own", "id -u; id -g", securityContext={"runAsUser": 55, "runAsGroup": 66}),
            make_container("known", "id -G", securityContext={"runAsUser": 1, "runAsGroup": None}),
        ],
    }
    ended = root_backend.run(spec)
    user, group, groups, made, effective = ended.output("pod").splitlines()
    assert (user, group, made) == ("1234", "4321", "777")
    assert set(groups.split()) == {"4321", "777", "888"}
    assert effective == "CapEff:\t0000000000000000"
    assert ended.output("own").split() == ["55", "66"]


def test_users_without_subordinate_ids_are_warned_of_once(user_backend, make_container):
    spec = {
        "securityContext": {"runAsUser": 1234, "fsGroup": 55},
        "containers": [make_container("a", "id -u"), make_container("b", "id -u")],
    }
    ended = user_backend.run(spec)
    if ended.output("a") == "1234\n":
        pytest.skip("this user has subordinate ids")
    (warning,) = ended.of("PodWarning")
    assert "a (user 1234)" in warning["message"]
    assert "fsGroup 55" in warning["message"]
    assert ended.output("a") == ended.output("b") == "0\n"


def test_run_as_non_root_is_refused_for_root(root_backend, make_container):
    ended = root_backend.run({"containers": [make_container("main", ":", securityContext={"runAsNonRoot": True})]})
    (refused,) = ended.of("refused")
    assert "would run as root" in refused["problems"][0]


def test_termination_messages(backend, make_container):
    spec = {
        "containers": [
            make_container("own", "echo because > /dev/termination-log; exit 1"),
            make_container("path", "echo there > /var/run/why", terminationMessagePath="/var/run/why"),
            make_container("log", "echo the log; exit 1", terminationMessagePolicy="FallbackToLogsOnError"),
            make_container("quiet", "echo the log", terminationMessagePolicy="FallbackToLogsOnError"),
        ]
    }
    ended = backend.run(spec)
    messages = {name: ended.state(name)["terminated"].get("message") for name in ("own", "path", "log", "quiet")}
    assert messages == {"own": "because\n", "path": "there\n", "log": "the log\n", "quiet": None}


def test_all_kinds_of_volumes(backend, make_container):
    host = backend.directory / "host"
    host.mkdir()
    (host / "file").write_text("from the host\n")
    os.chown(host, backend.user, -1)
    mounts = {
        "empty": "/v/empty",
        "memory": "/v/memory",
        "host": "/v/host",
        "made": "/v/made",
        "settings": "/usr/share/settings",
        "secret": "/etc/secret",
        "info": "/v/info",
        "all": "/v/all",
        "claim": "/v/claim",
        "own-claim": "/v/own-claim",
    }
    spec = {
        "volumes": [
            {"name": "empty", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
            {"name": "host", "hostPath": {"path": str(host), "type": "Directory"}},
            {"name": "made", "hostPath": {"path": str(host / "made"), "type": "DirectoryOrCreate"}},
            {"name": "settings", "configMap": {"name": "c", "items": [{"key": "a", "path": "deep/a", "mode": 0o600}]}},
            {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o400}},
            {
                "name": "info",
                "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
            },
            {
                "name": "all",
                "projected": {
                    "sources": [
                        {"configMap": {"name": "c"}},
                        {"secret": {"name": "s", "items": [{"key": "p", "path": "password"}]}},
                        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                    ]
                },
            },
            {"name": "claim", "persistentVolumeClaim": {"claimName": "kept"}},
            {"name": "own-claim", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
        ],
        "containers": [
            make_container(
                "main",
                """
                cd /v
                for each in empty memory host made claim own-claim; do echo written > $each/new || echo no $each; done
                cat host/file /usr/share/settings/deep/a /etc/secret/p info/labels all/a all/b all/password all/name
                echo; stat -c %a /usr/share/settings/deep/a /etc/secret/p empty
                for each in info all /etc/secret /usr/share/settings; do
                    touch $each/new 2>/dev/null && echo wrote $each
                done
                stat -f -c %T memory; cat claim/count 2>/dev/null; echo . >> claim/count
                """,
                volumeMounts=[{"name": name, "mountPath": path} for name, path in mounts.items()],
            )
        ],
    }
    request = {
        "config_maps": {"c": {"data": {"a": "A", "b": "B"}}},
        "secrets": {"s": {"stringData": {"p": "P"}}},
        "metadata": {"labels": {"k": "v"}},
    }
    ended = backend.run(spec, **request)
    name = backend.directory.name
    assert ended.output("main").splitlines() == [
        "from the host",
        f'APk="v"ABP{name}',
        "600",
        "400",
        "777",
        "tmpfs",
    ], ended.output("main", "stderr")
    assert (host / "new").read_text() == "written\n"
    assert (host / "made/new").read_text() == "written\n"
    again = backend.run(spec, **request)
    assert again.output("main").splitlines()[-1] == "."  # the claim was kept
    assert (backend.directory / ".local/share/monopod/claims/default/kept/count").read_text() == ".\n.\n"


def test_emptydir_is_shared_while_both_run(backend, make_container):
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    spec = {
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "initContainers": [make_container("fifo", "mkfifo /shared/fifo", **mount)],
        "containers": [
            make_container("one", "echo from one > /shared/fifo", **mount),
            make_container("two", "cat /shared/fifo", **mount),
        ],
    }
    assert backend.run(spec).output("two") == "from one\n"


def test_mounts_nest_cover_files_and_follow_sub_paths(backend, make_container):
    spec = {
        "volumes": [
            {"name": "outer", "emptyDir": {}},
            {"name": "inner", "emptyDir": {}},
            {"name": "c", "configMap": {"name": "c"}},
        ],
        "initContainers": [
            make_container(
                "prepare",
                "mkdir -p /o/a/b; echo deep > /o/a/b/file",
                volumeMounts=[{"name": "outer", "mountPath": "/o"}],
            )
        ],
        "containers": [
            make_container(
                "main",
                "cat /etc/passwd /outer/a/b/file /sub/file; echo; touch /outer/inner/x; ls /outer /outer/inner; "
                "touch /sub/no; ls -d /outer/made/by-name",
                env=[{"name": "WHO", "value": "by-name"}],
                volumeMounts=[
                    {"name": "inner", "mountPath": "/outer/inner"},
                    {"name": "outer", "mountPath": "/outer"},
                    {"name": "c", "mountPath": "/etc/passwd", "subPath": "passwd"},
                    {"name": "outer", "mountPath": "/sub", "subPath": "a/b", "readOnly": True},
                    {"name": "outer", "mountPath": "/expr", "subPathExpr": "made/$(WHO)"},
                ],
            )
        ],
    }
    ended = backend.run(spec, config_maps={"c": {"data": {"passwd": "covered\n"}}})
    assert ended.output("main", "stdout").split() == (
        ["covered", "deep", "deep", "/outer:", "a", "inner", "made", "/outer/inner:", "x", "/outer/made/by-name"]
    )
    assert "Read-only file system" in ended.output("main", "stderr")


@pytest.mark.parametrize("link", ["/etc", "../../..", "loop"])
def test_sub_path_cannot_leave_its_volume(backend, make_container, link):
    spec = {
        "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": [
            make_container("trap", f"ln -s {link} /v/loop", volumeMounts=[{"name": "v", "mountPath": "/v"}])
        ],
        "containers": [
            make_container("main", "ls /out", volumeMounts=[{"name": "v", "mountPath": "/out", "subPath": "loop/x"}])
        ],
    }
    ended = backend.run(spec)
    terminated = ended.state("main")["terminated"]
    assert terminated["reason"] == "StartError"
    assert "leads out of its volume" in terminated["message"]


def test_all_problems_are_reported_before_anything_starts(backend, make_container):
    spec = {
        "volumes": [
            {"name": "nfs", "nfs": {"server": "s", "path": "/"}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            {"name": "gone", "hostPath": {"path": "/no/such/directory", "type": "Directory"}},
        ],
        "containers": [
            {"name": "empty", "image": "x"},
            make_container(
                "key", "echo never", env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
            ),
        ],
    }
    ended = backend.run(spec)
    (refused,) = ended.of("refused")
    text = "\n".join(refused["problems"])
    for expected in ("nfs", "serviceAccountToken", "/no/such/directory", "no command", "no Secret 's'"):
        assert expected in text
    assert len(refused["problems"]) == 5
    assert ended.of("ContainerOutput") == []


def test_runtime_image_is_this_python_with_the_entrypoint(backend, make_container):
    backend.entrypoint_binary = "/bin/echo"
    spec = {
        "initContainers": [
            {
                "name": "install",
                "image": "monopod:test",
                "command": ["/monopod/runtime/entrypoint", "install", "$(PYTHONPATH)"],
            }
        ],
        "containers": [coordinator_without_a_plan(), make_container("step", "ls /monopod")],
    }
    ended = backend.run(spec)
    assert ended.output("install") == "install $(PYTHONPATH)\n"
    assert "usage: python3 -m monopod.coordinator" in ended.output("coordinator")
    assert "No such file" in ended.output("step")
    assert ended.of("PodWarning") == []


def coordinator_without_a_plan():
    """It runs as on a cluster: as a user who cannot read the home directory that may contain the interpreter."""
    context = {
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    return {"name": "coordinator", "image": "monopod:test", "securityContext": context}


def test_monopod_in_a_temporary_directory(backend):
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        package = Path(directory, "any-name")
        for folder in ("compiler", "coordinator", "entrypoint", "runner", "runtime", "schemas", "system"):
            ignored = shutil.ignore_patterns("bin", "packed", "__pycache__")
            shutil.copytree(Path(PACKAGE_DIRECTORY, folder), package / folder, ignore=ignored)
        shutil.copy(Path(PACKAGE_DIRECTORY, "__init__.py"), package)
        subprocess.run([backend.python, "-m", "venv", "--without-pip", f"{directory}/venv"], check=True)
        backend.python = f"{directory}/venv/bin/python"
        ended = backend.run({"containers": [coordinator_without_a_plan()]}, package=str(package))
    assert "usage: python3 -m monopod.coordinator" in ended.output("coordinator")


def files_of_a_runner(pod):
    request = {
        "pod": pod,
        "config_maps": {},
        "secrets": {},
        "keep": False,
        "reactions": [],
        "package": PACKAGE_DIRECTORY,
        "entrypoint_binary": "/bin/true",
    }
    follow = Path(__file__).with_name("follow_pod.py").read_text()
    return {"follow.py": follow, "request.json": json.dumps(request)}


def places_of_a_runner(python):
    """Return volumes and mounts that show the checkout and its interpreter, if they are in a hidden directory."""
    places = [PACKAGE_DIRECTORY, os.path.dirname(os.path.dirname(python))]
    unseen = [place for place in places if place.startswith(("/tmp/", "/var/tmp/"))]
    volumes = [{"name": f"place-{number}", "hostPath": {"path": place}} for number, place in enumerate(unseen)]
    mounts = [{"name": f"place-{number}", "mountPath": place} for number, place in enumerate(unseen)]
    files = {"name": "files", "mountPath": "/files"}
    return [{"name": "files", "configMap": {"name": "files"}}, *volumes], [files, *mounts]


def test_pod_inside_a_privileged_container(root_backend, make_container):
    """There the root is an overlay, which cannot hold upper layers, so they are in memory."""
    inner = root_backend.pod({"containers": [make_container("inner", "echo from within; touch /x")]})
    volumes, mounts = places_of_a_runner(root_backend.python)
    spec = {
        "volumes": volumes,
        "containers": [
            make_container(
                "outer",
                f"{root_backend.python} -I /files/follow.py < /files/request.json",
                securityContext={"privileged": True},
                env=[{"name": "TMPDIR", "value": "/opt"}],
                volumeMounts=mounts,
            )
        ],
    }
    ended = root_backend.run(spec, config_maps={"files": {"data": files_of_a_runner(inner)}})
    events = [json.loads(line) for line in ended.output("outer", "stdout").splitlines()]
    output = [base64.b64decode(event["data"]) for event in events if event["event"] == "ContainerOutput"]
    assert output == [b"from within\n"], ended.output("outer")
    assert any("kept in memory" in event.get("message", "") for event in events)


def test_error_where_namespaces_are_forbidden(user_backend, make_container):
    volumes, mounts = places_of_a_runner(user_backend.python)
    spec = {
        "volumes": volumes,
        "containers": [
            make_container(
                "outer",
                "echo 0 > /proc/sys/user/max_user_namespaces || exit 99; "
                f"{user_backend.python} -I /files/follow.py < /files/request.json",
                volumeMounts=mounts,
                securityContext={"capabilities": {"add": ["SYS_RESOURCE"]}},
            )
        ],
    }
    inner = user_backend.pod({"containers": [make_container("inner", "echo never")]})
    ended = user_backend.run(spec, config_maps={"files": {"data": files_of_a_runner(inner)}})
    (event,) = [json.loads(line) for line in ended.output("outer", "stdout").splitlines()]
    assert event["event"] == "unavailable"
    assert "forbids containers" in event["message"]
    assert "(sysctl user.max_user_namespaces is 0)" in event["message"]
    assert event["message"].endswith("use --backend podman or --backend kubernetes instead")
