"""The scoreboard: fresh, and its verdicts follow from the results."""

import pytest

from diffusion_lib import zoo
from scripts.scoreboard import (BARS, PAGE, Bar, Entry, facts, figure, in_few_steps, misses, model, over_floor, overview, page, processors, race, shipped,
                                spread_over_floor, start, starts, verdicts, walk)


def test_the_page_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python scripts/scoreboard.py"


def test_every_measured_model_is_on_it():
    text = page()
    for entry in shipped():
        assert f"\n## {entry.name}\n" in text
    for record in starts():
        assert f"\n### {record['recipe']}\n" in text
    assert {entry.name for entry in shipped()} == {model.name for model in zoo.models()}


def results(seen=0.98, few=0.95, frechet=1.05, details=1.2, near=0.05) -> dict:
    """Of one model in one language; figures are given in floors."""
    def stands(value, floor=2.0):
        return {"value": value * floor, "floor": floor, "spread": 0.1, "floor_spread": 0.1, "ceiling": 50.0}

    def row(guidance, n, value):
        return {"guidance": guidance, "steps": 8, "n": n, "seen": {"value": value}}

    figures = {"frechet": stands(frechet), "wasserstein": stands(details, 0.01), "near copies": stands(near, 1.0)}
    return {"n": 2000, "accuracy": {"seen": {"all": seen}, "held_out": {"all": 0.97}}, "recall": 0.95, "figures": figures,
            "frechet": figures["frechet"] | {"n": 1000},
            "sweep": {"rows": [row(1.0, 2000, 0.1), row(2.0, 100, 0.2), row(2.0, 2000, few)]},
            "protocol": {"n": 2000, "guidance": 2.0, "steps": 30, "sampler": "x", "seed": 7}}


def in_languages(**each) -> dict:
    return results() | {"languages": each}


def test_the_worst_language_counts():
    both = in_languages(en=results(seen=0.99, frechet=1.0, few=0.96), te=results(seen=0.96, frechet=1.2, few=0.94))
    seen, frechet = BARS["pets32-text"][0], BARS["pets32-text"][2]
    assert seen.reached(both) == 0.96 and not seen.met(both) and seen.met(both["languages"]["en"])
    assert frechet.reached(both) == pytest.approx(1.2) and not frechet.met(both)
    assert in_few_steps("seen")(both) == 0.94


def test_few_steps_are_those_at_the_main_guidance_and_at_full_n():
    assert in_few_steps("seen")(results(few=0.93)) == 0.93 and in_few_steps("held_out")(results()) is None
    assert in_few_steps("seen", n=100)(results()) == 0.2 and in_few_steps("seen", steps=4)(results()) is None


def test_figures_count_in_floors():
    assert over_floor("wasserstein")(results(details=1.35)) == pytest.approx(1.35)
    assert over_floor("wasserstein")({"protocol": {}, "n": 5}) is spread_over_floor("wasserstein")({"protocol": {}, "n": 5}) is None and figure("near copies")(results(near=0.06)) == 0.06


@pytest.mark.parametrize("value, verdict", [(1.3, True), (1.31, False), (None, None)])
def test_verdicts(value, verdict):
    bar = Bar("grain", lambda results: value, 1.3, at_most=True)
    assert bar.met({}) is verdict and (verdict is None or Bar("x", lambda results: -value, -1.3).met({}) is verdict)


def test_missed_bars_are_said():
    good, bad = (Entry("scenes64-text", {"pictures": 5}, found) for found in (results(), results(near=0.08, seen=0.89)))
    kept, missed = (verdicts(entry.name, entry.results) for entry in (good, bad))
    assert "missed" not in kept and "not measured" not in kept
    assert missed.count("**missed**") == 2 and "0.08" in missed
    assert " 5 met |" in overview([good]) and " 3 met, 2 missed |" in overview([bad])
    few = good._replace(results=good.results | {"protocol": good.results["protocol"] | {"n": 200}})
    assert " 5 met, provisional |" in overview([few]) and "200 were judged" in model(few) and "provisional" not in model(good)
    assert "89.0 % (87.6 to 90.3)" in overview([bad])


