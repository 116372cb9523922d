"""How the JavaScript of a live figure is put together: only what it needs, and nothing that only its readers need."""

from diffusion_lib.figures._base import lean, used_of

SOURCE = """
// What two things cost.
const price = [               // in cents
  1,
  2,
];

function total(list) {
  // one after the other
  return list
    .reduce((a, b) => a + b);
}
"""


def test_a_lean_module_has_no_comments_no_indentation_and_few_lines():
    assert lean(SOURCE) == "const price = [1,2,];function total(list) {return list\n.reduce((a, b) => a + b);}\n"


def test_addresses_are_no_comments():
    assert lean("const home = 'https://a.b';\n") == "const home = 'https://a.b';"


def test_only_what_is_named_is_taken_and_what_that_names_in_turn():
    shared = "const a = 1;\nconst b = a + 1;\nconst c = 3;\n"
    assert used_of(shared, "show(b)") == "const a = 1;const b = a + 1;"
