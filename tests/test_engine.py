"""The engine of the page against the library: the same words, the same answers, the same pictures.

JavaScript runs in Node.js here, which `make` installs where the machine has none.
"""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import diffusion_lib as dl
from diffusion_lib import engine, zoo
from diffusion_lib.cli import main
from diffusion_lib.conditioning import AttributeConditioner, TextConditioner
from diffusion_lib.data.pets import GRAMMARS, wish_in_words
from diffusion_lib.figures._base import lean
from diffusion_lib.figures.dream_machine import notices
from diffusion_lib.networks.classifier import PairClassifier
from diffusion_lib.words import Vocabulary, one_slip, split
from engine import build
from exact import max_error

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY = Vocabulary(tuple("a cat wearing hat frog dog bear sleepy కుక్కలా మార్చు".split()), length=8)
SHARED = ROOT / "diffusion_lib" / "figures" / "js" / "_shared.js"


def javascript(code: str, **given):
    """What the module `code` says with `say(...)`, behind the engine's own source. given: JSON values, and bytes as ArrayBuffers."""
    node = shutil.which("node") or shutil.which("node", path=Path(sys.executable).parent)
    assert node, "there is no Node.js here; `make test` installs it"
    given = {name: {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
             for name, value in {"wasm": engine.wasm(), **given}.items()}
    program = f"""
        const say = (value) => console.log(JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v)));
        const bytesOfText = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
        const {{ {", ".join(given)} }} = JSON.parse({json.dumps(json.dumps(given))}, (_, v) => (typeof v?.bytes === 'string' ? bytesOfText(v.bytes) : v));
        {code}"""
    source = "\n".join((SHARED.read_text(encoding="utf-8"), engine.module_source(), program))
    run = subprocess.run([node, "--input-type=module", "-"], input=source, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def denoiser(conditioner=None, schedule=dl.RectifiedFlowSchedule(), parameterization=dl.FLOW, **config) -> dl.NeuralDenoiser:
    """A small model with no weight at zero, and weights that float16 can hold."""
    shape = {"stem": 8, "widths": (32, 64), "blocks": (1, 2), "attention": (False, False), "embedding": 32} | config
    network = dl.UNet(dl.UNetConfig(**shape), conditioner)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) / max(1, weight[0].numel() ** 0.5 if weight.ndim > 1 else 3))
            weight.copy_(weight.half())
    return dl.NeuralDenoiser(network, schedule, parameterization, data_std=0.56).eval()


def reading(**config) -> dl.NeuralDenoiser:
    torch.manual_seed(0)
    return denoiser(TextConditioner(VOCABULARY, width=64, layers=2), **{"reads": (0, 1), **config})


SHAPES = {
    "attributes": (lambda: denoiser(AttributeConditioner((2, 3), 16)), [1, 2], 32),
    "words": (reading, "a sleepy cat wearing a hat", 32),
    "as many words as eight places": (reading, "a cat wearing a hat a frog dog", 32),
    "three levels, attention in all, 64x64": (
        lambda: reading(widths=(32, 32, 64), blocks=(2, 1, 1), attention=(False, True, True), reads=(1,)), "కుక్కలా మార్చు", 64),
    "told of places": (lambda: reading(places=True), "a frog", 32),
    "no condition, no fold": (lambda: denoiser(patch=1, stem=16, channels=1), None, 32),
}


def condition(model: dl.NeuralDenoiser, said):
    return None if said is None else [said] if isinstance(said, str) else torch.tensor([said])


# ---- The binary and the file ---------------------------------------------------------------------------------------

def test_the_binary_is_made_from_its_source():
    assert engine.wasm().endswith(build.section()), "engine/unet.c or its options changed: run `python engine/build.py`"


def test_bytes_on_the_wire():
    script = lean(engine.module_source()).encode()
    assert len(gzip.compress(engine.wasm(), 9)) + len(gzip.compress(script, 9)) <= 15_000
    for model in zoo.models():
        if isinstance(denoiser := zoo.load(model.name), dl.NeuralDenoiser) and denoiser.network.config.factor == 4:
            assert len(engine.pack(denoiser)) <= 8e6


