"""Trees and texts as the parser makes and mail has them, for property tests."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import strategies as st

from storage.query import operators
from storage.query.lexer import Kind, tokens
from storage.query.tree import (
    Aged,
    Around,
    Dated,
    Exact,
    Field,
    Leaf,
    Named,
    Not,
    Phrase,
    Sized,
    Tree,
    Word,
    all_of,
    any_of,
)
from storage.query.words import words

#: What folds, composes, separates, joins or is no text at all, from many scripts.
ALPHABET = (
    "abzABsSt019_éÉßñäøłæıŋ½①ﬁﬀ㎏⑴ſKªйЙёΐςΣ .-@'\n"
    "漢字仮名ガかが\u3099ｶﾞ한국각가\u11a8ᄒㄱกำहिन्दीকোأا\u0654\u0301\u0308\u00ad\u200d"
)


def trees(leaves: st.SearchStrategy[Tree], most: int = 12) -> st.SearchStrategy[Tree]:
    """Canonical trees of leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, min_size=2, max_size=3).map(all_of),
            st.lists(inner, min_size=2, max_size=3).map(any_of),
        ),
        max_leaves=most,
    )


def written(texts: st.SearchStrategy[str], bare: st.SearchStrategy[str]) -> st.SearchStrategy[Tree]:
    """Leaves of text: of texts in quotation marks, and of bare words."""
    found = st.one_of(texts.filter(words).map(Phrase), bare.filter(_is_bare).map(Word))
    whole = st.one_of(
        found,
        st.builds(Exact, st.one_of(texts, bare).filter(words)),
        st.builds(Around, found, found, st.integers(0, 30)),
    )
    return st.one_of(whole, st.builds(Field, st.sampled_from(sorted(operators.TEXT_FIELDS)), whole))


def named(labels: Sequence[str]) -> st.SearchStrategy[Leaf]:
    """Leaves of names: every one there is, and these labels'."""
    known = [(name, value) for name, values in operators.NAMES.items() for value in sorted(values or ())]
    places = [("in", place) for place in (*operators.PLACES, *sorted(operators.EVERYWHERE), "archive")]
    return st.sampled_from([*known, *places, *(("label", label) for label in labels)]).map(lambda each: Named(*each))


def measured(moments: st.SearchStrategy[datetime], sizes: st.SearchStrategy[int]) -> st.SearchStrategy[Leaf]:
    """Leaves of dates, ages and sizes."""
    return st.one_of(
        st.builds(Dated, st.sampled_from(sorted(operators.DATES)), moments),
        st.builds(Aged, st.sampled_from(sorted(operators.AGES)), st.integers(0, 99999), st.sampled_from("dmy")),
        st.builds(Sized, st.sampled_from(sorted(operators.SIZES)), sizes),
    )


days = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
    lambda at: at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
)
seconds = st.integers(10**8, 10**11 - 1).map(lambda at: datetime.fromtimestamp(at, UTC))


def _is_bare(text: str) -> bool:
    if any(char in '(){}"“”„\0' or "\ud800" <= char <= "\udfff" for char in text) or not words(text):
        return False
    return [token.kind for token in tokens(text)] == [Kind.WORD, Kind.END] and tokens(text)[0].text == text
