"""docs/tekton-fields.md has one row per field, and the compiler does what the row says with documents that set it, at
every place where the field is allowed. The variables of docs/tekton.md are known where it says.

- ``works``: it compiles, without a word, and the Pod or the Plan is another than without the field, unless the row says
  that it is informational.
- ``differs``: the same, or the row says that it is refused, or has no effect, at some place.
- ``refused``: there is a problem at the field, or at a field around it.
"""

from __future__ import annotations

import functools
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from every_field import OTHERS, REMOTE, Documents, Site, documents, sites

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.schemas.tekton.runs import PipelineRun

FIELDS = (Path(__file__).parents[1] / "docs" / "tekton-fields.md").read_text()
VARIABLES = (Path(__file__).parents[1] / "docs" / "tekton.md").read_text()
SITES = sites()
WITHOUT_EFFECT_HERE = {
    "stepTemplate.image": "each Step of the samples has an image of its own",
    "pipelineSpec.params": "an embedded Pipeline sees the params around it",
    "pipelineSpec.workspaces": "an embedded Pipeline sees the Workspaces around it",
    "apiVersion": "it says what the document is",
    "kind": "it says what the document is",
}


@dataclass(frozen=True)
class Row:
    """A row of the page."""

    says: str
    note: str

    @property
    def informational(self) -> bool:
        return self.note.startswith("Informational") or self.note.lower().startswith("no effect")


def _rows() -> Iterator[tuple[tuple[str, str], Row]]:
    model = None
    for line in FIELDS.splitlines():
        if line.startswith("#"):
            heading = re.search(r"\(`(\w+)`\)$", line)
            model = heading[1] if heading else None
        elif model and (found := re.fullmatch(r"\| `(\w+)` \| (.*?) \|(.*)\|", line)):
            yield (model, found[1]), Row(found[2], found[3].strip())


ROWS = dict(_rows())


@dataclass(frozen=True)
class Outcome:
    """The result of compiling: the Pod and the Plan as text, or only the problems."""

    made: str | None
    said: tuple[str, ...]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Documents], Outcome]]:
    """Compiles documents. Remote ones come from a server on loopback."""
    others = {document["kind"]: document for document in OTHERS[PipelineRun]}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = others.get(self.path[1:])
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    path = tmp_path_factory.mktemp("docs") / "documents.yaml"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(path.parent))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"

        @functools.cache
        def compiled(text: str) -> Outcome:
            path.write_text(text.replace(REMOTE, address))
            try:
                (compilation,) = compile_runs(load([str(path)]), Options(runtime_image="with-cel:1"))
            except Problems as error:
                return Outcome(None, tuple(str(problem) for problem in error.problems))
            pod = json.loads(json.dumps(compilation.pod))
            del pod["spec"]["initContainers"][0]["args"]  # they contain the original run
            made = json.dumps(pod, sort_keys=True) + repr(compilation.plan.pipeline)
            return Outcome(made, tuple(map(str, compilation.warnings)))

        yield lambda documents: compiled("\n---\n".join(map(json.dumps, documents)))
        server.shutdown()
        thread.join()


def test_every_field_has_one_row_and_every_row_a_field():
    fields = {(site.owner.__name__, site.name) for site in SITES}
    listed = [key for key, _ in _rows()]
    assert sorted(listed) == sorted(fields)
    assert {row.says for row in ROWS.values()} == {"works", "differs", "refused"}


def _row(site: Site) -> Row:
    return ROWS[site.owner.__name__, site.name]


def _around(site: Site) -> Iterator[Row]:
    """Yield the rows of the fields around a field."""
    for length in range(len(site.way)):
        model, field = site.way[length]
        yield _row(Site(site.way[:length], model, field))


def _places(model: str) -> list[Site]:
    """Return the places of a model's fields, only those inside something refused if there are no others."""
    own = [site for site in SITES if site.model.__name__ == model]
    return [site for site in own if all(row.says != "refused" for row in _around(site))] or own


@pytest.mark.parametrize("model", list(dict.fromkeys(site.model.__name__ for site in SITES)))
def test_rows_agree_with_the_compiler(model, outcome):
    for field in dict.fromkeys(site.field for site in _places(model)):
        places = [site for site in _places(model) if site.field == field]
        row = _row(places[0])
        if row.says == "refused":
            for site in places:
                _check_refused(site, outcome)
        else:
            taken = [site for site in places if _takes(site, row, outcome)]
            assert taken, f"{places[0]} is refused everywhere"


