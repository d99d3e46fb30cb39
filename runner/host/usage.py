"""Measures CPU and memory of a Pod's containers on this machine, from their processes.

A container's first process is a child of the sandbox, which knows its PID in the Pod's PID namespace; the kernel shows
both PIDs (proc_pid_status(5), ``NSpid``). CPU time of processes that have ended counts as well: the kernel adds it to
the process that waited for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

import psutil

from monopod.runner.follow.usage import ContainerUsage


def container_usage(
    launcher: int, first_processes: Mapping[str, int], names: Iterable[str]
) -> dict[str, ContainerUsage]:
    """Return the usage of the containers `names`.

    `launcher` is the PID of the sandbox's parent; `first_processes` has the PID of each container's first process in
    the Pod's PID namespace.
    """
    try:
        processes = psutil.Process(launcher).children(recursive=True)
    except psutil.Error:
        return {}
    children: dict[int, list[psutil.Process]] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            children.setdefault(process.ppid(), []).append(process)
    sandboxes = children.get(launcher, [])
    by_number = {
        _number_in_pod(process.pid): process for sandbox in sandboxes for process in children.get(sandbox.pid, ())
    }
    roots = {name: by_number[first_processes[name]] for name in names if first_processes.get(name) in by_number}
    return {name: _usage(root, children) for name, root in roots.items()}


def sandbox_of(launcher: int) -> int | None:
    """Return the PID of the sandbox; None if it is gone."""
    try:
        return next((process.pid for process in psutil.Process(launcher).children()), None)
    except psutil.Error:
        return None


def _usage(root: psutil.Process, children: Mapping[int, list[psutil.Process]]) -> ContainerUsage:
    cpu, memory = 0.0, 0
    waiting = [root]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process.pid, ())
        with contextlib.suppress(psutil.Error), process.oneshot():
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            memory += process.memory_info().rss
    return ContainerUsage(cpu, memory)


def _number_in_pod(pid: int) -> int | None:
    """Return the PID of a container's first process in the Pod's PID namespace."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            line = next((line for line in file if line.startswith("NSpid:")), "")
    except OSError:
        return None
    numbers = line.split()[1:]
    return int(numbers[-2]) if len(numbers) >= 2 else None
