import math

import pytest
import torch

from groundup.model.rope import LearnedPositions, RotaryPositions, rotate

ROPE = RotaryPositions(64, 8, 10_000.0)


def _at(x, position):
    return rotate(x, ROPE.rotation(torch.tensor([position]), torch.float32))


def test_scores_depend_on_the_distance_only():
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    for distance in (0, 1, 13):
        scores = [(_at(q, s + distance) * _at(k, s)).sum().item() for s in (0, 5, 50)]
        assert scores == pytest.approx([scores[0]] * 3, abs=1e-5)
    assert (_at(q, 3) * _at(k, 0)).sum().item() != pytest.approx(
        (_at(q, 0) * _at(k, 3)).sum().item(), abs=1e-2
    )


def test_a_rotation_keeps_lengths_and_position_zero_keeps_all():
    x = torch.randn(2, 3, 1, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(_at(x, 40).norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(_at(x, 0), x)


def test_a_pair_turns_by_the_angle_worked_by_hand():
    x = torch.zeros(1, 1, 1, 8)
    x[..., 1] = 1.0  # pair 1 is columns 1 and 5; its wavelength is 10000^(2/8) = 10
    turned = _at(x, 7)[0, 0, 0]
    expected = torch.zeros(8)
    expected[1], expected[5] = math.cos(0.7), math.sin(0.7)
    torch.testing.assert_close(turned, expected)


def test_positions_of_each_row_equal_shared_positions():
    x = torch.randn(2, 3, 4, 8, generator=torch.Generator().manual_seed(2))
    positions = torch.tensor([2, 3, 4, 5])
    shared = rotate(x, ROPE.rotation(positions, torch.float32))
    rows = rotate(x, ROPE.rotation(torch.stack([positions, positions + 1]), torch.float32))
    assert torch.equal(rows[0], shared[0])
    assert torch.equal(rows[1], rotate(x[1], ROPE.rotation(positions + 1, torch.float32)))


def test_learned_positions_add_their_row():
    learned = LearnedPositions(5, 2)
    with torch.no_grad():
        learned.weight.copy_(torch.arange(10.0).view(5, 2))
    x = torch.zeros(1, 2, 2)
    assert learned.add(x, torch.tensor([1, 4])).tolist() == [[[2.0, 3.0], [8.0, 9.0]]]
