"""The road of a model into the page: fetched with progress, kept on the shelf, shared, stopped, closed; and what is said when it fails.

The pages here are made of three files and answered by the test itself: `mount.js`, a figure that does nothing, and the model.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from sphinx.errors import ExtensionError

import diffusion_lib as dl
from conftest import ROOT
from diffusion_lib import engine
from diffusion_lib.figures import _models
from test_engine_workers import SHARED, tiny_reader

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import booktools  # noqa: E402

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


def test_from_a_file_the_page_says_why_not(browser, tmp_path):
    """The layout's own line, in a page that lies on the disk, and in the same page from a server."""
    layout = (ROOT / "book" / "_theme" / "layout.html").read_text(encoding="utf-8")
    (line,) = re.findall(r"{%- if has_figures %}\s*(<script>.*?file:.*?</script>)", layout, re.DOTALL)
    (tmp_path / "page.html").write_text(f'<!doctype html><title>Page</title><div data-figure="probe"><div>A still picture</div></div>{line}', encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("[data-figure]").inner_text().split("\n")[0] == "A still picture"
    assert "opened from a file" in page.locator("[data-figure] p").inner_text()
    page.route("https://book.test/", lambda route: route.fulfill(path=tmp_path / "page.html"))
    page.goto("https://book.test/")
    assert page.locator("[data-figure] p").count() == 0
    page.close()


def test_the_build_lays_only_what_pages_ask_for(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(_models, "content_of", contents.__getitem__)
    about = _models.models_for(("tiny",), published=True)
    folder, app = tmp_path / "_static" / "models", SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="html"))
    folder.mkdir(parents=True)
    (folder / "old.0123456789ab.bin").write_bytes(b"of an earlier build")
    (tmp_path / "page.html").write_text(f'<script type="application/json">{json.dumps({"models": about})}</script>', encoding="utf-8")
    (tmp_path / "plain.html").write_text("<p>No figure.</p>", encoding="utf-8")
    booktools.lay_models(app, None)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {Path(a["file"]).name: contents[name] for name, a in about.items()}
    assert all(hashlib.sha256(file.read_bytes()).hexdigest()[:12] in file.name for file in folder.iterdir())
    (tmp_path / "page.html").write_text('{"file": "models/tiny.0123456789ab.bin"}', encoding="utf-8")
    with pytest.raises(ExtensionError, match="tiny.0123456789ab.bin"):
        booktools.lay_models(app, None)


def test_what_a_kernel_sends_needs_no_server(site):
    """As anywidget hands it over: a view into a larger buffer, at any place."""
    page = site()
    same = page.evaluate(f"""async () => {{ {OPEN}
        const first = await m.openModel(model, 'tiny'), models = {{ ...model.get('models') }}, here = model.get('_static');
        for (const [name, about] of Object.entries(models)) {{
          const content = new Uint8Array(await (await fetch(new URL(about.file, here))).arrayBuffer()), larger = new Uint8Array(content.length + 8);
          larger.set(content, 3);
          models[name] = {{ ...about, file: 'sent-' + about.file, content: new DataView(larger.buffer, 3, content.length) }};
        }}
        const sent = {{ get: (name) => ({{ models }})[name] }}, second = await m.openModel(sent, 'tiny'), pictures = [];
        for (const opened of [first, second]) {{ {DRAW} pictures.push(Array.from(last)); opened.close(); }}
        return JSON.stringify(pictures[0]) === JSON.stringify(pictures[1]) && pictures[0].some((value) => value); }}""")
    assert same and len(asked_models(page)) == 4


def test_figures_of_a_page_share_a_model_and_the_last_gives_it_back(site):
    page = site(figures=2)
    found = page.evaluate("""async () => {
        const hired = [], Native = Worker;
        window.Worker = class extends Native {
          constructor(...given) { super(...given); hired.push(this); this.alive = true; }
          terminate() { this.alive = false; super.terminate(); }
        };
        const [a, b] = figures, alive = () => hired.filter((worker) => worker.alive).length;
        const opened = await Promise.all([a, b, b].map(({ model, m }) => m.openModel(model, 'tiny')));
        const counts = [hired.length, alive()];
        opened[0].close(); opened[0].close(); opened[1].close();
        counts.push(alive());
        const x = new Float32Array(3072), answered = await opened[2].ask(x, 0, []);
        opened[2].close();
        counts.push(alive(), a.m.OPENED.size);
        const late = await opened[2].ask(x, 0, []).then(() => 'answered', (error) => error.message);
        const again = await a.m.openModel(a.model, 'tiny'), other = await again.ask(x, 0, []);
        return { counts, late, same: answered.every((y, i) => y === other[i]), cores: navigator.hardwareConcurrency }; }""")
    workers = 2 if found["cores"] >= 4 else 1
    assert found["counts"] == [workers, workers, workers, 0, 0] and found["late"] == "closed" and found["same"]
    assert len(asked_models(page)) == 2


def test_two_workers_where_there_are_four_cores(site):
    page = site()
    hired = page.evaluate(f"""async () => {{ {OPEN}
        let hired = 0;
        const Native = Worker, counts = [];
        window.Worker = class extends Native {{ constructor(...given) {{ super(...given); hired += 1; }} }};
        for (const cores of [1, 3, 4, 16]) {{
          Object.defineProperty(navigator, 'hardwareConcurrency', {{ value: cores, configurable: true }});
          hired = 0;
          (await m.openModel(model, 'tiny')).close();
          counts.push(hired);
        }}
        return counts; }}""")
    assert hired == [1, 1, 2, 2]


