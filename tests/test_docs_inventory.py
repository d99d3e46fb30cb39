"""Everything in the documentation is checked: blocks, links, pictures, options, commands, variables, exit codes.

`test_docs_commands` runs commands, transcripts and the files that a page asks the reader to write. Every other block is
listed here by its beginning, with what keeps it true. An unlisted block fails a test.
"""

from __future__ import annotations

import argparse
import ast
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from podman_store import CONFIGURATION
from shown_commands import Block, File, blocks, pages, shown

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.pod.security import Profile
from monopod.compiler.remote.local.project import read_rules
from monopod.compiler.remote.local.rules import choose
from monopod.compiler.remote.reference import RemoteReference
from monopod.compiler.remote.resolution import address_of
from monopod.runner import command_line, exit_codes
from monopod.runner.display import ci_systems

ROOT = Path(__file__).parents[1]
PAGES = {name: (ROOT / name).read_text() for name in pages(ROOT)}
A_PICTURE = "a picture for people"
OTHERS = {
    "README.md": {" pipeline.yaml ──▶ compile": A_PICTURE},
    "docs/command-line.md": {
        "The host backend does not use images:": "test_docs_commands: the live view of a real run",
        "Backend podman (all images are here)": "podman/test_automatic_choice.py: the lines",
        "file: pipeline.yaml": "runner/test_project_files.py runs it",
        "version: ": "runner/test_params.py reads it",
    },
    "docs/ci.md": {
        "pipeline {": "a Jenkinsfile; the page says that it has not been run",
        "pipeline:": "test_docs_ci runs its scripts",
        "apiVersion: v1": "test_docs_ci validates it",
        "apiVersion: rbac.authorization.k8s.io/v1": "test_docs_ci validates it; the first has the rights of the script",
        "apiVersion: tekton.dev/v1": "test_docs_ci compiles it",
    },
    "examples/knative/README.md": {"spec:\n  template:": "compiler/importers/test_knative.py compiles it"},
    "docs/how-it-works.md": {"┌ Pod ─": A_PICTURE, " coordinator  ": A_PICTURE, " Pipeline      Tasks ─": A_PICTURE},
    "docs/views.md": {
        "artifacts:": "semantics/cases/digests.yaml: the status has it",
        "conflict: ": "coordinator/test_views.py: a merge prints it",
        "metadata:\n  annotations:": "compiler/stages/test_views.py compiles it",
    },
    "docs/debugging.md": {"spec:\n  debug:": "compiler/stages/test_breakpoints.py compiles it"},
    "docs/images.md": {"alpine:3:": "below: its ENTRYPOINT and CMD are in the Pod"},
    "docs/capacity.md": {
        "build Succeeded in 12m": "kubernetes/test_shrinking.py: the last line",
        "apiVersion: rbac.authorization.k8s.io/v1": "below: it has the right to resize Pods",
    },
    "docs/kubernetes.md": {"apiVersion: rbac.authorization.k8s.io/v1": "below: it has the rights of the table"},
    "docs/kubernetes-objects.md": {
        "ci.yaml:28:25: spec.tasks[0].taskSpec": "below: the compiler reports it",
        "ci.yaml:31:44: spec.tasks[1].taskSpec": "below: the compiler reports it",
    },
    "docs/podman-backend.md": {
        "Kept in ": "semantics/test_podman.py: the message, and the commands below it",
        "[containers]": "below: the tests use it",
    },
    "docs/references.md": {"resolve:": "below: its rules are read, and match"},
    "docs/rules.md": {
        "        image: alpine:latest   ": "test_docs_rules: it ignores its rules",
        "metadata:\n  annotations:": "test_docs_rules: it ignores its rules",
        "repos:": "test_pre_commit_hook",
        "env:\n  - name: TITLE": "test_docs_rules: it keeps its rule",
        "": "test_docs_rules: each example breaks its rule",
    },
}
"""By page: the beginning of a block, and what keeps it true."""
OF_OTHER_PROGRAMS = {
    "--data": "curl",
    "--file": "git commit",
    "--config": "skopeo inspect",
    "--color": "grep",
    "--remote": "podman",
    "--rm": "podman run",
    "--start": "podman kube play",
    "--type": "buildah inspect",
    "--no-group-separator": "grep",
    "--from": "kubectl create job",
    "--wait": "kubectl delete",
    "--ignore-not-found": "kubectl delete",
    "--previous": "kubectl logs",
    "--entrypoint": "argo submit",
    "--watch": "argo submit",
    "--reuse": "act",
    "--validate": "act",
    "--interactive": "dagger",
    "--exit-code": "git diff",
    "--fail": "curl",
    "--silent": "curl",
    "--showlog": "tkn pipeline start",
    "--last": "tkn pipeline start",
    "--use-param-defaults": "tkn pipeline start",
    "--show-error": "curl",
    "--create": "git switch",
    "--all": "git commit",
    "--message": "git commit",
    "--help": "the program of an example",
    "--root": "the program of an example",
    "--strict": "mypy",
}
SOURCES = [path for folder in ("compiler", "runner", "schemas", "system") for path in (ROOT / folder).rglob("*.py")]
PLACEHOLDERS = {"CODE", "SIGTERM", "SIGKILL"}
NAMES_OF_SYSTEMS = {"CI_IMAGE": "docs/ci.md's reader chooses it", "LOCK_EX": "flock(2)", "O_EXCL": "open(2)"}


