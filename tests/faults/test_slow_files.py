"""Volumes where creating, renaming and removing files is slow for all processes of a run: the outcome is the same."""

import sys

import pytest
import system_calls
from host_run import HostRun, pipeline

pytestmark = pytest.mark.slow

CALLS = ("openat", "rename", "renameat", "renameat2", "mkdirat", "unlinkat")
SLOW = [f"{call}=50ms" for call in CALLS]


def everything():
    """Return a Pipeline whose Tasks wait for each other's files, fail, are retried and time out."""
    results = {"results": [{"name": "out"}]}
    workspace = {"workspaces": [{"name": "files"}]}
    tasks = {
        "first": {"scripts": "printf one > $(results.out.path)", "taskSpec": results},
        "retried": {"scripts": 'test "$(context.task.retry-count)" = 1', "retries": 1},
        "late": {"scripts": "exec sleep 100000", "timeout": "2s", "onError": "continue"},
        "writer": {
            "scripts": "for i in 1 2 3 4 5; do echo $i > $(workspaces.files.path)/$i; done",
            "taskSpec": workspace,
            **workspace,
        },
        "reader": {
            "scripts": ["cat $(workspaces.files.path)/*", "echo $(params.text)"],
            "taskSpec": {"params": [{"name": "text"}], **workspace},
            "params": [{"name": "text", "value": "$(tasks.first.results.out)"}],
            "runAfter": ["writer"],
            **workspace,
        },
        "failed": {"scripts": "exit 3", "onError": "continue"},
    }
    document = pipeline(tasks, {"report": "echo $(tasks.reader.status) $(tasks.failed.status) $(tasks.late.status)"})
    document["spec"]["workspaces"] = [{"name": "files"}]
    return document


@pytest.mark.skipif(not system_calls.IS_SUPPORTED, reason="the numbers of system calls are not known here")
def test_slow_files(tmp_path):
    run = HostRun(tmp_path / "state", python=(sys.executable, system_calls.__file__, *SLOW, "--", sys.executable))
    try:
        ended = run.run(everything())
        names = ("first", "retried", "late", "writer", "reader", "failed", "report")
        assert {name: ended.task(name)[0] for name in names} == {
            **dict.fromkeys(names, "Succeeded"),
            "late": "TaskRunTimeout",
            "failed": "FailureIgnored",
        }
        assert ended.lines("reader") == ["1", "2", "3", "4", "5"]
        assert "[reader : s1] one" in ended.shown
        assert ended.lines("report") == ["Succeeded Failed Failed"]
        assert ended.code == 0, ended.shown
        assert run.remains() == []
    finally:
        run.close()