def test_half_precision_is_unfolded_exactly():
    """All 63,488 finite float16 numbers become themselves in float32: the weights, as WebAssembly unfolds them."""
    halves = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.float16)
    finite = halves[halves.isfinite()]
    found = javascript("""
        const { exports: c } = (await WebAssembly.instantiate(wasm, { Math })).instance;
        const halves = new Uint16Array(content), at = c.load(halves.length);
        new Uint16Array(c.memory.buffer, at, halves.length).set(halves);
        c.unfold();
        say(new Float32Array(c.memory.buffer, at, halves.length));""", content=finite.numpy().tobytes())
    assert len(finite) == 63_488 and torch.equal(torch.tensor(found), finite.float())


@pytest.mark.parametrize("spoil, named", [
    (lambda b: b[:-4], "bytes, not"), (lambda b: b + bytes(4), "bytes, not"), (lambda b: b"", "empty"),
    (lambda b: b"<!DOCTYPE html><title>404</title>", "no sense"), (lambda b: b[:4] + b"[" + b[5:], "unreadable"),
    (lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:], "checksum")], ids=["cut off", "too long", "empty", "another file", "its head", "one bit"])
def test_a_damaged_file_is_refused(spoil, named):
    found = javascript("try { unpack(content); say('nothing'); } catch (error) { say(error.message); }", content=spoil(engine.pack(denoiser())))
    assert named in found


def test_weights_of_another_shape_are_refused():
    found = javascript("""
        const model = unpack(content), ask = await startNetwork(wasm, { ...model, halves: model.halves.slice(2) });
        try { ask(new Float32Array(3072), 0, []); say('nothing'); } catch (error) { say(error.message); }""", content=engine.pack(denoiser()))
    assert found == "the weights are not those of this network"


@pytest.mark.parametrize("network, size, named", [
    (lambda: dl.Classifier(dl.ClassifierConfig((2, 3))), 32, "Classifier"), (lambda: denoiser().network, 24, "multiple of 32"),
    (lambda: dl.UNet(dl.UNetConfig(), AttributeConditioner((3,), 12)), 32, "12"),
    (lambda: dl.UNet(dl.UNetConfig(widths=(32,), blocks=(65,), attention=(False,))), 32, "64 blocks"),
    (lambda: with_one_head(denoiser(attention=(False, True)).network), 32, r"heads of \[64\] channels, but the engine's have 32")])
def test_what_it_cannot_run_is_refused(network, size, named):
    with pytest.raises(ValueError, match=named):
        engine.shape_of(network(), size)


def with_one_head(network: dl.UNet) -> dl.UNet:
    for module in network.modules():
        if hasattr(module, "heads"):
            module.heads = 1
    return network


def test_weights_that_no_answer_asks_for_are_refused():
    model = denoiser()
    model.network.spare = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="weights that no answer asks for: spare.weight, spare.bias"):
        engine.pack(model)


# ---- The network ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", SHAPES)
def test_one_answer_is_pytorchs(name):
    make, said, size = SHAPES[name]
    model = make()
    x = dl.randn((1, model.network.config.channels, size, size), dl.CounterGenerator(3))
    asked = [(condition(model, said), 1.3), (None, -20.0), (condition(model, said), 20.0)]
    with torch.no_grad():
        wanted = [model.network(x, torch.tensor([log_snr]), cond).flatten() for cond, log_snr in asked]
    found = javascript("""
        const model = unpack(content), ask = await startNetwork(wasm, model), x = staticOf(3, count);
        say([[said, 1.3], [null, -20], [said, 20]].map(([said, logSnr]) => ask(x, logSnr, wishOf(model, said))));""",
                       content=engine.pack(model, size), said=said, count=x.numel())
    for answer, right in zip(found, wanted, strict=True):
        assert max_error(torch.tensor(answer), right) < 1e-4
    if said is not None:
        with torch.no_grad():
            assert max_error(model.network(x, torch.tensor([1.3])).flatten(), wanted[0]) > 1e-2, "it does not listen: this test sees nothing"


