"""The outcome of an experiment: sentences with their values, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext


@dataclass(frozen=True)
class Sentence:
    """A message id with placeholders such as `{count}`, and their values, ready to print."""

    text: str
    values: Mapping[str, str | int]

    def __str__(self) -> str:
        return gettext(self.text).format(**self.values)


@dataclass
class Observation:
    """What an experiment observed; `confirms` tells whether it supports the verdict."""

    sentences: list[Sentence] = field(default_factory=list)
    confirms: bool = True

    def add(self, text: str, **values: str | int) -> None:
        """Add a sentence; `text` is a message id marked by `gettext_noop`."""
        self.sentences.append(Sentence(text, values))

    def expect(self, condition: bool) -> None:
        """Contradict the verdict unless `condition` is true."""
        self.confirms = self.confirms and condition

    def as_document(self) -> list[Any]:
        """Return the sentences as JSON values."""
        return [[sentence.text, dict(sentence.values)] for sentence in self.sentences]

    @classmethod
    def from_document(cls, document: list[Any]) -> Observation:
        """Return the observation that `as_document` has saved."""
        return cls([Sentence(text, values) for text, values in document])
