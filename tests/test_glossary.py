"""The glossary: in order, each term once, each with a chapter that the course has, and Telugu words in Telugu script."""

import re
import unicodedata
from pathlib import Path

import pytest

from tests.test_api import reference

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
BODY = re.search(r"^```\{glossary\}\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)[1]
ENTRIES = {term: " ".join(text.split()) for term, text in re.findall(r"^(\S.*)\n((?:  .*\n)+)", BODY, flags=re.MULTILINE)}
CHAPTERS = range(1, 28)


def test_terms_are_in_order_and_stand_once():
    terms = re.findall(r"^(\S.*)$", BODY, flags=re.MULTILINE)
    assert len(terms) > 100 and terms == list(ENTRIES)
    assert terms == sorted(set(terms), key=str.casefold)


def wrong_with(entry: str) -> str:
    """What is wrong with a text of the glossary, or "".

    It is a definition, then the one or two chapters that explain it, then perhaps the Telugu word and its sound.
    """
    found = re.fullmatch(r"(.+[.)]) (Chapter \{chapter\}`\d+`|Chapters \{chapter\}`\d+` and \{chapter\}`\d+`)\."
                         r"(?: Telugu: <span lang=\"te\">([^<]+)</span> \(([^)]+)\)\.)?", entry)
    if not found:
        return f"not of this form: {entry}"
    definition, chapters, telugu, sound = found.groups()
    numbers = [int(number) for number in re.findall(r"\d+", chapters)]
    if not set(numbers) <= set(CHAPTERS) or numbers != sorted(set(numbers)):
        return f"chapters {numbers}"
    named = set(re.findall(r"\{term\}`([^`<]+)`", definition)) | set(re.findall(r"<([^<>]+)>`", definition))
    if named - ENTRIES.keys():
        return f"no terms: {sorted(named - ENTRIES.keys())}"
    if telugu and not all(unicodedata.name(letter).startswith("TELUGU") or letter in " \u200c" for letter in telugu):
        return f"not in Telugu script: {telugu}"
    if telugu and not re.fullmatch(r"[a-z ]+(, borrowed)?", unicodedata.normalize("NFD", sound).encode("ascii", "ignore").decode()):
        return f"no sound: {sound}"
    return ""


def test_every_entry_has_a_definition_its_chapters_and_telugu_in_telugu_script():
    assert {term: wrong for term, entry in ENTRIES.items() if (wrong := wrong_with(entry))} == {}


@pytest.mark.parametrize("entry, wrong", [
    ("A sum. Chapter {chapter}`3`.", ""), ("A {term}`score` of it. Chapters {chapter}`3` and {chapter}`9`. Telugu: <span lang=\"te\">మెట్టు</span> (meṭṭu).", ""),
    ("A sum.", "not of this form"), ("A sum. Chapter {chapter}`99`.", "chapters [99]"), ("A sum. Chapters {chapter}`9` and {chapter}`3`.", "chapters [9, 3]"),
    ("A {term}`nonsense`. Chapter {chapter}`3`.", "no terms: ['nonsense']"), ("A {term}`sum <nonsense>`. Chapter {chapter}`3`.", "no terms: ['nonsense']"),
    ("A sum. Chapter {chapter}`3`. Telugu: <span lang=\"te\">step</span> (meṭṭu).", "not in Telugu script: step"),
    ("A sum. Chapter {chapter}`3`. Telugu: <span lang=\"te\">మెట్టు</span> (M1).", "no sound: M1")])
def test_a_bad_entry_is_found(entry, wrong):
    assert wrong_with(entry).startswith(wrong) and bool(wrong_with(entry)) == bool(wrong)


def test_the_chapters_of_the_book_are_linked_and_the_others_are_marked():
    pages = {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert reference.page_of(13, pages) == "notebooks/13_sampling"
    assert reference.page_of(1, pages) == "notebooks/01_static"
    assert reference.page_of(27, {"notebooks/02_clay", "book/27_x"}) is None
    assert all(int(page.split("/")[1][:2]) in CHAPTERS for page in pages)


def test_the_library_says_nothing_that_the_glossary_does_not_explain():
    """The nouns of the library."""
    for noun in ("noise schedule", "denoiser", "sampler", "guidance", "score", "velocity", "log-SNR", "EMA", "oracle", "seed", "order"):
        assert noun in ENTRIES
