"""The shape of the library: imports go one way, heavy packages stay in the leaves, and what is public is documented.

`LAYERS` is the architecture. A new module is added here first; whoever cannot say its layer has not found its place.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import diffusion_lib as dl

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "diffusion_lib"

# module or package: (layer, what it may import from its own layer). Lower layers are always allowed, higher ones never.
LAYERS = {
    "random": (0, ()),
    "files": (0, ()),
    "hardware": (0, ()),
    "words": (0, ()),
    "schedules": (0, ()),
    "networks.layers": (0, ("schedules",)),                  # of which it knows only where log-SNR ends
    "networks.attention": (0, ("networks.layers",)),
    "networks.text": (0, ("networks.layers", "networks.attention")),
    "conditioning": (0, ("words", "networks.text")),
    "networks": (0, ("networks.layers", "networks.attention", "conditioning", "networks")),
    "data": (0, ("random", "files", "words", "data", "conditioning")),         # of which it knows only how "unsaid" is said
    "evaluation": (0, ("random",)),
    "process": (1, ()),
    "denoisers": (2, ()),
    "oracles": (3, ()),
    "guidance": (3, ()),
    "samplers": (3, ()),
    "losses": (3, ()),
    "averaging": (4, ()),
    "batching": (4, ()),
    "optimizers": (4, ()),
    "checkpoints": (4, ()),
    "training": (4, ("averaging", "batching", "checkpoints", "optimizers")),
    "classification": (4, ()),
    "realism": (4, ()),
    "binding": (4, ()),
    "judging": (4, ("binding", "realism")),
    "comprehension": (4, ("training",)),
    "settings": (4, ()),
    "recipes": (4, ("comprehension", "training", "classification", "settings")),
    "pictures": (5, ()),
    "plotting": (5, ("pictures",)),
    "bridge": (5, ("pictures",)),                            # the only one that imports diffusers
    "sources": (5, ()),
    "records": (5, ("pictures", "records")),
    "zoo": (5, ("records",)),
    "engine": (5, ()),
    "figures": (5, ("pictures", "records", "zoo", "engine", "figures")),
    "checks": (5, ("checks",)),
    "runs": (5, ("pictures",)),
    "arguments": (5, ()),
    "cli": (5, ("arguments", "pictures", "zoo", "runs")),
    "__main__": (5, ("cli",)),
}
LEAVES = 5

# What is not PyTorch or the standard library, below the leaves: package, and the modules that may import it.
THIRD_PARTY = {
    "torch": None,                                           # everywhere
    "numpy": ("data", "evaluation", "checkpoints"),
    "safetensors": ("checkpoints",),
    "tqdm": None,                                            # progress bars
    "PIL": ("data",),
}
LINES_OF_A_MODULE, LINES_OF_A_FUNCTION = 300, 45


def name_of(path: Path) -> str:
    """The dotted name inside the package: "networks.unet"; a package is its `__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
INNER = [name for name in MODULES if name != "__init__"]


def place(module: str) -> str | None:
    """The entry of LAYERS a module belongs to: the longest that is the module itself or a package around it."""
    return max((entry for entry in LAYERS if module == entry or module.startswith(entry + ".")), key=len, default=None)


def layer_of(module: str) -> int:
    assert place(module), f"{module} is not in LAYERS: which layer is it?"
    return LAYERS[place(module)][0]


def imports(module: str):
    """(absolute dotted name, line) of everything that `module` imports, at its top or inside a function."""
    package = ["diffusion_lib", *module.split(".")]
    if MODULES[module].name != "__init__.py":
        package = package[:-1]
    elif module == "__init__":
        package = ["diffusion_lib"]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}".removeprefix("diffusion_lib.")
                yield (f"{source}.{alias.name}" if inner in MODULES else source), node.lineno


def functions(module: str):
    """(qualified name, node, class or None) of every function that is public by its name."""
    for node in TREES[module].body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node, None
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner, node


def offences(rule, modules=INNER) -> list[str]:
    """All that is wrong with all of these modules, by a rule that yields what is wrong with one."""
    return [f"{module}: {words}" for module in modules for words in rule(module)]


def test_the_layers_are_made_of_modules_that_exist():
    """What is held for all modules would be held for none."""
    assert len(INNER) > 80 and all(entry in MODULES or any(m.startswith(f"{entry}.") for m in MODULES) for entry in LAYERS)


def test_every_module_has_its_place():
    assert offences(lambda module: [] if place(module) and layer_of(module) <= LEAVES else ["not in LAYERS: which layer is it?"]) == []


def test_imports_go_one_way():
    def wrong(module):
        layer, arrows = layer_of(module), LAYERS[place(module)][1]
        for target, line in imports(module):
            if not (target == "diffusion_lib" or target.startswith("diffusion_lib.")):
                continue
            inner = target.removeprefix("diffusion_lib").removeprefix(".")
            entry = place(inner)
            if entry is None:
                yield f"line {line}: the package's own front door; import the module instead"
            elif inner == module:
                continue
            elif layer_of(inner) > layer or (layer_of(inner) == layer and entry not in arrows):
                yield f"line {line}: imports {inner} (layer {layer_of(inner)}) from layer {layer}"

    assert offences(wrong) == []


def test_heavy_packages_stay_in_the_leaves():
    def wrong(module):
        for target, line in imports(module):
            package = target.split(".")[0]
            if package == "diffusion_lib" or package in sys.stdlib_module_names:
                continue
            allowed = THIRD_PARTY.get(package, ())
            if allowed is not None and place(module).split(".")[0] not in allowed:
                yield f"line {line}: imports {package}"

    lower = [module for module in INNER if layer_of(module) < LEAVES]
    assert len(lower) > 30
    assert offences(wrong, lower) == []


def test_the_front_door_is_light():
    """`import diffusion_lib` works, and samples, where nothing but PyTorch is installed."""
    heavy = ("matplotlib", "ipywidgets", "anywidget", "IPython", "PIL", "diffusers", "skimage", "accelerate")
    program = "\n".join([
        "import sys",
        f"sys.modules.update(dict.fromkeys({heavy}))         # importing any of them raises",
        "import torch, diffusion_lib as dl",
        "oracle = dl.GaussianDenoiser(torch.zeros(2), torch.eye(2), dl.CosineSchedule())",
        "x = dl.sample(oracle, (4, 2), steps=3, sampler=dl.Euler(), generator=dl.CounterGenerator(7))",
        "assert torch.isfinite(x).all()",
    ])
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_modules_and_functions_are_short():
    def wrong(module):
        lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
        if lines > LINES_OF_A_MODULE:
            yield f"{lines} lines"
        for node in ast.walk(TREES[module]):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > LINES_OF_A_FUNCTION:
                yield f"{node.name} has {node.end_lineno - node.lineno + 1} lines"

    assert offences(wrong, MODULES) == []


def test_every_module_says_its_idea():
    assert offences(lambda module: ["no docstring"] if TREES[module].body and not ast.get_docstring(TREES[module]) else [], MODULES) == []


# Said by their names: the book's t, the conventions of PyTorch, and our own classes, which have docstrings.
SAID_BY_NAME = {"t", "generator", "device", "dtype"}
SHAPE = re.compile(r"\([^()]*(\b[A-Z]\b|\.\.\.|\b\d\b)[^()]*\)|\bshape|\(\)")
CLASSES = {node.name: node for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef)}


def relatives(owner: ast.ClassDef | None):
    """A class, its methods, and the same of what it is derived from: an argument is described once among them."""
    if owner is not None:
        yield owner
        yield from (node for node in owner.body if isinstance(node, ast.FunctionDef))
        for base in owner.bases:
            yield from relatives(CLASSES.get(ast.unparse(base)))


def test_functions_say_what_they_do():
    def wrong(module):
        for name, node, owner in functions(module):
            if not ast.get_docstring(node) and not (owner and (owner.bases or len(node.body) == 1)):
                yield f"{name} has no docstring"

    assert offences(wrong) == []


def test_public_functions_say_what_they_take():
    """Each argument stands in the docstring of the function, its class or its module, and tensors come with a shape."""
    public = {name for name in dir(dl) if not name.startswith("_")}

    def wrong(module):
        for name, node, owner in functions(module):
            if name.split(".")[0] not in public or (owner and owner.bases and not ast.get_docstring(node)):
                continue
            text = " ".join(filter(None, map(ast.get_docstring, [TREES[module], node, *relatives(owner)])))
            arguments = [a for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                         if a.arg not in SAID_BY_NAME | {"self", "cls"}]
            types = {a.arg: set(re.findall(r"\w+", ast.unparse(a.annotation) if a.annotation else "")) for a in arguments}
            missing = [a for a in types if not types[a] & CLASSES.keys() and not re.search(rf"\b{re.escape(a)}\b", text)]
            if missing:
                yield f"{name}: {', '.join(missing)} not described"
            if any("Tensor" in t for t in types.values()) and not SHAPE.search(text):
                yield f"{name}: no shape"

    assert offences(wrong) == []


def test_public_names_exist_and_are_documented():
    names = [name for name in dir(dl) if not name.startswith("_") and name != "importlib"]
    modules = {m.split(".")[0] for m in INNER}
    values = (int, float, str, tuple, list, dict)
    missing = [n for n in names if n not in modules and not isinstance(getattr(dl, n), values)
               and not (getattr(dl, n).__doc__ or "").strip()]
    assert not missing, f"public, but without a docstring: {missing}"


def test_the_api_pages_name_what_is_public():
    text = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "book" / "api").glob("*.md"))
    modules = {m.split(".")[0] for m in INNER}
    names = {n for n in dir(dl) if not n.startswith("_") and n not in modules | {"importlib"}}
    missing = sorted(name for name in names if not re.search(rf"\b{re.escape(name)}\b", text))
    assert not missing, f"public, but on no API page: {missing}"


def test_options_do_not_leak():
    """No **kwargs in public functions, and below the leaves none that are handed on, and no argument of a public
    function that is compared with a string to choose what runs."""
    def wrong(module):
        for node in ast.walk(TREES[module]):
            if not isinstance(node, ast.FunctionDef):
                continue
            if node.args.kwarg and not node.name.startswith("_"):
                yield f"{node.name} takes **{node.args.kwarg.arg}"
            if layer_of(module) == LEAVES:
                continue
            if node.args.kwarg and any(keyword.arg is None and ast.unparse(keyword.value) == node.args.kwarg.arg
                                       for call in ast.walk(node) if isinstance(call, ast.Call) for keyword in call.keywords):
                yield f"{node.name} hands **{node.args.kwarg.arg} on"
            if node.name.startswith("_"):
                continue
            arguments = {a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
            for test in (n for n in ast.walk(node) if isinstance(n, ast.Compare)):
                sides = [test.left, *test.comparators]
                if (any(isinstance(s, ast.Name) and s.id in arguments for s in sides)
                        and any(isinstance(s, ast.Constant) and isinstance(s.value, str) for s in sides)
                        and any(isinstance(o, (ast.Eq, ast.NotEq)) for o in test.ops)):
                    yield f"{node.name}, line {test.lineno}: {ast.unparse(test)}"

    assert offences(wrong) == []


def test_nothing_hides_in_train_or_eval_mode_and_nothing_is_unpickled():
    patterns = (r"self\.training\b", r"BatchNorm[123]d|SyncBatchNorm", r"\bimport pickle\b", r"\btorch\.load\(")
    assert offences(lambda module: [pattern for pattern in patterns if re.search(pattern, MODULES[module].read_text(encoding="utf-8"))]) == []
