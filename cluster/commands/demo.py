"""`gbm demo`: the whole system on one machine, with real or generated mail."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cluster.console import command


@command
def demo(
    mail: Annotated[
        list[Path] | None,
        typer.Option(help="Mail to back up: .eml, folder of .eml, maildir, mbox or .tar.gz of .eml. May be repeated."),
    ] = None,
    messages: Annotated[int, typer.Option(min=1, help="Messages to generate without --mail.")] = 2000,
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the summary.")] = False,
    quota_profile: Annotated[
        Literal["legacy", "standard", "unlimited"], typer.Option(help="Gmail quota limits to simulate.")
    ] = "unlimited",
    latency_ms: Annotated[float, typer.Option(min=0, help="Delay of each Gmail response, in milliseconds.")] = 0.0,
    fault_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of Gmail calls that fail.")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Back up a simulated Gmail and show the result: no account, no configuration.

    Starts the simulator, PostgreSQL, Ray and the HTTP gateway on loopback, backs up the mail, prints a summary and
    serves the API until Ctrl-C. Nothing keeps running afterwards. Data is kept in GBM_HOME if set, else in a separate
    folder, so a second run fetches only changes.

    Example: gbm demo --mail ~/mail.mbox
    """
    from cluster.demonstration import DemoOptions, demonstrate
    from cluster.settings import default_home, home_is_chosen, load

    settings = load() if home_is_chosen() else load(home=default_home().with_name("gbm-demo"))
    options = DemoOptions(
        mail=tuple(mail or ()),
        messages=messages,
        leave=leave,
        quota_profile=quota_profile,
        latency_ms=latency_ms,
        fault_rate=fault_rate,
        json=json,
    )
    demonstrate(settings, options)
