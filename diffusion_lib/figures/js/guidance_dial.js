// The dial of guidance. Above: pictures of one wish from six statics, drawn by two models at eleven scales, and what was
// measured of them (all recorded). Below: the same scale in a world of one number, where everything is computed here.

const WORDS = {
  back: '◂ Less', forth: 'More ▸', minus: '◂ 1', plus: '1 ▸', stepBack: 'one mark down', stepForth: 'one mark up',
  slider: 'guidance scale', model: 'which model', wish: 'which wish', skip: 'Skip',
  question: 'Before you turn: from w = 1 upwards, which of the two models comes to obey more?',
  answers: ['The first', 'The second', 'Both', 'Neither'],
};

// ---- Maths: a world of one number ------------------------------------------------------------------------------------

// Mice and rabbits, told apart by the length of their ears: two bells, equally frequent. The wish is "a rabbit".
const MOUSE = -1, RABBIT = 1, SPREAD = 0.5;
const STRIDES = 60;                                          // of Heun's method
const LEFT = -3, RIGHT = 4, CELLS = 350;                     // of the chart

const bell = (x, mean, spread) => Math.exp(-(((x - mean) / spread) ** 2) / 2) / (spread * Math.sqrt(2 * Math.PI));

// dx/dt of the probability flow at (x, t) on the cosine schedule, guided with scale w (diffusion_lib/oracles.py, guidance.py).
function arrow(x, t, w) {
  const alpha = Math.cos((Math.PI / 2) * t), sigma = Math.sin((Math.PI / 2) * t), variance = (alpha * SPREAD) ** 2 + sigma ** 2;
  const pull = (mean) => (x - alpha * mean) / variance;
  const rabbit = 1 / (1 + Math.exp((-alpha * x * (RABBIT - MOUSE)) / variance));               // p(rabbit | x_t); the means are +-1
  const guided = (of) => { const nothing = rabbit * of(RABBIT) + (1 - rabbit) * of(MOUSE); return nothing + w * (of(RABBIT) - nothing); };
  const x0 = guided((mean) => mean + alpha * SPREAD ** 2 * pull(mean)), eps = guided((mean) => sigma * pull(mean));
  return (Math.PI / 2) * (alpha * eps - sigma * x0);
}

// Where the walk carries static of the value z; into t = 0 the step is Euler's (diffusion_lib/samplers.py).
function walked(z, w) {
  let x = z;
  for (let k = STRIDES; k > 0; k--) {
    const t = k / STRIDES, s = (k - 1) / STRIDES, first = arrow(x, t, w), there = x + (s - t) * first;
    x = s === 0 ? there : x + ((s - t) * (first + arrow(there, s, w))) / 2;
  }
  return x;
}

// The density that guided walks draw from: each z keeps its share, spread over a stretched piece. Points [x, p], and the
// mean and spread of them all.
function drawnWith(w) {
  const z = Array.from({ length: 321 }, (_, i) => -4 + i / 40), x = z.map((value) => walked(value, w));
  const share = z.map((value) => bell(value, 0, 1) / 40);
  const points = z.slice(1, -1).map((value, i) => [x[i + 1], bell(value, 0, 1) / ((x[i + 2] - x[i]) * 20)]);
  return { points, ...moments(x, share) };
}

// p(x) p(rabbit | x)^w, normalised: what guidance is often said to sample.
function sharpened(w) {
  const places = Array.from({ length: CELLS + 1 }, (_, i) => LEFT + (i * (RIGHT - LEFT)) / CELLS);
  const heights = places.map((x) => {
    const mouse = bell(x, MOUSE, SPREAD), rabbit = bell(x, RABBIT, SPREAD);
    return (mouse + rabbit) * (rabbit / (mouse + rabbit)) ** w;
  });
  const whole = heights.reduce((sum, p) => sum + p, 0), cell = (RIGHT - LEFT) / CELLS;
  return { points: places.map((x, i) => [x, heights[i] / whole / cell]), ...moments(places, heights) };
}

function moments(x, share) {
  const whole = share.reduce((sum, p) => sum + p, 0);
  const mean = x.reduce((sum, v, i) => sum + v * share[i], 0) / whole;
  return { mean, spread: Math.sqrt(x.reduce((sum, v, i) => sum + (v - mean) ** 2 * share[i], 0) / whole) };
}

