"""`gbm config`: the settings in force."""

from typing import Annotated

import typer
import yaml

from cluster.console import command, out, print_json
from cluster.settings import load

app = typer.Typer(help="Show the settings.", no_args_is_help=True)


@app.command()
@command
def show(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print every setting in force; secrets are masked."""
    settings = load().model_dump(mode="json")
    if json:
        print_json(settings)
    else:
        out.print(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), end="", markup=False)
