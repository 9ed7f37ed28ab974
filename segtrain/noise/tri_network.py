"""Tri-network: three networks, each trained on the labels that the other two both find easy to believe."""

from segtrain.noise.exchange import ExchangeStrategy

__all__ = ["TriNetwork"]


class TriNetwork(ExchangeStrategy):
    """Train two peers beside the model; what two networks both find easy teaches the third (Zhang et al. 2020).

    "Robust Medical Image Segmentation from Non-expert Annotations with Tri-network" (MICCAI 2020), in the form of its
    consensus: a pixel is left out for a network if one of the other two doubts its label. The paper's second choice
    of pixels, those on which the two differ, is not taken. The model is what is delivered.

    Costs: three forward and three backward passes a step; two forward passes of the training set, once, if the rate
    is estimated.

    Args:
        epochs: length of the training, in epochs, that `warmup` is a share of.
        rate: share of wrong labels in each class, in [0, 1), one number or one for each class; None = estimated.
            Each network doubts so many; as two select, up to twice as many are left out.
        warmup: share of the epochs, in [0, 1), with all labels; one epoch at least if the rate is estimated.
        ramp: share of the training, in (0, 1], in which the share left out grows from 0 to the rate.
        reinitialise: what of the peers is drawn anew, see `Peers`.
        seed: what they are drawn from.
    """

    terms = ("student", "peer_1", "peer_2")