def shares_of(looks: list[dict]) -> dict[str, torch.Tensor]:
    """What `watched` told, as `recorded` gives it: block -> (heads, places, words)."""
    return {one["name"]: torch.tensor(one["shares"]).transpose(1, 2) for one in looks}


@pytest.mark.parametrize("name", [name for name, (make, said, _) in SHAPES.items() if isinstance(said, str)])
def test_where_it_looks_is_pytorchs(name):
    """The shares of every block and head, at every place; asking for them changes nothing, and of nothing there are none."""
    make, said, size = SHAPES[name]
    model = make()
    x = dl.randn((1, 3, size, size), dl.CounterGenerator(3))
    with torch.no_grad():
        for block in model.network.modules():
            if isinstance(block, dl.attention.CrossAttention):
                block.q.weight.mul_(16)                      # so that words are not all alike
    with torch.no_grad(), dl.attention.recorded(model.network) as wanted:
        model.network(x, torch.tensor([1.3]), [said])
    *looks, after, same = javascript("""
        const model = unpack(content), ask = await startNetwork(wasm, model), x = staticOf(3, count), wish = wishOf(model, said), looks = [];
        const listening = watched(ask, model, (one) => looks.push(one)), y = await listening(x, 1.3, wish);
        await listening(x, 1.3, []);
        await listening(x, 1.3, wish.slice(0, 2));
        const again = ask(x, 1.3, wish);
        say([...looks, looks.length, y.every((value, i) => value === again[i])]);""", content=engine.pack(model, size), said=said, count=x.numel())
    found = shares_of(looks[0])
    assert list(found) == list(wanted[0]) and after == 2 and same
    for block, right in wanted[0].items():
        assert max_error(found[block], right[0]) < 1e-4
        assert max_error(found[block].sum(2), torch.ones(right.shape[1:3])) < 1e-5
        assert float(right.std(3).mean()) > 5e-3, "all words alike: this test sees nothing"
    assert all(one.shape[2] == 3 for one in shares_of(looks[1]).values())


# ---- The judge -----------------------------------------------------------------------------------------------------

LOOK = """
    const file = unpack(content), look = await startNetwork(wasm, file);
    say([0, 1, 2].map((seed) => Object.entries(sharesOf(file.questions, look(seed ? staticOf(seed, 3072) : real)))));"""


@pytest.mark.parametrize("width", [8, 48])
def test_a_judge_answers_as_pytorchs(width):
    """Shares of all answers, about a real pet and about static; width 48 is the shipped judge."""
    torch.manual_seed(0)
    judge = zoo.load("pets32-classifier") if width == 48 else dl.Classifier(dl.ClassifierConfig(dl.pets.SIZES, width, features=16)).half().float()
    real = dl.PartyPets(32)[3][0]
    x = torch.stack([real, *(dl.randn((3, 32, 32), dl.CounterGenerator(seed)) for seed in (1, 2))])
    with torch.no_grad():
        wanted = [logits.double().softmax(1) for logits in judge(x)]
    found = javascript(LOOK.replace("real", "Float32Array.from(real)"), content=engine.pack_judge(judge, dl.pets.ATTRIBUTES), real=real.flatten().tolist())
    for i, seen in enumerate(found):
        assert [name for name, _ in seen] == list(dl.pets.NAMES)
        for (_, shares), right in zip(seen, wanted, strict=True):
            assert max_error(torch.tensor(shares, dtype=torch.float64), right[i]) < 1e-4
    real, static, _ = torch.cat(wanted, 1)
    assert max_error(real, static) > (1e-2 if width == 8 else 0.5), "all pictures look alike: this test sees nothing"


@pytest.mark.parametrize("judge, questions, named", [
    (lambda: dl.Classifier(dl.ClassifierConfig((2,), side=40)), {"a": "xy"}, "40 pixels"), (lambda: dl.Classifier(dl.ClassifierConfig((2,))), {"a": "xyz"}, "3"),
    (lambda: PairClassifier(dl.ClassifierConfig((2, 2), side=64)), {"a": "xy", "b": "xy"}, "PairClassifier")])