SPOILT = {
    "not there": ("tiny", lambda b: KeyError, "missing", "404"),
    "a page instead": ("tiny", lambda b: b"<!doctype html><title>Not found</title>", "damaged", "39 bytes, not"),
    "cut off": ("tiny", lambda b: b[:len(b) // 2], "damaged", "bytes, not"),
    "one bit": ("tiny", lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:], "damaged", "checksum"),
    "no connection": ("tiny", lambda b: None, "offline", "connection"),
    "the engine not there": ("unet", lambda b: KeyError, "missing", "404"),
    "the engine cut off": ("unet", lambda b: b[:-1], "damaged", "bytes, not"),
    "the engine, one bit": ("unet", lambda b: b[:2000] + bytes([b[2000] ^ 1]) + b[2001:], "damaged", "checksum"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_model_that_does_not_come_is_a_sentence_and_may_be_tried_again(site, name):
    page = site()
    which, spoil, code, words = SPOILT[name]
    place, good = page.place[which], page.files[page.place[which]]
    if (bad := spoil(good[1])) is KeyError:
        del page.files[place]
    else:
        page.files[place] = (good[0], bad)
    kind, said, message, telugu = failing(page)
    assert (kind, said) == ("Error", code) and words in message
    assert message[0].isupper() and message.endswith(".") and telugu.endswith(".") and any("\u0c00" <= letter <= "\u0c7f" for letter in telugu)
    page.files[place] = good
    assert failing(page) == ["nothing"]


def test_what_the_browser_keeps_damaged_is_fetched_past_it(site):
    page = site()
    kind, content = page.files[page.place["tiny"]]
    page.route(f"**/{page.place['tiny']}", lambda route: route.fulfill(body=content[:-9] + b"x" + content[-8:], content_type=kind), times=1)
    assert failing(page) == ["nothing"] and page.asked.count(page.place["tiny"]) == 1


def test_what_lies_damaged_on_the_shelf_is_fetched_again(site):
    page = site()
    assert failing(page) == ["nothing"]
    page.wait_for_function("async () => (await (await caches.open('out-of-static')).keys()).length === 2")
    page.evaluate("""async () => {
        const shelf = await caches.open('out-of-static');
        for (const request of await shelf.keys()) {
          const content = new Uint8Array(await (await shelf.match(request)).arrayBuffer());
          content[content.length - 9] ^= 1;
          await shelf.put(request, new Response(content));
        }
        window.figures[0].m.OPENED.clear(); }""")
    page.asked.clear()
    assert failing(page) == ["nothing"] and page.place["tiny"] in page.asked


def test_a_new_version_throws_the_old_one_off_the_shelf(site, contents):
    page = site()
    page.evaluate("""async () => (await caches.open('out-of-static')).put(
        new URL('_static/models/tiny.0123456789ab.bin', location), new Response('old'))""")
    assert failing(page) == ["nothing"]
    page.wait_for_function("async () => (await (await caches.open('out-of-static')).keys()).length === 2")
    kept = page.evaluate("async () => (await (await caches.open('out-of-static')).keys()).map(({ url }) => url)")
    assert sorted(kept) == sorted(SECURE + place for place in page.place.values())


def test_coming_can_be_stopped_and_begun_again(site):
    page = site(figures=2)
    names = page.evaluate("""async () => {
        const [a, b] = figures, one = new AbortController(), two = new AbortController(), name = (error) => error.name, open = () => 'opened';
        const first = a.m.openModel(a.model, 'tiny', { signal: one.signal }).then(open, name);
        const second = b.m.openModel(b.model, 'tiny', { signal: two.signal }).then(open, name);
        one.abort();
        const names = [await first, await second, a.m.OPENED.size];          // the other figure still gets its model
        const third = a.m.openModel(a.model, 'tiny', { signal: one.signal }).then(open, name);
        a.m.OPENED.clear();
        const last = new AbortController(), fourth = a.m.openModel(a.model, 'tiny', { signal: last.signal }).then(open, name);
        last.abort();
        return [...names, await third, await fourth, a.m.OPENED.size]; }""")
    assert names == ["AbortError", "opened", 1, "AbortError", "AbortError", 0]
    assert failing(page) == ["nothing"]


def test_stop_asks_nothing_more(site):
    page = site()
    found = page.evaluate(f"""async () => {{ {OPEN}
        const opened = await m.openModel(model, 'tiny'), stop = new AbortController();
        let asked = 0, states = 0;
        const ask = (...question) => {{ if (++asked === 5) stop.abort(); return opened.ask(...question); }};
        const draw = async () => {{
          for await (const state of m.walk(ask, opened.file, {{ said: 'a cat', steps: 20, signal: stop.signal }})) states += 1;
        }};
        const ended = await draw().then(() => 'ran on', (e) => e.name);
        await new Promise((done) => setTimeout(done, 200));
        return [ended, states, asked]; }}""")
    assert found == ["AbortError", 2, 6]                     # two questions a step: the third pair was on its way


def test_without_simd_and_without_a_kernel_it_says_so(site):
    page = site()
    codes = page.evaluate(f"""async () => {{ {OPEN}
        const code = (given) => m.openModel(given, 'tiny').then(() => 'nothing', (error) => error.code), validate = WebAssembly.validate;
        const codes = [await code({{ get: () => undefined }}), await code({{ get: (name) => (name === 'models' ? model.get(name) : undefined) }})];
        WebAssembly.validate = () => false;
        codes.push(await code(model));
        WebAssembly.validate = validate;
        codes.push(await code({{ get: (name) => (name === '_static' ? 'file:///book/' : model.get(name)) }}));
        return codes; }}""")
    assert codes == ["kernel", "kernel", "browser", "file"]
