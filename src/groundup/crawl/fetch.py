"""Polite requests: one at a time, a pause between two, patience when the server asks for it.

Source: RFC 9110 section 10.2.3 (Retry-After), RFC 9309 (robots.txt).
"""

import email.utils
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx
from protego import Protego

from groundup.core.errors import NetworkError
from groundup.crawl.links import host_of, normal_url
from groundup.crawl.warc_writer import Exchange

__all__ = ["Fetcher", "Manners", "Robots"]

log = logging.getLogger(__name__)

_BUSY = (429, 503)
_REDIRECTS = (301, 302, 303, 307, 308)
_ROBOTS_REDIRECTS = 5  # RFC 9309 section 2.3.1.2
_ROBOTS_BYTES = 500 * 2**10  # RFC 9309 section 2.5
_LONGEST_WAIT_S = 600.0
"""A server that asks for more patience ends the run, which can be taken up again later."""
_BACKOFF_S = 2.0
"""First wait when a busy server names none; doubles each time."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a crawler behaves.

    Attributes:
        user_agent: What it calls itself, with an address to complain to.
        delay_s: Pause between the end of an answer and the next request.
        timeout_s: For a connection and for each piece of an answer.
        max_body_bytes: Longer bodies are cut.
        max_attempts: Requests for one URL while the server is busy or silent.
        connect_to: Address and port to connect to, whatever the URL's host.
    """

    user_agent: str
    delay_s: float
    timeout_s: float
    max_body_bytes: int
    max_attempts: int
    connect_to: tuple[str, int] | None = None


class _ConnectTo(httpx.HTTPTransport):
    """Connects every request to one address; the Host header keeps the URL's host."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._host, self._port = host, port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request there."""
        request.url = request.url.copy_with(scheme="http", host=self._host, port=self._port)
        return super().handle_request(request)


class Fetcher:
    """Requests URLs with manners; `sleep` and `now` are the clock, in seconds."""

    def __init__(
        self,
        manners: Manners,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._manners = manners
        self._sleep, self._now = sleep, now
        self._delay_s = manners.delay_s
        self._last_s: float | None = None
        transport = _ConnectTo(*manners.connect_to) if manners.connect_to else None
        self._client = httpx.Client(
            headers={"User-Agent": manners.user_agent, "Accept-Encoding": "gzip"},
            timeout=manners.timeout_s,
            transport=transport,
            trust_env=manners.connect_to is None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def slow_to(self, delay_s: float) -> None:
        """Makes the pause between requests at least this long."""
        self._delay_s = max(self._delay_s, delay_s)

    def fetch(self, url: str) -> Exchange:
        """Asks for a URL until there is an answer other than "busy", or attempts run out.

        Raises:
            NetworkError: No answer, or the server asks to wait for more than ten minutes.
        """
        for attempt in range(1, self._manners.max_attempts + 1):
            final = attempt == self._manners.max_attempts
            self._pause()
            try:
                exchange, response = self._ask(url)
            except httpx.HTTPError as error:
                if final:
                    raise NetworkError(
                        f"{url} gave no answer: {error or type(error).__name__}",
                        hint="check the address and the connection, then run the same command",
                        url=url,
                    ) from error
                self._wait(url, "no answer", _BACKOFF_S * 2 ** (attempt - 1))
                continue
            finally:
                self._last_s = self._now()
            if response.status_code not in _BUSY or final:
                return exchange
            wait_s = self._retry_after_s(response.headers.get("Retry-After", ""))
            # A server that is busy gets longer pauses from now on, too.
            self.slow_to(min(2 * self._delay_s, 60.0))
            self._wait(
                url,
                f"status {response.status_code}",
                _BACKOFF_S * 2 ** (attempt - 1) if wait_s is None else wait_s,
            )
        raise AssertionError("the last attempt returns or raises")

    def _pause(self) -> None:
        if self._last_s is not None and self._delay_s > 0:
            left_s = self._last_s + self._delay_s - self._now()
            if left_s > 0:
                self._sleep(left_s)

    def _wait(self, url: str, why: str, wait_s: float) -> None:
        if wait_s > _LONGEST_WAIT_S:
            raise NetworkError(
                f"{url}: {why}, and the server asks to wait {wait_s:.0f} s",
                hint="run the same command after that; it goes on where it is",
                url=url,
            )
        log.info("%s: %s, waiting %.0f s", url, why, wait_s)
        self._sleep(wait_s)

    def _retry_after_s(self, value: str) -> float | None:
        """Seconds that a Retry-After header asks for: a number or a date."""
        if value.strip().isdigit():
            return float(value)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - self._now())
        except (TypeError, ValueError):
            return None

    def _ask(self, url: str) -> tuple[Exchange, httpx.Response]:
        limit = self._manners.max_body_bytes
        request = self._client.build_request("GET", url)
        request_head = _request_head(request)
        response = self._client.send(request, stream=True)
        try:
            date = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            stream = response.extensions.get("network_stream")
            address = stream.get_extra_info("server_addr") if stream is not None else None
            body = bytearray()
            for piece in response.iter_raw():
                body += piece
                if len(body) > limit:
                    break
        finally:
            response.close()
        exchange = Exchange(
            url=url,
            date=date,
            ip_address=str(address[0]) if address else "",
            request=request_head,
            head=_response_head(response),
            body=bytes(body[:limit]),
            cut=len(body) > limit,
        )
        return exchange, response


def _request_head(request: httpx.Request) -> bytes:
    lines = [b"GET " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _response_head(response: httpx.Response) -> bytes:
    status = f"{response.http_version} {response.status_code} {response.reason_phrase}"
    lines = [status.rstrip().encode("latin-1", "replace")]
    for name, value in response.headers.raw:
        joined = name.lower() == b"transfer-encoding"
        lines.append((b"X-Crawl-" + name if joined else name) + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Robots:
    """What each host's robots.txt allows; asked for once, before the host's first page."""

    def __init__(self, fetcher: Fetcher, user_agent: str) -> None:
        self._fetcher = fetcher
        self._user_agent = user_agent
        self._rules: dict[str, Protego] = {}

    def allows(self, url: str) -> bool:
        """Whether the host's rules let us ask for a URL.

        Raises:
            NetworkError: robots.txt cannot be had, so that everything is forbidden (RFC 9309,
                section 2.3.1.4).
        """
        host = host_of(url)
        if host not in self._rules:
            self._rules[host] = Protego.parse(self._read(host))
            delay_s = self._rules[host].crawl_delay(self._user_agent)
            if delay_s is not None:
                self._fetcher.slow_to(float(delay_s))
        return bool(self._rules[host].can_fetch(url, self._user_agent))

    def _read(self, host: str) -> str:
        url = f"{host}/robots.txt"
        for _ in range(_ROBOTS_REDIRECTS + 1):
            exchange = self._fetcher.fetch(url)
            response = httpx.Response(
                int(exchange.head.split(b" ", 2)[1]),
                headers=_headers(exchange.head),
                content=exchange.body,
            )
            if response.status_code in _REDIRECTS:
                target = normal_url(response.headers.get("Location", ""), url)
                if target is None:
                    return ""
                url = target
                continue
            if response.status_code >= 500 or response.status_code in _BUSY:
                raise NetworkError(
                    f"{url} answers with status {response.status_code}, so nothing may be crawled",
                    hint="try again later; a site without rules answers 404",
                    url=url,
                    status=response.status_code,
                )
            return response.text[:_ROBOTS_BYTES] if response.status_code < 300 else ""
        return ""


def _headers(head: bytes) -> list[tuple[str, str]]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return [
        (name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)
    ]
