"""The templates of pages and charts. Every text is escaped, and text of strangers cannot turn the reading direction."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jobs.mime.printable import harmless


def render(template: str, **values: object) -> Markup:
    """The text of a template of jobs/rendering/templates."""
    return Markup(_environment().get_template(template).render(values))  # noqa: S704 - the template escaped the values


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("jobs.rendering"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _harmless(value: object) -> object:
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value
