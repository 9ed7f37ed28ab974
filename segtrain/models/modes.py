"""Which parts of a model stand still, for a while or for good."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from segtrain.errors import ConfigError

__all__ = ["encoder_parameters", "evaluating", "freeze_encoder", "frozen_batchnorm"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, and each of its modules back into its own mode afterwards."""
    with _still(model.modules()):
        yield


@contextmanager
def frozen_batchnorm(model: nn.Module) -> Iterator[None]:
    """Let a pass in training mode neither use nor move the statistics of its batch.

    A guess about unlabelled images or a mirrored view would otherwise move the model's running statistics.
    """
    with _still(_norms(model)):
        yield


def encoder_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Give the parameters that lie in a module named `encoder`, for a learning rate of their own."""
    return [parameter for name, parameter in model.named_parameters() if "encoder" in name.split(".")]


def freeze_encoder(model: nn.Module) -> None:
    """Let the encoder learn no more: no gradient, and its batch-norm statistics stay, whatever `model.train()` says.

    Raises:
        ConfigError: the model has no module named `encoder`.
    """
    encoders = [module for name, module in model.named_modules() if name.split(".")[-1] == "encoder"]
    if not encoders:
        raise ConfigError(f"The encoder of {type(model).__name__} cannot be frozen: it has no module named 'encoder'")
    for encoder in encoders:
        encoder.requires_grad_(False)
        encoder.register_forward_pre_hook(_keep_norms_still)


def _keep_norms_still(encoder: nn.Module, _args: object) -> None:
    """Run before each pass of a frozen encoder; a function of the module, so that copies of the model keep it."""
    for norm in _norms(encoder):
        norm.training = False


def _norms(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, _NormBase)]


@contextmanager
def _still(modules: Iterable[nn.Module]) -> Iterator[None]:
    modes = [(module, module.training) for module in modules]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, training in modes:
            module.training = training
