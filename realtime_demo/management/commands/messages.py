"""`manage.py messages`: the translations' catalogues, true to the source."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Bring each locale/<language>/LC_MESSAGES/django.po up to date and compile it."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from realtime_demo import messages
        except ImportError as error:
            raise CommandError(f"{error}. 'make install' brings Babel.") from error
        texts = messages.source_texts()
        wrong: list[str] = []
        for language, _ in settings.LANGUAGES:
            if language == settings.LANGUAGE_CODE:
                continue
            path = messages.catalogue_path(language)
            catalogue = messages.updated(language, texts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(messages.as_po(catalogue))
            path.with_suffix(".mo").write_bytes(messages.as_mo(catalogue))
            self.stdout.write(f"{language}: {len(catalogue)} texts")
            wrong += messages.faults(catalogue)
        if wrong:
            raise CommandError("\n".join(wrong))
