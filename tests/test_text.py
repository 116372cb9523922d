"""Text as a condition: the reader, cross-attention, and what "nothing" means."""

import pytest
import torch
from torch import nn

import diffusion_lib as dl
from diffusion_lib.conditioning import AttributeConditioner, TextConditioner
from diffusion_lib.networks.attention import CrossAttention
from diffusion_lib.words import Vocabulary
from exact import max_error
from tiny import picture, randomised

VOCABULARY = Vocabulary(tuple("a cat dog wearing hat red blue on the left of right".split()), length=12)
TEXTS = ["a cat wearing a red hat", "a dog", ""]


def awake(module: nn.Module) -> nn.Module:
    """The same module with no weight at zero."""
    return randomised(module, 0.3).eval()


@pytest.fixture(scope="module")
def reader() -> TextConditioner:
    return awake(TextConditioner(VOCABULARY, width=32))


@pytest.fixture(scope="module")
def network() -> dl.UNet:
    config = dl.UNetConfig(stem=8, widths=(32, 64), blocks=(1, 1), attention=(False, False), embedding=32, reads=(0, 1))
    return awake(dl.UNet(config, TextConditioner(VOCABULARY, width=32)))


def test_cross_attention_is_pytorchs_own():
    block, x, words = awake(CrossAttention(64, 32, head_width=16)), picture(2, 64, 4, 6), picture(2, 5, 32, seed=1)
    mask = torch.tensor([[True, True, True, False, False], [True] * 5])
    peer = nn.MultiheadAttention(64, 4, batch_first=True, kdim=32, vdim=32)
    with torch.no_grad():
        k, v = block.kv.weight.chunk(2)
        peer.q_proj_weight.copy_(block.q.weight), peer.k_proj_weight.copy_(k), peer.v_proj_weight.copy_(v)
        peer.in_proj_bias.copy_(torch.cat([block.q.bias, block.kv.bias]))
        peer.out_proj.weight.copy_(block.out.weight), peer.out_proj.bias.copy_(block.out.bias)
        places = block.norm(x).flatten(2).transpose(1, 2)
        expected = x + peer(places, words, words, key_padding_mask=~mask)[0].transpose(1, 2).reshape(x.shape)
        assert max_error(block(x, words, mask), expected) < 1e-5


def test_the_reader_is_pytorchs_own(reader):
    """Layer by layer, `nn.TransformerEncoderLayer` with the norms first says the same (it knows ReLU and GELU by name, SiLU by function)."""
    layer = reader.reader.layers[0]
    peer = nn.TransformerEncoderLayer(32, 1, 64, dropout=0, activation=nn.functional.silu, batch_first=True, norm_first=True).eval()
    with torch.no_grad():
        for ours, theirs in ((layer.qkv, None), (layer.out, peer.self_attn.out_proj), (layer.widen, peer.linear1), (layer.narrow, peer.linear2),
                             (layer.norm1, peer.norm1), (layer.norm2, peer.norm2)):
            weight, bias = (theirs.weight, theirs.bias) if theirs is not None else (peer.self_attn.in_proj_weight, peer.self_attn.in_proj_bias)
            weight.copy_(ours.weight), bias.copy_(ours.bias)
        x, mask = picture(2, 6, 32), torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
        ours, theirs = layer(x, mask), peer(x, src_key_padding_mask=~mask)
    assert max_error(ours[mask], theirs[mask]) < 1e-5


def test_texts_and_their_numbers_are_the_same_condition(reader):
    said, numbered = reader(TEXTS, 3), reader(VOCABULARY.encode(TEXTS), 3)
    assert torch.equal(said.tokens, numbered.tokens) and torch.equal(said.mask, numbered.mask)
    assert said.mask.sum(1).tolist() == [7, 3, 1]            # the words, and the beginning


def test_empty_places_change_nothing(reader):
    """A text says the same whatever texts stand beside it, and however much room is left after its words."""
    together, alone = reader(TEXTS, 3), [reader([text], 1) for text in TEXTS]
    for row, single in enumerate(alone):
        words = single.tokens.shape[1]
        assert max_error(together.tokens[row, :words], single.tokens[0]) < 1e-5
        assert max_error(together.vector[row], single.vector[0]) < 1e-5


@pytest.mark.parametrize("nothing", ["empty text", "not kept", "None", "words nobody knows"])
def test_nothing_is_the_empty_text(reader, nothing):
    empty = reader([""], 1).vector[0]
    embedding = {"empty text": lambda: reader(["", ""], 2), "not kept": lambda: reader(TEXTS[:2], 2, torch.tensor([False, False])),
                 "None": lambda: reader(None, 2), "words nobody knows": lambda: reader(["qqqq", "🙂"], 2)}[nothing]()
    assert max_error(embedding.vector, empty.expand(2, -1)) < 1e-6 and not embedding.mask[:, 1:].any()


