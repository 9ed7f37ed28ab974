"""Noise strategies: what to do about labels that may be wrong."""

from segtrain.noise.base import NoiseStrategy
from segtrain.noise.chain import Chain
from segtrain.noise.clean_only import CleanOnly
from segtrain.noise.curriculum import Curriculum
from segtrain.noise.phased import Phase, Phased

__all__ = ["Chain", "CleanOnly", "Curriculum", "NoiseStrategy", "Phase", "Phased"]
