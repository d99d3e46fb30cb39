"""The journal is read back up to its last complete line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typed import typed

from monopod.coordinator.engine.events import (
    Begun,
    CancelRequested,
    CelEvaluated,
    ContainerDied,
    ContainerReady,
    Exit,
    ProbeEnded,
    ResultsRead,
    StepExited,
    TimerFired,
)
from monopod.coordinator.journal import Journal, JournalError

TIMES = st.floats(0, 1e10)
ENTRIES = st.one_of(
    st.builds(Begun, at=TIMES, monotonic=TIMES),
    st.builds(ContainerReady, at=TIMES),
    st.builds(ContainerDied, at=TIMES),
    st.builds(ContainerDied, at=TIMES, reason=st.text(), message=st.text()),
    st.builds(StepExited, at=TIMES, exit=st.builds(Exit, start=TIMES, end=TIMES, cpu=TIMES)),
    st.builds(ResultsRead, at=TIMES),
    st.builds(ProbeEnded, at=TIMES),
    st.builds(TimerFired, at=TIMES),
    st.builds(CancelRequested, at=TIMES),
    st.builds(CelEvaluated, at=TIMES),
    st.builds(CelEvaluated, at=TIMES, problem=st.text()),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def replay(path):
    journal = Journal(str(path))
    entries = journal.replay()
    journal.close()
    return entries


@given(st.lists(ENTRIES), st.data())
def test_entries_before_a_cut_survive(tmp_path_factory, entries, data):
    path = tmp_path_factory.mktemp("state") / "journal"
    journal = Journal(str(path))
    ends = []
    for entry in entries:
        journal.append(entry)
        ends.append(path.stat().st_size)
    journal.close()
    assert typed(replay(path)) == typed(entries)
    cut = data.draw(st.integers(0, path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(cut)
    whole = [entry for entry, end in zip(entries, ends, strict=True) if end <= cut]
    assert replay(path) == whole
    journal = Journal(str(path))
    journal.replay()
    journal.append(CancelRequested(1.0, "Cancelled"))
    journal.close()
    assert replay(path) == [*whole, CancelRequested(1.0, "Cancelled")]


def test_second_coordinator_is_refused(path):
    journal = Journal(str(path))
    with pytest.raises(JournalError, match=r"journal: another coordinator is running this Pod"):
        Journal(str(path))
    journal.close()
    Journal(str(path)).close()


@pytest.mark.parametrize("line", [b"nonsense", b'{"event":"Nothing"}', b"\xff", b""])
def test_malformed_line_is_reported_with_its_number(path, line):
    journal = Journal(str(path))
    journal.append(CancelRequested(1.0, "Cancelled"))
    journal.close()
    with path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(JournalError, match="journal:2: "):
        replay(path)


def test_journal_is_private(path):
    Journal(str(path)).close()
    assert path.stat().st_mode & 0o777 == 0o600
