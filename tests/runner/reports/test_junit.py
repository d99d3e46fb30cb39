"""Runs as JUnit XML: valid by a schema, readable by two independent libraries, and correct."""

import io
from pathlib import Path
from xml.etree import ElementTree

import junitparser
import pytest
import xmlschema
import xunitparser
from hypothesis import given
from hypothesis import strategies as st
from recorded import recorded_run

from monopod.runner.reports.junit import junit
from monopod.schemas.plan import Matrix

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


@pytest.fixture(scope="module")
def suites(run):
    text = junit([run])
    SCHEMA.validate(text)
    return {suite.name: suite for suite in junitparser.JUnitXml.fromstring(text.encode())}


def outcomes(suite):
    return {case.name: [type(each).__name__ for each in case.result] for case in suite}


def test_every_task_is_a_suite(suites):
    assert list(suites) == [
        f"shop-x7k2p.{name}"
        for name in ("clone", "unit-tests", "scan[0]", "scan[1]", "flaky", "docs", "deploy", "report")
    ]
    assert suites["shop-x7k2p.unit-tests"].time == pytest.approx(8.2, abs=0.001)


def test_another_library_reads_the_same(run, suites):
    """It mixes the properties of all suites, so it reads one suite at a time."""
    known = {"Failure": "failure", "Error": "error", "Skipped": "skipped"}
    for element in ElementTree.fromstring(junit([run])):
        found, _ = xunitparser.parse(io.StringIO(ElementTree.tostring(element, encoding="unicode")))
        read = {case.methodname: case.result for case in found}
        expected = outcomes(suites[element.get("name")])
        assert read == {name: known[kinds[0]] if kinds else "success" for name, kinds in expected.items()}


def test_every_step_is_a_test_case(suites):
    assert outcomes(suites["shop-x7k2p.unit-tests"]) == {"install": [], "pytest": ["Failure"], "coverage": ["Skipped"]}
    assert outcomes(suites["shop-x7k2p.flaky"]) == {"try": []}
    assert outcomes(suites["shop-x7k2p.docs"]) == {"build": ["Skipped"]}
    (failed,) = (case for case in suites["shop-x7k2p.unit-tests"] if case.name == "pytest")
    assert failed.result[0].message == "exit code 1"
    assert "<script>window.hacked = 1</script>" in failed.result[0].text
    (skipped,) = suites["shop-x7k2p.docs"]
    assert skipped.result[0].message == "Skipped: When Expressions evaluated to false"


def test_totals_are_the_sums_of_the_cases(run):
    whole = junitparser.JUnitXml.fromstring(junit([run, run]).encode())
    totals = (whole.tests, whole.failures, whole.errors)
    whole.update_statistics()
    assert totals == (whole.tests, whole.failures, whole.errors) == (20, 2, 0)


def test_task_that_could_not_start_has_an_error(tmp_path, sample):
    plan = sample.plan(sample.task("a", "b"))
    feed = [
        sample.run_started(),
        sample.task_started("a", 0),
        sample.task_finished("a", 1, "Failed", message="container a-b could not be started: no such image"),
        sample.run_finished(1, "Failed"),
    ]
    text = junit([recorded_run(tmp_path, plan, feed)])
    SCHEMA.validate(text)
    (suite,) = junitparser.JUnitXml.fromstring(text.encode())
    assert outcomes(suite) == {"b": ["Skipped"], "(the Task itself)": ["Error"]}
    assert [case.result[0].message for case in suite][1] == "container a-b could not be started: no such image"


