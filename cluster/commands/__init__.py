"""The commands of `gbm`, one module each."""