def block_named(page: str, beginning: str) -> Block:
    (block,) = (each for each in blocks(PAGES[page]) if each.text.startswith(beginning))
    return block


def is_run(block: Block) -> bool:
    return block.kind == "sh" or block.is_transcript or block.file is not None


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_tested(page: str):
    """The beginning "" matches every block of a page of examples."""
    others = [each.text for each in blocks(PAGES[page]) if not is_run(each)]
    listed = OTHERS.get(page, {})
    assert [text for text in others if not text.startswith(tuple(listed))] == []
    assert [start for start in listed if not any(text.startswith(start) for text in others)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_is_closed_and_has_a_known_kind(page: str):
    fences = re.findall(r"^\s*(?:```|~~~).*$", PAGES[page], re.MULTILINE)
    assert len(fences) == 2 * len(list(blocks(PAGES[page])))
    assert {each.kind for each in blocks(PAGES[page])} <= {"", "sh", "console", "yaml", "toml", "text", "groovy"}


@pytest.mark.parametrize("page", PAGES)
def test_files_of_a_page_compile(page: str, tmp_path: Path):
    """They may refer to documents in the files beside the page."""
    files = [each for each in shown(PAGES[page]) if isinstance(each, File)]
    for each in files:
        (tmp_path / each.name).write_text(each.text)
    if files:
        paths = [*(ROOT / page).parent.glob("*.yaml"), *(tmp_path / each.name for each in files)]
        assert compile_runs(load([*map(str, paths)]), Options(name=None))


def test_rules_of_the_page_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "monopod.yaml").write_text(block_named("docs/references.md", "resolve:").text)
    monkeypatch.chdir(tmp_path)
    params = (("url", "https://github.com/acme/tasks"), ("pathInRepo", "a.yaml"))
    match = choose([read_rules()], address_of(RemoteReference("Task", "git", params)))
    assert match is not None
    assert match.directory == "../tasks"


def test_image_configurations_of_the_page_are_in_the_pod(tmp_path: Path):
    text = block_named("docs/images.md", "alpine:3:").text
    (tmp_path / "images.yaml").write_text(text)
    for image, given in yaml.safe_load(text).items():
        task = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "t"}}
        (tmp_path / "task.yaml").write_text(yaml.safe_dump(task | {"spec": {"steps": [{"name": "s", "image": image}]}}))
        options = Options(image_configs=(str(tmp_path / "images.yaml"),))
        (compiled,) = compile_runs(load([str(tmp_path / "task.yaml")]), options)
        (found,) = yaml.safe_load(compiled.pod["metadata"]["annotations"]["monopod.dev/images"])
        config = given["config"]
        assert found["source"] == "file"
        assert (found.get("entrypoint", []), found["cmd"]) == (config.get("Entrypoint", []), config["Cmd"])


def test_role_has_the_rights_of_the_table():
    page = PAGES["docs/kubernetes.md"]
    role = yaml.safe_load(block_named("docs/kubernetes.md", "apiVersion: rbac").text)
    for version in ("1.25", "1.37"):
        kubernetes_validate.validate(role, version, strict=True)
    has = {
        f"{verb} {resource}" + "".join(f".{group}" for group in rule["apiGroups"] if group)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(("| `run` |", "| … with"))
    ]
    objects = "configmaps, secrets, persistentvolumeclaims"
    wanted = set()
    for _, *cells in rows:
        for verb, cell in zip(("create", "get", "list", "watch", "patch", "delete"), cells, strict=True):
            names = cell.replace("the same", objects).replace(" instead of pods", "")
            wanted |= {f"{verb} {name}" for name in names.split(", ") if name}
    assert len(rows) == 5
    assert has - {"get pods"} == wanted


