"""Muon against a singular value decomposition and against PyTorch's own implementation."""

import pytest
import torch

from groundup.training.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(1, 24, 24), (3, 16, 40), (2, 40, 16)])
def test_singular_vectors_stay_and_singular_values_come_near_one(shape):
    torch.manual_seed(0)
    matrices = torch.randn(shape)
    result = orthogonalise(matrices).float()
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ result @ vh.mT  # U^T (U S' V^T) V = S'
    values = inside.diagonal(dim1=-2, dim2=-1)
    off = inside - torch.diag_embed(values)
    # The coefficients promise about 0.7..1.2; bfloat16 has 8 bits.
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert off.abs().max() < 0.1


def test_the_iteration_is_the_polynomial_of_its_source():
    # One singular value s: x <- a x + b x^3 + c x^5 from s / ||s||, five times.
    a, b, c = 3.4445, -4.7750, 2.0315
    s = torch.tensor([3.0, 1.0, 0.2])
    x = s / s.norm()
    for _ in range(5):
        x = a * x + b * x**3 + c * x**5
    found = orthogonalise(torch.diag(s)[None])[0].float()
    assert torch.allclose(found.diagonal(), x, atol=0.03)  # bfloat16


def test_an_empty_gradient_moves_nothing():
    assert orthogonalise(torch.zeros(2, 4, 6)).abs().max() == 0


def test_scale_of_the_gradient_does_not_matter():
    torch.manual_seed(1)
    matrix = torch.randn(1, 12, 20)
    assert torch.allclose(orthogonalise(matrix), orthogonalise(matrix * 1024), atol=0.02)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_updates_equal_those_of_torch_optim_muon(weight_decay):
    torch.manual_seed(0)
    shapes = [(32, 32), (32, 32), (64, 32), (32, 64), (32, 32)]
    ours = [torch.nn.Parameter(torch.randn(shape) * 0.02) for shape in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    pair = [
        Muon(ours, lr=0.02, weight_decay=weight_decay),
        torch.optim.Muon(theirs, lr=0.02, weight_decay=weight_decay),
    ]
    for _ in range(4):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        for optimizer in pair:
            optimizer.step()
    for mine, other in zip(ours, theirs, strict=True):
        # Batched and single products may round differently: a bfloat16 ulp of lr times an entry.
        assert torch.allclose(mine, other, atol=0.02 * 2**-6)


def test_tall_matrices_take_longer_steps():
    tall, wide = (torch.nn.Parameter(torch.zeros(shape)) for shape in [(64, 16), (16, 64)])
    for weight in (tall, wide):
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    Muon([tall, wide], lr=0.1).step()
    # sqrt(64 / 16) = 2, and all singular values of the update are near 1 before that.
    assert torch.linalg.matrix_norm(tall.detach(), 2) / 0.2 == pytest.approx(1.0, abs=0.3)
    assert torch.linalg.matrix_norm(wide.detach(), 2) / 0.1 == pytest.approx(1.0, abs=0.3)


def test_weights_without_a_gradient_stay():
    still = torch.nn.Parameter(torch.ones(4, 4))
    Muon([still], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(still, torch.ones(4, 4))


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"matrices, not shape \(4,\)"):
        Muon([torch.nn.Parameter(torch.ones(4))])
