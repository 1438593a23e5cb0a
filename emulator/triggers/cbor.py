"""The part of CBOR (RFC 8949) that JSON values need: Tablestore sends its events in it (platform.md §4.7)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

UNSIGNED, NEGATIVE, BYTES, TEXT, LIST, MAP = range(6)
FALSE, TRUE, NULL, DOUBLE = b"\xf4", b"\xf5", b"\xf6", b"\xfb"


def encode(value: object) -> bytes:
    """One value. Raises `TypeError` for what has no CBOR form, `OverflowError` for integers beyond 64 bits."""
    match value:
        case None:
            return NULL
        case bool():
            return TRUE if value else FALSE
        case int():
            return _head(UNSIGNED, value) if value >= 0 else _head(NEGATIVE, -1 - value)
        case float():
            return DOUBLE + struct.pack(">d", value)
        case str():
            data = value.encode()
            return _head(TEXT, len(data)) + data
        case bytes():
            return _head(BYTES, len(value)) + value
        case list():
            return _head(LIST, len(value)) + b"".join(map(encode, value))
        case Mapping():
            pairs = b"".join(encode(key) + encode(item) for key, item in value.items())
            return _head(MAP, len(value)) + pairs
    raise TypeError(f"{type(value).__name__} has no CBOR form")


def _head(major: int, number: int) -> bytes:
    """The first byte, and the number in the shortest form that holds it."""
    if number < 24:
        return bytes([major << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise OverflowError(f"{number} does not fit in 64 bits")
