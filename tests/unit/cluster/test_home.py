"""cluster/home.py: what a killed cluster recorded is not taken for what the next one has."""

from pathlib import Path

import pytest

from cluster.home import ExistingCluster, Home, NotRunning


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


def test_a_cluster_that_runs_already_is_used_instead_of_one_of_the_home(tmp_path: Path) -> None:
    existing = ExistingCluster("10.0.0.1:6379", "http://head:8265", "http://gateway:8000")

    expected = {"ray": "10.0.0.1:6379", "dashboard": "http://head:8265"}
    assert Home(tmp_path, existing).recorded() == {**expected, "api": "http://gateway:8000"}
    assert Home(tmp_path, ExistingCluster("10.0.0.1:6379", "http://head:8265")).recorded() == expected
