"""Lists of documents whose owners do not want them trained on.

A list is a text file, one entry a line; blank lines do not count, nor do comments, from a `#` at
the beginning or after a space to the end of the line:

```text
https://example.org/a.html     that page; http and https, a final # and the default port are alike
example.org                    every page of that host and of the hosts below it
<urn:uuid:0a1b...>             the document of this id, as `groundup trace` prints it
sha256:3f...                   likewise
id:anything                    an id of another form
```

`take_over` applies them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from groundup.core.config import expand_paths
from groundup.core.errors import DataError

__all__ = ["OptOut", "normal_url", "read_opt_out"]

_COMMENT = re.compile(r"(^|\s)#.*")
_ID = re.compile(r"<?urn:\S+|sha256:\S+")
_HOST = re.compile(r"(?!-)[^\s/:@?#]+(\.[^\s/:@?#]+)+|localhost")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class OptOut:
    """Entries of one or several lists.

    Attributes:
        urls: Normal form of a URL to the entry as written; `hosts` and `ids` likewise.
    """

    urls: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def entries(self) -> list[str]:
        """Every entry once, as written."""
        return sorted({*self.urls.values(), *self.hosts.values(), *self.ids.values()})

    def matches(self, id: str, url: str) -> list[str]:
        """The entries that name a document; empty when it may stay."""
        found = [self.ids.get(id), self.urls.get(normal_url(url))]
        parts = _host(url).split(".")
        found += [self.hosts.get(".".join(parts[at:])) for at in range(len(parts))]
        return [entry for entry in found if entry is not None]


def normal_url(url: str) -> str:
    """A URL without what does not change the page: fragment, case of the host, default port.

    `http` becomes `https`, because an owner who names one means both.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:  # not a URL: compared as it stands
        return url.strip()
    if parts.scheme not in _DEFAULT_PORTS:
        return parts._replace(fragment="").geturl()
    host = parts.hostname or ""
    place = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    return parts._replace(
        scheme="https", netloc=place, path=parts.path or "/", fragment=""
    ).geturl()


def _host(url: str) -> str:
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""


def read_opt_out(patterns: Sequence[str]) -> OptOut:
    """Reads lists named by paths or glob patterns.

    Raises:
        DataError: A list is missing, empty or not UTF-8, or a line is no entry; names file and
            line.
    """
    found = OptOut()
    for path in expand_paths(patterns):
        empty = True
        for number, line in enumerate(_lines(path), start=1):
            entry = _COMMENT.sub("", line).strip()
            if entry:
                _add(found, entry, path, number)
                empty = False
        if empty:
            raise DataError(
                f"{path} has no entry", hint="write a URL, a host or a document id a line"
            )
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 at byte {error.start:,}",
            hint="save the list as plain UTF-8 text",
            source=str(path),
            offset=error.start,
        ) from error


def _add(found: OptOut, entry: str, path: Path, number: int) -> None:
    if entry.startswith("id:"):
        found.ids[entry.removeprefix("id:").strip()] = entry
    elif _ID.fullmatch(entry):
        found.ids[entry] = entry
    elif "://" in entry or entry.startswith("file:"):
        found.urls[normal_url(entry)] = entry
    elif _HOST.fullmatch(entry):
        found.hosts[entry.lower().rstrip(".")] = entry
    else:
        raise DataError(
            f"{path}, line {number}: {entry!r} is neither a URL, nor a host, nor a document id",
            hint="write https://example.org/page, example.org, or id:... on that line",
            source=str(path),
            offset=number,
        )
