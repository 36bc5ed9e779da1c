import json
import uuid

from groundup.crawl.frontier import Frontier, Visit

FIRST = "http://h/"


def test_pages_come_breadth_first_and_each_once(tmp_path):
    with Frontier(tmp_path / "j", [FIRST], None, 0) as frontier:
        assert frontier.next() == (FIRST, 0)
        frontier.done(Visit(FIRST, "fetched", 200, 10, ["a", "b"]))
        frontier.done(Visit("a", "fetched", 200, 20, ["c", "b"]))
        assert frontier.next() == ("b", 1)
        frontier.done(Visit("b", "no answer", 0, 20, []))
        assert frontier.next() == ("c", 2)
        assert (frontier.n_done, frontier.n_waiting, frontier.end) == (3, 1, 20)
        assert frontier.outcomes == {"fetched": 2, "no answer": 1}
        assert frontier.is_known("c")


def test_a_journal_gives_the_queue_back_at_any_length(tmp_path):
    journal = tmp_path / "j"
    with Frontier(journal, [FIRST], None, 0) as frontier:
        namespace = frontier.namespace
        for number in range(4):
            url, depth = frontier.next()
            links = [f"{depth}{number}{i}" for i in range(2)]
            frontier.done(Visit(url, "fetched", 200, number + 1, links))
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    for length in range(len(lines[0]), len(whole) + 1, 5):
        journal.write_bytes(whole[:length])
        kept = sum(len(b"".join(lines[: i + 1])) - 1 <= length for i in range(len(lines))) - 1
        with Frontier(journal, [FIRST], None, 99) as again:
            assert (again.namespace, again.n_done, again.end) == (namespace, kept, kept)
            done = [json.loads(line)["url"] for line in lines[1 : kept + 1]]
            assert again.next()[0] not in done


def test_lines_about_bytes_that_never_reached_the_disk_do_not_count(tmp_path):
    journal = tmp_path / "j"
    with Frontier(journal, [FIRST], uuid.NAMESPACE_URL, 0) as frontier:
        frontier.done(Visit(FIRST, "fetched", 200, 50, ["a"]))
        frontier.done(Visit("a", "fetched", 200, 90, []))
    with Frontier(journal, [FIRST], None, 60) as again:
        assert again.namespace == uuid.NAMESPACE_URL
        assert again.next() == ("a", 1)
