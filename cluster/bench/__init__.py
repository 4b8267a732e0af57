"""`gbm bench`: the measurements behind the figures, each repeatable with one command."""
