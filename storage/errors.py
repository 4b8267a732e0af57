"""The base class of every error that this project raises on purpose.

Each package declares its own errors beside the code that raises them; each class says what the caller
should do. Arguments go positionally to `super().__init__`, because errors cross processes by pickle.
"""


class BackupError(Exception):
    """An error that a caller or an operator can act on. `str()` is one sentence with the action to take."""
