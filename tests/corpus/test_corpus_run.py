"""The stage from pages to documents: what goes, why, and the same again after a kill."""

import gc
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundup.core.errors import ConfigError, DataError
from groundup.core.records import DOCUMENT_COLUMNS

WORDS = ["water", "stone", "river", "light", "house", "morning", "people", "green", "letter"]
FREE = {"off": ["repetition", "c4", "gopher.stop_words"], "languages": []}


def prose(seed, n_words=120):
    draw = random.Random(seed)
    words = [f"{draw.choice(WORDS)}{draw.randrange(50)}" for _ in range(n_words)]
    return "The story of it and the end. " + " ".join(words) + "."


def html(text, head=""):
    return f"<html><head>{head}</head><body><p>{text}</p></body></html>"


@pytest.fixture
def many(crawl_of, new_page):
    """Two files: 40 good pages and one of every kind that goes."""
    good = [new_page(number, html(prose(number))) for number in range(40)]
    words = prose(3).split()
    words[10] = "changed"
    bad = [
        new_page(100, b""),
        new_page(101, b" \n "),
        new_page(102, html(prose(0))),  # the bytes of page 0
        new_page(103, html(prose(1), head="<title>t</title>")),  # other bytes, the same text
        new_page(104, html(" ".join(words))),  # one word of page 3 changed
        new_page(105, b"%PDF-1.4" + bytes(range(256)) * 20),
        new_page(106, "<div>" * 4000 + "x" + "</div>" * 4000),
        new_page(107, "<html><script>1</script></html>"),
        new_page(108, html("too short")),
        new_page(109, html("x" * 200_000)),
    ]
    return crawl_of(good[:25] + bad[:4], good[25:] + bad[4:], http_status=7)


REASONS = {
    "page-100": "empty_page",
    "page-101": "empty_page",
    "page-102": "same_payload",
    "page-103": "same_text",
    "page-104": "near_duplicate",
    "page-105": "broken_encoding",
    "page-106": "nesting",
    "page-107": "no_text",
    "page-108": "gopher.min_words",
    "page-109": "page_size",
}


