"""The page of a run, without a browser: its contents, and that the output of a run never becomes markup."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import recorded_run

from monopod.runner.records.output_lines import Line, Source
from monopod.runner.reports.anchors import Anchors
from monopod.runner.reports.coloured_text import coloured_text
from monopod.runner.reports.html import Html, joined, tag
from monopod.runner.reports.logs import fair_shares, lines_markup, logs_of
from monopod.runner.reports.page import page
from monopod.schemas.formats.visible_text import visible_lines

EMPTY = {"meta", "link", "input", "br"}


class Elements(HTMLParser):
    """Reads a page strictly: every element is closed by its own name."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.found.append((name, dict(attributes)))
        if name not in EMPTY:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)


@pytest.fixture(scope="module")
def elements(run):
    return Elements(page(run))


def test_page_loads_nothing(elements):
    for name, attributes in elements.found:
        for key in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(key, "#")
            assert value.startswith(("#", "data:image/svg+xml,")), (name, attributes)
    assert [name for name, _ in elements.found].count("script") == 1


def test_output_of_a_run_is_never_markup(elements):
    names = {name for name, _ in elements.found}
    assert not names & {"img", "b", "iframe", "object"}
    for _, attributes in elements.found:
        assert not [key for key in attributes if key.startswith("on")]
    text = "".join(elements.texts)
    assert "<script>window.hacked = 1</script>" in text
    assert "<i>go</i>" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028]", text)


def test_ids_are_unique_and_links_have_targets(elements):
    identities = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(identities) == len(set(identities))
    targets = {attributes["href"][1:] for name, attributes in elements.found if name == "a"}
    assert targets <= set(identities)
    assert {"log-unit-tests-pytest", "task-deploy", "log-flaky-try", "log-flaky-try-2"} <= targets


def test_page_is_complete(elements):
    text = re.sub(r"\s+", " ", "".join(elements.texts))
    for expected in (
        "exit code 1",
        "Skipped: When Expressions evaluated to false",
        "Skipped: PipelineRun was stopping",
        "Skipped as a result: deploy",
        "Full output, 7 lines",
        "killed: out of memory",
        "https://example.org/<script>window.hacked=1</script>\"'&",
        '["a", "b"]',
        "a&b.yaml",
        "language=python",
        "état: Failed",
        "1,000 lines",
        "Attempt 2: Succeeded",
    ):
        assert expected in text


def test_combinations_that_share_slots(tmp_path, sample):
    plan = sample.plan(sample.task("test", "make", index_count=4))
    feed = [sample.run_started()]
    for index in range(4):
        slot, start = f"test{index % 2 or ''}", index // 2
        begun = sample.step_started("test", "make", start, index)
        step = sample.step_finished("test", "make", start + 1, index=index)
        feed += [
            sample.task_started("test", start, index)._replace(slot=slot),
            begun._replace(container=f"{slot}-make"),
            (f"{slot}-make", f"combination {index}\n".encode()),
            step._replace(container=f"{slot}-make", start=step.at - 1),
            sample.task_finished("test", start + 1, index=index),
        ]
    run = recorded_run(tmp_path, plan, [*feed, sample.run_finished(2)])
    parsed = Elements(page(run))
    assert {f"log-test-{index}-make" for index in range(4)} <= {attributes.get("id") for _, attributes in parsed.found}
    text = "".join(parsed.texts)
    for index in (2, 3):
        assert f"test[{index}] waited for its turn, after test[{index - 2}]" in text
    assert [text.count(f"combination {index}\n") for index in range(4)] == [1] * 4
    assert "if all combinations of test ran in parallel, the run would take 1.0s (1.0s less)" in text.replace(
        "If", "if"
    )


def test_run_without_tasks(tmp_path, sample):
    run = recorded_run(tmp_path, sample.plan(sample.task("a", "b")), [sample.run_started()])
    text = "".join(Elements(page(run)).texts)
    assert "the process that followed the run was killed" in text
    assert "No Task started." in text
    assert "No Step wrote any output." in text


@given(st.text(), st.text(), st.text())
def test_text_stays_text(content, value, more):
    parsed = Elements(tag("p", content, tag("span", more), title=value))
    assert "".join(parsed.texts) == visible_lines(content + more)
    assert [name for name, _ in parsed.found] == ["p", "span"]
    assert parsed.found[0][1]["title"] == visible_lines(value)


