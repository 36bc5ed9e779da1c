import sys
import urllib.request

import pytest

from groundup.core.config import validate
from groundup.core.errors import ConfigError
from groundup.crawl.config import PydocConfig
from groundup.crawl.pydoc_source import package_versions, pydoc_journey, pydoc_server

SITE = "http://pydoc.localhost/"


def follows(**values):
    journey = pydoc_journey(validate(PydocConfig, values, source="test"))
    return lambda page: journey.follows(SITE + page)


@pytest.mark.parametrize(
    "page",
    [
        "os.html",
        "unittest.mock.html",
        "xml.etree.ElementTree.html",
        "numpy.linalg.html",
        "torch.nn.functional.html",
        "torch.optim.html",
        "topic?key=ASSERTION",
        "topic?key=with",
    ],
)
def test_pages_worth_reading_are_followed(page):
    assert follows()(page)


@pytest.mark.parametrize(
    "page",
    [
        "antigravity.html",
        "this.html",
        "idlelib.run.html",
        "turtledemo.html",
        "test.support.html",
        "__main__.html",
        "_testcapi.html",
        "_xxsubinterpreters.html",
        "lib2to3.tests.html",
        "get?key=os",
        "search?key=os",
        "topic?key=os",
        "pydoc_data/_pydoc.css",
        "robots.txt",
        "numpy.random.mtrand.html",
        "torch._dynamo.html",
        "httpx.html",
        "os",
        "a/b.html",
    ],
)
def test_pages_that_do_or_say_nothing_useful_are_not(page):
    assert not follows()(page)


def test_packages_and_topics_are_a_choice():
    assert not follows(packages=[])("numpy.html")
    assert follows(packages=["httpx"])("httpx.html")
    assert not follows(topics=False)("topic?key=ASSERTION")
    assert not pydoc_journey(PydocConfig()).follows("http://elsewhere.test/os.html")


def test_versions_name_python_and_the_packages():
    found = package_versions(PydocConfig(packages=("numpy", "numpy.linalg")))
    assert found["python"] == sys.version
    assert set(found) == {"python", "numpy"}
    with pytest.raises(ConfigError, match="'no_such_package' is not installed"):
        package_versions(PydocConfig(packages=("no_such_package",)))


def test_the_server_shows_a_compiled_package_twice_without_addresses_and_stops(monkeypatch):
    monkeypatch.setenv("MY_SECRET", "hunter2")
    with pydoc_server() as port:

        def get(page: str) -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}") as answer:
                return answer.read().decode()

        first, again = get("numpy.linalg.html"), get("numpy.linalg.html")
        sockets, system = get("socket.html"), get("os.html")
    assert "Pydoc: package numpy.linalg" in first
    assert first == again
    assert "timeout=&lt;object object&gt;" in sockets
    assert "environ" in system
    assert "hunter2" not in system
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/")
