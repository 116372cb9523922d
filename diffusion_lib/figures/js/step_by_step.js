// Step by step: the walk back under a magnifying glass. Every step is taken apart: the state, what the model believes
// (a picture and a noise), what the step takes away and what it puts back.

const WORDS = {
  back: '◂ Walk back', forth: 'Rewind ▸', minus: '◂ 1', plus: '1 ▸', slider: 'step of the walk',
  stepBack: 'next recorded step', stepForth: 'recorded step before',
  walk: 'the walk', kinds: [['ancestral', '1,000 small steps'], ['ddim', '50 strides']],
  fresh: 'fresh noise', louds: [[1, 'z added'], [0, 'z left out']],
  question: 'Before you look: the first small step goes from t = 1000 to 999. Does it take away more noise than it puts back?',
  answers: ['More is taken away', 'About as much', 'More is put back'], skip: 'Skip',
};

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
  return { t, s, index, x, x0, eps, kept, loud, added, removed: blend(x, settled, 1, -1), after: blend(settled, added, 1, 1),
    taken: sigmaAt(t) ** 2 - kept ** 2, back: loud ** 2, starved: fresh > loud };
}

// A round factor that makes a faint picture visible.
const gainFor = (x) => [1, 2, 5, 10, 20, 50, 100, 200].findLast((gain) => gain === 1 || gain * rmsOf(x) < 0.7);

// ---- Data ------------------------------------------------------------------------------------------------------------

async function load(recorded, noiseRange) {
  const walk = { ...recorded, guesses: await decodeFilm(recorded.guesses, recorded.guess_range) };
  if (recorded.noises) walk.noises = await decodeFilm(recorded.noises, noiseRange);
  else walk.states = walkStates(walk);
  return walk;
}

// ---- Parts -----------------------------------------------------------------------------------------------------------

// A question before the answer. It can be skipped.
function questionPart({ taken, back }) {
  const percent = (v) => `${(100 * v).toFixed(2)} %`;
  const answer = (bet) => () => node.replaceChildren(markup`<p aria-live="polite">${bet ? `You said: ${bet.toLowerCase()}. ` : ''}
    It is about as much: the step takes away ${percent(taken)} of the noise (of its variance) and z puts ${percent(back)} back.
    Early on, walking back exchanges noise far more than it removes it.</p>`);
  const node = markup`<div class="live-bet"><p>${WORDS.question}</p><span class="live-answers">
    ${WORDS.answers.map((text) => button(text, answer(text)))} ${quietButton(WORDS.skip, answer(''))}</span></div>`;
  return node;
}

// How much noise does each recorded step take away and put back? Both axes are logarithmic.
function ledgerPart() {
  const wide = 560, tall = 120, px = (t) => (Math.log10(t) / 3) * wide, py = (v) => Math.min(1, Math.log10(v) / -5) * tall;
  const node = markup`<figure><svg viewBox="-40 -8 620 162" class="live-chart" role="img"
      aria-label="how much noise each step takes away and puts back, against t">
    <path class="live-grid" d="M0 0H560M0 24H560M0 48H560M0 72H560M0 96H560M0 120H560"/>
    <g class="live-ticks-left"><text x="-6" y="3">1</text><text x="-6" y="51">0.01</text><text x="-6" y="99">0.0001</text></g>
    <text x="0" y="135">1</text><text x="187" y="135">10</text><text x="373" y="135">100</text><text x="560" y="135">1000</text>
    <text x="280" y="150">time t</text>
    <path class="live-line live-line-signal"/><path class="live-line live-line-noise"/><path class="live-cursor"/></svg>
    <figcaption>Noise that one step <b class="live-signal">takes away</b> and <b class="live-noise">puts back</b>, as variances, at the
    recorded t. ${badge('formula')}</figcaption></figure>`;
  const path = (points) => points.map(([t, v], i) => `${i ? 'L' : 'M'}${px(t).toFixed(1)},${py(v).toFixed(1)}`).join('');
  const line = (kind, points) => set(node.querySelector(`.live-line-${kind}`), { d: path(points) });
  return { node,
    draw: (parts) => {
      line('signal', parts.map(({ t, taken }) => [t, taken]));
      line('noise', parts.filter(({ back }) => back).map(({ t, back }) => [t, back]));
    },
    point: (t) => set(node.querySelector('.live-cursor'), { d: `M${px(t)} 0V${tall}` }) };
}

