"""Segment new images: python scripts/predict.py run=outputs/train/<run> input=my_images."""

from segtrain.cli import predict

if __name__ == "__main__":
    predict()
