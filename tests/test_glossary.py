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


@pytest.mark.parametrize("term", ENTRIES)
def test_entry(term):
    """A definition, then the one or two chapters that explain it, then perhaps the Telugu word and its sound."""
    found = re.fullmatch(r"(.+[.)]) (Chapter \{chapter\}`\d+`|Chapters \{chapter\}`\d+` and \{chapter\}`\d+`)\.(?: Telugu: <span lang=\"te\">([^<]+)</span> \(([^)]+)\)\.)?", ENTRIES[term])
    assert found, ENTRIES[term]
    definition, chapters, telugu, sound = found.groups()
    numbers = [int(number) for number in re.findall(r"\d+", chapters)]
    assert set(numbers) <= set(CHAPTERS) and numbers == sorted(set(numbers))
    assert set(re.findall(r"\{term\}`([^`<]+)`", definition)) | set(re.findall(r"<([^<>]+)>`", definition)) <= ENTRIES.keys()
    if telugu:
        assert all(unicodedata.name(letter).startswith("TELUGU") or letter in " \u200c" for letter in telugu), telugu
        assert re.fullmatch(r"[a-z ]+(, borrowed)?", unicodedata.normalize("NFD", sound).encode("ascii", "ignore").decode()), sound


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
