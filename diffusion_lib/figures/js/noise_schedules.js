// Noise schedules: three well-known curves and one that the reader draws. The picture strip, the two knobs, the log-SNR and
// the beta of each step follow, and a list says what the curve does wrong. Everything here is computed from formulas.

const WORDS = {
  back: '◂ Back', forth: 'Into static ▸', stepBack: 'one step back', stepForth: 'one step on', slider: 'step of the way down',
  schedule: 'the schedule', kinds: [['linear', 'Linear β'], ['cosine', 'Cosine'], ['flow', 'Flow'], ['own', 'Your own']],
  picture: 'the picture', pictures: [['photo', 'A cat'], ['pet', 'A pet']], photo: 'the photo of a cat',
  names: { linear: 'linear β', cosine: 'cosine', flow: 'rectified flow', own: 'your own' }, steps: 'number of steps T',
  question: 'All three schedules begin with the picture and end in static. Half way, at t = 0.5, in which one is least of the picture left?',
  skip: 'Skip', straight: 'Straight line', handle: 'picture knob α at t =',
  draw: 'Drag the points, or use the arrow keys. The curve can only fall: a point takes its neighbours along.',
};

// ---- Maths -----------------------------------------------------------------------------------------------------------

const GRID = 1000;                                           // curves are known at t = g / 1000; each T divides 1000
const COUNTS = [10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000];
const PIXELS = 64;
const DROWNED = 0.01, LIMIT = 20;                            // the share below which a picture counts as lost; log-SNR's clamp

// The knobs (alpha, sigma) of each schedule at t = g / 1000, as in diffusion_lib/schedules.py.
const KNOBS = {
  linear: (g) => [alphaAt(g), sigmaAt(g)],
  cosine: (g) => [Math.cos((Math.PI / 2) * (g / GRID)), Math.sin((Math.PI / 2) * (g / GRID))],
  flow: (g) => [1 - g / GRID, g / GRID],
};

// A curve through `values` at equal distances on [0, 1] that rises and falls only where they do: a cubic in each piece, its
// slopes the harmonic means of the pieces' (Fritsch and Butland 1984), at the ends by three points (scipy's pchip).
function monotone(values) {
  const pieces = values.length - 1, rise = values.slice(1).map((v, k) => v - values[k]);       // slopes in units of a piece
  const inner = (a, b) => (a * b > 0 ? (2 * a * b) / (a + b) : 0);
  const end = (a, b) => { const m = (3 * a - b) / 2; return m * a <= 0 ? 0 : a * b <= 0 && Math.abs(m) > 3 * Math.abs(a) ? 3 * a : m; };
  const slopes = values.map((_, k) => (k === 0 ? end(rise[0], rise[1]) : k === pieces ? end(rise[pieces - 1], rise[pieces - 2])
    : inner(rise[k - 1], rise[k])));
  return (t) => {
    const k = Math.min(pieces - 1, Math.floor(t * pieces)), u = t * pieces - k;
    const c2 = 3 * rise[k] - 2 * slopes[k] - slopes[k + 1], c3 = slopes[k] + slopes[k + 1] - 2 * rise[k];
    return values[k] + u * (slopes[k] + u * (c2 + u * c3));
  };
}

function ownKnobs(points) {
  const curve = monotone(points);
  return (g) => { const alpha = Math.min(1, Math.max(0, curve(g / GRID))); return [alpha, Math.sqrt(1 - alpha * alpha)]; };
}

// Put a point to a new height; those that would stand in the way of a falling curve move with it.
const pushed = (points, k, height) => {
  const v = Math.min(1, Math.max(0, Math.round(100 * height) / 100));
  return points.map((p, j) => (j < k ? Math.max(p, v) : j > k ? Math.min(p, v) : v));
};

// Everything a schedule is, on the grid: knobs, the picture's share of the variance (bar), and log-SNR.
function curveOf(knobs) {
  const alpha = new Float64Array(GRID + 1), sigma = new Float64Array(GRID + 1), bar = new Float64Array(GRID + 1);
  const logSnr = new Float64Array(GRID + 1);
  for (let g = 0; g <= GRID; g++) {
    [alpha[g], sigma[g]] = knobs(g);
    bar[g] = alpha[g] ** 2 / (alpha[g] ** 2 + sigma[g] ** 2);
    logSnr[g] = Math.min(LIMIT, Math.max(-LIMIT, 2 * (Math.log(alpha[g]) - Math.log(sigma[g]))));
  }
  return { alpha, sigma, bar, logSnr };
}

