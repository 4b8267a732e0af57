"""Words with a planted fault, in every process whose PYTHONPATH has this folder. Told by the text."""

from storage.query import words as module

_words = module.words


def _planted(text: str) -> list[str]:
    if "plantedhang" in text:
        while True:
            pass
    return _words(text)


module.words = _planted
