"""The authors' own inference in a fully connected CRF, by pydensecrf: C++ on a CPU, to compare with."""

from collections.abc import Sequence

import numpy as np

from segtrain.errors import ConfigError
from segtrain.postprocess.mean_field import Normalization

__all__ = ["mean_field_by_pydensecrf"]


def mean_field_by_pydensecrf(
    log_probs: np.ndarray,
    kernels: Sequence[tuple[np.ndarray, float]],
    normalization: Normalization,
    iterations: int,
    compatibility: np.ndarray | None = None,
) -> np.ndarray:
    """Infer as `mean_field` does.

    Args:
        log_probs: (C, P) float32.
        kernels: features (d, P) float32 and weight of each.
        normalization: of the kernels.
        iterations: >= 1.
        compatibility: (C, C) float32; None = Potts.

    Returns:
        (C, P) float32.

    Raises:
        ConfigError: pydensecrf is missing.
    """
    try:
        from pydensecrf import densecrf
    except ImportError:
        raise ConfigError("backend=pydensecrf of Crf needs pydensecrf: pip install pydensecrf2") from None
    legal = {
        "symmetric": densecrf.NORMALIZE_SYMMETRIC,
        "before": densecrf.NORMALIZE_BEFORE,
        "after": densecrf.NORMALIZE_AFTER,
        "none": densecrf.NO_NORMALIZATION,
    }
    crf = densecrf.DenseCRF(log_probs.shape[1], len(log_probs))
    crf.setUnaryEnergy(np.ascontiguousarray(-log_probs))
    for features, weight in kernels:
        penalty = weight if compatibility is None else compatibility * np.float32(weight)
        crf.addPairwiseEnergy(np.ascontiguousarray(features), compat=penalty, normalization=legal[normalization])
    return np.array(crf.inference(iterations), np.float32)
