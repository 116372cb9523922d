"""A reader learns to read: who is left and who is right, before there is a picture; then it stays as it is."""

import re
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from diffusion_lib import comprehension
from diffusion_lib.checkpoints import load_checkpoint
from diffusion_lib.comprehension import BATCH, Comprehension, comprehension_loss, learn_to_read
from diffusion_lib.data.pets import SIZES, CaptionedPets, Captions, PartyPets
from diffusion_lib.networks.text import TextEncoder
from diffusion_lib.recipes import RecipeError, parse_recipe
from diffusion_lib.runs import read_first, run_recipe
from tiny import RECIPE

TEXT = RECIPE.replace('"party pets"', '"captioned pets"').replace('name = "attributes"\nwidth = 16', 'name = "text"\nwidth = 32\nlayers = 1') + f"""
[comprehension]
captions = {2 * BATCH}
"""
LEFT_OF, RIGHT_OF = 4, 5                                     # after three animals


class WhoIsLeft(Dataset):
    """Texts of three words: "1 left of 2" is 1 4 2, and "2 right of 1", which means the same, is 2 5 1."""

    sizes = (3,)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        left, right, turned = index % 3, (index % 3 + 1 + index // 3 % 2) % 3, index // 6 % 2
        words = (right + 1, RIGHT_OF, left + 1) if turned else (left + 1, LEFT_OF, right + 1)
        return torch.tensor(words), torch.tensor([[left], [right]])


def fresh_reader(words: int = 5, length: int = 3) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(words, length, 32, 1)


def test_a_reader_learns_who_is_left():
    reader, texts = fresh_reader(), WhoIsLeft()
    for step in learn_to_read(reader, texts, 300 * BATCH, seed=3):
        model = step.ema
    assert step.index == 300
    numbers, said = (torch.stack(column) for column in zip(*(texts[k] for k in range(12))))
    (logits,) = model(numbers)
    assert torch.equal(logits.argmax(2), said[:, :, 0])
    assert not any(parameter.requires_grad for parameter in reader.parameters())


@pytest.mark.parametrize("processes, lesson", [(2, 128), (3, 126), (5, 125)])
def test_a_lesson_is_shared_evenly(processes, lesson, monkeypatch):
    """Whoever trains with so many processes has not chosen how many captions a lesson has."""
    asked = []
    monkeypatch.setattr(comprehension, "train", lambda model, captions, config, **rest: asked.append(config) or ())
    list(learn_to_read(fresh_reader(), WhoIsLeft(), 10 * BATCH, seed=3, accelerator=SimpleNamespace(num_processes=processes)))
    assert (asked[0].batch_size, asked[0].steps) == (lesson, 10 * BATCH // lesson)


def test_what_was_left_open_is_an_answer_too():
    """With heads that know nothing, each answer costs the logarithm of how many there are: the values, and "not said"."""
    model = Comprehension(fresh_reader(), 2, (4, 9))
    for head in model.heads:
        torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    numbers, said = torch.tensor([[1, 2, 0], [3, 0, 0]]), torch.tensor([[[0, 8], [3, -1]], [[-1, -1], [-1, 2]]])
    terms = comprehension_loss(model, numbers, said)
    five, ten = torch.tensor([5.0, 10.0]).log()
    torch.testing.assert_close(terms.per_sample, torch.stack([2 * five + 2 * ten] * 2))
    torch.nn.init.constant_(model.heads[1].bias[9:], 100.0)  # sure that the second attribute was never said: free where that is so
    sure = comprehension_loss(model, numbers, said).per_sample
    torch.testing.assert_close(sure, torch.stack([2 * five + 100, 2 * five + 100]), rtol=1e-3, atol=0)


@pytest.mark.parametrize("scene", [False, True])
def test_captions_are_those_of_the_pictures(scene):
    data = CaptionedPets(64, scene=scene, unsaid=0.5, seed=3, length=64)
    captions, places = Captions(data), [5, 0, 17]
    numbers, attributes = zip(*captions.__getitems__(places))
    assert torch.equal(torch.stack(numbers), data.batch(places)[1])
    assert torch.equal(torch.stack(attributes), PartyPets(64, scene=scene, unsaid=0.5, seed=3).batch(places)[1])
    assert captions.sizes == SIZES and torch.equal(captions[17][0], numbers[2])


def test_a_run_teaches_the_reader_first_and_leaves_it_alone_then(tmp_path):
    recipe, twin = parse_recipe(TEXT, "tiny"), parse_recipe(TEXT, "tiny")
    for _ in read_first(twin):
        pass
    finished = load_checkpoint(run_recipe(recipe, tmp_path))
    before, taught = (parse_recipe(TEXT, "tiny").model, twin.model)
    for name, tensor in finished.network.conditioner.reader.state_dict().items():
        torch.testing.assert_close(tensor, taught.network.conditioner.reader.state_dict()[name].half().float())
    assert not torch.equal(taught.network.conditioner.reader.words.weight, before.network.conditioner.reader.words.weight)
    assert not torch.equal(finished.network.stem.weight, before.network.stem.weight)


def test_a_recipe_says_how_much_is_read():
    assert parse_recipe(TEXT, "tiny").captions == 2 * BATCH
    assert all(p.requires_grad for p in parse_recipe(re.sub("captions = .*", "captions = 0", TEXT), "tiny").model.parameters())
    with pytest.raises(RecipeError, match=r"\[comprehension\].*captions is 5, .* at least 128"):
        parse_recipe(re.sub("captions = .*", "captions = 5", TEXT), "tiny")
