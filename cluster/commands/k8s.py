"""`gbm k8s`: manifests for Kubernetes, and the preparation of its pods."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cluster.console import command, notes
from cluster.lazy_imports import settings

app = typer.Typer(help="Manifests for Kubernetes, and the preparation of its pods.", no_args_is_help=True)


@app.command()
@command
def render(
    overlay: Annotated[str, typer.Option(help="Folder of k8s/overlays.")] = "production",
    job: Annotated[str, typer.Option(help="Print this template of k8s/jobs instead; needs --cluster.")] = "",
    cluster: Annotated[str, typer.Option(help="Name of the RayCluster that the job runs on.")] = "",
    folder: Annotated[Path | None, typer.Option(help="The folder k8s, if not that of this checkout.")] = None,
) -> None:
    """Print the manifests of an environment as YAML.

    Every GBM_ variable in them is checked first: a name that is no setting, or a wrong value, is an error. Apply them
    with `kubectl apply --server-side -f -`.

    Example: gbm k8s render --overlay production
    """
    from cluster.kubernetes import render as rendering

    folder = folder or rendering.default_folder()
    manifests = rendering.job(folder, job, cluster) if job else rendering.overlay(folder, overlay)
    sys.stdout.write(rendering.text(manifests))


@app.command()
@command
def prepare_node() -> None:
    """Write the files that a pod's HAProxy reads. The manifests run this before Ray starts.

    Example: gbm k8s prepare-node
    """
    from cluster.kubernetes.node import prepare

    folder = prepare(settings())
    notes.print(f"Prepared {folder}.", markup=False)