def test_role_of_a_pod_that_shrinks_itself():
    role, binding = yaml.safe_load_all(block_named("docs/capacity.md", "apiVersion: rbac").text)
    for version in ("1.33", "1.37"):
        kubernetes_validate.validate(role, version, strict=True)
        kubernetes_validate.validate(binding, version, strict=True)
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods/resize"], "verbs": ["patch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def problem_of(tmp_path: Path, documents: list[dict[str, Any]], options: Options) -> str:
    """Return the only problem, without its place and rule."""
    (tmp_path / "ci.yaml").write_text(yaml.safe_dump_all(documents))
    with pytest.raises(Problems) as raised:
        compile_runs(load([str(tmp_path / "ci.yaml")]), options)
    (problem,) = raised.value.problems
    return str(problem).split(": ", maxsplit=1)[1].rsplit(" [", maxsplit=1)[0]


def a_pipeline(*specs: dict[str, Any]) -> dict[str, Any]:
    step = {"name": "make", "image": "alpine", "command": ["make"]}
    tasks = [
        {"name": f"t{number}", "taskSpec": spec | {"steps": [step | spec.get("steps", [{}])[0]]}}
        for number, spec in enumerate(specs)
    ]
    return {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "ci"}, "spec": {"tasks": tasks}}


def test_page_quotes_problems_of_pod_security_and_limit_ranges(tmp_path: Path):
    limits = {"type": "Container", "max": {"cpu": "2"}}
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small"},
        "spec": {"limits": [limits]},
    }
    privileged: dict[str, Any] = {"stepTemplate": {"securityContext": {"privileged": True}}}
    large: dict[str, Any] = {"steps": [{"computeResources": {"limits": {"cpu": "4"}}}]}
    restricted: Profile = "restricted"
    said = [
        problem_of(tmp_path, [a_pipeline(privileged)], Options(pod_security=restricted)),
        problem_of(tmp_path, [a_pipeline({}, large), limit_range], Options()),
    ]
    shown_there = [each.text for each in blocks(PAGES["docs/kubernetes-objects.md"])]
    assert [text.split(": ", maxsplit=1)[1].strip() for text in shown_there] == said


def test_podman_configuration_matches_the_tests():
    assert tomllib.loads(block_named("docs/podman-backend.md", "[containers]").text) == tomllib.loads(CONFIGURATION)


def test_no_link_is_broken():
    """The program of examples/python-ci finds broken links in Markdown, including anchors."""
    program = [sys.executable, "-m", "mdlinks", "--root", ROOT, *(ROOT / name for name in PAGES)]
    done = subprocess.run(program, cwd=ROOT / "examples/python-ci/app", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(rf"\d\d\d links in {len(PAGES)} files checked, 0 broken\n", done.stdout)


def test_picture_of_a_run_is_up_to_date():
    """`make screenshots` draws it again."""
    program = "import live_view; print(live_view.PICTURE.read_text() == live_view.svg())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "docs/screenshots", capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n", done.stderr


def test_every_picture_exists_and_is_shown():
    shown_there = {
        (ROOT / name).parent.joinpath(source).resolve()
        for name, text in PAGES.items()
        for source in re.findall(r'!\[[^\]]*\]\(([^)]+)\)|<img src="([^"]+)"', text)
        for source in filter(None, source)
    }
    pictures = {path.resolve() for ending in ("png", "svg") for path in (ROOT / "docs").rglob(f"*.{ending}")}
    assert shown_there == pictures


def test_every_page_is_in_the_list_of_pages():
    listed = set(re.findall(r"^- \[([\w-]+\.md)\]|\. \[([\w-]+\.md)\]", PAGES["docs/README.md"], re.MULTILINE))
    names = {name for pair in listed for name in pair if name}
    assert names == {Path(name).name for name in PAGES if name.startswith("docs/")} - {"README.md"}


@cache
def parser(name: str) -> argparse.ArgumentParser:
    return command_line.parser_of(f"monopod {name}", name)


def options(name: str) -> set[str]:
    return {option for action in parser(name)._actions for option in action.option_strings}


def prose(page: str) -> str:
    """A page without its blocks."""
    for block in blocks(page):
        page = page.replace(block.text, "")
    return page


def test_options_of_shown_commands_exist():
    wrong = []
    for page, text in PAGES.items():
        for name, rest in re.findall(r"\bmonopod ([a-z]+)\b([^`|\n]*)", text):
            if name in command_line.COMMANDS:
                given = re.findall(r"(?<![\w\])-])--?[a-z][a-z-]*", rest.split(" | ")[0].split("#")[0])
                wrong += [(page, name, option) for option in given if option not in options(name)]
    assert wrong == []


def test_every_mentioned_option_exists():
    known = set().union(*map(options, command_line.COMMANDS)) | set(OF_OTHER_PROGRAMS)
    own = [
        (ROOT / name).read_text() for name in ("images/build.py", "entrypoint/entrypoint.c", "coordinator/__main__.py")
    ]
    known |= {option for text in own for option in re.findall(r'"(--[a-z-]+)"', text)}
    named = {(page, each) for page, text in PAGES.items() for each in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)}
    assert [(page, option) for page, option in sorted(named) if option not in known] == []


