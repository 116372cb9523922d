"""Whose hat is it: scenes whose mistakes are made on purpose are told apart."""

import pytest
import torch

from diffusion_lib.binding import BINDINGS, binding, bindings, relations
from diffusion_lib.data.pets import NAMES
from diffusion_lib.judging import prompts

ASKED = prompts(300, 5, scene=True)
HAT, FUR = NAMES.index("hat"), NAMES.index("fur")
RIGHT, SWAPPED, MIXED, WRONG = range(4)
TWINS = (ASKED[:, 0] == ASKED[:, 1])                         # (n, A): what both pets have in common


def crossed(*columns: int) -> torch.Tensor:
    """The scenes as they were asked for, but the pets wear each other's attributes of these columns."""
    found = ASKED.clone()
    for column in columns:
        found[:, :, column] = ASKED[:, :, column].flip(1)
    return found


def test_what_was_asked_for_is_right():
    assert (binding(ASKED, ASKED) == RIGHT).all()
    assert bindings(ASKED, ASKED) == {"right": (1, 0), "swapped": (0, 0), "mixed": (0, 0), "wrong": (0, 0)}


def test_pets_on_each_others_side_are_swapped():
    """... except pets that are alike in everything, of whom nobody could say so."""
    twins = TWINS.all(1)
    assert (binding(ASKED.flip(1), ASKED) == torch.where(twins, RIGHT, SWAPPED)).all() and twins.sum() < 3


def test_a_hat_on_the_wrong_head_is_a_mix():
    found, alike = binding(crossed(HAT), ASKED), TWINS[:, HAT]
    assert alike.any() and (found[alike] == RIGHT).all() and (found[~alike] == MIXED).all()
    alike = TWINS[:, [HAT, FUR]].all(1) | TWINS[:, [n for n in range(len(NAMES)) if n not in (HAT, FUR)]].all(1)
    assert (binding(crossed(HAT, FUR), ASKED)[~alike] == MIXED).all()


def test_a_hat_that_nobody_asked_for_is_wrong():
    found = ASKED.clone()
    found[:, 1, HAT] = torch.tensor([next(h for h in range(8) if h not in pair.tolist()) for pair in ASKED[:, :, HAT]])
    assert (binding(found, ASKED) == WRONG).all()
    found = ASKED.clone()
    found[:, 1] = found[:, 0]                                # both are the left pet: the right one is nowhere
    assert (binding(found, ASKED)[~TWINS.all(1)] == WRONG).all()


def test_what_was_not_asked_cannot_be_wrong():
    asked, found = ASKED.clone(), ASKED.clone()              # the left pet may wear what it likes
    asked[:, 0, HAT], found[:, 0, HAT] = -1, (found[:, 0, HAT] + 1) % 8
    assert (binding(found, asked) == RIGHT).all()
    assert (binding(found.flip(1), asked)[~TWINS[:, [n for n in range(len(NAMES)) if n != HAT]].all(1)] == SWAPPED).all()


def test_shares_add_up_and_chance_is_wrong():
    found = torch.cat([ASKED[:100], ASKED[100:200].flip(1), crossed(HAT)[200:250], prompts(50, 6, scene=True)])
    shares = bindings(found, ASKED)
    alike = int(TWINS[200:250, HAT].sum())
    assert tuple(shares) == BINDINGS and sum(each.value for each in shares.values()) == pytest.approx(1)
    assert [each.value * 300 for each in shares.values()] == pytest.approx([100 + alike, 100, 50 - alike, 50])


def test_relations_take_turns():
    found = ASKED.clone()
    found[1::3] = found[1::3].flip(1)                        # who is asked in the second of three ways swaps them
    assert [each.value for each in relations(found, ASKED, ["a", "b", "c"]).values()] == [1, 0, 1]
    assert tuple(relations(found[:2], ASKED[:2], ["a", "b", "c"])) == ("a", "b")


@pytest.mark.parametrize("found, asked", [(torch.zeros(3, 7), torch.zeros(3, 7)), (torch.zeros(3, 2, 7), torch.zeros(2, 2, 7))])
def test_other_shapes_are_refused(found, asked):
    with pytest.raises(ValueError, match="n, 2, A"):
        binding(found, asked)
