"""The newest and the most relevant messages of a mailbox over all its splits, as if they were one index.

Relevance is the BM25 score, with word frequencies taken from all the splits together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tantivy import DocAddress

from storage.files.blobs import FileDamaged
from storage.fulltext.split import Hit, Score, Split, SplitQuery
from storage.query.conditions import Contains, wanted

#: Weight of a word in a field, relative to a word in the text.
_WEIGHTS: Mapping[str, float] = {"subject": 3.0, "filename": 2.0, "from": 1.5, "list": 1.5}

Opened = Callable[["SegmentFile"], Split | None]
Failed = Callable[["SegmentFile", FileDamaged], None]
Term = tuple[str, str]


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment with mail of one user. words_bytes: size of its split; None: it has no split."""

    name: str
    words_bytes: int | None
    last_at: datetime


def newest(
    files: Sequence[SegmentFile],
    opened: Opened,
    failed: Failed,
    split_query: SplitQuery,
    limit: int,
) -> tuple[list[Hit], list[SegmentFile]]:
    """The next `limit` messages in the splits, newest first, and the files that must be scanned instead.

    Args:
        files: newest first by `last_at`. A file whose mail is all older than the messages found so far is not opened.
        opened: returns the split of a file; None when the file has none or it cannot be opened.
        failed: called with a split that is damaged.
    """
    newest_hits: list[Hit] = []
    unindexed: list[SegmentFile] = []
    for file in files:
        if file.words_bytes is None:
            unindexed.append(file)
        elif len(newest_hits) < limit or file.last_at >= newest_hits[-1].received_at:
            split = opened(file)
            try:
                hits = split.newest(split_query, limit) if split else None
            except FileDamaged as exc:
                failed(file, exc)
                hits = None
            if hits is None:
                unindexed.append(file)
            else:
                newest_hits = sorted([*newest_hits, *hits], reverse=True)[:limit]
    return newest_hits, unindexed


def best(
    files: Sequence[SegmentFile], opened: Opened, failed: Failed, split_query: SplitQuery, limit: int
) -> tuple[list[Hit], list[SegmentFile]]:
    """The `limit` most relevant messages, best first (any of those that tie at the limit), and the files to scan.

    Otherwise as `newest`.
    """
    scored = list(wanted(split_query.words))
    terms = sorted({(field, word) for phrase in scored for field in phrase.fields for word in phrase.words})
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
    # Rounded: sums of floats differ in their last digits after splits are merged.
    scored_at: list[tuple[SegmentFile, Split, list[tuple[float, DocAddress]]]] = []
    for file, split, messages, counts in counted:
        try:
            hits = split.best(split_query, _scores(scored, everywhere, _rarity(messages, counts)), limit)
            scored_at.append((file, split, [(round(score, 3), address) for score, address in hits]))
        except FileDamaged as exc:
            failed(file, exc)
            unindexed.append(file)
    # Ids are looked up for the final hits only: a lookup costs more than a score.
    lowest = sorted((score for _, _, hits in scored_at for score, _ in hits), reverse=True)[:limit][-1:]
    scored_hits: list[tuple[float, Hit]] = []
    for file, split, hits in scored_at:
        kept = [(score, address) for score, address in hits if score >= lowest[0]]
        try:
            named = split.named([address for _, address in kept])
            scored_hits += [(score, hit) for (score, _), hit in zip(kept, named, strict=True)]
        except FileDamaged as exc:
            failed(file, exc)
            unindexed.append(file)
    scored_hits.sort(reverse=True)
    return [hit for _, hit in scored_hits[:limit]], unindexed


def _rarity(messages: int, counts: Mapping[Term, int]) -> dict[Term, float]:
    """The inverse document frequency of BM25, by tantivy's formula."""
    return {term: math.log(1 + (messages - count + 0.5) / (count + 0.5)) for term, count in counts.items()}


def _scores(scored: Sequence[Contains], everywhere: Mapping[Term, float], here: Mapping[Term, float]) -> list[Score]:
    """Scores corrected from the word frequencies of one split, which tantivy uses, to those of all splits."""
    scores = []
    for phrase in scored:
        for field in phrase.fields:
            terms = [(field, word) for word in phrase.words]
            if terms:
                correction = sum(everywhere[term] for term in terms) / sum(here[term] for term in terms)
                scores.append(Score(field, phrase.words, _WEIGHTS.get(field, 1.0) * correction))
    return scores
