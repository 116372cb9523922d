"""How the tests read a figure, and what they compare it with: the library itself."""

import base64
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import diffusion_lib as dl

T = 1000
NETWORK = "**/models/pets32-text*"                           # where pages fetch it
SCHEDULE = dl.LinearBetaSchedule(num_steps=T)


def picture(address: str) -> Tensor:
    """The picture in a data: address, decoded without the page's help: (3, H, W)."""
    image = Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))).convert("RGB")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1


def film(address: str, value_range: float) -> Tensor:
    """The square pictures in a file whose rows are the lives of pixels: (N, 3, H, H)."""
    lives = picture(address) * value_range                   # (3, H H, N)
    size = round(lives.shape[1] ** 0.5)
    return lives.permute(2, 0, 1).unflatten(2, (size, size))


def guesses_of(walk: dict) -> Tensor:
    return film(walk["guesses"], walk["guess_range"])


def spoil(page, fault: str) -> None:
    """From now on the network does not come as it should: "404", "cut off", "damaged" or "broken off"."""
    def answer(route):
        if fault in ("404", "broken off"):
            return route.fulfill(status=404, body="") if fault == "404" else route.abort()
        content = bytearray(route.fetch().body())
        if fault == "cut off":
            del content[len(content) // 2:]
        else:
            content[-1000] ^= 1
        return route.fulfill(body=bytes(content))

    page.route(NETWORK, answer)


def told_of(fault: str) -> str:
    """What a figure's sentence has to name then."""
    return {"404": "404", "cut off": "bytes, not", "damaged": "checksum", "broken off": "connection"}[fault]


def static(seed: int, size: int, first: int = 0) -> Tensor:
    return dl.randn((3, size, size), dl.CounterGenerator(seed, first))


def on_screen(x: Tensor) -> Tensor:
    """(3, H, W) in [-1, 1] -> whole numbers 0 ... 255, (H, W, 3)."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0)


def canvas(figure, caption: str) -> Tensor:
    """What the canvas with this caption shows, (H, W, 3)."""
    tile = figure.locator(".live-tile", has_text=caption).locator("canvas")
    return canvas_pixels(tile)


def canvas_pixels(tile) -> Tensor:
    size, values = tile.evaluate("c => [c.width, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]")
    return torch.tensor(values).reshape(size, size, 4)[..., :3].float()


def levels_apart(shown: Tensor, expected: Tensor) -> float:
    """The largest difference of two pictures on the screen, in levels of 0 ... 255."""
    assert shown.shape == expected.shape, (shown.shape, expected.shape)
    return float((shown - expected).abs().max())


def number(figure, name: str) -> float:
    text = figure.locator(f'[data-number="{name}"]').first.text_content()
    return float(text.replace("−", "-").replace("%", "").strip())


def set_time(figure, t: int) -> None:
    slider = figure.locator(".live-time input[type=range]")
    slider.evaluate("(s, t) => { s.value = t; s.dispatchEvent(new Event('input', { bubbles: true })); }", t)


def ddim_walk(seed: int, stops: list[int], guesses: Tensor) -> list[Tensor]:
    """The states of DDIM's walk, by the library's own sampler, with recorded guesses in the place of the network."""
    x = static(seed, guesses.shape[-1])[None] * SCHEDULE.sigma(1.0).float()
    states = [x[0]]
    for k, (t, s) in enumerate(zip(stops, [*stops[1:], 0])):
        x = step_with(dl.DDIM(), x, guesses[k][None], t, s)
        states.append(x[0])
    return states


def step_with(sampler, x: Tensor, x0: Tensor, t: int, s: int, z: Tensor | None = None) -> Tensor:
    """One step of a sampler of the library from t to s, given the model's guess of x0 and the fresh noise z."""
    at = dl.coefficients(SCHEDULE, t / T, x)
    belief = dl.Prediction(x0, (x - at.alpha * x0) / at.sigma, at)
    state = dl.State(x, torch.tensor(t / T, dtype=torch.float64), belief)
    return sampler.step(state, torch.tensor(s / T, dtype=torch.float64), None, SCHEDULE, lambda: z)
