from __future__ import annotations

import copy
import io
import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monopod.compiler.diagnostics import Position, Problem, Problems
from monopod.compiler.documents import documents, yaml_files
from monopod.compiler.documents.documents import load
from monopod.compiler.documents.foreign_files import of_another_system
from monopod.schemas.kubernetes.claims import PersistentVolumeClaim
from monopod.schemas.kubernetes.objects import ConfigMap, Secret
from monopod.schemas.tekton.pipelines import Pipeline
from monopod.schemas.tekton.runs import PipelineRun
from monopod.schemas.tekton.tasks import Task

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: ci
spec:
  params:
    - name: revision
  tasks:
    - name: build
      taskRef: {name: build}
    - name: test
      runAfter: [build]
      taskSpec:
        steps:
          - name: unit
            image: python
            script: pytest
"""
TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  steps: [{image: alpine, script: make}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the working directory, so that paths in messages are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(*paths: str, standard_input: bytes = b"") -> list[str]:
    with pytest.raises(Problems) as caught:
        load(paths, io.BytesIO(standard_input))
    return [str(problem) for problem in caught.value.problems]


def lines_of(text: str) -> list[str]:
    """Return the problems of this text, without the name of the file."""
    return [line.removeprefix("<stdin>:") for line in lines("-", standard_input=text.encode())]


def load_text(text: str) -> documents.Documents:
    return load(["-"], io.BytesIO(text.encode()))


# Valid documents


def test_documents_keep_their_order_and_have_models_for_known_kinds(folder):
    (folder / "a.yaml").write_text(f"{PIPELINE}---\n{TASK}")
    (folder / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Service", "spec": {"anything": [1, None]}}))
    found = load(["a.yaml", "b.json"])
    assert [(document.file, document.api_version, document.kind, document.name) for document in found] == [
        ("a.yaml", "tekton.dev/v1", "Pipeline", "ci"),
        ("a.yaml", "tekton.dev/v1", "Task", "build"),
        ("b.json", "v1", "Service", ""),
    ]
    ((document, pipeline),) = found.of(Pipeline)
    assert document is found.items[0]
    assert [task.name for task in pipeline.spec.tasks] == ["build", "test"]
    assert found.find(Task, "build") == (found.items[1], found.items[1].model)
    assert found.find(Task, "other") is None
    assert found.others() == (found.items[2],)
    assert found.others()[0].data["spec"] == {"anything": [1, None]}


def test_every_part_has_a_position(folder):
    (folder / "a.yaml").write_text(f"# first\n---\n{PIPELINE}")
    (document,) = load(["a.yaml"])
    assert document.position() == Position("a.yaml", 3, 1)
    assert document.position(("spec", "tasks", 1, "runAfter", 0)) == Position("a.yaml", 14, 18)
    assert document.position(("spec", "tasks", 1, "runAfter"), key=True) == Position("a.yaml", 14, 7)
    assert document.position(("spec", "tasks", 1, "nothing")) == Position("a.yaml", 13, 7)
    problem = document.problem(("spec", "tasks", 1, "runAfter", 0), "there is no Task 'bild'", "unknown-task")
    assert str(problem) == "a.yaml:14:18: spec.tasks[1].runAfter[0]: there is no Task 'bild'"


def test_config_maps_secrets_and_claims_become_models():
    found = load_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n---\n"
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n---\n"
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p}\n"
        "spec: {resources: {requests: {storage: 1Gi}}}\n"
    )
    assert [type(document.model) for document in found] == [
        ConfigMap,
        Secret,
        PersistentVolumeClaim,
    ]


def test_list_is_replaced_by_its_items():
    found = load_text(
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
        "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: b\n"
    )
    assert [document.name for document in found] == ["a", "b"]
    assert found.items[1].position(("metadata", "name")) == Position("<stdin>", 8, 11)


def test_directory_is_replaced_by_its_files(folder):
    (folder / "d" / "deeper.yaml").mkdir(parents=True)
    (folder / "d" / "deeper.yaml" / "x.yaml").write_text("not: looked at")
    for name in ("b.yml", "a.json", "c.yaml"):
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name[0]}}
        (folder / "d" / name).write_text(json.dumps(document))
    (folder / "d" / "README.md").write_text("# not YAML: at all")
    assert [document.file for document in load(["d"])] == ["d/a.json", "d/b.yml", "d/c.yaml"]


def test_anchors_and_merge_keys_work():
    found = load_text(
        PIPELINE.replace("{name: build}\n", "&ref {name: build}\n").replace(
            "metadata:\n  name: ci\n", "metadata: {name: ci, labels: &l {a: b}, annotations: {<<: *l, c: d}}\n"
        )
    )
    ((_, pipeline),) = found.of(Pipeline)
    assert pipeline.metadata.annotations == {"a": "b", "c": "d"}


def test_status_of_a_run_is_accepted():
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "x"},
        "spec": {"pipelineRef": {"name": "ci"}},
        "status": {"conditions": [{"type": "Succeeded"}], "childReferences": []},
    }
    assert load_text(json.dumps(run)).of(PipelineRun)[0][1].status == run["status"]


# Files that cannot be read


def test_missing_file_is_a_problem(folder):
    assert lines("no.yaml") == ["no.yaml: No such file or directory"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_a_problem(folder):
    (folder / "a.yaml").write_text(TASK)
    (folder / "a.yaml").chmod(0)
    assert lines("a.yaml") == ["a.yaml: Permission denied"]


def test_unreadable_file_does_not_hide_another_problem(folder):
    (folder / "d").mkdir()
    (folder / "d" / "a.yaml").symlink_to("nowhere")
    (folder / "d" / "b.yaml").write_text("- a")
    assert lines("d/b.yaml/c.yaml", "d") == [
        "d/a.yaml: No such file or directory",
        "d/b.yaml:1:1: expected a Kubernetes object, a mapping with apiVersion and kind; got a list",
        "d/b.yaml/c.yaml: Not a directory",
    ]


def test_directory_without_documents(folder):
    (folder / "d").mkdir()
    assert lines("d") == ["d: the directory has no .yaml, .yml or .json file"]


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "---\n"])
def test_empty_file(folder, content):
    (folder / "a.yaml").write_text(content)
    assert lines("a.yaml") == ["a.yaml: the file is empty"]


def test_too_large_file_is_not_read(folder):
    with (folder / "a.yaml").open("wb") as stream:
        stream.truncate(20 * 2**20)
    assert lines("a.yaml") == ["a.yaml: the file has 20.0 MiB; the limit is 10 MiB"]


def test_too_large_standard_input_is_not_read_to_its_end():
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            assert size == yaml_files.MAX_BYTES + 1
            return b" " * size

    with pytest.raises(Problems, match=r"<stdin>: the file has more than 10 MiB; the limit is 10 MiB"):
        load(["-"], Endless())


def test_invalid_utf8(folder):
    (folder / "a.yaml").write_bytes("a: ü\nb: x".encode() + b"\xff")
    (folder / "b.yaml").write_bytes("a: 1".encode("utf-16"))
    assert lines("a.yaml") == ["a.yaml:2:5: this is not UTF-8: there is a byte 0xff"]
    assert lines("b.yaml") == ["b.yaml:1:1: this is not UTF-8: there is a byte 0xff"]


def test_nul_bytes(folder):
    (folder / "a.yaml").write_bytes(b"a: 1\nb: \x00")
    assert lines("a.yaml") == ["a.yaml:2:4: YAML does not allow the character U+0000; is this a text file?"]


def test_byte_order_mark_is_ignored():
    assert len(load(["-"], io.BytesIO(b"\xef\xbb\xbf" + TASK.encode())).items) == 1


def test_invalid_yaml():
    assert lines_of("a: [1") == [
        "1:6: this is not valid YAML: did not find expected ',' or ']' while parsing a list in [ ]"
    ]


# Wrong objects


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("just text", "1:1: expected a Kubernetes object, a mapping with apiVersion and kind; got 'just text'"),
        ("- a", "1:1: expected a Kubernetes object, a mapping with apiVersion and kind; got a list"),
        ("kind: Task", "1:1: the field 'apiVersion' is required"),
        ("apiVersion: tekton.dev/v1", "1:1: the field 'kind' is required"),
        ("apiVersion: 1\nkind: Task", "1:13: apiVersion: expected a string, got a number (1)"),
        (
            "apiVersion: tekton.dev/v1alpha1\nkind: Task",
            "1:13: apiVersion: 'tekton.dev/v1alpha1' is not supported for the kind Task; "
            "supported: tekton.dev/v1, tekton.dev/v1beta1 (did you mean 'tekton.dev/v1'?)",
        ),
        ("apiVersion: v1\nkind: Task", "1:13: apiVersion: expected tekton.dev/v1 for the kind Task, got 'v1'"),
        ("apiVersion: tekton.dev/v1\nkind: Pipline", "2:7: kind: unknown kind 'Pipline' (did you mean 'Pipeline'?)"),
        (
            "apiVersion: tekton.dev/v1\nkind: Foo",
            "2:7: kind: unknown kind 'Foo'; Tekton has Pipeline, PipelineRun, StepAction, Task, TaskRun",
        ),
        ("apiVersion: v1\nkind: List", "1:1: items: a List needs items, a list"),
        (
            "apiVersion: v1\nkind: List\nitems: [x]",
            "3:9: expected a Kubernetes object, a mapping with apiVersion and kind; got 'x'",
        ),
    ],
)
def test_unknown_objects(text, expected):
    assert lines_of(text) == [expected]


def test_duplicate_object(folder):
    (folder / "a.yaml").write_text(TASK)
    (folder / "b.yaml").write_text(f"# another\n{TASK}")
    assert lines("a.yaml", "b.yaml") == [
        "b.yaml:4:18: metadata.name: there is already a Task 'build' at a.yaml:1:1",
    ]


# Wrong fields


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("runAfter:", "runAftr:", "12:7: spec.tasks[1].runAftr: unknown field (did you mean 'runAfter'?)"),
        ("runAfter:", "run_after:", "12:7: spec.tasks[1].run_after: unknown field (did you mean 'runAfter'?)"),
        ("runAfter:", "zzz:", "12:7: spec.tasks[1].zzz: unknown field"),
        ("[build]", "build", "12:17: spec.tasks[1].runAfter: expected a list of strings, got 'build'; write [build]"),
        (
            "[build]",
            "{build: 1}",
            "12:17: spec.tasks[1].runAfter: expected a list of strings, got a mapping; begin each item with -",
        ),
        (
            "[build]",
            "[build, 5]",
            "12:25: spec.tasks[1].runAfter[1]: expected a string, got a number (5); write it in quotes",
        ),
        (
            "[build]",
            "[build, yes]",
            "12:25: spec.tasks[1].runAfter[1]: expected a string, got yes, which YAML reads as a boolean (true)",
        ),
        ("[build]", "[~]", "12:18: spec.tasks[1].runAfter[0]: expected a string, got nothing"),
        ("name: test", "title: x", "11:7: spec.tasks[1].title: unknown field"),
        (
            "name: test",
            "name: Test",
            "11:13: spec.tasks[1].name: 'Test' is not a valid name: use at most 63 lower-case letters, digits and '-', "
            "with a letter or digit at both ends",
        ),
        ("name: test", "name: build", "11:13: spec.tasks[1].name: there is already a Task 'build' at tasks[0]"),
        ("{name: build}", "[build]", "10:16: spec.tasks[0].taskRef: expected a mapping, got a list"),
        (
            "      taskRef: {name: build}\n",
            "",
            "9:7: spec.tasks[0]: one of taskRef, taskSpec, pipelineRef, pipelineSpec",
        ),
        (
            "      taskRef: {name: build}\n",
            "      taskRef: {name: build}\n      retries: '1'\n",
            "11:16: spec.tasks[0].retries: expected a whole number, got '1'; write it without quotes",
        ),
        (
            "      taskRef: {name: build}\n",
            "      taskRef: {name: build}\n      retries: -1\n",
            "11:16: spec.tasks[0].retries: must be at least 0, got -1",
        ),
        (
            "      taskRef: {name: build}\n",
            "      taskRef: {name: build}\n      timeout: 60\n",
            '11:16: spec.tasks[0].timeout: expected a duration in quotes; write it like "1h30m", "90s" or "0"',
        ),
        (
            "      taskRef: {name: build}\n",
            "      taskRef: {name: build}\n      timeout: 60 s\n",
            '11:16: spec.tasks[0].timeout: \'60 s\' is not a duration; write it like "1h30m", "90s" or "0"',
        ),
        (
            "      taskRef: {name: build}\n",
            "      taskRef: {name: build}\n      when: [{input: a, operator: notn, values: [b]}]\n",
            "11:35: spec.tasks[0].when[0].operator: expected in or notin, got 'notn' (did you mean 'notin'?)",
        ),
        (
            "image: python",
            "image: [python]",
            "16:20: spec.tasks[1].taskSpec.steps[0].image: expected a string, got a list",
        ),
        (
            "image: python",
            "image: python\n            computeResources: {limits: {memory: 1GB}}",
            "17:49: spec.tasks[1].taskSpec.steps[0].computeResources.limits.memory: '1GB' is not a quantity; "
            "write a number with an optional unit, such as 500m, 2 or 1.5Gi",
        ),
        (
            "image: python",
            "image: python\n            env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]",
            "17:55: spec.tasks[1].taskSpec.steps[0].env[0].valueFrom.secretKeyRef: the field 'key' is required",
        ),
        ("- name: revision", "- nam: revision", "7:7: spec.params[0].nam: unknown field (did you mean 'name'?)"),
        ("  name: ci", "  name: {}", "4:9: metadata.name: expected a string, got a mapping"),
        ("  name: ci", "  labels: {}", "4:3: metadata: a name is required"),
    ],
)
def test_wrong_field(old, new, expected):
    assert old in PIPELINE
    first, *_ = lines_of(PIPELINE.replace(old, new, 1))
    assert first.startswith(expected)


@pytest.mark.parametrize(
    ("written", "text"),
    [("1.20", "1.2"), ("1.0", "1"), ("0644", "420"), ("1_000", "1000"), ("1e3", "1000"), ("yes", "true")],
)
def test_param_value_changed_by_yaml_has_a_warning(written, text):
    run = f"""\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {{name: run}}
