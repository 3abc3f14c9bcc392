"""The notes' code, as it stands there; the experiments run it."""
