import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.cli.main import main
from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.records import DOCUMENT_COLUMNS
from groundup.tokens.tokenizer import Tokenizer

BYTES = [bytes([value]) for value in range(256)]


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "nothing"))


@pytest.fixture
def tokens_run(tmp_path):
    """A finished run whose tokenizer knows ` the`, on two languages from two archives."""
    corpus = new_run(tmp_path, "corpus")
    rows = [("en", "a.warc.gz", "see the the"), ("de", "b.warc.gz", "Üb immer")]
    columns = {name: [""] * 2 for name in DOCUMENT_COLUMNS}
    columns["offset"] = [0, 1]
    columns["language"], columns["source"], columns["text"] = map(list, zip(*rows, strict=True))
    path = corpus.path / "documents" / "train-00000.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table(columns, schema=pa.schema(list(DOCUMENT_COLUMNS.items()))), path)
    made = corpus.complete()
    base = tmp_path / "tokens"
    run = new_run(tmp_path, "tokens", inputs={"corpus": made.reference(base / "mine")})
    tokenizer = Tokenizer([*BYTES, b" t", b"he", b" the"])
    with run.publish("tokenizer.json") as partial:
        tokenizer.save(partial)
    return run.complete().path


def new_run(folder, stage, **fields):
    manifest = Manifest(stage=stage, stage_version=1, name="mine", key="0123456789ab", **fields)
    return RunDir(folder / stage / "mine", manifest, "")


def report(capsys, *arguments):
    assert main(["tokens", "report", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_numbers_are_given_by_language_and_by_source(tokens_run, capsys):
    found = report(capsys, tokens_run)
    # s, e, e, ` the`, ` the`: 5 tokens, 3 words, 11 bytes
    english = {"tokens": 5, "bytes_per_token": 2.2, "tokens_per_word": 1.6667}
    assert found["by_language"]["en"]["tokenizers"] == {"mine": english}
    assert found["by_source"]["a.warc.gz"]["tokenizers"] == {"mine": english}
    assert found["by_language"]["de"]["tokenizers"]["mine"]["tokens"] == 9
    assert found["not_available_offline"] == ["gpt2", "cl100k"]


def test_a_tokenizer_at_hand_is_compared(tokens_run, capsys, tmp_path):
    for name in ("theirs", "mine"):
        (tmp_path / name).mkdir()
        Tokenizer(BYTES).save(tmp_path / name / "tokenizer.json")
    others = [tmp_path / name / "tokenizer.json" for name in ("theirs", "mine")]
    found = report(capsys, tokens_run, "--against", *others)["by_language"]["en"]["tokenizers"]
    assert list(found) == ["mine", "theirs", str(others[1])]
    assert found["theirs"]["tokens"] == 11


def test_further_texts_are_measured(tokens_run, capsys, tmp_path):
    lines = [{"text": "le the", "language": "fr"}, {"text": "the"}]
    (tmp_path / "more.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pa.output_stream(str(tmp_path / "it.jsonl.zst"), compression="zstd") as stream:
        stream.write(b'{"text": "il the", "lang": "it"}\n')
    (tmp_path / "plain.txt").write_text("the the")
    names = [tmp_path / name for name in ("more.jsonl", "it.jsonl.zst", "plain.txt")]
    found = report(capsys, tokens_run, "--text", *names)
    assert found["by_language"]["fr"]["tokenizers"]["mine"]["tokens"] == 3
    assert found["by_language"]["it"]["words"] == 2
    assert found["by_source"]["plain.txt"]["texts"] == 1
    assert found["by_language"]["unknown"]["texts"] == 2


def test_the_tables_can_be_read(tokens_run, capsys):
    assert main(["tokens", "report", str(tokens_run)]) == 0
    shown = capsys.readouterr().out
    for expected in ("by language", "by source", "a.warc.gz", "mine: bytes/token", "2.20", "1.67"):
        assert expected in shown
    assert "gpt2: not available offline" in shown


@pytest.mark.parametrize("content", [b"\xff", b"[]", b'{"language": "en"}'])
def test_a_file_that_has_no_texts_is_an_error(tokens_run, capsys, tmp_path, content):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    assert main(["tokens", "report", str(tokens_run), "--text", str(path)]) == 2
    assert "bad.jsonl" in capsys.readouterr().err


def test_what_tiktoken_has_downloaded_is_compared(tokens_run, capsys, tmp_path, monkeypatch):
    asked = []

    class Encoding:
        def encode_ordinary(self, text):
            return text.split()

    monkeypatch.setattr("tiktoken.get_encoding", lambda name: asked.append(name) or Encoding())
    # sha1 of https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken, a name
    # that people who work offline know
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").write_bytes(b"")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    found = report(capsys, tokens_run)
    assert found["by_language"]["en"]["tokenizers"]["cl100k"]["tokens"] == 3
    assert (asked, found["not_available_offline"]) == (["cl100k_base"], ["gpt2"])


def test_help_says_what_it_takes(capsys):
    with pytest.raises(SystemExit):
        main(["tokens", "report", "--help"])
    shown = capsys.readouterr().out
    assert "--against" in shown
    assert "--text" in shown


def test_named_corpora_are_the_sources_also_of_a_run_that_took_them_over(
    tmp_path, tokens_run, capsys
):
    corpus = Artifact.open(tokens_run.parents[1] / "corpus" / "mine")
    inputs = {"corpora.web": corpus.reference(tmp_path / "tokens" / "several")}
    several = finished(tmp_path, "several", inputs, tokens_run)
    assert list(report(capsys, several.path)["by_source"]) == ["web"]
    inputs = {"tokens": several.reference(tmp_path / "tokens" / "less")}
    less = finished(tmp_path, "less", inputs, tokens_run)
    assert report(capsys, less.path)["by_source"]["web"]["texts"] == 2


def finished(folder, name, inputs, like):
    manifest = Manifest(stage="tokens", stage_version=1, name=name, key="1" * 12, inputs=inputs)
    run = RunDir(folder / "tokens" / name, manifest, "")
    with run.publish("tokenizer.json") as partial:
        partial.write_bytes((like / "tokenizer.json").read_bytes())
    return run.complete()


def test_a_run_of_another_stage_is_refused(tokens_run, capsys):
    assert main(["tokens", "report", str(tokens_run.parents[1] / "corpus" / "mine")]) == 2
    assert "stage 'corpus'" in capsys.readouterr().err
