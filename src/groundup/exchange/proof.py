"""Proof of an export: the program that it is for computes what groundup computes.

Compared are token ids of text in many scripts, ids of whole conversations, logits in float32, and
greedy generation until a stop token. Two programs never round alike, so a token may differ where
the two likeliest are nearer to each other than the largest difference of logits: such a tie is
counted apart, and anything else is a failed proof.

Letters: T position, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from groundup.core.errors import DataError
from groundup.core.records import Message
from groundup.exchange.sample import CONVERSATIONS, QUESTIONS, TEXTS
from groundup.generate.engine import Engine
from groundup.generate.load import LoadedModel
from groundup.generate.sampling import SamplingParams

__all__ = ["NEW_TOKENS", "Proof", "Runtime", "prove"]

NEW_TOKENS = 64
"""Longest greedy answer that is compared."""


class Runtime(Protocol):
    """A program with the exported model in it."""

    name: str
    version: str
    tolerance: float
    """Largest difference of logits, as a share of the largest logit, that is rounding."""

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids at which it ends an answer."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without tokens added around it."""

    def chat_ids(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a conversation as its own rendering of the template gives them."""

    def logits(self, ids: Sequence[int]) -> Tensor:
        """float32 (T, V)."""

    def generate(self, ids: Sequence[int], max_new_tokens: int) -> list[int]:
        """Greedy answer, the stop token included, by its own rule of when to stop."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared and what came out.

    Attributes:
        runtime: Program and version.
        exact: Whether weights and arithmetic are float32 on both sides; otherwise the figures say
            what the smaller number format costs.
        max_logit_difference: Over all positions of prompts and answers.
        max_logit: Largest logit there, for scale.
        texts: How many texts gave the same ids, and their tokens.
        conversations: How many conversations gave the same ids.
        answers: Greedy answers compared.
        equal: Those with all tokens the same.
        ties: Those that part where two tokens are as likely within `max_logit_difference`.
        stopped: Those that ended with a stop token in both programs.
        compared_tokens: Tokens of all answers.
        stop_tokens: Tokens at which both programs end an answer; ours may have more, for it ends at
            any chat marker, which llama.cpp cannot be told.
        own_stop_tokens: Tokens at which ours does.
    """

    runtime: str
    exact: bool
    max_logit_difference: float
    max_logit: float
    texts: int
    text_tokens: int
    conversations: int
    answers: int
    equal: int
    ties: int
    stopped: int
    compared_tokens: int
    stop_tokens: int
    own_stop_tokens: int

    def json(self) -> dict[str, Any]:
        """For `proof.json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        parted = f", {self.ties} part at a tie" if self.ties else ""
        rest = self.answers - self.equal - self.ties
        parted += f", {rest} differ" if rest else ""
        return [
            f"runtime: {self.runtime}",
            f"token ids: {self.texts} texts in many scripts equal ({self.text_tokens:,} tokens), "
            f"{self.conversations} conversations equal",
            f"logits: differ by at most {self.max_logit_difference:.2g} "
            f"(largest {self.max_logit:.3g})",
            f"greedy answers of up to {NEW_TOKENS} tokens: {self.equal} of {self.answers} equal"
            f"{parted} ({self.compared_tokens:,} tokens); {self.stopped} ended with a stop token",
            f"stop tokens: {self.stop_tokens} of {self.own_stop_tokens} end an answer there too",
        ]


def prove(ours: LoadedModel, theirs: Runtime, *, exact: bool) -> Proof:
    """Compares a model with its export; `exact` demands equality, else differences are figures.

    Raises:
        DataError: Token ids differ, or, when `exact`, logits by more than rounding, or an answer
            that is no tie.
    """
    n_tokens = _compare_texts(ours, theirs)
    _compare_conversations(ours, theirs)
    ours.model.compute_dtype = torch.float32
    prompts = [ours.chat_ids([Message("user", question)]) for question in QUESTIONS]
    room = ours.context_length - max(map(len, prompts))
    params = SamplingParams(max_new_tokens=min(NEW_TOKENS, room), temperature=0.0)
    stop_ids = ours.stop_ids & theirs.stop_ids
    if not stop_ids:
        raise _failed(f"{theirs.name} has none of the tokens that end an answer")
    engine = Engine(ours.model, ours.tokenizer, stop_ids=stop_ids)
    answers = [completion.ids for completion in engine.generate(prompts, params)]
    largest, difference, parted, stopped = 0.0, 0.0, [], 0
    for prompt, answer in zip(prompts, answers, strict=True):
        there = theirs.generate(prompt, params.max_new_tokens)
        ours_TV = _logits(ours, [*prompt, *answer])
        theirs_TV = theirs.logits([*prompt, *answer])
        largest = max(largest, float(ours_TV.abs().max()))
        difference = max(difference, float((ours_TV - theirs_TV).abs().max()))
        stopped += answer[-1] in stop_ids and there[-1:] == answer[-1:]
        if there != answer:
            parted.append((ours_TV[len(prompt) - 1 :], answer, there))
    ties = sum(_is_tie(*each, difference) for each in parted)
    if exact and difference > theirs.tolerance * largest:
        raise _failed(f"logits of up to {largest:.3g} differ by up to {difference:.3g}")
    if exact and ties < len(parted):
        raise _failed(
            f"{len(parted) - ties} of {len(answers)} greedy answers differ by more than rounding"
        )
    return Proof(
        runtime=f"{theirs.name} {theirs.version}",
        exact=exact,
        max_logit_difference=difference,
        max_logit=largest,
        texts=len(TEXTS),
        text_tokens=n_tokens,
        conversations=len(CONVERSATIONS),
        answers=len(answers),
        equal=len(answers) - len(parted),
        ties=ties,
        stopped=stopped,
        compared_tokens=sum(map(len, answers)),
        stop_tokens=len(stop_ids),
        own_stop_tokens=len(ours.stop_ids),
    )


@torch.inference_mode()
def _logits(ours: LoadedModel, ids: Sequence[int]) -> Tensor:
    logits_TV: Tensor = ours.model(torch.tensor([list(ids)], device=ours.model.device))[0]
    return logits_TV.float().cpu()


def _compare_texts(ours: LoadedModel, theirs: Runtime) -> int:
    """Checks the ids of all texts; returns how many there are."""
    total = 0
    for script, text in TEXTS.items():
        expected, found = ours.tokenizer.encode(text), theirs.encode(text)
        if expected != found:
            raise _failed(f"{theirs.name} gives other token ids for the {script} text")
        total += len(expected)
    return total


def _compare_conversations(ours: LoadedModel, theirs: Runtime) -> None:
    for messages in CONVERSATIONS:
        if ours.chat_ids(messages) != theirs.chat_ids(messages):
            raise _failed(
                f"{theirs.name} renders a conversation of {len(messages)} messages to other ids"
            )


def _is_tie(ours_TV: Tensor, answer: list[int], there: list[int], difference: float) -> bool:
    """Whether two answers part where their tokens are as likely within rounding.

    Args:
        ours_TV: Logits from the one that gives the first token of the answer on.
    """
    pairs = enumerate(zip(answer, there, strict=False))
    place = next((t for t, (mine, other) in pairs if mine != other), None)
    if place is None:
        return False  # one goes on where the other stopped
    margin = ours_TV[place, answer[place]] - ours_TV[place, there[place]]
    return float(margin) <= 2 * difference


def _failed(reason: str) -> DataError:
    return DataError(
        f"the export is not proved: {reason}",
        hint="nothing was written; --no-proof exports without comparing",
    )
