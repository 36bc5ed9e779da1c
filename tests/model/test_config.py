import subprocess
import sys

import pytest

from groundup.core.config import validate
from groundup.core.errors import ConfigError
from groundup.model.config import ModelConfig, ModelShape
from groundup.model.presets import PRESETS


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"d_model": 100, "n_heads": 3}, "not a multiple of n_heads=3"),
        ({"n_heads": 12, "n_kv_heads": 5}, "not a multiple of n_kv_heads=5"),
        ({"d_model": 9, "n_heads": 3, "position": "rope"}, "even head width, not 3"),
        ({"rope_scaling": {}}, "rope_scaling needs rotary positions"),
        (
            {"position": "rope", "rope_scaling": {"low_frequency_factor": 5.0}},
            "low_frequency_factor=5.0 is not below high_frequency_factor=4.0",
        ),
        ({"bias": "all"}, "bias"),
        ({"norm": "batch"}, "norm = 'batch'"),
        ({"n_layers": 0}, "n_layers = 0"),
        ({"n_layer": 2}, "n_layer"),
    ],
)
def test_impossible_shapes_are_refused(values, reason):
    with pytest.raises(ConfigError, match=reason):
        validate(ModelShape, values, source="recipe")


def test_widths_follow_their_rules():
    assert ModelShape(d_model=768).ff_width == 3072
    assert ModelShape(d_model=768, activation="swiglu").ff_width == 2048  # 8/3 of 768
    assert ModelShape(d_model=512, n_heads=8, activation="swiglu").ff_width == 1408  # up to 64
    assert ModelShape(d_ff=99).ff_width == 99
    assert ModelShape(n_kv_heads=4).kv_heads == 4
    assert ModelShape().kv_heads == 12
    assert ModelShape().head_width == 64
    assert ModelShape(d_head=128, n_heads=7).head_width == 128


def test_a_shape_with_a_vocabulary_keeps_every_field():
    for preset in PRESETS.values():
        config = preset.config(vocab_size=99)
        assert ModelShape(**config.model_dump(exclude={"vocab_size"})) == preset.shape


def test_at_most_twenty_fields():
    assert len(ModelConfig.model_fields) <= 20


def test_configs_import_without_pytorch():
    program = "import sys, groundup.model.config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