// beta of step i = 1 ... T: the share of the picture's part that this step replaces. Where nothing is left, nothing is replaced.
const betasOf = ({ bar }, steps) => Array.from({ length: steps }, (_, i) => {
  const before = bar[(GRID / steps) * i], after = bar[(GRID / steps) * (i + 1)];
  return before > 0 ? Math.max(0, 1 - after / before) : 0;
});

// The bell's share below z (Abramowitz and Stegun 7.1.26; right to seven decimals).
function belowOf(z) {
  const x = Math.abs(z) / Math.SQRT2, k = 1 / (1 + 0.3275911 * x);
  const tail = k * (0.254829592 + k * (-0.284496736 + k * (1.421413741 + k * (-1.453152027 + k * 1.061405429)))) * Math.exp(-x * x);
  return z >= 0 ? 1 - tail / 2 : tail / 2;
}

// How often the mean of x_T tells an all-white picture from an all-black one.
const tellsOf = ({ alpha, sigma }) => belowOf((alpha[GRID] / sigma[GRID]) * Math.sqrt(3) * PIXELS);

// What a schedule does, in the four respects that the list speaks about.
function judged(curve, steps) {
  const betas = betasOf(curve, steps), start = betas.map((_, i) => curve.bar[(GRID / steps) * i]);
  return {
    noiseAtStart: curve.sigma[0], tells: tellsOf(curve), left: curve.alpha[GRID] / curve.sigma[GRID],
    wasted: start.filter((bar) => bar < DROWNED).length / steps,
    idle: betas.filter((beta, i) => beta < 1e-8 && start[i] >= DROWNED).length,
    largest: Math.max(0, ...betas.filter((_, i) => start[i] >= DROWNED)),
  };
}

// ---- Parts -----------------------------------------------------------------------------------------------------------


// A question before the answer. It can be skipped.
function guessPart() {
  const half = (kind) => percent(curveOf(KNOBS[kind]).bar[GRID / 2], 1);
  const answer = (kind) => () => node.replaceChildren(markup`<p aria-live="polite">${kind ? `You said: ${WORDS.names[kind]}. ` : ''}
    Of the variance at t = 0.5 the picture still has ${half('linear')} with linear β, ${half('cosine')} with the cosine and
    ${half('flow')} with rectified flow. The same t is not the same amount of noise.</p>`);
  const node = markup`<div class="live-bet"><p>${WORDS.question}</p><span class="live-answers">
    ${['linear', 'cosine', 'flow'].map((kind) => button(WORDS.names[kind], answer(kind)))} ${quietButton(WORDS.skip, answer(''))}</span></div>`;
  return node;
}

const WIDE = 280, TALL = 112;
const overTime = (values, y) => `M${Array.from(values, (v, g) => `${((g / (values.length - 1)) * WIDE).toFixed(1)},${y(v).toFixed(2)}`).join('L')}`;

// The frame of a chart over t: ticks [value, text] on the left, and what is drawn inside.
function chartPart(ticks, y, label, ...caption) {
  const node = markup`<figure><svg viewBox="-34 -8 324 150" class="live-chart"><title></title><path class="live-grid"/><g class="live-ticks-left"></g>
    <text x="0" y="126">0</text><text x="140" y="126">0.5</text><text x="280" y="126">1</text><text x="140" y="139">time t</text>
    <g class="live-plot"></g><path class="live-cursor"/></svg><figcaption>${caption}</figcaption></figure>`;
  const svg = node.querySelector('svg'), plot = node.querySelector('.live-plot');
  node.querySelector('title').textContent = label;
  set(node.querySelector('.live-grid'), { d: ticks.map(([v]) => `M0 ${y(v)}H${WIDE}`).join('') });
  node.querySelector('.live-ticks-left').append(...ticks.map(([v, text]) => {
    const tick = set(svgElement('text'), { x: -6, y: y(v) + 3 });
    tick.textContent = text;
    return tick;
  }));
  const path = (kind) => plot.appendChild(set(svgElement('path'), { class: `live-line ${kind}` }));
  return { node, svg, plot, path, point: (t) => set(node.querySelector('.live-cursor'), { d: `M${t * WIDE} 0V${TALL}` }) };
}

const dotsOf = (points) => points.map(([t, height]) => `M${(t * WIDE).toFixed(1)},${height.toFixed(2)}h0`).join('');

