"""Telugu, as a table.

What was chosen, and why:

* Everything that tells of the pet stands before it, and the animal comes last: "టోపీ పెట్టుకున్న నవ్వుతున్న నారింజ రంగు పిల్లి",
  word for word "hat having-put-on smiling orange colour cat". Only the background, and in lists the clothes, may be added
  behind a comma, as one does in speech.
* The animal is the word that takes the endings, for it is the head of the phrase: కుక్కలా or కుక్కలాగా "like a dog", కుక్కగా "as a
  dog", కుక్కను "a dog" as what is drawn, కుక్కకు "to a dog". After -ి the last two are -ని and -కి (పిల్లిని, పిల్లికి); speech has -ని and
  -కి everywhere (కుక్కని), so both are known.
* What one wears decides the verb: a hat or glasses are put on (పెట్టుకున్న), a bow tie is tied (కట్టుకున్న), a scarf is wound
  (చుట్టుకున్న). ధరించిన, "having worn", is formal and serves for all. "With" is -తో, and plurals turn -లు into -లతో: కళ్ళద్దాలతో.
* Colours of things take రంగు, "colour": నారింజ రంగు "orange colour". Brown is the colour of wheat, grey that of ash, pink that of
  roses. తెల్ల, నల్ల, ఎర్ర, నీలి and ఆకుపచ్చ can do without. "Orange" is never red.
* Borrowed, as spoken Telugu does: నాయిస్ noise, స్టాటిక్ static, టాప్ హ్యాట్ top hat, కౌబాయ్ cowboy, బో టై bow tie, స్కార్ఫ్ scarf; beside
  our own words also బ్యాక్‌గ్రౌండ్ background, పింక్ pink. A beanie is a woollen hat, ఉన్ని టోపీ.
* The joiner that is written before an ending (స్కార్ఫ్‌తో) is ignored when reading, as many phones leave it out.
"""

from ...words import Notices
from .attributes import ATTRIBUTES
from .grammar import Grammar, Word

JOINER = "\u200c"                                            # keeps a bare consonant apart from the ending behind it

COLOURS = {"white": ("తెల్ల", "తెల్లని", "తెలుపు రంగు"), "grey": ("బూడిద రంగు", "బూడిదరంగు"), "black": ("నల్ల", "నల్లని", "నలుపు రంగు"),
           "brown": ("గోధుమ రంగు", "గోధుమరంగు"), "orange": ("నారింజ రంగు", "నారింజరంగు"), "yellow": ("పసుపు రంగు", "పసుపుపచ్చ", "పసుపు పచ్చ"),
           "pink": ("గులాబీ రంగు", "గులాబి రంగు", "పింక్"), "green": ("ఆకుపచ్చ", "ఆకుపచ్చని", "ఆకుపచ్చ రంగు", "ఆకు పచ్చ రంగు"),
           "blue": ("నీలి", "నీలం రంగు", "నీలి రంగు"), "purple": ("ఊదా రంగు", "ఊదారంగు", "వంగపండు రంగు")}


def _with(noun: str, ending: str) -> str:
    """A noun and its ending; a joiner keeps them apart where the noun ends in a bare consonant."""
    return noun + (JOINER if noun.endswith("్") else "") + ending


def _animals(*nouns: str) -> tuple[Word, ...]:
    """Animals with their endings: like, as, object (written and spoken), to (written and spoken)."""
    def forms(noun: str) -> Word:
        front = noun.endswith("ి")
        return {"": noun, "లా": noun + "లా", "లాగా": noun + "లాగా", "గా": noun + "గా", "ను": noun + ("ని" if front else "ను"), "ని": noun + "ని",
                "కు": noun + ("కి" if front else "కు"), "కి": noun + "కి"}
    return tuple(forms(noun) for noun in nouns)


def _worn(verb: str, *nouns: str) -> tuple[Word, ...]:
    """Things to wear: bare, having put them on, having worn them, with them, that has them. verb: how this kind is put on."""
    def forms(noun: str) -> Word:
        stem = noun[:-2] + "ల" if noun.endswith("లు") else noun
        return {"": noun, "worn": f"{noun} {verb}", "formal": f"{noun} ధరించిన", "తో": _with(stem, "తో"), "has": f"{noun} ఉన్న"}
    return tuple(forms(noun) for noun in nouns)


def _lacking(noun: str) -> tuple[Word, ...]:
    """Without something: of a pet, and as a circumstance."""
    return ({"": f"{noun} లేకుండా", "worn": f"{noun} లేని", "formal": f"{noun} లేని", "తో": f"{noun} లేకుండా", "has": f"{noun} లేని"},)


