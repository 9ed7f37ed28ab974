"""audit: which labels are probably wrong, where, and what they should be."""

from segtrain.run.audit.command import audit

__all__ = ["audit"]
