"""The funnel adds up, and its samples do not depend on the order of work."""

import json
import random

import pytest

from groundup.core.errors import DataError
from groundup.corpus.funnel import Tally, build_funnel, crawl_rows, explain_nothing_kept
from groundup.corpus.verdict import Verdict

SHORT = Verdict("gopher.min_words", 3, 50)


def fill(numbers):
    tally = Tally()
    for number in numbers:
        page = {"id": f"id{number}", "url": f"http://a.test/{number}"}
        tally.drop(page, SHORT, lambda number=number: f"text {number} " * 100)
    return tally


def test_samples_are_five_short_ones_and_the_same_however_the_work_is_split():
    numbers = list(range(50))
    whole = fill(numbers).row("gopher.min_words")
    random.Random(0).shuffle(numbers)
    merged = Tally()
    for part in (numbers[:13], numbers[13:]):
        merged.add(json.loads(json.dumps(fill(part).numbers())))
    assert merged.row("gopher.min_words") == whole
    assert whole["dropped"] == 50
    assert len(whole["samples"]) == 5
    assert all(len(sample["text"]) == 300 for sample in whole["samples"])
    assert (whole["samples"][0]["value"], whole["samples"][0]["limit"]) == (3, 50)


def test_text_is_asked_for_samples_only():
    asked = []
    tally = Tally()
    for number in range(1000):
        page = {"id": str(number), "url": ""}
        tally.drop(page, SHORT, lambda: asked.append(1) or "x")
    assert len(asked) < 100  # 5 + 5/6 + 5/7 + ... is about 32


def test_a_funnel_that_does_not_add_up_is_refused():
    rows = [{"rule": "a", "dropped": 3}, {"rule": "b", "dropped": 1}]
    assert build_funnel(10, rows, train=5, validation=1)["kept"] == 6
    with pytest.raises(DataError, match="does not add up: 10 read - 4 dropped is not 7 kept"):
        build_funnel(10, rows, train=6, validation=1)


def test_counts_of_the_crawl_become_the_first_rows(tmp_path):
    path = tmp_path / "counts.json"
    path.write_text('{"read": 9, "pages": 6, "dropped": {"status": 2, "media_type": 1}}')
    read, rows = crawl_rows(path, 6)
    assert read == 9
    assert [(row["rule"], row["stage"], row["dropped"]) for row in rows] == [
        ("status", "crawl", 2),
        ("media_type", "crawl", 1),
    ]
    with pytest.raises(DataError, match="9 read and 3 dropped, but the crawl holds 5 pages"):
        crawl_rows(path, 5)
    path.write_text("{}")
    with pytest.raises(DataError, match="does not say what the crawl read"):
        crawl_rows(path, 6)


def test_an_empty_corpus_names_the_rule_that_removed_most(tmp_path):
    rows = [
        {"rule": "language", "dropped": 7, "samples": [{"url": "u", "value": "de", "limit": "en"}]},
        {"rule": "gopher.min_words", "dropped": 2, "samples": []},
    ]
    error = explain_nothing_kept(rows, source=tmp_path)
    assert "language removed 7 pages, such as u with de against en" in error.message
    assert "languages" in error.hint
    assert 'off = ["gopher.min_words"]' in explain_nothing_kept(rows[1:], source=tmp_path).hint
    assert "has no pages" in explain_nothing_kept([], source=tmp_path).message
