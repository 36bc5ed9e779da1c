"""Payload keys: equal only when the text must be equal."""

from groundup.corpus.payloads import payload_key


def test_the_same_bytes_under_another_charset_are_another_page():
    same = payload_key("text/html", "utf-8", b"x")
    assert payload_key("text/html", "utf-8", b"x") == same
    others = [
        payload_key("text/html", "", b"x"),
        payload_key("text/plain", "utf-8", b"x"),
        payload_key("text/html", "utf-8", b"y"),
    ]
    assert same not in others
    assert len(set(others)) == 3
