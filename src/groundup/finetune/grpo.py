"""Reinforcement learning with verifiable rewards: a model and graded questions -> a better scorer.

One step: draw prompts, sample several answers to each, pay each its reward (`evaluate.grade`), and
make answers likelier that earned more than the mean of their siblings. The model never sees a
reference answer. See `policy_gradient` for the loss and its sources.

Letters: B sequence, T position, N answer tokens.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundup.core.artifact import Artifact, RunDir
from groundup.core.records import Example, read_examples
from groundup.evaluate.answers import fits
from groundup.finetune import health, preflight, session
from groundup.finetune.answers import answer_log_probs, to_device
from groundup.finetune.config import GrpoConfig
from groundup.finetune.data import encode, micro_batches, pad, read_tasks, refuse_too_long
from groundup.finetune.policy_gradient import grpo_loss, kl_estimate
from groundup.finetune.rollout import Prompts, Rollout, sample
from groundup.generate.load import LoadedModel, open_model
from groundup.generate.sampling import SamplingParams
from groundup.model.transformer import Transformer
from groundup.training.optimizer import GroupedOptimizer, build
from groundup.training.publish import publish_model
from groundup.training.schedule import lr_factor

__all__ = ["VERSION", "run"]

VERSION = 1
_EDGE_FRACTION = 0.1  # of the steps, for "at the start" and "at the end" in the health lines


def run(config: GrpoConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Trains `inputs["model"]` by its rewards on the training prompts of `inputs["examples"]`.

    Raises:
        ConfigError: A task has no example.
        DataError: There is no prompt, or too many leave no room for an answer.
        NumericalError: The loss is not finite.
        Cancelled: Asked to stop; the state is saved.
    """
    session.finish_once(out, lambda: _reinforce(config, inputs["model"], inputs["examples"], out))


def _reinforce(
    config: GrpoConfig, model: Artifact, examples: Artifact, out: RunDir
) -> dict[str, float]:
    """The whole run; returns its summary."""
    base = open_model(model, device=config.device)
    prompts, counts = _prompts(config, base, examples, out)
    reference = None
    if config.kl_coefficient is not None or config.kl_every_steps is not None:
        reference = open_model(model, device=config.device).model
    trainer = _Trainer(config, base, prompts, reference, out)
    session.train(
        out,
        base.model,
        trainer.optimizer,
        trainer.step,
        total=config.steps,
        label="reinforcement learning",
        checkpoint_every_s=config.checkpoint_every_s,
    )
    publish_model(out, base.model, base.tokenizer)
    return {**counts, "steps": config.steps, **_report(config, base, examples, out)}


def _prompts(
    config: GrpoConfig, base: LoadedModel, examples: Artifact, out: RunDir
) -> tuple[list[Example], dict[str, float]]:
    """Prompts that may be drawn, checked and shown, and their counts."""
    found = read_tasks(examples, "train.jsonl", config.tasks)
    heldout = list(read_examples(examples.file("heldout.jsonl")))
    kept, leaked = preflight.drop_leaked(found, heldout)
    context = base.context_length
    room = [ex for ex in kept if fits(base.tokenizer, ex, config.max_new_tokens, context)]
    too_long = len(kept) - len(room)
    refuse_too_long(
        too_long, len(kept), limit_fraction=config.max_too_long_fraction, context=context
    )
    rows, _ = encode(base.tokenizer, room, context_length=context)
    preflight.refuse_untrainable(rows, end_ids=base.stop_ids)
    seen = preflight.inspect(
        rows,
        base.tokenizer,
        heldout=heldout,
        too_long=too_long,
        leaked=leaked,
        context_length=context,
    )
    preflight.save(seen, out)
    return room, {"prompts": len(room), "too_long": too_long, "leaked": leaked}


@dataclass(frozen=True, slots=True)
class _Piece:
    """Part of a step that fits into memory.

    Attributes:
        ids: Tokens, (B, T).
        targets: The token that follows each, or -100, (B, T).
        advantage: Of the answer that each target belongs to, (N,).
        reference: Log-probability of each target under the model started from, (N,), in nats.
    """

    ids: Tensor
    targets: Tensor
    advantage: Tensor
    reference: Tensor | None


