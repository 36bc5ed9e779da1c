"""Generation over a cache of keys and values, for a batch or token by token.

Letters: B row still running, V vocabulary, P prompt token, G generated token,
T position, D model width.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from groundup.core.errors import DataError
from groundup.generate.batch import Wave, run_wave, waves
from groundup.generate.sampling import SamplingParams, choose, draws, row_seed
from groundup.generate.text import TextStream
from groundup.model.cache import Cache
from groundup.model.transformer import Transformer
from groundup.tokens import chat
from groundup.tokens.tokenizer import Tokenizer

__all__ = ["Candidate", "Completion", "Engine", "Piece", "Step"]

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote after one prompt.

    Attributes:
        ids: Its tokens; the end token is the last when the model gave one.
        text: Their text, without special tokens and without a stop text.
        finish_reason: `stop` after an end token or a stop text, `length` when cut off.
        logprobs: Of each id, in nats, when asked for.
    """

    ids: list[int]
    text: str
    finish_reason: FinishReason
    logprobs: list[float] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One generated token of a stream.

    Attributes:
        text: Text that became certain with it; often none, and the last piece brings the rest.
        id: The token.
        finish_reason: Why this is the last piece; None when it is not.
        logprob: Of the token, in nats, when asked for.
    """

    text: str
    id: int
    finish_reason: FinishReason | None = None
    logprob: float | None = None


class Candidate(NamedTuple):
    """A token that could come next, its text, and its probability under the model, 0..1."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Step:
    """How one token was chosen.

    Attributes:
        chosen: The token.
        probability: Its probability under the model, before temperature and filters, 0..1.
        top: The likeliest tokens, likeliest first.
    """

    chosen: int
    probability: float
    top: list[Candidate]


class Engine:
    """Writes on after prompts, with one model.

    Args:
        stop_ids: Tokens that end an answer; by default the chat template's.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        *,
        stop_ids: Collection[int] | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.stop_ids = frozenset(chat.stop_ids(tokenizer) if stop_ids is None else stop_ids)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: SamplingParams,
        *,
        seeds: Sequence[int] | None = None,
    ) -> list[Completion]:
        """Completions of all prompts, in order; equal prompts are read once.

        Args:
            prompts: Token ids of each.
            seeds: One for each prompt; by default derived from `params.seed` and the row.

        Raises:
            DataError: A prompt is empty, fills the context, or has an id outside the vocabulary.
        """
        for prompt in prompts:
            self._check(prompt)
        if seeds is None:
            seeds = [row_seed(params.seed, row) for row in range(len(prompts))]
        completions: dict[int, Completion] = {}
        for rows in waves(self.model, prompts, params.max_new_tokens):
            texts = [TextStream(self.tokenizer, params.stop) for _ in rows] if params.stop else None
            wave = Wave(
                prompts=[prompts[row] for row in rows],
                seeds=[seeds[row] for row in rows],
                stop_ids=sorted(self.stop_ids),
                texts=texts,
                n_ids=self.tokenizer.vocab_size,
            )
            with self.model.steady():
                results = run_wave(self.model, wave, params)
            for row, (ids, logprobs, stopped) in zip(rows, results, strict=True):
                completions[row] = self._completion(ids, logprobs, stopped, params)
        return [completions[row] for row in range(len(prompts))]

    def stream(
        self, prompt: Sequence[int], params: SamplingParams, *, seed: int | None = None
    ) -> Iterator[Piece]:
        """One completion, a piece for each token; the same tokens as `generate([prompt])`.

        Nothing is computed before the first `next`, nor after the iterator is closed.

        Raises:
            DataError: As `generate`, at the first `next`.
        """
        text = TextStream(self.tokenizer, params.stop)
        for id, logits_V, last in self._tokens(prompt, params, seed):
            piece = text.push(id)
            finish: FinishReason | None = "length" if last else None
            if id in self.stop_ids or text.stopped:
                finish = "stop"
            if finish is not None:
                piece += text.finish()
                finish = "stop" if text.stopped else finish
            logprob = float(logits_V.log_softmax(0)[id]) if params.logprobs else None
            yield Piece(piece, id, finish, logprob)
            if finish is not None:
                return

    def explain(
        self,
        prompt: Sequence[int],
        params: SamplingParams,
        *,
        top: int = 5,
        seed: int | None = None,
    ) -> Iterator[Step]:
        """How each token of a completion was chosen, until it stops; stop texts are not looked for.

        Raises:
            DataError: As `generate`, at the first `next`.
        """
        for id, logits_V, _ in self._tokens(prompt, params, seed):
            p_V = torch.softmax(logits_V, dim=0)
            best = torch.topk(p_V, min(top, len(p_V)))
            candidates = [
                Candidate(other, self.tokenizer.decode([other]), p)
                for other, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            ]
            yield Step(chosen=id, probability=float(p_V[id]), top=candidates)
            if id in self.stop_ids:
                return

    def _tokens(
        self, prompt: Sequence[int], params: SamplingParams, seed: int | None
    ) -> Iterator[tuple[int, Tensor, bool]]:
        """Chosen id, its float32 logits (V,), and whether there is room for no more."""
        self._check(prompt)
        count = min(params.max_new_tokens, self.model.config.context_length - len(prompt))
        seed = row_seed(params.seed, 0) if seed is None else seed
        draws_G = torch.from_numpy(draws(seed, count)).to(self.model.device)
        cache = Cache.of(self.model, batch=1, max_len=len(prompt) + count)
        ids = list(prompt)
        with self.model.steady():
            for step in range(count):
                logits_V = self._next_logits(ids, cache)
                id = int(choose(logits_V[None], params, draws_G[step : step + 1]))
                yield id, logits_V, step == count - 1
                ids = [id]

    @torch.inference_mode()
    def _next_logits(self, ids: list[int], cache: Cache) -> Tensor:
        """Logits after one row's new tokens; not a generator, so the mode ends before a yield."""
        hidden_BTD = self.model.hidden(torch.tensor([ids], device=self.model.device), cache=cache)
        logits_V: Tensor = self.model.head(hidden_BTD[0, -1])[: self.tokenizer.vocab_size]
        return logits_V.float()

    def _check(self, prompt: Sequence[int]) -> None:
        context = self.model.config.context_length
        if not prompt:
            raise DataError("the prompt is empty", hint="give at least one token")
        if len(prompt) >= context:
            raise DataError(
                f"the prompt has {len(prompt)} tokens; the model reads {context}, answer included",
                hint=f"shorten it to {context - 1} tokens or fewer",
            )
        vocab_size = self.model.config.vocab_size
        if min(prompt) < 0 or max(prompt) >= vocab_size:
            raise DataError(
                f"the prompt has ids from {min(prompt)} to {max(prompt)}; the model knows"
                f" 0 to {vocab_size - 1}",
                hint="use the tokenizer that came with the model",
            )

    def _completion(
        self, ids: list[int], logprobs: list[float] | None, stopped: bool, params: SamplingParams
    ) -> Completion:
        reason: FinishReason = "stop" if stopped else "length"
        if not params.stop:
            text = self.tokenizer.decode(ids, skip_special=True)
            return Completion(ids=ids, text=text, finish_reason=reason, logprobs=logprobs)
        stream = TextStream(self.tokenizer, params.stop)
        text = "".join(map(stream.push, ids)) + stream.finish()
        return Completion(ids=ids, text=text, finish_reason=reason, logprobs=logprobs)
