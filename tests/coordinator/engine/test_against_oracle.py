"""The engine against an independent oracle, on random pipelines in simulated time.

The normal suite runs 10,000 pipelines, in parts of 500. More on demand, and from other seeds:

    MONOPOD_RANDOM_PIPELINES=100000 MONOPOD_RANDOM_SEED=1000000 \
        pytest -n auto tests/coordinator/engine/test_against_oracle.py

A failure names its seed and prints a reduced case. `random_case(seed)` (tests/support) makes it again. The printed
command adds it to the cases that always run (tests/support/kept_cases.py).
"""

from __future__ import annotations

import os

import pytest
from judgement import problems, reduced_to_its_problem
from kept_cases import KEPT
from random_pipelines import random_case
from reduction import described, reduced

COUNT = int(os.environ.get("MONOPOD_RANDOM_PIPELINES", "10000"))
FIRST = int(os.environ.get("MONOPOD_RANDOM_SEED", "0"))
PART = 500


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, PART))
def test_engine_and_oracle_agree(first: int):
    for seed in range(first, min(first + PART, FIRST + COUNT)):
        case = random_case(seed)
        try:
            wrong = problems(case)
        except Exception as error:
            error.add_note(f"seed {seed}: {described(case)}")
            raise
        if wrong:
            smaller = reduced_to_its_problem(case)
            keep = f'to keep it: .venv/bin/python tests/support/keep_case.py {seed} "WHAT IS WRONG"'
            pytest.fail("\n".join([f"seed {seed}: {described(smaller)}", *problems(smaller), keep]))


@pytest.mark.parametrize("name", KEPT)
def test_kept_cases(name: str):
    assert problems(KEPT[name]) == []


def test_case_depends_only_on_its_seed():
    assert random_case(7) == random_case(7)


def test_failing_case_is_reduced():
    case = next(case for case in map(random_case, range(100)) if len(case.plan.pipeline.tasks) > 5)
    smaller = reduced(case, lambda each: len(each.plan.pipeline.tasks) > 1)
    assert len(smaller.plan.pipeline.tasks) == 2
    assert smaller.behaviours == {}
