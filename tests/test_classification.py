"""The network that judges: it learns, it forgives a little noise, and the shipped one reads every drawn pet."""

import pytest
import torch

from diffusion_lib import zoo
from diffusion_lib.classification import augment, classification_loss
from diffusion_lib.data.pets import SIZES, UNSAID, PartyPets
from diffusion_lib.networks.classifier import Classifier, ClassifierConfig, answers


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    return Classifier(ClassifierConfig(SIZES, width=16, features=24, side=16))


def test_a_batch_can_be_learned_by_heart():
    classifier, (x, wanted) = small(), PartyPets(16).batch(range(16))
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
    assert (answers(classifier, x) == wanted).float().mean() < 0.5
    for _ in range(60):
        optimizer.zero_grad()
        classification_loss(classifier, x, wanted, noise=0.0, shift=0, generator=generator()).mean.backward()
        optimizer.step()
    assert torch.equal(answers(classifier, x), wanted)


def test_the_loss_is_the_cross_entropy_summed_over_questions():
    classifier, (x, wanted) = small(), PartyPets(16).batch(range(6))
    terms = classification_loss(classifier, x, wanted, noise=0.0, shift=0)
    by_hand = -sum(logits.log_softmax(1)[range(6), wanted[:, a]] for a, logits in enumerate(classifier(x)))
    assert (terms.per_sample - by_hand).abs().max() < 1e-5
    assert abs(terms.mean - by_hand.mean()) < 1e-5


def test_what_is_unsaid_is_not_asked():
    """A pet of which only the animal is known counts for the animal; the rest of the network learns nothing from it."""
    classifier, (x, wanted) = small(), PartyPets(16).batch(range(6))
    only = torch.full_like(wanted, UNSAID)
    only[:, 0] = wanted[:, 0]
    terms = classification_loss(classifier, x, only, noise=0.0, shift=0)
    terms.mean.backward()
    by_hand = -classifier(x)[0].log_softmax(1)[range(6), wanted[:, 0]]
    assert (terms.per_sample - by_hand).abs().max() < 1e-5
    assert all(head.weight.grad.abs().max() == 0 for head in classifier.heads[1:])


def test_every_parameter_gets_a_gradient():
    classifier, (x, wanted) = small(), PartyPets(16).batch(range(8))
    classification_loss(classifier, x, wanted, generator=generator()).mean.backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_answers_are_read_from_the_features_alone():
    classifier, x = small(), PartyPets(16).batch(range(4))[0]
    features = classifier.features(x)
    assert features.shape == (4, 24)
    logits = [head(torch.nn.functional.silu(features)) for head in classifier.heads]
    assert max((a - b).abs().max() for a, b in zip(logits, classifier(x))) < 1e-6


def test_answers_do_not_depend_on_how_many_are_looked_at_together():
    classifier, x = small(), PartyPets(16).batch(range(10))[0]
    assert torch.equal(answers(classifier, x, batch=3), answers(classifier, x))


def test_augmenting_shifts_by_whole_pixels_and_repeats_the_rim():
    x = torch.arange(64.0).reshape(1, 1, 8, 8)
    seen = {tuple(augment(x, 0.0, 2, generator(seed))[0, 0, 4, 4:5].tolist()) for seed in range(200)}
    assert seen == {(x[0, 0, 4 + down, 4 + right].item(),) for down in range(-2, 3) for right in range(-2, 3)}
    assert set(augment(x, 0.0, 2, generator(1)).flatten().tolist()) <= set(x.flatten().tolist())


def test_augmenting_adds_noise_up_to_the_stated_strength():
    strength = (augment(torch.zeros(400, 3, 16, 16), 0.2, 0, generator())).flatten(1).std(1)
    assert 0.19 < strength.max() < 0.22 and strength.min() < 0.01
    assert abs(strength.mean() - 0.1) < 0.01


@pytest.mark.parametrize("name, value", [("width", 20), ("side", 30)])
def test_impossible_sizes_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        Classifier(ClassifierConfig(SIZES, **{name: value}))


# --- the shipped one ---

def shipped_accuracy(classifier: Classifier, split: str) -> float:
    x, wanted = PartyPets(32, split, seed=1234).batch(range(600))
    return (answers(classifier, x) == wanted).all(1).float().mean().item()


@pytest.mark.parametrize("split", ["validation", "held_out"])
def test_the_shipped_classifier_reads_every_attribute_of_fresh_pictures(split):
    """99 % of all attributes together, of seen combinations and of those it never saw."""
    assert shipped_accuracy(zoo.load("pets32-classifier"), split) >= 0.99


def test_it_forgives_a_little_noise():
    classifier = zoo.load("pets32-classifier")
    x, wanted = PartyPets(32, "validation", seed=1234).batch(range(400))
    noisy = x + 0.1 * torch.randn(x.shape, generator=generator())
    assert (answers(classifier, noisy) == wanted).all(1).float().mean() >= 0.97


def test_with_shuffled_weights_it_reads_nothing():
    classifier = zoo.load("pets32-classifier")
    with torch.no_grad():
        for parameter in classifier.parameters():
            flat = parameter.flatten()
            parameter.copy_(flat[torch.randperm(len(flat), generator=generator())].reshape(parameter.shape))
    assert shipped_accuracy(classifier, "validation") < 0.01