spec:
  params:
  - {{name: version, value: {written}}}
  - {{name: same, value: 1.5}}
  - {{name: quoted, value: '{written}'}}
  taskRef: {{name: build}}
"""
    (warning,) = load_text(run).warnings
    assert str(warning).startswith(
        f"<stdin>:6:28: warning: spec.params[0].value: {written} becomes '{text}', since YAML"
    )
    assert warning.message.endswith(f"; write '{written}'")


def test_problems_of_all_files_are_reported_in_order(folder):
    (folder / "b.yaml").write_text(
        PIPELINE.replace("runAfter", "runAftr").replace("image", "imag").replace("script: pytest", "script: 5")
    )
    (folder / "a.yaml").write_text("a: 1\na: 2\n---\nb: @")
    assert lines("b.yaml", "missing", "a.yaml") == [
        "a.yaml:4:4: this is not valid YAML: a value cannot start with '@'; write it in quotes",
        "missing: No such file or directory",
        "a.yaml:1:1: the field 'apiVersion' is required",
        "a.yaml:1:1: the field 'kind' is required",
        "a.yaml:2:1: the key 'a' is already there on line 1",
        "b.yaml:12:7: spec.tasks[1].runAftr: unknown field (did you mean 'runAfter'?)",
        "b.yaml:16:13: spec.tasks[1].taskSpec.steps[0].imag: unknown field (did you mean 'image'?)",
        "b.yaml:17:21: spec.tasks[1].taskSpec.steps[0].script: expected a string, got a number (5); write it in quotes",
    ]


def test_problem_does_not_hide_others():
    text = PIPELINE.replace("name: test", "name: build").replace("            image: python\n", "")
    assert lines_of(text) == [
        "11:13: spec.tasks[1].name: there is already a Task 'build' at tasks[0]",
        "15:13: spec.tasks[1].taskSpec.steps[0]: a Step needs an image (its own or the stepTemplate's) or a ref",
    ]


def test_problem_in_an_alias_is_reported_once_at_its_anchor():
    text = PIPELINE.replace(
        "      taskRef: {name: build}\n", "      taskRef: {name: build}\n      when: &w [{operator: in}]\n"
    ).replace("runAfter: [build]", "when: *w")
    assert lines_of(text) == [
        "11:17: spec.tasks[0].when[0].values: a when-expression needs values, a list that is not empty",
    ]


# Random documents


VALUES = st.sampled_from([None, True, 5, -1.5, "", "x", "a b", "$(params.x)", [], ["x"], [None], {}, {"x": "y"}, [{}]])


def paths_of(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths_of(item, (*path, key))


def problems_of(text: str) -> tuple[Problem, ...]:
    """Return the problems of this text, if any."""
    try:
        load_text(text)
    except Problems as problems:
        return problems.problems
    return ()


def change(document, data):
    """Change one part of a document: replace it, remove it, or add a sibling."""
    path = data.draw(st.sampled_from([path for path in paths_of(document) if path]))
    parent = document
    for part in path[:-1]:
        parent = parent[part]
    match data.draw(st.sampled_from(["replace", "remove", "rename"])):
        case "replace":
            parent[path[-1]] = copy.deepcopy(data.draw(VALUES))
        case "remove":
            del parent[path[-1]]
        case "rename":
            if isinstance(parent, dict):
                parent[data.draw(st.sampled_from(["name", "Name", "steps", "values", "kind", "zzz"]))] = parent.pop(
                    path[-1]
                )


RUN = yaml.safe_load("""
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: run}
spec:
  params: [{name: a, value: [x, y]}]
  timeouts: {pipeline: 1h, tasks: 30m}
  workspaces:
    - {name: w, emptyDir: {sizeLimit: 1Gi}}
    - {name: v, projected: {sources: [{secret: {name: s, items: [{key: a, path: b}]}}]}}
  taskRunSpecs: [{pipelineTaskName: a, podTemplate: {tolerations: [{key: x}]}}]
  pipelineSpec:
    params: [{name: a, type: array, default: [x]}, {name: o, type: object, properties: {k: {type: string}}}]
    workspaces: [{name: w}]
    results: [{name: r, value: $(tasks.a.results.r)}]
    tasks:
      - name: a
        when: [{input: x, operator: in, values: [x]}, {cel: "true"}]
        matrix: {params: [{name: p, value: [x]}], include: [{name: i, params: [{name: q, value: z}]}]}
        workspaces: [{name: w}]
        timeout: 5m
        taskSpec:
          params: [{name: p, enum: [x]}]
          results: [{name: r}]
          workspaces: [{name: w}]
          stepTemplate: {env: [{name: A, value: b}]}
          sidecars: [{image: s, readinessProbe: {httpGet: {port: 80}}, ports: [{containerPort: 80}]}]
          volumes: [{name: v, configMap: {name: c}}]
          steps:
            - {image: i, script: s, onError: continue, computeResources: {limits: {cpu: 1}}}
            - {ref: {name: action}, params: [{name: p, value: x}]}
      - {name: b, taskRef: {resolver: git, params: [{name: url, value: u}]}, runAfter: [a]}
    finally: [{name: c, pipelineSpec: {tasks: [{name: d, taskRef: {name: t}}]}}]
