"""One process's work on a pretraining run: builds or restores the parts, and runs the loop.

Letters: B rows, T position.

Everything that is not the algorithm hangs on the loop as a hook, in this order after each step:
log and show (`reporting`), measure and sample (`evaluation`), save (`saving`).
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from groundup.core.artifact import Artifact, RunDir
from groundup.core.console import Bar, progress
from groundup.core.interrupt import stop_request
from groundup.core.seeds import derive
from groundup.model import count, device
from groundup.model.attention_probe import use_attention
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.loader import TokenRows
from groundup.tokens.tokenizer import Tokenizer
from groundup.training import checkpoint
from groundup.training.config import PretrainConfig
from groundup.training.data import open_rows
from groundup.training.evaluation import Evaluation
from groundup.training.expected import Expected
from groundup.training.float8 import use_float8
from groundup.training.guard import Guard
from groundup.training.loop import LossFn, train
from groundup.training.meters import Meter
from groundup.training.microbatch import confirm, plan_rows
from groundup.training.optimizer import build
from groundup.training.prefetch import Batches
from groundup.training.recompute import recompute_blocks
from groundup.training.reporting import Reporting
from groundup.training.rescue import Rescue
from groundup.training.samples import Samples
from groundup.training.saving import Saving
from groundup.training.schedule import lr_factor

__all__ = ["Session"]

log = logging.getLogger(__name__)

GPU_EXAMINE_EVERY_STEPS = 10  # a look makes the program wait for the GPU


class Session:
    """One process's work on a run: the objects that the loop needs, built or restored."""

    def __init__(
        self, config: PretrainConfig, tokens: Artifact, tokenizer: Tokenizer, out: RunDir
    ) -> None:
        T = config.model.context_length
        self.config, self.out = config, out
        self.device = device.choose(config.device)
        self.batch_rows = config.batch_tokens // T
        self.rows = open_rows(config, tokens)
        shape = ModelConfig.of(config.model, vocab_size=tokenizer.vocab_size)
        choice = plan_rows(config, shape, self.device)  # before anything large is made
        log.info("memory for training: %s", choice.arithmetic)
        self.micro_batch_rows = choice.rows
        self.model = Transformer(shape, seed=derive(config.seed, "pretrain/init")).to(self.device)
        use_attention(self.model, config.attention)
        if config.float8:
            use_float8(self.model)
        recompute_blocks(self.model, config.recompute_every_layers)
        self.optimizer = build(self.model, config.optimizer)
        limit_flops = device.matmul_limit_flops(self.device, self.model.compute_dtype)
        self.meter = Meter(
            flops_per_token=count.flops_per_token(shape, T),
            limit_flops=limit_flops,
            peak_flops=device.known_peak_flops(self.device) or limit_flops,
        )
        self.guard = Guard(
            config.safety,
            examine_every_steps=1 if self.device.type == "cpu" else GPU_EXAMINE_EVERY_STEPS,
        )
        found = checkpoint.load_latest(out, self.model, self.optimizer)
        self.first_step = found.step if found else 0
        self.samples = Samples(
            out, tokenizer, config.samples, seed=config.seed, first_step=self.first_step
        )
        self.evaluation = Evaluation(
            self.model,
            TokenRows.open(tokens, "validation", T),
            self.samples,
            out.metrics,
            every_steps=config.evaluation_every_steps,
            n_steps=config.n_steps,
            max_tokens=config.evaluation_tokens,
            expected=Expected(config.expected, self.rows, tokenizer.vocab_size),
        )
        if found:
            self.guard.resume(found.state["guard"])
            self.meter.resume(found.state["meter"])
            self.evaluation.bits_per_byte = found.state["validation_bits_per_byte"]
        self.saving = Saving(
            out,
            self.model,
            self.optimizer,
            self._position,
            every_s=config.checkpoint_every_s,
            n_steps=config.n_steps,
            snapshot_every_steps=(
                config.safety.snapshot_every_steps if config.safety.max_interventions else None
            ),
        )

    def train(self) -> None:
        """Takes all the steps that are left."""
        config, n_steps = self.config, self.config.n_steps
        self._announce()
        with progress("pretrain", n_steps, "steps") as bar, stop_request() as request:
            bar.resume_at(self.first_step)
            reporting = Reporting(
                self.out.metrics,
                self.meter,
                bar,
                every_steps=config.log_every_steps,
                n_steps=n_steps,
            )
            rescue = Rescue(
                self.out,
                self.model,
                self.optimizer,
                self.guard,
                self.saving,
                config.safety,
                lambda step, state: self._go_back(step, state, bar),
            )
            if self.first_step == 0:
                self.evaluation.measure(0)
            loss_fn = self._loss_fn()
            self._confirm_rows(loss_fn)
            train(
                loss_fn,
                self.optimizer,
                self._batches(),
                first_step=self.first_step,
                n_steps=n_steps,
                lr_factor=lambda step: lr_factor(step, total_steps=n_steps, config=config.schedule),
                micro_batch_rows=self.micro_batch_rows,
                clip_norm=config.optimizer.clip_norm,
                guard=self.guard,
                recover=rescue.recover,
                hooks=[
                    reporting.log,
                    reporting.show,
                    self.evaluation.when_due,
                    self.saving.when_due,
                ],
                save=self.saving.save,
                request=request,
            )

    def _announce(self) -> None:
        shape = self.model.config
        log.info(
            "%s parameters, %s tokens in %s steps (%.1f epochs) on %s in %s",
            f"{count.n_params(shape):,}",
            f"{self.config.n_steps * self.config.batch_tokens:,}",
            f"{self.config.n_steps:,}",
            self.config.n_steps * self.config.batch_tokens / self.rows.n_tokens,
            self.device,
            str(self.model.compute_dtype).removeprefix("torch."),
        )

    def _confirm_rows(self, loss_fn: LossFn) -> None:
        """On a GPU, where what fits can only be found out by trying."""
        if self.device.type == "cpu" or self.config.micro_batch_tokens is not None:
            return
        T = self.config.model.context_length

        def try_rows(rows: int) -> None:
            ids_BT = torch.zeros(rows, T, dtype=torch.int64, device=self.device)
            loss_fn(ids_BT, ids_BT).backward()  # type: ignore[no-untyped-call]  # untyped in torch
            self.optimizer.zero_grad()

        self.micro_batch_rows = confirm(self.micro_batch_rows, self.batch_rows, try_rows)

    def _go_back(self, step: int, state: Mapping[str, Any], bar: Bar) -> None:
        """What goes back with the weights."""
        self.meter.go_back(state["meter"])
        self.evaluation.bits_per_byte = state["validation_bits_per_byte"]
        self.samples.forget_after(step)
        bar.go_back_to(step)

    def _loss_fn(self) -> LossFn:
        if not self.config.compile:
            return self.model.loss
        compiled: LossFn = torch.compile(self.model.loss)
        return compiled

    def _batches(self) -> Callable[[int], Tensor]:
        seed = derive(self.config.seed, "pretrain/rows")
        batches = Batches(
            lambda number: self.rows.batch(seed, number, self.batch_rows),
            self.device,
            ahead=self.device.type == "cuda",
        )
        return lambda step: batches.batch(self.guard.order.batch_of(step))

    def _position(self) -> dict[str, Any]:
        """What a checkpoint keeps beside weights and optimizer."""
        return {
            "guard": self.guard.state(),
            "meter": self.meter.state(),
            "validation_bits_per_byte": self.evaluation.bits_per_byte,
        }

    def result(self, bar_to_beat: Mapping[str, Any]) -> dict[str, Any]:
        """The few numbers a person wants to know."""
        meter, bits = self.meter, self.evaluation.bits_per_byte
        assert bits is not None  # the last step is always measured
        return {
            "params": count.n_params(self.model.config),
            "tokens": meter.tokens,
            "epochs": round(meter.tokens / self.rows.n_tokens, 3),
            "validation_bits_per_byte": round(bits, 5),
            "unigram_bits_per_byte": round(bar_to_beat["unigram_bits_per_byte"], 5),
            "ngram_bits_per_byte": round(bar_to_beat["ngram_bits_per_byte"], 5),
            "ngram_order": bar_to_beat["ngram_order"],
            "beats_baselines": bits < bar_to_beat["ngram_bits_per_byte"],
            "skipped_batches": self.guard.order.state(),
            "train_seconds": round(meter.seconds, 2),
            "tokens_per_s": round(meter.tokens_per_s, 1),
            "flops": meter.flops_per_token * meter.tokens,
            "limit_flops": round(meter.limit_flops),
            "limit_fraction": round(meter.limit_fraction(meter.tokens_per_s), 4),
            "mfu": round(meter.mfu(meter.tokens_per_s), 4),
        }
