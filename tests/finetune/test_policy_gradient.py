import math

import pytest
import torch

from groundup.core.errors import ShapeError
from groundup.finetune.policy_gradient import advantages, grpo_loss, has_signal, kl_estimate


def loss_of(logp_N, old_N, advantage_N, **options):
    values = {"normaliser": 1.0, "clip_low": 0.2, "clip_high": 0.28, **options}
    return grpo_loss(logp_N, old_N, advantage_N, **values)


def test_advantage_is_the_reward_less_the_mean_of_its_group():
    rewards_PG = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5]])
    assert advantages(rewards_PG).tolist() == [[0.75, -0.25, -0.25, -0.25], [0.0] * 4]


def test_only_groups_whose_answers_differ_teach_something():
    assert has_signal(torch.tensor([[1.0, 0.0], [0.3, 0.3]])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain"),
    [
        (1.0, 2.0, 2.0),
        (1.2, 2.0, 2.4),
        (1.5, 2.0, 2.56),  # 1.28 x 2: the upper clip takes the gain away
        (1.5, -2.0, -3.0),  # what grew likelier though bad is not spared
        (0.5, 2.0, 1.0),
        (0.5, -2.0, -1.6),  # 0.8 x -2: the lower clip
    ],
)
def test_clipped_loss_equals_the_formula_by_hand(ratio, advantage, gain):
    logp_N = torch.tensor([math.log(ratio) - 1.0])
    loss = loss_of(logp_N, torch.tensor([-1.0]), torch.tensor([advantage]), normaliser=4.0)
    assert float(loss) == pytest.approx(-gain / 4.0, rel=1e-6)


def test_on_policy_the_gradient_is_that_of_reinforce():
    logp_N = torch.tensor([-0.5, -1.0, -2.0], requires_grad=True)
    advantage_N = torch.tensor([1.0, 1.0, -0.5])
    loss_of(logp_N, logp_N.detach(), advantage_N, normaliser=6.0).backward()
    # d/d logp of -(A exp(logp - old)) / 6 at ratio 1 is -A / 6 whatever the answer's length.
    assert logp_N.grad.tolist() == pytest.approx([-1 / 6, -1 / 6, 0.5 / 6])


def test_gradient_with_clip_and_penalty_equals_finite_differences():
    generator = torch.Generator().manual_seed(1)
    logp_N, old_N, reference_N, advantage_N = torch.randn(
        4, 12, generator=generator, dtype=torch.float64
    )
    logp_N.requires_grad_()

    def loss(values_N):
        return loss_of(
            values_N, old_N, advantage_N, reference_N=reference_N, kl_coefficient=0.3, normaliser=7
        )

    assert torch.autograd.gradcheck(loss, (logp_N,))


def test_kl_estimate_is_never_negative_and_unbiased():
    generator = torch.Generator().manual_seed(2)
    policy, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.2, 0.3])
    drawn_N = torch.multinomial(policy, 200_000, replacement=True, generator=generator)
    estimate_N = kl_estimate(policy.log()[drawn_N], reference.log()[drawn_N])
    exact = float((policy * (policy / reference).log()).sum())
    assert float(estimate_N.min()) >= 0.0
    assert float(estimate_N.mean()) == pytest.approx(exact, rel=0.02)


def test_the_penalty_pulls_towards_the_reference():
    logp_N = torch.tensor([-1.0], requires_grad=True)
    loss_of(
        logp_N,
        logp_N.detach(),
        torch.zeros(1),
        reference_N=torch.tensor([-2.0]),
        kl_coefficient=1.0,
    ).backward()
    assert float(logp_N.grad) > 0.0  # descent lowers logp, which lies above the reference


def test_inputs_of_different_shape_are_refused():
    with pytest.raises(ShapeError, match="alike"):
        loss_of(torch.zeros(2), torch.zeros(2), torch.zeros(3))
