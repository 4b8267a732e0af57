"""`gbm config`: the effective settings."""

from typing import Annotated

import typer

from cluster.console import command, out, print_json
from cluster.lazy_imports import settings

app = typer.Typer(help="Show the effective settings.", no_args_is_help=True)


@app.command()
@command
def show(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print every effective setting as YAML. Secrets are masked.

    Variables (GBM_...) override the YAML file named by GBM_CONFIG, which overrides the defaults.

    Example: gbm config show
    """
    import yaml

    document = settings().model_dump(mode="json")
    if json:
        print_json(document)
    else:
        out.print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="", markup=False)
