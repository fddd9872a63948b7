"""What a JPEG says of itself, by walking its markers (ITU-T T.81, annex B)."""

from __future__ import annotations

from typing import NamedTuple

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# C4, C8 and CC lie among the SOFs and are DHT, JPG and DAC.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS, _DQT, _TEM, _APP14 = 0xD8, 0xD9, 0xDA, 0xDB, 0x01, 0xEE
_RST = frozenset(range(0xD0, 0xD8))
# DHT, DAC, SOS, DQT, DNL, DRI, DHP, EXP, APPn and COM: what may follow image data and has a length.
_AFTER_A_SCAN = frozenset({0xC4, 0xCC, *range(0xDA, 0xE0), *range(0xE0, 0xF0), 0xFE})

_PASSED = frozenset({*range(0xE0, 0xF0), 0xFE, 0xDC})  # APPn, COM, DNL


class JpegFacts(NamedTuple):
    """`verdict` is "ok" or why the bytes are no whole JPEG; the sizes are 0 when no SOF was met."""

    verdict: str
    height: int = 0
    width: int = 0
    components: int = 0
    sampling: tuple[tuple[int, int], ...] = ()  # (horizontal, vertical) a component
    adobe: int | None = None  # the APP14 transform: 0 none, 1 YCbCr, 2 YCCK; None: no APP14
    quantization: tuple[tuple[int, ...], ...] = ()  # tables in file order, zigzag


def _next_marker(data: bytes, at: int) -> tuple[int, int] | None:
    """`(marker, offset after it)` of the first `FF xx` at or after `at`, xx neither 00 nor FF.

    Garbage before it is passed over and so are fill bytes (further FFs before xx).
    """
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        while at < len(data) and data[at] == 0xFF:
            at += 1
        if at >= len(data):
            return None
        if data[at] != 0:
            return data[at], at + 1


def _segment(data: bytes, at: int, marker: int) -> tuple[bytes, int] | None:
    """`(content, offset after it)` of the marker's segment whose 2 length bytes are at `at`. Those
    that no decoder looks into have their two bytes whatever these say, as in libjpeg."""
    if at + 2 > len(data):
        return None
    length = int.from_bytes(data[at : at + 2], "big")
    if marker in _PASSED:
        length = max(length, 2)
    if length < 2 or at + length > len(data):
        return None
    return data[at + 2 : at + length], at + length


def _quantization(content: bytes) -> list[tuple[int, ...]]:
    tables = []
    at = 0
    while at < len(content):
        step = 2 if content[at] >> 4 else 1
        raw = content[at + 1 : at + 1 + 64 * step]
        tables.append(
            tuple(int.from_bytes(raw[i : i + step], "big") for i in range(0, 64 * step, step))
        )
        at += 1 + 64 * step
    return tables


def jpeg_facts(data: bytes) -> JpegFacts:
    """Height, width, components and the rest of a JPEG, and whether it is whole.

    Verdicts: "ok"; "empty"; "png" (a PNG, whatever its name); "not-an-image"; "no-sof" (the frame
    header is missing, cut off or after a scan); "bad-sof" (a frame header too short for what it
    says, of no pixels, or not of 1, 3 or 4 components); "no-scan" (ends before any image data);
    "no-eoi" (image data without its end: the file was cut short). Bytes after the EOI are no fault,
    nor is damage inside the image data: every decoder goes on behind it.
    """
    if not data:
        return JpegFacts("empty")
    if data.startswith(PNG_SIGNATURE):
        return JpegFacts("png")
    if not data.startswith(b"\xff\xd8"):
        return JpegFacts("not-an-image")

    facts = JpegFacts("no-sof")
    tables: list[tuple[int, ...]] = []
    at = 2
    while (found := _next_marker(data, at)) is not None:
        # Inside image data the same search is right: FF00 is data and RSTn stands alone.
        marker, at = found
        if marker in _RST or marker in (_TEM, _SOI):
            continue
        if marker == _EOI:
            # Before the frame header, or before any scan, it ends nothing: the verdict stands.
            return facts._replace(verdict="ok") if facts.verdict == "no-eoi" else facts
        scanned = facts.verdict == "no-eoi"
        if scanned and marker not in _AFTER_A_SCAN:
            continue
        segment = _segment(data, at, marker)
        if segment is None:
            if scanned:
                continue
            return facts
        content, at = segment
        if marker == _SOS:
            if facts.verdict == "no-sof":
                return facts
            facts = facts._replace(verdict="no-eoi")
        elif marker in _SOF and facts.verdict == "no-sof":
            if len(content) < 6 or len(content) < 6 + 3 * content[5]:
                return facts._replace(verdict="bad-sof")
            facts = facts._replace(
                verdict="no-scan",
                height=int.from_bytes(content[1:3], "big"),
                width=int.from_bytes(content[3:5], "big"),
                components=content[5],
                sampling=tuple(
                    (content[7 + 3 * i] >> 4, content[7 + 3 * i] & 15) for i in range(content[5])
                ),
            )
            if not (facts.height and facts.width and facts.components in (1, 3, 4)):
                return facts._replace(verdict="bad-sof")
        elif marker == _DQT:
            tables.extend(_quantization(content))
            facts = facts._replace(quantization=tuple(tables))
        elif marker == _APP14 and content.startswith(b"Adobe") and len(content) >= 12:
            facts = facts._replace(adobe=content[11])
    return facts
