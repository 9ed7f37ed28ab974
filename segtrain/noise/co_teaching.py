"""Co-teaching: two networks, each trained on the labels that the other finds easy to believe."""

from segtrain.noise.exchange import ExchangeStrategy

__all__ = ["CoTeaching"]


class CoTeaching(ExchangeStrategy):
    """Train a peer beside the model, each on the pixels whose labels the other finds easiest (Han et al. 2018).

    Their algorithm 1 with pixels for samples, and the small losses selected within each class: over all pixels at
    once the foreground would go first. Two networks make different mistakes, so that one filters what the other
    would memorise. The model is what is delivered.

    Costs: two forward and two backward passes a step; two forward passes of the training set, once, if the rate is
    estimated.

    Args:
        epochs: length of the training, in epochs, that `warmup` is a share of.
        rate: share of wrong labels in each class, in [0, 1), one number or one for each class; None = estimated.
        warmup: share of the epochs, in [0, 1), with all labels; one epoch at least if the rate is estimated.
        ramp: share of the training, in (0, 1], in which the share left out grows from 0 to the rate.
        reinitialise: what of the peer is drawn anew, see `Peers`.
        seed: what it is drawn from.
    """

    terms = ("student", "peer")
