"""cluster/home.py: what a killed cluster recorded is not taken for what the next one has."""

from pathlib import Path

import pytest

from cluster.home import Home, NotRunning


def test_a_start_forgets_what_a_killed_cluster_recorded(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    home.record({"api": "http://127.0.0.1:1"})

    with home.exclusively():
        with pytest.raises(NotRunning):
            home.recorded()
        home.record({"api": "http://127.0.0.1:2"})
        assert home.recorded() == {"api": "http://127.0.0.1:2"}
    with pytest.raises(NotRunning):
        home.recorded()
