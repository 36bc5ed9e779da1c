import pytest
import torch
from generate_cases import TOKENIZER, Scripted, model

from groundup.core.errors import DataError
from groundup.generate.engine import Engine
from groundup.generate.sampling import SamplingParams, row_seed

PROMPTS = [[97, 98, 99], [1], [200, 3, 4, 5, 6, 7, 8], [97, 98, 99], [50] * 20]
END = TOKENIZER.end_id


@pytest.fixture(scope="module")
def engine():
    return Engine(model(), TOKENIZER)


def _slowly(engine, prompt, params, seed):
    """The plain algorithm: the whole row again for each token, and no cache."""
    from groundup.generate.sampling import choose, draws

    ids = []
    room = min(params.max_new_tokens, engine.model.config.context_length - len(prompt))
    for draw in draws(seed, room):
        with torch.no_grad():
            logits = engine.model(torch.tensor([[*prompt, *ids]]))[0, -1:].float()
        ids.append(choose(logits, params, torch.tensor([draw])).item())
        if ids[-1] in engine.stop_ids:
            return ids, "stop"
    return ids, "length"


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(max_new_tokens=30, temperature=0.0),
        SamplingParams(max_new_tokens=30, temperature=1.0, seed=5),
        SamplingParams(max_new_tokens=30, temperature=1.5, top_k=20, top_p=0.9, seed=6),
        SamplingParams(max_new_tokens=100, temperature=3.0, seed=7),
    ],
)
@pytest.mark.parametrize("position", ["rope", "learned"])
def test_a_batch_equals_each_row_computed_slowly(params, position):
    engine = Engine(model(position=position), TOKENIZER)
    completions = engine.generate(PROMPTS, params)
    reasons = set()
    for row, (prompt, completion) in enumerate(zip(PROMPTS, completions, strict=True)):
        ids, reason = _slowly(engine, prompt, params, row_seed(params.seed, row))
        assert completion.ids == ids
        assert completion.finish_reason == reason
        assert completion.text == TOKENIZER.decode(ids, skip_special=True)
        reasons.add(reason)
    if params.temperature == 3.0:
        assert reasons == {"stop", "length"}  # rows end at different steps, and are retired


def test_a_seed_decides_a_row_wherever_it_stands(engine):
    params = SamplingParams(max_new_tokens=25, temperature=2.0)
    together = engine.generate(PROMPTS, params, seeds=[11, 12, 13, 14, 15])
    for row, (prompt, seed) in enumerate(zip(PROMPTS, [11, 12, 13, 14, 15], strict=True)):
        assert engine.generate([prompt], params, seeds=[seed])[0] == together[row]
    assert together[0].ids != together[3].ids  # one prompt, two seeds
    backwards = engine.generate(PROMPTS[::-1], params, seeds=[15, 14, 13, 12, 11])
    assert backwards == together[::-1]


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_a_stream_gives_the_tokens_of_the_batch(engine, temperature):
    params = SamplingParams(max_new_tokens=100, temperature=temperature, seed=3, logprobs=True)
    for seed in (4, 5, 6):
        whole = engine.generate([PROMPTS[0]], params, seeds=[seed])[0]
        pieces = list(engine.stream(PROMPTS[0], params, seed=seed))
        assert [piece.id for piece in pieces] == whole.ids
        assert "".join(piece.text for piece in pieces) == whole.text
        assert [piece.finish_reason for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
        assert pieces[-1].finish_reason == whole.finish_reason
        assert [piece.logprob for piece in pieces] == pytest.approx(whole.logprobs, abs=1e-4)


def test_the_default_seed_is_that_of_the_first_row(engine):
    params = SamplingParams(max_new_tokens=20, temperature=2.0, seed=8)
    pieces = list(engine.stream(PROMPTS[0], params))
    assert [piece.id for piece in pieces] == engine.generate([PROMPTS[0]], params)[0].ids


def test_log_probabilities_are_the_models_own(engine):
    params = SamplingParams(max_new_tokens=10, temperature=0.5, top_k=3, logprobs=True)
    prompt = PROMPTS[2]
    completion = engine.generate([prompt, PROMPTS[1]], params)[0]
    row = torch.tensor([[*prompt, *completion.ids]])
    with torch.no_grad():
        logp = torch.log_softmax(engine.model(row)[0], -1)
    expected = [logp[len(prompt) - 1 + g, id].item() for g, id in enumerate(completion.ids)]
    assert completion.logprobs == pytest.approx(expected, abs=1e-4)
    assert engine.generate([prompt], SamplingParams(max_new_tokens=1))[0].logprobs is None


def test_generation_ends_with_the_context(engine):
    context = engine.model.config.context_length
    silent = Engine(engine.model, TOKENIZER, stop_ids=())
    prompts = [[5] * (context - 1), [5] * (context - 10), [5]]
    completions = silent.generate(prompts, SamplingParams(max_new_tokens=40))
    assert [len(completion.ids) for completion in completions] == [1, 10, 40]
    assert {completion.finish_reason for completion in completions} == {"length"}
    pieces = list(silent.stream(prompts[1], SamplingParams(max_new_tokens=40)))
    assert len(pieces) == 10
    assert pieces[-1].finish_reason == "length"


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ([], "empty"),
        ([1] * 64, "has 64 tokens; the model reads 64"),
        ([1, 9999], "ids from 1 to 9999"),
        ([-1], "ids from -1"),
    ],
)
def test_prompts_that_cannot_be_read_are_refused(engine, prompt, reason):
    with pytest.raises(DataError, match=reason):
        engine.generate([[1], prompt], SamplingParams())
    with pytest.raises(DataError, match=reason):
        next(engine.stream(prompt, SamplingParams()))