def _check_refused(site: Site, outcome: Callable[[Documents], Outcome]) -> None:
    found = outcome(documents(site)[0])
    assert found.made is None, f"{site} is not refused"
    around = re.match(r"[^:]+:\d+:\d+: ([\w\[\].-]+): ", found.said[0])
    assert around, found.said
    assert f"{site.path}.".startswith((f"{around[1]}.", f"{around[1]}[")), found.said


def _takes(site: Site, row: Row, outcome: Callable[[Documents], Outcome]) -> bool:
    """Return whether the compiler takes a field, having seen that it does so as the row says."""
    found, other = (outcome(each) for each in documents(site))
    if found.made is None:
        inside = any("refused" in each.note for each in _around(site))
        assert inside or (row.says == "differs" and "refused" in row.note.lower()), f"{site}: {found.said}"
        return False
    problems = [each for each in found.said if each not in other.said]
    problems = [each for each in problems if "declares no Workspace" not in each]  # a sample is incomplete
    assert not problems or "warning" in row.note or "unbound" in problems[0] or "-w" in problems[0], (
        f"{site}: {problems}"
    )
    if found == other and not any(str(site).endswith(end) for end in WITHOUT_EFFECT_HERE):
        silent = row.informational or (row.says == "differs" and re.search("no effect", row.note, re.IGNORECASE))
        inside = any("no effect" in each.note.lower() for each in _around(site))
        assert silent or inside, f"{site} has no effect, and the row does not say so"
    if found != other and "ephemeral" not in site.path:  # which is passed on unchanged
        assert not row.informational, f"{site} has an effect, though the row says it has none"
    return True


# Variables

_DECLARED = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: r}}
spec:
  params: [{{name: NAME, value: x}}]
  workspaces: [{{name: NAME, emptyDir: {{}}}}]
  pipelineSpec:
    params: [{{name: NAME}}]
    workspaces: [{{name: NAME}}]
    results: [{{name: r, value: "{results}"}}]
    tasks:
    - name: task
      taskSpec: &task
        results: [{{name: RESULT}}]
        steps: [{{name: s, image: i, script: x}}]
    - {{name: fan, matrix: {{params: [{{name: a, value: [i, j]}}]}}, taskSpec: *task}}
    - name: user
      params: [{{name: p, value: "{pipeline}"}}]
      taskSpec:
        workspaces: [{{name: NAME}}]
        results: [{{name: RESULT}}]
        steps:
        - {{name: step, image: i, script: x, results: [{{name: RESULT}}]}}
        - {{name: last, image: i, script: "{step}", results: [{{name: RESULT}}]}}
    finally:
    - {{name: last, params: [{{name: p, value: "{finally_}"}}], taskSpec: *task}}
"""
_PLACES = {
    "Pipeline": "pipeline",
    "Task": "step",
    "Step": "step",
    "embedded Task": "step",
    "finally": "finally_",
    "Results of the Pipeline": "results",
}


def _variables() -> Iterator[tuple[str, str]]:
    table = VARIABLES[VARIABLES.index("| variable | in |") :]
    for names, places in re.findall(r"^\| (`.+?) \| (.+?) \|", table[: table.index("\n\n")], re.MULTILINE):
        first = ""
        for name in re.findall(r"`(.+?)`", names):
            full = first.rpartition(".")[0] + name if name.startswith(".") else name
            first = first or full
            for place in places.split(", "):
                if place != "StepAction":
                    yield full, _PLACES[place]


@pytest.mark.parametrize(("name", "place"), list(_variables()))
def test_variables_are_available_as_documented(name, place, tmp_path):
    task = "last" if name.startswith("finally") else "fan" if "matrix" in name else "task"
    text = name.replace("TASK", task).replace("STEP", "step").replace('"', '\\"')
    parts = dict.fromkeys(_PLACES.values(), "x") | {place: f"$({text})"}
    path = tmp_path / "p.yaml"
    path.write_text(_DECLARED.format(**parts))
    (compilation,) = compile_runs(load([str(path)]), Options())
    assert compilation.warnings == ()