def test_every_page_that_is_gone_has_its_reason(many, corpus_of):
    result = corpus_of(many, max_page_bytes=150_000, **FREE)
    assert {row["id"]: row["rule"] for row in result.removed} == REASONS
    assert [row["id"] for row in result.removed] == list(REASONS)  # in page order
    twins = {row["id"]: row["twin"] for row in result.removed if row["twin"]}
    assert twins == {"page-102": "page-0", "page-103": "page-1", "page-104": "page-3"}
    funnel = result.funnel
    assert funnel["rows"][0] == {
        "rule": "http_status", "stage": "crawl", "dropped": 7, "samples": []
    }  # fmt: skip
    assert funnel["read"] == 57
    assert funnel["read"] - sum(row["dropped"] for row in funnel["rows"]) == funnel["kept"] == 40
    assert funnel["train"] + funnel["validation"] == 40
    assert result.dropped["empty_page"] == 2
    documents = result.documents()
    assert set(documents[0]) == set(DOCUMENT_COLUMNS)
    assert {row["id"]: row["text"] for row in documents} == {
        f"page-{number}": prose(number) for number in range(40)
    }
    assert result.artifact.manifest.summary["text_bytes"] == sum(
        len(row["text"].encode()) for row in documents
    )
    assert {path.split("/")[0] for path in result.digests()} == {
        "documents", "funnel.json", "removed.parquet"
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_worker_and_two_give_the_same_bytes(many, corpus_of):
    one = corpus_of(many, "one", workers=1, **FREE)
    two = corpus_of(many, "two", workers=2, **FREE)
    gc.collect()  # Daft leaves the pipes of its worker processes to the collector
    assert one.digests() == two.digests()


def test_the_split_is_by_document_and_repeatable(many, corpus_of):
    half = corpus_of(many, "half", validation_fraction=0.5, **FREE)
    names = {row["id"] for row in half.documents("validation")}
    assert 8 <= len(names) <= 32  # 20 of 40, four standard deviations
    assert names.isdisjoint(row["id"] for row in half.documents("train"))
    tiny = corpus_of(many, "tiny", validation_fraction=1e-9, **FREE)
    assert len(tiny.documents("validation")) == 1  # at least one, to measure with
    none = corpus_of(many, "none", validation_fraction=0, **FREE)
    assert none.documents("validation") == []


def test_repeated_paragraphs_go_after_their_first_document(crawl_of, new_page, corpus_of):
    shared = "This paragraph is inherited by every class that there is, word for word."
    pages = [
        new_page(n, f"<p>{prose(n)}</p><p>{shared}</p><p>{prose(n + 50)}</p>") for n in range(3)
    ]
    pages.append(new_page(9, f"<p>{shared}</p><p>short rest</p>"))
    crawl = crawl_of(pages[:2], pages[2:])
    settings = {**FREE, "off": [*FREE["off"], "gopher.min_words"]}
    result = corpus_of(crawl, drop_repeated_paragraphs=True, **settings)
    texts = {row["id"]: row["text"] for row in result.documents()}
    assert texts["page-0"] == f"{prose(0)}\n\n{shared}\n\n{prose(50)}"
    assert texts["page-1"] == f"{prose(1)}\n\n{prose(51)}"
    assert result.dropped["repeated_paragraphs"] == 1
    assert "page-9" not in texts
    assert result.artifact.manifest.summary["repeated_chars"] == 2 * (len(shared) + 2)


def test_languages_are_filtered_by_confidence_and_name(crawl_of, new_page, corpus_of):
    german = "Alle Menschen sind frei und gleich an Würde und Rechten geboren, und sie sollen es. "
    english = (
        "All human beings are born free and equal in dignity and rights, and that is the law. "
    )
    pages = [
        new_page(0, html(english * 9), charset="utf-8"),
        new_page(1, html(german * 9).encode("cp1252"), charset="iso-8859-1"),
    ]
    crawl = crawl_of(pages)
    result = corpus_of(crawl, off=["repetition"])
    assert [row["language"] for row in result.documents()] == ["en"]
    assert [(row["rule"], row["value"], row["limit"]) for row in result.removed] == [
        ("language", "de", "en")
    ]
    both = corpus_of(crawl, "both", off=["repetition"], languages=["en", "de"])
    assert "Würde" in both.documents()[1]["text"]


def test_nothing_left_says_which_rule_and_what_to_do(crawl_of, new_page, corpus_of):
    crawl = crawl_of([new_page(number, html(f"only few words {number}")) for number in range(3)])
    with pytest.raises(DataError, match=r"gopher\.min_words removed 3 pages") as caught:
        corpus_of(crawl, languages=[])
    assert 'off = ["gopher.min_words"]' in caught.value.hint


def test_a_crawl_without_pages_is_refused(crawl_of, corpus_of):
    with pytest.raises(DataError, match="has no pages"):
        corpus_of(crawl_of())


def test_a_wrong_selector_is_named_before_any_work(crawl_of, new_page, corpus_of):
    crawl = crawl_of([new_page(0, html(prose(0)))])
    with pytest.raises(ConfigError, match=r"td\[\["):
        corpus_of(crawl, skip_elements=["td[["])


CHILD = """
import sys, os
sys.path.insert(0, {tests!r})
from pathlib import Path
from conftest import make_corpus
from groundup.core.artifact import Artifact
if __name__ == "__main__":
    make_corpus(Path({folder!r}), Artifact.open(Path({crawl!r})), **{settings!r})
    sys.stdout.flush()
    os._exit(0)
"""


def start(folder, crawl):
    source = CHILD.format(
        tests=str(Path(__file__).parent),
        folder=str(folder),
        crawl=str(crawl.path),
        settings={**FREE, "workers": 2},
    )
    return subprocess.Popen([sys.executable, "-c", source], stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("mark", ["payload-marks/00000.json", "clean-marks/00000.json"])
def test_killed_and_run_again_gives_the_same_bytes(many, corpus_of, tmp_path, mark):
    whole = corpus_of(many, "whole", **FREE)
    folder = tmp_path / "killed"
    process = start(folder, many)
    deadline = time.monotonic() + 60
    while not (folder / "work" / mark).exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "funnel.json").exists()
    again = corpus_of(many, "killed", **FREE)
    assert again.digests() == whole.digests()
    assert not (folder / "work").exists()


def test_pages_made_again_are_not_mixed_with_what_was_cleaned_before(
    crawl_of, new_page, corpus_of, tmp_path
):
    first = crawl_of([new_page(0, html("few words"))])
    with pytest.raises(DataError):
        corpus_of(first, **FREE)
    for file in sorted(first.path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    second = crawl_of([new_page(0, html(prose(0)))])
    result = corpus_of(second, **FREE)
    assert [row["text"] for row in result.documents()] == [prose(0)]
