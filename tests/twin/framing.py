"""TFRecord framing and its CRC.

A record is `uint64 length | uint32 masked crc of those 8 bytes | payload | uint32 masked crc of the
payload`, little-endian throughout. A file is records and nothing else.
"""

from __future__ import annotations

import struct

_CASTAGNOLI_REVERSED = 0x82F63B78
_MASK_DELTA = 0xA282EAD8


def _table() -> list[int]:
    table = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register >> 1) ^ (_CASTAGNOLI_REVERSED if register & 1 else 0)
        table.append(register)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli; RFC 3720 B.4) of `data`, one byte at a time."""
    register = 0xFFFFFFFF
    for byte in data:
        register = _TABLE[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The CRC as TFRecord stores it: rotated right by 15 bits, plus a constant, modulo 2**32."""
    crc = crc32c(data)
    rotated = (crc >> 15) | (crc << 17) & 0xFFFFFFFF
    return (rotated + _MASK_DELTA) % 2**32


def frame(payload: bytes) -> bytes:
    """One record's bytes on disk: the payload and 16 bytes of framing."""
    length = struct.pack("<Q", len(payload))
    return b"".join(
        (
            length,
            struct.pack("<I", masked_crc32c(length)),
            payload,
            struct.pack("<I", masked_crc32c(payload)),
        )
    )


def read_frames(shard: bytes, *, check_payloads: bool = True) -> list[tuple[int, bytes]]:
    """Every record of a shard as `(offset of its frame, payload)`, in file order.

    `check_payloads=False` leaves out the payloads' CRCs, which cost about 10 s a hundred megabytes
    here. Raises ValueError, with the offset, for a wrong CRC or a record cut short.
    """
    records = []
    offset = 0
    while offset < len(shard):
        if len(shard) - offset < 12:
            raise ValueError(f"record at {offset}: header cut short")
        length, length_crc = struct.unpack_from("<QI", shard, offset)
        if masked_crc32c(shard[offset : offset + 8]) != length_crc:
            raise ValueError(f"record at {offset}: wrong CRC of the length")
        start, end = offset + 12, offset + 12 + length
        if end + 4 > len(shard):
            raise ValueError(f"record at {offset}: {length} bytes announced, shard ends before")
        payload = shard[start:end]
        if check_payloads and struct.unpack_from("<I", shard, end)[0] != masked_crc32c(payload):
            raise ValueError(f"record at {offset}: wrong CRC of the payload")
        records.append((offset, payload))
        offset = end + 4
    return records


def index_lines(shard: bytes) -> str:
    """The text of the shard's index: `<offset> <bytes of the whole frame>`, one line a record."""
    return "".join(
        f"{offset} {len(payload) + 16}\n"
        for offset, payload in read_frames(shard, check_payloads=False)
    )
