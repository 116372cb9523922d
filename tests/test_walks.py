"""The walks that figures show: whole stops, and what does not fit is refused before anything is drawn."""

import pytest

from diffusion_lib.figures import record_ancestral, record_walks
from diffusion_lib.figures._walks import stops_of
from tiny import tiny_denoiser


def test_stops_are_whole_and_evenly_spread():
    assert stops_of(4) == [1000, 750, 500, 250, 0] and stops_of(1) == [1000, 0] and stops_of(1000) == list(range(1000, -1, -1))


@pytest.mark.parametrize("call, says", [
    (lambda model: stops_of(3), "steps is 3, but it has to divide 1000"), (lambda model: stops_of(0), "steps is 0"), (lambda model: stops_of(-4), "steps is -4"),
    (lambda model: record_walks(model, ["a cat"], seeds=[1, 2], size=8), "there are 1 captions and 2 seeds"),
    (lambda model: record_walks(model, ["a cat"], seeds=[1], steps=7, size=8), "steps is 7"),
    (lambda model: record_ancestral(model, "a cat", seed=1, steps=7, size=8), "steps is 7"),
    (lambda model: record_ancestral(model, "a cat", seed=1, steps=4, keep=(1000, 600, 0), size=8),
     r"keep has \[0, 600\], but 4 steps start only at multiples of 250 above 0")])
def test_what_does_not_fit_is_refused(call, says):
    model = tiny_denoiser()
    model.network.forward = None                             # nobody asks it
    with pytest.raises(ValueError, match=says):
        call(model)
