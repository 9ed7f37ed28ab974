"""Models: image to logits, every argument spelled out; and how they predict images of any size."""

from segtrain.models.deeplab import deeplabv3, deeplabv3plus
from segtrain.models.dropout import DropoutProbs, dropping, mc_dropout_probs
from segtrain.models.encoders import encoder_names
from segtrain.models.features import features_of
from segtrain.models.inference import predict_each, predict_probs, stream_probs
from segtrain.models.modes import encoder_parameters, evaluating, freeze_encoder, frozen_batchnorm
from segtrain.models.normalize import Normalize
from segtrain.models.overlapping import OverlappingLogits
from segtrain.models.pyramid import fpn, pan, pspnet, upernet
from segtrain.models.semantic import linknet, manet, unet, unetplusplus
from segtrain.models.teacher import EmaTeacher, average
from segtrain.models.transformer import dpt, segformer
from segtrain.models.tta import FlipTTA
from segtrain.models.unet_plain import UNetPlain

__all__ = [
    "DropoutProbs", "EmaTeacher", "FlipTTA", "Normalize", "OverlappingLogits", "UNetPlain", "average", "deeplabv3",
    "deeplabv3plus", "dpt", "dropping", "encoder_names", "encoder_parameters", "evaluating", "features_of", "fpn",
    "freeze_encoder", "frozen_batchnorm", "linknet", "manet", "mc_dropout_probs", "pan", "predict_each",
    "predict_probs", "pspnet", "segformer", "stream_probs", "unet", "unetplusplus", "upernet",
]  # fmt: skip
