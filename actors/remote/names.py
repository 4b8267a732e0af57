"""Where the project's actors have their names."""

NAMESPACE = "gbm"

#: Seconds that a broker has to answer in: it only reckons.
BROKER_TIMEOUT_S = 0.5
