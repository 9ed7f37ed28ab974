"""The encoders a model may have, by name: SMP's own, and timm's with the prefix `tu-`."""

from difflib import get_close_matches

import timm
from segmentation_models_pytorch.encoders import encoders as smp_encoders
from timm.models import get_arch_pretrained_cfgs

__all__ = ["encoder_faults", "encoder_names", "pretrained"]

TIMM = "tu-"


def encoder_names() -> list[str]:
    """Name every encoder there is."""
    return [*smp_encoders, *(TIMM + name for name in timm.list_models())]


def encoder_faults(model: str, encoder: str, weights: str | None) -> list[str]:
    """Say what is wrong with an encoder's name or its weights, with the nearest names that exist.

    Args:
        model: what the model is called in the sentences.
        encoder: one of `encoder_names()`; timm's may carry the tag of their weights, `tu-resnet18.a1_in1k`.
        weights: one of the encoder's pretrained weights, such as "imagenet"; None = random.
    """
    name, _, tag = encoder.partition(".")
    names = encoder_names()
    if name not in names:
        near = get_close_matches(encoder, names, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        return [
            f"The 'encoder' of {model} must be one of SMP's or timm's (with the prefix {TIMM}), got {encoder!r}{hint}"
        ]
    known = _weights(name)
    if tag and tag not in known:
        return [f"The 'encoder' of {model} has no weights {tag!r}; {name} has {', '.join(known) or 'none'}"]
    if weights is None or (weights in known and tag in ("", weights)) or _is_default(name, weights):
        return []
    return [
        f"The 'encoder_weights' of {model} must be null (random) or, for {encoder}, one of "
        f"{', '.join([tag] if tag else known)}, got {weights!r}"
    ]


def pretrained(encoder: str, weights: str | None) -> tuple[str, str | bool | None]:
    """Give SMP's name of the encoder and its word for the weights: it wants timm's in the encoder's name."""
    if weights is None or not encoder.startswith(TIMM):
        return encoder, weights
    name, _, tag = encoder.partition(".")
    if weights in _weights(name):
        tag = weights
    return (f"{name}.{tag}" if tag else name), True


def _weights(name: str) -> list[str]:
    if name.startswith(TIMM):
        return [tagged.partition(".")[2] for tagged in get_arch_pretrained_cfgs(name.removeprefix(TIMM))]
    return list(smp_encoders[name]["pretrained_settings"])


def _is_default(name: str, weights: str) -> bool:
    """Whether "imagenet" is asked of a timm encoder: the tag in its name, else the weights timm prefers."""
    return name.startswith(TIMM) and weights == "imagenet" and bool(_weights(name))
