"""The templates of pages: every page is one file that opens anywhere, without a network."""

from pathlib import Path

import jinja2
from markupsafe import Markup

__all__ = ["source", "template"]

_FOLDER = Path(__file__).parent


def template(name: str) -> jinja2.Template:
    """Give a template of this package; all it is given is escaped but our own figures (`svg`) and files (`source`)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup
    environment.globals["source"] = lambda *names: Markup(source(*names))
    return environment.get_template(name)


def source(*names: str) -> str:
    """Give style sheets or scripts of this package, one after the other."""
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)
