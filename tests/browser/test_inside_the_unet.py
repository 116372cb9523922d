"""The figure inside_the_unet: what is drawn and printed is what hooks in the real network say, block by block."""

import pytest
import torch

import diffusion_lib as dl
from conftest import figure_data
from diffusion_lib.networks.layers import count_flops
from reading import canvas, canvas_pixels, levels_apart, number, on_screen, picture, set_time, static

DATA = "inside_the_unet"


@pytest.fixture(scope="module")
def model():
    return dl.zoo.load("pets32")


@pytest.fixture
def inside(open_figure):
    return open_figure(DATA)[1]


def choose(figure, k: int) -> None:
    figure.locator(".live-block input").nth(k).check(force=True)


def state(data: dict, v: int) -> torch.Tensor:
    t, x0 = data["times"][v], picture(data["picture"])
    return (1 - t) * x0 + t * static(data["seed"], x0.shape[-1])


def answers(model, data: dict) -> tuple[dict, torch.Tensor]:
    """What every module answers at all recorded times, by hooks of the test's own, and the guesses."""
    wish, found = dl.pets.parse_caption(data["caption"]["en"])[None], {}
    handles = [module.register_forward_hook(lambda module, given, answer, name=name: found.update({name: answer}))
               for name, module in model.network.named_modules()]
    with torch.no_grad():
        x = torch.stack([state(data, v) for v in range(len(data["times"]))])
        guesses = model(x, torch.tensor(data["times"], dtype=torch.float64), wish.repeat(len(x), 1)).x0
    for handle in handles:
        handle.remove()
    return found, guesses


def test_every_block_shows_what_the_network_computes(inside, model):
    data = figure_data(DATA)
    found, guesses = answers(model, data)
    for k, block in enumerate(data["blocks"]):
        answer = found[block["module"]]
        varies, lively = answer.var(dim=(2, 3)).mean(0), block["channels"]
        assert len(set(lively)) == min(8, len(varies)) and varies[lively].min() >= 0.999 * varies.sort().values[-len(lively)]  # of two that vary alike, either
        maps = answer[:, lively]
        low, high = maps.amin((0, 2, 3), keepdim=True), maps.amax((0, 2, 3), keepdim=True)
        choose(inside, k)
        for v in (0, 4, 7) if k % 4 == 0 else (5,):
            set_time(inside, v)
            for c, shown in enumerate((2 * (maps - low) / (high - low) - 1)[v]):
                tile = inside.locator(".live-features canvas").nth(c)
                assert levels_apart(canvas_pixels(tile), on_screen(shown.expand(3, -1, -1))) <= 1, (block["module"], v, c)
            assert inside.locator(".live-features canvas:visible").count() == len(lively)
            assert levels_apart(canvas(inside, "it is shown"), on_screen(state(data, v))) <= 1
            assert levels_apart(canvas(inside, "and believes in"), on_screen(guesses[v])) <= 3      # 8 bits over +-1.5


def test_the_table_is_in_the_networks_own_numbers(inside, model):
    data = figure_data(DATA)
    k, v = 3, 5
    block = data["blocks"][k]
    maps = answers(model, data)[0][block["module"]][v, block["channels"]]
    choose(inside, k)
    set_time(inside, v)
    inside.locator(".live-foot").get_by_text("Show me the numbers", exact=True).click()
    rows = inside.locator(".live-table table").first.evaluate("table => [...table.rows].slice(1).map(row => [...row.cells].map(c => c.textContent.replace('−', '-')))")
    assert [int(channel) for channel, *_ in rows] == block["channels"]
    step = torch.tensor([high - low for low, high in zip(block["low"], block["high"])]) / 255       # maps have 8 bits
    for found, expected in (([float(mean) for _, mean, _ in rows], maps.mean((1, 2))), ([float(spread) for *_, spread in rows], maps.flatten(1).std(1, correction=0))):
        assert ((torch.tensor(found) - expected).abs() <= step + 0.001).all()


def test_where_a_block_listens_is_its_gradient(inside, model):
    data = figure_data(DATA)
    wish = dl.pets.parse_caption(data["caption"]["en"])[None]
    for k, v in ((0, 3), (2, 5), (len(data["blocks"]) - 1, 6)):
        block, caught = data["blocks"][k], {}
        handle = model.network.get_submodule(block["module"]).register_forward_hook(lambda module, given, answer: caught.update(y=answer))
        x = state(data, v)[None].requires_grad_()
        model(x, data["times"][v], wish)
        handle.remove()
        middle = block["shape"][1] // 2
        (gradient,) = torch.autograd.grad(caught["y"][0, :, middle, middle].square().sum(), x)
        expected = gradient[0].square().sum(0).sqrt()
        choose(inside, k)
        set_time(inside, v)
        assert levels_apart(canvas(inside, "where the middle"), on_screen((2 * expected / expected.max() - 1).expand(3, -1, -1))) <= 1


