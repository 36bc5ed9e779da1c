"""Learning and applying a vocabulary: groundup, `rustbpe` alone, and Hugging Face `tokenizers`.

Each contestant runs in processes of its own, alternately; it reports the processor time of all its
threads and its peak memory. Text and libraries are loaded before the clock starts. Encoding is with
one thread and the same `tokenizer.json`; Hugging Face's is `encode_batch_fast`, without offsets.

    python benchmarks/tokenizer.py ../shared/data/text/books-en.jsonl.zst
    python benchmarks/tokenizer.py ../shared/data/text/books-en.jsonl.zst --stream-gib 1

With `--stream-gib` the text comes as a stream of documents of about 64 KiB, nine tenths from the
file's first texts, round and round, and one tenth words that occur once each, so that the number of
different pieces grows with the stream. A contestant is stopped when it asks for more than 4 GiB.
"""

import argparse
import hashlib
import importlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

MEMORY_LIMIT_BYTES = 4 << 30
ENCODED_BYTES = 20_000_000
PAGE_CHARACTERS = 4000
STREAM_TEXTS = 16
STREAM_PART_CHARACTERS = 58_982  # nine tenths of 64 KiB
STREAM_WORDS = 728  # of eight letters and a space: the other tenth
LETTERS = str.maketrans("0123456789", "ghijklmnop")

TASKS = ["train", "encode-documents", "encode-pages"]

Result = dict[str, float]


def read_texts(path: Path, limit: int | None = None) -> list[str]:
    """The first texts of a `.jsonl.zst`, read line by line so that reading takes no memory."""
    import pyarrow as pa

    with pa.input_stream(str(path), compression="zstd") as stream:
        lines = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8")
        return [json.loads(line)["text"] for line in islice(lines, limit)]


class Stream:
    """Documents with ever more different words; the same each time that it is read."""

    def __init__(self, texts: list[str], size_bytes: int) -> None:
        self._texts, self._size_bytes = texts, size_bytes

    def __iter__(self) -> Iterator[str]:
        """Gives the documents."""
        left, number = self._size_bytes, 0
        while True:
            for text in self._texts:
                for start in range(0, len(text), STREAM_PART_CHARACTERS):
                    part = text[start : start + STREAM_PART_CHARACTERS] + distinct_words(number)
                    left -= len(part.encode())
                    if left < 0:
                        return
                    number += 1
                    yield part


def distinct_words(number: int) -> str:
    """Words of eight letters that no other number gives, but for collisions of the digest."""
    digest = hashlib.shake_128(str(number).encode()).hexdigest(4 * STREAM_WORDS)
    letters = digest.translate(LETTERS)
    return "".join(f" {letters[i : i + 8]}" for i in range(0, len(letters), 8))


def train_groundup(texts: Any, size: int) -> object:
    """Ours."""
    from groundup.tokens.bpe import train

    return train(texts, vocab_size=size, pattern="gpt2")


def train_rustbpe(texts: Any, size: int) -> object:
    """The library that ours is built on, with its own defaults."""
    import rustbpe

    from groundup.tokens.split import PATTERNS

    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(iter(texts), size - 4, pattern=PATTERNS["gpt2"])
    return trainer


def train_tokenizers(texts: Any, size: int) -> object:
    """Hugging Face, set to learn the same kind of vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 4, initial_alphabet=alphabet, show_progress=False
    )
    theirs.train_from_iterator(iter(texts), trainer)
    return theirs


TRAINERS: dict[str, Callable[[Any, int], object]] = {
    "groundup": train_groundup,
    "rustbpe": train_rustbpe,
    "tokenizers": train_tokenizers,
}


def encode_groundup(file: Path, texts: list[str]) -> int:
    """Ours; gives the number of tokens."""
    from groundup.tokens.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(file)
    return timed(lambda: sum(len(tokenizer.encode(text)) for text in texts))


def encode_tokenizers(file: Path, texts: list[str]) -> int:
    """Hugging Face."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    return timed(lambda: sum(len(found.ids) for found in tokenizer.encode_batch_fast(texts)))


MODULES = {
    "groundup": ["groundup.tokens.bpe", "groundup.tokens.tokenizer"],
    "rustbpe": ["rustbpe", "groundup.tokens.split"],
    "tokenizers": ["tokenizers"],
}

ENCODERS = {"groundup": encode_groundup, "tokenizers": encode_tokenizers}

spent: Result = {}


def timed(work: Callable[[], Any]) -> Any:
    """Does it and notes what it cost."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    result = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent["cpu_s"] = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    spent["wall_s"] = time.perf_counter() - wall
    spent["before_mib"], spent["peak_mib"] = before.ru_maxrss / 1024, after.ru_maxrss / 1024
    return result


def child(arguments: argparse.Namespace) -> Result:
    """One contestant's process."""
    task, side = arguments.child
    for module in MODULES[side]:
        importlib.import_module(module)
    texts = read_texts(arguments.texts, STREAM_TEXTS if task == "stream" else None)
    if task == "stream":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        stream = Stream(texts, int(arguments.stream_gib * 2**30))
        timed(lambda: TRAINERS[side](stream, arguments.vocab_size))
    elif task == "train":
        timed(lambda: TRAINERS[side](texts, arguments.vocab_size))
    else:
        texts = sample(texts, in_pages=task == "encode-pages")
        spent["tokens"] = ENCODERS[side](arguments.tokenizer, texts)
        spent["size_bytes"] = sum(len(text.encode()) for text in texts)
    return spent