class _Trainer:
    """Everything that a step needs; `step` is the method."""

    def __init__(
        self,
        config: GrpoConfig,
        base: LoadedModel,
        examples: Sequence[Example],
        reference: Transformer | None,
        out: RunDir,
    ) -> None:
        self.optimizer: GroupedOptimizer = build(base.model, config.optimizer)
        self._config = config
        self._base = base
        self._reference = reference
        self._out = out
        self._prompts = Prompts(examples, weights=config.tasks, seed=config.seed)
        self._params = SamplingParams(
            max_new_tokens=config.max_new_tokens, temperature=config.temperature, logprobs=True
        )

    def step(self, step: int) -> str:
        """One step of training; returns what to show beside the bar."""
        config = self._config
        start_s = time.monotonic()
        drawn = self._prompts.draw(step, config.prompts_per_step)
        rollout = sample(
            self._base.engine,
            drawn,
            completions=config.completions,
            params=self._params,
            seed=config.seed,
            step=step,
        )
        sampled_s = time.monotonic()
        measured = self._learn(rollout, step) if rollout.rows else {}
        reward = float(rollout.rewards.mean())
        self._out.metrics.log(
            step + 1,
            rl__reward=reward,
            rl__stop_fraction=rollout.stop_fraction,
            rl__exact_fraction=float(np.mean([mark.exact for mark in rollout.grades])),
            rl__answer_tokens=rollout.answer_tokens,
            rl__entropy_nats=rollout.entropy_nats,
            rl__no_signal_fraction=rollout.no_signal_fraction,
            rl__sampling_s=round(sampled_s - start_s, 3),
            rl__learning_s=round(time.monotonic() - sampled_s, 3),
            **{f"rl__reward_{task}": value for task, value in rollout.reward_by_task().items()},
            **measured,
        )
        return f"reward {reward:.3f}, {rollout.stop_fraction:.0%} stop"

    def _learn(self, rollout: Rollout, step: int) -> dict[str, float]:
        """Updates the policy on a step's answers; returns measurements."""
        config, model = self._config, self._base.model
        measures_kl = config.kl_every_steps is not None and step % config.kl_every_steps == 0
        pieces = self._pieces(rollout, with_reference=measures_kl or bool(config.kl_coefficient))
        old = None
        if config.updates_per_step > 1:
            with torch.no_grad():
                old = [self._log_probs(model, piece) for piece in pieces]
        factor = lr_factor(step, total_steps=config.steps, config=config.schedule)
        normaliser = float(len(rollout.completions) * config.max_new_tokens)
        measured: dict[str, float] = {}
        for update in range(config.updates_per_step):
            losses, logp = [], []
            for index, piece in enumerate(pieces):
                logp_N = self._log_probs(model, piece)
                loss = grpo_loss(
                    logp_N,
                    logp_N.detach() if old is None else old[index],
                    piece.advantage,
                    normaliser=normaliser,
                    clip_low=config.clip_low,
                    clip_high=config.clip_high,
                    reference_N=piece.reference if config.kl_coefficient else None,
                    kl_coefficient=config.kl_coefficient or 0.0,
                )
                loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
                losses.append(loss.detach())
                logp.append(logp_N.detach())
            norm = session.update(
                torch.stack(losses).sum(),
                self.optimizer,
                step=step,
                lr_factor=config.lr_scale * factor,
                clip_norm=config.optimizer.clip_norm,
            )
            if update == 0:
                measured = _distance(logp, pieces)
                measured["rl__gradient_norm"] = norm
        measured["train__lr_factor"] = config.lr_scale * factor
        return measured

    def _pieces(self, rollout: Rollout, *, with_reference: bool) -> list[_Piece]:
        """The rows worth learning from, those of about one length together."""
        device = self._base.model.device
        order = micro_batches(rollout.rows, max_tokens=self._config.micro_batch_tokens)
        pieces = []
        for members in order:
            rows = [rollout.rows[index] for index in members]
            ids_BT, targets_BT = to_device(pad(rows, fill=self._base.tokenizer.end_id), device)
            advantage_N = torch.tensor(
                np.repeat(
                    [rollout.advantages[index] for index in members],
                    [int(row.trained.sum()) for row in rows],
                ),
                dtype=torch.float32,
                device=device,
            )
            piece = _Piece(ids_BT, targets_BT, advantage_N, None)
            if with_reference and self._reference is not None:
                with torch.no_grad():
                    reference_N = self._log_probs(self._reference, piece)
                piece = _Piece(ids_BT, targets_BT, advantage_N, reference_N)
            pieces.append(piece)
        return pieces

    def _log_probs(self, model: Transformer, piece: _Piece) -> Tensor:
        return answer_log_probs(
            model, piece.ids, piece.targets, temperature=self._config.temperature
        )


def _distance(logp: Sequence[Tensor], pieces: Sequence[_Piece]) -> dict[str, float]:
    """Distance from the model started from, on the tokens learned from, in nats per token."""
    kl = [
        kl_estimate(logp_N, piece.reference)
        for logp_N, piece in zip(logp, pieces, strict=True)
        if piece.reference is not None
    ]
    return {"rl__kl_nats": float(torch.cat(kl).mean())} if kl else {}


def _report(
    config: GrpoConfig, base: LoadedModel, examples: Artifact, out: RunDir
) -> dict[str, float]:
    """Samples and health lines; read from files, so that a resumed run says the same."""
    questions = list(read_examples(examples.file("validation.jsonl")))
    wanted = [q for q in questions if config.tasks is None or q.task in config.tasks]
    session.answer_samples(base, wanted, count=config.sample_questions, role="rl", out=out)

    def edges(name: str) -> tuple[float, float]:
        values = session.series(out, name)
        width = max(1, round(_EDGE_FRACTION * len(values)))
        return sum(values[:width]) / width, sum(values[-width:]) / width

    reward, kl = edges("rl/reward"), session.series(out, "rl/kl_nats")
    idle = session.series(out, "rl/no_signal_fraction")
    findings = health.grpo_findings(
        reward=reward,
        stop_fraction=edges("rl/stop_fraction")[1],
        entropy=edges("rl/entropy_nats"),
        answer_tokens=edges("rl/answer_tokens"),
        no_signal_fraction=sum(idle) / len(idle),
        kl_nats=kl[-1] if kl else None,
    )
    health.save(findings, out)
    return {"reward_first": reward[0], "reward_last": reward[1]}
