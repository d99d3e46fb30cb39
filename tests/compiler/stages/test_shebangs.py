"""An interpreter line that the kernel cannot start is an error when compiling."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("#!/usr/bin/env python3\\r\\n", "'python3\\r' would be started; write it with LF"),
        ("#!/bin/sh\\r\\n", "'/bin/sh\\r' would be started; write it with LF"),
        ("#!python3\\n", "the interpreter 'python3' is not an absolute path; write #!/usr/bin/env python3"),
        ("#!bin/sh -e\\n", "the interpreter 'bin/sh' is not an absolute path; write #!/usr/bin/env bin/sh"),
        ("#!\\n", "the first line names no interpreter after #!; write #!/bin/sh"),
    ],
)
@pytest.mark.parametrize("user", ["steps", "sidecars"])
def test_interpreter_that_cannot_start_is_an_error(problems, line, expected, user):
    both = {"steps": "{name: s, image: i, script: x}", "sidecars": "{name: c, image: i, script: x}"}
    both[user] = both[user].replace("script: x", f'script: "{line}echo"')
    text = (
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\n"
        f"spec:\n  steps: [{both['steps']}]\n  sidecars: [{both['sidecars']}]\n"
    )
    (found,) = problems(text)
    assert found.startswith("p.yaml:5:" if user == "steps" else "p.yaml:6:")
    assert found.endswith(expected)


@pytest.mark.parametrize(
    "line", ["#!/bin/sh\\n", "#! /usr/bin/env -S python3 -u\\n", "#!$(params.shell)\\n", "echo\\r\\n"]
)
def test_interpreter_that_may_start_is_accepted(problems, line):
    text = (
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\n"
        f'spec:\n  params: [{{name: shell, default: /bin/sh}}]\n  steps: [{{image: i, script: "{line}echo"}}]\n'
    )
    assert problems(text) == []
