"""Words: what is cut, repaired, left out, and said about it."""

import pytest
import torch

from diffusion_lib.words import Sense, Vocabulary, nearest, one_slip, split

VOCABULARY = Vocabulary(tuple("a cat wearing hat frog dog bear sleepy కుక్కలా మార్చు".split()), length=8)


@pytest.mark.parametrize("text, words", [
    ("A cat, wearing a HAT!", ["a", "cat", "wearing", "a", "hat"]),
    ("దీని నాయిస్ తీసివేసి కుక్కలా మార్చు", ["దీని", "నాయిస్", "తీసివేసి", "కుక్కలా", "మార్చు"]),
    ("cafe\u0301", ["caf\u00e9"]),                           # two ways to write one letter are one
    ("క్\u200cష", ["క్ష"]),                                     # an invisible sign inside a word is no part of it
    ("  --- 🙂 \n", []), ("", []), ("top-hat_2", ["top", "hat", "2"]),
])
def test_a_text_is_cut_into_words(text, words):
    assert split(text) == words


@pytest.mark.parametrize("a, b, near", [
    ("frog", "frgo", True), ("frog", "fog", True), ("frog", "froog", True), ("frog", "grog", True), ("frog", "frogs", True),
    ("frog", "rfog", True), ("frog", "frog", False), ("frog", "gorf", False), ("frog", "dogs", False), ("", "a", True), ("ab", "ba", True),
    ("abc", "cba", False), ("abcd", "badc", False)])
def test_one_slip(a, b, near):
    assert one_slip(a, b) == one_slip(b, a) == near


def test_one_slip_agrees_with_trying_every_slip():
    letters = "abc"
    words = [x + y + z for x in letters for y in ("", *letters) for z in ("", *letters)]
    for word in words:
        cut = [(word[:i], word[i:]) for i in range(len(word) + 1)]
        slips = ({a + b[1:] for a, b in cut if b} | {a + c + b for a, b in cut for c in letters}
                 | {a + c + b[1:] for a, b in cut if b for c in letters} | {a + b[1] + b[0] + b[2:] for a, b in cut if len(b) > 1}) - {word}
        assert {other for other in words if one_slip(word, other)} == slips & set(words)


def test_what_is_known_is_read_in_silence():
    assert VOCABULARY.read("a cat wearing a hat") == VOCABULARY.read("A CAT, wearing a hat?!")
    assert VOCABULARY.read("a cat").notices == ()


def test_a_slip_is_repaired_and_said():
    reading = VOCABULARY.read("a sleppy frgo")
    assert reading.words == ("a", "sleepy", "frog") and reading.notices == ("read 'sleppy' as 'sleepy'", "read 'frgo' as 'frog'")


def test_short_words_and_doubtful_ones_are_not_repaired():
    """'cow' is no 'cat', and 'bog' could be 'dog' or 'frog': they are left out, and the nearest known words are named."""
    reading = VOCABULARY.read("cow bog")
    assert reading.words == () and "'cow'" in reading.notices[0] and "near it: " in reading.notices[1] and "dog" in reading.notices[1]


WITH_SENSE = Vocabulary(tuple("a cat rat kitty dog pet bear wears hat left leftwards".split()), length=8).with_sense(Sense(
    means={"cat": 1, "kitty": 1, "rat": 2, "dog": 3, "bear": 4, "hat": 5}, instead={"left": "", "leftwards": "hat", "dogs": "dog", "rug": ""},
    subjects=frozenset({"cat", "rat", "kitty", "dog", "bear", "pet"})))


@pytest.mark.parametrize("text, words", [
    ("bears", ["bear"]),                                     # "wears" is a slip away too, but means nothing by itself
    ("ckitty", ["kitty"]), ("catt", ["cat"]),                # "hatt" would be "hat"
    ("dogs", ["dog"]),                                       # told what is read instead
    ("dgo", ["dog"]), ("a dgo", ["a", "dog"]), ("dgo hat", ["dog", "hat"]),
    ("pat", []), ("bat", []),                                # "cat" or "rat", which are two things
    ("dgo cat", ["cat"]), ("dgo pet", ["pet"]),              # the text has its subject
    ("hta", []), ("ha", []),                                 # short, and no subject
    ("rug", []), ("left", []), ("lefts", []),                # said to be no slip, and words that count as unknown
    ("leftwards", ["hat"]),
])
def test_the_meaning_decides_between_words_that_are_one_slip_away(text, words):
    reading = WITH_SENSE.read(text)
    assert list(reading.words) == words
    assert WITH_SENSE.decode(WITH_SENSE.encode([text])[0]) == reading.words
    changed = [word for word in split(text) if word not in words]
    assert len(reading.notices) == len(changed) and all(repr(word) in notice for word, notice in zip(changed, reading.notices))


def test_without_a_sense_each_word_means_itself():
    plain = Vocabulary(WITH_SENSE.words, length=8)
    assert plain.read("bears dgo").words == () and plain.read("left leftwards").notices == ()
    assert Vocabulary(("bear", "beard")).read("beart").words == ()


def test_the_nearest_words_are_words_that_mean_something_and_one_at_least():
    assert nearest("zzz", ["cat", "dog"]) == ["cat"] and nearest("dogcat", ["bear", "dog", "cat", "dogca"]) == ["dogca", "dog", "cat"]
    assert WITH_SENSE.read("wearsss").notices == ("the word 'wearsss' is not known here and was left out; near it: bear",)
    assert WITH_SENSE.read("lefty").notices[0].endswith("near it: kitty")


@pytest.mark.parametrize("text", ["", "🙂🙂", "\x00\u202e\ud800", "a" * 10_000, "word " * 2_000, "కా" * 5_000, " ".join(map(str, range(3_000)))])
def test_every_text_is_survived(text):
    reading = VOCABULARY.read(text)
    assert len(reading.words) <= VOCABULARY.length and len(reading.notices) <= 12
    assert VOCABULARY.encode([text]).shape == (1, VOCABULARY.length)


def test_a_long_text_is_cut_and_that_is_said():
    reading = VOCABULARY.read("cat " * 20)
    assert len(reading.words) == 8 and "first 8 of 20" in reading.notices[0]


def test_numbers_are_places_in_the_list():
    numbers = VOCABULARY.encode(["a cat", "", "a sleppy dog"])
    assert torch.equal(numbers[:, :3], torch.tensor([[1, 2, 0], [0, 0, 0], [1, 8, 6]])) and not numbers[:, 3:].any()
    assert VOCABULARY.decode(numbers[2]) == ("a", "sleepy", "dog") and VOCABULARY.decode(numbers[1]) == ()


@pytest.mark.parametrize("words, length, wrong", [(("cat", "cat"), 8, "'cat'"), (("Cat",), 8, "'Cat'"), (("top hat",), 8, "'top hat'"), (("cat",), 0, "0")])
def test_a_wrong_vocabulary_is_refused(words, length, wrong):
    with pytest.raises(ValueError, match=wrong):
        Vocabulary(words, length)


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="7"):
        VOCABULARY.encode([7])
    with pytest.raises(ValueError, match=r"texts is 'a cat', .* such as \['a cat'\]"):
        VOCABULARY.encode("a cat")                           # else it would be five texts of one letter