def _backgrounds(colour: str) -> tuple[Word, ...]:
    """A colour's background, in it and with it."""
    return tuple({"": f"{shade} {noun}", "లో": f"{shade} {_with(noun, 'లో')}", "తో": f"{shade} {_with(noun, 'తో')}"}
                 for noun, shades in (("నేపథ్యం", COLOURS[colour]), (f"బ్యాక్{JOINER}గ్రౌండ్", COLOURS[colour][:1])) for shade in shades)


TELUGU = Grammar(
    name="తెలుగు",
    words={
        "animal": {"cat": _animals("పిల్లి", "పిల్లిపిల్ల", "పిల్లి పిల్ల"), "dog": _animals("కుక్క", "కుక్కపిల్ల", "కుక్క పిల్ల"), "rabbit": _animals("కుందేలు", "చెవులపిల్లి"),
                   "bear": _animals("ఎలుగుబంటి", "ఎలుగు"), "mouse": _animals("ఎలుక", "చిట్టెలుక"), "frog": _animals("కప్ప"),
                   "pig": _animals("పంది", "పందిపిల్ల"), "chick": _animals("కోడిపిల్ల", "కోడి పిల్ల", "కోడి", "పక్షి")},
        "fur": {colour: COLOURS[colour] for colour in ATTRIBUTES["fur"]},
        "pattern": {"plain": ("సాదా", "చారలు మచ్చలు లేని"), "striped": ("చారల", "చారలున్న", "చారలు ఉన్న"),
                    "spotted": ("మచ్చల", "మచ్చలున్న", "మచ్చలు ఉన్న", "చుక్కల")},
        "hat": {"none": _lacking("టోపీ"), "party hat": _worn("పెట్టుకున్న", "పార్టీ టోపీ", "పుట్టినరోజు టోపీ"),
                "top hat": _worn("పెట్టుకున్న", "టాప్ హ్యాట్", "పొడవైన టోపీ", "నల్ల టోపీ"), "crown": _worn("పెట్టుకున్న", "కిరీటం", "బంగారు కిరీటం"),
                "wizard hat": _worn("పెట్టుకున్న", "మాంత్రికుడి టోపీ", "మంత్రగాడి టోపీ", "మాంత్రికుని టోపీ"),
                "cowboy hat": _worn("పెట్టుకున్న", "కౌబాయ్ టోపీ", "కౌబాయ్ హ్యాట్", "గోధుమ రంగు టోపీ"),
                "red beanie": _worn("పెట్టుకున్న", "ఎర్ర ఉన్ని టోపీ", "ఎరుపు రంగు ఉన్ని టోపీ", "ఎర్ర టోపీ", "ఎరుపు రంగు టోపీ", "ఎర్ర బీనీ"),
                "blue beanie": _worn("పెట్టుకున్న", "నీలి ఉన్ని టోపీ", "నీలం రంగు ఉన్ని టోపీ", "నీలి టోపీ", "నీలం రంగు టోపీ", "నీలి బీనీ")},
        "accessory": {"none": _lacking("అలంకరణ"), "glasses": _worn("పెట్టుకున్న", "కళ్ళద్దాలు", "కళ్లద్దాలు", "కళ్ళజోడు", "కళ్లజోడు", "అద్దాలు"),
                      "bow tie": _worn("కట్టుకున్న", "బో టై", "బౌ టై"), "scarf": _worn("చుట్టుకున్న", "స్కార్ఫ్", "మఫ్లర్") + _worn("వేసుకున్న", "స్కార్ఫ్")},
        "mood": {"happy": ("నవ్వుతున్న", "నవ్వుతూ ఉన్న", "సంతోషంగా ఉన్న", "ఆనందంగా ఉన్న", "సంతోషంగా వున్న"), "sad": ("విచారంగా ఉన్న", "బాధగా ఉన్న", "దిగులుగా ఉన్న", "బాధపడుతున్న", "ఏడుస్తున్న"),
                 "sleepy": ("నిద్రమత్తులో ఉన్న", "నిద్రపోతున్న"), "surprised": ("ఆశ్చర్యపోతున్న", "ఆశ్చర్యపోయిన", "ఆశ్చర్యంగా చూస్తున్న")},
        "background": {colour: _backgrounds(colour) for colour in ATTRIBUTES["background"]},
    },
    loose=tuple(("hat", word, ATTRIBUTES["hat"][1:]) for word in _worn("పెట్టుకున్న", "టోపీ", "టోపి", "హ్యాట్"))
    + tuple(("hat", word, ("red beanie", "blue beanie")) for word in _worn("పెట్టుకున్న", "ఉన్ని టోపీ", "బీనీ")),
    anybody=_animals("జంతువు", "పెంపుడు జంతువు"),
    orders=(
        ("{background:లో}", ("{hat:worn}", "{accessory:worn}", "{mood}"), ("{pattern}", "{fur}"), "{animal}"),
        (("{hat:worn}", "{accessory:worn}", "{mood}"), ("{pattern}", "{fur}"), "{animal}", ", {background} ముందు"),
        ("{background} ముందు", ("{hat:formal}", "{accessory:formal}", "{mood}"), ("{pattern}", "{fur}"), "{animal}"),
        ("{background:లో}", "{hat:తో}, {accessory:తో} ఉన్న | {hat:తో} ఉన్న | {accessory:తో} ఉన్న", "{mood}", ("{pattern}", "{fur}"), "{animal}"),
        ("{mood}", "ఒక", "{pattern}", "{fur}", "{animal}", (", తలపై {hat}", ", {accessory:తో}"), ", {background:లో}"),
        ("వెనుక {background:తో},", "తల మీద {hat:has}", "{accessory:has}", "{mood}", "{pattern}", "{fur}", "{animal}"),
        ("{mood}", "{pattern}", "{fur}", "{animal}", (", {hat}", ", {accessory}", ", {background}")),
    ),
    closed=(0, 2, 3, 5),
    instructions=("దీని నాయిస్ తీసివేసి {లా} మార్చు", "దీన్ని {గా} మార్చు", "ఈ స్టాటిక్‌ను {గా} మార్చు", "{ను} గీయి", "{} బొమ్మ", "{} బొమ్మ గీయి",
                  "దీన్ని {లాగా} మార్చు", "ఈ నాయిస్ తొలగించి {లా} మార్చండి", "{ని} గీయండి", "{ను} చూపించు", "{} చిత్రం", "నాకు {ని} చూపించండి", "దీన్ని {లా} చెయ్యి",
                  "దయచేసి {} బొమ్మ గీయండి", "దీనిని {గా} మార్చు", "దీని నుండి నాయిస్‌ను తీసేసి {లా} మార్చు", "నాకు {} కావాలి", "{ను} సృష్టించు",
                  "దీన్ని {లా} చేయి", "{} ఫోటో"),
    scenes=("{right:కు} ఎడమవైపు {left}", "{left:కు} కుడివైపు {right}", "{right:కి} ఎడమ వైపు {left}", "{left:కి} కుడి వైపు {right}",
            "ఎడమవైపు {left}, కుడివైపు {right}", "ఎడమ వైపు {left}, కుడి వైపు {right}"),
    absent={"pattern": "plain", "hat": "none", "accessory": "none"},
    negations=frozenset({"లేని", "లేకుండా"}),
    negation_follows=True,
    also={"పిల్లులు": "పిల్లి", "కుక్కలు": "కుక్క", "కుందేళ్లు": "కుందేలు", "కుందేళ్ళు": "కుందేలు", "ఎలుగుబంట్లు": "ఎలుగుబంటి", "ఎలుకలు": "ఎలుక",
          "కప్పలు": "కప్ప", "పందులు": "పంది", "కోడిపిల్లలు": "కోడిపిల్ల", "పక్షులు": "పక్షి", "టోపీలు": "టోపీ", "కిరీటాలు": "కిరీటం"},
    notices=Notices(
        repaired="{word!r} అనే మాటను {meant!r} అని చదివాం", unknown="{word!r} అనే మాట ఇక్కడ తెలియదు, దాన్ని వదిలేశాం; దానికి దగ్గరి మాటలు: {near}", more_unknown="తెలియని మాటలు ఇంకా {count} ఉన్నాయి, వాటిని వదిలేశాం",
        too_long="తెలిసిన {count} మాటల్లో మొదటి {length} మాత్రమే చదివాం", alone="{word!r} అనే మాటకు ఒక్కదానికే ఇక్కడ అర్థం లేదు",
        alone_in="{word!r} అనే మాటకు ఒక్కదానికే ఇక్కడ అర్థం లేదు; అది వచ్చే చోట్లు: {phrases}", heard="చదివినవి: {words}",
        twice="ఒకే విషయం ({name}) గురించి రెండు మాటలు ఉన్నాయి: {first!r}, {second!r}; ఒకటే చెప్పండి",
        sides="{text!r} అని రాశారు, కానీ ఇక్కడ రెండు జంతువులు, అవి ఎటువైపు ఉన్నాయో చెప్పాలి: {examples}",
        heard_nothing="చదవడానికి ఏమీ లేదు; ఏది వస్తే అది గీస్తాం"),
    fillers=frozenset("రంగు ఉన్న వున్న పెట్టుకున్న కట్టుకున్న చుట్టుకున్న వేసుకున్న ధరించిన చూస్తున్న వైపు".split()),
)
