"""Opt-out lists through the stage, against a list-based account of what must be left."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from groundup.core.artifact import Artifact, digest_file
from groundup.core.config import semantic
from groundup.core.errors import CorruptArtifact, DataError
from groundup.tokens.config import TokensConfig
from groundup.tokens.loader import TokenRows
from groundup.tokens.run import outside, run
from groundup.tokens.tokenizer import Tokenizer

FILES = {
    "train-00000": [f"The first text, number {i}." for i in range(6)],
    "train-00001": [f"Another one of kind {i}, with more words." for i in range(5)],
    "validation-00000": ["The other theory.", "Üb immer Treu."],
}


@pytest.fixture
def before(new_corpus, new_run) -> Artifact:
    out = new_run("tokens", "before")
    run(
        TokensConfig(corpus="c.toml", vocab_size=280, workers=1), {"corpus": new_corpus(FILES)}, out
    )
    return out.complete()


@pytest.fixture
def without(new_run, tmp_path, before):
    def apply(text: str, name: str = "after") -> Artifact:
        path = tmp_path / "optout.txt"
        path.write_text(text, encoding="utf-8")
        out = new_run("tokens", name)
        config = TokensConfig(tokens="before.toml", opt_out=(str(path),))
        run(config, {"tokens": before}, out)
        return out.complete()

    return apply


def stream(tokens: Artifact, split: str) -> list[int]:
    parts = [np.fromfile(path, "<u2") for path in tokens.files(f"{split}/*.bin")]
    return np.concatenate(parts).tolist()


def test_exactly_the_named_documents_are_gone(before, without):
    # documents are called STEM/NUMBER, their URLs file:NUMBER
    after = without("id:train-00001/0\nid:train-00001/4\nid:train-00001/3\nfile:9\nid:nobody\n")
    tokenizer = Tokenizer.load(after.file("tokenizer.json"))
    kept = [*FILES["train-00000"], *FILES["train-00001"][1:3]]
    assert stream(after, "train") == [
        id for text in kept for id in [*tokenizer.encode(text), tokenizer.end_id]
    ]
    assert stream(after, "validation") == stream(before, "validation")
    index = pq.read_table(after.file("train/00001.parquet")).to_pydict()
    assert index["id"] == ["train-00001/1", "train-00001/2"]
    assert index["start"] == [0, index["n_tokens"][0]]
    about = json.loads(after.file("tokens.json").read_text())
    assert about["train_documents"] == 8
    assert about["train_tokens"] == len(stream(after, "train"))
    assert about["train_bytes"] == sum(len(text.encode()) for text in kept)
    rows = TokenRows.open(after, "train", 8)
    assert rows.bytes_of(np.concatenate([row[1:] for row in rows.all_rows()])) == rows.n_bytes


def test_what_was_removed_and_what_matched_nothing_is_said(before, without):
    after = without("id:train-00001/0\nfile:0\nfile:9\nid:nobody\nnowhere.org\n")
    gone = ["train-00000/0", "train-00001/0", "validation-00000/0"]
    removed = json.loads(after.file("opt_out.json").read_text())
    assert removed["entries"] == 5
    assert removed["documents"] == len(gone)
    assert removed["unmatched"] == ["file:9", "id:nobody", "nowhere.org"]
    left = sum(len(stream(after, split)) for split in ("train", "validation"))
    there = sum(len(stream(before, split)) for split in ("train", "validation"))
    assert removed["tokens"] == there - left
    summary = after.manifest.summary
    assert (summary["removed_documents"], summary["removed_tokens"]) == (3, there - left)


def test_untouched_shards_are_the_same_files_and_nothing_is_encoded(before, without, monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("tokenised again")

    monkeypatch.setattr(Tokenizer, "encode_batch", refuse)
    monkeypatch.setattr(Tokenizer, "encode", refuse)
    after = without("id:train-00001/2\n")
    for name in ("train/00000.bin", "train/00000.parquet", "validation/00000.bin"):
        assert after.file(name).samefile(before.file(name))
    assert not after.file("train/00001.bin").samefile(before.file("train/00001.bin"))
    assert after.file("tokenizer.json").read_bytes() == before.file("tokenizer.json").read_bytes()
    assert before.damaged() == []


def test_a_copy_is_made_where_there_are_no_links(before, without, monkeypatch):
    def refuse(*_arguments):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    after = without("id:train-00001/2\n")
    assert after.file("train/00000.bin").read_bytes() == before.file("train/00000.bin").read_bytes()
    assert not after.file("train/00000.bin").samefile(before.file("train/00000.bin"))


def test_a_rerun_takes_over_only_what_is_missing(before, without, new_run, tmp_path):
    after = without("id:train-00001/2\nid:train-00000/1\n")
    names = ("train/00000.bin", "train/00001.bin", "tokens.json", "opt_out.json")
    whole = {name: after.file(name).read_bytes() for name in names}
    first, *_rest = after.file("shards.jsonl").read_text().splitlines(keepends=True)
    assert '"train/00000"' in first
    (after.path / "shards.jsonl").write_text(first)
    stamps = {name: (after.path / name).stat().st_ino for name in names}
    config = TokensConfig(tokens="before.toml", opt_out=(str(tmp_path / "optout.txt"),))
    run(config, {"tokens": before}, new_run("tokens", "after"))
    assert {name: (after.path / name).read_bytes() for name in names} == whole
    again = {name for name in names if (after.path / name).stat().st_ino != stamps[name]}
    assert again == {"train/00001.bin", "tokens.json", "opt_out.json"}


def test_the_list_is_part_of_the_key(tmp_path):
    path = tmp_path / "optout.txt"
    path.write_text("a.org\n")
    config = TokensConfig(tokens="t.toml", opt_out=(str(path),))
    first = outside(config)
    path.write_text("b.org\n")
    assert outside(config) != first
    plain = TokensConfig(corpus="c.toml")
    assert outside(plain) == {}
    assert "opt_out" not in semantic(plain)


def test_a_split_that_would_be_empty_is_refused(without):
    with pytest.raises(DataError, match="no validation documents"):
        without("id:validation-00000/0\nid:validation-00000/1\n")


def damage_index(before: Artifact, change) -> Artifact:
    """Rewrites an index, and the manifest so that only the disagreement can be found."""
    path = before.path / "train/00001.parquet"
    table = change(pq.read_table(path))
    pq.write_table(table, path)
    manifest = json.loads((before.path / "manifest.json").read_text())
    for output in manifest["outputs"]:
        if output["path"] == "train/00001.parquet":
            output.update(size_bytes=path.stat().st_size, sha256=digest_file(path))
    (before.path / "manifest.json").write_text(json.dumps(manifest))
    return Artifact.open(before.path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda table: table.slice(0, 4), r"00001\.parquet counts .* tokens and the ids beside it"),
        (lambda table: table.slice(1), "does not say where every document begins"),
    ],
)
def test_an_index_that_disagrees_with_its_ids_is_found_out(
    before, new_run, tmp_path, change, problem
):
    damaged = damage_index(before, change)
    path = tmp_path / "optout.txt"
    path.write_text("a.org\n")
    config = TokensConfig(tokens="before.toml", opt_out=(str(path),))
    with pytest.raises(CorruptArtifact, match=problem) as caught:
        run(config, {"tokens": damaged}, new_run("tokens", "after"))
    assert caught.value.hint


def test_a_changed_shard_is_found_out(before, without):
    path = Path(before.path / "train/00000.bin")
    data = bytearray(path.read_bytes())
    data[4] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptArtifact, match=r"train/00000\.bin"):
        without("a.org\n")
