"""Character sets: hand-made cases, and real texts in legacy encodings where they are at hand."""

import zipfile
from pathlib import Path

import pytest

from groundup.corpus.encoding import broken_fraction, decode, meta_charset

UDHR = Path(__file__).resolve().parents[2] / (
    "../shared/data/langid/nltk-udhr-legacy-encodings.zip"
)
JAPANESE = (
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。" * 3
)
RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах. " * 3


@pytest.mark.parametrize(
    ("text", "codec", "charset"),
    [
        ("naïve café", "utf-8", ""),
        ("naïve café", "utf-8", "iso-8859-1"),  # the server's default, wrong
        ("naïve café", "cp1252", "iso-8859-1"),
        ("naïve café", "cp1252", "utf-8"),  # declared, but not every byte fits
        (JAPANESE, "shift_jis", "Shift_JIS"),
        (JAPANESE, "euc_jp", "iso-8859-1"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "cp1251", "iso-8859-1"),
        (RUSSIAN, "cp1251", "no-such-charset"),
        (RUSSIAN, "utf-16", ""),
    ],
)
def test_the_text_comes_back_whatever_was_declared(text, codec, charset):
    assert decode(text.encode(codec), charset, html=False) == text


def test_the_page_may_name_its_own_charset():
    page = b"<html><head><meta charset='iso-8859-7'></head>" + "Όλοι".encode("iso8859-7")
    assert meta_charset(page) == "iso-8859-7"
    assert decode(page, "", html=True).endswith("Όλοι")
    old = b'<meta http-equiv="Content-Type" content="text/html; charset=EUC-KR">'
    assert meta_charset(old) == "EUC-KR"


def test_a_few_stray_bytes_do_not_spoil_a_utf8_page():
    payload = RUSSIAN.encode() + b"\xff" + RUSSIAN.encode()
    assert decode(payload, "utf-8", html=False) == RUSSIAN + "\ufffd" + RUSSIAN


def test_any_bytes_give_a_text():
    payload = bytes(range(256)) * 4
    text = decode(payload, "ascii", html=True)
    assert text.encode("utf-8")
    assert broken_fraction(text) > 0.02


def test_broken_fraction_counts_what_no_text_has():
    assert broken_fraction("abc\ufffd") == 0.25
    assert broken_fraction("a\tb\nc\u0085") == 0.0
    assert broken_fraction("") == 0.0


CODECS = {
    "Latin1": "cp1252",
    "UTF8": "utf-8-sig",
    "Cyrillic": "cp1251",
    "Greek": "iso8859-7",
    "Hebrew": "iso8859-8",
    "Arabic": "cp1256",
    "EUC": "euc_jp",
    "SJIS": "cp932",
    "GB2312": "gb18030",
}


@pytest.mark.skipif(not UDHR.exists(), reason="needs the declaration in legacy encodings")
@pytest.mark.parametrize(
    ("declared", "share"),
    # Undeclared, the Latin character sets differ in a few letters only, so some are mistaken.
    [("right", 1.0), ("iso-8859-1", 0.98), ("", 0.93)],
)
def test_real_texts_in_legacy_encodings_are_read(declared, share):
    right = total = 0
    with zipfile.ZipFile(UDHR) as archive:
        for name in archive.namelist():
            codec = CODECS.get(name.rsplit("-", 1)[-1])
            payload = archive.read(name)
            try:
                text = payload.decode(codec) if codec else None
            except UnicodeDecodeError:  # cut in the middle of a character
                continue
            if text is None:
                continue
            total += 1
            label = codec.removesuffix("-sig") if declared == "right" else declared
            right += decode(payload, label, html=False) == text
    assert total > 250
    assert right >= share * total