// Six pictures: state, guess and predicted noise; what is removed, what is added, and the state after it.
function picturesPart() {
  const now = symbol('x', 't'), next = symbol('x', 's');
  const gain = () => markup`<span></span>`, gains = { removed: gain(), added: gain() };
  const tiles = {
    x: tile('where it stands, ', now), x0: tile('believes in this picture, ', symbol('x̂', '0', 'signal')),
    eps: tile('and sees this noise, ', symbol('ε̂', '', 'noise')), removed: tile('takes this away', gains.removed),
    added: tile('puts this back, ', symbol('n z', '', 'noise'), gains.added), after: tile('and stands here, ', next),
  };
  const faint = (step, id, description) => {
    const factor = gainFor(step[id]);
    gains[id].textContent = factor > 1 && rmsOf(step[id]) > 0 ? ` (shown × ${factor})` : '';
    tiles[id].draw(scaled(step[id], factor), `${description}, ${factor} times as loud`);
  };
  const draw = (step) => {
    now.lastChild.textContent = step.t;
    next.lastChild.textContent = step.s;
    tiles.x.draw(step.x, `the walk at t = ${step.t}`);
    tiles.x0.draw(step.x0, `the model’s guess of the clean picture at t = ${step.t}`);
    tiles.eps.draw(step.eps, `the noise that the model sees at t = ${step.t}`);
    faint(step, 'removed', 'what the step takes away');
    faint(step, 'added', step.loud ? 'fresh noise' : 'nothing: no fresh noise is added');
    tiles.after.draw(step.after, `the walk one step later, at t = ${step.s}`);
  };
  return { node: markup`<div class="live-six">${Object.values(tiles).map((t) => t.node)}</div>`, draw };
}

function sumPart() {
  const next = symbol('x', 's');
  const node = markup`<div class="live-formula"><p>${next} = <output data-number="alpha"></output> ${symbol('x̂', '0', 'signal')} +
    <output data-number="kept"></output> ${symbol('ε̂', '', 'noise')}
    + <output data-number="fresh"></output> ${symbol('z', '', 'noise')}</p>
    <p class="live-ledger">noise σ²: <output data-number="before"></output> − <output data-number="taken"></output> +
    <output data-number="back"></output> = <output data-number="left"></output><span></span></p></div>`;
  const draw = ({ t, s, kept, loud, taken, back, starved }) => {
    next.lastChild.textContent = s;
    fill(node, { alpha: alphaAt(s).toFixed(4), kept: kept.toFixed(4), fresh: loud.toFixed(4), before: (sigmaAt(t) ** 2).toFixed(5),
      taken: taken.toFixed(5), back: back.toFixed(5), left: (kept ** 2 + back).toFixed(5) });
    node.querySelector('.live-ledger > span').textContent = starved ? ', less than the model expects at this t' : '';
  };
  return { node, draw };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const walks = await Promise.all(model.get('walks').map((recorded) => load(recorded, model.get('noise_range'))));
  const apart = walks.map((walk) => walk.stops.map((_, k) => takeApart(walk, k)));
  let kind = 'ancestral', loud = 1, chosen = 0, time;
  const pictures = picturesPart(), ledger = ledgerPart(), sum = sumPart(), speech = announcer();
  const kinds = choice(WORDS.walk, WORDS.kinds, (next) => { kind = next; start(Infinity); });
  const louds = choice(WORDS.fresh, WORDS.louds, (next) => { loud = next; start(time.t); });
  const node = markup`<div class="live-body">${questionPart(apart[0][0])}
    <div class="live-choices">${kinds} ${louds} ${badge('model')}</div>
    ${pictures.node}
    <div class="live-clock"><p class="live-readout">
      <b>t = <output data-number="t"></output> → <output data-number="s"></output></b> step
      <output data-number="step"></output> of <output data-number="steps"></output></p><div></div></div>
    ${sum.node} ${ledger.node} ${speech.node}</div>`;

  // The slider's value v counts from the end of the walk, so that time runs the same way in all figures: 0 on the left.
  const stepAt = (v) => apart[chosen][apart[chosen].length - 1 - v];
  const describe = (v) => `step from t = ${stepAt(v).t} to ${stepAt(v).s}: takes away ${stepAt(v).taken.toFixed(4)} of noise, `
    + `puts back ${stepAt(v).back.toFixed(4)}`;
  function show(v) {
    const step = stepAt(v);
    for (const part of [pictures, sum]) part.draw(step);
    ledger.point(step.t);
    fill(node, { t: step.t, s: step.s, step: step.index + 1, steps: walks[chosen].steps.toLocaleString('en') });
    speech.say(describe(v));
  }
  // Walks have their own numbers of recorded steps, so each choice gets a clock of its own.
  function start(at) {
    chosen = walks.findIndex((walk) => walk.kind === kind && (kind === 'ddim' || walk.loudness === loud));
    louds.disabled = kind === 'ddim';
    ledger.draw(apart[chosen]);
    time?.stop();
    time = timeline({ last: apart[chosen].length - 1, words: WORDS, describe, show, seconds: 12 });
    node.querySelector('.live-clock > div').replaceChildren(time.node);
    time.go(at);
  }
  start(Infinity);
  goLive(el);
  el.append(node);
  return () => time.stop();
}

export default { render };
