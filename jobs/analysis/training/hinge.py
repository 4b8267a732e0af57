"""A linear classifier by the squared hinge loss, regularised, over hashed features.

Trained by accelerated gradient descent (Y. Nesterov, 1983). Only additions, multiplications, divisions and square roots
in a fixed order: IEEE arithmetic gives the same bytes on every machine.
"""

from collections.abc import Collection, Sequence
from math import fsum, sqrt
from zlib import crc32

import numpy as np
import numpy.typing as npt

from jobs.analysis.spam import BUCKETS, Model, bucket

_Floats = npt.NDArray[np.float64]
_STEPS = 150
_RATE = 0.25
#: Weight of the squared norm of the weights against the mean loss.
_REGULARISATION = 1e-4
_HEAVIEST = 127


def train(examples: Sequence[tuple[str, Collection[str], bool]]) -> Model:
    """Train a model. examples: (name, which determines the order; features; whether it is spam)."""
    ordered = sorted(examples, key=lambda example: (crc32(example[0].encode()), example[0]))
    rows = [np.array(sorted({bucket(each) for each in features}), np.int64) for _, features, _ in ordered]
    truths = np.array([1.0 if spam else -1.0 for _, _, spam in ordered])
    weights, bias = _fitted(rows, truths)
    sizes = np.sort(np.abs(weights))  # the heaviest are cut, unless there are few
    unit = max(float(sizes[-BUCKETS // 500]), float(sizes[-1]) / 4) / _HEAVIEST or 1.0
    quantised = np.clip(np.rint(weights / unit), -_HEAVIEST, _HEAVIEST)
    return Model([int(weight) for weight in quantised], round(bias / unit), max(round(1 / unit), 1))


def _fitted(rows: Sequence[npt.NDArray[np.int64]], truths: _Floats) -> tuple[_Floats, float]:
    count = len(rows)
    lengths = np.array([len(row) for row in rows])
    owners = np.repeat(np.arange(count), lengths)  # of every feature, its message
    features = np.concatenate(rows)
    values = (1 / np.sqrt(lengths + 1.0))[owners]
    spam = int((truths > 0).sum())  # both kinds weigh the same, however many messages they have
    importance = np.where(truths > 0, 0.5 / max(spam, 1), 0.5 / max(count - spam, 1))
    weights = ahead = np.zeros(BUCKETS)
    bias = bias_ahead = 0.0
    momentum = 1.0
    for _ in range(_STEPS):
        scores = np.bincount(owners, weights=ahead[features] * values, minlength=count) + bias_ahead
        losses = -2 * truths * np.maximum(0.0, 1 - truths * scores) * importance
        slope = np.bincount(features, weights=losses[owners] * values, minlength=BUCKETS)
        following = ahead - _RATE * (slope + _REGULARISATION * ahead)
        following_bias = bias_ahead - _RATE * fsum(losses)
        next_momentum = (1 + sqrt(1 + 4 * momentum * momentum)) / 2
        share = (momentum - 1) / next_momentum
        ahead, bias_ahead = following + share * (following - weights), following_bias + share * (following_bias - bias)
        weights, bias, momentum = following, following_bias, next_momentum
    return weights, bias
