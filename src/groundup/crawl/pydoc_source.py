"""The documentation of the running Python as a site: needs no network, differs by installation.

The standard library brings an HTTP server that shows every importable module, pydoc. It runs as a
child process on the loopback interface and is crawled like any site. Its pages are recorded under
`http://pydoc.localhost/`, whatever port the server got, and their ids derive from those addresses,
so that they are the same in every crawl and on every machine.
"""

import logging
import os
import pydoc
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from groundup.core.errors import ConfigError, ResourceError
from groundup.crawl.config import PydocConfig
from groundup.crawl.fetch import Manners
from groundup.crawl.site import SOFTWARE, Journey

__all__ = ["package_versions", "pydoc_journey", "pydoc_manners", "pydoc_server"]

log = logging.getLogger(__name__)

_SITE = "http://pydoc.localhost/"
_TOPIC = "key="
_ENVIRONMENT = {"PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT"}
_STOP_S = 10.0
_IMPORT_S = 300.0
"""Longest time for one page: importing a large package on a cold disk takes minutes."""


def package_versions(config: PydocConfig) -> dict[str, str]:
    """Python's version and those of the packages, which decide what the pages say.

    Raises:
        ConfigError: A package is not installed.
    """
    found = {"python": sys.version}
    distributions = metadata.packages_distributions()
    for package in config.packages:
        top = package.partition(".")[0]
        if find_spec(top) is None:
            raise ConfigError(
                f"pydoc.packages: {package!r} is not installed",
                hint=f"pip install {top}, or leave it out",
            )
        for distribution in distributions.get(top, []):
            found[distribution] = metadata.version(distribution)
    return found


def pydoc_journey(config: PydocConfig) -> Journey:
    """From the index of modules to the pages of the standard library and the chosen packages."""
    start = ["index.html", "topics.html", "keywords.html"]
    return Journey(
        start=[_SITE + page for page in (start if config.topics else start[:1])],
        follows=_follows(config),
        max_pages=config.max_pages,
        max_depth=20,  # dotted names are never that long
        namespace=uuid.NAMESPACE_URL,
    )


def _follows(config: PydocConfig) -> Callable[[str], bool]:
    standard = {*sys.stdlib_module_names, *sys.builtin_module_names}
    topics = {*pydoc.Helper.topics, *pydoc.Helper.keywords}
    exclude = [re.compile(pattern) for pattern in config.exclude]

    def follows(url: str) -> bool:
        if not url.startswith(_SITE):
            return False
        parts = urlsplit(url)
        if parts.query:
            key = unquote(parts.query).removeprefix(_TOPIC)
            return config.topics and parts.path == "/topic" and key in topics
        module, dot, ending = parts.path[1:].rpartition(".")
        if not dot or ending != "html" or "/" in module:
            return False
        if any(pattern.search(module) for pattern in exclude):
            return False
        parent = module.rpartition(".")[0]
        chosen = module in config.packages or parent in config.packages
        return chosen or module.partition(".")[0] in standard

    return follows


def pydoc_manners(port: int, *, max_body_bytes: int) -> Manners:
    """No pause: the server is our own, and works on one page at a time."""
    return Manners(
        user_agent=SOFTWARE,
        delay_s=0.0,
        timeout_s=_IMPORT_S,
        max_body_bytes=max_body_bytes,
        max_attempts=1,
        connect_to=("127.0.0.1", port),
    )


@contextmanager
def pydoc_server() -> Iterator[int]:
    """While inside, pydoc serves on the loopback port that this yields.

    Raises:
        ResourceError: The server does not start; says why.
    """
    command = [sys.executable, "-P", "-W", "ignore", "-m", "groundup.crawl.pydoc_server"]
    with tempfile.TemporaryFile() as errors:
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            cwd=tempfile.gettempdir(),
        )
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            ready = re.search(rb"http://127\.0\.0\.1:(\d+)/", server.stdout.readline())
            if ready is None:
                errors.seek(0)
                last = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                raise ResourceError(
                    f"the documentation server did not start: {' '.join(last) or 'it is silent'}",
                    hint=f"try `{' '.join(command)}`",
                )
            yield int(ready[1])
        finally:
            _stop(server)


def _environment() -> dict[str, str]:
    """The child's environment: what Python needs to start, and nothing that pages could reveal.

    Some modules have `os.environ` as a default value, and pydoc shows it.
    """
    return {
        **{name: value for name, value in os.environ.items() if name in _ENVIRONMENT},
        "HOME": tempfile.gettempdir(),
        "LC_ALL": "C.UTF-8",
        "BROWSER": "true",
        "OMP_NUM_THREADS": "1",  # it documents packages, it does not compute
        "PYTHONHASHSEED": "0",  # equal orders of sets in what pydoc shows
    }


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ends the child: by the end of its input, else by force."""
    try:
        server.communicate(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        log.debug("the documentation server had to be killed")
        server.kill()
        server.communicate()
