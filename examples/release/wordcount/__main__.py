"""``wordcount.pyz``: print the three most frequent words of standard input."""

from __future__ import annotations

import sys

from wordcount.count import count

for word, times in count(sys.stdin.read()).most_common(3):
    print(times, word)
