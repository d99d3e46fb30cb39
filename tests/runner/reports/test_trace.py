"""Runs as OpenTelemetry spans: readable by the official classes of the protocol, and correct."""

import base64
import json

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from monopod.runner.reports.trace import trace


def read(text):
    """Read OTLP JSON. Its identities are hexadecimal instead of protobuf's base64."""

    def converted(value, key=""):
        if isinstance(value, dict):
            return {name: converted(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [converted(each) for each in value]
        if key in ("traceId", "spanId", "parentSpanId"):
            assert len(value) == (32 if key == "traceId" else 16)
            return base64.b64encode(bytes.fromhex(value)).decode()
        return value

    return ParseDict(converted(json.loads(text)), ExportTraceServiceRequest(), ignore_unknown_fields=False)


@pytest.fixture(scope="module")
def spans(run):
    (resource,) = read(trace([run])).resource_spans
    (scope,) = resource.scope_spans
    assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == "<b>shop</b>"
    return scope.spans


def tree(spans, parent=b""):
    return {span.name: tree(spans, span.span_id) for span in spans if span.parent_span_id == parent}


def test_spans_of_run_tasks_attempts_and_steps(spans):
    assert tree(spans) == {
        "shop-x7k2p": {
            "clone": {"fetch": {}},
            "unit-tests": {"install": {}, "pytest": {}, "coverage": {}},
            "scan[0]": {"run": {}},
            "scan[1]": {"run": {}},
            "flaky": {"attempt 1": {"try": {}}, "attempt 2": {"try": {}}},
            "report": {"print": {}},
        }
    }
    assert len({span.span_id for span in spans}) == len(spans)
    assert len({span.trace_id for span in spans}) == 1
    assert {span.kind for span in spans} == {Span.SPAN_KIND_INTERNAL}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)


def test_times_status_and_links(spans, start):
    by_name = {span.name: span for span in spans}
    whole, task, clone = by_name["shop-x7k2p"], by_name["unit-tests"], by_name["clone"]
    assert (whole.start_time_unix_nano, whole.end_time_unix_nano) == (start * 10**9, (start + 10) * 10**9)
    assert task.start_time_unix_nano == (start + 1.5) * 10**9
    assert (task.status.code, clone.status.code) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_OK)
    assert task.status.message == '"step-pytest" exited with code <1>'
    assert [link.span_id for link in task.links] == [clone.span_id]
    attributes = {each.key: each.value for each in clone.attributes}
    assert attributes["cicd.pipeline.task.name"].string_value == "clone"
    assert attributes["cicd.pipeline.task.run.result"].string_value == "success"
    step = {each.key: each.value for each in by_name["pytest"].attributes}
    assert step["process.exit.code"].int_value == 1
    assert step["monopod.step.peak_memory_bytes"].int_value == 1000 * 1024


def test_same_run_gives_the_same_trace(run):
    assert trace([run]) == trace([run])
    assert len(read(trace([run, run])).resource_spans) == 2
