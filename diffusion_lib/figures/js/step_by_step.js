// Step by step: the walk back under a magnifying glass. Every step is taken apart: the state, what the model believes
// (a picture and a noise), what the step takes away and what it puts back.

// ---- Maths -----------------------------------------------------------------------------------------------------------

// The fresh noise n of a step from t to s, and the loudness at which the predicted noise is kept (DDIM, eq. 12 and 16).
function loudnesses(t, s, eta) {
  const carried = (alphaAt(t) / alphaAt(s)) * sigmaAt(s);
  const fresh = (eta * sigmaAt(s) * Math.sqrt(Math.max(0, sigmaAt(t) ** 2 - carried ** 2))) / sigmaAt(t);
  return { fresh, kept: Math.sqrt(Math.max(0, sigmaAt(s) ** 2 - fresh ** 2)) };
}

// Recorded step k of a walk, taken apart. Noise is counted in variances, because these add: the step takes sigma_t^2
// down to kept^2, and fresh noise puts n^2 back.
function takeApart(walk, k) {
  const t = walk.stops[k], stride = T / walk.steps, s = t - stride, index = (T - t) / stride;
  const x0 = walk.guesses[k], places = x0.length;
  const x = walk.states ? walk.states[k] : blend(x0, walk.noises[k], alphaAt(t), sigmaAt(t));
  const eps = walk.states ? blend(x, x0, 1 / sigmaAt(t), -alphaAt(t) / sigmaAt(t)) : walk.noises[k];
  const { fresh, kept } = loudnesses(t, s, walk.eta), loud = fresh * walk.loudness;
  const settled = blend(x0, eps, alphaAt(s), kept);
  const added = loud ? scaled(staticOf(walk.seed, places, places * (1 + 2 * index)), loud) : new Float32Array(places);
  return {
    t, s, index, x, x0, eps, kept, loud, added,
    removed: blend(x, settled, 1, -1),
    after: blend(settled, added, 1, 1),
    taken: sigmaAt(t) ** 2 - kept ** 2,
    back: loud ** 2,
    starved: fresh > loud,
  };
}

// A round factor that makes a faint picture visible.
const gainFor = (x) => [1, 2, 5, 10, 20, 50, 100, 200].findLast((gain) => gain === 1 || gain * rmsOf(x) < 0.7);

// ---- Data ------------------------------------------------------------------------------------------------------------

async function load(model) {
  return Promise.all(model.get('walks').map(async (recorded) => {
    const walk = { ...recorded, guesses: await decodeFilm(recorded.guesses, recorded.guess_range) };
    if (recorded.noises) walk.noises = await decodeFilm(recorded.noises, model.get('noise_range'));
    else walk.states = walkStates(walk);
    return { ...walk, apart: walk.stops.map((_, k) => takeApart(walk, k)) };
  }));
}

// place: of the slider, which counts from the end of the walk, so that time runs the same way in all figures: 0 on the
// left.
function fields(walks) {
  const last = Math.max(...walks.map(({ stops }) => stops.length)) - 1;
  return {
    kind: among(['ancestral', 'ddim']),
    loud: among([1, 0]),
    place: whole(last, 0, last),
    answer: kept(() => -1),
  };
}

// ---- Parts -----------------------------------------------------------------------------------------------------------

// How much noise does each recorded step take away and put back? Both axes are logarithmic.
function ledgerPart(say) {
  const wide = 280, tall = 80;
  const x = (t) => (Math.log10(t) / 3) * wide;
  const y = (v) => Math.min(1, Math.log10(v) / -5) * tall;
  const drawn = chart({
    label: say('chart'),
    wide,
    tall,
    left: ['1', '', '0.01', '', '10⁻⁴', ''].map((text, k) => [y(10 ** -k), text]),
    below: [1, 10, 100, 1000].map((t) => [x(t), t]),
    axis: say('axis'),
    caption: say.rich('caption', { badge: badge('formula', say) }),
  });
  const lines = { taken: drawn.path('live-line-signal'), back: drawn.path('live-line-noise') };
  const draw = (steps) => Object.entries(lines).forEach(([name, line]) =>
    set(line, { d: lineOf(steps.filter((step) => step[name]).map((step) => [x(step.t), y(step[name])])) }));
  return { node: drawn.node, draw, point: (t) => drawn.point(x(t)) };
}

// Six pictures: state, guess and predicted noise; what is removed, what is added, and the state after it.
function picturesPart(say) {
  const now = symbol('x', 't');
  const next = symbol('x', 's');
  const gains = { removed: element('span'), added: element('span') };
  const things = {
    x: { x: now },
    x0: { x: symbol('x̂', '0', 'signal') },
    eps: { x: symbol('ε̂', '', 'noise') },
    removed: { gain: gains.removed },
    added: { x: symbol('n z', '', 'noise'), gain: gains.added },
    after: { x: next },
  };
  const tiles = Object.fromEntries(
    Object.entries(things).map(([name, thing]) => [name, tile(...say.rich(name, thing))]));
  const faint = (step, name, what) => {
    const factor = gainFor(step[name]);
    gains[name].textContent = factor > 1 && rmsOf(step[name]) > 0 ? say('gain', { factor }) : '';
    tiles[name].draw(scaled(step[name], factor), say('louder', { what, factor }));
  };
  const draw = (step) => {
    now.lastChild.textContent = step.t;
    next.lastChild.textContent = step.s;
    for (const [name, words] of [['x', 'walkAt'], ['x0', 'guessAt'], ['eps', 'epsAt']]) {
      tiles[name].draw(step[name], say(words, step));
    }
    faint(step, 'removed', say('removedAlt'));
    faint(step, 'added', say(step.loud ? 'addedAlt' : 'nothing'));
    tiles.after.draw(step.after, say('afterAt', { t: step.s }));
  };
  return { node: markup`<div class="live-six">${Object.values(tiles).map((t) => t.node)}</div>`, draw };
}

