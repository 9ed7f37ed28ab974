"""Segment images without a trained model: python scripts/segment.py segmenter=mean_shift input=images output=regions"""

from segtrain.cli import segment

if __name__ == "__main__":
    segment()