@pytest.mark.parametrize(
    ("policy", "decisive", "outcome"),
    [({"completion": "any"}, 0, []), ({"fail_fast": True}, 1, ["Failure"])],
    ids=["completion any", "fail-fast"],
)
def test_combinations_that_their_matrix_stopped_are_skipped(tmp_path, sample, policy, decisive, outcome):
    """Whether they were running, waited for a retry, or never started."""
    task = sample.task("a", "b", index_count=4)._replace(matrix=Matrix(pinned=True, **policy))
    status = "Failed" if decisive else "Succeeded"
    feed = [
        sample.run_started(),
        *(sample.task_started("a", 0, index) for index in range(3)),
        *(sample.step_started("a", "b", 0, index) for index in range(3)),
        sample.step_finished("a", "b", 1, code=decisive, index=0),
        sample.task_finished("a", 1, status, index=0),
        sample.step_finished("a", "b", 1, code=143, index=1, reason="Cancelled"),
        sample.step_finished("a", "b", 1, code=1, index=2),
        *(sample.task_finished("a", 1, "Cancelled", index=index, message="decided") for index in (1, 2, 3)),
        sample.run_finished(1, status),
    ]
    text = junit([recorded_run(tmp_path, sample.plan(task), feed)])
    SCHEMA.validate(text)
    decided, *others = junitparser.JUnitXml.fromstring(text.encode())
    assert outcomes(decided) == {"b": outcome}
    assert [outcomes(suite) for suite in others] == [{"b": ["Skipped"]}] * 3
    assert {case.result[0].message for suite in others for case in suite} == {"decided"}


@pytest.mark.parametrize("policy", [{"completion": "any"}, {"fail_fast": True}, {}])
def test_combination_that_a_cancelled_run_never_started_has_an_error(tmp_path, sample, policy):
    task = sample.task("a", "b")._replace(matrix=Matrix(**policy))
    feed = [
        sample.run_started(),
        sample.task_finished("a", 1, "Cancelled", message="the run was cancelled"),
        sample.run_finished(1, "Cancelled"),
    ]
    (suite,) = junitparser.JUnitXml.fromstring(junit([recorded_run(tmp_path, sample.plan(task), feed)]).encode())
    assert outcomes(suite) == {"b": ["Skipped"], "(the Task itself)": ["Error"]}


def test_record_without_an_outcome_has_an_error(tmp_path, sample):
    """The process that followed the run was killed."""
    plan = sample.plan(sample.task("a", "b"), sample.task("c", "d", after=("a",)))
    feed = [
        sample.run_started(),
        sample.task_started("a", 0),
        sample.step_started("a", "b", 0),
        sample.step_finished("a", "b", 1),
        sample.task_finished("a", 1),
    ]
    text = junit([recorded_run(tmp_path, plan, feed)])
    SCHEMA.validate(text)
    whole = junitparser.JUnitXml.fromstring(text.encode())
    *tasks, of_run = whole
    assert [outcomes(suite) for suite in tasks] == [{"b": []}, {"d": ["Skipped"]}]
    assert outcomes(of_run) == {"(the run itself)": ["Error"]}
    assert [case.result[0].message for case in of_run] == ["the process that followed the run was killed"]
    assert (whole.tests, whole.errors) == (3, 1)


def test_step_without_an_end_has_an_error(tmp_path, sample):
    plan = sample.plan(sample.task("a", "b"))
    feed = [sample.run_started(), sample.task_started("a", 0), sample.step_started("a", "b", 0)]
    (suite,) = junitparser.JUnitXml.fromstring(junit([recorded_run(tmp_path, plan, feed)]).encode())
    assert outcomes(suite) == {"b": ["Error"]}
    assert [case.result[0].message for case in suite] == ["did not end"]


@given(st.binary(max_size=200))
def test_any_output_of_a_step_is_valid_xml(tmp_path_factory, sample, written):
    plan = sample.plan(sample.task("a", "b"))
    feed = [
        sample.run_started(),
        sample.task_started("a", 0),
        sample.step_started("a", "b", 0),
        ("a-b", written),
        sample.step_finished("a", "b", 1, code=1, message=written.decode("latin-1")),
        sample.task_finished("a", 1, "Failed", message=written.decode("utf-8", "replace")),
        sample.run_finished(1, "Failed"),
    ]
    text = junit([recorded_run(tmp_path_factory.mktemp("run"), plan, feed)])
    SCHEMA.validate(text)
    (suite,) = junitparser.JUnitXml.fromstring(text.encode())
    assert outcomes(suite) == {"b": ["Failure"]}
