"""Bytes to text: the declared character set is checked, and a wrong one never stops a page.

Servers often declare ISO-8859-1 for everything, and every byte string is valid in it, so that
declaration counts for little. In order: byte order mark; UTF-8 when every byte fits; the server's
declaration, then the page's own `<meta charset>`, when every byte fits and it is not such a catch-
all; UTF-8 when all but a few bytes fit; what `uchardet` detects when it is far from Latin script;
the catch-all declaration; any detection; windows-1252 with what does not fit replaced by U+FFFD.
Names follow the WHATWG table (https://encoding.spec.whatwg.org/#names-and-labels).
"""

import codecs
import re
from collections.abc import Iterator

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

__all__ = ["broken_fraction", "decode", "meta_charset"]

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Supersets that browsers decode these names with; Python's codecs of the same name are narrower.
SUPERSETS = {
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "big5": "big5hkscs",
}
# What Western text is not mistaken for: multi-byte sets, and single-byte sets of other scripts.
FAR_FROM_LATIN = {
    *("cp949", "cp932", "gb18030", "big5hkscs", "euc_jp", "iso2022_jp"),
    *("cp1251", "koi8-r", "koi8-u", "iso8859-5", "cp1253", "iso8859-7", "cp1255", "iso8859-8"),
    *("cp1256", "iso8859-6", "iso8859-11", "cp874"),
}
ESCAPED = {"iso2022_jp"}  # made of ASCII bytes, so they pass for UTF-8
CATCH_ALL = {"cp1252", "ascii"}
META_BYTES = 2048  # WHATWG asks browsers to look at the first 1024; a little generous
META = re.compile(rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.I)
DETECT_BYTES = 65_536
MAX_BAD_FRACTION = 0.05  # of the non-ASCII characters: a few stray bytes in a UTF-8 page
BROKEN = re.compile("[\ufffd\x00-\x08\x0e-\x1f\x80-\x84\x86-\x9f]")


def meta_charset(payload: bytes) -> str:
    """The character set that an HTML page names in its head; empty when it names none."""
    found = META.search(payload[:META_BYTES])
    return found.group(1).decode("ascii", "replace") if found else ""


def _codec(label: str) -> str | None:
    """Python's codec for a label found on the web; None for an unknown one."""
    if not label:
        return None
    name = map_encoding_to_html5(label.strip().lower(), fallback_utf8=False)
    if name is None:
        return None
    name = str(name)
    return SUPERSETS.get(name, name)


def _strict(payload: bytes, codec: str) -> str | None:
    try:
        return payload.decode(codec)
    except (UnicodeError, LookupError):
        return None


def _candidates(payload: bytes, declared: list[str]) -> Iterator[str]:
    """Codecs to try after UTF-8, best first."""
    yield from (codec for codec in declared if codec not in CATCH_ALL)
    detected = _codec(detect_encoding(payload, max_len=DETECT_BYTES) or "")
    if detected in FAR_FROM_LATIN:
        yield detected
    yield from declared
    if detected is not None:
        yield detected


def _nearly_utf8(payload: bytes) -> str | None:
    """The text when a few bytes only are not UTF-8."""
    text = payload.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    other = sum(1 for char in text if char > "\x7f") if bad else 0
    return text if bad <= MAX_BAD_FRACTION * other else None


def decode(payload: bytes, charset: str, *, html: bool) -> str:
    """The text of a payload; `charset` is what the server declared, empty when nothing."""
    for mark, named in MARKS:
        if payload.startswith(mark):
            return payload[len(mark) :].decode(named, "replace")
    labels = [charset, meta_charset(payload) if html else ""]
    declared = [codec for label in labels if (codec := _codec(label)) is not None]
    escaped = [codec for codec in declared if codec in ESCAPED or codec.startswith("utf-16")]
    for codec in [*escaped, "utf-8"]:
        if (text := _strict(payload, codec)) is not None:
            return text
    if (text := _nearly_utf8(payload)) is not None:
        return text
    for codec in _candidates(payload, declared):
        if (text := _strict(payload, codec)) is not None:
            return text
    return payload.decode("cp1252", "replace")


def broken_fraction(text: str) -> float:
    """Fraction of characters that no text has: U+FFFD and control characters."""
    return len(BROKEN.findall(text)) / len(text) if text else 0.0
