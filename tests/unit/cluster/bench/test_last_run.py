"""A run is compared with the last one, figure by figure."""

from pathlib import Path

from cluster.bench.last_run import Change, compared


def test_figures_that_differ_are_named_by_their_place(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "run.json"
    first = {"judgements": [{"kind": "honest", "high": 0.1, "warned": 0.0}], "text": "x", "gone": 1, "flag": True}
    second = {"judgements": [{"kind": "honest", "high": 0.2, "warned": 0.0}], "text": "y", "new": [2], "flag": False}

    assert compared(path, first) is None
    assert compared(path, first) == []
    assert compared(path, second) == [
        Change("judgements / honest / high", 0.1, 0.2),
        Change("gone", 1.0, None),
        Change("new / 0", None, 2.0),
    ]