def test_every_option_has_help():
    for name in command_line.COMMANDS:
        for action in parser(name)._actions:
            assert action.help, (name, action)
            assert action.help is not argparse.SUPPRESS, (name, action)


def test_commands_exist_and_are_documented():
    named = {
        name
        for text in PAGES.values()
        for name in re.findall(r"(?:`|^\$ |^|\b(?:kubectl|exec) )monopod ([a-z][a-z-]*)", text, re.MULTILINE)
    }
    in_code = {name for text in PAGES.values() for name in re.findall(r"`monopod ([a-z][a-z-]*)", text)}
    assert in_code <= set(command_line.COMMANDS)
    assert set(command_line.COMMANDS) <= named


def test_every_mentioned_variable_is_used():
    files = [path for name in ("coordinator", "entrypoint", "tests") for path in (ROOT / name).rglob("*.py")]
    files += [*SOURCES, *(ROOT / "entrypoint").glob("*.[ch]"), ROOT / "Makefile"]
    sources = "\n".join(path.read_text() for path in files if path != Path(__file__))
    spans = {span for text in PAGES.values() for span in re.findall(r"`[^`\n]+`", prose(text))}
    named = {name for span in spans for name in re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", span)}
    named |= {name for span in spans for name in re.findall(r"`\$?([A-Z]{4,})`", span)} - PLACEHOLDERS
    assert {"NO_COLOR", "TMPDIR", "XDG_STATE_HOME", "MONOPOD_RECORD_DOCS"} <= named
    assert [name for name in sorted(named - set(NAMES_OF_SYSTEMS)) if not re.search(rf"\b{name}\b", sources)] == []


def variables_read(path: Path) -> Iterator[str]:
    """Yield the names that a module looks up in the environment, itself or through a function of its own."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call | ast.Subscript)]
    lookups = [node for node in calls if is_lookup(node)]
    passed_on = any(isinstance(name, ast.Name) for node in lookups for name in names_in(node))
    for node in calls if passed_on else lookups:
        for name in names_in(node):
            if isinstance(name, ast.Constant) and re.fullmatch("[A-Z][A-Z_]+", str(name.value)):
                yield str(name.value)


def is_lookup(node: ast.Call | ast.Subscript) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load) and "environ" in ast.unparse(node.value)
    return isinstance(node.func, ast.Attribute) and node.func.attr == "get" and "environ" in ast.unparse(node.func)


def names_in(node: ast.Call | ast.Subscript) -> list[ast.expr]:
    return node.args[:1] if isinstance(node, ast.Call) else [node.slice]


def test_all_variables_are_on_the_page():
    page = PAGES["docs/environment.md"]
    rows = re.findall(r"^\| (`[A-Z].*?) \|", page, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert listed == {name for path in SOURCES for name in variables_read(path)}
    for name in (*ci_systems.VARIABLES, ci_systems.ANY):
        assert f"`{name}`" in page


def test_exit_codes_match_the_programs():
    of_entrypoint = dict(re.findall(r"\b((?:EXIT|CODE)_\w+) = (\d+)", (ROOT / "entrypoint/entrypoint.h").read_text()))
    assert set(of_entrypoint.values()) >= {"2", "74", "75", "76", "126", "127"}
    page = PAGES["docs/control-directory.md"]
    assert [number for number in of_entrypoint.values() if not re.search(rf"\b{number}\b", page)] == []
    codes = re.findall(r"exits? with (?:code )?(\d+)\b(?! \+)", page)
    assert codes
    assert set(codes) <= set(of_entrypoint.values())
    codes = ["0", "1", str(exit_codes.WRONG_INPUT), str(128 + signal.SIGINT), str(128 + signal.SIGPIPE)]
    assert re.findall(r"^\| (\d+) \| ", PAGES["docs/command-line.md"], re.MULTILINE) == codes
