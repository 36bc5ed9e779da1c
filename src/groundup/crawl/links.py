"""Addresses: one spelling for each page, and the links of an HTML page."""

from html.parser import HTMLParser
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

__all__ = ["host_of", "links_of", "normal_url"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?[]"


def normal_url(url: str, base: str = "") -> str | None:
    """The one spelling of an address, or None when it is no web page's.

    Relative to `base`; scheme and host in lower case, no default port, no user, no fragment, a path
    that is never empty, dot segments removed, spaces and non-ASCII letters percent-encoded.
    Source: RFC 3986 section 6.2.
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:  # also UnicodeError: a label that is empty or too long
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        return None
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    return urlunsplit((parts.scheme, host, path, quote(parts.query, safe=_QUERY_SAFE), ""))


def host_of(url: str) -> str:
    """Scheme, host and port of a normal address: what robots.txt speaks for (RFC 9309, 2.3)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def links_of(html: bytes, url: str, charset: str) -> list[str]:
    """Normal addresses that a page links to, in order, each once.

    Args:
        html: The page, encodings undone.
        url: Its address; a `base` element in it wins.
        charset: As declared; UTF-8 when empty or unknown.
    """
    try:
        text = html.decode(charset or "utf-8", "replace")
    except LookupError:
        text = html.decode("utf-8", "replace")
    reader = _LinkReader()
    reader.feed(text)
    reader.close()
    base = urljoin(url, reader.base) if reader.base else url
    links = (normal_url(href, base) for href in reader.hrefs)
    return list(dict.fromkeys(link for link in links if link is not None))


class _LinkReader(HTMLParser):
    """Collects the first base and every link that may be followed.

    One pass, linear in the page: element lists of an HTML tree are walked again for every index.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.base = ""
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes `href` of `base`, `a` and `area`."""
        if tag not in ("a", "area", "base"):
            return
        values = dict(attrs)
        href = (values.get("href") or "").strip()
        if not href or "nofollow" in (values.get("rel") or "").lower():
            return
        if tag == "base":
            self.base = self.base or href
        else:
            self.hrefs.append(href)
