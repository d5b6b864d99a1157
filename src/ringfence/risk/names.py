"""Names made comparable: one spelling for case, marks, punctuation and scripts that are read letter by letter.

`words` gives the words of a name: folded to small Latin letters without marks where the script allows, Cyrillic, Greek
and Georgian letter by letter, Arabic and Hebrew by their consonants. Chinese, Japanese and Korean words stay as they
are written, and a space inside them makes no difference.

>>> words("AL-ZAWÁHIRI, Ayman")
('al', 'zawahiri', 'ayman')
>>> words("Владимир Щукин")
('vladimir', 'shchukin')
>>> words("习 近平")
('习近平',)
>>> words("S.A. O'Neill & Søn")
('sa', 'oneill', 'and', 'son')

`skeleton` is what is left of a word when spellings of one sound are made one and vowels are dropped: it brings
transliterations together.

>>> skeleton("mohammed"), skeleton("muhamad"), skeleton(words("محمد")[0])
('mmd', 'mmd', 'mmd')
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_LATIN: Final = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "n",
    "ə": "a", "ʻ": "", "ʼ": "", "ʿ": "", "ʾ": "",
}  # fmt: skip
_CYRILLIC: Final = {
    "а": "a", "б": "b", "в": "v", "г": "g", "ґ": "g", "д": "d", "ђ": "dj", "ѓ": "gj", "е": "e", "ё": "e", "є": "ye",
    "ж": "zh", "з": "z", "ѕ": "dz", "и": "i", "і": "i", "ї": "yi", "й": "y", "ј": "j", "к": "k", "л": "l", "љ": "lj",
    "м": "m", "н": "n", "њ": "nj", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "ћ": "c", "ќ": "kj", "у": "u",
    "ў": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "џ": "dz", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "",
    "э": "e", "ю": "yu", "я": "ya", "ә": "a", "ғ": "g", "қ": "q", "ң": "n", "ө": "o", "ұ": "u", "ү": "u", "һ": "h",
    "ӣ": "i", "ҷ": "j", "ӯ": "u", "ҳ": "h",
}  # fmt: skip
_GREEK: Final = {
    "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k", "λ": "l",
    "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "y", "φ": "f",
    "χ": "ch", "ψ": "ps", "ω": "o",
}  # fmt: skip
_ARABIC: Final = {
    "ا": "a", "ب": "b", "ت": "t", "ث": "th", "ج": "j", "ح": "h", "خ": "kh", "د": "d", "ذ": "dh", "ر": "r", "ز": "z",
    "س": "s", "ش": "sh", "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "ع": "a", "غ": "gh", "ف": "f", "ق": "q", "ك": "k",
    "ل": "l", "م": "m", "ن": "n", "ه": "h", "و": "u", "ي": "i", "ة": "a", "ى": "a", "ء": "", "ئ": "i", "ؤ": "u",
    "پ": "p", "چ": "ch", "ژ": "zh", "گ": "g", "ک": "k", "ی": "i", "ھ": "h", "ہ": "h", "ٹ": "t", "ڈ": "d", "ڑ": "r",
    "ے": "e", "ں": "n", "ټ": "t", "ډ": "d", "ړ": "r", "ښ": "sh", "ګ": "g", "ڼ": "n", "ې": "e", "ۍ": "i", "ځ": "z",
    "څ": "ts", "ږ": "zh", "ـ": "",
}  # fmt: skip
_HEBREW: Final = {
    "א": "a", "ב": "b", "ג": "g", "ד": "d", "ה": "h", "ו": "u", "ז": "z", "ח": "h", "ט": "t", "י": "i", "כ": "k",
    "ך": "k", "ל": "l", "מ": "m", "ם": "m", "נ": "n", "ן": "n", "ס": "s", "ע": "a", "פ": "p", "ף": "f", "צ": "ts",
    "ץ": "ts", "ק": "k", "ר": "r", "ש": "sh", "ת": "t",
}  # fmt: skip
_GEORGIAN: Final = {
    "ა": "a", "ბ": "b", "გ": "g", "დ": "d", "ე": "e", "ვ": "v", "ზ": "z", "თ": "t", "ი": "i", "კ": "k", "ლ": "l",
    "მ": "m", "ნ": "n", "ო": "o", "პ": "p", "ჟ": "zh", "რ": "r", "ს": "s", "ტ": "t", "უ": "u", "ფ": "p", "ქ": "k",
    "ღ": "gh", "ყ": "q", "შ": "sh", "ჩ": "ch", "ც": "ts", "ძ": "dz", "წ": "ts", "ჭ": "ch", "ხ": "kh", "ჯ": "j",
    "ჰ": "h",
}  # fmt: skip
_LETTERS: Final = str.maketrans({**_LATIN, **_CYRILLIC, **_GREEK, **_ARABIC, **_HEBREW, **_GEORGIAN})
_PAIRS: Final = str.maketrans({"&": " and ", "＆": " and ", "\u200c": " ", "\u200b": "", "ʹ": "", "ʺ": ""})
_GREEK_PAIRS: Final = (("ου", "ou"), ("μπ", "b"), ("ντ", "d"), ("γκ", "g"), ("ευ", "ev"), ("αυ", "av"))

_JOINERS: Final = re.compile(r"['’‘`´ʹʺ\"“”«»]")
_DOTTED: Final = re.compile(r"\b(\w)\.(?=\w\b)")
_EAST: Final = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_EAST_GAP: Final = re.compile(f"(?<=[{_EAST}])[\\s·・•‧]+(?=[{_EAST}])")
_PARTS: Final = re.compile(f"[{_EAST}]+|[^{_EAST}]+")

_SOUNDS: Final = (
    ("shch", "s"), ("sch", "s"), ("tch", "c"), ("dzh", "j"), ("ch", "c"), ("sh", "s"), ("zh", "z"), ("kh", "h"),
    ("gh", "g"), ("ph", "f"), ("th", "t"), ("dh", "d"), ("ck", "k"), ("ts", "c"), ("tz", "c"), ("x", "ks"), ("q", "k"),
    ("w", "v"),
)  # fmt: skip
_PLAIN: Final = re.compile(r"[a-z0-9]+")
_TWICE: Final = re.compile(r"(.)\1+")
_VOWELS: Final = re.compile(r"[aeiouyh]|(?<=[aeiouy])j(?![aeiouy])")


def words(name: str) -> tuple[str, ...]:
    """The words of a name, in their order."""
    text = unicodedata.normalize("NFKC", name).translate(_PAIRS).casefold()
    text = _DOTTED.sub(r"\1", _EAST_GAP.sub("", _JOINERS.sub("", text)))
    if not text.isascii():
        text = " ".join(_PARTS.findall("".join(map(_letter_or_space, text))))
        return tuple(folded for word in text.split() if (folded := _folded(word)))
    return tuple(_PLAIN.findall(text))


@lru_cache(maxsize=100_000)
def skeleton(word: str) -> str:
    """The consonants of a word as they sound, roughly; a word of vowels alone keeps its first letter."""
    text = _TWICE.sub(r"\1", word)
    for spelling, sound in _SOUNDS:
        text = text.replace(spelling, sound)
    left = text[:1] + _VOWELS.sub("", text[1:])
    return _VOWELS.sub("", left) or left


def is_eastern(word: str) -> bool:
    """Whether a word is written in Chinese, Japanese or Korean characters."""
    return word[0] >= "\u2e80"


def _letter_or_space(character: str) -> str:
    """Letters, digits and the marks that belong to letters stay; whatever else parts words."""
    return character if unicodedata.category(character)[0] in "LNM" else " "


def _folded(word: str) -> str:
    if word.isascii() or is_eastern(word):
        return word
    for pair, sound in _GREEK_PAIRS:
        word = word.replace(pair, sound)
    plain = "".join(
        letter for letter in unicodedata.normalize("NFD", word.translate(_LETTERS)) if not unicodedata.combining(letter)
    )
    return unicodedata.normalize("NFC", plain.translate(_LETTERS))