// The two knobs, with a dot for each step where there are few, and handles on the reader's own curve.
function knobsPart(move) {
  const y = (v) => (1 - v) * TALL;
  const note = markup`<span hidden>${WORDS.draw} α at t = 0, 0.2 … 1: <output data-number="points"></output></span>`;
  const chart = chartPart([[0, '0'], [0.5, '0.5'], [1, '1']], y, 'the two knobs against time',
    markup`<span><b class="live-signal">α picture</b>, <b class="live-noise">σ static</b> against t. Dots: the steps. </span>`, note);
  const [alpha, sigma] = [chart.path('live-line-signal'), chart.path('live-line-noise')];
  const dots = [chart.path('live-line-signal live-dots'), chart.path('live-line-noise live-dots')];
  const handles = Array.from({ length: 6 }, (_, k) => handlePart(k, y, chart.svg, move));
  chart.plot.append(...handles.map((handle) => handle.node));
  const draw = (curve, steps, points) => {
    set(alpha, { d: overTime(curve.alpha, y) });
    set(sigma, { d: overTime(curve.sigma, y) });
    const few = steps <= 50 ? Array.from({ length: steps + 1 }, (_, i) => i / steps) : [];
    [curve.alpha, curve.sigma].forEach((knob, which) => set(dots[which], { d: dotsOf(few.map((t) => [t, y(knob[Math.round(GRID * t)])])) }));
    handles.forEach((handle, k) => handle.draw(points?.[k]));
    note.hidden = !points;
    if (points) fill(note, { points: points.map((p) => p.toFixed(2)).join(', ') });
  };
  return { ...chart, draw };
}

function handlePart(k, y, svg, move) {
  const node = set(svgElement('g'), { class: 'live-handle', tabindex: 0, role: 'slider', 'aria-label': `${WORDS.handle} ${k / 5}`,
    'aria-valuemin': 0, 'aria-valuemax': 1, 'aria-orientation': 'vertical' });
  node.append(set(svgElement('circle'), { r: 13, class: 'live-reach' }), set(svgElement('circle'), { r: 5 }));
  let height = 0;
  const keys = { ArrowUp: 0.01, ArrowRight: 0.01, ArrowDown: -0.01, ArrowLeft: -0.01, PageUp: 0.1, PageDown: -0.1, Home: -1, End: 1 };
  on(node, 'keydown', (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    move(k, height + keys[event.key]);
  });
  on(node, 'pointerdown', (event) => { node.setPointerCapture(event.pointerId); node.focus(); event.preventDefault(); });
  on(node, 'pointermove', (event) => {
    if (!node.hasPointerCapture(event.pointerId)) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    move(k, 1 - at.y / TALL);
  });
  const draw = (value) => {
    height = value ?? 0;
    set(node, { display: value === undefined ? 'none' : 'inline' });
    if (value !== undefined) set(node, { 'aria-valuenow': value, 'aria-valuetext': value.toFixed(2), transform: `translate(${(k / 5) * WIDE} ${y(value)})` });
  };
  return { node, draw };
}

// log-SNR, the other schedules faintly behind it.
function snrPart() {
  const y = (v) => ((12 - Math.min(12, Math.max(-12, v))) / 24) * TALL;
  const chart = chartPart([[-10, '−10'], [-5, '−5'], [0, '0'], [5, '5'], [10, '10']], y, 'log-SNR against time',
    markup`<span><b>log-SNR</b> = 2 log(α/σ), in nats, against t; the other schedules faintly. At 0 there is as much static as picture.</span>`);
  const faint = Object.values(KNOBS).map((knobs) => set(chart.path('live-faint'), { d: overTime(curveOf(knobs).logSnr, y) }));
  const line = chart.path('live-line-plain');
  return { ...chart, draw: (curve) => set(line, { d: overTime(curve.logSnr, y) }), faint };
}

// The beta of every step, on a logarithmic axis.
function betaPart() {
  const y = (v) => (Math.min(6, -Math.log10(Math.max(v, 1e-6))) / 6) * TALL;
  const chart = chartPart([[1, '1'], [0.01, '0.01'], [1e-4, '10⁻⁴'], [1e-6, '10⁻⁶']], y, 'the beta of each step against time',
    markup`<span><b>β</b> of each of the <output data-number="steps"></output> steps: the share of what is left of the picture (of its variance) that the step replaces.</span>`);
  const line = chart.path('live-line-plain'), dots = chart.path('live-line-plain live-dots');
  const draw = (curve, steps) => {
    const betas = betasOf(curve, steps), points = betas.map((beta, i) => [(i + 1) / steps, y(beta)]);
    set(line, { d: steps > 50 ? `M${points.map(([t, h]) => `${(t * WIDE).toFixed(1)},${h.toFixed(2)}`).join('L')}` : '' });
    set(dots, { d: steps > 50 ? '' : dotsOf(points) });
    fill(chart.node, { steps: steps.toLocaleString('en') });
  };
  return { ...chart, draw };
}

