import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.config import inputs_of, semantic, validate
from groundup.core.errors import ConfigError, CorruptArtifact, DataError
from groundup.tokens.config import TokensConfig
from groundup.tokens.loader import TokenRows
from groundup.tokens.run import run
from groundup.tokens.tokenizer import Tokenizer

TEXTS = [f"The theory number {i} is that things of kind {i % 7} are thin." for i in range(60)]
FILES = {
    "train-00000": TEXTS[:20],
    "train-00001": TEXTS[20:40],
    "train-00002": TEXTS[40:],
    "validation-00000": ["The other theory.", "Üb immer Treu."],
}
CONFIG = TokensConfig(corpus="corpus.toml", vocab_size=300, workers=1)


def contents(folder: Path) -> dict[str, str]:
    """Digest of each file that the stage writes."""
    names = [p for p in folder.rglob("*") if p.suffix in {".bin", ".parquet", ".json"}]
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in names
        if p.name != "manifest.json"
    }


def test_the_stage_writes_tokenizer_shards_and_counts(new_corpus, new_run):
    out = new_run("tokens")
    run(CONFIG, {"corpus": new_corpus(FILES)}, out)
    tokens = out.complete()
    assert {p.name for p in tokens.files("train/*.bin")} == {
        "00000.bin", "00001.bin", "00002.bin",
    }  # fmt: skip
    about = json.loads(tokens.file("tokens.json").read_text())
    train_bytes = sum(len(text.encode()) for text in TEXTS)
    assert about["train_bytes"] == train_bytes
    assert about["validation_bytes"] == len("The other theory.") + len("Üb immer Treu.") + 1
    assert (about["train_documents"], about["validation_documents"]) == (60, 2)
    assert (about["dtype"], about["vocab_size"], about["pattern"]) == ("uint16", 300, "gpt2")
    expected = train_bytes / (about["train_tokens"] - 60)
    assert about["bytes_per_token"] == pytest.approx(expected, abs=1e-4)
    assert about["languages"]["en"]["documents"] == 62
    assert out.summary["vocab_size"] == 300
    assert out.summary["train_tokens"] == about["train_tokens"]


def test_the_shards_decode_to_the_documents_and_the_loader_reads_them(new_corpus, new_run):
    out = new_run("tokens")
    run(CONFIG, {"corpus": new_corpus(FILES)}, out)
    tokens = out.complete()
    tokenizer = Tokenizer.load(tokens.file("tokenizer.json"))
    for split, texts in (("train", TEXTS), ("validation", FILES["validation-00000"])):
        rows = TokenRows.open(tokens, split, 16)
        ids = np.concatenate([row[1:] for row in rows.all_rows()])
        assert tokenizer.decode(ids.tolist()) == "".join(f"{text}<|end|>" for text in texts)
        assert rows.bytes_of(ids) == rows.n_bytes


def test_a_rerun_of_a_finished_run_changes_nothing(new_corpus, new_run):
    corpus, out = new_corpus(FILES), new_run("tokens")
    run(CONFIG, {"corpus": corpus}, out)
    before, stamps = contents(out.path), [p.stat().st_mtime_ns for p in out.path.glob("*/*.bin")]
    run(CONFIG, {"corpus": corpus}, out)
    assert contents(out.path) == before
    assert [p.stat().st_mtime_ns for p in out.path.glob("*/*.bin")] == stamps


def test_the_result_does_not_depend_on_the_number_of_workers(new_corpus, new_run):
    corpus, one, four = new_corpus(FILES), new_run("tokens", "one"), new_run("tokens", "four")
    run(CONFIG, {"corpus": corpus}, one)
    run(CONFIG.model_copy(update={"workers": 4}), {"corpus": corpus}, four)
    assert contents(one.path) == contents(four.path)


