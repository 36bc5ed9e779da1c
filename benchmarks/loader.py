"""What choosing a training row costs, and what opening shards of gigabytes costs.

    python benchmarks/loader.py

Processor time of one thread to find out where a row of 1,025 ids begins: in one stream small enough
to be sorted, in a large one, and among five sources with the weights of GPT-3. Reading the row then
costs what the disk costs. The shards are sparse files in a temporary folder and take no room.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from groundup.core.artifact import Artifact, Manifest, Output
from groundup.tokens.loader import TokenRows, TrainingRows
from groundup.tokens.mixture import MixedRows, open_training_rows
from groundup.tokens.order import SORTED_ROWS
from groundup.tokens.tokenizer import Tokenizer

CONTEXT_LENGTH = 1024
BATCH_ROWS = 1024
REPEATS = 15
GPT3_WEIGHTS = {"books1": 8.0, "books2": 8.0, "cc": 60.0, "webtext2": 22.0, "wikipedia": 3.0}
SHARD_TOKENS = 500_000_000


def tokens_run(folder: Path, n_tokens: int, sources: tuple[str, ...] = ()) -> Artifact:
    """A tokens run of zeros that takes no disk."""
    folder.mkdir()
    Tokenizer([bytes([value]) for value in range(256)]).save(folder / "tokenizer.json")
    about = {"dtype": "uint16", "train_bytes": n_tokens}
    counts = {"train_tokens": n_tokens, "train_bytes": n_tokens}
    if sources:
        about["sources"] = dict.fromkeys(sources, counts)
    (folder / "tokens.json").write_text(json.dumps(about))
    for source in sources or ("",):
        (folder / "train" / source).mkdir(parents=True, exist_ok=True)
        for number, first in enumerate(range(0, n_tokens, SHARD_TOKENS)):
            with (folder / "train" / source / f"{number:05d}.bin").open("wb") as file:
                file.truncate(2 * min(SHARD_TOKENS, n_tokens - first))
    outputs = [
        Output(path=path.relative_to(folder).as_posix(), size_bytes=path.stat().st_size, sha256="")
        for path in folder.rglob("*.*")
    ]
    return Artifact(
        folder, Manifest(stage="tokens", stage_version=1, name="b", key="b", outputs=outputs)
    )


def microseconds_a_row(rows: TrainingRows) -> tuple[float, float]:
    """Median over batches, and the largest distance from it."""

    def choose(step: int) -> None:
        numbers = range(step * BATCH_ROWS, (step + 1) * BATCH_ROWS)
        if isinstance(rows, MixedRows):
            for name, number in rows.interleave.rows(numbers.start, numbers.stop):
                rows.sources[name].place(1, number)
        else:
            assert isinstance(rows, TokenRows)
            for number in numbers:
                rows.place(1, number)

    choose(0)  # makes the order of the epoch
    times = []
    for step in range(1, REPEATS + 1):
        start = time.process_time()
        choose(step)
        times.append((time.process_time() - start) / BATCH_ROWS * 1e6)
    median = statistics.median(times)
    return median, max(abs(value - median) for value in times)


def timed(make: Callable[[], TrainingRows]) -> tuple[TrainingRows, float, float]:
    """What it makes, in how many milliseconds, and how many MiB of memory that took."""
    before, start = psutil.Process().memory_info().rss, time.perf_counter()
    made = make()
    seconds = time.perf_counter() - start
    return made, 1e3 * seconds, (psutil.Process().memory_info().rss - before) / 2**20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        small = tokens_run(root / "small", 1_000_000_000)
        large = tokens_run(root / "large", 5_000_000_000)
        mixed = tokens_run(root / "mixed", 1_000_000_000, tuple(GPT3_WEIGHTS))
        cases = {
            "one stream of 1e9 tokens": lambda: TokenRows.open(small, "train", CONTEXT_LENGTH),
            "one stream of 5e9 tokens": lambda: TokenRows.open(large, "train", CONTEXT_LENGTH),
            "five sources of 1e9 each": lambda: open_training_rows(
                mixed, CONTEXT_LENGTH, GPT3_WEIGHTS
            ),
        }
        print(f"epochs above {SORTED_ROWS:,} rows are not sorted")
        for name, make in cases.items():
            rows, milliseconds, mebibytes = timed(make)
            median, spread = microseconds_a_row(rows)
            grown = psutil.Process().memory_info().rss / 2**20
            print(
                f"{name}: opened in {milliseconds:.0f} ms and {mebibytes:.1f} MiB, "
                f"{median:.1f} +- {spread:.1f} us to choose a row, process {grown:.0f} MiB"
            )


if __name__ == "__main__":
    main()
