"""Views can be undone, and a strong one moves no pixel."""

import torch

from segtrain.noise.views import Turn, photometric


def test_all_symmetries_are_drawn_and_undone() -> None:
    torch.manual_seed(0)
    image = torch.rand(64, 2, 5, 5)
    turn = Turn.draw(image)
    assert len(set(zip(turn.quarters, turn.mirrored, strict=True))) == 8
    assert torch.equal(turn.back(turn(image)), image)
    assert not torch.equal(turn(image), image)


def test_a_rectangle_keeps_its_shape() -> None:
    torch.manual_seed(0)
    image = torch.rand(32, 1, 4, 6)
    turn = Turn.draw(image)
    assert set(turn.quarters) == {0, 2}
    assert torch.equal(turn.back(turn(image)), image)


def test_image_and_weight_turn_alike() -> None:
    torch.manual_seed(1)
    image = torch.rand(8, 1, 6, 6)
    turn = Turn.draw(image)
    assert torch.equal(turn(image)[:, 0], turn(image[:, 0]))


def test_a_photometric_view_keeps_the_edge_where_it_is() -> None:
    torch.manual_seed(0)
    image = torch.zeros(16, 1, 32, 32)
    image[..., 16:] = 2.0
    changed = photometric(image - image.mean())
    steps = changed.mean(dim=(1, 2)).diff(dim=-1).abs()  # (16, 31)
    assert (steps.argmax(dim=-1) == 15).float().mean() > 0.9
    assert (changed - changed.roll(1, 0)).abs().amin(dim=0).max() > 0.1  # each image differs


def test_strength_zero_changes_nothing() -> None:
    image = torch.randn(2, 3, 8, 8)
    assert torch.allclose(photometric(image, strength=0.0), image)
