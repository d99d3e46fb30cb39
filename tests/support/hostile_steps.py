"""Hostile Steps, as a Pipeline whose Tasks all run at the same time as harmless Tasks.

They are for a POSIX shell with the small programs of busybox or of GNU and util-linux, on every backend.
"""

from __future__ import annotations

import base64
from typing import Any

from host_run import pipeline

RESULT = {"taskSpec": {"results": [{"name": "out"}]}}
OUT = "/tekton/results/out"
TEXT = "$(params.x) $(tasks.b.results.c) `id` $(id) ; & | > x\n- a: &b [*b, !!python/object:os.system {}]\n'\"\\\x7f é"
"""What a Result may hold: variables of Tekton's, shell, YAML, quotes."""

BAD_RESULTS = {
    "link": (f"ln -s /etc/passwd {OUT}", "is a symbolic link"),
    "fifo": (f"mkfifo {OUT}", "is not a regular file"),
    "directory": (f"mkdir {OUT}", "is not a regular file"),
    "device": (f"mknod {OUT} c 1 5 || mkfifo {OUT}", ""),
    "sparse": (f"truncate -s 1099511627776 {OUT}", "is larger than 1024 KiB"),
    "linked-directory": ("rmdir /tekton/results; ln -s /etc /tekton/results", "has something other than a directory"),
}
"""Scripts, and why their Results are not read. A device is another error where devices cannot be opened."""

SLEEP = "exec sleep 100000"
CONTROL = "cd /monopod/step; "
FORGE = CONTROL + "put() { cat > .x; mv .x $1; }; "
ATTACKS = {
    "no-way-out": ({"timeout": "1s", "scripts": CONTROL + "mkdir -p kill.1/x; " + SLEEP}, "TaskRunTimeout"),
    "own-request": (
        FORGE + "for n in 2 3; do printf 'a/bin/sleep\\000a100000\\000.\\000' | put run.$n; done; echo > bell",
        "Succeeded",
    ),
    "own-end": (FORGE + "echo code=0 | put exited.1; echo > ring; exit 3", "FailureIgnored"),
    "nonsense-end": (FORGE + "echo 'code=0\ncode=1' | put exited.1", "Succeeded"),
    "endless-end": (FORGE + "truncate -s 1099511627776 .x; mv .x exited.1", "Succeeded"),
    "linked-end": (CONTROL + "ln -s /etc/passwd exited.1", "Succeeded"),
    "exit-directory": (CONTROL + "mkdir -p exit/x", "Succeeded"),
    "exit-removed": (CONTROL + "while rm -rf exit; do :; done & exit 0", "Succeeded"),
    "alive-removed": (CONTROL + "rm alive; touch alive", "Succeeded"),
    "all-removed": (CONTROL + "rm -f alive coordinator bell ring run.1; mkdir bell ring coordinator", "Succeeded"),
    "locked": (CONTROL + "setsid flock coordinator sleep 100000 & setsid flock -s alive sleep 100000 &", "Succeeded"),
    "full": (CONTROL + "! dd if=/dev/zero of=x bs=1M count=80 2> /dev/null && rm x", "Succeeded"),
    "not-utf-8": ({"scripts": f"printf '\\377' > {OUT}", **RESULT}, "Succeeded"),
    "ring": (CONTROL + "dd if=/dev/zero of=ring bs=4k count=1000 2>/dev/null", "Succeeded"),
    "killer": ("kill -9 1; kill -9 -1; kill -STOP 1; exit 0", "Succeeded"),
    "clutter": (
        {"retries": 1, "scripts": "cd /tekton/home; ls -A; i=0; d=d; "
         "while [ $i -lt 3000 ]; do : > $i; i=$((i+1)); done; mkdir -p ../../tekton/steps/../.x/$d 'a\nb' ..x; "
         "test $(context.task.retry-count) = 1"},
        "Succeeded",
    ),
    "spy": (
        "for each in /monopod/steps /monopod/state /monopod/slots; do test ! -e $each || exit 1; done; "
        "test $(ls /monopod | wc -l) = 2; for f in /monopod/step/*; do ln $f /tekton/results/x 2> /dev/null && exit 1; "
        "done; ! touch /monopod/bin/entrypoint 2> /dev/null",
        "Succeeded",
    ),
}  # fmt: skip
"""What a Step does, and how its own Task ends. Nobody believes the ends that it writes itself."""


def attacks(image: str = "busybox") -> dict[str, Any]:
    """Return the Pipeline: all attacks, and the Tasks `writer`, `reader`, `victim`, which they must not affect."""
    text = base64.b64encode(TEXT.encode()).decode()
    tasks = {
        **{name: {**_attacker(script), **RESULT} for name, (script, _) in BAD_RESULTS.items()},
        **{name: _attacker(given) for name, (given, _) in ATTACKS.items()},
        "writer": {"scripts": f"echo {text} | base64 -d > {OUT}", **RESULT},
        "reader": {
            "scripts": f'test "$(printf %s "$GIVEN" | base64 -w 0)" = {text}',
            "params": [{"name": "given", "value": "$(tasks.writer.results.out)"}],
            "taskSpec": {
                "params": [{"name": "given"}],
                "stepTemplate": {"env": [{"name": "GIVEN", "value": "$(params.given)"}]},
            },
        },
        "victim": {"scripts": [f"printf mine > {OUT}", f"test $(cat {OUT}) = mine"], **RESULT},
    }
    return pipeline(tasks, {"report": "echo victim was $(tasks.victim.status)"}, image=image)


def wanted() -> dict[str, str]:
    """Return the reason with which each Task ends."""
    return {
        **dict.fromkeys(BAD_RESULTS, "TaskRunValidationFailed"),
        "sparse": "TaskRunResultLargerThanAllowedLimit",
        **{name: reason for name, (_, reason) in ATTACKS.items()},
        **dict.fromkeys(("writer", "reader", "victim", "report"), "Succeeded"),
    }


def wrong_messages(messages: dict[str, str]) -> dict[str, str]:
    """Return the messages of Tasks with bad Results that do not say what is wrong with the Results."""
    found = {name: messages[name] for name in BAD_RESULTS}
    return {
        name: text for name, text in found.items() if not text.startswith(f"{OUT} ") or BAD_RESULTS[name][1] not in text
    }


def _attacker(given: str | dict[str, Any]) -> dict[str, Any]:
    fields = given if isinstance(given, dict) else {"scripts": given}
    return fields if "retries" in fields else {"onError": "continue", **fields}
