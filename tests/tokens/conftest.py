import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.core.artifact import Artifact, Manifest, RunDir
from groundup.core.records import DOCUMENT_COLUMNS
from groundup.tokens.bpe import train
from groundup.tokens.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
UDHR = ROOT / "../shared/data/langid/udhr-first-half.jsonl.zst"

PROSE = [
    "The theory of the thing is that the other thing is thin.",
    "Über den Flüssen weht der Wind; 1234567 mal, don't you think?\n\n  Indented   text.",
    "Всё течёт, всё меняется. 世界人権宣言 🌍👩‍💻 ok",
    "def add(a, b=1):\n    return a + b\n\n\nprint(add(1, 2))  # 3",
] * 3


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oracle_bpe", ROOT / "tests/oracles/bpe.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def declarations() -> list[str]:
    """The Universal Declaration of Human Rights in 442 languages: 523 texts, 40 scripts."""
    if not UDHR.exists():
        pytest.skip("the shared language data is not on this machine")
    lines = pa.input_stream(UDHR, compression="zstd").read().decode().splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer(train(PROSE, vocab_size=320, pattern="gpt2"))


RunMaker = Callable[..., RunDir]


@pytest.fixture
def new_run(tmp_path: Path) -> RunMaker:
    def make(stage: str, name: str = "run") -> RunDir:
        manifest = Manifest(stage=stage, stage_version=1, name=name, key="0123456789ab")
        return RunDir(tmp_path / stage / name, manifest, "")

    return make


def write_documents(path: Path, texts: Sequence[str], *, language: str = "en") -> None:
    n = len(texts)
    columns = {
        "id": [f"{path.stem}/{i}" for i in range(n)],
        "url": [f"file:{i}" for i in range(n)],
        "source": ["a.warc.gz"] * n,
        "offset": list(range(n)),
        "language": [language] * n,
        "text": list(texts),
    }
    schema = pa.schema(list(DOCUMENT_COLUMNS.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, schema=schema), path)


@pytest.fixture
def new_corpus(new_run: RunMaker) -> Callable[..., Artifact]:
    """Makes a finished corpus run from texts by file name such as `train-00000`."""

    def make(files: dict[str, Sequence[str]], name: str = "run") -> Artifact:
        run = new_run("corpus", name)
        for name, texts in files.items():
            write_documents(run.path / f"documents/{name}.parquet", texts)
        return run.complete()

    return make
