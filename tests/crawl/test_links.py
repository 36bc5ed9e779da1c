import time

import pytest

from groundup.crawl.links import host_of, links_of, normal_url


# Most pairs are RFC 3986 section 5.4 (base http://a/b/c/d;p?q) and section 6.2.2.
@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("g", "http://a/b/c/g"),
        ("./g/", "http://a/b/c/g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g#s", "http://a/b/c/g"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("//g", "http://g/"),
        ("HTTP://User@EXAMPLE.com:80/%7Efoo?a b#x", "http://example.com/%7Efoo?a%20b"),
        ("https://example.com:443", "https://example.com/"),
        ("http://example.com:8080/é", "http://example.com:8080/%C3%A9"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("mailto:a@b.c", None),
        ("javascript:void(0)", None),
        ("http://[bad/", None),
        ("http://a..b/", None),
        ("http://a:99999/", None),
    ],
)
def test_each_page_has_one_spelling(reference, expected):
    assert normal_url(reference, "http://a/b/c/d;p?q") == expected
    if expected is not None:
        assert normal_url(expected) == expected


def test_links_are_found_in_order_once_and_only_where_they_count():
    page = b"""<base href='/x/'><a href="b">1</a><A class="a>b" HREF=c>2</a><a href='b#f'>3</a>
      <!-- <a href="comment"> --><script>"<a href='script'>"</script><abbr href="no">
      <a href="d" rel="nofollow"><area href="e?a=1&amp;b=2"><a name=q>"""
    assert links_of(page, "http://h/dir/page", "") == [
        "http://h/x/b",
        "http://h/x/c",
        "http://h/x/e?a=1&b=2",
    ]


def test_an_unknown_character_set_is_read_as_utf8():
    assert links_of("<a href=ä>".encode(), "http://h/", "x-none") == ["http://h/%C3%A4"]


@pytest.mark.parametrize("piece", [b"<a ", b"<script", b"<!--", b'<a href="', b"<a '\"", b"<a b='"])
def test_pages_made_to_be_slow_are_not(piece):
    start = time.process_time()
    links_of(piece * 20_000, "http://h/", "")
    assert time.process_time() - start < 2.0


def test_hosts_differ_by_scheme_and_port():
    assert len({host_of(u) for u in ("http://a/1", "http://a/2", "https://a/", "http://a:8/")}) == 3
