import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.exchange.families import FAMILIES, family_for
from groundup.exchange.gguf_export import check
from groundup.exchange.hf_config import read_config, write_config
from groundup.exchange.layout import layout_of
from groundup.model import count
from groundup.model.config import ModelConfig
from groundup.model.presets import PRESETS

SMALL = {"n_layers": 2, "d_model": 32, "n_heads": 4, "vocab_size": 50, "context_length": 64}
LLAMA = {"norm": "rms", "position": "rope", "activation": "swiglu", "bias": False, "tied": False}


def config(**changes):
    return ModelConfig.model_validate({**SMALL, **changes})


@pytest.mark.parametrize(
    ("changes", "family"),
    [
        ({}, "gpt2"),
        ({"bias": False, "activation": "relu2"}, "gpt2"),
        ({"position": "rope", "tied": False}, "starcoder2"),  # our recipe
        ({"position": "rope", "bias": False, "n_kv_heads": 1}, "starcoder2"),
        (LLAMA, "llama"),
        ({**LLAMA, "bias": True}, "llama"),
        ({**LLAMA, "bias": "qkv"}, "qwen2"),
        ({**LLAMA, "qk_norm": True, "d_head": 16}, "qwen3"),
        ({**LLAMA, "activation": "relu2"}, "arcee"),
    ],
)
def test_a_model_goes_to_the_family_that_has_its_switches(changes, family):
    found = family_for(config(**changes))
    assert found.model_type == family


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"position": "rope", "qk_norm": True}, "starcoder2, does not have qk_norm = true"),
        ({**LLAMA, "activation": "gelu"}, "activation = 'gelu'"),
        ({**LLAMA, "bias": "qkv", "d_head": 16}, "does not have"),
        ({"n_kv_heads": 2}, "gpt2, does not have n_kv_heads = 2"),
        ({"norm": "rms"}, "gpt2, does not have norm = 'rms'"),
    ],
)
def test_a_switch_that_no_family_has_is_named(changes, named):
    with pytest.raises(ConfigError, match=named) as found:
        family_for(config(**changes))
    assert "another value of that switch" in found.value.hint


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_family_with_the_same_tensors_and_back(name):
    from transformers import AutoConfig, AutoModelForCausalLM

    ours = PRESETS[name].config(vocab_size=500).model_copy(update={"n_layers": 2})
    family = family_for(ours)
    values = write_config(ours, family)
    with torch.device("meta"):
        theirs = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**values, bos_token_id=0, eos_token_id=0)
        )
    shapes = {parameter: tuple(value.shape) for parameter, value in theirs.named_parameters()}
    assert {foreign.name: foreign.shape for foreign in layout_of(family, ours)} == shapes
    assert theirs.num_parameters() == count.n_params(ours)
    again = read_config(values, family, source="config.json")
    resolved = {"d_ff": ours.ff_width, "n_kv_heads": again.n_kv_heads, "d_head": again.d_head}
    assert again == ours.model_copy(update=resolved)
    assert (again.kv_heads, again.head_width) == (ours.kv_heads, ours.head_width)


@pytest.mark.parametrize("name", ["gpt2-medium", "llama3.2-1b", "qwen2-0.5b", "qwen3-0.6b"])
def test_transformers_counts_the_published_models_alike(name):
    from transformers import AutoConfig, AutoModelForCausalLM

    ours = PRESETS[name].config()
    family = family_for(ours)
    with torch.device("meta"):
        theirs = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**write_config(ours, family), bos_token_id=0, eos_token_id=0)
        )
    assert theirs.num_parameters() == count.n_params(ours)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"activation": "relu2"}, "activation = 'relu2'"),
        ({**LLAMA, "activation": "relu2", "bias": True}, "bias = True"),
        ({**LLAMA, "qk_norm": True, "rope_scaling": {}}, "rope_scaling"),
    ],
)
def test_what_llama_cpp_does_not_have_is_named(changes, named):
    ours = config(**changes)
    with pytest.raises(ConfigError, match=named) as found:
        check(ours, family_for(ours))
    assert "--format hf" in found.value.hint


def test_families_are_named_as_transformers_names_them():
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    for family in FAMILIES.values():
        assert MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[family.model_type] == family.architecture
