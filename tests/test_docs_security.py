"""Each protection in docs/security.md has a test, and each test of an attack is listed there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text()
TESTS = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}


def test_tests_mentioned_on_the_page_exist():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 15
    assert {name for name in named if not any(f"def {name}(" in text for text in TESTS.values())} == set()


def test_every_attack_on_the_host_backend_is_on_the_page():
    attacks = re.findall(r"^def (test_(?:no_|the_|a_step_|daemons_|cgroups_)\w+)", TESTS["test_walls.py"], re.MULTILINE)
    missing = {name for name in attacks if f"`{name}`" not in PAGE}
    assert missing <= {"test_privileged_container_has_its_own_session_keyring"}
