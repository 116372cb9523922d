"""What Python says in live figures, in each of their languages."""

import re

import pytest
import torch

from diffusion_lib import records
from diffusion_lib.data import pets
from diffusion_lib.figures import in_each_language
from machines import RECORDED, maker


def test_a_pet_is_the_same_in_every_language():
    for key, pet in enumerate(pets.sample_attributes(torch.arange(60))):
        for code, grammar in pets.GRAMMARS.items():
            text = pets.caption(pet, key % len(grammar.orders), grammar=grammar)
            said = in_each_language(text)
            assert said[code] == text and said.keys() == pets.GRAMMARS.keys()
            for other, words in said.items():
                assert torch.equal(pets.parse_caption(words, pets.GRAMMARS[other]), pets.parse_caption(text)), (text, words)


def test_what_is_not_there_is_said_where_it_was_said():
    assert in_each_language("a cat without a hat")["te"] == "టోపీ లేని పిల్లి"
    assert in_each_language("a cat")["te"] == "పిల్లి"


@pytest.mark.parametrize("text, telugu", [
    ("2 cores of AMD EPYC", "AMD EPYCలో 2 కోర్లు"), ("1 core of AMD EPYC", "AMD EPYCలో 1 కోర్"), ("1 core of Intel(R) Xeon(R) Processor", "Intel(R) Xeon(R) Processorలో 1 కోర్"), ("2 cores", "2 కోర్లు"),
    ("DPM-Solver++(2M), 12 steps, guidance 2", "DPM-Solver++(2M), 12 అడుగులు, మార్గదర్శకత్వం 2"), ("Colab T4", "Colab T4"),
    ("a cat wearing a crown left of a dog", "కుక్కకు ఎడమవైపు కిరీటం పెట్టుకున్న పిల్లి"), ("the cat of a neighbour", "the cat of a neighbour"), ("a black white cat", "a black white cat")])
def test_what_records_tell(text, telugu):
    assert in_each_language(text) == {"en": text, "te": telugu}


def test_all_that_the_shipped_records_tell_is_said():
    told = [records.read(file.stem) for file in records.FOLDER.glob("*.json")]
    texts = {text for one in told for text in (*one.get("prompts", ()), *one.get("wishes", ()))}
    assert len(texts) > 20 and RECORDED
    for text in texts:
        assert pets.language_of(text) == "te" or not re.search("[a-z]{2}", in_each_language(text)["te"]), text
    for text in RECORDED | {"Tesla T4", "8 cores of Neoverse-N1", "2 cores"}:
        said = in_each_language(text)["te"]
        assert maker(text) in said and not re.search("[a-z]{2}", said.replace(maker(text), "")), text
