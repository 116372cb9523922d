"""The engine in Workers, in a browser: answers as Python gives them, stopped at once, and errors that say what is wrong."""

import base64

import pytest
import torch

import diffusion_lib as dl
from conftest import ROOT
from diffusion_lib import engine
from diffusion_lib.conditioning import TextConditioner
from diffusion_lib.words import Vocabulary

SHARED = ROOT / "diffusion_lib" / "figures" / "js" / "_shared.js"


def tiny_reader() -> dl.NeuralDenoiser:
    """Small, with no weight at zero."""
    conditioner = TextConditioner(Vocabulary(("a", "cat", "frog", "hat"), length=6), width=32, layers=1)
    network = dl.UNet(dl.UNetConfig(stem=8, widths=(32, 32), blocks=(1, 1), attention=(False, False), embedding=32, reads=(0,)), conditioner)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_((0.2 * torch.randn(weight.shape, generator=generator)).half())
    return dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW, data_std=0.56).eval()


@pytest.fixture(scope="module")
def model() -> dl.NeuralDenoiser:
    return tiny_reader()


@pytest.fixture
def in_page(open_page, model):
    """in_page(code): what an async function `code` returns, given the engine's module `m`, its `wasm` and the `model`."""
    page = open_page("search.html")
    given = {"source": "\n".join((SHARED.read_text(encoding="utf-8"), engine.module_source())),
             "wasm": base64.b64encode(engine.wasm()).decode(), "model": base64.b64encode(engine.pack(model)).decode()}
    return lambda code: page.evaluate(f"""async (given) => {{
        const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
        const m = await import(URL.createObjectURL(new Blob([given.source], {{ type: 'text/javascript' }})));
        const wasm = bytes(given.wasm), model = m.unpack(bytes(given.model));
        {code} }}""", given)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_walk_through_workers_is_pythons(in_page, model, workers):
    found = in_page(f"""
        const network = m.hireWorkers(wasm, model, {workers});
        await network.ready;
        let last;
        for await (const state of m.walk(network.ask, model, {{ said: 'a cat', steps: 5 }})) last = state.x;
        network.close();
        return Array.from(last);""")
    guided = dl.ClassifierFreeGuidance(model, 2.0)
    right = dl.sample(guided, (1, 3, 32, 32), steps=5, sampler=dl.DPMSolverPP2M(), cond=["a cat"], generator=dl.CounterGenerator(7))
    alone = dl.sample(model, (1, 3, 32, 32), steps=5, sampler=dl.DPMSolverPP2M(), generator=dl.CounterGenerator(7))
    assert (torch.tensor(found) - right.flatten()).abs().max() < 1e-3
    assert (alone - right).abs().max() > 0.05, "the words change nothing: this test sees nothing"


def test_stopping_ends_what_was_asked(in_page):
    assert in_page("""
        const network = m.hireWorkers(wasm, model), asked = network.ready.then(() => 'an answer', (error) => error.message);
        network.close();
        return asked;""") == "closed"


def test_what_goes_wrong_in_a_worker_is_said(in_page):
    wrong, none = in_page("""
        const network = m.hireWorkers(wasm, { ...model, halves: model.halves.slice(2) }), broken = m.hireWorkers(new ArrayBuffer(8), model);
        const said = (promise) => promise.then(() => 'nothing', (error) => error.message);
        await network.ready;
        const answers = [await said(network.ask(new Float32Array(3072), 0, [])), await said(broken.ready)];
        network.close(); broken.close();
        return answers;""")
    assert wrong == "the weights are not those of this network" and "WebAssembly" in none


def test_bytes_come_with_progress(in_page):
    name = "_static/figures/figures.css"
    length, told, stopped = in_page(f"""
        const told = [];
        const content = await m.fetchBytes(new URL('{name}', location), (...numbers) => told.push(numbers));
        const stopped = await m.fetchBytes(new URL('{name}', location), () => {{}}, AbortSignal.abort()).catch((error) => error.name);
        return [content.byteLength, told, stopped];""")
    assert told[-1] == [length, length] and length > 1000 and stopped == "AbortError"