def test_a_missed_bar_is_explained_and_one_that_is_met_is_not():
    kept, bad = results(), results(details=1.5)
    bad["figures"] |= {f"wasserstein {side}": {"value": value, "floor": 2.0} for side, value in ((32, 3.0), (16, 5.4))}
    (head, missed), section = misses("pets32-text", bad), model(Entry("pets32-text", {"pictures": 5}, bad))
    assert missed.count("\n") == 0 and missed.startswith("* **sliced Wasserstein of details / floor**: missed by 0.2. In floors it is 1.5 at 32 × 32 and 2.7 at 16 × 16.")
    assert "without a kept record" in head and "Next: " in missed and section.index("**missed**") < section.index(head) < section.index(missed)
    assert misses("pets32-text", kept) == [] and "without a kept record" not in model(Entry("pets32-text", {"pictures": 5}, kept))
    both = misses("scenes64-text", results(frechet=1.2, details=1.5))[1].split("\n")
    assert [line.split("**")[1] for line in both] == ["Fréchet distance / floor", "sliced Wasserstein of details / floor"]
    for entry in shipped():
        for bar in BARS.get(entry.name, ()):
            assert bar.met(entry.results) is not False or bar.tried, f"{entry.name} misses {bar.words}, and nothing says what was tried"


def test_a_ratio_to_the_floor_has_the_spread_of_both():
    """The figure 2.4 ± 0.1 over the floor 2 ± 0.1, of the worse language; no spread where one of the two is not known."""
    worst = results(frechet=1.2)
    expected = 1.2 * ((0.1 / 2.4) ** 2 + (0.1 / 2.0) ** 2) ** 0.5
    assert spread_over_floor("frechet")(in_languages(en=results(frechet=1.0), te=worst)) == pytest.approx(expected)
    assert f"1.2 ± {expected:.2g} |" in verdicts("pets32", worst)
    del worst["figures"]["frechet"]["spread"]
    assert spread_over_floor("frechet")(worst) is None and " 1.2 |" in verdicts("pets32", worst)


def test_the_same_wish_in_two_languages_counts_once():
    both = in_languages(en=results(), te=results()) | {"n": 4000}
    assert "98.0 % (97.3 to 98.5)" in overview([Entry("x", {"pictures": 5}, both)])       # of 2,000
    assert "98.0 % (97.3 to 98.5)" in overview([Entry("x", {"pictures": 5}, results())])


def test_lessons_of_reading_that_were_not_timed_are_said():
    made = {"pictures": 5, "minutes": 84.1, "recipe": "# x\n[comprehension]\ncaptions = 1_500\n"}
    assert "not timed; the reader learned from 1,500 captions" in facts(Entry("x", made, {}))
    timed = facts(Entry("x", made | {"reading_minutes": 2.5}, {}))
    assert "| minutes of reading before |" in timed and " 2.5 |" in timed and "not timed" not in timed
    assert "of reading" not in facts(Entry("x", made | {"recipe": "# x\n"}, {}))


def test_a_start_is_shown_seed_by_seed():
    runs = [{"seed": seed, "minutes": minutes, "pictures": 9000, "hardware": "an abacus", "date": "2026-11-22", "found": {"seen": seen, "held_out": 0.8}}
            for seed, minutes, seen in ((1, 7.0, 0.95), (2, 8.5, 0.91))]
    text = start({"made by": "x.py", "recipe": "pets32-quick", "n": 500, "guidance": 2.0, "steps": 30, "runs": runs})
    assert "at least 0.9" in text and "0.91" in text and text.count("**missed**") == 1            # the longer run takes 8.5 minutes
    assert "95.0 % (92.7 to 96.6)" in text


