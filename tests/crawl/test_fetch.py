import socket

import pytest

from groundup.core.errors import NetworkError
from groundup.crawl.fetch import Fetcher, Manners, Robots

BUSY = (429, {"Retry-After": "7"}, b"")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.time_s = 1_000_000.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.time_s += seconds

    def now(self) -> float:
        return self.time_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fetcher(clock: Clock, **changes) -> Fetcher:
    settings = {"delay_s": 0.0, "timeout_s": 5.0, "max_body_bytes": 1000, "max_attempts": 4}
    manners = Manners(user_agent="tester/1 (+http://me.test)", **{**settings, **changes})
    return Fetcher(manners, sleep=clock.sleep, now=clock.now)


def test_it_says_who_it_is_and_keeps_head_and_body(site, clock):
    site.pages["/"] = (200, {"X-Kind": "odd"}, b"hello")
    with fetcher(clock) as client:
        exchange = client.fetch(site.url + "/")
    assert site.agents == {"tester/1 (+http://me.test)"}
    assert exchange.request.startswith(b"GET / HTTP/1.1\r\n")
    assert b"\r\nX-Kind: odd\r\n" in exchange.head
    assert (exchange.body, exchange.cut, exchange.ip_address) == (b"hello", False, "127.0.0.1")


def test_it_pauses_between_requests_not_before_the_first(site, clock):
    site.pages["/"] = (200, {}, b"x")
    with fetcher(clock, delay_s=3.0) as client:
        for _ in range(3):
            client.fetch(site.url + "/")
    assert clock.naps == [3.0, 3.0]


def test_a_busy_server_is_asked_again_when_it_says_and_slower_from_then_on(site, clock):
    site.pages["/"] = [BUSY, (503, {}, b""), (200, {}, b"at last")]
    with fetcher(clock, delay_s=1.0) as client:
        assert client.fetch(site.url + "/").body == b"at last"
        client.fetch(site.url + "/")
    assert clock.naps == [7.0, 4.0, 4.0]  # as told; own second wait; the delay, doubled twice


def test_retry_after_may_be_a_date(site, clock):
    date = "Mon, 12 Jan 1970 13:46:50 GMT"  # 1,000,010 s
    site.pages["/"] = [(503, {"Retry-After": date}, b""), (200, {}, b"")]
    with fetcher(clock) as client:
        client.fetch(site.url + "/")
    assert clock.naps == [10.0]


def test_patience_ends(site, clock):
    site.pages["/"] = BUSY
    with fetcher(clock) as client:
        assert client.fetch(site.url + "/").head.startswith(b"HTTP/1.0 429")
    assert site.asked["/"] == 4
    site.pages["/"] = (503, {"Retry-After": "86400"}, b"")
    with fetcher(clock) as client, pytest.raises(NetworkError, match="86400 s"):
        client.fetch(site.url + "/")


def test_a_long_body_is_cut(site, clock):
    site.pages["/"] = (200, {}, b"x" * 1001)
    with fetcher(clock) as client:
        exchange = client.fetch(site.url + "/")
    assert (len(exchange.body), exchange.cut) == (1000, True)


def test_silence_is_an_error_after_all_attempts(clock):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with fetcher(clock) as client, pytest.raises(NetworkError) as raised:
            client.fetch(url)
    assert raised.value.url == url
    assert clock.naps == [2.0, 4.0, 8.0]


def test_any_host_can_be_connected_to_one_address(site, clock):
    site.pages["/x"] = (200, {}, b"here")
    port = int(site.url.rpartition(":")[2])
    with fetcher(clock, connect_to=("127.0.0.1", port)) as client:
        exchange = client.fetch("http://far.test/x")
    assert exchange.body == b"here"
    assert b"Host: far.test\r\n" in exchange.request


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        ((200, {}, b"User-agent: *\nDisallow: /private\n"), {"/private/a": False, "/b": True}),
        ((200, {}, b"User-agent: tester\nDisallow: /\n"), {"/b": False}),
        ((200, {}, b"User-agent: other\nDisallow: /\n"), {"/b": True}),
        ((200, {}, b"<html>no rules</html>"), {"/b": True}),
        ((404, {}, b"Disallow: /"), {"/b": True}),
        ((401, {}, b""), {"/b": True}),
        ((302, {"Location": "/robots.txt"}, b""), {"/b": True}),  # a circle: as if unavailable
    ],
)
def test_robots_rules_are_kept(site, clock, answer, allowed):
    site.pages["/robots.txt"] = answer
    with fetcher(clock) as client:
        robots = Robots(client, "tester/1 (+http://me.test)")
        assert {path: robots.allows(site.url + path) for path in allowed} == allowed


def test_a_redirected_robots_file_counts(site, clock):
    site.pages["/robots.txt"] = (301, {"Location": "/real.txt"}, b"")
    site.pages["/real.txt"] = (200, {}, b"User-agent: *\nDisallow: /\n")
    with fetcher(clock) as client:
        assert not Robots(client, "tester").allows(site.url + "/b")


def test_without_robots_file_nothing_is_crawled(site, clock):
    site.pages["/robots.txt"] = (500, {}, b"")
    with fetcher(clock) as client, pytest.raises(NetworkError, match=r"robots\.txt") as raised:
        Robots(client, "tester").allows(site.url + "/b")
    assert raised.value.status == 500


def test_crawl_delay_slows_everything(site, clock):
    site.pages["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 2.5\n")
    site.pages["/"] = (200, {}, b"")
    with fetcher(clock, delay_s=1.0) as client:
        Robots(client, "tester").allows(site.url + "/")
        client.fetch(site.url + "/")
    assert clock.naps == [2.5]
