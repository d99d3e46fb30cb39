"""XXH64, the hash that Furiko spreads schedules with. Source: Cyan4973/xxHash doc/xxhash_spec.md."""

from __future__ import annotations

_MASK = 2**64 - 1
_PRIME_1, _PRIME_2, _PRIME_3, _PRIME_4, _PRIME_5 = (
    *(0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9),
    *(0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5),
)
_STRIPE = 32


def xxh64(data: bytes) -> int:
    """Return the hash of some bytes, with the seed 0."""
    rest = memoryview(data)
    if len(data) >= _STRIPE:
        lanes = [(_PRIME_1 + _PRIME_2) & _MASK, _PRIME_2, 0, -_PRIME_1 & _MASK]
        while len(rest) >= _STRIPE:
            lanes = [_round(lane, _word(rest[8 * index :])) for index, lane in enumerate(lanes)]
            rest = rest[_STRIPE:]
        total = sum(_rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            total = ((total ^ _round(0, lane)) * _PRIME_1 + _PRIME_4) & _MASK
    else:
        total = _PRIME_5
    return _avalanche(_with_rest((total + len(data)) & _MASK, rest))


def _with_rest(total: int, rest: memoryview) -> int:
    """Return the hash with the last bytes, which do not fill a stripe."""
    while len(rest) >= 8:
        total = (_rotated(total ^ _round(0, _word(rest)), 27) * _PRIME_1 + _PRIME_4) & _MASK
        rest = rest[8:]
    if len(rest) >= 4:
        word = int.from_bytes(rest[:4], "little")
        total = (_rotated(total ^ (word * _PRIME_1 & _MASK), 23) * _PRIME_2 + _PRIME_3) & _MASK
        rest = rest[4:]
    for byte in rest:
        total = _rotated(total ^ (byte * _PRIME_5 & _MASK), 11) * _PRIME_1 & _MASK
    return total


def _avalanche(total: int) -> int:
    total = ((total ^ total >> 33) * _PRIME_2) & _MASK
    total = ((total ^ total >> 29) * _PRIME_3) & _MASK
    return total ^ total >> 32


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _PRIME_2) & _MASK, 31) * _PRIME_1 & _MASK


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def _word(data: memoryview) -> int:
    return int.from_bytes(data[:8], "little")