def test_a_race_shows_the_ends_of_all_runs_and_how_far_unfinished_ones_have_come():
    def run(library, seed, *seen):
        return {"library": library, "choice": "faster", "minutes": 6, "seed": seed, "frechet_floor": 4.0,
                "points": [{"minute": 3 * (i + 1), "pictures": 1000 * (i + 1), "seen": value, "held_out": 0.5, "frechet": 8.0} for i, value in enumerate(seen)]}
    text = race("x", {"made by": "x.py", "search": [], "runs": [run("ours", 0, 0.1, 0.9), run("ours", 1, 0.2, 0.7), run("azula", 0, 0.3), run("azula", 1)]})
    assert "Not run yet with its settings of today: diffusers, denoising-diffusion-pytorch, smalldiffusion." in text
    mixed = race("x", {"made by": "x.py", "search": [], "runs": [run("ours", 0, 0.1, 0.9), run("ours", 1, 0.3)]})
    assert [cell.strip() for cell in mixed.splitlines()[-1].split("|")[3:7]] == ["3 of 6", "0, 1", "1,000", "0.2 ± 0.14"]   # minutes are not mixed
    ours, theirs = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[-2:])
    assert ours == ["ours", "faster", "6", "0, 1", "2,000", "0.8 ± 0.14", "0.5 ± 0", "8 ± 0", "4 ± 0"]
    assert theirs == ["azula", "faster", "3 of 6", "0", "1,000", "0.3", "0.5", "8", "4"]


def test_a_race_says_whether_the_goal_is_met():
    def run(library, choice, minutes, *shares):
        points = [{"minute": minute, "pictures": 10, "seen": share, "held_out": share, "frechet": 10 * share} for minute, share in shares]
        return {"library": library, "choice": choice, "minutes": minutes, "seed": 0, "frechet_floor": 4.0, "points": points,
                "judging": {"pictures": 100}}

    ours = run("ours", "pets32-sprint", 30, (3, 0.5), (6, 0.7), (10, 0.9))
    text = race("x", {"made by": "x.py", "search": [], "runs": [ours, run("azula", "as documented", 30, (30, 0.8))]})
    seen, held_out, frechet = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[-3:])
    assert seen == ["all right, seen", "azula: 0.8 (1 seed, 0.711 to 0.867) after 30", "0.7 within 6", "minute 10", "**missed**"] and held_out[1:] == seen[1:]
    assert frechet == ["Fréchet distance", "azula: 8 (1 seed) after 30", "5 within 6", "minute 3", "met"]


def test_processors_are_named_and_where_there_are_several_so_are_their_rows():
    runs = [{"library": name, "hardware": f"1 core of {core}"} for name, core in (("a", "Abacus(R) Processor"), ("b", "Abacus(R) Processor"), ("a", "Loom"))]
    assert processors(runs[:2], "library") == "One core of Abacus."
    assert processors(runs, "library") == "One core of Abacus (*a*, *b*); of Loom (*a*)."


def test_samplers_stand_side_by_side_with_what_was_not_measured():
    rows = [{"sampler": "ours: DDIM", "budget": 10, "found": 0.5, "frechet": 321.25, "error": 0.0425},
            {"sampler": "ours: ancestral", "budget": 5, "found": 0.125, "frechet": 1277.0, "error": None}]
    loop = [{"model": "pets32", "batch": 16, "ms a call": 2.0, "ms a step": 2.02, "overhead": 0.01}]
    text = walk("x", {"made by": "x.py", "model": "pets32", "n": 256, "guidance": 2.0, "end calls": 199, "frechet_floor": 231.3, "hardware": "an abacus", "rows": rows, "loop": loop})
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ours")]
    assert cells == [["ours: DDIM", "not measured", "0.0425"],
                     ["ours: DDIM", "not measured", "321"], ["ours: ancestral", "1,277", "not measured"],
                     ["ours: DDIM", "not measured", "50.0 %"], ["ours: ancestral", "12.5 %", "not measured"]]
    assert "with 199 calls" in text and "floor 231" in text and "+1.0%" in text and "an abacus" in text and "256 pictures of `pets32`" in text
