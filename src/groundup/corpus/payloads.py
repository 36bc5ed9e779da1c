"""Hashes of payloads: pages that are byte for byte an earlier page need no parsing."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from groundup.corpus.pages import Shard, read_rows, row_writer
from groundup.corpus.paragraphs import key_of

__all__ = ["PayloadShard", "payload_key"]

SCHEMA = pa.schema({"key": pa.uint64(), "page": pa.int64(), "id": pa.string()})


def payload_key(media_type: str, charset: str, payload: bytes) -> int:
    """Equal for pages that are certain to give the same text."""
    return key_of(f"{media_type}\0{charset}\0".encode() + payload)


class PayloadShard:
    """Writes (key, page, id) of every page with a payload to `payload_keys/`."""

    name = "payload-marks"
    label = "comparing payloads"
    processes = False  # hashing and reading Parquet release the interpreter lock

    def __init__(self, work: Path) -> None:
        self._work = work

    def __call__(self, shard: Shard) -> dict[str, Any]:
        """Publishes the file; returns how many keys it has."""
        columns = ["id", "media_type", "charset", "payload"]
        with row_writer(self._work / "payload_keys" / f"{shard.name}.parquet", SCHEMA) as keys:
            for row, page in read_rows(shard.path, columns):
                if page["payload"]:
                    key = payload_key(
                        page["media_type"] or "", page["charset"] or "", page["payload"]
                    )
                    keys.add({"key": key, "page": shard.first_page + row, "id": page["id"]})
        return {"keys": keys.n_rows}
