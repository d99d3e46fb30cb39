"""Durations, exit codes and tables as people read them, the same inside the Pod and outside.

Standard library only, since the coordinator imports it.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from monopod.schemas.formats.exit_codes import signal_of


def format_duration(seconds: float) -> str:
    """Return a duration as a person reads it: ``0.3s``, ``12.0s``, ``3m05s``, ``1h02m``."""
    seconds = max(seconds, 0.0)
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def format_age(seconds: float) -> str:
    """Return an age as kubectl prints it, in its largest unit: ``12s``, ``5m``, ``3h``, ``7d``."""
    whole = max(int(seconds), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= length:
            return f"{whole // length}{unit}"
    return f"{whole}s"


def describe_exit(code: int) -> str:
    """Return how a process ended, as a verb phrase; `code` is the exit code or the negative signal."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def describe_exit_code(code: int) -> str:
    """Return the meaning of an exit code, by the conventions of shells and Kubernetes: 137 is ``ended by SIGKILL``."""
    if code == 126:
        return "exit code 126: command cannot be run"
    if code == 127:
        return "exit code 127: command not found"
    if (number := signal_of(code)) is not None:
        try:
            return f"exit code {code}: ended by {signal.Signals(number).name}"
        except ValueError:
            pass  # a program may choose any number
    return f"exit code {code}"


def describe_out_of_memory(limit: str = "") -> str:
    """Return the message for a Step that ran out of memory; `limit` is the container's, as written."""
    return "killed: out of memory" + (f", limit {limit}" if limit else "")


def describe_missing_program(message: str, image: str) -> str:
    """Return the message for a missing program on a backend without images; `message` may name the program."""
    problem = message or "command not found on this machine"
    return f"{problem}; the host backend does not use image {image}: install the command, or run with --backend podman"


def table_lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
