import torch
from generate_cases import TOKENIZER, model

from groundup.generate import batch
from groundup.generate.engine import Engine
from groundup.generate.sampling import SamplingParams

PROMPTS = [[97, 98, 99], [1], [200, 3, 4, 5, 6, 7, 8], [97, 98, 99], [50] * 20]


def test_small_waves_and_pieces_of_prompts_change_nothing(monkeypatch):
    engine = Engine(model(), TOKENIZER)
    params = SamplingParams(max_new_tokens=25, temperature=2.0)
    expected = engine.generate(PROMPTS, params)
    token_bytes = 2 * 2 * 2 * 8 * 4
    monkeypatch.setattr(batch, "_CACHE_BYTES", token_bytes * 70)
    monkeypatch.setattr(batch, "_PREFILL_TOKENS", 3)
    assert [len(wave) for wave in batch.waves(engine.model, PROMPTS, 25)] == [1, 2, 2]
    assert engine.generate(PROMPTS, params) == expected


def test_equal_prompts_are_read_once_and_ended_rows_cost_nothing():
    counted = model()
    read = []
    plain = counted.hidden

    def hidden(ids_BT, *, cache=None):
        read.append(tuple(ids_BT.shape))
        return plain(ids_BT, cache=cache)

    counted.hidden = hidden
    params = SamplingParams(max_new_tokens=60, temperature=3.0, seed=7)
    completions = Engine(counted, TOKENIZER).generate([[5, 6, 7]] * 8 + [[9]] * 4, params)
    assert read[0] == (2, 3)  # two different prompts, the shorter one padded
    lengths = [len(completion.ids) for completion in completions]
    assert max(lengths) > min(lengths)
    # The pass after step s has the rows that go on: those with more than s tokens.
    expected = [sum(n > s for n in lengths) for s in range(1, max(lengths))]
    assert [shape[0] for shape in read[1:]] == expected


def test_a_wave_holds_rows_of_like_length():
    prompts = [[1] * n for n in (5, 30, 6, 29)]
    assert list(batch.waves(model(), prompts, 10)) == [[1, 3, 2, 0]]
    assert list(batch.waves(model(), [], 10)) == []


def test_bfloat16_batches_nearly_always_agree_with_single_rows():
    engine = Engine(model(dtype=torch.bfloat16), TOKENIZER)
    params = SamplingParams(max_new_tokens=20, temperature=1.0, seed=2)
    seeds = list(range(20, 60))
    together = engine.generate(PROMPTS * 8, params, seeds=seeds)
    alone = [
        engine.generate([prompt], params, seeds=[seed])[0]
        for prompt, seed in zip(PROMPTS * 8, seeds, strict=True)
    ]
    # A token changes only when a draw falls within a rounding of a boundary.
    assert sum(a.ids == b.ids for a, b in zip(together, alone, strict=True)) >= 30
