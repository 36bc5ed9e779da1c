"""`groundup plan`: from any one of budget, loss, model or data to all the others.

The shape is real (`shapes`), its operations a token are 6 matrix parameters + 12 L d T, never 6 N,
and the law is asked for the loss of that shape's own count. Repeated tokens count for less
(`optimum.effective`); a loss comes with the spread of the law's resamples and with a stamp when the
budget lies outside the runs that the law was fitted on.
"""

import math
from dataclasses import dataclass
from typing import Any

from groundup.core.errors import ConfigError
from groundup.scaling.devices import Machine
from groundup.scaling.laws import STEP_LAW
from groundup.scaling.memory import Memory, kv_cache_bytes, training_memory, weight_bytes
from groundup.scaling.optimum import FREE_EPOCHS, MOST_EPOCHS
from groundup.scaling.saved import SavedFit
from groundup.scaling.shapes import PlanShape, named_shape
from groundup.scaling.sizing import Ask, needed, size_for_loss, size_of, worth

__all__ = ["Alternative", "Plan", "epochs_note", "make_plan"]

SIZES = (("half the size", 0.5), ("this plan", 1.0), ("twice the size", 2.0))
OVERHEAD = (("failed and repeated runs", 0.10), ("evaluation and checkpoints", 0.03))


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another model of the same predicted loss.

    Attributes:
        label: What it is.
        shape: The model.
        tokens: Its training tokens; None when no amount gives the loss.
        train_flops: Its training.
        serve_flops: One token read or written.
    """

    label: str
    shape: PlanShape
    tokens: float | None
    train_flops: float | None
    serve_flops: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A model, its data, its price and what it should reach.

    Attributes:
        ask: What was given.
        fit: The law and its resamples.
        machine: Where it runs.
        shape: The model.
        tokens: Training tokens, repeats included.
        loss: Predicted loss.
        interval: Its 95% interval; None when the law has no resamples.
        memory: What training takes on one device.
        lr: Suggested peak learning rate, by Step Law.
        batch_tokens: Suggested batch, by Step Law.
        within_step_law: Whether size and data lie within Step Law's runs.
        same_loss: Half, once and twice the size at the same predicted loss.
        served: The cheapest model of the same loss over training and serving.
    """

    ask: Ask
    fit: SavedFit
    machine: Machine
    shape: PlanShape
    tokens: float
    loss: float
    interval: tuple[float, float] | None
    memory: Memory
    lr: float
    batch_tokens: float
    within_step_law: bool
    same_loss: tuple[Alternative, ...]
    served: Alternative | None

    @property
    def flops(self) -> float:
        """Training operations."""
        return self.shape.train_flops * self.tokens

    @property
    def hours(self) -> float:
        """Wall-clock time of the training run alone."""
        return self.flops / self.machine.flops_per_s / 3600.0

    @property
    def epochs(self) -> float:
        """Passes over the data; 1 when there is no end of it."""
        unique = self.ask.unique_tokens
        return 1.0 if unique is None else max(1.0, self.tokens / unique)

    @property
    def beyond_sense(self) -> bool:
        """Whether the law forecasts more loss than guessing every token alike has."""
        return self.loss > math.log(self.shape.config.vocab_size)

    @property
    def times_outside(self) -> float:
        """How many times the budget lies outside the law's runs; 1 inside."""
        return self.fit.law.outside(self.flops)

    def as_json(self) -> dict[str, Any]:
        """The plan as a JSON object, units in the names."""
        config, law = self.shape.config, self.fit.law
        return {
            "law": {"name": law.name, "source": law.source, "counts": law.counts},
            "model": {
                **config.model_dump(mode="json", include=_SHAPE_KEYS),
                "n_params": self.shape.n_total,
                "n_matrix_params": self.shape.n_matrix,
                "n_body_params": self.shape.n_body,
                "train_flops_per_token": self.shape.train_flops,
            },
            "tokens": self.tokens,
            "tokens_per_param": self.tokens / self.shape.n_total,
            "unique_tokens": self.ask.unique_tokens,
            "epochs": self.epochs,
            "effective_tokens": worth(self.ask, self.tokens),
            "flops": self.flops,
            "loss_nats": self.loss,
            "loss_interval": list(self.interval) if self.interval else None,
            "times_outside_fitted_range": self.times_outside,
            "extrapolation": self.times_outside > 1.0,
            "device": self.machine.device.name,
            "device_count": self.machine.count,
            "mfu": self.machine.device.mfu,
            "hours": self.hours,
            "dollars": self.machine.dollars(self.hours),
            "kwh": self.machine.kwh(self.hours),
            "overhead": {
                name: {"fraction": share, "hours": share * self.hours} for name, share in OVERHEAD
            },
            "memory": {
                "persistent_bytes": self.memory.persistent_bytes,
                "row_bytes": self.memory.row_bytes,
                "micro_batch_rows": self.memory.rows,
                "accumulation": self.memory.accumulation,
                "sharded": self.memory.sharded,
                "peak_bytes": self.memory.peak_bytes,
                "serving_weight_bytes": weight_bytes(self.shape),
                "kv_cache_bytes": kv_cache_bytes(self.shape),
            },
            "suggested": {
                "source": STEP_LAW.source,
                "lr": self.lr,
                "batch_tokens": self.batch_tokens,
                "within_its_runs": self.within_step_law,
            },
            "same_loss": [_alternative_json(other, self.machine) for other in self.same_loss],
            "with_serving": _alternative_json(self.served, self.machine) if self.served else None,
        }


