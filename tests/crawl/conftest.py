"""A run directory, archives made by warcio, and a small web site on the loopback interface."""

import io
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from groundup.core.artifact import Manifest, RunDir

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def run_dir(tmp_path: Path) -> Callable[..., RunDir]:
    def make(name: str = "run") -> RunDir:
        manifest = Manifest(stage="crawl", stage_version=1, name=name, key="0" * 12)
        return RunDir(tmp_path / name, manifest, config_toml="")

    return make


@pytest.fixture
def rows_of() -> Callable[[Path], list[dict]]:
    def read(folder: Path) -> list[dict]:
        files = sorted(folder.glob("pages/*.parquet"))
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    return read


@dataclass
class Made:
    data: bytes
    offsets: list[int]


@pytest.fixture
def made_warc() -> Callable[..., Made]:
    """Writes pages of random letters, so that no member compresses to nothing."""

    def make(n: int = 6, *, compressed: bool = True, requests: bool = False) -> Made:
        file, offsets, letters = io.BytesIO(), [], random.Random(1)
        writer = WARCWriter(file, gzip=compressed)
        writer._create_temp_file = io.BytesIO  # its own are never closed
        for number in range(n):
            url = f"http://a.test/{number}"
            if requests:
                head = StatusAndHeaders(f"GET /{number} HTTP/1.1", [], is_http_request=True)
                writer.write_record(writer.create_warc_record(url, "request", http_headers=head))
            offsets.append(file.tell())
            body = "".join(letters.choices("abcdefghij klm", k=3000))
            head = StatusAndHeaders(
                "200 OK", [("Content-Type", "text/html; charset=UTF-8")], protocol="HTTP/1.1"
            )
            writer.write_record(
                writer.create_warc_record(
                    url,
                    "response",
                    payload=io.BytesIO(f"<p>{body}".encode()),
                    http_headers=head,
                )
            )
        return Made(file.getvalue(), offsets)

    return make


@dataclass
class Site:
    """A server in a thread; `pages` maps path to an answer or to a list of answers in turn."""

    url: str
    pages: dict[str, Answer | list[Answer]]
    asked: Counter = field(default_factory=Counter)
    agents: set = field(default_factory=set)


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked[self.path] += 1
            served.agents.add(self.headers["User-Agent"])
            answer = served.pages.get(self.path, (404, {}, b"none"))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            status, headers, body = answer
            self.send_response(status)
            for name, value in {"Content-Type": "text/html", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(f"http://127.0.0.1:{server.server_port}", {})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()