def test_a_judge_it_cannot_run_is_refused(judge, questions, named):
    with pytest.raises(ValueError, match=named):
        engine.pack_judge(judge(), questions)


# ---- The walk ------------------------------------------------------------------------------------------------------

SCHEDULES = {"flow": (dl.RectifiedFlowSchedule(), dl.FLOW), "v, cosine": (dl.CosineSchedule(), dl.V), "eps, linear": (dl.LinearBetaSchedule(), dl.EPS),
             "edm": (dl.EDMSchedule(), dl.edm(0.56))}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_stops_are_those_of_the_schedule(name):
    model = denoiser(None, *SCHEDULES[name])
    found = javascript("const model = unpack(content); say([1, 7, 50].map((steps) => stopsOf(model, steps)));", content=engine.pack(model))
    for stops, steps in zip(found, (1, 7, 50), strict=True):
        t = dl.uniform_times(steps)
        rows = torch.stack([t, model.schedule.alpha(t), model.schedule.sigma(t), model.schedule.log_snr(t)], dim=1)
        mine = torch.tensor([[stop[key] for key in ("t", "alpha", "sigma", "logSnr")] for stop in stops], dtype=torch.float64)
        assert max_error(mine, rows) < 1e-9


WALK = """
    const model = unpack(content), ask = await startNetwork(wasm, model), pictures = [];
    for (const sampler of [ddim, dpmSolverPP2M]) {
      const states = [];
      for await (const state of walk(ask, model, { said, sampler, ...options })) states.push(state.x);
      pictures.push(states);
    }
    say(pictures);"""


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_state_of_a_walk_is_pythons(name):
    model = denoiser(TextConditioner(VOCABULARY, width=32, layers=1), *SCHEDULES[name], reads=(1,), blocks=(1, 1))
    model.network.load_state_dict({key: value.half().float() for key, value in model.network.state_dict().items()})
    said, times = "a frog", dl.uniform_times(4)
    found = javascript(WALK, content=engine.pack(model), said=said, options={"steps": 4, "guidance": 3, "seed": 11})
    x = dl.samplers.static((1, 3, 32, 32), model.schedule, 1.0, dl.CounterGenerator(11))
    for states, sampler in zip(found, (dl.DDIM(), dl.DPMSolverPP2M()), strict=True):
        guided = dl.ClassifierFreeGuidance(model, 3.0)
        for state, right in zip(states, dl.trajectory(guided, x, times, sampler, [said]), strict=True):
            assert max_error(torch.tensor(state), right.x.flatten()) < 2e-4 * (1 + float(right.x.abs().max()))


