"""The part of a Kubernetes API server that monopod uses: a real server on a loopback port, without a cluster.

Rules:

- Requests and answers follow the documentation of the Kubernetes API: resourceVersions, watches with
  bookmarks and 410 Gone, logs as kubelet writes them, exec over a WebSocket, Status objects for refusals.
- The test decides what happens in a Pod (`set_status`, `write_log`), or a `kubelet` runs it for real
  (``host_kubelet``).
- The test also causes failures: `refuse`, `answer_next`, `throttle`, `set_node`, `cut_logs`,
  `drop_streams`, `forget_versions`, `replace`, `stop`. The answers come from Kubernetes' source (``api_answers``).
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import struct
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

import api_answers
import pod_resize
from exec_streams import PROTOCOLS, ExecStreams, frame, status_of
from observed_pod import note_running

KINDS = {
    "pods": "Pod",
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "events": "Event",
    "jobs": "Job",
}
_WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Log:
    """The log of one container instance, as the container runtime stores it."""

    def __init__(self):
        self.entries = []  # (nanoseconds, data, is_partial)
        self.is_closed = False


class ApiServer:
    """The server. One lock guards all of its state and wakes the threads that wait for a change."""

    def __init__(self):
        self.changed = threading.Condition(threading.RLock())
        self.version = "v1.36.1"
        self.namespaces = None  # that exist; None: all
        self.objects = {}  # (resource, namespace, name): object
        self.history = []  # (version, resource, type, object)
        self.counter = 100
        self.oldest = 0
        self.logs = defaultdict(lambda: [Log()])  # (pod, container): instances
        self.refusals = {}  # (verb, resource): (status, body)
        self.requests = []  # (method, path, query)
        self.tokens = set()  # that requests had
        self.executed = []  # (pod, container, command)
        self.resizes = []  # the spec of each patch of pods/resize that was accepted
        self.exec_result = lambda pod, container, command: (0, "")
        self.exec_start = None  # starts a command whose standard input is connected, and returns its Popen
        self.exec_protocols = PROTOCOLS
        self.exec_sizes = []  # of the terminals of such commands
        self.exec_cuts = []  # after how many bytes the connections of such commands break
        self.kubelet = None
        self.is_lagging = False  # kubelet reports nothing that runs
        self.answers = []  # to requests to come: [method, ending of the path, how often, answer]
        self.node = "ready"  # or "unseen": kubelet has not seen the Pods yet; "unreachable"; "none": it has no node yet
        self.cuts = []  # after so many bytes of a log stream: (bytes, is_clean)
        self.generation = 0  # raised to end all streams
        self.server = None
        self.secure_servers = []
        self.port = 0
        self.clock = None

    # For tests

    def start(self):
        """Listen; on the previous port, if there was one."""
        handler = type("Handler", (_Handler,), {"api": self})
        ThreadingHTTPServer.allow_reuse_address = True
        self.server = _Server(("127.0.0.1", self.port), handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def start_securely(self, context):
        """Listen on a second port, with TLS; return the port."""
        handler = type("Handler", (_Handler,), {"api": self})
        server = _Server(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.secure_servers.append(server)
        return server.server_port

    def stop(self):
        """Stop: break every connection, and accept no others."""
        self.drop_streams()
        for server in (self.server, *self.secure_servers):
            server.shutdown()
            server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def drop_streams(self):
        """Break all watches and log streams."""
        with self.changed:
            self.generation += 1
            self.changed.notify_all()

    def forget_versions(self):
        """Answer 410 Gone to watches from a version up to now."""
        with self.changed:
            self.counter += 1
            self.oldest = self.counter

    def refuse(self, verb, resource, status=403, message=None, reason="Forbidden"):
        """Refuse requests, by default with the answer of RBAC."""
        message = message or (
            f'{resource} is forbidden: User "jane" cannot {verb} resource "{resource}" in API group "" '
            f'in the namespace "ci"'
        )
        self.refusals[verb, resource] = api_answers.status(status, reason, message, kind=resource.partition("/")[0])

    def answer_next(self, method, ending, answer, times=1):
        """Answer the next requests whose path has this ending with (status, body) or (status, body, headers)."""
        with self.changed:
            self.answers.append([method, ending, times, answer])

    def throttle(self, times, method="GET", ending=""):
        """Answer 429 Too Many Requests, as the API server's filter for fairness does."""
        self.answer_next(method, ending, api_answers.throttled(), times)

    def set_node(self, state):
        """Set the state of the node of all Pods; open log streams break unless it is ready."""
        with self.changed:
            self.node = state
            if state != "ready":
                self.drop_streams()
            self.changed.notify_all()

    def replace(self, name, **status):
        """Replace a Pod with another Pod of the same name, with its own logs."""
        with self.changed:
            key = next(key for key in self.objects if key[0] == "pods" and key[2] == name)
            pod = copy.deepcopy(self.objects[key])
            self._remove(key)
            for each in [each for each in self.logs if each[0] == name]:
                del self.logs[each]
            self.counter += 1
            pod["metadata"] |= {"uid": f"uid-{self.counter}"}
            pod["metadata"].pop("deletionTimestamp", None)
            pod["status"] = {"phase": "Pending", **status}
            self._store(*key[:2], pod, "ADDED")

    def take_answer(self, method, path):
        """Return the answer that a test has set for a request, if any; called with the lock."""
        for each in self.answers:
            if each[0] == method and path.endswith(each[1]) and each[2]:
                each[2] -= 1
                return each[3]
        return None

    def cut_logs(self, *cuts):
        """Cut the next log streams, given as (number of bytes, whether the stream ends as if it were complete)."""
        self.cuts = list(cuts)

    def put(self, resource, namespace, item):
        """Store an object."""
        with self.changed:
            return self._store(resource, namespace, copy.deepcopy(item), "ADDED")

    def pod(self, name=None):
        """Return the Pod of this name, or the only one."""
        with self.changed:
            pods = {key[2]: each for key, each in self.objects.items() if key[0] == "pods"}
            found = [pod for each, pod in pods.items() if name in (None, each)]
            return copy.deepcopy(found[0]) if found else None

    def set_status(self, name, **fields):
        """Change the status of a Pod."""
        with self.changed:
            key = next(key for key in self.objects if key[0] == "pods" and key[2] == name)
            pod = self.objects[key]
            pod["status"] = {**pod.get("status", {}), **copy.deepcopy(fields)}
            self._store(*key[:2], pod, "MODIFIED")

    def runs(self, name, *containers):
        """Let containers of a Pod run, unless they have a state, or kubelet does not report it yet."""
        with self.changed:
            pod = self.pod(name)
            if pod is not None and not self.is_lagging:
                before = copy.deepcopy(pod["status"])
                note_running(pod["status"], *containers)
                if pod["status"] != before:
                    self.set_status(name, **pod["status"])

    def set_metadata(self, name, **fields):
        """Change the metadata of a Pod."""
        with self.changed:
            key = next(key for key in self.objects if key[0] == "pods" and key[2] == name)
            self.objects[key]["metadata"].update(fields)
            self._store(*key[:2], self.objects[key], "MODIFIED")

    def bookmark(self):
        """Send a bookmark to all watches."""
        with self.changed:
            self.counter += 1
            for resource, kind in KINDS.items():
                item = {"kind": kind, "metadata": {"resourceVersion": str(self.counter)}}
                self.history.append((self.counter, resource, "BOOKMARK", item))
            self.changed.notify_all()

    def remove(self, name):
        """Remove a Pod."""
        with self.changed:
            for key in [key for key in self.objects if key[0] == "pods" and key[2] == name]:
                self._remove(key)

    def write_log(self, pod, container, data, at=None, is_partial=False):
        """Write an entry of a container's log."""
        with self.changed:
            now = time.time_ns() if at is None else at
            self.logs[pod, container][-1].entries.append((now, data, is_partial))
            self.changed.notify_all()

    def write_lines(self, pod, container, lines, at):
        """Write lines of a container's log that came together, the first one at this time."""
        with self.changed:
            self.logs[pod, container][-1].entries.extend((now, line, False) for now, line in enumerate(lines, at))
            self.changed.notify_all()

    def close_log(self, pod, container):
        """End a container's log, since it has ended."""
        with self.changed:
            self.logs[pod, container][-1].is_closed = True
            self.changed.notify_all()

    def restart_log(self, pod, container):
        """Start a new log, like the log of a restarted container."""
        with self.changed:
            self.logs[pod, container][-1].is_closed = True
            self.logs[pod, container].append(Log())
            self.changed.notify_all()

    def wait_for(self, predicate):
        """Wait until a predicate holds; it is evaluated after each change."""
        with self.changed:
            assert self.changed.wait_for(predicate, 300)

    def request_count(self, method, ending):
        """Return how many requests with this method had a path with this ending."""
        return sum(each[0] == method and each[1].endswith(ending) for each in self.requests)

    # What requests do; called with the lock

    def create(self, resource, namespace, item):
        if self.namespaces is not None and namespace not in self.namespaces:
            return api_answers.missing("namespaces", namespace)
        metadata = item["metadata"]
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + f"x{self.counter}"
        key = (resource, namespace, metadata["name"])
        if key in self.objects:
            text = f'{resource} "{metadata["name"]}" already exists'
            return api_answers.status(409, "AlreadyExists", text, kind=resource, name=metadata["name"])
        self.counter += 1
        metadata.update(namespace=namespace, uid=f"uid-{self.counter}", creationTimestamp=_now())
        if resource == "pods":
            item["status"] = {"phase": "Pending", "qosClass": pod_resize.qos_class(item["spec"])}
        elif resource == "secrets" and "stringData" in item:
            texts = item.pop("stringData")
            encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
            item["data"] = {**item.get("data", {}), **encoded}
        stored = copy.deepcopy(self._store(resource, namespace, item, "ADDED"))
        if resource == "pods" and self.kubelet is not None:
            self.kubelet.run(self, stored)
        if resource == "jobs":
            for index in range(stored["spec"].get("completions", 1)):
                self._create_pod_of_job(namespace, stored, index)
        return 201, stored

    def _create_pod_of_job(self, namespace, job, index):
        template = copy.deepcopy(job["spec"]["template"])
        metadata = template.setdefault("metadata", {})
        metadata["name"] = f"{job['metadata']['name']}-pod"
        metadata.setdefault("labels", {})["job-name"] = job["metadata"]["name"]
        metadata["ownerReferences"] = [{"kind": "Job", "uid": job["metadata"]["uid"]}]
        if job["spec"].get("completionMode") == "Indexed":  # pkg/controller/job/indexed_job_utils.go
            metadata["name"] = f"{job['metadata']['name']}-{index}-pod"
            metadata.setdefault("annotations", {})["batch.kubernetes.io/job-completion-index"] = str(index)
            metadata["labels"]["batch.kubernetes.io/job-completion-index"] = str(index)
            for container in (*template["spec"].get("initContainers", ()), *template["spec"]["containers"]):
                container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
        refusal = self.refusals.get(("create", "pods"))
        if refusal is None:
            self.create("pods", namespace, {"apiVersion": "v1", "kind": "Pod", **template})
            return
        event = {"type": "Warning", "reason": "FailedCreate", "message": refusal[1]["message"]}
        event |= {"involvedObject": {"uid": job["metadata"]["uid"]}, "metadata": {"name": "failed"}}
        self._store("events", namespace, event, "ADDED")

    def delete(self, key, options):
        item = self.objects.get(key)
        if item is None:
            return api_answers.missing(key[0], key[2])
        uid = (options.get("preconditions") or {}).get("uid")
        if uid not in (None, item["metadata"]["uid"]):
            text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {item['metadata']['uid']}"
            text = f'Operation cannot be fulfilled on {key[0]} "{key[2]}": {text}'
            return api_answers.status(409, "Conflict", text, kind=key[0], name=key[2])
        grace = options.get("gracePeriodSeconds", item.get("spec", {}).get("terminationGracePeriodSeconds", 30))
        if key[0] == "pods" and not _is_scheduled(item):
            grace = 0  # pkg/registry/core/pod, CheckGracefulDelete
        if key[0] == "pods" and grace and not self._is_over(item):
            if "deletionTimestamp" not in item["metadata"]:
                item["metadata"].update(deletionTimestamp=_now(grace), deletionGracePeriodSeconds=grace)
                self._store(*key[:2], item, "MODIFIED")
                if self.kubelet is not None:
                    self.kubelet.terminate(self, item, grace)
            return 200, item
        self._remove(key)
        if key[0] == "pods" and self.kubelet is not None:
            self.kubelet.terminate(self, item, 0)
        return 200, item

    def patch(self, key, change):
        if key not in self.objects:
            return api_answers.missing(key[0], key[2])
        item = self.objects[key]
        if change["metadata"].get("uid", item["metadata"]["uid"]) != item["metadata"]["uid"]:
            text = f'Operation cannot be fulfilled on {key[0]} "{key[2]}": the UID differs'
            return api_answers.status(409, "Conflict", text, kind=key[0], name=key[2])
        item["metadata"].update(change["metadata"])
        spec = dict(change.get("spec") or {})
        for new in spec.pop("initContainers", ()):  # a strategic merge: by name
            next(each for each in item["spec"]["initContainers"] if each["name"] == new["name"]).update(new)
        if spec:
            item["spec"].update(spec)
        return 200, self._store(*key[:2], item, "MODIFIED")

    def resize(self, key, change):
        """Change the requests and limits of a Pod, as the subresource ``resize`` does."""
        if pod_resize.minor(self.version) < 33:
            return pod_resize.NO_SUBRESOURCE
        if key not in self.objects:
            return api_answers.missing(key[0], key[2])
        pod = self.objects[key]
        if change["metadata"]["uid"] != pod["metadata"]["uid"]:
            text = f'Operation cannot be fulfilled on pods "{key[2]}": the UID differs'
            return api_answers.status(409, "Conflict", text, kind="pods", name=key[2])
        new, problems = pod_resize.resized(pod, change, self.version)
        if problems:
            text = f'Pod "{key[2]}" is invalid: {"; ".join(problems)}'
            return api_answers.status(422, "Invalid", text, kind="Pod", name=key[2])
        self.resizes.append(change["spec"])
        return 200, self._store(*key[:2], new, "MODIFIED")

    def _is_over(self, item):
        return (item.get("status") or {}).get("phase") in ("Succeeded", "Failed")

    def _store(self, resource, namespace, item, kind):
        self.counter += 1
        item["metadata"]["resourceVersion"] = str(self.counter)
        self.objects[resource, namespace, item["metadata"]["name"]] = item
        self.history.append((self.counter, resource, kind, copy.deepcopy(item)))
        self.changed.notify_all()
        return item

    def _remove(self, key):
        item = self.objects.pop(key)
        self.counter += 1
        item["metadata"]["resourceVersion"] = str(self.counter)
        self.history.append((self.counter, key[0], "DELETED", copy.deepcopy(item)))
        for owned, other in list(self.objects.items()):
            owners = other["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == item["metadata"]["uid"] for owner in owners):
                self._remove(owned)
        self.changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass  # a client may disconnect


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    api: ApiServer

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._handle("GET")

    def do_POST(self):
        self._handle("POST")

    def do_DELETE(self):
        self._handle("DELETE")

    def do_PATCH(self):
        self._handle("PATCH")

    def _handle(self, method):
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with self.api.changed:
            self.api.requests.append((method, parts.path, dict(query)))
            self.api.tokens.add(self.headers.get("Authorization"))
            self.api.changed.notify_all()
            wanted = self.api.take_answer(method, parts.path)
        if wanted is not None:
            self._answer(*wanted)
            return
        if parts.path == "/version":
            major, minor = self.api.version.removeprefix("v").split(".")[:2]
            self._answer(
                *self._refusal("get", "version")
                or (200, {"major": major, "minor": minor, "gitVersion": self.api.version})
            )
            return
        if parts.path == "/api/v1":
            names = (*KINDS, *(["pods/resize"] if pod_resize.minor(self.api.version) >= 33 else []))
            listed = {"kind": "APIResourceList", "resources": [{"name": name} for name in names]}
            self._answer(*self._refusal("get", "api") or (200, listed))
            return
        path = parts.path.replace("/apis/batch/v1/", "/api/v1/")
        _, _, _, _, namespace, resource, *rest = [unquote(each) for each in path.split("/")]
        if rest[1:] == ["resize"]:
            with self.api.changed:
                answer = self._refusal("patch", "pods/resize") or self.api.resize((resource, namespace, rest[0]), body)
                answer = copy.deepcopy(answer)
            self._answer(*answer)
        elif len(rest) == 2:
            getattr(self, f"_{rest[1]}")(namespace, rest[0], query)
        elif rest:
            self._object(method, (resource, namespace, rest[0]), body)
        else:
            self._collection(method, resource, namespace, dict(query), body)

    def _refusal(self, verb, resource):
        return self.api.refusals.get((verb, resource))

    def _object(self, method, key, body):
        verb = {"GET": "get", "DELETE": "delete", "PATCH": "patch"}[method]
        answer = self._refusal(verb, key[0])
        if answer is None:
            with self.api.changed:
                if method == "DELETE":
                    answer = self.api.delete(key, body or {})
                elif method == "PATCH":
                    answer = self.api.patch(key, body)
                else:
                    answer = (
                        (200, self.api.objects[key]) if key in self.api.objects else api_answers.missing(key[0], key[2])
                    )
                answer = copy.deepcopy(answer)
        self._answer(*answer)

    def _collection(self, method, resource, namespace, query, body):
        is_watch = query.get("watch") == "true"
        verb = "create" if method == "POST" else "watch" if is_watch else "list"
        answer = self._refusal(verb, resource)
        if answer is None and is_watch:
            self._watch(resource, namespace, query)
            return
        if answer is None:
            with self.api.changed:
                if method == "POST":
                    answer = self.api.create(resource, namespace, body)
                else:
                    items = [each for key, each in self.api.objects.items() if key[:2] == (resource, namespace)]
                    listed = [dict(each) for each in items if _is_selected(each, query)]
                    for each in listed:
                        each.pop("kind", None)  # as a real server does
                        each.pop("apiVersion", None)
                    answer = (
                        200,
                        {"kind": "List", "metadata": {"resourceVersion": str(self.api.counter)}, "items": listed},
                    )
                answer = copy.deepcopy(answer)
        self._answer(*answer)

    def _watch(self, resource, namespace, query):
        seen = int(query.get("resourceVersion") or 0)
        with self.api.changed:
            generation = self.api.generation
            is_gone = seen < self.api.oldest
        self._begin("application/json")
        if is_gone:
            _, status = api_answers.expired(seen, self.api.oldest)
            self._chunk(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
            self._end()
            return
        while True:
            with self.api.changed:
                while self.api.generation == generation and self.api.counter <= seen:
                    self.api.changed.wait()
                if self.api.generation != generation:
                    self._break()
                    return
                new = [each for each in self.api.history if each[0] > seen]
            for version, of, kind, item in new:
                seen = version
                if of == resource and (kind == "BOOKMARK" or _is_selected(item, query)):
                    self._chunk(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def _log(self, namespace, pod, query):
        options = dict(query)
        container, is_followed = options["container"], options.get("follow") == "true"
        answer = self._refusal("get", "pods/log")
        with self.api.changed:
            generation = self.api.generation
            if answer is None and ("pods", namespace, pod) not in self.api.objects:
                answer = api_answers.missing("pods", pod)
            answer = answer or api_answers.LOG_OF_NODE[self.api.node](namespace, pod, container)
            if answer is None and self._is_running(namespace, pod, container):
                self.api.logs[pod, container]  # it has a log, though nothing is in it yet
            instances = self.api.logs.get((pod, container))
            if answer is None and options.get("previous") and len(instances or ()) < 2:
                answer = api_answers.no_former_log(pod, container)
            if answer is None and instances is None:
                answer = api_answers.waiting(pod, container, self._reason(namespace, pod, container))
            cut = self.api.cuts.pop(0) if answer is None and self.api.cuts else None
        if answer is not None:
            self._answer(*answer)
            return
        log = instances[-2] if options.get("previous") else instances[-1]
        has_times = options.get("timestamps") == "true"
        self._send_log(log, options.get("sinceTime"), cut, generation, is_followed=is_followed, has_times=has_times)

    def _state(self, namespace, pod, container):
        """Return the state of a container, as the Pod's status reports it."""
        status = self.api.objects["pods", namespace, pod].get("status") or {}
        for kind in ("initContainerStatuses", "containerStatuses"):
            for each in status.get(kind, ()):
                if each["name"] == container:
                    return each.get("state") or {}
        return {}

    def _is_running(self, namespace, pod, container):
        return "running" in self._state(namespace, pod, container)

    def _reason(self, namespace, pod, container):
        """Return kubelet's reason why a container is waiting."""
        return (self._state(namespace, pod, container).get("waiting") or {}).get("reason", "PodInitializing")

    def _send_log(self, log, since, cut, generation, *, is_followed, has_times):
        """Send a log. Like kubelet, send no response headers to a follower before there is a line."""
        sent, position, is_new_line, has_begun = 0, 0, True, False
        earliest = 0 if since is None else int(datetime.fromisoformat(since).timestamp()) * 10**9
        while True:
            with self.api.changed:
                while is_followed and len(log.entries) <= position and not log.is_closed:
                    if self.api.generation != generation:
                        break
                    self.api.changed.wait()
                if self.api.generation != generation:
                    self._break()
                    return
                entries = log.entries[position:]
                is_last = log.is_closed or not is_followed
            if not has_begun and (is_last or any(at >= earliest for at, _, _ in entries)):
                has_begun = True
                self._begin("text/plain")
            texts = []
            for at, data, is_partial in entries:
                text = (_stamp(at) + b" " if has_times and is_new_line else b"") + data + (b"" if is_partial else b"\n")
                is_new_line = not is_partial
                position += 1
                if at < earliest:
                    continue
                if cut is not None and sent + len(text) > cut[0]:
                    self._chunk(b"".join(texts) + text[: cut[0] - sent])
                    (self._end if cut[1] else self._break)()
                    return
                sent += len(text)
                texts.append(text)
            self._chunk(b"".join(texts))
            if is_last:
                self._end()
                return

    def _exec(self, namespace, pod, query):
        command = [value for key, value in query if key == "command"]
        container = dict(query)["container"]
        answer = self._refusal("create", "pods/exec")
        with self.api.changed:
            if answer is None and ("pods", namespace, pod) not in self.api.objects:
                answer = api_answers.missing("pods", pod)
            answer = answer or api_answers.EXEC_OF_NODE[self.api.node](namespace, pod, container)
        if answer is not None:
            self._answer(*answer)
            return
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + _WEBSOCKET).encode()).digest())
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        offered = [each.strip() for each in self.headers["Sec-WebSocket-Protocol"].split(",")]
        protocol = next(each for each in self.api.exec_protocols if each in offered)
        self.send_header("Sec-WebSocket-Protocol", protocol)
        self.end_headers()
        with self.api.changed:
            self.api.executed.append((pod, container, command))
            self.api.changed.notify_all()
        self.close_connection = True
        if dict(query).get("stdin") == "true":
            self._stream(self.api.exec_start(pod, container, command), can_close=protocol.startswith("v5"))
            return
        code, said = self.api.exec_result(pod, container, command)
        if said:
            self.wfile.write(frame(2, b"\x02" + said.encode()))
        self.wfile.write(frame(2, b"\x03" + json.dumps(status_of(code)).encode()))
        self.wfile.write(frame(8, struct.pack(">H", 1000)))

    def _stream(self, process, *, can_close):
        with self.api.changed:
            cut = self.api.exec_cuts.pop(0) if self.api.exec_cuts else None
        streams = self.rfile, self.wfile, self.connection, process
        ExecStreams(*streams, can_close=can_close, cut=cut, on_size=self._note_size).run()

    def _note_size(self, size):
        with self.api.changed:
            self.api.exec_sizes.append(size)
            self.api.changed.notify_all()

    # HTTP

    def _answer(self, status, body, headers=()):
        is_text = isinstance(body, str)
        content = body.encode() if is_text else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if is_text else "application/json")
        for name, value in headers:
            self.send_header(name, value)
        if status == 204:
            content = b""
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _begin(self, content_type):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data):
        if data:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _end(self):
        self.wfile.write(b"0\r\n\r\n")

    def _break(self):
        self.close_connection = True


def _is_scheduled(pod):
    conditions = (pod.get("status") or {}).get("conditions", ())
    return not any((each["type"], each["status"]) == ("PodScheduled", "False") for each in conditions)


def _is_selected(item, query):
    metadata = item["metadata"]
    for selector in filter(None, query.get("fieldSelector", "").split(",")):
        field, value = selector.split("=")
        found = {
            "metadata.name": metadata["name"],
            "involvedObject.uid": (item.get("involvedObject") or {}).get("uid"),
        }[field]
        if found != value:
            return False
    labels = metadata.get("labels") or {}
    wanted = filter(None, query.get("labelSelector", "").split(","))
    return all(labels.get(each.split("=")[0]) == each.split("=")[1] for each in wanted)


def _stamp(nanoseconds):
    seconds, rest = divmod(nanoseconds, 10**9)
    return (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z").encode()


def _now(later=0):
    return datetime.fromtimestamp(time.time() + later, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