// Eleven pictures from t = 0 to 1.
function stripPart() {
  const tiles = Array.from({ length: 11 }, (_, k) => tile(markup`<span>${(k / 10).toFixed(1)}</span>`));
  const node = set(markup`<div class="live-strip">${tiles.map((t) => t.node)}</div>`, { role: 'group', 'aria-label': 'the picture from t = 0 to t = 1' });
  return { node, draw: ({ x0, eps, name }, curve) => tiles.forEach((t, k) => {
    const g = (GRID * k) / 10;
    t.draw(blend(x0, eps, curve.alpha[g], curve.sigma[g]), `${name} with static, t = ${k / 10}`);
  }) };
}

// What the curve does well and what it does wrong, in words.
function verdictPart() {
  const node = markup`<ul class="live-verdicts"></ul>`;
  const draw = (curve, steps) => {
    const { noiseAtStart, tells, left, wasted, idle, largest } = judged(curve, steps);
    const lines = [
      [noiseAtStart < 0.005, 'Start', noiseAtStart < 0.005 ? 'at t = 0 there is the picture and nothing else.'
        : `at t = 0 there is static already (σ = ${noiseAtStart.toFixed(2)}). A walk back would end in a grainy picture.`],
      [tells < 0.505, 'End', tells < 0.505 ? 'at t = 1 nothing of the picture is left.'
        : `at t = 1 something of the picture is left (α/σ = ${left.toFixed(4)}): enough to tell an all-white picture of this size from an all-black one in ${percent(tells)} of cases. Pure static allows ${percent(0.5)}.`],
      [wasted < 0.15, 'Waste', `${percent(wasted)} of the steps begin with less than ${percent(DROWNED)} of the picture left: static turns into other static.`],
      [idle === 0 && largest <= 0.5, 'Steps', idle ? `${idle} of ${steps.toLocaleString('en')} steps change nothing at all.`
        : largest > 0.5 ? `one step replaces ${percent(largest)} of what is left of the picture. That is no little step any more: use a larger T or a gentler curve.`
          : `the largest replaces ${percent(largest, 1)} of what is left of the picture.`],
    ];
    node.replaceChildren(...lines.map(([good, about, text]) => {
      const line = markup`<li><span class="live-mark-sign">${good ? '✓' : '✗'}</span><span><b>${about}:</b> ${text}</span></li>`;
      line.classList.add(good ? 'live-good' : 'live-bad');
      return line;
    }));
    return lines.filter(([good]) => !good).length;
  };
  return { node, draw };
}

function momentPart() {
  const mixture = tile('what you see, ', symbol('x', 't')), signal = tile(symbol('α', 't', 'signal'), ' · picture');
  const noise = tile(symbol('σ', 't', 'noise'), ' · static');
  const numbers = markup`<div class="live-numbers"><dl><dt class="live-signal">picture</dt>
    <dd>${symbol('α', 't')} <output data-number="alpha"></output></dd><dd>share <output data-number="bar"></output></dd>
    <dt class="live-noise">static</dt>
    <dd>${symbol('σ', 't')} <output data-number="sigma"></output></dd><dd>share <output data-number="noise"></output></dd>
    <dt>log-SNR</dt><dd></dd><dd><output data-number="snr"></output></dd>
    <dt>this step’s β</dt><dd></dd><dd><output data-number="beta"></output></dd></dl></div>`;
  const node = markup`<div class="live-recipe">${mixture.node}<div class="live-parts">${signal.node}${noise.node}</div></div>`;
  const snr = (v) => (v <= -LIMIT ? 'below −20' : v >= LIMIT ? 'above 20' : v.toFixed(2));
  const draw = ({ x0, eps, name }, curve, steps, i) => {
    const g = (GRID / steps) * i, [a, s] = [curve.alpha[g], curve.sigma[g]];
    mixture.draw(blend(x0, eps, a, s), `${name} with static, t = ${i / steps}`);
    signal.draw(scaled(x0, a), `${name}, dimmed to ${a.toFixed(2)}`);
    noise.draw(scaled(eps, s), `static of loudness ${s.toFixed(2)}`);
    fill(numbers, { alpha: a.toFixed(4), sigma: s.toFixed(4), bar: percent(curve.bar[g], 2), noise: percent(1 - curve.bar[g], 2),
      snr: snr(curve.logSnr[g]), beta: i ? betasOf(curve, steps)[i - 1].toPrecision(3) : '–' });
  };
  return { node, numbers, draw };
}

