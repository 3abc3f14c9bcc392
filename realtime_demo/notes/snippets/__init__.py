"""Code of the notes, unchanged; the experiments run it."""
