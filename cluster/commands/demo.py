"""`gbm demo`: everything at once, on one machine, with real or generated mail."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cluster.console import command


@command
def demo(
    mail: Annotated[
        list[Path] | None,
        typer.Option(help="Mail to serve as Gmail: .eml, folder, maildir, mbox, .tar.gz of .eml. May be repeated."),
    ] = None,
    messages: Annotated[int, typer.Option(min=1, help="Messages to generate when no mail is named.")] = 2000,
    leave: Annotated[bool, typer.Option("--exit", help="Leave after the summary.")] = False,
    quota_profile: Annotated[
        Literal["legacy", "standard", "unlimited"], typer.Option(help="Gmail's limits to keep; unlimited shows speed.")
    ] = "unlimited",
    latency_ms: Annotated[float, typer.Option(min=0, help="Milliseconds before each of Gmail's answers.")] = 0.0,
    fault_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of Gmail's answers that fail.")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a whole cluster against a simulated Gmail, back its mail up, and show the result.

    Starts the simulator, PostgreSQL, Ray and the gateway on loopback; stays until Ctrl-C, and leaves nothing running.
    Its data is kept in GBM_HOME if that is set, else in a home of its own, so that a second run finds what is there.
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
