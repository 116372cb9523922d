"""The site in WebKit, the engine of Safari, where this machine has it: `scripts/install.sh webkit` asks Debian for it.

It is driven by WebDriver, which is JSON over HTTP, and draws on a screen that nobody sees. Its windows cannot be as narrow as a
phone, so a phone is a frame in one.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
import torch
from conftest import free_port, page_with
from reading import levels_apart, on_screen, static

import diffusion_lib as dl

pytestmark = pytest.mark.skipif(not (shutil.which("WebKitWebDriver") and shutil.which("Xvfb")), reason="no WebKit here: scripts/install.sh webkit")
PATIENCE = 240                                               # seconds, on a machine that is busy with other things
PAGES = ("index.html", "notebooks/01_static.html", "notebooks/20_prompts.html")        # two figures, long menus, a form and words to choose from

# The functions that the scripts below may use. D is the page, or the one in the frame.
TOOLS = """const until = async (done) => { while (!done()) await new Promise(next => setTimeout(next, 50)); };
const D = document.querySelector('iframe.phone')?.contentDocument ?? document;
const live = async (figure) => { figure.scrollIntoView(); await until(() => figure.dataset.state); return figure.dataset.state; };"""


class WebKit:
    """One window. run(body of an async function) -> what it returns."""

    def __init__(self, driver: str):
        self.driver = driver
        self.session = f"/session/{self.send('/session', {'capabilities': {}})['sessionId']}"
        self.send(f"{self.session}/timeouts", {"script": 1000 * PATIENCE, "pageLoad": 1000 * PATIENCE})

    def send(self, path: str, content: dict | None, method: str = "POST"):
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.driver + path, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]

    def run(self, script: str, *given):
        code = (f"const done = arguments[arguments.length - 1]; (async (given) => {{ {TOOLS} {script} }})([...arguments].slice(0, -1))"
                ".then(value => done({ value }), error => done({ error: String(error) }));")
        answer = self.send(f"{self.session}/execute/async", {"script": code, "args": list(given)})
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def open(self, address: str) -> None:
        self.send(f"{self.session}/url", {"url": address})

    def open_on_a_phone(self, address: str, page: str, width: int) -> None:
        self.open(f"{address}search.html")
        self.run("""const [src, width] = given, phone = Object.assign(document.createElement('iframe'), { className: 'phone', src, style: `width: ${width}px; height: 800px; border: 0` });
            document.body.replaceChildren(phone);
            await new Promise(done => phone.addEventListener('load', done));""", f"{address}{page}", width)


@pytest.fixture(scope="module")
def webkit(tmp_path_factory):
    read, write = os.pipe()
    screen = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as told:
        display = f":{told.readline().strip()}"
    home, port = tmp_path_factory.mktemp("webkit"), free_port()
    around = {**os.environ, "DISPLAY": display, "HOME": str(home), "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "LIBGL_ALWAYS_SOFTWARE": "1", "NO_AT_BRIDGE": "1"}
    driver = subprocess.Popen(["WebKitWebDriver", f"--port={port}"], env=around, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as place:
                if place.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        browser = WebKit(f"http://127.0.0.1:{port}")
        yield browser
        browser.send(browser.session, None, "DELETE")
    finally:
        for process in (driver, screen):
            process.terminate()
            process.wait(20)


def test_the_network_draws_the_librarys_picture(webkit, address):
    webkit.open(f"{address}{page_with('dream_machine')}#dream_machine=prompt:a%20cat%20wearing%20a%20hat,seed:8,steps:6,guidance:2,k:6")
    values = webkit.run("""const figure = D.querySelector('[data-figure=dream_machine]');
        await live(figure);
        const shown = () => figure.querySelector('.live-tile figcaption').textContent;
        await until(() => /6.*6/.test(shown()) && !figure.querySelector('[aria-busy]'));
        return [...figure.querySelector('.live-card canvas').getContext('2d').getImageData(0, 0, 32, 32).data];""")
    network = dl.ClassifierFreeGuidance(dl.zoo.load("pets32-text"), 2.0)
    *_, end = dl.trajectory(network, static(8, 32)[None], dl.uniform_times(6), dl.DPMSolverPP2M(), ["a cat wearing a hat"])
    assert levels_apart(torch.tensor(values).reshape(32, 32, 4)[..., :3].float(), on_screen(end.x[0])) <= 1


@pytest.mark.parametrize("name", PAGES)
def test_figures_live_and_fit_a_phone(webkit, address, name):
    webkit.open_on_a_phone(address, name, 320)
    states = webkit.run("const states = []; for (const figure of D.querySelectorAll('[data-figure]')) states.push(await live(figure)); return states;")
    assert states and set(states) == {"live"}
    assert webkit.run("return D.documentElement.scrollWidth;") == 320


def test_no_line_begins_with_the_sign_that_ends_a_formula(webkit, address):
    webkit.open_on_a_phone(address, "notebooks/08_forward.html", 390)
    signs, astray = webkit.run("""for (const fold of D.querySelectorAll('details')) fold.open = true;
        const ends = [...D.querySelectorAll('span.math')].map(math => [math.querySelector('svg'), math.querySelector('mjx-container').nextSibling ?? math.nextSibling])
            .filter(([, text]) => text?.nodeType === 3 && /^[.,;:!?)]/.test(text.data));
        const first = (text) => { const range = D.createRange(); range.setStart(text, 0); range.setEnd(text, 1); return range; };
        const left = (part) => part.getBoundingClientRect().left;
        return [ends.length, ends.filter(([drawn, text]) => left(first(text)) < left(drawn)).length];""")
    assert signs > 20 and astray == 0