""")


def test_unchanged_document_is_valid():
    assert len(load_text(json.dumps(RUN)).of(PipelineRun)) == 1


@settings(max_examples=100)
@given(st.data())
def test_problems_of_random_changes_have_positions(data):
    document = copy.deepcopy(RUN)
    for _ in range(data.draw(st.integers(1, 4))):
        change(document, data)
    text = json.dumps(document, indent=1) if data.draw(st.booleans()) else yaml.safe_dump(document)
    for problem in problems_of(text):
        assert problem.position is not None
        assert problem.position.line <= text.count("\n") + 1
        assert "\n" not in str(problem)
        assert "Input should" not in problem.message  # pydantic's own messages
        assert problem.rule != "invalid-value" or "must" in problem.message or "expected" in problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["apiVersion", "kind", "name", "version", "jobs", "runs", "stages", "services", "steps"]),
            inside,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(JSON)
@example({"apiVersion": {}, "name": "x", "version": "1"})
def test_any_document_is_recognised_or_not(data):
    assert of_another_system(data) is None or "\n" not in of_another_system(data)


@settings(max_examples=100)
@given(st.data())
def test_damaged_text_gives_documents_or_problems(data):
    text = PIPELINE
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 6)))
        text = text[:start] + data.draw(st.text(alphabet=":- \n[]{}&*!|>'\"#x\t", max_size=4)) + text[end:]
    assert all(problem.position is not None for problem in problems_of(text))


def test_examples_are_valid():
    examples = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))
    for file in examples:
        if file.parent.name != "images" and file.name != "monopod.yaml":  # configurations of images, and of projects
            load([str(file)])
