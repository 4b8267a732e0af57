"""The version of this program, for the wheel, `gbm --version`, /health and the version of a home.

Semantic versioning: removing a route, a field, a command or a setting raises the first number, once it is 1; until then
the second.
"""

VERSION = "0.2.0"
