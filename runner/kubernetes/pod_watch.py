"""Watches a Pod and the Events about it, each in its own thread.

Rules (Kubernetes API concepts, "Efficient detection of changes"):

- A watch resumes from the last resourceVersion that was seen, including bookmarks. A watch that ends is restarted, with
  growing delays while the server does not answer. If the resourceVersion has expired (410 Gone), the Pod is listed
  again.
- A Pod that is missing from a list, or has another uid, is gone.
- Events are for people only. Without permission to read them, none are reported.

``pod_states`` interprets what the watches report.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, PodName, Stream, UnreachableError, collection_path
from monopod.runner.kubernetes.messages import Disturbance, EventSeen, PodGone, PodSeen, WatchMessage, WatchRefused
from monopod.system import foreign_json

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
_MOST_REFUSALS = 3
_WATCH_SECONDS = 290
_INTERNAL_ERROR = 500


class _Watch:
    """Watches objects of one resource that a field selector picks."""

    def __init__(self, cluster: Cluster, path: str, selector: str, version: str | None) -> None:
        self._cluster = cluster
        self._path = path
        self._selector = selector
        self._version = version
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._wait = _FIRST_WAIT
        self._refusals = 0
        self._thread = threading.Thread(target=self._run, name=f"watch of {selector}", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        with self._lock:
            self._closed.set()
            if self._stream is not None:
                self._stream.cut()

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` for the thread after `close`: it may be opening a connection."""
        self._thread.join(seconds)

    # In the thread

    def _run(self) -> None:
        while not self._closed.is_set():
            after = 0.0
            try:
                if self._version is None:
                    self._list()
                self._watch()
            except ApiError as error:
                if about(Request.WATCH, error) is About.EXPIRED:
                    self._version = None
                elif self._is_refused(error):
                    return
                elif not _is_refusal(error):
                    self._disturbed(error.describe())
                after = error.retry_after or 0.0
            except UnreachableError as error:
                self._disturbed(str(error))
            self._closed.wait(max(self._wait, after))
            self._wait = min(self._wait * 2, _LONGEST_WAIT)

    def _is_refused(self, error: ApiError) -> bool:
        """Whether the server refuses repeatedly: right after a login or a new Role, one refusal may be wrong."""
        if not _is_refusal(error):
            return False
        self._refusals += 1
        if self._refusals >= _MOST_REFUSALS:
            self._refused(error)
        return self._refusals >= _MOST_REFUSALS

    def _list(self) -> None:
        listed = self._cluster.request("GET", self._path, [("fieldSelector", self._selector)])
        self._listed(listed.get("items") or [])
        self._version = (listed.get("metadata") or {}).get("resourceVersion") or "0"

    def _watch(self) -> None:
        """Watch until the server ends the watch, as it does from time to time."""
        query = [
            ("watch", "true"),
            ("fieldSelector", self._selector),
            ("resourceVersion", str(self._version)),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(_WATCH_SECONDS)),
        ]
        with self._cluster.stream(self._path, query) as stream:
            with self._lock:
                if self._closed.is_set():
                    return
                self._stream = stream
            self._wait, self._refusals = _FIRST_WAIT, 0
            self._answers()
            try:
                self._take_all(stream)
            except UnreachableError:
                pass  # the watch is restarted
            finally:
                with self._lock:
                    self._stream = None

    def _take_all(self, stream: Stream) -> None:
        for line in stream.lines():
            try:
                event = foreign_json.loads(line)
            except ValueError as error:
                raise UnreachableError("the API server sent invalid JSON in a watch") from error
            self._take(event["type"], event["object"])

    def _take(self, kind: str, seen: dict[str, Any]) -> None:
        if kind == "ERROR":
            raise ApiError.of_status(seen, int(seen.get("code") or _INTERNAL_ERROR), "the watch failed")
        self._version = (seen.get("metadata") or {}).get("resourceVersion") or self._version
        if kind != "BOOKMARK":
            self._changed(kind, seen)

    # What each kind of watch overrides

    def _listed(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            self._changed("ADDED", item)

    def _changed(self, kind: str, seen: dict[str, Any]) -> None:
        raise NotImplementedError

    def _answers(self) -> None:
        pass

    def _disturbed(self, text: str) -> None:
        pass

    def _refused(self, error: ApiError) -> None:
        pass


def _is_refusal(error: ApiError) -> bool:
    return about(Request.WATCH, error) in (About.UNAUTHORIZED, About.FORBIDDEN)


class PodWatch(_Watch):
    """Watches one Pod, starting from a known state, and reports its changes."""

    def __init__(self, cluster: Cluster, pod: dict[str, Any], report: Callable[[WatchMessage], None]) -> None:
        metadata = pod["metadata"]
        name = PodName(metadata["namespace"], metadata["name"])
        super().__init__(cluster, name.collection, f"metadata.name={name.name}", metadata.get("resourceVersion"))
        self._uid = metadata["uid"]
        self._report = report
        self._is_disturbed = False

    def _listed(self, items: list[dict[str, Any]]) -> None:
        ours = list(self._ours(items))
        self._report(PodSeen(ours[0]) if ours else PodGone(None))

    def _ours(self, items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for item in items:
            if item["metadata"]["uid"] == self._uid:
                yield {"apiVersion": "v1", "kind": "Pod", **item}  # the items of a list lack these fields

    def _changed(self, kind: str, seen: dict[str, Any]) -> None:
        if seen["metadata"]["uid"] == self._uid:
            self._report(PodGone(seen) if kind == "DELETED" else PodSeen(seen))
        elif kind != "DELETED":
            self._report(PodGone(None))  # another Pod has its name, and its deletion was missed

    def _answers(self) -> None:
        if self._is_disturbed:
            self._is_disturbed = False
            self._report(Disturbance(""))

    def _disturbed(self, text: str) -> None:
        if not self._is_disturbed and not self._closed.is_set():
            self._is_disturbed = True
            self._report(Disturbance(text))

    def _refused(self, error: ApiError) -> None:
        self._report(WatchRefused(error))


class EventWatch(_Watch):
    """Watches the Events about one Pod."""

    def __init__(self, cluster: Cluster, pod: dict[str, Any], report: Callable[[WatchMessage], None]) -> None:
        metadata = pod["metadata"]
        selector = f"involvedObject.uid={metadata['uid']}"
        super().__init__(cluster, collection_path("events", metadata["namespace"]), selector, None)
        self._report = report

    def _changed(self, kind: str, seen: dict[str, Any]) -> None:
        if kind != "DELETED":
            self._report(EventSeen(seen))
