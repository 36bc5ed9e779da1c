"""Published models: parameters, training tokens, and what size did to tasks.

What a maker has not said is None here and "undisclosed" in print; no estimate of others is taken.
"""

from dataclasses import dataclass

__all__ = ["FAMILIES", "GPT3", "Gpt3Model", "KnownModel"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model as its makers describe it.

    Attributes:
        family: Series it belongs to.
        name: Name.
        n_params: Parameters; None when undisclosed.
        tokens: Training tokens, repeats included; None when undisclosed.
        source: Where it is said.
    """

    family: str
    name: str
    n_params: float | None
    tokens: float | None
    source: str


def _family(
    family: str, source: str, *models: tuple[str, float | None, float | None]
) -> tuple[KnownModel, ...]:
    return tuple(KnownModel(family, name, n, tokens, source) for name, n, tokens in models)


FAMILIES: tuple[KnownModel, ...] = (
    *_family("GPT", "Radford et al. 2018", ("GPT-1", 117e6, None)),
    *_family(
        "GPT",
        "Radford et al. 2019, and the released weights",
        ("GPT-2 small", 124e6, None),
        ("GPT-2 medium", 355e6, None),
        ("GPT-2 large", 774e6, None),
        ("GPT-2 XL", 1558e6, None),
    ),
    *_family(
        "GPT",
        "Brown et al. 2020, arXiv 2005.14165, tables 2.1 and D.1",
        ("GPT-3 125M", 125e6, 300e9),
        ("GPT-3 1.3B", 1320e6, 300e9),
        ("GPT-3 13B", 12850e6, 300e9),
        ("GPT-3 175B", 174600e6, 300e9),
    ),
    *_family("GPT", "OpenAI 2023, arXiv 2303.08774", ("GPT-4", None, None)),
    *_family("Gopher", "Rae et al. 2021, arXiv 2112.11446", ("Gopher", 280e9, 300e9)),
    *_family("Chinchilla", "Hoffmann et al. 2022, 2203.15556", ("Chinchilla", 70e9, 1.4e12)),
    *_family("PaLM", "Chowdhery et al. 2022, arXiv 2204.02311", ("PaLM", 540e9, 780e9)),
    *_family(
        "Llama",
        "Touvron et al. 2023, arXiv 2302.13971, table 2",
        ("LLaMA 7B", 6.7e9, 1.0e12),
        ("LLaMA 13B", 13.0e9, 1.0e12),
        ("LLaMA 33B", 32.5e9, 1.4e12),
        ("LLaMA 65B", 65.2e9, 1.4e12),
    ),
    *_family(
        "Llama",
        "Touvron et al. 2023, arXiv 2307.09288, table 1",
        ("Llama 2 7B", 6.7e9, 2.0e12),
        ("Llama 2 70B", 70e9, 2.0e12),
    ),
    *_family(
        "Llama",
        "Grattafiori et al. 2024, arXiv 2407.21783; the model card of Llama 3.1",
        ("Llama 3 8B", 8.03e9, 15e12),
        ("Llama 3 70B", 70.6e9, 15e12),
        ("Llama 3 405B", 405e9, 15.6e12),
    ),
    *_family(
        "Pythia",
        "Biderman et al. 2023, arXiv 2304.01373, table 1",
        ("Pythia 70M", 70.4e6, 299.9e9),
        ("Pythia 410M", 405.3e6, 299.9e9),
        ("Pythia 1.4B", 1414.6e6, 299.9e9),
        ("Pythia 12B", 11846e6, 299.9e9),
    ),
)


@dataclass(frozen=True, slots=True)
class Gpt3Model:
    """A row of GPT-3's tables.

    Attributes:
        preset: Its shape among `model.presets`.
        n_params: As table D.1 prints it.
        batch_tokens: Batch.
        lr: Peak learning rate.
        train_flops: As table D.1 prints it.
        pf_days: The same in petaflop/s-days.
        hellaswag: Accuracy without examples.
        lambada: Accuracy without examples.
    """

    preset: str
    n_params: float
    batch_tokens: float
    lr: float
    train_flops: float
    pf_days: float
    hellaswag: float
    lambada: float


# Brown et al. 2020, arXiv 2005.14165: tables 2.1 and D.1, and the zero-shot columns of table H.1.
GPT3 = (
    Gpt3Model("gpt3-small", 125e6, 0.5e6, 6.0e-4, 2.25e20, 2.60, 0.337, 0.427),
    Gpt3Model("gpt3-medium", 356e6, 0.5e6, 3.0e-4, 6.41e20, 7.42, 0.436, 0.543),
    Gpt3Model("gpt3-large", 760e6, 0.5e6, 2.5e-4, 1.37e21, 15.8, 0.510, 0.604),
    Gpt3Model("gpt3-xl", 1320e6, 1e6, 2.0e-4, 2.38e21, 27.5, 0.547, 0.636),
    Gpt3Model("gpt3-2.7b", 2650e6, 1e6, 1.6e-4, 4.77e21, 55.2, 0.628, 0.671),
    Gpt3Model("gpt3-6.7b", 6660e6, 2e6, 1.2e-4, 1.20e22, 139.0, 0.674, 0.703),
    Gpt3Model("gpt3-13b", 12850e6, 2e6, 1.0e-4, 2.31e22, 268.0, 0.709, 0.725),
    Gpt3Model("gpt3-175b", 174600e6, 3.2e6, 0.6e-4, 3.14e23, 3640.0, 0.789, 0.762),
)
