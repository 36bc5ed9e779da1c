"""Crawls and runs for the corpus tests."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.records import PAGE_COLUMNS
from groundup.corpus.config import CorpusConfig
from groundup.corpus.run import run

TYPES = {"string": pa.string(), "int64": pa.int64(), "binary": pa.binary()}
SCHEMA = pa.schema({name: TYPES[kind] for name, kind in PAGE_COLUMNS.items()})


def page(number, payload, *, charset="", media_type="text/html"):
    return {
        "id": f"page-{number}",
        "url": f"http://site.test/{number}",
        "source": "made.warc.gz",
        "offset": number,
        "media_type": media_type,
        "charset": charset,
        "payload": payload if isinstance(payload, bytes) else payload.encode(),
    }


def write_crawl(folder: Path, shards: list[list[dict]], dropped: dict[str, int]) -> Artifact:
    manifest = Manifest(stage="crawl", stage_version=1, name="made", key="0" * 12)
    out = RunDir(folder, manifest, "")
    for number, rows in enumerate(shards):
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pq.write_table(table, out.file(f"pages/{number:05d}.parquet"))
    n_pages = sum(map(len, shards))
    counts = {"read": n_pages + sum(dropped.values()), "pages": n_pages, "dropped": dropped}
    out.write_json("counts.json", counts)
    return out.complete()


class Result:
    """A finished corpus run, opened for the assertions."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.funnel = json.loads(artifact.file("funnel.json").read_text())
        self.dropped = {row["rule"]: row["dropped"] for row in self.funnel["rows"]}
        self.removed = pq.read_table(artifact.file("removed.parquet")).to_pylist()

    def documents(self, split: str = "*") -> list[dict]:
        files = self.artifact.files(f"documents/{split}-*.parquet")
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def digests(self) -> dict[str, str]:
        outputs = self.artifact.manifest.outputs
        return {output.path: output.sha256 for output in outputs if output.path != "config.toml"}


def make_corpus(folder: Path, crawl: Artifact, **settings) -> Result:
    manifest = Manifest(stage="corpus", stage_version=1, name="made", key="1" * 12)
    out = RunDir(folder, manifest, "")
    config = CorpusConfig(crawl=str(crawl.path), **{"workers": 1, **settings})
    try:
        run(config, {"crawl": crawl}, out)
    except BaseException:
        out.abandon()
        raise
    return Result(out.complete())


@pytest.fixture
def crawl_of(tmp_path):
    """Makes a crawl of lists of pages, one list for each file."""

    def build(*shards, **dropped):
        return write_crawl(tmp_path / "crawl", list(shards), dropped)

    return build


@pytest.fixture
def corpus_of(tmp_path):
    """Runs the stage on a crawl; keyword arguments are settings."""

    def build(crawl, folder="corpus", **settings):
        return make_corpus(tmp_path / folder, crawl, **settings)

    return build


@pytest.fixture
def new_page():
    return page
