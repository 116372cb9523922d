"""What was said, what was left unsaid, and what was silenced reach the network as different vectors, or as the same one."""

import pytest
import torch

from diffusion_lib.conditioning import AttributeConditioner, ClassConditioner, TextConditioner
from diffusion_lib.words import Vocabulary
from exact import max_error

SIZES = (3, 4, 2)


@pytest.fixture
def conditioner():
    torch.manual_seed(0)
    return AttributeConditioner(SIZES, 16)


def vectors(conditioner, cond, keep=None):
    batch = len(cond) if cond is not None else len(keep)
    return conditioner(None if cond is None else torch.tensor(cond), batch, keep).vector


def test_every_value_has_a_row_of_its_own(conditioner):
    rows = [[a, b, c] for a in range(-1, 3) for b in range(-1, 4) for c in range(-1, 2)]
    distances = torch.cdist(vectors(conditioner, rows), vectors(conditioner, rows))
    assert distances.fill_diagonal_(1).min() > 1e-3


def test_vector_is_the_mlp_of_the_summed_rows(conditioner):
    first = torch.tensor([0, SIZES[0] + 1, SIZES[0] + SIZES[1] + 2])      # "unsaid" of each attribute, then its values
    row = conditioner.table.weight[first + torch.tensor([2, -1, 1]) + 1].sum(0)
    assert max_error(vectors(conditioner, [[2, -1, 1]])[0], conditioner.mlp(row)) < 1e-6


def test_nothing_is_the_same_however_it_is_said(conditioner):
    silenced = vectors(conditioner, [[0, 1, 1], [2, 3, 0]], keep=torch.tensor([False, False]))
    missing = conditioner(None, 2).vector
    unsaid = vectors(conditioner, [[-1, -1, -1]] * 2)
    assert max_error(silenced, missing) == 0 and max_error(missing, unsaid) == 0


def test_keep_silences_row_by_row(conditioner):
    cond = [[0, 1, 1], [2, 3, 0]]
    mixed, told = vectors(conditioner, cond, keep=torch.tensor([True, False])), vectors(conditioner, cond)
    assert max_error(mixed[0], told[0]) < 1e-6
    assert max_error(mixed[1], conditioner(None, 1).vector[0]) < 1e-6
    assert max_error(mixed[1], told[1]) > 1e-3


def test_class_conditioner_is_one_attribute():
    torch.manual_seed(0)
    classes = ClassConditioner(5, 16)
    told = classes(torch.tensor([0, 4, -1]), 3).vector
    assert max_error(told[2], classes(None, 1).vector[0]) < 1e-6
    assert max_error(told[0], told[1]) > 1e-3


def test_every_parameter_gets_a_gradient(conditioner):
    everything = [[k % (size + 1) - 1 for size in SIZES] for k in range(60)]
    vectors(conditioner, everything).square().sum().backward()
    for name, parameter in conditioner.named_parameters():
        assert parameter.grad.abs().sum(-1).min() > 0, name


@pytest.mark.parametrize("cond, says", [
    ([[3, 0, 0]], r"cond\[:, 0\] holds 3, .* between 0 and 2"),
    ([[0, 0, -2]], r"cond\[:, 2\] holds -2"),
    ([[0, 0]], r"shape \(1, 2\).* \(1, 3\)"),
    ([[0.0, 0.0, 0.0]], "integers"),
])
def test_impossible_wishes_are_refused(conditioner, cond, says):
    with pytest.raises(ValueError, match=says):
        vectors(conditioner, cond)


def test_impossible_classes_are_refused():
    with pytest.raises(ValueError, match=r"holds 5, .* between 0 and 4"):
        ClassConditioner(5, 8)(torch.tensor([5]), 1)
    with pytest.raises(ValueError, match=r"shape \(1, 1\)"):
        ClassConditioner(5, 8)(torch.tensor([[1]]), 1)


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="at least one attribute"):
        AttributeConditioner((), 8)
    with pytest.raises(ValueError, match="sizes"):
        AttributeConditioner((3, 0), 8)


@pytest.mark.parametrize("width", [0, -32])
@pytest.mark.parametrize("make", [lambda width: AttributeConditioner(SIZES, width), lambda width: ClassConditioner(5, width),
                                  lambda width: TextConditioner(Vocabulary(("cat",), 3), width)], ids=["attributes", "class", "text"])
def test_impossible_widths_are_refused(make, width):
    with pytest.raises(ValueError, match=f"width is {width}"):
        make(width)
