"""`gbm simulate`: a Gmail of your own, from real or generated mail."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cluster.console import command, notes

if TYPE_CHECKING:
    from cluster.simulator.server import RunningSimulator


@command
def simulate(
    mail: Annotated[
        list[Path] | None,
        typer.Option(help="A .eml, a folder of .eml, a maildir, an mbox, a .tar.gz of .eml. May be repeated."),
    ] = None,
    generate: Annotated[
        int | None, typer.Option(min=0, help="Messages to generate; 500 when there is no mail.")
    ] = None,
    hostile: Annotated[bool, typer.Option(help="Generate damaged and extreme messages, too.")] = False,
    users: Annotated[int | None, typer.Option(min=1, help="Deal all mail to so many mailboxes.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8010,
    quota_profile: Annotated[
        Literal["legacy", "standard", "unlimited"], typer.Option(help="Gmail's limits to keep.")
    ] = "standard",
    latency_ms: Annotated[float, typer.Option(min=0, help="Milliseconds before each answer.")] = 0.0,
    fault_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of calls that fail.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of generated mail, labels and faults.")] = 0,
    push_to: Annotated[str, typer.Option(help="Push changes of watched mailboxes to this address.")] = "",
    push_loss_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of the pushes that get lost.")] = 0.0,
) -> None:
    """Serve the Gmail API on loopback until Ctrl-C.

    Point a cluster at it with GBM_GMAIL__ENDPOINT and GBM_GMAIL__TOKEN_URI; GET /_sim/users/EMAIL/authorized-user gives
    the file that `gbm accounts add` wants, GET /_sim/client the one for `gbm accounts login`.

    Pushes are signed by certificates at /certs: GBM_SERVE__PUSH__CERTIFICATES_URL, and as _AUDIENCE the address.
    """
    from cluster.simulator.config import SimulatorConfig
    from cluster.simulator.server import run

    config = SimulatorConfig(
        mail=tuple(mail or ()),
        generate=generate,
        hostile=hostile,
        users=users,
        port=port,
        quota_profile=quota_profile,
        latency_ms=latency_ms,
        fault_rate=fault_rate,
        seed=seed,
        push_to=push_to,
        push_loss_rate=push_loss_rate,
    )
    run(config, _announce)


def _announce(running: "RunningSimulator") -> None:
    notes.print(f"A simulated Gmail serves {running.url} (users: {running.url}/_sim/users). Ctrl-C ends it.")
    notes.print(f"  export GBM_GMAIL__ENDPOINT={running.url} GBM_GMAIL__TOKEN_URI={running.url}/token", markup=False)
