"""Parses Gmail's search language into a tree, or reports the position of the first error.

    search   = any*                      all of them must match; "AND" may stand between two
    any      = near ("OR" near)*         OR binds more tightly than juxtaposition, as in Gmail
    near     = term ["AROUND" n term]    two words or phrases at most n words apart
    term     = "-" term | "(" search ")" | "{" near* "}" | text | operator ":" value
    text     = word | "phrase" | "+" word | "+" "phrase"
    value    = text | "(" search ")" | "{" near* "}"      of texts: the operator applies to each

A sign between blanks ("&", "-") is skipped, and so is the "Re:" of a pasted subject (lexer.py).
Operators (operators.py) are case-insensitive; OR, AND and AROUND are upper case. Everything else is an error: the
parser never guesses.
"""

from dataclasses import replace

from storage.query import operators, values
from storage.query.errors import InvalidQuery
from storage.query.lexer import Kind, Token, tokens
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

#: Limits of a search: words, phrases and operators; nesting depth; distance of AROUND.
MOST_TERMS = 50
DEEPEST = 20
FARTHEST = 1000

_CLOSING = {Kind.OPEN: Kind.CLOSE, Kind.OPEN_ANY: Kind.CLOSE_ANY}


def parse(text: str) -> Tree:
    """The tree of a search; EVERYTHING for an empty one.

    Raises:
        InvalidQuery.
    """
    return _Parser(text).search()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _terms(tokens(text))
        self._at = 0
        self._terms = 0

    def search(self) -> Tree:
        tree = self._all("", 0)
        token = self._peek()
        if token.kind is not Kind.END:
            raise InvalidQuery("unbalanced parenthesis", token.position)
        return tree

    def _all(self, operator: str, depth: int) -> Tree:
        parts: list[Tree] = []
        while not self._ends():
            if (joint := self._peek()).kind is Kind.AND:
                self._next()
                if not parts or self._ends():
                    raise _lacks_a_side(joint)
            parts.append(self._any(operator, depth))
        return all_of(parts)

    def _any(self, operator: str, depth: int) -> Tree:
        parts = [self._near(operator, depth)]
        while (joint := self._peek()).kind is Kind.OR:
            self._next()
            if self._ends():
                raise _lacks_a_side(joint)
            parts.append(self._near(operator, depth))
        return any_of(parts)

    def _near(self, operator: str, depth: int) -> Tree:
        left = self._term(operator, depth)
        joint = self._peek()
        if joint.kind is not Kind.AROUND:
            return left
        self._next()
        number = self._next()
        if number.kind is not Kind.WORD or not number.text.isascii() or not number.text.isdigit():
            raise InvalidQuery("a number of words is missing after AROUND", number.position)
        if len(number.text) > 4 or int(number.text) > FARTHEST:
            raise InvalidQuery(f"AROUND reaches at most {FARTHEST} words", number.position)
        if self._ends():
            raise _lacks_a_side(joint)
        ends = _text_of(left, joint), _text_of(self._term(operator, depth), joint)
        around = Around(*ends, int(number.text))
        return Field(operator, around) if operator else around

    def _term(self, operator: str, depth: int) -> Tree:
        token = self._next()
        if depth > DEEPEST:
            raise InvalidQuery(f"it is nested deeper than {DEEPEST}", token.position)
        if token.kind in (Kind.OR, Kind.AND, Kind.AROUND):
            raise _lacks_a_side(token)
        if token.kind is Kind.MINUS:
            if self._ends() or self._peek().position != token.end:
                raise InvalidQuery("a term is missing after the minus", token.position)
            return Not(self._term(operator, depth + 1))
        if token.kind in _CLOSING:
            return self._group(token, operator, depth + 1)
        if token.kind is Kind.OPERATOR:
            return self._operator(token, operator, depth)
        return self._leaf(token, operator)

    def _group(self, opening: Token, operator: str, depth: int) -> Tree:
        closing = _CLOSING[opening.kind]
        if closing is Kind.CLOSE:
            tree = None if self._ends() else self._all(operator, depth)
        else:
            parts: list[Tree] = []
            while not self._ends():
                if self._peek().kind is Kind.AND:
                    raise InvalidQuery("AND cannot stand inside { }: use ( )", self._peek().position)
                parts.append(self._any(operator, depth))
            tree = any_of(parts) if parts else None
        end = self._next()
        if end.kind is not closing:
            what = "parenthesis" if closing is Kind.CLOSE else "brace"
            raise InvalidQuery(f"unbalanced {what}", opening.position if end.kind is Kind.END else end.position)
        if tree is None:
            raise InvalidQuery("an empty group finds nothing", opening.position)
        return tree

    def _operator(self, token: Token, outer: str, depth: int) -> Tree:
        name = token.text
        if name not in operators.OPERATORS:
            hint = values.suggestion(name, operators.OPERATORS)
            raise InvalidQuery(f"{name}: is no operator{hint or '; quote it to search for the text'}", token.position)
        if outer:
            raise InvalidQuery(f"{name}: cannot stand inside {outer}:", token.position)
        following = self._peek()
        if following.position != token.end or self._ends() or (following.kind is Kind.PHRASE and not following.text):
            raise InvalidQuery(f"a value is missing after {name}:", token.end)
        self._next()
        if following.kind in _CLOSING:
            return self._group(following, name, depth + 1)
        return self._leaf(following, name)

    def _leaf(self, token: Token, operator: str) -> Leaf:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise InvalidQuery(f"it has more than {MOST_TERMS} terms", token.position)
        exact = token.kind is Kind.PLUS
        if exact and operator and operator not in operators.TEXT_FIELDS:
            raise InvalidQuery(f"{operator}: takes no +", token.position)
        if exact:
            text = self._next()
            if text.kind not in (Kind.WORD, Kind.PHRASE) or text.position != token.end:
                raise InvalidQuery("a word is missing after the plus", token.position)
            token = text
        if operator and operator not in operators.TEXT_FIELDS:
            return _valued(operator, token)
        if not words(token.text):
            reason = f"there is no letter or digit in {token.text!r}" if token.text.strip() else "an empty phrase"
            raise InvalidQuery(f"{reason}: it finds nothing", token.position)
        value = (Exact if exact else Phrase if token.kind is Kind.PHRASE else Word)(token.text)
        return Field(operator, value) if operator else value

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _ends(self) -> bool:
        return self._peek().kind in (Kind.END, Kind.CLOSE, Kind.CLOSE_ANY)


