"""`monopod run --dry-run`: what a compiled run would do, as text.

The Tasks are those of `monopod graph`, in running order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from monopod.compiler.compilation import Compilation
from monopod.compiler.graph import render
from monopod.schemas.formats.visible_text import visible
from monopod.schemas.tekton.params import ParamSpec

_SOURCES = ("persistentVolumeClaim", "configMap", "secret", "hostPath", "emptyDir", "volumeClaimTemplate")
_NAMES = ("claimName", "name", "secretName", "path")


def describe_run(compilation: Compilation, declared: Sequence[ParamSpec], backend: str) -> str:
    """Return what would run: where, with which params and Workspaces, and the Tasks. `declared` are its params."""
    document = compilation.plan.document
    metadata = compilation.pod["metadata"]
    where = f" in namespace {metadata['namespace']}" if "namespace" in metadata else ""
    kind = "Task" if document["kind"] == "TaskRun" else "Pipeline"
    lines = [f"Would run {kind} '{compilation.plan.pipeline.name}'{where} on backend {backend}"]
    lines += _table("Params", _params(document, declared))
    lines += _table("Workspaces", _workspaces(compilation))
    lines += ["", "Tasks"]
    text = "".join(f"{visible(line)}\n" for line in lines) + _indented(render(compilation.plan, "text"))
    skipped = [task.name for task in compilation.plan.pipeline.all_tasks if task.left_out]
    return text + (f"\nSkipped\n  {visible(', '.join(skipped))}\n" if skipped else "")


def _params(document: Mapping[str, Any], declared: Sequence[ParamSpec]) -> Iterator[tuple[str, str]]:
    values = {param["name"]: param["value"] for param in document["spec"].get("params") or ()}
    for name, value in values.items():
        yield name, _shown(value)
    for spec in declared:
        if spec.name not in values and spec.default is not None:
            yield spec.name, f"{_shown(spec.default)}  (default)"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _workspaces(compilation: Compilation) -> Iterator[tuple[str, str]]:
    folders = {each.name: each.folder for each in compilation.exchanged if each.folder}
    for binding in compilation.plan.document["spec"].get("workspaces") or ():
        source = next((source for source in _SOURCES if source in binding), "")
        fields = binding.get(source) or {}
        name = next((str(fields[key]) for key in _NAMES if key in fields), "")
        shown = f"copy of {folders[binding['name']]}" if binding["name"] in folders else f"{source} {name}".strip()
        yield binding["name"], shown or "projected files"


def _table(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    if not rows:
        return []
    width = max(len(name) for name, _ in rows)
    return ["", title, *(f"  {name:{width}}  {value}" for name, value in rows)]


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