// The height of a curve of points at x, along straight lines between them; 0 beyond its ends.
function heightAt(points, x) {
  const i = points.findIndex(([place]) => place >= x);
  if (i <= 0) return 0;
  const [[x0, p0], [x1, p1]] = [points[i - 1], points[i]];
  return p0 + ((x - x0) / (x1 - x0)) * (p1 - p0);
}

// The share that two densities have in common: the area below both.
const commonOf = (a, b) => b.reduce((sum, [x, p]) => sum + Math.min(p, heightAt(a, x)), 0) * ((RIGHT - LEFT) / CELLS);

// ---- Words for numbers -----------------------------------------------------------------------------------------------

const paperOf = (w) => String(w - 1);
const pipelineOf = (w) => (w > 1 ? `guidance_scale = ${w}` : w === 1 ? 'guidance_scale = 1, off' : 'nothing: up to 1 it is off');

// The scale from 1 upwards at which a model obeys most.
const bestOf = ({ rows }, scales) => rows.reduce((best, row, i) => (scales[i] >= 1 && (best < 0 || row.found > rows[best].found) ? i : best), -1);

// ---- Parts -----------------------------------------------------------------------------------------------------------

// A question before the answer. It can be skipped.
function betPart(models, scales) {
  const one = scales.indexOf(1);
  const told = (model) => {
    const best = bestOf(model, scales), last = scales.length - 1, found = (i) => percent(model.rows[i].found, 1);
    return `${model.label}: ${found(one)} at w = 1, ${found(best)} at its best (w = ${scales[best]}), ${found(last)} at w = ${scales[last]}.`;
  };
  const answer = (bet) => () => node.replaceChildren(markup`<p aria-live="polite">${bet ? `You said: ${bet.toLowerCase()}. ` : ''}
    Of what was asked for, a classifier finds: ${models.map(told).join(' ')} Whoever obeys already has nothing to gain; now look at what the pictures lose.</p>`);
  const node = markup`<div class="live-bet"><p>${WORDS.question} First: ${models[0].label}. Second: ${models[1].label}.</p>
    <span class="live-answers">${WORDS.answers.map((text) => button(text, answer(text)))} ${quietButton(WORDS.skip, answer(''))}</span></div>`;
  return node;
}

