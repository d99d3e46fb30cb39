"""Each module, event, command, state and test that the documentation mentions is in the code.

Options, variables and subcommands: `test_docs_inventory`. Fields and rules: `test_docs_tekton`, `test_docs_rules`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from shown_commands import blocks, pages

from monopod.coordinator.engine import events
from monopod.coordinator.engine.run_state import State

ROOT = Path(__file__).parents[1]
PAGES = {name: (ROOT / name).read_text() for name in pages(ROOT)}
KINDS_OF_CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
CODE = ("compiler", "coordinator", "entrypoint", "images", "runner", "schemas", "system", "tests")
FOLDERS = (*CODE, "benchmarks", "docs", "examples")
CLASSES = {
    name
    for folder in CODE
    for path in (ROOT / folder).rglob("*.py")
    for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)
}
SOURCES = {path.name for folder in CODE for ending in ("py", "c") for path in (ROOT / folder).rglob(f"*.{ending}")}


def spans(page: str) -> list[str]:
    """Return the texts between backticks, outside of blocks."""
    for block in blocks(page):
        page = page.replace(block.text, "")
    return re.findall(r"`([^`\n]+)`", page)


def is_there(path: str) -> bool:
    """Return whether a file or folder is there: from the top, or, as reliability.md writes them, from the tests."""
    return (ROOT / path).exists() or (ROOT / "tests" / path).exists()


@pytest.mark.parametrize("page", PAGES)
def test_files_mentioned_on_a_page_exist(page: str):
    """A path begins with a folder of the repository or of the tests; a module may be named without its folder."""
    folders = "|".join([*FOLDERS, *(path.name for path in (ROOT / "tests").iterdir() if path.is_dir())])
    text = "\n".join(spans(PAGES[page]))
    paths = set(re.findall(rf"^(?:{folders})/[\w./-]*", text, re.MULTILINE))
    modules = set(re.findall(r"^\w+\.(?:py|c)$", text, re.MULTILINE))
    assert [path for path in sorted(paths) if not is_there(path)] == []
    assert sorted(modules - SOURCES) == []


def first_cells(page: str, heading: str) -> list[str]:
    """Return the names in the first column of the table with this heading."""
    table = re.search(rf"^\| {heading} \| .*\n\|.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert table is not None, heading
    return re.findall(r"^\| `(\w+)` \|", table[1], re.MULTILINE)


def test_how_it_works_lists_events_commands_and_states():
    page = PAGES["docs/how-it-works.md"]
    assert first_cells(page, "event") == [event.__name__ for event in get_args(events.Event)]
    assert first_cells(page, "command") == [command.__name__ for command in get_args(events.Command)]
    assert first_cells(page, "state") == [state.name for state in State]


def undefined_names(page: str) -> list[str]:
    """Return the names on a page, including its pictures, that look like classes but are not in the code."""
    return sorted(set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", page)) - CLASSES)


@pytest.mark.parametrize("page", ["docs/how-it-works.md", "docs/control-directory.md", "CONTRIBUTING.md"])
def test_classes_mentioned_on_a_page_exist(page: str):
    assert undefined_names(PAGES[page]) == []


def test_invented_command_is_detected():
    assert undefined_names("`RunStep`, `StepExited` and PipelineRun exist;\n```\nExitContainer ──▶ exit\n```\n") == [
        "ExitContainer"
    ]


def test_test_sections_mentioned_in_reliability_exist():
    """A part is a class, or the heading of a section, in italics after the file."""
    named = re.findall(r"`([\w/]+\.py)`,? \(?\*([^*]+)\*", PAGES["docs/reliability.md"])
    assert named
    assert [each for each in named if each[1] not in (ROOT / "tests" / each[0]).read_text()] == []


@pytest.mark.parametrize("page", PAGES)
def test_tables_have_no_duplicate_rows(page: str):
    """Merges leave such rows; the first cell identifies a row."""
    for table in re.findall(r"(?:^\|.*\n)+", PAGES[page], re.MULTILINE):
        firsts = [row.strip("|").split(" | ")[0].strip() for row in table.splitlines()[2:]]
        assert sorted({first for first in firsts if first and firsts.count(first) > 1}) == []


@pytest.mark.parametrize("page", PAGES)
def test_lists_have_no_duplicate_items(page: str):
    for section in re.split(r"^#+ .*$", PAGES[page], flags=re.MULTILINE):
        heads = re.findall(r"^- \*\*(.+?)\.?\*\*", section, re.MULTILINE)
        assert sorted({head for head in heads if heads.count(head) > 1}) == []


def test_changelog_has_no_duplicates():
    """The kinds of changes come from Keep a Changelog, in its order."""
    unreleased = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1]
    kinds = re.findall(r"^### (.*)$", unreleased, re.MULTILINE)
    changes = re.findall(r"^- (.{40})", unreleased, re.MULTILINE)
    assert kinds == [kind for kind in KINDS_OF_CHANGES if kind in kinds]
    assert sorted({change for change in changes if changes.count(change) > 1}) == []
