"""Settings of pretraining, and the optimizer and schedule settings that fine-tuning shares."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from groundup.core.config import DIAL, INPUT, LATER, VOLATILE, Config, StageConfig
from groundup.model.config import ModelShape
from groundup.training.depth import MAX_DEPTH, fill

__all__ = [
    "AdamWConfig",
    "ExpectedConfig",
    "MuonConfig",
    "OptimizerConfig",
    "PretrainConfig",
    "SafetyConfig",
    "SamplesConfig",
    "ScheduleConfig",
]

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class AdamWConfig(Config, frozen=True):
    """AdamW with one learning rate for all weights: the well-known baseline."""

    kind: Literal["adamw"] = "adamw"
    """Which optimizer."""
    lr: Positive = 1.5e-3
    """Peak learning rate of every weight."""
    beta1: Momentum = 0.9
    """Decay of the mean of gradients (GPT-3, arXiv 2005.14165, appendix B)."""
    beta2: Momentum = 0.95
    """Decay of the mean of squared gradients (same source)."""
    eps: Positive = 1e-8
    """Added to the denominator (same source)."""
    weight_decay: NonNegative = 0.1
    """Pull of matrices and head towards zero, times the learning rate (same source)."""
    clip_norm: Positive | None = 1.0
    """Largest norm of the whole gradient; longer ones are scaled down (same source)."""


class MuonConfig(Config, frozen=True):
    """Muon for the matrices inside the blocks, AdamW for everything else.

    At equal tokens it learns markedly more than AdamW on small models. Its cost does not depend on
    the batch, so give it thousands of tokens a step.
    """

    kind: Literal["muon"] = "muon"
    """Which optimizer."""
    matrix_lr: Positive = 0.02
    """Peak learning rate of matrices (Jordan et al. 2024)."""
    embedding_lr: Positive = 0.01
    """Peak AdamW learning rate of embedding tables."""
    head_lr: Positive = 0.003
    """Peak AdamW learning rate of the output layer, and of a table shared with it."""
    scalar_lr: Positive = 0.02
    """Peak AdamW learning rate of biases and norms."""
    momentum: Momentum = 0.95
    """Muon's momentum, of Nesterov's kind (Jordan et al. 2024)."""
    newton_schulz_steps: Count = 5
    """Iterations of the orthogonalisation (Jordan et al. 2024)."""
    beta1: Momentum = 0.9
    """AdamW's decay of the mean of gradients."""
    beta2: Momentum = 0.95
    """AdamW's decay of the mean of squared gradients."""
    eps: Positive = 1e-8
    """Added to AdamW's denominator."""
    weight_decay: NonNegative = 0.0
    """Pull of matrices towards zero, times the learning rate."""
    clip_norm: Positive | None = None
    """Largest norm of the whole gradient. Off: neither half follows the gradient's length."""


OptimizerConfig = Annotated[AdamWConfig | MuonConfig, Field(discriminator="kind")]


class ScheduleConfig(Config, frozen=True):
    """How the learning rates move between the first and the last step."""

    kind: Literal["wsd", "cosine"] = "wsd"
    """wsd: warmup, flat, linear decay. cosine: warmup, half a cosine."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps over which the learning rate rises to its peak."""
    flat_fraction: Fraction = 0.4
    """wsd only: share of all steps at the peak before the decay begins."""
    final_fraction: Fraction = 0.03
    """Learning rate at the end, as a share of the peak."""


class SamplesConfig(Config, frozen=True):
    """Text that the model writes while it is trained, so that a person can see it learn."""

    prompts: tuple[str, ...] = ("",)
    """Beginnings of documents to continue; an empty one starts a document. () is off."""
    max_new_tokens: Count = 48
    """Most tokens of one sample."""
    temperature: NonNegative = 0.8
    """0 takes the likeliest token each time; 1 samples from the model as it is."""
    top_k: Count | None = 50
    """Samples from that many likeliest tokens only."""


class SafetyConfig(Config, frozen=True):
    """When a step must not count, and how often that may be helped; see `training/guard.py`."""

    max_interventions: Annotated[int, Field(ge=0)] = 3
    """Most times that a batch is left out or steps are undone; then the run ends. 0 is off."""
    spike_deviations: Positive = 6.0
    """Robust standard deviations above the median from which a loss is too high (OLMo 2's)."""
    spike_steps: Count = 5
    """Steps in a row with too high a loss that make a spike; fewer pass by themselves."""
    window_steps: Annotated[int, Field(ge=8)] = 128
    """Steps whose losses say what is normal (OLMo 2's); no spike is seen before so many."""
    snapshot_every_steps: Count = 100
    """Steps between the states to go back to; the two last are kept (PaLM goes back about 100)."""


class ExpectedConfig(Config, frozen=True):
    """What the same recipe gave before, written by `benchmarks/loss_bands.py`."""

    corpus: str
    """What the bands hold for, in words."""
    train_tokens: Count
    """Tokens of its training text; a run whose text differs by over a tenth is not compared."""
    vocab_size: Count
    """Its vocabulary; a run with another is not compared."""
    bits_per_byte: tuple[tuple[int, float, float], ...]
    """Step, lowest and highest bits per byte of the validation text."""


