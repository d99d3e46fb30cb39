"""Names that become parts of paths are refused with their position if they are invalid, also after substitution."""

from __future__ import annotations

import pytest

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{{metadata}}}
spec:
  params: [{{name: up, value: ../..}}]
  workspaces:
    - {{name: w, {binding}}}
  pipelineSpec:
    params: [{{name: up}}]
    workspaces: [{{name: w}}]
    tasks:
      - name: t
        workspaces: [{{name: w, subPath: "{sub_path}"}}]
        taskSpec:
          workspaces: [{{name: w}}]
          volumes: [{{name: v, {volume}}}]
          steps:
            - name: s
              image: x
              command: [ls]
              env: [{{name: A, valueFrom: {reference}}}]
              envFrom: [{source}]
              volumeMounts: [{{name: v, mountPath: /v, subPath: "{mounted}"}}]
"""
FINE = {
    "metadata": "name: r",
    "binding": "emptyDir: {}",
    "sub_path": "a/b",
    "volume": "emptyDir: {}",
    "reference": "{secretKeyRef: {name: s, key: a_B.c}}",
    "source": "{configMapRef: {name: a.b}}",
    "mounted": "..a/b..",
}
CLAIM = "use at most 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
LABEL = "use at most 63 lower-case letters, digits and '-', with a letter or digit at both ends"
PATH = "is not a path inside the volume: use a relative path without '..'"
KEY = "use at most 253 letters, digits, '-', '_' and '.', without '..' at its start"


def test_valid_names_are_accepted(compiled):
    assert compiled(RUN.format(**FINE)).pod["metadata"]["name"] == "r"


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("metadata", "{name: r, namespace: ../n}", f"3:32: metadata.namespace: '../n' is not a valid name: {LABEL}"),
        ("metadata", "{name: r, namespace: a.b}", f"3:32: metadata.namespace: 'a.b' is not a valid name: {LABEL}"),
        ("metadata", "{generateName: ../r-}", "3:26: metadata.generateName: '../r-' cannot begin a name: use"),
        (
            "binding",
            "persistentVolumeClaim: {claimName: ../c}",
            f"7:52: spec.workspaces[0].persistentVolumeClaim.claimName: '../c' is not a valid name: {CLAIM}",
        ),
        (
            "binding",
            "persistentVolumeClaim: {claimName: $(params.up)}",
            f"7:52: spec.workspaces[0].persistentVolumeClaim.claimName: '../..' is not a valid name: {CLAIM}",
        ),
        ("binding", "emptyDir: {}, subPath: ../x", f"7:40: spec.workspaces[0].subPath: '../x' {PATH}"),
        ("binding", "secret: {secretName: A}", "7:38: spec.workspaces[0].secret.secretName: 'A' is not a valid name"),
        (
            "binding",
            "configMap: {name: c, items: [{key: ../k, path: a}]}",
            f"7:52: spec.workspaces[0].configMap.items[0].key: '../k' is not a valid key: {KEY}",
        ),
        (
            "binding",
            "projected: {sources: [{secret: {name: s, items: [{key: k, path: /a}]}}]}",
            f"7:81: spec.workspaces[0].projected.sources[0].secret.items[0].path: '/a' {PATH}",
        ),
        ("sub_path", "a/../../b", f"spec.pipelineSpec.tasks[0].workspaces[0].subPath: 'a/../../b' {PATH}"),
        ("sub_path", "$(params.up)/b", f"spec.pipelineSpec.tasks[0].workspaces[0].subPath: '../../b' {PATH}"),
        (
            "volume",
            "persistentVolumeClaim: {claimName: a/b}",
            "spec.pipelineSpec.tasks[0].taskSpec.volumes[0].persistentVolumeClaim.claimName: 'a/b' is not a valid",
        ),
        ("mounted", "/x", f"taskSpec.steps[0].volumeMounts[0].subPath: '/x' {PATH}"),
        ("reference", "{secretKeyRef: {name: ../s, key: k}}", "env[0].valueFrom.secretKeyRef.name: '../s' is not"),
        ("reference", "{configMapKeyRef: {name: s, key: ../k}}", "env[0].valueFrom.configMapKeyRef.key: '../k' is not"),
        ("source", "{secretRef: {name: ../s}}", "envFrom[0].secretRef.name: '../s' is not a valid name"),
    ],
)
def test_invalid_names_are_refused_with_their_position(problems, field, text, expected):
    text = text.strip("{}") if field == "metadata" else text
    (problem,) = problems(RUN.format(**{**FINE, field: text}))
    assert expected in problem
    assert problem.startswith("p.yaml:")


def test_namespace_of_the_command_line_is_checked_too(problems):
    (problem,) = problems(RUN.format(**FINE), namespace="../n")
    assert problem == f"--namespace: '../n' is not a valid name: {LABEL}"


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
@pytest.mark.parametrize("key", ["../k", "a/b", ".", "..", "..data"])
def test_key_must_be_a_file_name(problems, kind, key):
    document = f"---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: c}}\ndata: {{'{key}': x}}\n"
    (problem,) = problems(RUN.format(**FINE) + document)
    assert f"'{key}' is not a valid key: {KEY}" in problem
