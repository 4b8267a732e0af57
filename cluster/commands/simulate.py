"""`gbm simulate`: a simulated Gmail, with real or generated mail."""

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
        typer.Option(help="Mail to serve: .eml, folder of .eml, maildir, mbox or .tar.gz of .eml. May be repeated."),
    ] = None,
    generate: Annotated[
        int | None, typer.Option(min=0, help="Messages to generate; by default 500 without --mail, else 0.")
    ] = None,
    hostile: Annotated[bool, typer.Option(help="Include damaged and extreme messages in generated mail.")] = False,
    users: Annotated[int | None, typer.Option(min=1, help="Distribute all mail over this many mailboxes.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 chooses a free one.")] = 8010,
    quota_profile: Annotated[
        Literal["legacy", "standard", "unlimited"], typer.Option(help="Gmail quota limits to enforce.")
    ] = "standard",
    latency_ms: Annotated[float, typer.Option(min=0, help="Delay of each response, in milliseconds.")] = 0.0,
    fault_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of calls that fail.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of generated mail, labels and faults.")] = 0,
    push_to: Annotated[str, typer.Option(help="URL that receives pushes about watched mailboxes.")] = "",
    push_loss_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of pushes that are lost.")] = 0.0,
) -> None:
    """Serve a simulated Gmail API on loopback until Ctrl-C.

    Use it to try the project, or a client of the Gmail API, without a Google account. The command prints the variables
    that point a cluster at it. GET /_sim/users/EMAIL/authorized-user returns the file for `gbm accounts add`;
    GET /_sim/client returns the file for `gbm accounts login`.

    Pushes are signed with the certificates at /certs: set GBM_SERVE__PUSH__CERTIFICATES_URL to that URL and
    GBM_SERVE__PUSH__AUDIENCE to the URL given as --push-to.

    Example: gbm simulate --mail mail.mbox --port 8010
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
    notes.print(f"Simulated Gmail at {running.url} (users: {running.url}/_sim/users). Press Ctrl-C to stop it.")
    notes.print(f"  export GBM_GMAIL__ENDPOINT={running.url} GBM_GMAIL__TOKEN_URI={running.url}/token", markup=False)
