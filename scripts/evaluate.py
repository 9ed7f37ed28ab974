"""Score a trained model on a split: python scripts/evaluate.py run=outputs/train/<run>."""

from segtrain.cli import evaluate

if __name__ == "__main__":
    evaluate()
