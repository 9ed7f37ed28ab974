"""The permutohedral lattice against sums over all pairs of points."""

import pytest
import torch

from segtrain.postprocess.permutohedral import Permutohedral, added


def points(d, n=900, num_sets=1, extent=5.0, seed=0):
    return torch.rand(num_sets, d, n, generator=torch.Generator().manual_seed(seed)) * extent


def values(n=900, c=4, seed=1):
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed))


def gaussian(features):
    """exp(-|f_i - f_j|^2 / 2) for all pairs (N, N), in double precision."""
    return torch.exp(-(torch.cdist(features.double().T, features.double().T) ** 2) / 2)


@pytest.mark.parametrize(("d", "extent"), [(1, 5.0), (2, 5.0), (3, 3.0)])
def test_near_the_sum_over_all_pairs(d, extent):
    features, ones = points(d, extent=extent), torch.ones(900, 1)
    smooth = torch.stack([torch.sin(features[0, 0]), torch.cos(2 * features[0].sum(0))], dim=1)  # (N, 2)
    lattice, exact = Permutohedral.of(features), gaussian(features[0])
    expected = (exact @ smooth.double()) / (exact @ ones.double())
    result = lattice(smooth) / lattice(ones)
    assert (result - expected).abs().mean() < 0.02
    assert (result - expected).abs().max() < 0.08
    constant = (exact @ ones.double()) / lattice(ones)
    assert constant.std() / constant.mean() < 0.05


@pytest.mark.parametrize("d", [1, 2, 5, 9])
def test_weights_are_barycentric(d):
    lattice = Permutohedral.of(points(d))
    assert lattice.vertices.shape == lattice.slice_weights.shape == (900, d + 1)
    assert (lattice.splat_weights >= -1e-6).all()
    given = torch.zeros(900).index_add_(0, lattice.points, lattice.splat_weights)
    torch.testing.assert_close(given, torch.ones(900), atol=1e-5, rtol=0)
    num_vertices = len(lattice.starts)
    assert lattice.vertices.unique().tolist() == list(range(num_vertices))
    for ahead, behind in lattice.neighbours.long():
        there = ahead < num_vertices
        assert (behind[ahead[there]] == torch.arange(num_vertices)[there]).all()


@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_constant_stays_after_normalisation(d):
    lattice = Permutohedral.of(points(d))
    normalised = lattice.scaled(torch.ones(900), 1 / lattice(torch.ones(900, 1))[:, 0])
    torch.testing.assert_close(normalised(torch.full((900, 3), 0.7)), torch.full((900, 3), 0.7))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_linear_and_nearly_symmetric(d):
    lattice, one, other = Permutohedral.of(points(d)), values(), values(seed=2)
    torch.testing.assert_close(lattice(2 * one - other), 2 * lattice(one) - lattice(other), atol=1e-3, rtol=1e-4)
    there, back = (other * lattice(one)).sum(), (one * lattice(other)).sum()
    assert abs(there - back) < 0.02 * (lattice(one).norm() * other.norm())  # exact but for the lattice's rim


def test_the_own_weight_of_a_lonely_point_is_positive():
    far = 100 * torch.arange(40.0).view(1, 1, 40)
    lattice = Permutohedral.of(far)
    result = lattice(torch.eye(40))
    assert (result.diagonal() > 0).all()
    assert (result - torch.diag(result.diagonal())).abs().max() == 0


@pytest.mark.parametrize("d", [1, 5])
def test_sets_never_meet(d):
    features, both = points(d, n=300, num_sets=3), values()
    together = Permutohedral.of(features)(both)
    alone = [Permutohedral.of(features[n : n + 1])(both[300 * n : 300 * n + 300]) for n in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_same_points_twice_count_twice():
    features = points(3)
    twice = Permutohedral.of(torch.cat([features, features], dim=2))(torch.cat([values(), values()]))
    torch.testing.assert_close(twice[:900], 2 * Permutohedral.of(features)(values()), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(twice[:900], twice[900:])


def test_lattices_add_up():
    one, other = Permutohedral.of(points(2)), Permutohedral.of(points(5))
    torch.testing.assert_close(added([one])(values()), one(values()))
    torch.testing.assert_close(added([one, other])(values()), one(values()) + other(values()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("extent", [0.0, 1e4])
def test_one_place_and_a_wide_spread(extent):
    result = Permutohedral.of(points(5, extent=extent))(values())
    assert result.isfinite().all()
