"""Arbitrary input of the compiler: exit code 0 or 2, no traceback, bounded time and memory, and a valid Pod.

The normal suite tries a few hundred inputs. More on demand, or guided by coverage with ``make fuzz``:

    MONOPOD_FUZZ_EXAMPLES=100000 pytest tests/faults/test_hostile_input.py
"""

import copy
import functools
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from random import Random
from unittest import mock

import expensive_input
import kubernetes_validate
import pytest
import yaml
from every_field import documents, sites
from hostile_input import compile_text
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kubernetes_validate import utils as schemas

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("MONOPOD_FUZZ_EXAMPLES", "40"))
SECONDS = 20
MEMORY = 1 << 30
"""What one compilation of a file that is made to be expensive may take at most."""

TEXTS = [path.read_text() for path in sorted(ROOT.glob("examples/**/*.yaml"))]
ODD = ["", "null", "~", "{}", "[]", "-1", "1e999", ".nan", "0x_", "2001-01-01", "!!python/object:os.system x",
       "&a [*a]", "*b", "$(params.x)", "$(tasks.a.results.b[*])", "\x00", "\ud800", "é" * 300, "9" * 400, "'", "- - -",
       "? x", "---", "<<: {}", "yes", "|", "\t", "!!binary x", "0o7", "1:2:3"]  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(
        [None, True, 0, -1, 1 << 70, 1.5, "", "a", "A b", "$(params.a)", "$(tasks.build.results.x)", "9" * 99]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "value", "a"]), inner, max_size=3)
    ),
    max_leaves=5,
)
read_once = functools.cache(schemas.schema_contents)
FEW = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES == 40)


def check(text: str) -> None:
    with mock.patch.object(schemas, "schema_contents", read_once):
        for pod in compile_text(text):
            kubernetes_validate.validate(pod, "1.37", strict=True)


@FEW
@given(st.text())
@example("&a [*a, *a]")
@example("a: &a {b: *a}")
def test_any_text(text):
    check(text)


@FEW
@given(st.sampled_from(TEXTS), st.data())
def test_examples_with_replaced_fragments(text, data):
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.sampled_from([0, 1, 2, 5, 30, 300]))
        text = text[:start] + data.draw(st.sampled_from(ODD) | st.text(max_size=5)) + text[end:]
    check(text)


def _places(value, way=()):
    yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*way, key))


def _changed(document, data):
    """Return the same document with one value replaced or removed."""
    document = copy.deepcopy(document)
    *way, last = data.draw(st.sampled_from([way for way in _places(document) if way]))
    holder = document
    for key in way:
        holder = holder[key]
    if data.draw(st.booleans()):
        holder[last] = data.draw(VALUES)
    else:
        del holder[last]
    return document


@FEW
@given(st.sampled_from(TEXTS), st.data())
def test_examples_with_other_values(text, data):
    found = list(yaml.safe_load_all(text))
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(found) - 1))
        if isinstance(found[index], dict) and found[index]:
            found[index] = _changed(found[index], data)
    check(yaml.safe_dump_all(found))


SITES = sites()


@FEW
@given(st.sampled_from(SITES), st.data())
def test_every_field_with_other_values(site, data):
    found, _ = documents(site)
    index = data.draw(st.integers(0, len(found) - 1))
    check(yaml.safe_dump_all([*found[:index], _changed(found[index], data), *found[index + 1 :]]))


def _random_text(seed):
    random = Random(seed)
    return "".join(
        chr(random.choice((32, 10, 58, 45, 123, 91, 38, 42, 33, random.randrange(1, 0x3000)))) for _ in range(50_000)
    )


TASK = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec: {steps: [{name: s, image: b, script: "
ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 9))
EXPENSIVE = {
    "aliases": ALIASES,
    "aliases in a Task": TASK + "x}]}\n" + ALIASES,
    "merges": MERGES,
    "deep lists": "[" * 100_000,
    "deep mappings": "{a: " * 50_000,
    "deep blocks": "".join(" " * n + "a:\n" for n in range(2000)),
    "closed lists": "[" * 5_000 + "]" * 5_000,
    "a huge text": TASK + "'" + "x" * 20_000_000 + "'}]}\n",
    "a huge key": "a" * 2_000_000 + ": 1\n",
    "a huge number": "a: " + "9" * 1_000_000 + "\n",
    "sexagesimal": "a: 1" + ":59" * 100_000 + "\n",
    "many documents": "---\n" * 100_000,
    "many keys": "".join(f"k{n}: {n}\n" for n in range(50_000)),
    "many Steps": "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec:\n  steps:\n"
    + "  - {image: b, script: x}\n" * 500,
    "expansion": TASK + "'" + "$(params.a)" * 20_000 + "'}], params: [{name: a, default: '" + "y" * 20_000 + "'}]}\n",
    "noise": _random_text(1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPENSIVE)
def test_expensive_inputs_stay_within_limits(name, tmp_path):
    _run_limited("compile", EXPENSIVE[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", expensive_input.EXPENSIVE)
def test_inputs_that_would_grow_without_bound_are_refused(name, tmp_path):
    """The messages say what is too large, which proves that the input got that far."""
    said = _run_limited("compile", expensive_input.text_of(name), tmp_path)
    _, pattern = expensive_input.EXPENSIVE[name]
    assert re.search(pattern, said, re.MULTILINE), said[:2000]


def _run_limited(command, text, directory):
    """Run a command on `text` within the limits and return its errors."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    (directory / "input.yaml").write_text(text)
    command = [sys.executable, "-m", "hostile_input", command, str(directory / "input.yaml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests/support")}
    with open(directory / "output", "w") as output:
        ran = subprocess.run(
            command, stdout=output, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=limit, check=False
        )
    assert ran.returncode in (0, 2), ran.stderr[-2000:]
    assert "Traceback" not in ran.stderr
    return ran.stderr
