"""The exercises: a folder for each, with its texts, its stub, its solution and its cases."""
