"""What somebody wrote in a message: its text without the history below it, the quotes in it, and the signature."""

import re

_MOST_CHARS = 20_000
#: Lines after which nothing is the writer's own. Every alternative begins with fixed text, so a line costs one look.
_HISTORY = re.compile(
    r"""^(?:
        --[ ]?$                                                     # a signature (RFC 3676, 4.3)
        | -{3,}[ ]?(?:Original|Forwarded|Ursprüngliche|Message)[ ].{0,40}$
        | _{10,}$
        | On[ ].{6,200}[ ]wrote:$
        | Am[ ].{6,200}[ ]schrieb[ ].{0,100}:$
        | Le[ ].{6,200}[ ]a[ ]écrit[ ]?:$
        | El[ ].{6,200}[ ]escribió:$
        | From:[ ].{1,200}\n(?:Sent|Date|To):[ ]
    )""",
    re.MULTILINE | re.VERBOSE,
)


def body(text: str) -> str:
    """The writer's own words, at most 20,000 characters of them."""
    text = text[:_MOST_CHARS].replace("\r\n", "\n")
    if found := _HISTORY.search(text):
        text = text[: found.start()]
    if ">" in text:
        text = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(">"))
    return text.strip()
