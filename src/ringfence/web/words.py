"""Languages of people: English, which the program is written in, and Chinese, from a .po file.

A sentence of a template is marked there; one of Python is marked by `msg` and translated when it is shown. A `word`
is a name of the program in its context ("order state", "awaiting_approval"): English shows it with spaces, Chinese
looks it up in the same context.
"""

import io
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Final, Literal, get_args

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
HTML_LANGUAGE: Final[dict[Language, str]] = {"en": "en", "zh": "zh-Hans"}


def msg(text: str) -> str:
    """Mark a sentence for the translators; it is translated when it is shown."""
    return text


def translations(file: Traversable) -> Translations:
    """The catalogue of a .po file, compiled in memory, so that what is read is what is reviewed."""
    compiled = io.BytesIO()
    with file.open("rb") as source:
        write_mo(compiled, read_po(source, locale=file.name.removesuffix(".po"), abort_invalid=True))
    compiled.seek(0)
    return Translations(compiled)


def word_of(catalogue: NullTranslations, context: str, name: str) -> str:
    """A word in the catalogue's language; a word that nobody listed is shown as the program calls it."""
    english = name.replace("_", " ")
    return str(catalogue.upgettext(context, english))


def preferred(accepted: str, languages: Iterable[Language] = LANGUAGES) -> Language:
    """The language an Accept-Language header asks for (RFC 9110, 12.5.4); English where it asks for none of ours.

    >>> preferred("zh-CN,zh;q=0.9,en;q=0.8")
    'zh'
    >>> preferred("de, en;q=0.5, zh;q=0.4")
    'en'
    """
    wishes: list[tuple[float, int, Language]] = []
    for place, item in enumerate(accepted.split(",")[:20]):
        tag, _, parameters = item.strip().partition(";")
        weight = parameters.strip().removeprefix("q=").strip() if parameters.strip().startswith("q=") else "1"
        try:
            quality = float(weight)
        except ValueError:
            continue
        wishes += [
            (-quality, place, language)
            for language in languages
            if quality > 0 and tag.strip().lower().split("-")[0] == language
        ]
    return min(wishes)[2] if wishes else "en"
