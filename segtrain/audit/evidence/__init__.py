"""Evidence against labels, each a small pure part; the config group `evidence` stacks them."""

from segtrain.audit.evidence.base import Evidence, Look, against, planes_of
from segtrain.audit.evidence.self_confidence import SelfConfidence

__all__ = ["Evidence", "Look", "SelfConfidence", "against", "planes_of"]
