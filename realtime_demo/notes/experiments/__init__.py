"""The experiments: each takes the laboratory and returns an observation."""
