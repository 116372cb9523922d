"""The notebooks as Colab opens them: each alone in an empty folder, on the versions that Colab has.

`make test` prepares .venv-colab (requirements-colab.txt). pip is kept from every package index, so that whatever it would
fetch besides the library fails the test.
"""

import contextlib
import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from classroom.copies import mark
from repository import files_of
from scripts.stamp_notebooks import for_colab
from scripts.tidy_notebooks import SETUP_TEXT

ROOT = Path(__file__).resolve().parent.parent
COLAB = ROOT / ".venv-colab" / "bin" / "python"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if name not in ("PYTHONPATH", "BOOK_BUILD", "MPLBACKEND") and not name.startswith("PIP_")}
ENVIRONMENT |= {"DIFFUSION_FAST": "1", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
PACKAGES = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
NO_PIP = "import subprocess; subprocess.run = None\n"        # then a set-up cell that calls pip fails

pytestmark = pytest.mark.skipif(not COLAB.exists(), reason="no .venv-colab: `make test` installs it")


# ---- A kernel there ----------------------------------------------------------------------------------------------------

class Kernel:
    """A kernel on Colab's versions: `run` gives what a cell said, `send` what a moved slider set off. Both raise on errors."""

    def __init__(self, client):
        self.client = client

    def run(self, code: str) -> str:
        return said(self._until_idle(self.client.execute(code, store_history=False)))

    def value(self, expression: str):
        return json.loads(re.search(r"<<(.*)>>", self.run(f"import json; print('<<' + json.dumps({expression}) + '>>')"), re.DOTALL)[1])

    def messages(self, code: str) -> list[dict]:
        return self._until_idle(self.client.execute(code, store_history=False))

    def send(self, comm_id: str, **state) -> list[dict]:
        """What a front end sends when a trait changed there; the messages that this sets off."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": {"method": "update", "state": state, "buffer_paths": []}})
        self.client.shell_channel.send(message)
        return self._until_idle(message["header"]["msg_id"])

    def _until_idle(self, msg_id: str) -> list[dict]:
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=300)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(message["content"]["traceback"]))
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return messages
            messages.append(message)


def said(messages: list[dict]) -> str:
    """Everything that a reader would see of these messages, as text."""
    texts = []
    for message in messages:
        content = message["content"]
        texts += [content["text"]] if message["msg_type"] == "stream" else map(str, content.get("data", {}).values())
    return "\n".join(texts)


@contextlib.contextmanager
def kernel(folder: Path, **environment):
    """A fresh kernel whose working directory is `folder`."""
    specs = folder.parent / f"{folder.name}-specs"
    (specs / "colab").mkdir(parents=True, exist_ok=True)
    spec = {"argv": [str(COLAB), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Colab", "language": "python"}
    (specs / "colab" / "kernel.json").write_text(json.dumps(spec))
    manager = KernelManager(kernel_name="colab", kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False))
    manager.start_kernel(cwd=str(folder), env={**ENVIRONMENT, **environment})
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=120)
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def colab(code: str, *, cwd: Path, **environment) -> str:
    run = subprocess.run([str(COLAB), "-c", code], cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


# ---- The library, as the repository's host would send it -----------------------------------------------------------------

def zip_of_the_repository(path: Path, revision: str) -> str:
    """A zip with everything that git knows or could add, in one folder. Returns its file:// address."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for file in files_of(added=True):
            packed.write(file, f"book-{revision}/{file.relative_to(ROOT).as_posix()}")
        packed.writestr(f"book-{revision}/diffusion_lib/_revision.py", f"REVISION = {revision!r}\n")
    return path.as_uri()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The address from which the set-up cell installs. Before and after, .venv-colab is without the library."""
    forget = [str(COLAB), "-m", "pip", "uninstall", "--quiet", "--yes", "diffusion-lib"]
    subprocess.run(forget, env=ENVIRONMENT, check=True)
    yield zip_of_the_repository(tmp_path_factory.mktemp("archive") / "first.zip", "first")
    subprocess.run(forget, env=ENVIRONMENT, check=True)


@pytest.fixture(scope="module")
def installed(source, tmp_path_factory) -> str:
    """The same address, once a set-up cell has installed the library from there."""
    folder = tmp_path_factory.mktemp("first-notebook")
    before = json.loads(colab(PACKAGES, cwd=folder))
    assert "diffusion-lib" not in before and before["ipywidgets"] == "7.7.1" and before["ipython"] == "7.34.0"
    setup = next(c.source for c in for_colab(nbformat.read(NOTEBOOKS[0], as_version=4), NOTEBOOKS[0].stem, source).cells if c.cell_type == "code")
    with kernel(folder) as first:
        first.run(setup)
        assert first.value("__import__('diffusion_lib._revision')._revision.REVISION") == "first"
    after = json.loads(colab(PACKAGES, cwd=folder))
    assert after.pop("diffusion-lib") and after == before, "the set-up cell changed what was installed"
    return source


def test_the_set_up_cell_has_nothing_to_do_the_second_time(installed, tmp_path):
    """After a restart of the runtime, and when the cell is run twice."""
    assert colab(f"{NO_PIP}exec({SETUP_TEXT!r}); exec({SETUP_TEXT!r}); import diffusion_lib", cwd=tmp_path, DIFFUSION_LIB_SOURCE=installed) == ""


def test_a_library_of_the_readers_own_is_left_alone(installed, tmp_path):
    """Whoever works on diffusion_lib has it on the path; a published notebook does not put another one in its place."""
    about = tmp_path / "work" / "diffusion_lib-9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: diffusion-lib\nVersion: 9\n")
    (about / "direct_url.json").write_text('{"url": "file:///home/reader/work", "dir_info": {"editable": true}}')
    (tmp_path / "empty").mkdir()
    said = colab(f"{NO_PIP}exec({SETUP_TEXT!r})", cwd=tmp_path / "empty", DIFFUSION_LIB_SOURCE="https://example.org/b.zip", PYTHONPATH=str(about.parent))
    assert said == ""


# ---- The notebooks -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_run_all_and_then_every_solution(path, installed, tmp_path):
    """Untouched, a notebook runs to its end and every check says so; with its solutions every check is content."""
    notebook = nbformat.read(path, as_version=4)
    with kernel(tmp_path) as colab_kernel:
        for cell in for_colab(notebook, path.stem, installed).cells:
            if cell.cell_type == "code":
                shown = colab_kernel.run(cell.source)
                assert not mark(cell, "grade") or "Not attempted yet" in shown, (cell.source, shown)
        move_every_slider(colab_kernel)
        for cell in nbformat.read(path, as_version=4).cells:
            if "nbgrader" in cell.metadata:
                shown = colab_kernel.run(cell.source)
                assert not mark(cell, "grade") or "✓ Right" in shown, (cell.source, shown)
    assert not list(tmp_path.iterdir()), "it leaves files behind"


def move_every_slider(colab_kernel: Kernel) -> None:
    """Each slider that the notebook shows takes a new value from the front end, and what it draws is drawn again."""
    listed = "(list(w.value) if isinstance(w.value, tuple) else w.value)"          # of a slider with two handles, both
    find = f"[[w.model_id, {listed}, w.min, w.max] for w in __import__('ipywidgets').Widget.widgets.values() if hasattr(w, 'max')]"
    for model_id, value, low, high in colab_kernel.value(find):
        first, second = ([low, low], [low, high]) if isinstance(value, list) else (low, high)
        new = second if value == first else first
        drawn = colab_kernel.send(model_id, value=new)
        assert [w for w in colab_kernel.value(find) if w[0] == model_id][0][1] == new
        assert any(message["msg_type"] in ("display_data", "stream") for message in drawn), f"nothing was drawn for {new}"


# ---- Widgets under ipywidgets 7 --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def widgets(installed, tmp_path_factory):
    with kernel(tmp_path_factory.mktemp("widgets")) as colab_kernel:
        colab_kernel.run("import traitlets, diffusion_lib as dl, ipywidgets\nfrom diffusion_lib.figures import _base")
        yield colab_kernel


FIGURES = sorted(path.stem for path in (ROOT / "diffusion_lib" / "figures" / "js").glob("[!_]*.js"))
TRIED = {"int": 3, "float": 0.25, "str": "a word", "dict": {"a": [1, 2]}, "list": [{"t": 1}, 2], "bool": True}


@pytest.mark.parametrize("stem", FIGURES)
def test_figures_live_on_old_widgets(widgets, stem):
    """A figure opens with its module, is shown as a widget, and its traits go both ways."""
    opened = widgets.messages(f"kind = next(c for c in _base.LiveFigure.__subclasses__() if c.stem == {stem!r})\nfigure = kind()\nfigure")
    states = [m["content"]["data"]["state"] for m in opened if m["msg_type"] == "comm_open"]
    (state,) = (state for state in states if "_esm" in state)
    assert state["_esm"] == widgets.value(f"_base.module_source({stem!r})") and state["_css"]
    assert any("application/vnd.jupyter.widget-view+json" in m["content"].get("data", {}) for m in opened)
    comm_id = widgets.value("figure.comm.comm_id")
    traits = widgets.value("{n: type(t.default()).__name__ for n, t in kind.class_own_traits(sync=True).items() if n[0] != '_'}")
    assert traits
    for name, kind in traits.items():
        widgets.send(comm_id, **{name: TRIED[kind]})
        assert widgets.value(f"figure.{name}") == TRIED[kind]
        back = widgets.messages(f"figure.{name} = type(figure.{name})()")
        assert {name: type(TRIED[kind])()} in [m["content"]["data"].get("state") for m in back if m["msg_type"] == "comm_msg"]


def test_sliders_answer_the_front_end(widgets):
    opened = widgets.messages("slider, other, heard = ipywidgets.IntSlider(3, 0, 10), ipywidgets.IntText(), []\n"
                              "ipywidgets.interact(lambda t: print('heard', heard.append(t) or t), t=slider)\n"
                              "link = ipywidgets.jslink((slider, 'value'), (other, 'value'))")
    linked = [m["content"]["data"]["state"] for m in opened if m["msg_type"] == "comm_open"]
    (link,) = (state for state in linked if state.get("_model_name") == "LinkModel")
    assert link["source"] == [f"IPY_MODEL_{widgets.value('slider.model_id')}", "value"]
    assert link["target"] == [f"IPY_MODEL_{widgets.value('other.model_id')}", "value"]
    assert "heard 7" in said(widgets.send(widgets.value("slider.comm.comm_id"), value=7))
    assert widgets.value("[slider.value, heard]") == [7, [3, 7]]
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        widgets.run("1 / 0")                                 # an error cannot be overlooked here


# ---- At the end, because it leaves another library behind ------------------------------------------------------------------

def test_another_version_that_lies_there_is_replaced(installed, tmp_path):
    """A disk that outlives its session: a notebook must not meet the library that an earlier one was written with."""
    newer = zip_of_the_repository(tmp_path / "second.zip", "second")
    revision = "from diffusion_lib._revision import REVISION; print(REVISION)"
    assert colab(f"exec({SETUP_TEXT!r}); {revision}", cwd=tmp_path, DIFFUSION_LIB_SOURCE=newer).split() == ["second"]
    assert colab(f"{NO_PIP}exec({SETUP_TEXT!r}); {revision}", cwd=tmp_path, DIFFUSION_LIB_SOURCE=newer).split() == ["second"]
