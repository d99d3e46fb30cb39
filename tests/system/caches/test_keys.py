"""Which entry is restored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monopod.system.caches.keys import Entry, choose, key_problem, version_of

KEYS = st.text("ab-", max_size=4)


def entry(key, created=0.0):
    return Entry(key, "v", (), created, created, 1, "", ())


def by_the_documentation(entries, key, restore_keys):
    """Return the key that GitHub's documentation says is restored, by looking at each rule in turn."""
    if key in entries:
        return key
    for prefix in [key, *restore_keys]:
        newest = None
        for name, created in entries.items():
            if prefix != "" and name[: len(prefix)] == prefix and (newest is None or created > entries[newest]):
                newest = name
        if newest is not None:
            return newest
    return None


@given(st.lists(KEYS.filter(bool), unique=True), KEYS, st.lists(KEYS, max_size=3), st.randoms())
def test_the_entry_is_chosen_as_github_documents(keys, key, restore_keys, random):
    times = random.sample(range(100), len(keys))
    chosen = choose(map(entry, keys, times), key, restore_keys)
    expected = by_the_documentation(dict(zip(keys, times, strict=True)), key, restore_keys)
    assert (None if chosen is None else chosen.key) == expected


def test_an_older_exact_key_is_preferred_to_a_newer_prefix():
    assert choose([entry("go-1", 1), entry("go-12", 2)], "go-1", []).key == "go-1"


def test_other_paths_have_another_version():
    assert len({version_of(paths) for paths in ((), ("x",), ("x", "y"), ("xy",), ("y", "x"))}) == 5


def test_keys_are_limited_as_on_github():
    assert key_problem("go-1") is None
    assert key_problem("") == "the key is empty"
    assert key_problem("x" * 513) == "the key is longer than 512 characters"
    assert "line break" in key_problem("a\nb")