// What stands in the formula of a step, and in its ledger.
const factorsOf = ({ s, kept, loud }) => ({
  alpha: alphaAt(s).toFixed(4),
  kept: kept.toFixed(4),
  fresh: loud.toFixed(4),
});
const ledgerOf = ({ t, kept, taken, back }) => ({
  before: (sigmaAt(t) ** 2).toFixed(5),
  taken: taken.toFixed(5),
  back: back.toFixed(5),
  left: (kept ** 2 + back).toFixed(5),
});

function sumPart(say) {
  const next = symbol('x', 's'), note = element('span');
  const node = markup`<div class="live-formula"><p>${next} = <span data-number="alpha"></span> ${
    symbol('x̂', '0', 'signal')} +
    <span data-number="kept"></span> ${symbol('ε̂', '', 'noise')} + <span data-number="fresh"></span> ${
    symbol('z', '', 'noise')}</p>
    <p class="live-ledger">${say.rich('ledger', { note })}</p></div>`;
  const draw = (step) => {
    next.lastChild.textContent = step.s;
    fill(node, { ...factorsOf(step), ...ledgerOf(step) });
    note.textContent = step.starved ? say('starved') : '';
  };
  return { node, draw };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

function build({ data: walks, state, say, changed }) {
  let walk, time;
  const pictures = picturesPart(say);
  const ledger = ledgerPart(say);
  const sum = sumPart(say);
  const kinds = choice(say('walk'), [['ancestral', say('ancestral')], ['ddim', say('ddim')]], (next) => {
    state.kind = next;
    start(Infinity);
  }, state.kind);
  const louds = choice(say('fresh'), [[1, say('z1')], [0, say('z0')]], (next) => {
    state.loud = next;
    start(state.place);
  }, state.loud);
  const share = (v) => percent(v, 2);
  const { taken, back } = walks[0].apart[0];
  const bet = question({
    state, say,
    options: ['more', 'equal', 'less'].map((key) => say(key)),
    tell: () => say('told', { taken: share(taken), back: share(back) }),
  });
  const node = markup`<div class="live-body">${bet}
    <div class="live-choices">${kinds} ${louds} ${badge('model', say)}</div>
    ${pictures.node}
    <div class="live-clock"><p class="live-readout">${say.rich('readout')}</p><div></div></div>
    ${sum.node} ${ledger.node}</div>`;

  const stepAt = (place) => walk.apart[walk.apart.length - 1 - place];
  const describe = (place) => {
    const { t, s, taken, back } = stepAt(place);
    return say('at', { t, s, taken: taken.toFixed(4), back: back.toFixed(4) });
  };
  function show(place) {
    const step = stepAt(state.place = place);
    for (const part of [pictures, sum]) part.draw(step);
    ledger.point(step.t);
    fill(node, { t: step.t, s: step.s, step: step.index + 1, steps: say.count(walk.steps) });
    changed();
  }
  // Walks have their own numbers of recorded steps, so each choice gets a clock of its own.
  function start(at) {
    walk = walks.find(({ kind, loudness }) => kind === state.kind && (kind === 'ddim' || loudness === state.loud));
    louds.disabled = state.kind === 'ddim';
    ledger.draw(walk.apart);
    time?.stop();
    time = timeline({ last: walk.apart.length - 1, say, describe, show, seconds: 12 });
    node.querySelector('.live-clock > div').replaceChildren(time.node);
    time.go(at);
  }
  function numbers() {
    const step = stepAt(state.place);
    const { alpha, kept, fresh } = factorsOf(step);
    const { before, taken, back, left } = ledgerOf(step);
    return [{
      title: say('thisStep', { t: step.t, s: step.s, step: step.index + 1, steps: say.count(walk.steps) }),
      head: [say('quantity'), say('value')],
      rows: [
        [`x̂₀ ×`, alpha],
        ['ε̂ ×', kept],
        ['z ×', fresh],
        [say('before'), before],
        [say('taken'), taken],
        [say('putsBack'), back],
        [say('left'), left],
      ],
    }, {
      title: say('allSteps'),
      head: ['t', 's', say('taken'), say('putsBack')],
      rows: walk.apart.map((one) => [one.t, one.s, one.taken.toFixed(5), one.back.toFixed(5)]),
    }];
  }
  start(state.place);
  return { node, numbers, stop: () => time.stop() };
}

export default live({ load, fields, build });
