"""The claims of the notes that this project started from, each with an experiment."""
