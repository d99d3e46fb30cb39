"""docs/rules.md is correct: it lists all rules, and each of its examples breaks its rule."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from monopod.compiler.advice.checking import check
from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.rules import SUMMARIES, Rule

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "rules.md").read_text()
ENTRY = re.compile(r"^### `([\w-]+)`\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^```(yaml|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRIES = ENTRY.findall(PAGE)
WITHOUT_EXAMPLE = {"too-deep", "pod-size", "image-platforms"}  # it would be longer than the page
WITHOUT_EXAMPLE |= {"workload", "missing-result"}  # `check` has no such options
EXAMPLES = [(rule, language, text) for rule, entry in ENTRIES for language, text in EXAMPLE.findall(entry)]


def test_page_lists_all_rules():
    assert [rule for rule, _ in ENTRIES] == list(SUMMARIES) == list(get_args(Rule))


def test_every_rule_is_used_in_the_code():
    files = [path for folder in ("compiler", "runner") for path in (ROOT / folder).rglob("*.py")]
    texts = {
        node.value
        for path in files
        if path.name != "rules.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(SUMMARIES) <= texts


@pytest.mark.parametrize(("rule", "entry"), ENTRIES, ids=[rule for rule, _ in ENTRIES])
def test_every_entry_has_severity_fix_and_example(rule: str, entry: str):
    assert re.search(r"\b(Error|error|Warning|warning|Note|note)\b", entry)
    assert SUMMARIES[rule].rstrip(".") in " ".join(entry.split())
    assert "Fix:" in entry
    assert bool(EXAMPLE.search(entry)) == (rule not in WITHOUT_EXAMPLE)


def test_every_example_is_in_an_entry():
    assert len(EXAMPLES) == len(EXAMPLE.findall(PAGE))


def rules_of(text: str) -> set[str]:
    """Return the rules that a part of a Task breaks."""
    Path("example.yaml").write_text(whole(text))
    return {problem.rule for problem in check(load(["example.yaml"]), Options()).problems}


def test_documented_suppression_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    comments, annotation, *_ = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    step = "params:\n  - name: x\nsteps:\n      - name: s\n" + comments + '          echo "$(params.x)"\n'
    without = re.sub("# monopod: .*", "", step)
    assert {"unpinned-image", "script-injection"} <= rules_of(without)
    assert rules_of(without) - rules_of(step) == {"unpinned-image", "script-injection"}
    name = "metadata:\n  name: example\n"
    task = f"apiVersion: tekton.dev/v1\nkind: Task\n{name}spec:\n  steps: [{{image: alpine, command: [make]}}]\n"
    ignoring = annotation.replace("metadata:\n", name)
    assert {"parallel-writers", "no-timeout"} == set(re.findall(r"[a-z]+-[a-z]+", annotation.partition("ignore: ")[2]))
    ignoring = ignoring.replace("parallel-writers", "unpinned-image")
    assert rules_of(task) - rules_of(task.replace(name, ignoring)) == {"unpinned-image"}


def test_documented_fix_for_script_injection_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    entry = dict(ENTRIES)["script-injection"]
    (fix,) = re.findall(r"^```text\n(.*?)^```$", entry, re.MULTILINE | re.DOTALL)
    step = "image: alpine\n" + fix
    task = "params:\n  - name: title\nsteps:\n  -\n" + "".join(f"    {line}\n" for line in step.splitlines())
    assert "script-injection" not in rules_of(task)
    assert "script-injection" in rules_of(task.replace('"$TITLE"', '"$(params.title)"'))


def whole(text: str) -> str:
    """Return the document that an example is a part of."""
    keys = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    if keys & {"apiVersion", "a"} or not keys:
        return text
    kind = "Pipeline" if "tasks" in keys else "PipelineRun" if "pipelineSpec" in keys else "Task"
    in_spec = bool(keys & {"tasks", "pipelineSpec", "steps"})
    lines = [f"apiVersion: tekton.dev/v1\nkind: {kind}\nmetadata: {{name: example}}\nspec:"]
    if not in_spec:
        lines.append("  steps:\n    -")
    lines += [("  " if in_spec else "      ") + line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def problems_of(action: Callable[[], object]) -> tuple[Problem, ...]:
    try:
        action()
    except Problems as error:
        return error.problems
    return ()


@pytest.mark.parametrize(("rule", "language", "text"), EXAMPLES, ids=[rule for rule, _, _ in EXAMPLES])
def test_every_example_breaks_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, language: str, text: str
):
    monkeypatch.chdir(tmp_path)
    if language == "sh":
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, env=environment)
        assert f" [{rule}]\n" in done.stdout
        return
    Path("example.yaml").write_text(whole(text))
    found: list[Problem] = []
    found += problems_of(lambda: found.extend(check(load(["example.yaml"]), Options()).problems))
    found += problems_of(
        lambda: found.extend(*(each.warnings for each in compile_runs(load(["example.yaml"]), Options())))
    )
    severities = {problem.severity for problem in found if problem.rule == rule}
    assert severities, found
    said = re.match("(Error|Warning|Note)", dict(ENTRIES)[rule])
    assert said is None or severities == {said[1].lower()}
