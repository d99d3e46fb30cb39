"""The lines of a log from streams that end anywhere: none is lost and none is repeated."""

from datetime import datetime
from time import gmtime, strftime

from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.kubernetes.log_lines import LogLines

SECOND = 10**9
START = 1_800_000_000 * SECOND


def stamp(nanoseconds):
    seconds, rest = divmod(nanoseconds, SECOND)
    return (strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds)) + f".{rest:09d}Z ").encode()


class Kubelet:
    """A log as kubelet writes it: (nanoseconds, data, is_partial)."""

    def __init__(self, entries):
        self.entries = entries

    def stream(self, since):
        earliest = 0 if since is None else self.seconds(since) * SECOND
        sent, is_new_line = b"", True
        for at, data, is_partial in self.entries:
            text = (stamp(at) if is_new_line else b"") + data + (b"" if is_partial else b"\n")
            is_new_line = not is_partial
            if at >= earliest:
                sent += text
        return sent

    def seconds(self, since):
        return int(datetime.fromisoformat(since).timestamp())

    @property
    def text(self):
        return b"".join(data + (b"" if is_partial else b"\n") for _, data, is_partial in self.entries)


def read(lines, stream, pieces=()):
    """Feed a stream, cut into pieces of these lengths."""
    lines.begin()
    given_back = []
    for length in pieces:
        given_back += lines.feed(stream[:length])
        stream = stream[length:]
    return given_back + lines.feed(stream)


ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 3 * SECOND).map(lambda step: step if step > SECOND else step % 3),  # often at the same instant
        st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"|")),
        st.booleans(),
    ),
    max_size=25,
)
CUTS = st.lists(st.tuples(st.integers(0, 400), st.lists(st.integers(1, 40), max_size=10)), max_size=6)


@given(ENTRIES, CUTS, st.integers(1, 30))
def test_reconnected_streams_lose_and_repeat_nothing(steps, cuts, longest):
    entries, at = [], START
    for step, data, is_partial in steps:
        at += step
        entries.append((at, data, is_partial))
    if entries:
        entries[-1] = (*entries[-1][:2], False)
    kubelet, lines = Kubelet(entries), LogLines(longest)
    given_back = []
    for length, pieces in cuts:
        given_back += read(lines, kubelet.stream(lines.since())[:length], pieces)
    given_back += read(lines, kubelet.stream(lines.since()))
    given_back += lines.end()
    assert b"".join(line.data for line in given_back) == kubelet.text


@given(st.permutations(range(8)), st.lists(st.integers(0, 400), max_size=5))
def test_lines_stored_out_of_time_order(order, cuts):
    entries = [(START + number * 100_000_000, b"line %d" % number, False) for number in order]
    kubelet, lines = Kubelet(entries), LogLines()
    given_back = [line for cut in cuts for line in read(lines, kubelet.stream(lines.since())[:cut])]
    given_back += read(lines, kubelet.stream(lines.since()))
    assert sorted(line.data for line in given_back) == sorted(b"line %d\n" % number for number in range(8))


def test_equal_lines_with_one_timestamp_are_counted():
    kubelet, lines = Kubelet([(START, b"same", False)] * 3), LogLines()
    first = read(lines, kubelet.stream(None)[: len(stamp(START) + b"same\n") * 2])
    assert [line.data for line in first] == [b"same\n", b"same\n"]
    assert [line.data for line in read(lines, kubelet.stream(lines.since()))] == [b"same\n"]


def test_rotated_log_yields_its_new_lines():
    lines = LogLines()
    read(lines, Kubelet([(START, b"old", False)]).stream(None))
    rotated = Kubelet([(START + 1, b"new", False), (START + 2, b"newer", False)])
    assert [line.data for line in read(lines, rotated.stream(lines.since()))] == [b"new\n", b"newer\n"]


def test_long_line_comes_in_pieces_and_unterminated_line_last():
    kubelet, lines = Kubelet([(START, b"0123456789", True)]), LogLines(4)
    assert [line.data for line in read(lines, kubelet.stream(None))] == [b"0123", b"4567"]
    assert [line.data for line in lines.end()] == [b"89"]


def test_line_has_the_time_of_its_first_part():
    (line,) = read(
        LogLines(), Kubelet([(START + SECOND // 2, b"part", True), (START + SECOND, b"rest", False)]).stream(None)
    )
    assert (line.at, line.data) == (START / SECOND + 0.5, b"partrest\n")


def test_error_text_of_kubelet_is_not_a_line():
    lines = LogLines()
    assert read(lines, b"unable to retrieve container logs for containerd://0123456789abcdef") == []
    assert lines.end() == []
    assert lines.remark == "unable to retrieve container logs for containerd://0123456789abcdef"
