"""`groundup trace` on finished runs; what it finds is also checked in tests/tokens."""

import json
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.cli.main import main
from groundup.core.artifact import Manifest, RunDir
from groundup.core.config import to_toml, validate
from groundup.core.records import DOCUMENT_COLUMNS
from groundup.tokens.config import TokensConfig
from groundup.tokens.run import run as run_tokens
from groundup.training.config import PretrainConfig

TEXTS = [
    f"Page {i} " + " ".join(random.Random(i).choices(["the", "a", "owl", "sees", "tree"], k=30))
    for i in range(40)
]


def write_documents(path: Path, texts: list[str]) -> None:
    columns = {
        "id": [f"<urn:uuid:{path.stem}-{i}>" for i in range(len(texts))],
        "url": [f"https://example.org/{path.stem}/{i}" for i in range(len(texts))],
        "source": ["crawl-00001.warc.gz"] * len(texts),
        "offset": [1000 * i for i in range(len(texts))],
        "language": ["en"] * len(texts),
        "text": texts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, schema=pa.schema(list(DOCUMENT_COLUMNS.items()))), path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder of runs: corpus, tokens, and the manifest of a finished pretraining."""
    root = tmp_path_factory.mktemp("trace") / "runs"
    corpus = RunDir(
        root / "corpus/c", Manifest(stage="corpus", stage_version=1, name="c", key="c"), ""
    )
    write_documents(corpus.path / "documents/train-00000.parquet", TEXTS[:-1])
    write_documents(corpus.path / "documents/validation-00000.parquet", TEXTS[-1:])
    manifest = Manifest(stage="tokens", stage_version=1, name="t", key="t")
    tokens = RunDir(root / "tokens/t", manifest, "")
    config = TokensConfig(corpus="c.toml", vocab_size=280, workers=1)
    run_tokens(config, {"corpus": corpus.complete()}, tokens)
    finished = tokens.complete()
    values = {
        "tokens": "tokens.toml",
        "budget_tokens": 10 * 64,
        "batch_tokens": 64,
        "model": {"n_layers": 1, "d_model": 16, "n_heads": 1, "context_length": 16},
    }
    config = validate(PretrainConfig, values, source="test")
    for name in ("one", "two"):
        folder = root / "pretrain" / name
        manifest = Manifest(
            stage="pretrain",
            stage_version=1,
            name=name,
            key=name,
            inputs={"tokens": finished.reference(folder)},
        )
        model = RunDir(folder, manifest, to_toml("pretrain", config))
        model.summary["skipped_batches"] = []
        model.complete()
    return root


def test_batches_that_were_left_out_count_for_no_step(runs, capsys):
    manifest = runs / "pretrain/two/manifest.json"
    before = manifest.read_text()
    one, two = str(runs / "pretrain/one"), str(runs / "pretrain/two")
    try:
        manifest.write_text(before.replace('"skipped_batches": []', '"skipped_batches": [[1, 2]]'))
        for run, step in ((one, "4"), (two, "2")):
            assert main(["trace", run, "--step", step, "--row", "2", "--json"]) == 0
        first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert first["passages"] == second["passages"]
    finally:
        manifest.write_text(before)


def test_a_row_is_shown_with_its_pages(runs, capsys):
    run = str(runs / "pretrain/one")
    assert main(["trace", run, "--step", "3", "--row", "2"]) == 0
    text = capsys.readouterr().out
    assert "step 3, row 2: epoch 1" in text
    assert "https://example.org/train-00000/" in text
    assert "crawl-00001.warc.gz at " in text
    assert main(["trace", run, "--step", "3", "--row", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["row"], len(found["ids"])) == (3, 2, 17)
    for passage in found["passages"]:
        document = TEXTS[int(passage["url"].rpartition("/")[2])]
        first, last = passage["characters"]
        assert passage["text"].removesuffix("<|end|>") == document[first:last]
        assert passage["offset"] == 1000 * int(passage["url"].rpartition("/")[2])
        assert passage["text"] in found["text"]


def test_a_page_is_found_in_every_model_that_saw_it(runs, capsys):
    url = "https://example.org/train-00000/7"
    assert main(["trace", "--url", url, "--runs", str(runs), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(entry["run"]).name for entry in found] == ["one", "two"]
    places = [(place["step"], place["row"]) for place in found[0]["rows"]]
    shown = set()
    for step in range(1, 11):
        for row in range(4):
            arguments = ["--step", str(step), "--row", str(row), "--json"]
            assert main(["trace", str(runs / "pretrain/one"), *arguments]) == 0
            passages = json.loads(capsys.readouterr().out)["passages"]
            shown |= {(step, row) for passage in passages if passage["url"] == url}
    assert set(places) == shown
    assert main(["trace", str(runs / "pretrain/two"), "--url", found[0]["document"]]) == 0
    assert "two" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["RUN", "--step", "11", "--row", "0"], "there is no step 11"),
        (["RUN", "--step", "0", "--row", "0"], "there is no step 0"),
        (["RUN", "--step", "1", "--row", "4"], "there is no row 4"),
        (["RUN", "--step", "1"], "say which row"),
        (["RUN"], "say which row"),
        (["--step", "1", "--row", "1"], "say which row"),
        (["--url", "https://nowhere.org/"], "no model here was trained on"),
        (["--url", "x", "--runs", "none"], "no finished model"),
        (["RUNS/tokens/t", "--step", "1", "--row", "1"], "made by stage 'tokens'"),
    ],
)
def test_what_cannot_be_traced_is_said(runs, capsys, arguments, problem):
    places = {"RUN": str(runs / "pretrain/one"), "RUNS/tokens/t": str(runs / "tokens/t")}
    given = [places.get(argument, argument) for argument in arguments]
    given += [] if "--runs" in given else ["--runs", str(runs)]
    assert main(["trace", *given]) == 2
    shown = capsys.readouterr().err
    assert problem in shown
    assert " hint: " in shown


def test_tokens_that_have_changed_since_are_not_trusted(runs, capsys, tmp_path):
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    manifest = copy / "tokens/t/manifest.json"
    text = manifest.read_text()
    digest = json.loads(text)["outputs"][0]["sha256"]
    manifest.write_text(text.replace(digest, "0" * 64))
    assert main(["trace", str(copy / "pretrain/one"), "--step", "1", "--row", "0"]) == 2
    assert "its digest has changed" in capsys.readouterr().err
