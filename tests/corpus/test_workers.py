"""Shards on Daft: each once, marked when done, and errors that travel."""

from pathlib import Path

import pytest

from groundup.core.errors import DataError, GroundupError
from groundup.corpus.pages import Shard
from groundup.corpus.workers import each_shard


class Square:
    """Squares shard numbers, notes that it did, and refuses one of them."""

    name = "square"
    label = "squaring"
    processes = False

    def __init__(self, folder: Path, bad: int | None = None) -> None:
        self._folder, self._bad = folder, bad

    def __call__(self, shard):
        if shard.number == self._bad:
            raise DataError("shard is bad", hint="mend it")
        with (self._folder / "log").open("a") as log:
            log.write(f"{shard.number}\n")
        return {"square": shard.number**2}


SHARDS = [Shard(number, "", 1) for number in range(5)]


def test_numbers_come_in_shard_order_and_done_shards_are_skipped(tmp_path):
    task = Square(tmp_path)
    expected = [{"square": n * n} for n in range(5)]
    assert each_shard(task, SHARDS, tmp_path, workers=1) == expected
    (tmp_path / "square" / "00003.json").unlink()
    assert each_shard(task, SHARDS, tmp_path, workers=1) == expected
    log = (tmp_path / "log").read_text().split()
    assert sorted(log) == ["0", "1", "2", "3", "3", "4"]


def test_an_error_of_ours_arrives_with_its_hint_and_the_shard_stays_undone(tmp_path):
    with pytest.raises(GroundupError, match="shard is bad") as caught:
        each_shard(Square(tmp_path, bad=2), SHARDS, tmp_path, workers=1)
    assert caught.value.hint == "mend it"
    assert not (tmp_path / "square" / "00002.json").exists()
