"""Misbehaving Steps and killed containers in real runs on this machine: the run ends and reports why."""

import os

import pytest
from host_run import pipeline

pytestmark = pytest.mark.slow

OUTPUT_MIB = int(os.environ.get("MONOPOD_OUTPUT_MIB", "200"))
CHATTER = "yes $(head -c 1000 /dev/zero | tr '\\0' x) | head -c {count}M"

BEHAVIOURS = {
    "forks": "i=0; while [ $i -lt 300 ]; do (trap '' TERM; while :; do sleep 100 & wait; done) & i=$((i+1)); done",
    "spawns": "while :; do sleep 100000 & done",
    "moves": "printf '#!/bin/sh\\nsetsid \"$0\" > /dev/null 2>&1 &' > /tmp/on; chmod +x /tmp/on; /tmp/on; echo left",
    "daemons": "for i in 1 2 3; do setsid sh -c 'trap \"\" TERM HUP; sleep 100000' & done; echo left",
    "ignores": "trap '' TERM; while :; do sleep 0.05; done",
    "closes": "exec >&- 2>&-; sleep 0.1; exit 0",
    "much": CHATTER.format(count=OUTPUT_MIB),
    "long": "head -c 100M /dev/zero | tr '\\0' x",
    "killed": "sh -c 'kill -9 $$'",
    "itself": "kill -9 $$",
    "files": "ulimit -n 64; ls > /dev/null",
    "empty": "",
}
ENDS = {
    "spawns": ("TaskRunTimeout", ""),
    "ignores": ("TaskRunTimeout", ""),
    "killed": ("FailureIgnored", "137"),
    "itself": ("FailureIgnored", "137"),
}
TIMED_OUT = [name for name, (reason, _) in ENDS.items() if reason == "TaskRunTimeout"]


def test_every_step_ends_and_no_output_is_lost(run):
    tasks = {
        name: {"scripts": script, "onError": "continue", **({"timeout": "1s"} if name in TIMED_OUT else {})}
        for name, script in BEHAVIOURS.items()
    }
    run.patience += OUTPUT_MIB  # a second per MiB is more than any machine needs
    ended = run.run(pipeline(tasks, {"report": "echo $(tasks.forks.status)"}))
    wanted = {name: ENDS.get(name, ("Succeeded", "")) for name in (*BEHAVIOURS, "report")}
    assert {name: ended.task(name)[0] for name in wanted} == {name: reason for name, (reason, _) in wanted.items()}
    for name, (_, words) in wanted.items():
        assert words in ended.task(name)[1]
    lines = ended.lines("much")
    assert sum(map(len, lines)) + len(lines) in (OUTPUT_MIB << 20, (OUTPUT_MIB << 20) + 1)
    assert sum(map(len, ended.lines("long"))) == 100 << 20
