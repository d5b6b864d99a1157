"""HTML from templates: one Jinja environment a language, the same files for all.

Everything is escaped, and a name that is missing is a defect. Templates are named by their package
("ledger/rows.html"); those of the console have no package in front ("base.html").
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from babel.support import NullTranslations
from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

from ringfence.web import chart, formats
from ringfence.web.words import HTML_LANGUAGE, Language, word_of


class Templates:
    """Renders templates of the packages in `loaders`, in the languages of `catalogues`."""

    def __init__(
        self, shell: BaseLoader, loaders: Mapping[str, BaseLoader], catalogues: Mapping[Language, NullTranslations]
    ) -> None:
        loader = ChoiceLoader([shell, PrefixLoader({**loaders, "web": PackageLoader("ringfence.web", "templates")})])
        self._environments = {
            language: _environment(language, loader, catalogue) for language, catalogue in catalogues.items()
        }
        self._catalogues = catalogues

    def render(self, language: Language, name: str, facts: Mapping[str, Any]) -> str:
        return self._environments[language].get_template(name).render(facts)

    def compiled(self, language: Language) -> list[str]:
        """The names of all templates, each of which compiles."""
        environment = self._environments[language]
        return [environment.get_template(name).name or "" for name in environment.list_templates()]

    def say(self, language: Language, text: str, **facts: Any) -> str:
        """A sentence marked by `msg`, in a language, with its facts."""
        translated = str(self._catalogues[language].ugettext(text))
        return translated % facts if facts else translated

    def word(self, language: Language, context: str, name: str) -> str:
        return word_of(self._catalogues[language], context, name)


def _environment(language: Language, loader: BaseLoader, catalogue: NullTranslations) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "language": language,
        "html_language": HTML_LANGUAGE[language],
        "word": partial(word_of, catalogue),
        "chart": chart,
    }
    environment.filters |= {
        "amount": formats.amount_text,
        "decimal": formats.decimal_text,
        "regrouped": formats.regrouped,
        "moment": formats.moment_text,
        "clock": formats.clock_text,
        "machine_moment": formats.machine_moment,
        "day": formats.day_text,
        "count": formats.count_text,
        "short_id": formats.short_id,
        "masked": formats.masked,
        "age": lambda age: formats.age_text(age, language),
        "since": lambda at, now: formats.age_text(_elapsed(at, now), language),
    }
    return environment


def _elapsed(at: datetime, now: datetime) -> Any:
    return now - at