KILLED = """
import os, signal, sys
from pathlib import Path
from groundup.core import artifact
from groundup.tokens import run as stage
from groundup.tokens.config import TokensConfig

corpus, folder, kill_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
seen = 0

def count(frame, event, argument):
    # every line of the stage's own code is a place to die at
    global seen
    if event == "line":
        seen += 1
        if seen == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    return count

def trace(frame, event, argument):
    wanted = ("tokens/run.py", "tokens/pack.py", "core/artifact.py", "core/shards.py")
    return count if frame.f_code.co_filename.endswith(wanted) else None

manifest = artifact.Manifest(stage="tokens", stage_version=1, name="killed", key="0123456789ab")
out = artifact.RunDir(folder, manifest, "")
config = TokensConfig(corpus="corpus.toml", vocab_size=300, workers=1)
sys.settrace(trace)
stage.run(config, {"corpus": artifact.Artifact.open(corpus)}, out)
sys.settrace(None)
print(seen)
"""


def test_a_run_killed_anywhere_resumes_to_the_same_files(new_corpus, new_run, tmp_path):
    corpus, whole = new_corpus(FILES), new_run("tokens", "whole")
    run(CONFIG, {"corpus": corpus}, whole)
    folder = tmp_path / "killed"
    kills = 0
    for kill_at in range(90, 10**6, 230):
        command = [sys.executable, "-c", KILLED, str(corpus.path), str(folder), str(kill_at)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
    assert kills >= 3
    manifest = Manifest(stage="tokens", stage_version=1, name="killed", key="0123456789ab")
    tokens = RunDir(folder, manifest, "").complete()
    assert contents(folder) == contents(whole.path)
    assert not list(folder.rglob("*.partial"))
    assert isinstance(tokens, Artifact)


def test_sampling_for_the_merges_keeps_to_its_bytes_and_its_seed(new_corpus, new_run):
    words = [hashlib.sha256(bytes([i])).hexdigest() for i in range(60)]
    corpus = new_corpus({"train-00000": words, "validation-00000": ["x"]})
    small = {"vocab_size": 310, "sample_bytes": 600}
    vocabularies = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = new_run("tokens", name)
        config = CONFIG.model_copy(update={**small, "seed": seed})
        run(config, {"corpus": corpus}, out)
        vocabularies.append((out.path / "tokenizer.json").read_bytes())
    assert vocabularies[0] == vocabularies[1]
    assert vocabularies[0] != vocabularies[2]


def test_a_corpus_too_small_for_the_vocabulary_says_the_largest_possible(new_corpus, new_run):
    corpus = new_corpus({"train-00000": ["hello hello"], "validation-00000": ["x"]})
    with pytest.raises(ConfigError, match="more than the corpus allows") as caught:
        run(CONFIG, {"corpus": corpus}, new_run("tokens"))
    assert "vocab_size to at most" in caught.value.hint


@pytest.mark.parametrize("missing", ["train", "validation"])
def test_a_split_without_documents_is_an_error(new_corpus, new_run, missing):
    files = {
        f"{split}-00000": [] if split == missing else TEXTS for split in ("train", "validation")
    }
    config = CONFIG.model_copy(update={"vocab_size": 260})
    with pytest.raises(DataError, match=f"no {missing} documents"):
        run(config, {"corpus": new_corpus(files)}, new_run("tokens"))


def test_a_changed_corpus_file_is_found_out(new_corpus, new_run):
    corpus = new_corpus(FILES)
    path = corpus.path / "documents/train-00001.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptArtifact, match="train-00001"):
        run(CONFIG, {"corpus": corpus}, new_run("tokens"))


MORE = {
    "train-00000": [f"Books tell {i} long tales." for i in range(30)],
    "validation-00000": ["A tale that nobody has told."],
}


def test_several_corpora_have_one_tokenizer_and_shards_apart(new_corpus, new_run):
    inputs = {"corpora.web": new_corpus(FILES, "web"), "corpora.books": new_corpus(MORE, "books")}
    config = CONFIG.model_copy(update={"corpus": "", "corpora": {"web": "w", "books": "b"}})
    out = new_run("tokens")
    run(config, inputs, out)
    tokens = out.complete()
    tokenizer = Tokenizer.load(tokens.file("tokenizer.json"))
    about = json.loads(tokens.file("tokens.json").read_text())
    for source, files in (("web", FILES), ("books", MORE)):
        train = [
            text for name, texts in files.items() if name.startswith("train") for text in texts
        ]
        rows = TokenRows.open(tokens, "train", 16, source=source)
        ids = np.concatenate([row[1:] for row in rows.all_rows()])
        assert tokenizer.decode(ids.tolist()) == "".join(f"{text}<|end|>" for text in train)
        counts = about["sources"][source]
        assert counts["train_tokens"] == len(ids) == rows.n_tokens
        assert counts["train_bytes"] == rows.n_bytes == sum(len(t.encode()) for t in train)
        assert counts["train_documents"] == len(train)
    # Without a source the run is one stream, in order of name; both splits.
    everything = TokenRows.open(tokens, "validation", 16)
    text = tokenizer.decode(np.concatenate([row[1:] for row in everything.all_rows()]).tolist())
    texts = [*MORE["validation-00000"], *FILES["validation-00000"]]
    assert text == "".join(f"{text}<|end|>" for text in texts)
    assert everything.n_bytes == about["validation_bytes"]
    assert about["train_tokens"] == sum(s["train_tokens"] for s in about["sources"].values())
    assert everything.names == ["validation/books/00000", "validation/web/00000"]


def test_a_run_over_one_corpus_says_nothing_of_sources(new_corpus, new_run):
    out = new_run("tokens")
    run(CONFIG, {"corpus": new_corpus(FILES)}, out)
    assert "sources" not in json.loads((out.path / "tokens.json").read_text())


def test_the_tokenizer_of_another_run_is_taken_as_it_is(new_corpus, new_run):
    first, second = new_run("tokens", "first"), new_run("tokens", "second")
    run(CONFIG, {"corpus": new_corpus(FILES, "web")}, first)
    config = TokensConfig(corpus="c.toml", tokenizer="first.toml", workers=1)
    run(config, {"corpus": new_corpus(MORE, "books"), "tokenizer": first.complete()}, second)
    same = (first.path / "tokenizer.json").read_bytes()
    assert (second.path / "tokenizer.json").read_bytes() == same
    assert second.summary["vocab_size"] == 300


def test_a_source_without_documents_is_named(new_corpus, new_run):
    empty = {"train-00000": [], "validation-00000": ["x"]}
    inputs = {"corpora.web": new_corpus(FILES, "web"), "corpora.none": new_corpus(empty, "none")}
    config = CONFIG.model_copy(update={"corpus": "", "corpora": {"web": "w", "none": "n"}})
    with pytest.raises(DataError, match="source 'none' has no train documents"):
        run(config, inputs, new_run("tokens"))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "exactly one of corpus, corpora and tokens, not none"),
        ({"corpus": "a", "tokens": "b", "opt_out": ["c"]}, "not corpus and tokens"),
        ({"corpus": "a", "opt_out": ["c"]}, "opt_out and tokens go together"),
        ({"tokens": "a"}, "opt_out and tokens go together"),
        ({"corpora": {"Web site": "a"}}, "'Web site' is no name"),
        ({"corpora": {"../up": "a"}}, "is no name"),
        ({"corpus": "a", "tokenizer": "b", "vocab_size": 999}, "leave vocab_size out"),
        ({"tokens": "a", "opt_out": ["c"], "tokenizer": "b"}, "leave tokenizer out"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(values, problem):
    with pytest.raises(ConfigError, match=problem):
        validate(TokensConfig, values, source="tokens.toml")


def test_sources_are_inputs_by_name_and_old_keys_stay():
    config = TokensConfig(corpora={"web": "web.toml", "books": "books.toml"})
    assert inputs_of(config) == {"corpora.web": "web.toml", "corpora.books": "books.toml"}
    # what the stage's key was made of before there were sources
    assert set(semantic(CONFIG)) == {"vocab_size", "special", "pattern", "sample_bytes", "seed"}
