"""The child process of a pydoc crawl: the standard library's documentation server, made steady.

Run as `python -P -m groundup.crawl.pydoc_server`. It prints `Server ready at http://...` and serves
until its standard input ends, so that it never outlives the crawler. It differs from
`python -m pydoc` in four ways:

- a module is imported once. pydoc imports it again for every page, which compiled extensions such
  as numpy's refuse;
- syntax trees are remembered. pydoc parses a module's source anew for each of its classes;
- standard output is left to the server, whatever a module prints on import;
- addresses in memory are taken out of a page, which is then the same in every crawl.
"""

import ast
import contextlib
import functools
import gc
import inspect
import io
import os
import pydoc
import re
import sys
from typing import Any

__all__ = ["main"]

_TREES = 32
"""Syntax trees kept: those of the modules whose classes a page shows are asked for in a row."""
_NEW_OBJECTS = 50_000
"""Allocations between two collections; with torch loaded, each collection takes long."""

_ADDRESS = re.compile(r"(?: |&nbsp;)(?:at(?: |&nbsp;)0x|handle(?: |&nbsp;))[0-9a-f]{6,16}\b")


class _Remembering:
    """The `ast` module for `inspect`, with a memory."""

    parse = staticmethod(functools.lru_cache(maxsize=_TREES)(ast.parse))

    def __getattr__(self, name: str) -> Any:
        return getattr(ast, name)


def main() -> None:
    """Serves on a free port of the loopback interface until standard input ends."""
    locate = pydoc.locate

    def locate_once(path: str, forceload: bool = False) -> object | None:
        with contextlib.redirect_stdout(io.StringIO()):
            return locate(path)

    handle = vars(pydoc)["_url_handler"]

    def handle_steadily(url: str, content_type: str = "text/html") -> str:
        return _ADDRESS.sub("", handle(url, content_type))

    vars(pydoc)["_url_handler"] = handle_steadily
    vars(pydoc)["locate"] = locate_once
    vars(inspect)["ast"] = _Remembering()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
    vars(pydoc)["browse"](0, open_browser=False, hostname="127.0.0.1")
    sys.stdout.flush()
    # Threads that a documented module started on import must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
