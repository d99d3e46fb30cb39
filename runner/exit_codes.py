"""The exit codes of monopod's commands."""

from __future__ import annotations

SUCCEEDED = 0
FAILED = 1
"""The run failed, or how it ended is not known."""
WRONG_INPUT = 2
"""The input or the usage is wrong, and nothing was run."""
CANCELLED = 130
"""The run was cancelled, or the command was interrupted: what a shell shows of a process that SIGINT ended."""
BROKEN_PIPE = 141
"""The reader of the output has gone: what a shell shows of a process that SIGPIPE ended."""
