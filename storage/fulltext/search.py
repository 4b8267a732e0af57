"""The newest and the best messages of a mailbox over all its splits, as if they were one.

The best are those with the highest BM25 score, in which a word counts as much as it is rare in all the splits together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tantivy import DocAddress

from storage.files.blobs import FileDamaged
from storage.fulltext.split import Hit, Score, Split, SplitQuery
from storage.query.conditions import Contains, wanted

#: What a word in a field counts, against one in the text.
_WEIGHTS: Mapping[str, float] = {"subject": 3.0, "filename": 2.0, "from": 1.5, "list": 1.5}

Opened = Callable[["SegmentFile"], Split | None]
Failed = Callable[["SegmentFile", FileDamaged], None]
Term = tuple[str, str]


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment, as far as one user has mail in it. words_bytes: of its split; None: it has none."""

    name: str
    words_bytes: int | None
    last_at: datetime


def newest(
    files: Sequence[SegmentFile],
    opened: Opened,
    failed: Failed,
    asked: SplitQuery,
    limit: int,
) -> tuple[list[Hit], list[SegmentFile]]:
    """The next `limit` messages that the splits find, newest first, and the files that must be looked through.

    Args:
        files: newest first by `last_at`. A file whose mail is all older than what was found already is not opened.
        opened: the split of a file; None when it has none that can be had.
        failed: told of a split that turns out to be damaged.
    """
    found: list[Hit] = []
    unindexed: list[SegmentFile] = []
    for file in files:
        if file.words_bytes is None:
            unindexed.append(file)
        elif len(found) < limit or file.last_at >= found[-1].received_at:
            split = opened(file)
            try:
                hits = split.newest(asked, limit) if split else None
            except FileDamaged as exc:
                failed(file, exc)
                hits = None
            if hits is None:
                unindexed.append(file)
            else:
                found = sorted([*found, *hits], reverse=True)[:limit]
    return found, unindexed


def best(
    files: Sequence[SegmentFile], opened: Opened, failed: Failed, asked: SplitQuery, limit: int
) -> tuple[list[Hit], list[SegmentFile]]:
    """The `limit` most relevant messages, best first (of a tie at the limit, any), and the files to look through.

    Else as `newest`.
    """
    scored = list(wanted(asked.words))
    terms = sorted({(field, word) for each in scored for field in each.fields for word in each.words})
    unindexed: list[SegmentFile] = []
    counted: list[tuple[SegmentFile, Split, int, dict[Term, int]]] = []
    for file in files:
        split = opened(file) if file.words_bytes is not None else None
        try:
            if split is None:
                unindexed.append(file)
            else:
                messages, frequencies = split.frequencies(terms)
                counted.append((file, split, messages, dict(zip(terms, frequencies, strict=True))))
        except FileDamaged as exc:
            failed(file, exc)
            unindexed.append(file)

    everywhere = _rarity(
        sum(messages for _, _, messages, _ in counted),
        {term: sum(counts[term] for _, _, _, counts in counted) for term in terms},
    )
    # Rounded: where splits are merged anew, sums of floats differ in their last digits.
    scored_at: list[tuple[SegmentFile, Split, list[tuple[float, DocAddress]]]] = []
    for file, split, messages, counts in counted:
        try:
            hits = split.best(asked, _scores(scored, everywhere, _rarity(messages, counts)), limit)
            scored_at.append((file, split, [(round(score, 3), address) for score, address in hits]))
        except FileDamaged as exc:
            failed(file, exc)
            unindexed.append(file)
    # Which messages they are is asked of those alone that stay: it costs more than their scores.
    lowest = sorted((score for _, _, hits in scored_at for score, _ in hits), reverse=True)[:limit][-1:]
    found: list[tuple[float, Hit]] = []
    for file, split, hits in scored_at:
        kept = [(score, address) for score, address in hits if score >= lowest[0]]
        try:
            named = split.named([address for _, address in kept])
            found += [(score, hit) for (score, _), hit in zip(kept, named, strict=True)]
        except FileDamaged as exc:
            failed(file, exc)
            unindexed.append(file)
    found.sort(reverse=True)
    return [hit for _, hit in found[:limit]], unindexed


def _rarity(messages: int, counts: Mapping[Term, int]) -> dict[Term, float]:
    """The inverse document frequency of BM25, as tantivy has it."""
    return {term: math.log(1 + (messages - count + 0.5) / (count + 0.5)) for term, count in counts.items()}


def _scores(scored: Sequence[Contains], everywhere: Mapping[Term, float], here: Mapping[Term, float]) -> list[Score]:
    """tantivy weighs words by how rare they are in one split: correct it to how rare they are in all."""
    scores = []
    for each in scored:
        for field in each.fields:
            terms = [(field, word) for word in each.words]
            if terms:
                correction = sum(everywhere[term] for term in terms) / sum(here[term] for term in terms)
                scores.append(Score(field, each.words, _WEIGHTS.get(field, 1.0) * correction))
    return scores
