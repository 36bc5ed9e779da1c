"""One page at a time: the verdicts that need no crawl around them."""

import pickle

import pytest

from groundup.corpus.clean import Cleaned, Cleaner
from groundup.corpus.config import CorpusConfig
from groundup.corpus.verdict import Verdict

ENGLISH = "The people of the town went to the river and that was the end of it. " * 6


def cleaner(**settings):
    settings = {"off": ["repetition"], **settings}
    return Cleaner(CorpusConfig(crawl="crawl", **settings))


def test_a_good_page_comes_out_clean(new_page):
    page = new_page(0, f"<html><body><p>{ENGLISH}</p></body></html>")
    assert cleaner().clean(page) == Cleaned("en", ENGLISH.strip())


def test_plain_text_is_not_parsed_as_html(new_page):
    page = new_page(0, ENGLISH + "\n\nIt is so if a < b and c > d.", media_type="text/plain")
    assert cleaner().clean(page).text.endswith("a < b and c > d.")


@pytest.mark.parametrize(
    ("payload", "settings", "verdict"),
    [
        (b"", {}, Verdict("empty_page", 0, 1)),
        (b"x" * 11, {"max_page_bytes": 10}, Verdict("page_size", 11, 10)),
        (b"<p></p>", {}, Verdict("no_text", 0, 1)),
        (b"<div>" * 3500 + b"x", {}, Verdict("nesting", 3500, 3000)),
    ],
)
def test_pages_that_give_no_text(new_page, payload, settings, verdict):
    assert cleaner(**settings).clean(new_page(0, payload)) == verdict


def test_line_rules_that_leave_nothing_drop_the_page(new_page):
    page = new_page(0, f"<p>javascript {ENGLISH}</p>")
    settings = {"off": ["repetition", "c4.sentences"]}
    assert cleaner(**settings).clean(page) == Verdict("no_text", 0, 1)


def test_a_language_that_is_not_sure_is_its_own_rule(new_page):
    page = new_page(0, f"<p>{ENGLISH}</p>")
    verdict = cleaner(min_language_confidence=1.0).clean(page)
    assert (verdict.rule, verdict.limit) == ("language_confidence", 1.0)


def test_a_cleaner_travels_to_a_worker(new_page):
    page = new_page(0, f"<p>{ENGLISH}</p>")
    assert pickle.loads(pickle.dumps(cleaner())).clean(page) == cleaner().clean(page)
