"""Configs: where they lie, what can be chosen, composing them, and finding every fault before anything is built."""

from segtrain.config.compose import (
    compose_config,
    config_dir,
    groups,
    options,
    prepare_hydra,
    run_id,
)
from segtrain.config.faults import check, check_command, check_overrides
from segtrain.config.kinds import suggestion
from segtrain.config.overrides import normalised
from segtrain.config.search import Span, read_span
from segtrain.config.show import show_config, show_options, show_table
from segtrain.config.signatures import Parameter, Signature, UnknownTargetError, signature
from segtrain.config.targets import ALLOWED, target_faults
from segtrain.config.tree import STACKING

__all__ = [
    "ALLOWED", "STACKING", "Parameter", "Signature", "Span", "UnknownTargetError", "check", "check_command",
    "check_overrides", "compose_config", "config_dir", "groups", "normalised", "options", "prepare_hydra",
    "read_span", "run_id", "show_config", "show_options", "show_table", "signature", "suggestion", "target_faults",
]  # fmt: skip