// The number of steps, on a slider that stops at the divisors of 1000.
function countPart(choose) {
  const node = markup`<label class="live-count"><span>T = <output data-number="T">1,000</output></span><input type="range" min="0" max="10" step="1" value="10"></label>`;
  const slider = set(node.querySelector('input'), { 'aria-label': WORDS.steps, 'aria-valuetext': '1000 steps' });
  on(slider, 'input', () => {
    const steps = COUNTS[Number(slider.value)];
    set(slider, { 'aria-valuetext': `${steps} steps` });
    fill(node, { T: steps.toLocaleString('en') });
    choose(steps);
  });
  return node;
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const sources = {};
  for (const [id, name] of [['photo', WORDS.photo], ['pet', model.get('pet_caption')]]) {
    const x0 = await decodePicture(model.get(id));
    sources[id] = { x0, name, eps: staticOf(model.get('seed'), x0.length) };
  }
  let kind = 'linear', source = sources.photo, steps = GRID, points, time, curve = curveOf(KNOBS.linear);
  const knobs = knobsPart((k, height) => { points = pushed(points, k, height); redraw(); });
  const snr = snrPart(), betas = betaPart(), strip = stripPart(), verdict = verdictPart(), moment = momentPart(), speech = announcer();
  const straight = quietButton(WORDS.straight, () => { points = [1, 0.8, 0.6, 0.4, 0.2, 0]; redraw(); });
  const node = markup`<div class="live-body">${guessPart()}
    <div class="live-choices">${choice(WORDS.schedule, WORDS.kinds, choose)} ${badge('formula')}</div>
    <div class="live-choices">${choice(WORDS.picture, WORDS.pictures, (next) => { source = sources[next]; redraw(); })}
      ${countPart(start)} ${straight}</div>
    <div class="live-facts">${knobs.node}${snr.node}</div>
    ${strip.node} ${verdict.node}
    <div class="live-clock"><p class="live-readout"><b>t = <output data-number="t"></output></b> step <output data-number="i"></output>
      of <output data-number="of"></output></p><div></div></div>
    <div class="live-facts">${moment.node}<div class="live-panel">${moment.numbers}${betas.node}</div></div> ${speech.node}</div>`;

  const describe = (i) => `step ${i} of ${steps}: t = ${i / steps}, picture ${percent(curve.bar[(GRID / steps) * i], 1)}`;
  function show(i) {
    moment.draw(source, curve, steps, i);
    for (const chart of [knobs, snr, betas]) chart.point(i / steps);
    fill(node, { t: (i / steps).toFixed(3), i, of: steps.toLocaleString('en') });
    speech.say(describe(i));
  }
  function redraw() {
    curve = curveOf(kind === 'own' ? ownKnobs(points) : KNOBS[kind]);
    knobs.draw(curve, steps, kind === 'own' ? points : undefined);
    straight.hidden = kind !== 'own';
    snr.draw(curve);
    betas.draw(curve, steps);
    strip.draw(source, curve);
    verdict.draw(curve, steps);
    time?.go(time.t);
  }
  // The reader's own curve begins as the one that was seen last.
  function choose(next) {
    if (next === 'own') points ??= [0, 1, 2, 3, 4, 5].map((k) => Math.round(100 * Math.sqrt(curve.bar[(GRID * k) / 5])) / 100);
    kind = next;
    redraw();
  }
  // Each T has a clock of its own; it stands where the last one stood.
  function start(next) {
    const t = time ? time.t / steps : 0.3;
    steps = next;
    time?.stop();
    time = timeline({ last: steps, words: WORDS, describe, show, seconds: 8 });
    node.querySelector('.live-clock > div').replaceChildren(time.node);
    time.go(t * steps);
    redraw();
  }
  start(GRID);
  goLive(el);
  el.append(node);
  return () => time.stop();
}

export default { render };
