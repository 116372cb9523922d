"""A real JupyterLab, driven by Chromium: figures and sliders work where there is a kernel, and ask no other host.

The server is .venv-grading's (nbgrader brings JupyterLab); the kernel and the front end of anywidget are .venv's, as for a
reader who installs JupyterLab beside the book.
"""

import json
import os
import re
import subprocess
import time
import urllib.request

import nbformat
import pytest
from playwright.sync_api import expect

import diffusion_lib as dl
from conftest import ROOT, free_port
from diffusion_lib.figures._base import words_of
from reading import SCHEDULE, T, canvas, canvas_pixels, levels_apart, number, on_screen, static

SERVER, KERNEL = (ROOT / folder / "bin" / "python" for folder in (".venv-grading", ".venv"))
SETUP = (ROOT / "scripts" / "setup_cell.py").read_text(encoding="utf-8")
CELLS = [SETUP, "import diffusion_lib as dl\ndl.figures.noise_schedules()", "dl.figures.dream_machine('a cat wearing a hat', steps=4, small=True)",
         "from ipywidgets import interact\ninteract(lambda steps: print(f'{steps} steps of {1 / steps:.3f}'), steps=(1, 50));"]

NOT_RUN = re.compile(r"^\[ \]:$")                             # a cell's prompt before it is asked to run
PATIENCE = 240_000                                           # milliseconds, on a machine that is busy with other things
expect.set_options(timeout=PATIENCE)

pytestmark = pytest.mark.skipif(not SERVER.exists(), reason="no .venv-grading: `make test` installs it")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab in an empty folder with one notebook."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("work", "settings/@jupyterlab/apputils-extension", "data/kernels/book"):
        (folder / name).mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings").write_text(json.dumps(quiet))
    spec = {"argv": [str(KERNEL), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Book", "language": "python"}
    (folder / "data/kernels/book/kernel.json").write_text(json.dumps(spec))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata.kernelspec = {"name": "book", "display_name": "Book", "language": "python"}
    nbformat.write(notebook, folder / "work" / "figure.ipynb")
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name not in ("BOOK_BUILD", "PYTHONPATH")}
    environment |= {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data"),
                    "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "IPYTHONDIR": str(folder / "ipython"),
                    "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
                    "JUPYTER_PATH": str(ROOT / ".venv" / "share" / "jupyter")}
    command = [str(SERVER), "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={folder / 'work'}"]
    with open(folder / "log.txt", "w") as log:
        server = subprocess.Popen(command, cwd=folder / "work", env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(f"{address}api/status", server, folder / "log.txt")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def wait_for(address: str, server: subprocess.Popen, log) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=10).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def notebook(lab, browser):
    """The notebook in JupyterLab, after Run > Run All Cells."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.elsewhere = []

    def block(route):
        if route.request.url.startswith((lab, lab.replace("http", "ws"), "data:", "blob:")):
            return route.continue_()
        page.elsewhere.append(route.request.url)
        route.abort()

    page.route("**/*", block)
    page.goto(f"{lab}lab/tree/figure.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell").nth(len(CELLS) - 1).wait_for()
    expect(page.get_by_role("button", name="Book | Idle")).to_be_visible()
    run_all_cells(page)
    yield page
    context.close()


def run_all_cells(page) -> None:
    """Run > Run All Cells, again where JupyterLab, still busy with loading, has lost the order: no cell waits or has run then."""
    for attempt in range(5):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator('[data-command="runmenu:run-all"]').click()
        try:
            expect(page.locator(".jp-CodeCell .jp-InputArea-prompt").first).not_to_have_text(NOT_RUN, timeout=PATIENCE / 10)
            return
        except AssertionError:
            if attempt == 4:
                raise


def test_a_figure_answers_the_keyboard(notebook):
    figure = notebook.locator(".jp-OutputArea .live").first
    slider = figure.locator(".live-time input[type=range]")
    slider.focus()
    for key, i in (("End", T), ("ArrowLeft", T - 1), ("Home", 0), ("ArrowRight", 1)):
        slider.press(key)
        expect(figure.locator('[data-number="i"]').first).to_have_text(str(i))
        alpha, sigma = float(SCHEDULE.alpha(i / T)), float(SCHEDULE.sigma(i / T))
        assert abs(number(figure, "alpha") - alpha) < 0.6e-4
        x0, eps = dl.figures.cat_photo(64), static(7, 64)
        assert levels_apart(canvas(figure, "what you see"), on_screen(alpha * x0 + sigma * eps)) <= 1


def test_the_foot_of_a_figure(notebook):
    """Its numbers follow, its picture can be kept, Reset leads back, Telugu is there; a notebook has no page that a link could lead to."""
    figure = notebook.locator(".jp-OutputArea .live").first
    words = words_of("noise_schedules")
    foot = {key: figure.locator(".live-foot").get_by_text(words["en"][key], exact=True) for key in ("reset", "numbers", "picture")}
    assert figure.locator(".live-foot a").count() == 0
    slider = figure.locator(".live-time input[type=range]")
    slider.press("Home")
    foot["numbers"].click()
    expect(figure.locator(".live-table")).to_contain_text("1.0000")
    with notebook.expect_download() as download:
        foot["picture"].click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")
    figure.locator(".live-foot select").select_option("te")
    expect(figure.locator(".live-foot")).to_contain_text(words["te"]["reset"])
    expect(figure.locator('[data-number="i"]').first).to_have_text("0")
    figure.locator(".live-foot select").select_option("en")
    foot["reset"].click()
    expect(figure.locator('[data-number="i"]').first).to_have_text("300")


def test_a_network_comes_from_the_kernel_and_draws_pythons_picture(notebook):
    """Its seven million bytes travel as a trait; no file is fetched, because JupyterLab serves none."""
    figure = notebook.locator(".jp-OutputArea .live", has=notebook.locator(".live-dream"))
    figure.get_by_role("button", name="Generate").click()
    figure.get_by_role("button", name="Another one").wait_for(timeout=PATIENCE)
    guided = dl.ClassifierFreeGuidance(dl.zoo.load("pets32-text"), 2.0)
    x = dl.sample(guided, (1, 3, 32, 32), steps=4, sampler=dl.DPMSolverPP2M(), cond=["a cat wearing a hat"], generator=dl.CounterGenerator(7))
    assert levels_apart(canvas_pixels(figure.locator(".live-card canvas")), on_screen(x[0])) <= 1


def test_a_slider_reaches_the_kernel_and_comes_back(notebook):
    output = notebook.locator(".jp-OutputArea", has=notebook.locator(".widget-slider")).last
    handle = output.get_by_role("slider").first
    expect(output).to_contain_text("25 steps of 0.040")
    handle.focus()
    handle.press("ArrowRight")
    expect(output).to_contain_text("26 steps of 0.038")


def test_no_other_host_is_asked(notebook):
    """Neither JupyterLab nor ipywidgets nor anywidget needs one: a class may work without a network."""
    assert not notebook.elsewhere
