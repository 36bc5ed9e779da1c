"""Supervised fine-tuning: a model and examples -> a model that answers.

The loss is the mean negative log-probability of answer tokens and of the token that ends an answer
(Ouyang et al. 2022, arXiv 2203.02155, section 3.5). Everything about the order of examples is a
function of the seed and the step, so that a killed run goes on as if nothing had happened.

Letters: B batch, T position, N answer tokens.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from groundup.core import seeds
from groundup.core.artifact import Artifact, RunDir
from groundup.core.records import Example, read_examples
from groundup.finetune import health, preflight, session
from groundup.finetune.answers import answer_log_probs, to_device
from groundup.finetune.config import SftConfig
from groundup.finetune.data import (
    Batches,
    Row,
    encode,
    pad,
    read_tasks,
    refuse_too_long,
)
from groundup.generate.load import LoadedModel, open_model
from groundup.model.transformer import Transformer
from groundup.training.optimizer import build
from groundup.training.publish import publish_model
from groundup.training.schedule import lr_factor

__all__ = ["VERSION", "run", "sft_loss"]

VERSION = 1
_VALIDATION_BATCH = 64
_RECENT_LINES = 10  # of metrics.jsonl, for the training loss at the end


def sft_loss(
    model: Transformer, ids_BT: Tensor, targets_BT: Tensor, *, trained_tokens: int
) -> Tensor:
    """A piece's share of the mean negative log-probability of a step's targets: a scalar, nats.

    Args:
        model: The policy.
        ids_BT: Token ids.
        targets_BT: The token that follows each; -100 counts for nothing.
        trained_tokens: Targets that count in the whole step, this piece's included.
    """
    return -answer_log_probs(model, ids_BT, targets_BT).sum() / trained_tokens


def run(config: SftConfig, inputs: Mapping[str, Artifact], out: RunDir) -> None:
    """Tunes `inputs["model"]` on the training examples of `inputs["examples"]`.

    Raises:
        ConfigError: A task has no example.
        DataError: An example would teach nothing, or not to stop; too many are too long.
        NumericalError: The loss is not finite.
        Cancelled: Asked to stop; the state is saved.
    """
    session.finish_once(out, lambda: _tune(config, inputs["model"], inputs["examples"], out))


def _tune(config: SftConfig, model: Artifact, examples: Artifact, out: RunDir) -> dict[str, float]:
    """The whole run; returns its summary."""
    base = open_model(model, device=config.device)
    rows, counts = _training_rows(config, base, examples, out)
    validation = _validation_rows(config, base, examples)
    steps = _train(config, base, rows, validation, out)
    publish_model(out, base.model, base.tokenizer)
    return {**counts, "steps": steps, **_report(config, base, validation, out)}


def _training_rows(
    config: SftConfig, base: LoadedModel, examples: Artifact, out: RunDir
) -> tuple[list[Row], dict[str, float]]:
    """Rows that may be learned from, checked and shown, and their counts."""
    found = read_tasks(examples, "train.jsonl", config.tasks)
    heldout = list(read_examples(examples.file("heldout.jsonl")))
    kept, leaked = preflight.drop_leaked(found, heldout)
    context = base.context_length
    rows, too_long = encode(base.tokenizer, kept, context_length=context)
    refuse_too_long(
        len(too_long), len(kept), limit_fraction=config.max_too_long_fraction, context=context
    )
    preflight.refuse_untrainable(rows, end_ids=base.stop_ids)
    seen = preflight.inspect(
        rows,
        base.tokenizer,
        heldout=heldout,
        too_long=len(too_long),
        leaked=leaked,
        context_length=context,
    )
    preflight.save(seen, out)
    return rows, {"examples": seen.examples, "too_long": seen.too_long, "leaked": seen.leaked}


def _validation_rows(config: SftConfig, base: LoadedModel, examples: Artifact) -> list[Row]:
    """Up to `evaluation_examples` rows that are not learned, drawn by a hash of their ids."""
    found: Sequence[Example] = list(read_examples(examples.file("validation.jsonl")))
    if config.tasks is not None:
        found = [example for example in found if example.task in config.tasks]
    rows, _ = encode(base.tokenizer, found, context_length=base.context_length)
    rows.sort(key=lambda row: seeds.derive(config.seed, f"sft/validation/{row.example.id}"))
    return rows[: config.evaluation_examples]


def _train(
    config: SftConfig,
    base: LoadedModel,
    rows: Sequence[Row],
    validation: Sequence[Row],
    out: RunDir,
) -> int:
    """Takes all steps that are left; returns how many there are in all."""
    batches = Batches(
        rows,
        batch_examples=config.batch_examples,
        seed=config.seed,
        fill=base.tokenizer.end_id,
    )
    total = max(1, round(config.epochs * batches.steps_per_epoch))
    optimizer = build(base.model, config.optimizer)
    model, device = base.model, base.model.device

    def one_step(step: int) -> str:
        if step == 0 and validation:
            out.metrics.log(0, validation__loss_nats=_validation_loss(base, validation))
        pieces = batches.batch(step, max_tokens=config.micro_batch_tokens)
        trained_tokens = sum(piece.trained_tokens for piece in pieces)
        loss = torch.zeros((), device=device)
        for piece in pieces:
            part = sft_loss(model, *to_device(piece, device), trained_tokens=trained_tokens)
            part.backward()  # type: ignore[no-untyped-call]  # untyped in torch
            loss += part.detach()
        factor = lr_factor(step, total_steps=total, config=config.schedule)
        norm = session.update(
            loss,
            optimizer,
            step=step,
            lr_factor=config.lr_scale * factor,
            clip_norm=config.optimizer.clip_norm,
        )
        done, value = step + 1, float(loss)
        if done % config.log_every_steps == 0 or done == total:
            out.metrics.log(
                done,
                train__loss_nats=value,
                train__gradient_norm=norm,
                train__trained_tokens=trained_tokens,
                train__lr_factor=config.lr_scale * factor,
            )
        if validation and (done % config.evaluation_every_steps == 0 or done == total):
            out.metrics.log(done, validation__loss_nats=_validation_loss(base, validation))
        return f"loss {value:.3f}"

    session.train(
        out,
        model,
        optimizer,
        one_step,
        total=total,
        label="fine-tuning",
        checkpoint_every_s=config.checkpoint_every_s,
    )
    return total


@torch.no_grad()
def _validation_loss(base: LoadedModel, rows: Sequence[Row]) -> float:
    """Mean loss over all answer tokens of the rows, in nats."""
    ordered = sorted(rows, key=lambda row: len(row.ids))
    total, count = 0.0, 0
    for start in range(0, len(ordered), _VALIDATION_BATCH):
        batch = pad(ordered[start : start + _VALIDATION_BATCH], fill=base.tokenizer.end_id)
        logp_N = answer_log_probs(base.model, *to_device(batch, base.model.device), exact=True)
        total -= float(logp_N.sum(dtype=torch.float64))
        count += len(logp_N)
    return total / count


def _report(
    config: SftConfig, base: LoadedModel, validation: Sequence[Row], out: RunDir
) -> dict[str, float]:
    """Samples and health lines; read from files, so that a resumed run says the same."""
    samples = session.answer_samples(
        base,
        [row.example for row in validation],
        count=config.sample_questions,
        role="sft",
        out=out,
    )
    train_losses = session.series(out, "train/loss_nats")
    validation_losses = session.series(out, "validation/loss_nats")
    found = {"train_loss_nats": train_losses[-1]}
    findings = []
    if validation_losses:
        found["validation_loss_nats"] = validation_losses[-1]
        recent = train_losses[-_RECENT_LINES:]
        findings = health.sft_findings(
            first_loss=validation_losses[0],
            last_loss=validation_losses[-1],
            train_loss=sum(recent) / len(recent),
            stop_fraction=health.stop_fraction(samples),
        )
    health.save(findings, out)
    return found
