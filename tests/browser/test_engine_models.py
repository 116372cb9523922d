"""The road of a model into the page: fetched with progress, kept on the shelf, shared, stopped, closed; and what is said when it fails.

The pages here are made of three files and answered by the test itself: `mount.js`, a figure that does nothing, and the model.
"""

import json

import pytest
import torch

import diffusion_lib as dl
from conftest import ROOT
from diffusion_lib import engine
from diffusion_lib.figures import _models
from test_engine_workers import SHARED, tiny_reader

SECURE, PLAIN = "https://book.test/deep/", "http://book.test/deep/"   # a browser has no shelf for pages of plain http
FIGURE = """
export default { render({ model, el }) {
  (window.figures ??= []).push({ model, m: { openModel, openJudge, walk, troubleIn, staticOf, OPENED } });
} };"""


@pytest.fixture(scope="module")
def reader() -> dl.NeuralDenoiser:
    return tiny_reader()


@pytest.fixture(scope="module")
def contents(reader) -> dict[str, bytes]:
    return {"unet": engine.wasm(), "tiny": engine.pack(reader)}


@pytest.fixture
def site(browser, contents, monkeypatch):
    """site(address, figures=1) -> a page of that address with so many figures; `page.files` may be changed, `page.asked` grows."""
    monkeypatch.setattr(_models, "content_of", contents.__getitem__)
    contexts = []

    def site(address: str = SECURE, figures: int = 1):
        models = _models.models_for(("tiny",), published=True)
        data = json.dumps({"models": models})
        script = "\n".join((SHARED.read_text(encoding="utf-8"), engine.module_source(), FIGURE))
        mounts = "".join(f'<div data-figure="probe{i}"><div class="live"></div><script type="application/json">{data}</script></div>' for i in range(figures))
        html = f'<!doctype html><title>Models</title>{mounts}<script type="module" src="_static/mount.js"></script>'
        files = {"page.html": ("text/html", html), "_static/mount.js": ("text/javascript", (ROOT / "book/_static/mount.js").read_text(encoding="utf-8")),
                 **{f"_static/figures/probe{i}.js": ("text/javascript", script) for i in range(figures)},
                 **{f"_static/{about['file']}": ("application/octet-stream", contents[name]) for name, about in models.items()}}
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.files, page.asked, page.place = files, [], {name: f"_static/{about['file']}" for name, about in models.items()}

        def answer(route):
            name = route.request.url.removeprefix(address)
            page.asked.append(name)
            if name not in files:
                return route.fulfill(status=404, body="")
            kind, body = files[name]
            return route.abort() if body is None else route.fulfill(body=body, content_type=kind)

        page.route("**/*", answer)
        page.goto(address + "page.html")
        page.wait_for_function("count => window.figures?.length === count", arg=figures)
        return page

    yield site
    for context in contexts:
        context.close()


OPEN = "const [{ model, m }] = figures; "
DRAW = """let last; for await (const { x } of m.walk(opened.ask, opened.file, { said: 'a cat', steps: 4 })) last = x;"""


def asked_models(page) -> list[str]:
    return [name for name in page.asked if "/models/" in name]


def failing(page) -> list:
    """[name, code, message, in Telugu] of the error with which opening ends."""
    return page.evaluate(f"""async () => {{ {OPEN}
        return m.openModel(model, 'tiny').then(() => ['nothing'], (e) => [e.name, e.code, e.message, m.troubleIn(e, 'te')]); }}""")


@pytest.mark.parametrize("address", [SECURE, PLAIN])
def test_a_model_comes_with_progress_and_draws_pythons_picture(site, reader, contents, address):
    page = site(address)
    assert not asked_models(page), "a model was fetched before anybody asked for it"
    picture, told = page.evaluate(f"""async () => {{ {OPEN}
        const told = [], opened = await m.openModel(model, 'tiny', {{ progress: (...far) => told.push(far) }});
        {DRAW}
        return [Array.from(last), told]; }}""")
    right = dl.sample(dl.ClassifierFreeGuidance(reader, 2.0), (1, 3, 32, 32), steps=4, sampler=dl.DPMSolverPP2M(), cond=["a cat"],
                      generator=dl.CounterGenerator(7))
    assert (torch.tensor(picture) - right.flatten()).abs().max() < 1e-3
    everything = sum(map(len, contents.values()))
    assert told[0][0] < everything and told[-1] == [everything, everything] and told == sorted(told)
    assert sorted(asked_models(page)) == sorted(page.place.values())
    page.reload()
    page.wait_for_function("window.figures?.length")
    page.asked.clear()
    page.evaluate(f"async () => {{ {OPEN} (await m.openModel(model, 'tiny')).close(); }}")
    assert bool(asked_models(page)) == (address == PLAIN)
