"""Whether Weights & Biases can be used online, found out without asking anybody and without waiting long."""

import netrc
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

__all__ = ["reachable"]

_SECONDS = 3.0


def reachable() -> bool:
    """Whether there is a key for the server, and the server (or the proxy on the way to it) answers."""
    url = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    return _has_key(url) and _answers(getproxies().get(urlsplit(url).scheme, url))


def _has_key(url: str) -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    file = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        return netrc.netrc(file).authenticators(urlsplit(url).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=_SECONDS):
            return True
    except (OSError, ValueError):
        return False
