import importlib
import pydoc
import sys
import types

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.core.artifact import Manifest, RunDir
from groundup.core.records import PAGE_COLUMNS
from groundup.instruct.config import InstructConfig
from groundup.instruct.run import run


def page_of(module: types.ModuleType) -> str:
    """The page that pydoc's server sends for a module."""
    html = pydoc.HTMLDoc()
    kind = "package" if hasattr(module, "__path__") else "module"
    body = html.document(module, module.__name__)
    return (
        f"<!DOCTYPE><html><head><title>Pydoc: {kind} {module.__name__}</title></head>"
        f"<body>{body}</body></html>"
    )


@pytest.fixture(scope="session")
def page():
    """A module's name to its page."""
    return lambda name: page_of(importlib.import_module(name))


@pytest.fixture
def page_of_source():
    """Source text to the page of a module that holds it."""

    def build(source: str, name: str = "sample") -> str:
        module = types.ModuleType(name)
        module.__file__ = f"/nowhere/{name}.py"
        sys.modules[name] = module
        try:
            exec(source, module.__dict__)
            return page_of(module)
        finally:
            del sys.modules[name]

    return build


MODULES = (
    "argparse",
    "collections",
    "configparser",
    "csv",
    "difflib",
    "email.message",
    "functools",
    "http.cookiejar",
    "json",
    "logging",
    "mailbox",
    "shutil",
    "statistics",
    "subprocess",
    "tarfile",
    "textwrap",
    "zipfile",
)


@pytest.fixture(scope="session")
def crawl(tmp_path_factory, page):
    """A finished crawl of some modules' pages and of one that is no module's."""
    path = tmp_path_factory.mktemp("runs") / "crawl"
    run = RunDir(path, Manifest(stage="crawl", stage_version=1, name="t", key="c" * 12), "")
    pages = {name: page(name) for name in MODULES}
    pages["index"] = "<title>Pydoc: Index of Modules</title><body>all</body>"
    rows = [
        {
            "id": f"sha256:{place}",
            "url": f"http://127.0.0.1/{name}.html",
            "source": "pydoc",
            "offset": place,
            "media_type": "text/html",
            "charset": "utf-8",
            "payload": html.encode(),
        }
        for place, (name, html) in enumerate(pages.items())
    ]
    kinds = {"string": pa.string(), "int64": pa.int64(), "binary": pa.binary()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in PAGE_COLUMNS.items()])
    pq.write_table(pa.Table.from_pylist(rows, schema), run.file("pages/00000.parquet"))
    return run.complete()


def open_run(path) -> RunDir:
    """A run directory of the instruct stage, under construction."""
    return RunDir(path, Manifest(stage="instruct", stage_version=1, name="t", key="a" * 12), "")


@pytest.fixture
def new_run(tmp_path):
    """Opens a run directory; the same one for the same name."""
    return lambda name="instruct": open_run(tmp_path / name)


@pytest.fixture(scope="session")
def built(crawl, tmp_path_factory):
    """What the stage makes of the crawl; not to be changed."""
    out = open_run(tmp_path_factory.mktemp("runs") / "instruct")
    run(InstructConfig(source="pydoc", crawl="crawl.toml"), {"crawl": crawl}, out)
    return out
