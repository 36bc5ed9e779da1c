"""What people get wrong, through the installed command: one sentence, a hint, the exit code."""

import gzip
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parent / "recipes"
GROUNDUP = Path(sys.executable).with_name("groundup")

PAGE = (
    "<html><body><h1>Page {n}</h1><p>The {n} quick brown foxes jump over the lazy dog, and that "
    "is what page {n} of the site has to say to those who read it, with all due respect.</p>"
    "</body></html>"
)


def groundup(*arguments, cwd, **options):
    done = subprocess.run(
        [GROUNDUP, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )
    assert "Traceback" not in done.stderr
    return done


def assert_refused(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert " hint: " in done.stderr
    for word in words:
        assert word in done.stderr


def write_recipe(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for n in range(30):
        (folder / f"{n}.html").write_text(PAGE.format(n=n), encoding="utf-8")
    write_recipe(tmp_path, "crawl.toml", 'stage = "crawl"\nkind = "folder"\npaths = ["pages"]\n')
    write_recipe(
        tmp_path,
        "corpus.toml",
        'stage = "corpus"\ncrawl = "crawl.toml"\nextraction = "all"\n'
        'off = ["gopher", "repetition", "c4", "near_duplicate", "language_confidence"]\n',
    )
    write_recipe(
        tmp_path, "tokens.toml", 'stage = "tokens"\ncorpus = "corpus.toml"\nvocab_size = 300\n'
    )
    return tmp_path


def test_a_misspelt_setting_names_the_near_one(pages):
    write_recipe(pages, "tokens.toml", 'stage = "tokens"\ncorpus = "corpus.toml"\nvocab_sise = 9\n')
    assert_refused(groundup("run", "tokens.toml", cwd=pages), "vocab_sise", "'vocab_size'")
    assert not (pages / "runs").exists()


def test_an_empty_folder_is_said_to_be_empty(pages):
    shutil.rmtree(pages / "pages")
    (pages / "pages").mkdir()
    assert_refused(groundup("run", "crawl.toml", cwd=pages), "pages")


def test_a_page_that_is_not_utf8_is_read_or_counted(pages):
    (pages / "pages" / "latin.html").write_bytes(
        "<html><body><p>Das Café an der Straße heißt so, weil man dort Kaffee trinkt.</p></body>"
        "</html>".encode("latin-1")
    )
    done = groundup("run", "corpus.toml", cwd=pages)
    assert done.returncode == 0, done.stderr


def response_record(n):
    """One WARC response record, by the letter of ISO 28500."""
    body = PAGE.format(n=n).encode()
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = (
        "WARC/1.1\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{n:012d}>\r\n"
        f"WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Target-URI: http://example.com/{n}\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


def test_a_truncated_archive_is_counted_and_what_is_whole_is_kept(tmp_path):
    path = tmp_path / "cut.warc.gz"
    path.write_bytes(b"".join(gzip.compress(response_record(n)) for n in range(20)))
    path.write_bytes(path.read_bytes()[:-60])
    write_recipe(
        tmp_path, "crawl.toml", 'stage = "crawl"\nkind = "archives"\npaths = ["cut.warc.gz"]\n'
    )
    done = groundup("run", "crawl.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cut.warc.gz" in done.stderr
    (counts,) = (tmp_path / "runs" / "crawl").glob("*/counts.json")
    assert '"pages": 19' in counts.read_text()


def test_a_vocabulary_larger_than_the_corpus_allows_is_refused(pages):
    done = groundup("run", "tokens.toml", "--tokens.vocab-size", "60000", cwd=pages)
    assert_refused(done, "60,000" if "60,000" in done.stderr else "60000", "vocab_size")


def test_a_full_disk_leaves_nothing_half_written(pages):
    """A file-size limit makes the kernel refuse writes, as a full disk does."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = groundup("run", "crawl.toml", cwd=pages, preexec_fn=limit)
    assert_refused(done)
    assert not list((pages / "runs").rglob("*.parquet"))
    again = groundup("run", "crawl.toml", cwd=pages)
    assert again.returncode == 0, again.stderr


def test_a_flipped_byte_in_an_input_is_found_before_it_is_used(pages):
    assert groundup("run", "tokens.toml", cwd=pages).returncode == 0
    (tokenizer,) = (pages / "runs" / "tokens").glob("*/tokenizer.json")
    tokenizer.write_bytes(gzip.compress(b"something else"))
    (tokens,) = (pages / "runs" / "tokens").iterdir()
    done = groundup("verify", tokens, cwd=pages)
    assert_refused(done)
    assert "tokenizer.json" in done.stdout


def test_a_run_directory_of_another_stage_is_refused(pages):
    assert groundup("run", "crawl.toml", cwd=pages).returncode == 0
    (crawl,) = (pages / "runs" / "crawl").iterdir()
    assert_refused(groundup("chat", crawl, "--prompt", "x", cwd=pages), "crawl")
