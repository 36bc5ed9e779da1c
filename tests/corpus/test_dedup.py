"""Duplicates against brute force: exact keys, and MinHash against true Jaccard similarity."""

import random
import re
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.corpus import dedup
from groundup.corpus.config import NearDuplicates


def write(folder, **columns):
    folder.mkdir()
    for name, value in (("key", pa.uint64()), ("page", pa.int64())):
        if name in columns:
            columns[name] = pa.array(columns[name], value)
    pq.write_table(pa.table(columns), folder / "00000.parquet")
    return folder


def rows(folder):
    return pq.read_table(folder).to_pylist()


@pytest.mark.parametrize("rows_per_range", [1000, 7])
def test_not_first_equals_a_loop_whatever_the_ranges(tmp_path, rows_per_range):
    draw = random.Random(1)
    pairs = sorted({(draw.randrange(20), draw.randrange(40)) for _ in range(80)})
    keys = write(tmp_path / "keys", key=[k for k, _ in pairs], page=[p for _, p in pairs])
    first = {}
    for key, page in pairs:
        first[key] = min(page, first.get(key, page))
    expected = {(page, key, first[key]) for key, page in pairs if page != first[key]}
    answer = dedup.not_first(keys, tmp_path / "answer", rows_per_range=rows_per_range)
    assert {(row["page"], row["key"], row["first"]) for row in rows(answer)} == expected


def test_pages_left_out_are_nobodys_first(tmp_path):
    keys = write(tmp_path / "keys", key=[5, 5, 5], page=[1, 2, 3])
    out = write(tmp_path / "out", page=[1])
    answer = dedup.not_first(keys, tmp_path / "answer", without=[out])
    assert rows(answer) == [{"page": 3, "key": 5, "first": 2}]


def test_twins_are_named_and_shared_keys_counted(tmp_path):
    later = write(tmp_path / "later", key=[7, 8, 9], page=[4, 4, 2], first=[1, 0, 0])
    names = write(tmp_path / "names", page=[0, 1], id=["zero", "one"])
    answer = dedup.twins_of(later, names, tmp_path / "answer")
    assert rows(answer) == [
        {"page": 2, "twin": "zero", "n": 1},
        {"page": 4, "twin": "zero", "n": 2},
    ]


def shingles(text):
    words = re.sub(r"[^\w\s]", "", text.lower()).split()
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def jaccard(a, b):
    return len(a & b) / len(a | b)


def altered(words, n_changes, draw):
    changed = list(words)
    for place in draw.sample(range(len(words)), n_changes):
        changed[place] = f"other{draw.randrange(10**6)}"
    return changed


def test_near_duplicates_agree_with_true_jaccard(tmp_path):
    """Pairs above 0.9 must be found (expected misses 1e-4 each), below 0.4 must not (0.01)."""
    draw = random.Random(2)
    texts = []
    for number in range(40):
        words = [f"w{number}x{draw.randrange(500)}" for _ in range(300)]
        texts.append(" ".join(words))
        if number % 2:
            texts.append(" ".join(altered(words, draw.choice([1, 2, 60]), draw)).upper() + "!")
    clean = write(tmp_path / "clean", page=list(range(len(texts))), text=texts)
    bands = dedup.band_keys(clean, tmp_path / "bands", NearDuplicates())
    found = {row["page"] for row in rows(dedup.not_first(bands, tmp_path / "near"))}

    sets = [shingles(text) for text in texts]
    similar = {(i, j): jaccard(sets[i], sets[j]) for i, j in combinations(range(len(sets)), 2)}
    must = {j for (_, j), similarity in similar.items() if similarity > 0.9}
    may = {j for (_, j), similarity in similar.items() if similarity > 0.4}
    assert len(must) >= 5
    assert len(may) < 20  # the pairs with 60 changed words are not near
    assert must <= found <= may


def test_texts_without_words_are_not_each_others_twins(tmp_path):
    clean = write(tmp_path / "clean", page=[0, 1, 2], text=["***", "---", "a b"])
    bands = dedup.band_keys(clean, tmp_path / "bands", NearDuplicates())
    assert {row["page"] for row in rows(bands)} == {2}


def test_smallest_draw_leaves_out_pages(tmp_path):
    clean = write(tmp_path / "clean", page=[0, 1], draw=[0.2, 0.6])
    out = write(tmp_path / "out", page=[0])
    assert dedup.smallest_draw(clean) == 0.2
    assert dedup.smallest_draw(clean, without=[out]) == 0.6
    everything = write(tmp_path / "everything", page=[0, 1])
    assert dedup.smallest_draw(clean, without=[everything]) == 1.0
