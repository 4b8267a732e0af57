"""An averaged perceptron over hashed features, in integer arithmetic: the same bytes on every machine.

Y. Freund and R. Schapire, "Large Margin Classification Using the Perceptron Algorithm", Machine Learning 37 (1999).
"""

from collections.abc import Sequence
from math import isqrt
from zlib import crc32

import numpy as np

from jobs.analysis.spam import BUCKETS, Model

_EPOCHS = 12
#: Correct predictions with a smaller margin are learnt as well, relative to the number of features.
_MARGIN = 3
_HEAVIEST = 127


def train(examples: Sequence[tuple[str, Sequence[int], bool]]) -> Model:
    """Train a model. examples: (name, which determines the order; features; whether it is spam)."""
    ordered = sorted(examples, key=lambda example: (crc32(example[0].encode()), example[0]))
    weights, sums = np.zeros(BUCKETS, np.int64), np.zeros(BUCKETS, np.int64)
    bias = bias_sum = 0
    step = 1
    rows = [(np.array(sorted(buckets), np.int64), 1 if spam else -1) for _, buckets, spam in ordered]
    for _ in range(_EPOCHS):
        for row, truth in rows:
            if truth * (int(weights[row].sum()) + bias) <= _MARGIN * isqrt(len(row)):
                weights[row] += truth
                sums[row] += truth * step
                bias += truth
                bias_sum += truth * step
            step += 1
    averaged, averaged_bias = weights * step - sums, bias * step - bias_sum
    divisor = max(int(np.sort(np.abs(averaged))[-BUCKETS // 500]) // _HEAVIEST, 1)
    quantised = np.clip(_divided(averaged, divisor), -_HEAVIEST, _HEAVIEST)
    quantised_bias = _divided_one(averaged_bias, divisor)
    margins = sorted(
        abs(quantised_bias + int(quantised[row].sum())) * 100 // max(isqrt((len(row) + 1) * 10_000), 1)
        for row, _ in rows
    )
    return Model([int(weight) for weight in quantised], quantised_bias, max(margins[len(margins) // 2] // 3, 1))


def _divided(values: "np.typing.NDArray[np.int64]", divisor: int) -> "np.typing.NDArray[np.int64]":
    """Quotients rounded to the nearest integer, halves away from zero."""
    rounded = (np.abs(values) * 2 + divisor) // (2 * divisor)
    return np.where(values < 0, -rounded, rounded)


def _divided_one(value: int, divisor: int) -> int:
    return (1 if value >= 0 else -1) * ((abs(value) * 2 + divisor) // (2 * divisor))