const WIDE = 280, TALL = 92;                                 // of a chart; its view box leaves room for the ticks
const textAt = (x, y, value) => { const t = set(svgElement('text'), { x, y }); t.textContent = value; return t; };
const pathOf = (points) => `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(2)}`).join('L')}`;

// The frame of a chart. ticks: [place 0 ... 1, text], below and on the left; what it shows is told to those who cannot see it.
function framePart(label, below, left, axis, ...caption) {
  const node = markup`<figure><svg viewBox="-38 -8 328 130" class="live-chart"><title></title><path class="live-grid"/>
    <g class="live-ticks-left"></g><g class="live-ticks-below"></g><text x="140" y="118"></text><g class="live-plot"></g></svg>
    <figcaption>${caption}</figcaption></figure>`;
  node.querySelector('title').textContent = label;
  node.querySelector('svg > text').textContent = axis;
  set(node.querySelector('.live-grid'), { d: left.map(([part]) => `M0 ${((1 - part) * TALL).toFixed(1)}H${WIDE}`).join('') });
  node.querySelector('.live-ticks-left').append(...left.map(([part, text]) => textAt(-6, (1 - part) * TALL + 3, text)));
  node.querySelector('.live-ticks-below').append(...below.map(([part, text]) => textAt(part * WIDE, TALL + 13, text)));
  const path = (kind) => node.querySelector('.live-plot').appendChild(set(svgElement('path'), { class: kind }));
  return { node, path };
}

// One measured number against the scale: the chosen model with its band, the other one faintly.
function measurePart(name, most, ticks, digits, scales, title, ...words) {
  const last = scales.at(-1), x = (w) => (w / last) * WIDE, y = (v) => (1 - Math.min(1, v / most)) * TALL;
  const frame = framePart(`${title}, against the guidance scale`, [0, 1, 2, 4, 6, 8, 10].map((w) => [w / last, String(w)]), ticks, 'guidance scale w',
    markup`<span><b class="live-belief">${title}</b>: <output></output> ${words}</span>`);
  frame.node.querySelector('output').dataset.number = name;
  const band = frame.path('live-band'), other = frame.path('live-line live-faint'), line = frame.path('live-line live-line-belief'), cursor = frame.path('live-cursor');
  const begin = (model, rest) => {
    const edge = (k) => model.rows.map((row, i) => [x(scales[i]), y(row.bands[name][k])]);
    set(band, { d: `${pathOf([...edge(0), ...edge(1).reverse()])}Z` });
    set(line, { d: pathOf(model.rows.map((row, i) => [x(scales[i]), y(row[name])])) });
    set(other, { d: rest ? pathOf(rest.rows.map((row, i) => [x(scales[i]), y(row[name])])) : '' });
  };
  const draw = (row, w) => {
    set(cursor, { d: `M${x(w).toFixed(1)} 0V${TALL}` });
    fill(frame.node, { [name]: percent(row[name], digits) });
    const range = frame.node.querySelector('[data-range]');
    if (range) range.textContent = `${percent(row.bands[name][0], digits)} to ${percent(row.bands[name][1], digits)}`;
  };
  return { node: frame.node, begin, draw };
}

// The exact world: the bell of rabbits, the sharpened density, and what guided walks draw.
function worldPart() {
  const most = 1.8, place = ([x, p]) => [((x - LEFT) / (RIGHT - LEFT)) * WIDE, (1 - Math.min(1, p / most)) * TALL];
  const ticks = [-3, -2, -1, 0, 1, 2, 3, 4].map((x) => [(x - LEFT) / (RIGHT - LEFT), String(x).replace('-', '−')]);
  const frame = framePart('densities in a world of one number: all creatures, the sharpened density, and what guided walks draw', ticks,
    [[0, '0'], [0.5 / most, '0.5'], [1 / most, '1'], [1.5 / most, '1.5']], 'length of the ears',
    markup`<span>Mice have ears around −1 and rabbits around 1; the wish is “a rabbit”. Dotted: all creatures. Dashed, <b class="live-signal">the sharpened
      density</b> p(x) p(rabbit | x)<sup>w</sup>. Solid, <b class="live-noise">what guidance draws</b>.</span>`);
  const all = set(frame.path('live-line live-faint'), { d: pathOf(sharpened(0).points.map(place)) });
  const said = frame.path('live-line live-line-signal live-dashed'), drawn = frame.path('live-line live-line-noise');
  const numbers = markup`<div class="live-numbers"><table><thead><tr><th scope="col">ears</th><th scope="col">mean</th><th scope="col">spread</th></tr></thead><tbody>
    <tr><th scope="row">sharpened density</th><td><output data-number="sharp-mean"></output></td><td><output data-number="sharp-spread"></output></td></tr>
    <tr><th scope="row">guidance draws</th><td><output data-number="guided-mean"></output></td><td><output data-number="guided-spread"></output></td></tr></tbody></table>
    <p class="live-note">The two have <output data-number="common"></output> in common (the area below both curves).</p></div>`;
  const draw = (w) => {
    const sharp = sharpened(w), walk = drawnWith(w);
    set(said, { d: pathOf(sharp.points.map(place)) });
    set(drawn, { d: pathOf(walk.points.map(place)) });
    const fixed = (v) => (Math.abs(v) < 0.005 ? 0 : v).toFixed(2);
    fill(numbers, { 'sharp-mean': fixed(sharp.mean), 'sharp-spread': fixed(sharp.spread), 'guided-mean': fixed(walk.mean),
      'guided-spread': fixed(walk.spread), common: percent(commonOf(walk.points, sharp.points)) });
  };
  return { node: markup`<section class="live-world"><p class="live-heading">The same scale in a world of one number ${badge('formula')}</p>
    <div class="live-facts">${frame.node}${numbers}</div></section>`, draw, all };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const scales = model.get('scales'), wishes = model.get('wishes'), real = model.get('real'), n = model.get('n');
  const models = await Promise.all(model.get('models').map(async (one) => ({ ...one, films: await Promise.all(one.films.map((film) => decodeFilm(film, 1))) })));
  const statics = models[0].films[0].length / scales.length;
  let chosen = models[0], wish = 0;
  const tiles = Array.from({ length: statics }, () => tile()), world = worldPart(), speech = announcer();
  const ofReal = (name) => percent(real[name], 1);
  const charts = [
    measurePart('found', 1, [[0, '0 %'], [0.5, '50 %'], [1, '100 %']], 1, scales, 'Obedience',
      markup`<span>(95 % interval: <span data-range></span>): the share of asked attributes that a classifier finds, ${n.pictures} pictures a scale; in real pets ${ofReal('found')}.</span>`),
    measurePart('variety', 3, [[0, '0 %'], [1 / 3, '100 %'], [2 / 3, '200 %'], [1, '300 %']], 0, scales, 'Variety',
      markup`<span>of that of real pets (<span data-range></span>): how far pictures of one wish differ, dot by dot.</span>`),
    measurePart('burnt', 0.75, [[0, '0 %'], [1 / 3, '25 %'], [2 / 3, '50 %'], [1, '75 %']], 1, scales, 'Burnt',
      markup`<span>(<span data-range></span>): the share of a picture’s numbers that no screen can show and that are cut off.</span>`),
  ];
  const choose = choice(WORDS.model, models.map(({ label }, i) => [i, label]), (i) => { chosen = models[i]; begin(); });
  const ask = choice(WORDS.wish, wishes.map((text, i) => [i, i === 0 ? 'a long wish' : `“${text}”`]), (i) => { wish = i; time.go(time.t); });
  const node = markup`<div class="live-body">${betPart(models, scales)}
    <div class="live-choices">${choose} ${ask} ${badge('model')}</div>
    <p class="live-note" data-wish></p>
    <div class="live-statics">${tiles.map((t) => t.node)}</div>
    <div class="live-clock"><p class="live-readout"><b>w = <output data-number="w"></output></b>
      <span class="live-note">Ho and Salimans: w = <output data-number="paper"></output>; diffusers: <output data-number="pipeline"></output></span></p><div></div></div>
    <div class="live-facts live-measures">${charts.map((chart) => chart.node)}
      <p class="live-note">All seven attributes at once are right in <output data-number="obeyed"></output> of the pictures (95 % interval:
        <span data-obeyed></span>). Stains and grain count as variety too.</p></div>
    ${world.node} <p class="live-note" data-about></p> ${speech.node}</div>`;

  const describe = (i) => `w = ${scales[i]}: found ${percent(chosen.rows[i].found, 1)}, variety ${percent(chosen.rows[i].variety)}, burnt ${percent(chosen.rows[i].burnt, 1)}`;
  function show(i) {
    tiles.forEach((t, k) => t.draw(chosen.films[wish][i * statics + k], `${wishes[wish]}: ${chosen.label}, w = ${scales[i]}, static ${k + 1}`));
    for (const chart of charts) chart.draw(chosen.rows[i], scales[i]);
    world.draw(scales[i]);
    fill(node, { w: scales[i], paper: paperOf(scales[i]), pipeline: pipelineOf(scales[i]), obeyed: percent(chosen.rows[i].obeyed, 1) });
    node.querySelector('[data-obeyed]').textContent = chosen.rows[i].bands.obeyed.map((v) => percent(v, 1)).join(' to ');
    node.querySelector('[data-wish]').textContent = `Asked for: ${wishes[wish]}. The six statics are the same at every scale.`;
    speech.say(describe(i));
  }
  const time = timeline({ last: scales.length - 1, words: WORDS, describe, show, seconds: 9 });
  function begin() {
    for (const chart of charts) chart.begin(chosen, models.find((other) => other !== chosen));
    time.go(time.t);
  }
  node.querySelector('.live-clock > div').replaceChildren(time.node);
  node.querySelector('[data-about]').textContent = `Pictures: ${model.get('about')}. Faint lines: the other model.`;
  begin();
  time.go(scales.indexOf(1));
  goLive(el);
  el.append(node);
  return () => time.stop();
}

export default { render };
