import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from groundup.core.config import validate
from groundup.core.errors import ConfigError, NetworkError
from groundup.crawl.config import SiteConfig
from groundup.crawl.site import crawl, site_journey, site_manners

N_PAGES = 60


def config(site, **changes) -> SiteConfig:
    values = {"start": [site.url + "/"], "contact": "http://me.test", "delay_s": 0.0, **changes}
    return validate(SiteConfig, values, source="test")


def go(site, folder: Path, **changes) -> tuple[dict, list[str]]:
    """Crawls; outcomes, and addresses of the responses in order, digests checked by warcio."""
    settings = config(site, **changes)
    folder.mkdir(exist_ok=True)
    archive = folder / "a.warc.gz"
    manners = site_manners(settings, max_body_bytes=10_000)
    outcomes = crawl(site_journey(settings), manners, archive, folder / "j.jsonl")
    with archive.open("rb") as file:
        records = ArchiveIterator(file, check_digests="raise")
        urls = [
            record.rec_headers["WARC-Target-URI"].removeprefix(site.url)
            for record in records
            if record.rec_type == "response" and record.content_stream().read() is not None
        ]
    return dict(outcomes), urls


def page(*links: str) -> tuple[int, dict, bytes]:
    return 200, {}, "".join(f"<a href='{link}'>x</a>" for link in links).encode()


def test_links_on_the_host_are_followed_once_in_order_and_no_others(site, tmp_path):
    site.pages.update(
        {
            "/": page("/b", "/a#top", "http://elsewhere.test/", "mailto:x@y", "b"),
            "/a": page("/c?q=1", "/"),
            "/b": page("/gone"),
            "/c?q=1": (200, {"Content-Type": "text/plain"}, b"<a href='/not-a-link'>"),
        }
    )
    outcomes, urls = go(site, tmp_path)
    assert urls == ["/", "/b", "/a", "/gone", "/c?q=1"]
    assert outcomes == {"fetched": 5}
    assert set(site.asked.values()) == {1}


def test_rules_of_the_site_and_of_the_recipe_hold(site, tmp_path):
    site.pages.update(
        {
            "/robots.txt": (200, {}, b"User-agent: groundup\nDisallow: /secret\n"),
            "/": page("/docs/1", "/docs/old/2", "/secret", "/docs/secret", "/blog"),
            "/docs/1": page("/docs/3"),
            "/docs/3": page("/docs/4"),
            "/docs/4": page("/docs/5"),
        }
    )
    outcomes, urls = go(
        site, tmp_path, include=["/docs/", "secret"], exclude=["/old/"], max_depth=3
    )
    assert urls == ["/", "/docs/1", "/docs/secret", "/docs/3", "/docs/4"]
    assert outcomes == {"fetched": 5, "robots.txt forbids it": 1}


def test_redirects_are_recorded_and_followed_on_the_host_only(site, tmp_path):
    site.pages.update(
        {
            "/": page("/moved", "/away", "/loop"),
            "/moved": (301, {"Location": "/new"}, b""),
            "/away": (302, {"Location": "http://elsewhere.test/"}, b""),
            "/loop": (307, {"Location": "/loop"}, b""),
            "/new": page(),
        }
    )
    assert go(site, tmp_path)[1] == ["/", "/moved", "/away", "/loop", "/new"]


def test_the_page_limit_holds(site, tmp_path):
    site.pages["/"] = page(*(f"/{i}" for i in range(50)))
    assert len(go(site, tmp_path, max_pages=7)[1]) == 7


def test_a_site_without_answer_and_an_address_without_scheme_are_errors(site, tmp_path):
    site.pages["/robots.txt"] = (503, {}, b"")
    with pytest.raises(NetworkError):
        go(site, tmp_path, max_attempts=1)
    with pytest.raises(ConfigError, match="not a web address"):
        site_journey(config(site, start=["example.org"]))


CHILD = """
import sys, json, pathlib
from groundup.core.config import validate
from groundup.crawl.config import SiteConfig
from groundup.crawl.site import crawl, site_journey, site_manners
config = validate(SiteConfig, json.loads(sys.argv[2]), source="test")
folder = pathlib.Path(sys.argv[1])
crawl(site_journey(config), site_manners(config, max_body_bytes=10_000),
      folder / "a.warc.gz", folder / "j.jsonl")
"""


def test_a_crawl_killed_twice_ends_like_one_that_was_not(site, tmp_path):
    for number in range(N_PAGES):
        site.pages[f"/{number}"] = page(f"/{2 * number + 1}", f"/{2 * number + 2}")
    site.pages["/"] = page("/0")
    changes = {"max_pages": N_PAGES, "delay_s": 0.005}
    expected = go(site, tmp_path / "whole", **changes)
    site.asked.clear()
    killed = tmp_path / "killed"
    killed.mkdir()
    values = {"start": [site.url + "/"], "contact": "http://me.test", **changes}
    for n_before in (10, 35):
        child = subprocess.Popen([sys.executable, "-c", CHILD, killed, json.dumps(values)])
        while site.asked.total() < n_before:
            time.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert go(site, killed, **changes) == expected
    del site.asked["/robots.txt"]
    # A page may be asked for again only where the kill fell between question and answer.
    assert site.asked.total() <= N_PAGES + 2


@pytest.mark.parametrize("n_bytes_lost", [0, 3, 400])
def test_a_page_in_the_archive_but_not_in_the_journal_is_not_fetched_again(
    site, tmp_path, n_bytes_lost
):
    site.pages.update({"/": page("/a"), "/a": page("/b"), "/b": page()})
    expected = go(site, tmp_path, max_pages=2)
    journal, archive = tmp_path / "j.jsonl", tmp_path / "a.warc.gz"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]) + lines[-1][:20])
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size - n_bytes_lost])
    site.asked.clear()
    assert go(site, tmp_path, max_pages=2) == expected
    assert site.asked["/a"] == (1 if n_bytes_lost else 0)
    assert go(site, tmp_path, max_pages=3)[1] == ["/", "/a", "/b"]
