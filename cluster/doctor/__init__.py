"""Checks everything that a cluster depends on, for `gbm doctor`."""
