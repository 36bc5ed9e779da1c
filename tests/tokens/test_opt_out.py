import pytest

from groundup.core.errors import DataError
from groundup.tokens.opt_out import normal_url, read_opt_out


@pytest.fixture
def read(tmp_path):
    def from_text(text: str | bytes):
        path = tmp_path / "optout.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_opt_out([str(path)])

    return from_text


def test_every_kind_of_entry_names_its_documents(read):
    opt_out = read(
        "# a comment\n\n"
        "https://Example.org/a.html   # the owner wrote on 3 May\n"
        "example.net\n"
        "<urn:uuid:1>\r\n"
        "sha256:ab\n"
        "id:7#3\n"
        "file:///data/x.txt\n"
    )
    assert opt_out.matches("?", "http://example.org:80/a.html#top") == [
        "https://Example.org/a.html"
    ]
    assert opt_out.matches("?", "https://www.EXAMPLE.net/any?q=1") == ["example.net"]
    assert opt_out.matches("<urn:uuid:1>", "https://other.org/") == ["<urn:uuid:1>"]
    assert opt_out.matches("sha256:ab", "file:z") == ["sha256:ab"]
    assert opt_out.matches("7#3", "file:z") == ["id:7#3"]
    assert opt_out.matches("?", "file:///data/x.txt") == ["file:///data/x.txt"]
    assert len(opt_out.entries()) == 6


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.htm",
        "https://example.org/a.html?page=2",
        "https://example.org:8443/a.html",
        "https://notexample.net/",
        "https://example.net.evil.org/",
        "example.net",
    ],
)
def test_what_is_not_named_stays(read, url):
    opt_out = read("https://example.org/a.html\nexample.net\n")
    assert opt_out.matches("example.net", url) == []


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://a.org", "https://a.org/"),
        ("https://a.org:443/x", "http://A.org:80/x#y"),
        ("http://user:pw@a.org/", "https://a.org/"),
        ("http://[bad/", "http://[bad/"),
    ],
)
def test_urls_of_one_page_are_alike(url, same):
    assert normal_url(url) == normal_url(same)


@pytest.mark.parametrize("line", ["a page", "/etc/passwd", "example", "user@a.org", "-a.org"])
def test_a_line_that_is_no_entry_is_refused_with_file_and_line(read, line):
    with pytest.raises(DataError, match=r"optout\.txt, line 3: ") as caught:
        read(f"example.org\n# fine\n{line}\n")
    assert repr(line) in caught.value.message
    assert caught.value.offset == 3
    assert "example.org" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "problem"),
    [("# nothing\n\n", "has no entry"), (b"a.org\n\xff\n", "not UTF-8 at byte 6")],
)
def test_a_list_that_cannot_be_read_is_refused(read, text, problem):
    with pytest.raises(DataError, match=problem):
        read(text)


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="no file matches"):
        read_opt_out([str(tmp_path / "none.txt")])