def test_seed_7_is_the_terminals_picture():
    """tests/golden/pets32_seed_7.png is what the command line draws, ten steps, all else as it comes."""
    model = zoo.load("pets32")
    said = dl.pets.parse_caption("a cat wearing a crown").tolist()
    x = torch.tensor(javascript(WALK, content=engine.pack(model), said=said, options={"steps": 10})[1][-1]).reshape(3, 32, 32)
    enlarged = Image.open(ROOT / "tests/golden/pets32_seed_7.png").convert("RGB")
    golden = torch.tensor(list(enlarged.tobytes())).reshape(enlarged.height, enlarged.width, 3)[::4, ::4][:, :32]
    shown = ((x.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0)
    assert (shown - golden).abs().max() <= 1


def levels(x: torch.Tensor) -> torch.Tensor:
    """A picture as a screen shows it: 0 to 255."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round()


def test_the_shipped_reader_draws_what_the_terminal_draws(tmp_path):
    """A prompt and nothing else: seed 7, thirty steps."""
    said = "a happy green frog with a scraf, surely"             # with a slip, and a word that it does not know
    assert main(["sample", "pets32-text", said, "--count", "1", "--out", str(tmp_path / "pet.png")]) == 0
    picture = Image.open(tmp_path / "pet.png").convert("RGB")
    once = picture.height // 32
    terminals = torch.tensor(list(picture.tobytes())).reshape(picture.height, picture.width, 3)[::once, ::once]
    found = javascript("""
        const model = unpack(content), ask = await startNetwork(wasm, model);
        let last;
        for await (const { x } of walk(ask, model, { said })) last = x;
        say(last);""", content=engine.pack(zoo.load("pets32-text")), said=said)
    assert (levels(torch.tensor(found)).reshape(3, 32, 32).permute(1, 2, 0) - terminals).abs().max() <= 1


@pytest.mark.parametrize("steps, prompts", [(4, 20), (30, 1)])
def test_the_shipped_reader_draws_the_same_in_both_languages(steps, prompts):
    """Whatever is asked, no colour of a picture is off by more than one level of 255. prompts: in each language."""
    model, pets = zoo.load("pets32-text"), dl.PartyPets(size=32)
    rows = torch.stack([pets[i][1] for i in range(prompts)])
    texts = [text for grammar in dl.pets.GRAMMARS.values() for text in dl.pets.captions(rows, grammar=grammar)]
    found = javascript("""
        const model = unpack(content), ask = await startNetwork(wasm, model), pictures = [];
        for (const [seed, said] of texts.entries()) for await (const { k, x } of walk(ask, model, { said, seed, steps })) pictures[seed] = x;
        say(pictures);""", content=engine.pack(model), texts=texts, steps=steps)
    x = torch.cat([dl.randn((1, 3, 32, 32), dl.CounterGenerator(seed)) for seed in range(len(texts))])
    *_, last = dl.trajectory(dl.ClassifierFreeGuidance(model, 2.0), x, dl.uniform_times(steps), dl.DPMSolverPP2M(), texts)
    pages, pythons = levels(torch.tensor(found)), levels(last.x.flatten(1))
    apart = (pages - pythons).abs().amax(1)
    assert len(texts) == 2 * prompts and not (apart > 1).any(), [text for text, off in zip(texts, apart) if off > 1]
    assert (pages[0] - pages[1]).abs().max() > 50, "two wishes, one picture: this test sees nothing"


@pytest.mark.parametrize("said", ["a grey dog with a crown and a sad mood", "కిరీటం పెట్టుకున్న కుందేలు"])
def test_a_walk_on_the_clock_is_the_figures(said):
    """On the schedule of the recorded figures, by DDIM: the same looks at every step, and the same picture."""
    model, steps, clock = zoo.load("pets32-text"), 20, dl.LinearBetaSchedule(num_steps=1000)
    found = javascript("""
        const model = unpack(content), ask = await startNetwork(wasm, model), looks = [];
        let last;
        for await (const { x } of walk(watched(ask, model, (one) => looks.push(one)), onTheClock(model, steps), { said, seed: 2, steps, sampler: ddim })) last = x;
        say([last, looks]);""", content=engine.pack(model), said=said, steps=steps)
    x = dl.samplers.static((1, 3, 32, 32), clock, 1.0, dl.CounterGenerator(2))
    with dl.attention.recorded(model.network) as wanted:
        *_, end = dl.trajectory(dl.ClassifierFreeGuidance(model, 2.0).under(clock), x, dl.uniform_times(steps), dl.DDIM(), [said])
    assert (levels(torch.tensor(found[0])) - levels(end.x.flatten())).abs().max() <= 1
    for looks, right in zip(found[1], wanted, strict=True):
        shares = shares_of(looks)
        assert list(shares) == list(right)
        assert all(max_error(shares[block], right[block][0]) < 1e-4 for block in shares)


def test_nothing_said_is_not_guided():
    """Without a wish guidance has nothing to add, and asks nothing twice."""
    found = javascript("""
        const model = unpack(content);
        let asked = 0;
        for await (const state of walk(async (x) => { asked += 1; return x; }, model, { steps: 5 }));
        say(asked);""", content=engine.pack(denoiser()))
    assert found == 5


# ---- Words ---------------------------------------------------------------------------------------------------------

ODD = ["", "A CAT, wearing a HAT!", "దీని నాయిస్ తీసివేసి కుక్కలా మార్చు", "cafe\u0301 caf\u00e9", "క్\u200cష", "  --- 🙂 \n", "top-hat_2", "ΣΊΣΥΦΟΣ İstanbul ß",
       "a sleppy frgo", "cow bog", "frogs bea bears dgo", "\x00\u202e", "a" * 10_000, "cat " * 50, "కా" * 500, "١٢٣ ½ ² x²", "𝔠𝔞𝔱 𝒶", "don't ’s", "ab\u00adc"]


def test_one_slip_is_one_slip_in_both():
    """For all pairs of short words over three letters (tests/test_words.py has tried every slip)."""
    letters = "abc"
    words = ["", *letters, *(x + y + z for x in letters for y in ("", *letters) for z in ("", *letters))]
    found = javascript("say(words.map((a) => words.map((b) => oneSlip([...a], [...b]))));", words=words)
    assert found == [[one_slip(a, b) for b in words] for a in words]


ASKED = ["dogs wearing hats", "bears", "కుక్కా", "a house", "a mouze", "dgo", "a ct", "a kat", "a big cat", "a hot dog", "big", "dgo pet", "కుక్కకు కిరీటం", "a dog left of a cat",
         "lefft", "constructor __proto__", "a unicorn", "make this into", "no", "elephant fedora", "jjj 猫", "cat " * 50 + "frgo", "xx1yy xx2yy xx3yy xx4yy xx5yy xx6yy xx7yy xx8yy xx9yy"]


def test_the_page_hears_what_python_hears():
    """What is read and every notice about words. What the words cannot mean together ("a dog and a cat", "a red cat") the page does not say:
    that takes the tables of the languages."""
    for name in ("pets32-text", "scenes64-text"):
        conditioner = zoo.load(name).network.conditioner
        for code, grammar in GRAMMARS.items():
            found = javascript("say(texts.map((text) => heardOf(text, wish, wording)));", texts=ASKED + ODD, wish=engine.words_of(conditioner.vocabulary),
                               wording=notices()[code])
            for text, heard in zip(ASKED + ODD, found, strict=True):
                wish, read = wish_in_words(text, conditioner, code), conditioner.vocabulary.read(text, grammar.notices)
                quoted = [re.sub(r"'([^']*)'", r"“\1”", notice) for notice in read.notices]
                assert (heard["heard"], heard["said"], heard["notices"]) == (wish.heard, wish.cond and text, quoted), text
                assert wish.notices[:len(read.notices)] == read.notices and len(wish.notices) <= len(read.notices) + 2
    assert wish_in_words("a dog and a cat", conditioner).notices and not conditioner.vocabulary.read("a dog and a cat").notices


def test_javascript_reads_as_python_does():
    pets = dl.CaptionedPets(size=32)
    vocabulary = dl.pet_vocabulary()
    captions = [text for text in pets.texts(range(60))]
    slips = [text[:i] + text[i + 1:] for i, text in enumerate(captions)] + [text[:i] + text[i:i + 2][::-1] + text[i + 2:] for i, text in enumerate(captions)]
    for words, texts in ((vocabulary, captions + slips + ODD), (VOCABULARY, ODD), (Vocabulary(vocabulary.words), slips)):
        found = javascript("say(texts.map((text) => [splitWords(text), readWords(text, wish)]));", texts=texts,
                           wish=engine.words_of(words))
        rows = words.encode(texts)
        for text, row, (cut, read) in zip(texts, rows, found, strict=True):
            assert cut == split(text), text
            assert read["numbers"] == row[row > 0].tolist() and tuple(read["words"]) == words.read(text).words, text
            assert bool(read["repaired"] or read["unknown"] or read["tooMany"]) == bool(words.read(text).notices), text


def test_what_the_page_reads_with_is_the_same_every_time():
    """Its address changes with it, so it must not hang on the order of a set, which differs from process to process."""
    code = ("import json, diffusion_lib as dl\nfrom diffusion_lib.engine import words_of\n"
            "print(json.dumps(words_of(dl.zoo.load('pets32-text').network.conditioner.vocabulary)))")
    first, second = (subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True,
                                    text=True, check=True).stdout for seed in ("3", "4"))
    assert first == second and "కుక్కకు" in json.loads(first)["words"]