def test_no_prompts_give_no_completions(engine):
    assert engine.generate([], SamplingParams()) == []


def test_the_end_token_is_kept_in_ids_and_not_in_text():
    said = [*b"hi", END, *b"more"]
    engine = Engine(Scripted(said, prompt_length=2), TOKENIZER)
    completion = engine.generate([[1, 2]], SamplingParams(temperature=0.0))[0]
    assert completion.ids == [*b"hi", END]
    assert (completion.text, completion.finish_reason) == ("hi", "stop")


@pytest.mark.parametrize("stop", [("STOP",), ("never", "TOP")])
def test_a_stop_text_across_tokens_ends_stream_and_batch_alike(stop):
    st, op = (TOKENIZER.encode(text)[0] for text in ("ST", "OP"))
    said = [*b"a S", st, *b"b", st, op, *b"later"]
    params = SamplingParams(temperature=0.0, stop=stop)
    expected = "a SSTb" if stop == ("STOP",) else "a SSTbS"
    engine = Engine(Scripted(said, prompt_length=1), TOKENIZER)
    pieces = list(engine.stream([1], params))
    assert "".join(piece.text for piece in pieces) == expected
    assert [piece.id for piece in pieces] == said[:7]
    assert pieces[-1].finish_reason == "stop"
    for completion in engine.generate([[1], [1]], params):
        assert (completion.ids, completion.text) == (said[:7], expected)
        assert completion.finish_reason == "stop"


def test_a_character_over_three_tokens_streams_whole():
    said = [*"€é".encode(), END]
    engine = Engine(Scripted(said, prompt_length=1), TOKENIZER)
    pieces = list(engine.stream([1], SamplingParams(temperature=0.0)))
    assert [piece.text for piece in pieces] == ["", "", "€", "", "é", ""]


def test_a_closed_stream_computes_nothing_more():
    scripted = Scripted(list(b"a long story"), prompt_length=1)
    stream = Engine(scripted, TOKENIZER).stream([1], SamplingParams(temperature=0.0))
    assert scripted.calls == 0  # nor before the first piece
    next(stream)
    next(stream)
    stream.close()
    assert scripted.calls == 2
    assert scripted._n_steady == 0


def test_streams_may_take_turns(engine):
    params = SamplingParams(max_new_tokens=12, temperature=2.0)
    alone = [list(engine.stream(prompt, params)) for prompt in PROMPTS[:3]]
    streams = [engine.stream(prompt, params) for prompt in PROMPTS[:3]]
    turns = [[] for _ in streams]
    for _ in range(12):
        for stream, pieces in zip(streams, turns, strict=True):
            pieces.extend([piece for piece in [next(stream, None)] if piece is not None])
    assert turns == alone


def test_gradients_may_follow_a_generation(engine):
    engine.generate([[1, 2]], SamplingParams(max_new_tokens=3))
    ids = torch.tensor([[1, 2, 3]])
    engine.model.loss(ids, ids).backward()
    assert engine.model.head.weight.grad.abs().sum() > 0
    engine.model.zero_grad()


def test_explanations_show_the_likeliest_tokens_of_each_step(engine):
    params = SamplingParams(max_new_tokens=6, temperature=0.0)
    steps = list(engine.explain(PROMPTS[0], params, top=4))
    ids = [step.chosen for step in steps]
    assert ids == engine.generate([PROMPTS[0]], params)[0].ids
    with torch.no_grad():
        row = torch.tensor([[*PROMPTS[0], *ids]])
        p = torch.softmax(engine.model(row)[0], -1)
    for number, step in enumerate(steps):
        at = len(PROMPTS[0]) - 1 + number
        best = torch.topk(p[at], 4)
        assert [candidate.id for candidate in step.top] == best.indices.tolist()
        assert [c.probability for c in step.top] == pytest.approx(best.values.tolist(), abs=1e-5)
        assert [c.text for c in step.top] == [TOKENIZER.decode([c.id]) for c in step.top]
        assert step.probability == step.top[0].probability