def test_the_order_of_words_matters(reader):
    left, right = reader(["a cat left of a dog", "a dog left of a cat"], 2).vector
    assert (left - right).abs().max() > 1e-3


def test_every_word_reaches_the_picture_and_every_parameter_learns(network):
    x, log_snr = picture(2, 3, 16, 16), torch.zeros(2)
    said = network(x, log_snr, ["a red hat", "a blue hat"])
    assert (said - network(x, log_snr, ["a red hat", "a red hat"]))[1].abs().max() > 1e-4
    said.square().mean().backward()
    unused = {"conditioner.reader.words.weight"}             # only the rows of words that were said
    assert all(p.grad is not None and p.grad.abs().max() > 0 for name, p in network.named_parameters() if name not in unused)
    rows = network.conditioner.reader.words.weight.grad.abs().sum(1) > 0
    assert set(rows.nonzero().flatten().tolist()) == {0, *VOCABULARY.encode(["a red blue hat"])[0, :4].tolist()}
    network.zero_grad()


def test_words_can_come_through_cross_attention_alone(network):
    """With the pooled vector silenced, the prompt is still heard: the places read the words themselves."""
    x, log_snr = picture(1, 3, 16, 16), torch.zeros(1)
    weight = network.condition.weight.detach().clone()
    with torch.no_grad():
        network.condition.weight.zero_()
        cat, dog = network(x, log_snr, ["a cat"]), network(x, log_snr, ["a dog"])
        network.condition.weight.copy_(weight)
    assert (cat - dog).abs().max() > 1e-4


def test_recorded_attention_sums_to_one_and_leaves_no_trace(network):
    x, log_snr = picture(2, 3, 16, 16), torch.zeros(2)
    with torch.no_grad(), dl.attention.recorded(network) as looks:
        listened = network(x, log_snr, ["a cat", "a red dog"])
        network(x, log_snr, ["a cat", "a red dog"])
    assert len(looks) == 2 and set(looks[0]) == {"down.0.0.words", "down.1.0.words", "middle.0.words", "middle.1.words", "up.0.0.words", "up.1.0.words"}
    for weights in looks[0].values():
        assert weights.shape[::3] == (2, 4) and max_error(weights.sum(3), torch.ones(weights.shape[:3])) < 1e-5
        assert weights[0, :, :, 3].max() == 0                # "a cat" has no third word
    with torch.no_grad():
        assert torch.equal(listened, network(x, log_snr, ["a cat", "a red dog"])) and len(looks) == 2


def test_recorded_names_begin_where_one_listens(network):
    model = dl.NeuralDenoiser(network, dl.CosineSchedule())
    with torch.no_grad(), dl.attention.recorded(model) as outside, dl.attention.recorded(model.network) as inside:
        model(picture(2, 3, 16, 16), 0.5, ["a cat", "a red dog"])
    assert "up.0.0.words" in inside[0] and set(outside[0]) == {f"network.{name}" for name in inside[0]}


def test_a_model_of_text_is_rebuilt_from_its_file(network, tmp_path):
    model = dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW)
    dl.save_checkpoint(tmp_path / "text.safetensors", model)
    again = dl.load_checkpoint(tmp_path / "text.safetensors")
    assert again.network.conditioner.vocabulary == VOCABULARY
    x = picture(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(model(x, 0.5, ["a cat", "a dog"]).x0, again(x, 0.5, ["a cat", "a dog"]).x0)


def test_guidance_takes_texts(network):
    model = dl.NeuralDenoiser(network, dl.RectifiedFlowSchedule(), dl.FLOW)
    x = picture(2, 3, 16, 16)
    with torch.no_grad():
        guided = dl.ClassifierFreeGuidance(model, 3.0)(x, 0.5, TEXTS[:2]).x0
        said, nothing = model(x, 0.5, TEXTS[:2]).x0, model(x, 0.5, ["", ""]).x0
    assert max_error(guided, nothing + 3 * (said - nothing)) < 1e-4


@pytest.mark.parametrize("cond, wrong", [(["a cat"], "2 texts"), (torch.zeros(2, 13, dtype=torch.int64), "(2, 13)"), (torch.zeros(2, 3), "float32"),
                                         (torch.tensor([[1], [99]]), "99"), (torch.tensor([[1], [-1]]), "-1"), (["a", 3], "3")])
def test_a_wrong_condition_is_named(reader, cond, wrong):
    with pytest.raises(ValueError) as error:
        reader(cond, 2)
    assert wrong in str(error.value)


def test_reading_needs_a_reader():
    with pytest.raises(ValueError, match="reads is .0,."):
        dl.UNet(dl.UNetConfig(reads=(0,)), AttributeConditioner((3,), 32))
    with pytest.raises(ValueError, match="between 0 and 1"):
        dl.UNetConfig(reads=(2,))
    with pytest.raises(ValueError, match="layers is 0"):
        TextConditioner(VOCABULARY, width=32, layers=0)
