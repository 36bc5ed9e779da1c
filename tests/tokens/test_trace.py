"""Rows to documents and back, against a walk through plain lists."""

from pathlib import Path

import numpy as np
import pytest

from groundup.core.artifact import Artifact
from groundup.core.errors import CorruptArtifact
from groundup.tokens.config import TokensConfig
from groundup.tokens.loader import TokenRows
from groundup.tokens.mixture import MixedRows, open_training_rows
from groundup.tokens.run import run
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.trace import document_visits, trace_row

WEB = {
    "train-00000": ["Die Straße ist naß.", "", "世界人権宣言 and the rest of it"],
    "train-00001": ["a", "A longer page, which tells of many things and of nothing much at all."],
    "validation-00000": ["x"],
}
BOOKS = {
    "train-00000": [f"Chapter {i}: 🌍 and so on, without an end." for i in range(7)],
    "validation-00000": ["y"],
}
SEED, WIDTH, N_ROWS = 11, 7, 90


@pytest.fixture
def tokens(new_corpus, new_run) -> Artifact:
    inputs = {"corpora.web": new_corpus(WEB, "web"), "corpora.books": new_corpus(BOOKS, "books")}
    out = new_run("tokens")
    run(TokensConfig(corpora={"web": "w", "books": "b"}, vocab_size=270, workers=1), inputs, out)
    return out.complete()


def labelled_stream(tokenizer: Tokenizer, sources: dict[str, dict[str, list[str]]]):
    """(token, source, document id, place in the document) of every training token, in order."""
    stream = []
    for source, files in sources.items():
        for name, texts in files.items():
            if not name.startswith("train"):
                continue
            for number, text in enumerate(texts):
                for place, id in enumerate([*tokenizer.encode(text), tokenizer.end_id]):
                    stream.append((id, source, f"{name}/{number}", place, text))
    return stream


def row_in(stream, ids: list[int], start: int):
    """The labels of a row whose first target is at `start`; None for the virtual end token."""
    shown = [stream[start - 1] if start else None, *stream[start : start + WIDTH]]
    assert [label[0] for label in shown if label] == ids[len(ids) - sum(map(bool, shown)) :]
    return shown


@pytest.mark.parametrize("weights", [{}, {"web": 1.0}, {"web": 2.0, "books": 0.7}])
def test_every_row_is_traced_to_what_it_shows(tokens, weights):
    tokenizer = Tokenizer.load(tokens.file("tokenizer.json"))
    rows = open_training_rows(tokens, WIDTH, weights)
    sequence = rows.batch(SEED, 0, N_ROWS)
    expected_visits: dict[tuple[str, str], list[int]] = {}
    for number in range(N_ROWS):
        found = trace_row(tokens, rows, tokenizer, seed=SEED, number=number)
        assert found.ids == sequence[number].tolist()
        assert found.text == tokenizer.decode(found.ids)
        if isinstance(rows, MixedRows):
            files = {"web": WEB, "books": BOOKS}[found.source]
            stream = labelled_stream(tokenizer, {found.source: files})
        else:
            assert found.source == ""
            stream = labelled_stream(tokenizer, {"books": BOOKS, "web": WEB})
        starts = [
            start
            for start in range(len(stream) - WIDTH + 1)
            if [t[0] for t in stream[start : start + WIDTH]] == found.ids[1:]
            and (stream[start - 1][0] if start else tokenizer.end_id) == found.ids[0]
        ]
        labels = [
            [(t[1], t[2], t[3]) if t else None for t in row_in(stream, found.ids, start)]
            for start in starts
        ]
        told: list = [None] * (WIDTH + 1)
        for passage in found.passages:
            for column, place in zip(range(*passage.columns), range(*passage.tokens), strict=True):
                told[column] = (passage.source, passage.id, place)
            expected_visits.setdefault((passage.source, passage.id), []).append(number)
        assert told in labels
        for passage in found.passages:
            text = {"web": WEB, "books": BOOKS}[passage.source]
            name, _, place = passage.id.partition("/")
            document = text[name][int(place)]
            raw = document.encode()
            first, last = passage.bytes
            end = "<|end|>" if passage.tokens[1] == passage.n_tokens else ""
            assert passage.text == raw[first:last].decode(errors="replace") + end
            # The characters are the fewest that hold those bytes.
            spans = np.cumsum([0, *(len(c.encode()) for c in document)])
            inside = [i for i in range(len(document)) if spans[i] < last and first < spans[i + 1]]
            if inside:
                assert list(range(*passage.characters)) == inside
            assert passage.url == f"file:{place}"
            assert (passage.file, passage.offset) == ("a.warc.gz", int(place))
            assert passage.n_bytes == len(raw)
    for name in ("train-00000/0", "train-00000/2", "train-00001/0"):
        found = document_visits(tokens, rows, seed=SEED, name=name, n_rows=N_ROWS)
        expected = [
            n for (_, id), numbers in expected_visits.items() for n in numbers if id == name
        ]
        assert found.get(name, []) == sorted(expected)


def test_a_url_finds_all_its_documents(tokens):
    rows = open_training_rows(tokens, WIDTH, {})
    found = document_visits(tokens, rows, seed=SEED, name="file:1", n_rows=rows.n_rows)
    assert set(found) == {"train-00000/1", "train-00001/1"}
    assert all(found.values())
    assert document_visits(tokens, rows, seed=SEED, name="file:99", n_rows=9) == {}


def test_a_source_that_is_left_out_was_never_seen(tokens):
    rows = open_training_rows(tokens, WIDTH, {"web": 1.0})
    found = document_visits(tokens, rows, seed=SEED, name="train-00000/6", n_rows=50)
    assert found == {}


def test_a_damaged_index_is_found_out(tokens):
    path = Path(tokens.path / "train/web/00000.parquet")
    path.write_bytes(b"x" * path.stat().st_size)
    tokenizer = Tokenizer.load(tokens.file("tokenizer.json"))
    rows = TokenRows.open(tokens, "train", WIDTH, source="web")
    number = rows.visits(SEED, 0, 1, before=rows.n_rows)[0]
    with pytest.raises(CorruptArtifact, match="not a Parquet file"):
        trace_row(tokens, rows, tokenizer, seed=SEED, number=number)
