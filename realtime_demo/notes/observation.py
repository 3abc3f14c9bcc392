"""The outcome of an experiment: sentences with their values, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.translation import gettext


class Sentence(NamedTuple):
    """A message id with placeholders such as `{count}`, and their values, ready to print.

    A record in JSON has the pair.
    """

    text: str
    values: Mapping[str, str | int]

    def __str__(self) -> str:
        return gettext(self.text).format(**self.values)


class Observation:
    """What an experiment observed; `confirms` tells whether it supports the verdict."""

    def __init__(self) -> None:
        self.sentences: list[Sentence] = []
        self.confirms = True

    def add(self, text: str, **values: str | int) -> None:
        """Add a sentence; `text` is a message id marked by `gettext_noop`."""
        self.sentences.append(Sentence(text, values))

    def expect(self, condition: bool) -> None:
        """Contradict the verdict unless `condition` is true."""
        self.confirms = self.confirms and condition
