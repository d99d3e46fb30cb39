"""``api.pyz AMOUNT CENTS``: print a price as JSON."""

from __future__ import annotations

import json
import sys

from prices.prices import cents

print(json.dumps({"cents": cents(sys.argv[1], int(sys.argv[2]))}))
