"""What the book's extension refuses before it can reach a page."""

import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from sphinx.errors import ConfigError, ExtensionError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "book" / "_ext"))
from booktools import refuse_other_hosts, refuse_untested  # noqa: E402


def test_a_notebook_that_was_not_run_by_our_runner_is_refused(tmp_path):
    """Jupyter Book would run it itself, as for a reader with a kernel: with widgets."""
    path = tmp_path / "01_example.ipynb"
    code = nbformat.v4.new_code_cell("x = 1")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), code])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    app = SimpleNamespace(config=SimpleNamespace(nb_execution_mode="cache", nb_execution_cache_path=str(tmp_path / "cache")))
    env = SimpleNamespace(doc2path=lambda docname: tmp_path / docname)
    read = lambda: refuse_untested(app, env, [path.name, "index.md"])  # noqa: E731
    with pytest.raises(ConfigError, match="01_example.ipynb has not been run"):
        read()
    get_cache(app.config.nb_execution_cache_path).cache_notebook_bundle(CacheBundleIn(notebook, str(path)), check_validity=False)
    read()
    notebook.cells[0].source = "# Another title"              # prose may change without a run
    nbformat.write(notebook, path)
    read()
    code.source = "x = 2"
    nbformat.write(notebook, path)
    with pytest.raises(ConfigError):
        read()
    app.config.nb_execution_mode = "off"
    read()


def test_a_script_from_another_host_is_refused():
    ours, inline = SimpleNamespace(filename="_static/mount.js"), SimpleNamespace(filename=None)
    refuse_other_hosts("page", [ours, inline])
    for address in ("https://cdn.example.org/embed-amd.js", "//cdn.example.org/require.js"):
        with pytest.raises(ExtensionError, match="no other host"):
            refuse_other_hosts("page", [ours, SimpleNamespace(filename=address)])
