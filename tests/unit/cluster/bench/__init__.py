"""The arithmetic of `gbm bench`."""
