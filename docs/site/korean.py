"""Korean tokenizer for Sphinx's search, which has none."""

from __future__ import annotations

import re

from sphinx.search.en import SearchEnglish

HANGUL = re.compile("[가-힣]{2,}")


class SearchKorean(SearchEnglish):
    """Search index of each beginning of a Korean word: particles follow the noun (폴링은, 폴링을).

    Latin words are indexed as in English. The browser needs no change: it searches for whole terms.
    """

    lang = "ko"
    language_name = "English"  # of the stemmer that the browser uses

    def split(self, input: str) -> list[str]:
        words = super().split(input)
        for run in HANGUL.findall(input):
            words += [run[:length] for length in range(2, len(run) + 1)]
        return words
