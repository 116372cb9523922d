"""How fast is the engine of the page? Measured in Chromium, as a page runs it.

    python benchmarks/browser_engine.py                      # every shipped model that it runs
    python benchmarks/browser_engine.py pets32-text --rounds 5

For each model: the bytes that a reader waits for; the time from these bytes to the first state of a guided walk; one answer
of the network; a guided walk of 20 steps with one worker and with two; and the longest time for which the page itself
stood still meanwhile. Least and median of all rounds. Nothing is written down: a reader's machine is another one.
"""

import argparse
import gzip
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import diffusion_lib as dl  # noqa: E402
from diffusion_lib import engine, zoo  # noqa: E402
from diffusion_lib.networks.layers import count_flops  # noqa: E402
from scripts.quiet import refuse_when_busy  # noqa: E402
from tests.browser.conftest import BROWSERS  # noqa: E402

STEPS, ASKED = 20, 30
PAGE = "http://page.test/"
ROUND = """async ({ said, steps, asked }) => {
  const m = await import('/engine.js'), wasm = await m.fetchBytes('/unet.wasm'), content = await m.fetchBytes('/model.bin');
  const since = (before) => performance.now() - before, median = (times) => times.sort((a, b) => a - b)[times.length >> 1];
  let still = 0, before = performance.now(), on = true;
  const channel = new MessageChannel();
  channel.port1.onmessage = () => { still = Math.max(still, since(before)); before = performance.now(); if (on) channel.port2.postMessage(0); };

  const result = {};
  for (const workers of [1, 2]) {
    let began = performance.now();
    const model = m.unpack(content), network = m.hireWorkers(wasm, model, workers);
    await network.ready;
    for await (const state of m.walk(network.ask, model, { said, steps })) { result[`first${workers}`] ??= since(began); }
    still = 0; before = began = performance.now(); on = true; channel.port2.postMessage(0);
    for await (const state of m.walk(network.ask, model, { said, steps }));
    result[`walk${workers}`] = since(began);
    on = false;
    result[`still${workers}`] = still;
    if (workers === 1) {
      const x = m.staticOf(7, model.shape[0] * model.shape[1] ** 2), wish = m.wishOf(model, said), times = [];
      for (let i = 0; i < asked; i++) { const at = performance.now(); await network.ask(x, 0, wish); times.push(since(at)); }
      result.answer = median(times);
    }
    network.close();
  }
  return result;
}"""


def measure(browser, name: str, rounds: int) -> None:
    """Prints one model's table. browser: of playwright."""
    model = zoo.load(name)
    content, network = engine.pack(model), model.network
    shared = (ROOT / "diffusion_lib/figures/js/_shared.js").read_text(encoding="utf-8")
    files = {"": {"body": "<!doctype html>", "content_type": "text/html"}, "unet.wasm": {"body": engine.wasm()}, "model.bin": {"body": content},
             "engine.js": {"body": f"{shared}\n{engine.module_source()}", "content_type": "text/javascript"}}
    said = "a happy orange striped cat wearing a top hat on a blue background"
    if not isinstance(network.conditioner, dl.TextConditioner):
        said = dl.pets.parse_caption(said).tolist()
    taken = []
    for _ in range(rounds):
        page = browser.new_page()
        page.route(PAGE + "**", lambda route: route.fulfill(**files[route.request.url.removeprefix(PAGE)]))
        page.goto(PAGE)
        taken.append(page.evaluate(ROUND, {"said": said, "steps": STEPS, "asked": ASKED}))
        page.close()
    flops = count_flops(network, (network.config.channels, 32, 32))
    print(f"\n{name}: engine {len(gzip.compress(engine.wasm(), 9)):,} bytes gzip, weights {len(content):,} bytes, {flops / 1e9:.2f} GFLOP an answer without a wish")
    for key, what in {"answer": "one answer", "first1": "from the bytes to the first state, one worker", "first2": "the same, two workers",
                      "walk1": f"{STEPS} guided steps, one worker", "walk2": f"{STEPS} guided steps, two workers",
                      "still1": "longest stand-still of the page, one worker", "still2": "the same, two workers"}.items():
        times = sorted(row[key] for row in taken)
        print(f"  {what:48} {times[0]:8.1f} ms least {times[len(times) // 2]:8.1f} ms median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="of the zoo (default: all that the engine runs)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--anyway", action="store_true", help="measure although other programs keep the machine busy")
    options = parser.parse_args()
    refuse_when_busy(options.anyway)
    runnable = [model.name for model in zoo.models() if isinstance(zoo.load(model.name), dl.NeuralDenoiser)]
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print(f"Chromium {browser.version}")
        for name in options.models or runnable:
            measure(browser, name, options.rounds)
        browser.close()


if __name__ == "__main__":
    main()
