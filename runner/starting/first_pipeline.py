"""The files that `monopod init` writes: ``pipeline.yaml``, and ``monopod.yaml`` so that `monopod run` needs no options.

The Tasks run one after another, since all of them write to the project's directory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from monopod.runner.starting.building_blocks import Block, Database

PIPELINE, PROJECT = "pipeline.yaml", "monopod.yaml"

_MINIMAL = """\
# A first Pipeline, by `monopod init`. Run it with `monopod run`.
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: {name}
spec:
  workspaces:
    - name: source
  tasks:
    - name: hello
      timeout: 10m
      workspaces:
        - name: source
      taskSpec:
        workspaces:
          - name: source
        steps:
          - name: look
            image: docker.io/library/busybox:stable
            workingDir: $(workspaces.source.path)
            script: |
              #!/bin/sh
              set -e
              echo "Hello from $(context.taskRun.name)"
              ls
"""


def project_text() -> str:
    """Return the content of ``monopod.yaml``."""
    return (
        "# What `monopod run` does without options (docs/command-line.md).\n"
        f"file: {PIPELINE}\n"
        "workspaces:\n"
        "  source: .\n"
    )


def pipeline_text(directory_name: str, blocks: Sequence[Block]) -> str:
    """Return the content of ``pipeline.yaml`` for these building blocks."""
    name = re.sub(r"[^a-z0-9]+", "-", directory_name.lower()).strip("-")[:50].strip("-") or "project"
    if name[0].isdecimal():
        name = f"ci-{name}"[:50]
    if not blocks:
        return _MINIMAL.replace("{name}", name)
    lines = [
        "# A first Pipeline, by `monopod init`. Run it with `monopod run`.",
        "apiVersion: tekton.dev/v1",
        "kind: Pipeline",
        "metadata:",
        f"  name: {name}",
        "spec:",
        "  workspaces:",
        "    - name: source",
        "      description: the project's directory",
        "  tasks:",
    ]
    before: str | None = None
    for block in blocks:
        lines += (f"    {line}".rstrip() for line in _task(block, before))
        before = block.name
    return "".join(f"{line}\n" for line in lines)


def _task(block: Block, before: str | None) -> Iterator[str]:
    yield f"- name: {block.name}  # because of {block.found}"
    if before is not None:
        yield f"  runAfter: [{before}]"
    yield "  timeout: 30m"
    yield "  workspaces:"
    yield "    - name: source"
    yield "  taskSpec:"
    if block.cached:
        yield "    metadata:"
        yield "      annotations:"
        yield "        monopod.dev/cache: |  # kept from one run to the next; Tekton ignores it"
        hashed = ", ".join(f"'{name}'" for name in block.hashed)
        yield f"          key: {block.name}-$(hashFiles({hashed}))"
        yield f"          restoreKeys: [{block.name}-]"
        yield f"          paths: [{', '.join(block.cached)}]"
    yield "    workspaces:"
    yield "      - name: source"
    if block.environment:
        yield "    stepTemplate:"
        yield from _environment(block.environment, "      ")
    if block.database is not None:
        yield from _sidecar(block.database)
    yield "    steps:"
    for name, script in block.steps:
        yield f"      - name: {name}"
        yield f"        image: {block.image}"
        yield "        workingDir: $(workspaces.source.path)"
        yield "        script: |"
        for line in ("#!/bin/sh", "set -e", *script):
            yield f"          {line}"


def _environment(values: Mapping[str, str], indent: str) -> Iterator[str]:
    yield f"{indent}env:"
    for name, value in values.items():
        yield f"{indent}  - name: {name}"
        yield f"{indent}    value: {json.dumps(value)}"


def _sidecar(database: Database) -> Iterator[str]:
    yield "    sidecars:  # this needs containers or a cluster; --backend host cannot run it"
    yield f"      - name: {database.name}"
    yield f"        image: {database.image}"
    yield f"        command: {json.dumps(list(database.command))}"
    if database.settings:
        yield from _environment(database.settings, "        ")
    yield "        readinessProbe:"
    yield "          exec:"
    yield f"            command: {json.dumps(list(database.ready))}"
    yield "          periodSeconds: 1"
