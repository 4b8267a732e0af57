"""The version of this program: the wheel, `gbm --version`, /health and a home's version all have it from here.

Semantic versioning: what takes a route, a field, a command or a setting away raises the first number, once that is 1;
until then the second.
"""

VERSION = "0.2.0"
