import pytest
import torch

from groundup.finetune.answers import answer_log_probs, to_device
from groundup.finetune.data import encode, pad
from groundup.model.transformer import Transformer


@pytest.fixture
def batch(question, tokenizer):
    examples = [question(1, "yes"), question(2, "no, not at all")]
    rows, _ = encode(tokenizer, examples, context_length=48)
    return to_device(pad(rows, fill=tokenizer.end_id), torch.device("cpu"))


@pytest.fixture
def exact_model(tiny_config):
    return Transformer(tiny_config, seed=3, compute_dtype=torch.float32)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_log_probs_equal_a_plain_softmax_over_all_positions(exact_model, batch, temperature):
    ids_BT, targets_BT = batch
    found_N = answer_log_probs(exact_model, ids_BT, targets_BT, temperature=temperature)
    logp_BTV = torch.log_softmax(exact_model(ids_BT).double() / temperature, dim=-1)
    counts_BT = targets_BT != -100
    expected_N = logp_BTV.gather(2, targets_BT.clamp(min=0)[..., None])[..., 0][counts_BT]
    assert found_N.shape == (3 + 1 + 14 + 1,)
    torch.testing.assert_close(found_N.double(), expected_N, atol=1e-5, rtol=1e-5)


def test_padding_and_company_do_not_change_an_answer(exact_model, batch, question, tokenizer):
    together_N = answer_log_probs(exact_model, *batch)
    rows, _ = encode(tokenizer, [question(1, "yes")], context_length=48)
    alone = to_device(pad(rows, fill=tokenizer.end_id), torch.device("cpu"))
    torch.testing.assert_close(
        together_N[:4], answer_log_probs(exact_model, *alone), atol=1e-5, rtol=1e-5
    )


def test_gradients_flow_to_every_weight(exact_model, batch):
    answer_log_probs(exact_model, *batch).sum().backward()
    assert all(weight.grad is not None for weight in exact_model.parameters())
