"""One rank's work on a pretraining run: builds or restores the parts, and runs the loop.

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
from groundup.core.errors import ConfigError
from groundup.core.interrupt import StopRequest, stop_request
from groundup.core.seeds import derive
from groundup.model import count, device
from groundup.model.attention_probe import use_attention
from groundup.model.config import ModelConfig
from groundup.model.transformer import Transformer
from groundup.tokens.loader import TokenRows
from groundup.tokens.tokenizer import Tokenizer
from groundup.training import checkpoint
from groundup.training.config import PretrainConfig
from groundup.training.data import open_rows, rows_seed
from groundup.training.evaluation import Evaluation
from groundup.training.expected import Expected
from groundup.training.float8 import use_float8
from groundup.training.guard import Guard
from groundup.training.loop import LossFn, raise_cancelled, train
from groundup.training.meters import Meter
from groundup.training.microbatch import confirm, plan_rows
from groundup.training.optimizer import build
from groundup.training.parallel import Sharded, arrangement
from groundup.training.prefetch import Batches
from groundup.training.ranks import Ranks
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
    """One rank's work on a run: the objects that the loop needs, built or restored."""

    def __init__(
        self,
        config: PretrainConfig,
        tokens: Artifact,
        tokenizer: Tokenizer,
        out: RunDir,
        ranks: Ranks,
    ) -> None:
        T = config.model.context_length
        self.config, self.out, self.ranks = config, out, ranks
        self.batch_rows = config.batch_tokens // T
        self.first_row, self.own_rows = _own_rows(self.batch_rows, ranks)
        self.device = ranks.choose_device(config.device)
        self.rows = open_rows(config, tokens)
        shape = ModelConfig.of(config.model, vocab_size=tokenizer.vocab_size)
        kind = arrangement(config.parallel, count.n_params(shape), self.device, ranks)
        choice = plan_rows(  # before anything large is made
            config,
            shape,
            self.device,
            own_rows=self.own_rows,
            n_on_host=ranks.local_world_size,
            n_shards=ranks.world_size if kind is Sharded else 1,
        )
        log.info("memory for training: %s", choice.arithmetic)
        self.micro_batch_rows = ranks.least(choice.rows)
        self.model = Transformer(shape, seed=derive(config.seed, "pretrain/init")).to(self.device)
        use_attention(self.model, config.attention)
        if config.float8:
            use_float8(self.model)
        recompute_blocks(self.model, config.recompute_every_layers)
        self.parallel = kind(self.model, ranks, compile=config.compile)
        self.optimizer = build(self.model, config.optimizer, self.parallel.spread)
        limit_flops = device.matmul_limit_flops(self.device, self.model.compute_dtype)
        peak_flops = device.known_peak_flops(self.device) or limit_flops
        self.meter = Meter(
            flops_per_token=count.flops_per_token(shape, T),
            limit_flops=ranks.sum([limit_flops])[0],
            peak_flops=ranks.sum([peak_flops])[0],
        )
        self.guard = Guard(
            config.safety,
            examine_every_steps=1 if self.device.type == "cpu" else GPU_EXAMINE_EVERY_STEPS,
        )
        found = checkpoint.load_latest(out, self.model, self.optimizer, ranks=ranks)
        self.first_step = found.step if found else 0
        self.samples = Samples(
            out, tokenizer, config.samples, seed=config.seed, first_step=self.first_step
        )
        self.evaluation = Evaluation(
            self.parallel,
            TokenRows.open(tokens, "validation", T),
            self.samples,
            out.metrics,
            every_steps=config.evaluation_every_steps,
            n_steps=config.n_steps,
            max_tokens=config.evaluation_tokens,
            expected=Expected(config.expected, self.rows, tokenizer.vocab_size),
            ranks=ranks,
        )
        self.evaluation.is_pending = found is None
        if found:
            self.guard.resume(found.state["guard"])
            self.meter.resume(found.state["meter"])
            self.evaluation.bits_per_byte = found.state["validation_bits_per_byte"]
            self.evaluation.is_pending = found.state["validation_is_pending"]
        self.saving = Saving(
            out,
            self.model,
            self.optimizer,
            self._position,
            ranks,
            n_steps=config.n_steps,
            every_s=config.checkpoint_every_s,
            keep=config.keep_checkpoints,
            keep_every_steps=config.keep_every_steps,
            snapshot_every_steps=(
                config.safety.snapshot_every_steps if config.safety.max_interventions else None
            ),
            background=ranks.world_size > 1 or self.device.type == "cuda",
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
                self.ranks,
                lambda step, state: self._go_back(step, state, bar),
            )
            self.evaluation.stop = lambda: self.ranks.any(bool(request))
            self._catch_up(request)
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
                batch_rows=self.batch_rows,
                accumulating=self.parallel.accumulating,
                ranks=self.ranks,
            )

    def _catch_up(self, request: StopRequest) -> None:
        """Makes the measurement that the process before did not come to."""
        if self.evaluation.is_pending:
            self.evaluation.measure(self.first_step)
        if self.evaluation.is_pending:  # nothing to save: the checkpoint says that it is pending
            raise_cancelled(request, self.ranks)

    def _announce(self) -> None:
        shape = self.model.config
        log.info(
            "%s parameters, %s tokens in %s steps (%.1f epochs) on %s%s in %s",
            f"{count.n_params(shape):,}",
            f"{self.config.n_steps * self.config.batch_tokens:,}",
            f"{self.config.n_steps:,}",
            self.config.n_steps * self.config.batch_tokens / self.rows.n_tokens,
            self.parallel.says,
            self.device,
            str(self.model.compute_dtype).removeprefix("torch."),
        )

    def _confirm_rows(self, loss_fn: LossFn) -> None:
        """On a GPU, where what fits can only be found out by trying; not while others wait."""
        given = self.config.micro_batch_tokens is not None
        if self.device.type == "cpu" or given or self.ranks.world_size > 1:
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
        return self.parallel.loss

    def _batches(self) -> Callable[[int], Tensor]:
        """Step to this rank's rows of its batch, which is the same for any number of ranks."""
        seed = rows_seed(self.config)
        batches = Batches(
            lambda number: self.rows.batch(
                seed, number, self.batch_rows, first=self.first_row, count=self.own_rows
            ),
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
            "validation_is_pending": self.evaluation.is_pending,
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


def _own_rows(batch_rows: int, ranks: Ranks) -> tuple[int, int]:
    """First row and number of rows of a batch that this rank takes."""
    if batch_rows < ranks.world_size:
        raise ConfigError(
            f"{ranks.world_size} ranks, but a batch has {batch_rows} rows: some would have none",
            hint=f"start at most {batch_rows} ranks, or raise batch_tokens",
        )
    return ranks.share_of(batch_rows)
