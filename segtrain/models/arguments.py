"""Checks a model's arguments, all at once."""

__all__ = ["argument_faults"]


def argument_faults(model: str, *laws: tuple[str, object, bool, str]) -> list[str]:
    """Word the laws that are broken: each is an argument's name, its value, whether it is kept, and what it says."""
    return [f"The '{name}' of {model} must be {law}, got {value}" for name, value, kept, law in laws if not kept]