def sample(texts: list[str], *, in_pages: bool) -> list[str]:
    """Some of the texts, whole or cut into pages."""
    chosen, size_bytes = [], 0
    for text in texts:
        if size_bytes < ENCODED_BYTES:
            size_bytes += len(text.encode())
            cuts = range(0, len(text), PAGE_CHARACTERS)
            chosen += [text[i : i + PAGE_CHARACTERS] for i in cuts] if in_pages else [text]
    return chosen


def run_child(task: str, side: str, arguments: argparse.Namespace, file: Path) -> Result | None:
    """Starts a contestant; None when it did not end well."""
    command = [sys.executable, __file__, str(arguments.texts), "--child", task, side]
    command += ["--tokenizer", str(file), "--vocab-size", str(arguments.vocab_size)]
    command += ["--stream-gib", str(arguments.stream_gib)]
    threads = "1" if task.startswith("encode") else str(len(os.sched_getaffinity(0)))
    environment = {**os.environ, "RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def measure(tasks: dict[str, list[str]], arguments: argparse.Namespace) -> list[str]:
    """Runs every task's contestants alternately; gives a table of each."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokenizer.json"
        if any(task.startswith("encode") for task in tasks):
            save_tokenizer(file, arguments)
        lines = []
        for task, sides in tasks.items():
            found: dict[str, list[Result | None]] = {side: [] for side in sides}
            for _ in range(arguments.rounds):
                for side in sides:
                    found[side].append(run_child(task, side, arguments, file))
            lines += table(task, found)
    return lines


def save_tokenizer(file: Path, arguments: argparse.Namespace) -> None:
    """The tokenizer that both encode with."""
    from groundup.tokens.bpe import train
    from groundup.tokens.tokenizer import Tokenizer

    texts = read_texts(arguments.texts)
    tokens = train(texts, vocab_size=arguments.vocab_size, pattern="gpt2")
    Tokenizer(tokens, pattern="gpt2").save(file)


def table(task: str, found: dict[str, list[Result | None]]) -> list[str]:
    """A task's result as Markdown; ratios are groundup's time over the other's, round by round."""
    lines = [
        "",
        f"### {task}",
        "",
        "| contestant | CPU s | wall s | its CPU time over groundup's | peak MiB | before, MiB | |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for side, runs in found.items():
        ended = [run for run in runs if run is not None]
        if not ended:
            lines.append(f"| {side} | | | | over {MEMORY_LIMIT_BYTES >> 20} | | stopped |")
            continue
        ratios = [
            theirs["cpu_s"] / ours["cpu_s"]
            for theirs, ours in zip(runs, found["groundup"], strict=True)
            if theirs is not None and ours is not None
        ]
        shown = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        middle = {name: statistics.median(run[name] for run in ended) for name in ended[0]}
        rate = ""
        if "size_bytes" in middle:
            rate = f"{middle['size_bytes'] / middle['cpu_s'] / 1e6:.1f} MB/s, "
            rate += f"{middle['tokens']:,.0f} tokens"
        lines.append(
            f"| {side} | {middle['cpu_s']:.2f} | {middle['wall_s']:.2f} | {shown}"
            f" | {middle['peak_mib']:,.0f} | {middle['before_mib']:,.0f} | {rate} |"
        )
    return lines


def heading(arguments: argparse.Namespace) -> list[str]:
    """What was measured, where and when."""
    from importlib import metadata

    from groundup.core.artifact import describe_code
    from groundup.core.machine import describe_hardware

    hardware, code = describe_hardware(), describe_code()
    dirty = " with uncommitted changes" if code.get("dirty") else ""
    what, how = "whole file", f"--tasks {' '.join(arguments.tasks)}"
    if arguments.stream_gib:
        what = f"stream of {arguments.stream_gib:g} GiB"
        how = f"--stream-gib {arguments.stream_gib:g}"
    versions = ", ".join(
        f"{n} {metadata.version(n)}" for n in ("rustbpe", "tokenizers", "tiktoken")
    )
    return [
        f"## {arguments.texts.name}, {what}, {arguments.vocab_size:,} ids",
        "",
        f"- hardware: {hardware['processor']}, {hardware['cores']} cores",
        f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}; {versions}; commit"
        f" {code.get('commit', 'unknown')[:12]}{dirty}",
        f"- command: `python benchmarks/tokenizer.py {arguments.texts.name} --rounds"
        f" {arguments.rounds} {how}`; medians [least, greatest]",
        f"- load: 1-minute average {os.getloadavg()[0]:.1f} at the end; above the number of"
        " cores, other work took part of the wall time",
    ]


def main() -> None:
    """Measures and prints, or with `--child` is one contestant's process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help=".jsonl.zst with the field text")
    parser.add_argument("--vocab-size", type=int, default=32_768)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each contestant")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--stream-gib", type=float, default=0.0, help="measure memory on a stream")
    parser.add_argument("--output", type=Path, help="also append the result to this file")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--tokenizer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments)))
        return
    if arguments.stream_gib:
        tasks = {"stream": ["groundup", "rustbpe"]}
    else:
        tasks = {task: list(TRAINERS if task == "train" else ENCODERS) for task in arguments.tasks}
    lines = measure(tasks, arguments)
    text = "\n".join([*heading(arguments), *lines, ""])
    print(text)
    if arguments.output:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
