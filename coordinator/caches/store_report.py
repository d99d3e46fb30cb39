"""Lists the entries of a store for a runner that cannot reach it, in a Pod (``python3 -m …caches.store_report``).

Usage: STORE [IDENTITY,IDENTITY,...]...

It first removes the entries with these identities (``directory_store.identity``), damaged ones too, then writes a line
of JSON for each damaged entry and each entry that are left, and as the last line how many entries there are: a log
without it is not whole. Exit code 1 and a line with
``problem`` if the store cannot be used.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from monopod.system.caches.directory_store import identity
from monopod.system.caches.entry_json import to_json
from monopod.system.caches.store import StoreError
from monopod.system.caches.stores import open_store


def main(arguments: Sequence[str]) -> int:
    """Remove entries, write the others, and return the exit code."""
    name, *lists = arguments
    unwanted = {each for identities in lists for each in identities.split(",")}
    try:
        store = open_store(name, {})
        for entry in store.entries():
            if identity(entry.version, entry.key) in unwanted:
                store.remove(entry)
        for damage in store.damaged:
            if os.path.basename(damage.path) in unwanted:
                store.remove_damaged(damage)
        entries = store.entries()
    except StoreError as error:
        print(json.dumps({"problem": str(error)}), flush=True)
        return 1
    for damage in store.damaged:
        print(json.dumps({"damaged": damage}))
    for entry in entries:
        print(json.dumps({"entry": to_json(entry), "used": entry.used}))
    print(json.dumps({"entries": len(entries)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