def _terms(candidates: list[Token]) -> list[Token]:
    """Tokens without signs that stand alone, unless there is nothing else: then they are terms, right or wrong."""
    kept = [token for token in candidates if token.kind is not Kind.LONE]
    if len(kept) > 1 or len(candidates) == 1:
        return kept
    return [replace(token, kind=Kind.WORD) if token.kind is Kind.LONE else token for token in candidates]


def _valued(operator: str, token: Token) -> Leaf:
    text, position = token.text, token.position
    if not text.strip():
        raise InvalidQuery(f"a value is missing after {operator}:", position)
    if operator in operators.DATES:
        return Dated(operator, values.moment(text, position))
    if operator in operators.AGES:
        return Aged(operator, *values.age(text, position))
    if operator in operators.SIZES:
        return Sized(operator, values.size_bytes(text, position))
    allowed = operators.NAMES[operator]
    if allowed is not None:
        return Named(operator, values.one_of(text, allowed, position))
    return Named(operator, text.lower() if operator == "in" else text)


def _text_of(tree: Tree, joint: Token) -> Word | Phrase:
    value = tree.value if isinstance(tree, Field) else tree
    if isinstance(value, Word | Phrase):
        return value
    raise InvalidQuery("AROUND joins two words or phrases, nothing else", joint.position)


def _lacks_a_side(joint: Token) -> InvalidQuery:
    return InvalidQuery(f"{joint.kind.value} needs a term on either side", joint.position)