class PretrainConfig(StageConfig, frozen=True):
    """Trains a Transformer from random weights on token shards."""

    tokens: Annotated[str, INPUT]
    """Recipe or run directory of the `tokens` stage."""
    mixture: Annotated[dict[str, Positive], LATER] = Field(default={})
    """Weight of each source of a tokens run over several `corpora`, of any sum; a source without
    one is left out. Empty: each source in proportion to its size."""
    allow_epochs_above_16: Annotated[bool, VOLATILE] = False
    """Train even if a source is seen more than 16 times; repeats teach little by then."""
    seed: int = 1
    """Root of all randomness: first weights, order of rows, samples."""
    depth: Annotated[Annotated[int, Field(ge=1, le=MAX_DEPTH)] | None, VOLATILE, DIAL] = None
    """Layers of groundup's own recipe: shape, learning rates, batch and budget follow from it where
    the recipe does not give them. docs/recipe.md has the table."""
    budget_tokens: Count = 6_500_000
    """Tokens to train on, repeats counted; rounded to whole steps."""
    batch_tokens: Count = 4096
    """Tokens of one optimizer step; a multiple of the context length."""
    micro_batch_tokens: Count | None = None
    """Tokens in memory at once; gradients add up to `batch_tokens`. Unset: chosen to fit."""
    model: ModelShape = ModelShape()
    """Shape of the Transformer; the tokenizer decides its vocabulary."""
    float8: bool = False
    """Matrix products of the blocks in float8: GPUs from Ada and Hopper on, `groundup[float8]`."""
    optimizer: OptimizerConfig = MuonConfig()
    """How gradients change weights."""
    schedule: ScheduleConfig = ScheduleConfig()
    """How the learning rate moves."""
    safety: SafetyConfig = SafetyConfig()
    """What is done when the loss explodes."""
    evaluation_every_steps: Count = 200
    """Steps between measurements on the validation split; the end is always measured."""
    evaluation_tokens: Count | None = 32_768
    """Tokens of the validation split used while training; the last measurement takes all."""
    samples: SamplesConfig = SamplesConfig()
    """What the model is asked to write at every measurement."""
    ngram_order: Annotated[int, Field(ge=2, le=8)] = 3
    """Order of the n-gram model that the Transformer has to beat; 3 sees two tokens back."""
    ngram_tokens: Count = 20_000_000
    """Most training tokens counted for that n-gram model."""
    keep_optimizer: bool = False
    """Keep the last checkpoint with the optimizer's state beside the finished model."""
    device: Annotated[Literal["auto", "cpu", "cuda"], VOLATILE] = "auto"
    """Where to compute; auto takes a GPU when there is one."""
    compile: Annotated[bool, VOLATILE] = False
    """torch.compile: about a minute at the start; pays on GPUs and in runs over ten minutes."""
    recompute_every_layers: Annotated[int | None, VOLATILE, Field(ge=1)] = None
    """Every n-th block computes activations again instead of keeping them: less memory, slower."""
    parallel: Annotated[Literal["auto", "ddp", "fsdp"], VOLATILE] = "auto"
    """With several ranks: ddp repeats the weights on each, fsdp shards them; auto takes ddp when
    weights, gradients and optimizer fit on each."""
    processes: Annotated[int, VOLATILE, Field(ge=1)] = 1
    """Ranks to start on this machine without torchrun; on a CPU several processes of one thread can
    beat one of several threads. The batch is the same for any number."""
    checkpoint_every_s: Annotated[float, VOLATILE, Field(gt=0)] = 30.0
    """Seconds between checkpoints: what a crash can cost."""
    keep_checkpoints: Annotated[int, VOLATILE, Field(ge=1)] = 2
    """Newest checkpoints kept while the run goes on."""
    keep_every_steps: Annotated[int | None, VOLATILE, Field(ge=1)] = None
    """Checkpoints of steps that are multiples of this stay for good; unset keeps none."""
    log_every_steps: Annotated[int, VOLATILE, Field(ge=1)] = 10
    """Steps between lines of metrics.jsonl."""
    expected: Annotated[ExpectedConfig | None, VOLATILE] = None
    """What a run of this recipe should reach; shown beside each measurement."""
    attention: Annotated[
        Literal["auto", "sdpa", "flash", "cudnn", "efficient", "flex", "flash3", "plain"], VOLATILE
    ] = "auto"
    """Attention kernel. auto: on a GPU the fastest that a trial confirms, on a CPU a fixed rule."""
    trackers: Annotated[tuple[Literal["tensorboard", "wandb"], ...], VOLATILE] = ()
    """Where metrics.jsonl is also sent while the run goes on; needs `groundup[track]`."""

    @classmethod
    def expand(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Fills in what `depth` decides and the recipe does not give."""
        depth = values.get("depth")
        if not isinstance(depth, int) or not 1 <= depth <= MAX_DEPTH:
            return dict(values)
        return fill(depth, values)

    @model_validator(mode="after")
    def _whole_rows(self) -> "PretrainConfig":
        width = self.model.context_length
        for name, tokens in [
            ("batch_tokens", self.batch_tokens),
            ("micro_batch_tokens", self.micro_batch_tokens),
        ]:
            if tokens is not None and tokens % width:
                raise ValueError(f"{name}={tokens} is not a multiple of context_length={width}")
        if self.budget_tokens < self.batch_tokens:
            raise ValueError(
                f"budget_tokens={self.budget_tokens} is less than one step of {self.batch_tokens}"
            )
        return self

    @property
    def n_steps(self) -> int:
        """Optimizer steps that the budget pays for."""
        return self.budget_tokens // self.batch_tokens
