"""Missing ConfigMaps, Secrets, keys, and paths of the machine that a Pod needs."""
# ruff: noqa: E501  # documents and lines are complete, as users read them

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from monopod.compiler.advice.checking import check
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.runner.command_line import main

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: deploy}
spec:
  volumes: [VOLUMES]
  steps:
    - image: alpine:3
      command: ["true"]
      volumeMounts: [MOUNTS]
      env: [ENV]
      envFrom: [FROM]
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
data: {user: YQ==}
stringData: {token: abc}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
binaryData: {bin: YQ==}
"""
NEEDED = ", which the Task 'deploy' needs"


def task(**parts: str) -> str:
    text = TASK
    for name in ("VOLUMES", "MOUNTS", "ENV", "FROM"):
        text = text.replace(f"[{name}]", f"[{parts.get(name, '')}]")
    return text


def secret_key(name: str, key: str, more: str = "") -> str:
    return task(ENV=f"{{name: X, valueFrom: {{secretKeyRef: {{name: {name}, key: {key}{more}}}}}}}")


def volume(source: str) -> str:
    return task(VOLUMES=f"{{name: v, {source}}}", MOUNTS="{name: v, mountPath: /v}")


def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[tuple[str, str]]:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(text)
    problems = check(load(["p.yaml"]), Options()).problems
    return [(each.severity, str(each)) for each in problems if each.rule == "missing-object"]


CASES = {
    "a key": (secret_key("registry", "tokn"), "error", f"the Secret 'registry' has no key 'tokn'{NEEDED} (did you mean 'token'?)"),
    "a Secret of a like name": (secret_key("registri", "token"), "warning", f"there is no Secret 'registri' in the files{NEEDED} (did you mean 'registry'?)"),
    "a Secret": (secret_key("elsewhere", "x"), "note", f"there is no Secret 'elsewhere' in the files{NEEDED}; a cluster may have it, else give it with --secret elsewhere/x=env:VARIABLE, or with -f"),
    "a ConfigMap in a volume": (volume("configMap: {name: zzz}"), "note", f"there is no ConfigMap 'zzz' in the files{NEEDED}; a cluster may have it, else give it with -f"),
    "a key in a volume": (volume("configMap: {name: settings, items: [{key: q, path: q}]}"), "error", f"the ConfigMap 'settings' has no key 'q'{NEEDED}"),
    "a projected Secret": (volume("projected: {sources: [{secret: {name: zzz}}]}"), "note", f"there is no Secret 'zzz' in the files{NEEDED}; a cluster may have it, else give it with --secret zzz=@FILE, or with -f"),
    "envFrom": (task(FROM="{configMapRef: {name: setings}}"), "warning", f"there is no ConfigMap 'setings' in the files{NEEDED} (did you mean 'settings'?)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_missing_objects_are_reported_with_position_and_task(tmp_path, monkeypatch, case):
    text, severity, expected = CASES[case]
    ((said, line),) = found(tmp_path, monkeypatch, text)
    assert said == severity
    assert line.startswith(
        "p.yaml:5:" if "volumes: [{" in text else "p.yaml:10:" if "env: [{" in text else "p.yaml:11:"
    )
    assert line.endswith(expected)


@pytest.mark.parametrize(
    "text",
    [
        secret_key("registry", "token"),
        secret_key("registry", "user"),
        secret_key("nothing", "x", ", optional: true"),
        volume("configMap: {name: settings, items: [{key: bin, path: b}]}"),
        volume("secret: {secretName: zzz, optional: true}"),
        volume("configMap: {name: kube-root-ca.crt}"),
        volume("hostPath: {path: /nonexistent}"),
        task(ENV="{name: X, valueFrom: {secretKeyRef: {key: x}}}"),
        task(FROM="{configMapRef: {}}, {secretRef: {}}"),
        volume("configMap: {}"),
    ],
)
def test_existing_and_optional_objects_are_not_reported(tmp_path, monkeypatch, text):
    assert found(tmp_path, monkeypatch, text) == []


def test_notes_are_only_for_check_and_errors_for_local_runs(tmp_path, monkeypatch, compiled):
    assert compiled(secret_key("elsewhere", "x")).warnings == ()
    with pytest.raises(Problems) as raised:
        compiled(secret_key("elsewhere", "x"), local=True)
    assert str(raised.value).endswith(
        f"there is no Secret 'elsewhere' in the files{NEEDED}; give it with --secret elsewhere/x=env:VARIABLE, or with -f"
    )


@pytest.mark.parametrize("kind", ["", ", type: Directory", ", type: File"])
def test_missing_host_path_is_an_error_on_this_machine(compiled, tmp_path, kind):
    text = volume(f"hostPath: {{path: {tmp_path}/missing{kind}}}")
    with pytest.raises(Problems) as raised:
        compiled(text, local=True)
    assert str(raised.value).endswith(
        f"there is no {tmp_path}/missing on this machine; make it, or set type: DirectoryOrCreate"
    )
    (tmp_path / "missing").mkdir()
    compiled(text, local=True)


def test_created_host_path_may_be_missing(compiled, tmp_path):
    compiled(volume(f"hostPath: {{path: {tmp_path}/made, type: DirectoryOrCreate}}"), local=True)


def test_misspelt_folder_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\nspec:\n  workspaces: [{name: s}]\n"
        "  steps: [{image: i, script: ls $(workspaces.s.path)}]\n"
    )
    binding = f"s=hostPath:{tmp_path}/nope"
    monkeypatch.setattr(sys, "argv", ["monopod", "run", "-f", "p.yaml", "-w", binding, "--backend", "host"])
    assert main() == 2
    assert f"-w {binding}: there is no {tmp_path}/nope on this machine" in capsys.readouterr().err
    assert not (tmp_path / "nope").exists()