_SHAPE_KEYS = {"n_layers", "d_model", "n_heads", "context_length", "vocab_size"}


def make_plan(ask: Ask, machine: Machine, fit: SavedFit) -> Plan:
    """Fills in what was not given.

    Raises:
        ConfigError: Too little or too much is given, no model reaches the loss, or the data would
            be repeated more than 16 times.
    """
    shape, tokens = size_of(ask, machine, fit)
    plan = _priced(ask, machine, fit, shape, tokens)
    if plan.epochs > MOST_EPOCHS and not ask.allow_repeats:
        raise ConfigError(
            f"{plan.epochs:.0f} passes over {ask.unique_tokens:.3g} tokens: beyond "
            f"{MOST_EPOCHS:.0f}, a repeated token is worth under .4 of a fresh one",
            hint="find more data, plan a smaller budget, or say --allow-repeats",
        )
    return plan


def _priced(ask: Ask, machine: Machine, fit: SavedFit, shape: PlanShape, tokens: float) -> Plan:
    law = fit.law
    n, fresh = shape.counted(law), worth(ask, tokens)
    loss = law.loss(n, fresh)
    lr, batch, inside = STEP_LAW.at(shape.n_body, tokens)
    served = None
    if ask.served_tokens is not None:
        other, trained = size_for_loss(ask, fit, loss, served_tokens=ask.served_tokens)
        served = Alternative(
            f"cheapest with {ask.served_tokens:.3g} tokens served",
            other,
            trained,
            other.train_flops * trained,
            other.serve_flops,
        )
    return Plan(
        ask,
        fit,
        machine,
        shape,
        tokens,
        loss,
        fit.interval(n, fresh),
        training_memory(shape, machine, batch),
        lr,
        batch,
        inside,
        tuple(_same_loss(ask, fit, shape, loss)),
        served,
    )


def _same_loss(ask: Ask, fit: SavedFit, shape: PlanShape, loss: float) -> list[Alternative]:
    found = []
    config = shape.config
    for label, factor in SIZES:
        other = shape
        if factor != 1.0:
            other = named_shape(
                factor * shape.n_total,
                vocab_size=config.vocab_size,
                context=config.context_length,
            )
            if other.n_total == shape.n_total:  # there is no smaller one with this vocabulary
                continue
        tokens = needed(ask, fit, other, loss)
        train = None if tokens is None else other.train_flops * tokens
        found.append(Alternative(label, other, tokens, train, other.serve_flops))
    return found


def _alternative_json(other: Alternative, machine: Machine) -> dict[str, Any]:
    hours = None if other.train_flops is None else other.train_flops / machine.flops_per_s / 3600
    return {
        "label": other.label,
        "n_params": other.shape.n_total,
        "n_layers": other.shape.config.n_layers,
        "d_model": other.shape.config.d_model,
        "tokens": other.tokens,
        "train_flops": other.train_flops,
        "hours": hours,
        "serve_flops_per_token": other.serve_flops,
    }


def epochs_note(plan: Plan) -> str:
    """A sentence on repeated data; empty when there is nothing to say."""
    if plan.epochs <= FREE_EPOCHS:
        return ""
    fresh = worth(plan.ask, plan.tokens)
    return (
        f"{plan.epochs:.1f} passes over the data: worth {fresh:.3g} fresh tokens; more than "
        f"{FREE_EPOCHS:.0f} passes cost loss"
    )