def test_numbers_are_counted(inside, model):
    """Parameters from the weights by name, arithmetic from the shapes of the weights, both against the network's totals."""
    data, parameters = figure_data(DATA), dict(model.network.named_parameters())
    parts = {block["module"]: [block["module"]] + [block["module"].replace("up", "merge")] * block["module"].startswith("up") for block in data["blocks"]}
    counted = flops = 0
    for k, block in enumerate(data["blocks"]):
        choose(inside, k)
        own = sum(p.numel() for name, p in parameters.items() if any(name.startswith(f"{part}.") for part in parts[block["module"]]))
        assert inside.locator("[data-number=parameters]").text_content() == f"{own:,}"
        c, h, w = block["shape"]
        assert inside.locator("[data-number=shape]").text_content() == f"{c} × {h} × {w}"
        shown = float(inside.locator("[data-number=flops]").text_content().split()[0])
        convolutions = sum(2 * p.shape[:2].numel() * p.shape[2:].numel() * h * w for name, p in parameters.items()
                           if p.ndim == 4 and any(name.startswith(f"{part}.") for part in parts[block["module"]]))
        if block["module"] not in ("fold", "unfold", "grow.0", "middle.0.attention"):                # whose layers work at several sizes
            film = sum(2 * p.numel() for name, p in parameters.items() if name.startswith(f"{block['module']}.") and "film.weight" in name)
            assert abs(shown - (convolutions + film) / 1e6) < 0.006, block["module"]
        counted, flops = counted + own, flops + block["flops"]
    assert counted + data["told"] == sum(p.numel() for p in parameters.values())
    assert 0.998 < flops / count_flops(model.network, (3, 32, 32)) <= 1


def test_reach_follows_the_rule(inside):
    """r = 1 + sum of (k - 1) times the strides so far, where a fold is a window and a stride of 2; down to the middle of the U."""
    blocks = figure_data(DATA)["blocks"]
    expected, reach = {}, 1
    reach += 2
    expected["stem"] = reach
    reach += 1
    expected["fold"] = reach
    reach += 2 * 2 * 2
    expected["down.0.0"] = reach
    reach += 2 * 2
    expected["shrink.0"] = reach
    for module in ("down.1.0", "down.1.1", "down.1.2", "middle.0.block"):
        reach += 2 * 2 * 4
        expected[module] = reach
    for k, block in enumerate(blocks):
        if block["module"] in expected:
            choose(inside, k)
            width = expected[block["module"]]
            assert inside.locator("[data-number=reach]").text_content() == f"{width} × {width} px"
    assert [b["reach"] for b in blocks] == sorted(b["reach"] for b in blocks)
    choose(inside, next(k for k, b in enumerate(blocks) if b["module"].endswith("attention")))
    assert inside.locator("[data-number=reach]").text_content() == "everything, by attention"


def test_keyboard(inside):
    first = inside.locator(".live-block input").first
    first.focus()
    first.check(force=True)
    for module in ("fold", "down.0.0", "shrink.0"):
        inside.page.keyboard.press("ArrowRight")
        assert inside.locator(".live-block-facts code").text_content() == module
    slider = inside.get_by_label("time t", exact=True)
    slider.focus()
    slider.press("End")
    assert number(inside, "t") == 1
    slider.press("ArrowLeft")
    assert number(inside, "t") == 0.85 and slider.get_attribute("aria-valuetext") == "t = 0.85"


def test_copies_light_up(inside):
    data = figure_data(DATA)
    pairs = [(k, block["hears"]) for k, block in enumerate(data["blocks"]) if block["hears"]]
    assert len(pairs) == inside.locator(".live-unet-copy").count() == 5
    for k, module in pairs:
        choose(inside, k)
        from_up = inside.locator(".live-unet-heard").get_attribute("d")
        choose(inside, next(j for j, block in enumerate(data["blocks"]) if block["module"] == module))
        assert inside.locator(".live-unet-heard").get_attribute("d") == from_up


def test_question_is_answered_with_counts(inside):
    blocks = figure_data(DATA)["blocks"]
    whole = sum(b["flops"] for b in blocks)
    shares = [100 * sum(b["flops"] for b in blocks if b["level"] == level) / whole for level in (0, 1, 2)]
    inside.locator(".live-bet").get_by_role("button", name="16 × 16").click()
    text = inside.locator(".live-bet").text_content().replace("\u00a0", " ")
    assert "You said “16 × 16”." in text and all(f"{share:.1f} %" in text for share in shares)


def test_fits_a_phone(open_figure):
    page, inside = open_figure(DATA, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [inside.locator(".live-block input").nth(k).bounding_box() for k in range(inside.locator(".live-block").count())]
    assert all(box["width"] >= 20 and box["height"] >= 24 for box in boxes)
