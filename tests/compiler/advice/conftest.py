"""Fixtures of the tests of advice."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from monopod.compiler.advice.checking import Checked, check
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Checked]:
    """Checks texts as the files p.yaml, q.yaml …; keywords are fields of `Options`."""

    def check_texts(*texts: str, **options: object) -> Checked:
        monkeypatch.chdir(tmp_path)
        names = [f"{letter}.yaml" for letter in "pqrstu"[: len(texts)]]
        for name, text in zip(names, texts, strict=True):
            Path(name).write_text(textwrap.dedent(text))
        return check(load(names), Options(**options))

    return check_texts


@pytest.fixture
def violations(checked: Callable[..., Checked]) -> Callable[..., list[str]]:
    """Returns the violations of a rule in a text as ``line severity``, or of all rules as ``line rule``."""

    def lines(text: str, rule: str | None = None, **options: object) -> list[str]:
        found = checked(text, **options).problems
        return [
            f"{each.position.line if each.position else 0} {each.severity if rule else each.rule}"
            for each in found
            if rule in {None, each.rule}
        ]

    return lines
