"""The meaning of each answer of an API server, with Kubernetes' own messages: a case for each row of the table."""

import api_answers
import pytest

from monopod.runner.kubernetes.answers import TABLE, About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError

_, UNWELL = api_answers.status(500, "InternalError", "Internal error occurred: etcdserver: request timed out")
FORBIDDEN = 'pods "x" is forbidden: User "jane" cannot get resource "pods/log" in API group "" in the namespace "ci"'
QUOTA = 'pods "x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3'
POLICY = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'

ROWS = [
    (Request.WATCH, api_answers.unauthorized(), About.UNAUTHORIZED),
    (Request.LOG, api_answers.unauthorized(), About.UNAUTHORIZED),
    (Request.CREATE, api_answers.status(403, "Forbidden", QUOTA, "pods", "x"), About.REFUSED),
    (Request.CREATE, api_answers.status(403, "Forbidden", POLICY, "pods", "x"), About.REFUSED),
    (Request.CREATE, api_answers.status(403, "Forbidden", FORBIDDEN, "pods", "x"), About.FORBIDDEN),
    (Request.LOG, api_answers.status(403, "Forbidden", FORBIDDEN, "pods", "x"), About.FORBIDDEN),
    (Request.LOG, (403, "Forbidden by a proxy"), About.FORBIDDEN),
    *((request, api_answers.throttled(), About.THROTTLED) for request in Request),
    (Request.WATCH, api_answers.shutting_down(), About.THROTTLED),
    (Request.LOG, api_answers.status(500, "", "Too many requests"), About.THROTTLED),
    (Request.WATCH, api_answers.expired(5, 9), About.EXPIRED),
    (Request.WATCH, api_answers.status(410, "Gone", "gone"), About.EXPIRED),
    (Request.LOG, (204, ""), About.NOT_YET),
    (Request.LOG, api_answers.unseen_log("x"), About.NOT_YET),
    (Request.LOG, api_answers.waiting("x", "c"), About.NOT_YET),
    (Request.LOG, api_answers.waiting("x", "c", "ImagePullBackOff"), About.NOT_YET),
    (Request.LOG, api_answers.unavailable("x", "c"), About.NOT_YET),
    (Request.LOG, api_answers.status(400, "BadRequest", 'pod "x" cannot be found - no logs available'), About.NOT_YET),
    (Request.LOG, api_answers.never_ran("x", "c"), About.NO_LOG),
    (Request.LOG, api_answers.no_former_log("x", "c"), About.NO_LOG),
    (Request.LOG, api_answers.no_such_container("x", "c"), About.NO_LOG),
    (Request.LOG, api_answers.missing("pods", "x"), About.GONE),
    (Request.LOG, api_answers.missing("nodes", "n1"), About.UNREACHABLE),
    (Request.LOG, (404, "404 page not found"), About.UNWELL),
    (Request.LOG, api_answers.unreachable_log("ci", "x", "c"), About.UNREACHABLE),
    (Request.LOG, api_answers.status(500, "", "No agent available"), About.UNREACHABLE),
    (
        Request.LOG,
        api_answers.status(500, "", 'Get "https://10.0.0.7:10250/": dial tcp 10.0.0.7:10250: i/o timeout'),
        About.UNREACHABLE,
    ),
    (Request.LOG, api_answers.status(500, "", "remote error: tls: TLS handshake timeout"), About.UNREACHABLE),
    (Request.LOG, api_answers.unready_log("x", 502), About.UNREACHABLE),
    (Request.LOG, (502, "<html>Bad Gateway</html>"), About.UNREACHABLE),
    (Request.LOG, api_answers.unready_log("x", 503), About.UNWELL),
    (Request.LOG, api_answers.unready_log("x", 504), About.UNWELL),
    (Request.LOG, (500, UNWELL), About.UNWELL),
    (Request.LOG, api_answers.status(400, "BadRequest", "failed to get log of containerd://1"), About.UNWELL),
    (Request.EXEC, api_answers.unseen_exec(), About.NOT_YET),
    (Request.EXEC, api_answers.no_container_exec("coordinator"), About.NOT_YET),
    (Request.EXEC, api_answers.unscheduled_exec("x"), About.NOT_YET),
    (
        Request.EXEC,
        api_answers.status(
            500, "InternalError", "Internal error occurred: unable to upgrade connection: pod does not exist"
        ),
        About.NOT_YET,
    ),
    (Request.EXEC, api_answers.unreachable_exec(), About.UNREACHABLE),
    (Request.EXEC, api_answers.completed_exec(), About.GONE),
    (Request.EXEC, api_answers.missing("pods", "x"), About.GONE),
    (Request.OBJECT, api_answers.missing("pods", "x"), About.GONE),
    (Request.OBJECT, (404, "404 page not found"), About.UNWELL),
    (Request.CHANGE, api_answers.missing("pods", "x"), About.GONE),
    (Request.CHANGE, api_answers.status(409, "Conflict", "Precondition failed: UID in precondition"), About.CONFLICT),
    (Request.CHANGE, api_answers.status(409, "Conflict", 'on pods "p": the object has been modified'), About.UNWELL),
    (Request.CREATE, api_answers.missing("namespaces", "ci"), About.REFUSED),
    (Request.CREATE, api_answers.status(409, "AlreadyExists", 'pods "x" already exists', "pods", "x"), About.EXISTS),
    (Request.CREATE, api_answers.status(422, "Invalid", 'Pod "x" is invalid', "Pod", "x"), About.REFUSED),
    (Request.CREATE, api_answers.status(400, "BadRequest", "admission webhook denied the request"), About.REFUSED),
    (Request.OBJECT, api_answers.timed_out(), About.UNWELL),
    (Request.WATCH, (503, "<html>no healthy upstream</html>"), About.UNWELL),
    (Request.CHANGE, (408, "Request Timeout"), About.UNWELL),
]


def error_of(answer):
    status, body, *rest = answer
    content = body if isinstance(body, str) else __import__("json").dumps(body)
    return ApiError.of(status, "", content.encode(), dict(*rest).get("Retry-After"))


@pytest.mark.parametrize(("request_", "answer", "meaning"), ROWS)
def test_meaning_of_answers(request_, answer, meaning):
    assert about(request_, error_of(answer)) is meaning


def test_every_row_of_the_table_is_tested():
    used = {next(row for row in TABLE if row.fits(request, error_of(answer))) for request, answer, _ in ROWS}
    assert [row for row in TABLE if row not in used] == []


def test_transient_answers_are_not_evidence_about_the_run():
    assert {each for each in About if each.passes} == {
        About.NOT_YET,
        About.UNREACHABLE,
        About.UNWELL,
        About.THROTTLED,
    }


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (api_answers.throttled(7), 7),
        (api_answers.status(429, "TooManyRequests", "later", retryAfterSeconds=3), 3),
        (api_answers.status(429, "TooManyRequests", "later"), None),
        ((503, "later", [("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")]), None),
    ],
)
def test_retry_after(answer, seconds):
    assert error_of(answer).retry_after == seconds