def test_html_is_joined():
    assert joined("<", None, [Html("<br>"), "&"]) == "&lt;<br>&amp;"
    assert tag("input", type="checkbox", checked=True, disabled=False) == '<input type="checkbox" checked>'


@pytest.mark.parametrize(
    ("written", "markup"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m plain", '<span class="c1">red</span> plain'),
        ("\x1b[1;92mgood\x1b[22m still\x1b[39m.", '<span class="c10 tb">good</span><span class="c10"> still</span>.'),
        ("\x1b[38;5;196mred\x1b[m", '<span class="c9">red</span>'),
        ("\x1b[38;2;0;0;150mblue", '<span class="c4">blue</span>'),
        ("\x1b[38;5;244mgrey", '<span class="c8">grey</span>'),
        ("\x1b[41mno background", "no background"),
        ("\x1b[38;5mbroken\x1b[38mtoo", "brokentoo"),
        ("\x1b[31", "31"),
    ],
)
def test_colours(written, markup):
    assert coloured_text(written) == markup


@given(st.text(alphabet=st.characters() | st.sampled_from("\x1b[;m0123489")))
def test_text_cannot_break_out_of_its_line(written):
    parsed = Elements(f"<pre>{coloured_text(written)}</pre>")
    assert {name for name, _ in parsed.found} <= {"pre", "span"}
    assert all(set(attributes) <= {"class"} for _, attributes in parsed.found)


def test_ids_are_distinct():
    anchors = Anchors()
    names = [anchors.of("task", name) for name in ("a[1]", "a/1", "a.1", "a[1]", "<>")]
    assert names == ["task-a-1", "task-a-1-2", "task-a-1-3", "task-a-1", "task-"]


@given(
    st.dictionaries(st.integers(0, 20).map(lambda n: Source(str(n), "", 0)), st.integers(0, 100)), st.integers(0, 500)
)
def test_shares_are_fair(wanted, total):
    shares = fair_shares(wanted, total)
    assert sum(shares.values()) <= total
    assert all(shares[source] <= amount for source, amount in wanted.items())
    short = [shares[source] for source, amount in wanted.items() if shares[source] < amount]
    if short:  # then everything is distributed, and nobody who gets less than wanted gets much less than another
        assert sum(shares.values()) > total - len(wanted)
        assert max(shares.values()) - min(short) <= 1


def test_much_output_is_limited_and_numbered(run):
    logs = {log.source.step: log for log in logs_of(run, most_bytes=3000, most_lines=10_000)}
    large, small = logs["install"], logs["print"]
    assert (small.left_out, len(small.beginning)) == (0, 1)
    assert large.count == 1000
    assert large.beginning[0].text == "package 0"
    assert large.end[-1].text == "package 999"
    assert len(large.end) > len(large.beginning) > 0
    assert large.left_out == 1000 - len(large.beginning) - len(large.end)
    assert sum(len(line.text) for line in (*large.beginning, *large.end)) <= 3000


def test_lines_keep_their_numbers():
    lines = [Line(10.0, f"line {number}") for number in range(1000)]
    chunks = list(lines_markup(lines, 501, 9.0))
    assert [int(re.search('data-first="(\\d+)"', chunk)[1]) for chunk in chunks] == [501, 901, 1301]
    assert [chunk.count("\n</span>") for chunk in chunks] == [400, 400, 200]
    assert 'style="counter-reset:line 900" data-t="+1.0s">line 400\n' in chunks[1]


def test_command_of_a_failed_step_is_shown(tmp_path, sample):
    made = sample.task("test", "pytest")
    step = made.steps[0]._replace(script="#!/bin/sh\nset -e\npytest -q <tests>\nexit 0\n")
    feed = [
        sample.run_started(),
        sample.task_started("test", 0.0),
        sample.step_started("test", "pytest", 0.0),
        sample.step_finished("test", "pytest", 1.0, code=2),
        sample.task_finished("test", 1.0, "Failed"),
        sample.run_finished(1.0, "Failed"),
    ]
    texts = Elements(page(recorded_run(tmp_path, sample.plan(made._replace(steps=(step,))), feed))).texts
    at = texts.index("Command: ")
    assert texts[at + 1] == "pytest -q <tests> …"
