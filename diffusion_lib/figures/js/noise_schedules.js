// Noise schedules: three well-known curves and one that the reader draws. The picture strip, the two knobs, the log-SNR
// and the beta of each step follow, and a list says what the curve does wrong. Everything here is computed from
// formulas.

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

// A curve through `values` at equal distances on [0, 1] that rises and falls only where they do: a cubic in each piece,
// its slopes the harmonic means of the pieces' (Fritsch and Butland 1984), at the ends by three points (scipy's pchip).
function monotone(values) {
  const pieces = values.length - 1;
  const rise = values.slice(1).map((v, k) => v - values[k]);  // slopes in units of a piece
  const inner = (a, b) => (a * b > 0 ? (2 * a * b) / (a + b) : 0);
  const end = (a, b) => {
    const m = (3 * a - b) / 2;
    if (m * a <= 0) return 0;
    return a * b <= 0 && Math.abs(m) > 3 * Math.abs(a) ? 3 * a : m;
  };
  const slopes = values.map((_, k) => {
    if (k === 0) return end(rise[0], rise[1]);
    return k === pieces ? end(rise[pieces - 1], rise[pieces - 2]) : inner(rise[k - 1], rise[k]);
  });
  return (t) => {
    const k = Math.min(pieces - 1, Math.floor(t * pieces)), u = t * pieces - k;
    const c2 = 3 * rise[k] - 2 * slopes[k] - slopes[k + 1];
    const c3 = slopes[k] + slopes[k + 1] - 2 * rise[k];
    return values[k] + u * (slopes[k] + u * (c2 + u * c3));
  };
}

function ownKnobs(points) {
  const curve = monotone(points);
  return (g) => {
    const alpha = Math.min(1, Math.max(0, curve(g / GRID)));
    return [alpha, Math.sqrt(1 - alpha * alpha)];
  };
}

// Put a point to a new height; those that would stand in the way of a falling curve move with it.
const pushed = (points, k, height) => {
  const v = Math.min(1, Math.max(0, Math.round(100 * height) / 100));
  return points.map((p, j) => (j < k ? Math.max(p, v) : j > k ? Math.min(p, v) : v));
};

// Everything a schedule is, on the grid: knobs, the picture's share of the variance (bar), and log-SNR.
function curveOf(knobs) {
  const alpha = new Float64Array(GRID + 1);
  const sigma = new Float64Array(GRID + 1);
  const bar = new Float64Array(GRID + 1);
  const logSnr = new Float64Array(GRID + 1);
  for (let g = 0; g <= GRID; g++) {
    [alpha[g], sigma[g]] = knobs(g);
    bar[g] = alpha[g] ** 2 / (alpha[g] ** 2 + sigma[g] ** 2);
    logSnr[g] = Math.min(LIMIT, Math.max(-LIMIT, 2 * (Math.log(alpha[g]) - Math.log(sigma[g]))));
  }
  return { alpha, sigma, bar, logSnr };
}

// beta of step i = 1 ... T: the share of the picture's part that this step replaces. Where nothing is left, nothing is
// replaced.
const betasOf = ({ bar }, steps) => Array.from({ length: steps }, (_, i) => {
  const before = bar[(GRID / steps) * i], after = bar[(GRID / steps) * (i + 1)];
  return before > 0 ? Math.max(0, 1 - after / before) : 0;
});

// The bell's share below z (Abramowitz and Stegun 7.1.26; right to seven decimals).
function belowOf(z) {
  const x = Math.abs(z) / Math.SQRT2, k = 1 / (1 + 0.3275911 * x);
  const tail = k * (0.254829592 + k * (-0.284496736 + k * (1.421413741 + k * (-1.453152027 + k * 1.061405429))))
    * Math.exp(-x * x);
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

// What is left of the picture half way, with each of the three.
function halfPart(state, say) {
  const half = (kind) => percent(curveOf(KNOBS[kind]).bar[GRID / 2], 1);
  const kinds = Object.keys(KNOBS);
  return question({ state, say, options: kinds.map((kind) => say(kind)),
    tell: () => say('told', Object.fromEntries(kinds.map((kind) => [kind, half(kind)]))) });
}

const WIDE = 280, TALL = 112;
const overTime = (values, y) => lineOf(Array.from(values, (v, g) => [(g / (values.length - 1)) * WIDE, y(v)]));
const dotsOf = (points) => points.map(([t, height]) => `M${(t * WIDE).toFixed(1)},${height.toFixed(2)}h0`).join('');
// A chart over t; ticks: [value, text].
const timeChart = (label, ticks, y, caption, say) => chart({
  label,
  tall: TALL,
  left: ticks.map(([v, text]) => [y(v), text]),
  below: [0, 0.5, 1].map((t) => [t * WIDE, t]),
  axis: say('axis'),
  caption,
});

// The two knobs, with a dot for each step where there are few, and handles on the reader's own curve.
function knobsPart(move, say) {
  const y = (v) => (1 - v) * TALL;
  const note = markup`<span hidden>${say.rich('draw')}</span>`;
  const drawn = timeChart(say('knobsChart'), [[0, '0'], [0.5, '0.5'], [1, '1']], y, [...say.rich('knobs'), note], say);
  const kinds = ['live-line-signal', 'live-line-noise'];
  const lines = kinds.map(drawn.path);
  const dots = kinds.map((kind) => drawn.path(`${kind} live-dots`));
  const handles = Array.from({ length: 6 }, (_, k) => handlePart(k, y, drawn.svg, move, say));
  set(drawn.svg, { role: 'group' });
  drawn.plot.append(...handles.map((handle) => handle.node));
  const draw = (curve, steps, points) => {
    const few = steps <= 50 ? Array.from({ length: steps + 1 }, (_, i) => i / steps) : [];
    [curve.alpha, curve.sigma].forEach((knob, which) => {
      set(lines[which], { d: overTime(knob, y) });
      set(dots[which], { d: dotsOf(few.map((t) => [t, y(knob[Math.round(GRID * t)])])) });
    });
    handles.forEach((handle, k) => handle.draw(points?.[k]));
    note.hidden = !points;
    if (points) fill(note, { points: points.map((p) => p.toFixed(2)).join(', ') });
  };
  return { ...drawn, draw };
}

function handlePart(k, y, svg, move, say) {
  const node = svgElement('g', { class: 'live-handle', tabindex: 0, role: 'slider',
    'aria-label': say('handle', { t: k / 5 }),
    'aria-valuemin': 0, 'aria-valuemax': 1, 'aria-orientation': 'vertical' });
  node.append(svgElement('circle', { r: 13, class: 'live-reach' }), svgElement('circle', { r: 5 }));
  let height = 0;
  const keys = { ArrowUp: 0.01, ArrowRight: 0.01, ArrowDown: -0.01, ArrowLeft: -0.01,
    PageUp: 0.1, PageDown: -0.1, Home: -1, End: 1 };
  on(node, 'keydown', (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    move(k, height + keys[event.key]);
  });
  on(node, 'pointerdown', (event) => {
    node.setPointerCapture(event.pointerId);
    node.focus();
    event.preventDefault();
  });
  on(node, 'pointermove', (event) => {
    if (!node.hasPointerCapture(event.pointerId)) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    move(k, 1 - at.y / TALL);
  });
  const draw = (value) => {
    height = value ?? 0;
    set(node, { display: value === undefined ? 'none' : 'inline' });
    if (value !== undefined) set(node, {
      'aria-valuenow': value, 'aria-valuetext': value.toFixed(2),
      transform: `translate(${(k / 5) * WIDE} ${y(value)})` });
  };
  return { node, draw };
}

// log-SNR, the other schedules faintly behind it.
function snrPart(say) {
  const y = (v) => ((12 - Math.min(12, Math.max(-12, v))) / 24) * TALL;
  const drawn = timeChart(say('snrChart'), [-10, -5, 0, 5, 10].map((v) => [v, minus(v)]), y,
    say.rich('snrCaption'), say);
  for (const knobs of Object.values(KNOBS)) set(drawn.path('live-faint'), { d: overTime(curveOf(knobs).logSnr, y) });
  const line = drawn.path('live-line-plain');
  return { ...drawn, draw: (curve) => set(line, { d: overTime(curve.logSnr, y) }) };
}

// The beta of every step, on a logarithmic axis.
function betaPart(say) {
  const y = (v) => (Math.min(6, -Math.log10(Math.max(v, 1e-6))) / 6) * TALL;
  const drawn = timeChart(say('betaChart'), [[1, '1'], [0.01, '0.01'], [1e-4, '10⁻⁴'], [1e-6, '10⁻⁶']], y,
    say.rich('betaCaption'), say);
  const line = drawn.path('live-line-plain'), dots = drawn.path('live-line-plain live-dots');
  const draw = (curve, steps) => {
    const points = betasOf(curve, steps).map((beta, i) => [(i + 1) / steps, y(beta)]), many = steps > 50;
    set(line, { d: many ? lineOf(points.map(([t, h]) => [t * WIDE, h])) : '' });
    set(dots, { d: many ? '' : dotsOf(points) });
    fill(drawn.node, { T: say.count(steps) });
  };
  return { ...drawn, draw };
}

// Eleven pictures from t = 0 to 1.
function stripPart(say) {
  const tiles = Array.from({ length: 11 }, (_, k) => tile((k / 10).toFixed(1)));
  const node = set(markup`<div class="live-strip">${tiles.map((t) => t.node)}</div>`, {
    role: 'group', 'aria-label': say('strip') });
  return { node, draw: ({ x0, eps }, name, curve) => tiles.forEach((t, k) => {
    const g = (GRID * k) / 10;
    t.draw(blend(x0, eps, curve.alpha[g], curve.sigma[g]), say('mixed', { name, t: k / 10 }));
  }) };
}

// What the curve does well and what it does wrong, in words.
function verdictPart(say) {
  const node = markup`<ul class="live-verdicts"></ul>`;
  const draw = (curve, steps) => {
    const { noiseAtStart, tells, left, wasted, idle, largest } = judged(curve, steps);
    const clean = noiseAtStart < 0.005, gone = tells < 0.505;
    const lines = [
      [clean, 'start', clean ? say('startGood') : say('startBad', { sigma: noiseAtStart.toFixed(2) })],
      [gone, 'end', gone ? say('endGood')
        : say('endBad', { left: left.toFixed(4), tells: percent(tells), half: percent(0.5) })],
      [wasted < 0.15, 'waste', say('wasted', { wasted: percent(wasted), drowned: percent(DROWNED) })],
      [idle === 0 && largest <= 0.5, 'stepsName', idle ? say('idle', { idle, steps: say.count(steps) })
        : largest > 0.5 ? say('large', { largest: percent(largest) }) : say('small', { largest: percent(largest, 1) })],
    ];
    node.replaceChildren(...lines.map(([good, about, text]) => {
      const line = markup`<li><span class="live-mark-sign">${good ? '✓' : '✗'}</span><span><b>${
        say(about)}:</b> ${text}</span></li>`;
      line.classList.add(good ? 'live-good' : 'live-bad');
      return line;
    }));
  };
  return { node, draw };
}

// The numbers of step i, as they are written.
function momentOf(curve, steps, i, say) {
  const g = (GRID / steps) * i;
  const snr = curve.logSnr[g];
  return {
    alpha: curve.alpha[g].toFixed(4), sigma: curve.sigma[g].toFixed(4),
    bar: percent(curve.bar[g], 2), noise: percent(1 - curve.bar[g], 2),
    snr: snr <= -LIMIT ? say('below') : snr >= LIMIT ? say('above') : snr.toFixed(2),
    beta: i ? betasOf(curve, steps)[i - 1].toPrecision(3) : '–',
  };
}

function momentPart(say) {
  const mixture = tile(...say.rich('mixture', { x: symbol('x', 't') }));
  const signal = tile(...say.rich('signal', { x: symbol('α', 't', 'signal') }));
  const noise = tile(...say.rich('noise', { x: symbol('σ', 't', 'noise') }));
  const slot = (name) => set(element('span'), { 'data-number': name });
  const numbers = markup`<div class="live-numbers"><dl><dt class="live-signal">${say('pictureRow')}</dt>
    <dd>${symbol('α', 't')} ${slot('alpha')}</dd><dd>${say.rich('share', { share: slot('bar') })}</dd>
    <dt class="live-noise">${say('staticRow')}</dt>
    <dd>${symbol('σ', 't')} ${slot('sigma')}</dd><dd>${say.rich('share', { share: slot('noise') })}</dd>
    <dt>log-SNR</dt><dd></dd><dd>${slot('snr')}</dd><dt>${say('beta')}</dt><dd></dd><dd>${slot('beta')}</dd></dl></div>`;
  const node = markup`<div class="live-recipe">${mixture.node}<div class="live-parts">${
    signal.node}${noise.node}</div></div>`;
  const draw = ({ x0, eps }, name, curve, steps, i) => {
    const g = (GRID / steps) * i;
    const [a, s] = [curve.alpha[g], curve.sigma[g]];
    mixture.draw(blend(x0, eps, a, s), say('mixed', { name, t: i / steps }));
    signal.draw(scaled(x0, a), say('dimmed', { name, alpha: a.toFixed(2) }));
    noise.draw(scaled(eps, s), say('loud', { sigma: s.toFixed(2) }));
    fill(numbers, momentOf(curve, steps, i, say));
  };
  return { node, numbers, draw };
}

// The number of steps, on a slider that stops at the divisors of 1000.
function countPart(state, choose, say) {
  const node = markup`<label class="live-count"><span>T = <span data-number="T"></span></span><input
    type="range" min="0" max="10" step="1"></label>`;
  const slider = set(node.querySelector('input'), { 'aria-label': say('steps') });
  const tell = () => {
    set(slider, { 'aria-valuetext': say('stepCount', { steps: state.steps }) });
    fill(node, { T: say.count(state.steps) });
  };
  slider.value = COUNTS.indexOf(state.steps);
  on(slider, 'input', () => {
    choose(COUNTS[Number(slider.value)]);
    tell();
  });
  tell();
  return node;
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function load(model) {
  const source = async (name) => {
    const x0 = await decodePicture(model.get(name));
    return { x0, eps: staticOf(model.get('seed'), x0.length) };
  };
  return { photo: await source('photo'), pet: await source('pet'), caption: model.get('pet_caption') };
}

// own: the reader's curve, in hundredths; it begins as the one that was seen last. i: the step that is shown.
const fields = () => ({
  kind: among(['linear', 'cosine', 'flow', 'own']),
  picture: among(['photo', 'pet']),
  steps: among(COUNTS, GRID),
  i: whole(300, 0, GRID),
  own: { start: '', write: (points) => Array.from(points, (p) => Math.round(100 * p)).join('-'), read: curveFrom },
  answer: kept(() => -1),
});

// Six hundredths that only fall, such as 100-95-80-50-20-0; anything else is no curve.
function curveFrom(text) {
  const points = text.split('-').map((part) => Number(part) / 100);
  return points.length === 6 && points.every((p, k) => p >= 0 && p <= 1 && !(p > points[k - 1])) ? points : undefined;
}

function build({ data, state, say, language, changed }) {
  let time, curve;
  const knobs = knobsPart((k, height) => {
    state.own = pushed(state.own, k, height);
    redraw();
  }, say);
  const snr = snrPart(say);
  const betas = betaPart(say);
  const strip = stripPart(say);
  const verdict = verdictPart(say);
  const moment = momentPart(say);
  const straight = quietButton(say('straight'), () => {
    state.own = [1, 0.8, 0.6, 0.4, 0.2, 0];
    redraw();
  });
  const kinds = choice(say('schedule'),
    ['linear', 'cosine', 'flow', 'own'].map((kind) => [kind, say(kind)]), choose, state.kind);
  const pictures = choice(say('which'), ['photo', 'pet'].map((name) => [name, say(name)]), (next) => {
    state.picture = next;
    redraw();
  }, state.picture);
  const node = markup`<div class="live-body">${halfPart(state, say)}
    <div class="live-choices">${kinds} ${badge('formula', say)}</div>
    <div class="live-choices">${pictures} ${countPart(state, start, say)} ${straight}</div>
    <div class="live-facts">${knobs.node}${snr.node}</div>
    ${strip.node} ${verdict.node}
    <div class="live-clock"><p class="live-readout">${say.rich('readout')}</p><div></div></div>
    <div class="live-facts">${moment.node}<div class="live-panel">${moment.numbers}${betas.node}</div></div></div>`;

  const nameOf = () => (state.picture === 'pet' ? data.caption[language] : say('photoName'));
  const describe = (i) => say('at', { i, steps: state.steps, t: i / state.steps,
    share: percent(curve.bar[(GRID / state.steps) * i], 1) });
  function show(i) {
    const { steps } = state;
    state.i = i;
    moment.draw(data[state.picture], nameOf(), curve, steps, i);
    for (const one of [knobs, snr, betas]) one.point((i / steps) * WIDE);
    fill(node, { t: (i / steps).toFixed(3), i, of: say.count(steps) });
    changed();
  }
  function redraw() {
    const own = state.kind === 'own', { steps } = state;
    if (own) state.own ||= [0, 1, 2, 3, 4, 5].map((k) =>
      Math.round(100 * Math.sqrt((curve ?? curveOf(KNOBS.linear)).bar[(GRID * k) / 5])) / 100);
    curve = curveOf(own ? ownKnobs(state.own) : KNOBS[state.kind]);
    knobs.draw(curve, steps, own ? state.own : undefined);
    straight.hidden = !own;
    for (const part of [snr, betas, verdict]) part.draw(curve, steps);
    strip.draw(data[state.picture], nameOf(), curve);
    time.go(time.t);
  }
  function choose(next) {
    state.kind = next;
    redraw();
  }
  // Each T has a clock of its own; it stands where the last one stood.
  function start(steps) {
    const t = state.i / (time ? state.steps : steps);
    state.steps = steps;
    time?.stop();
    time = timeline({ last: steps, say, describe, show, seconds: 8, at: Math.round(t * steps) });
    node.querySelector('.live-clock > div').replaceChildren(time.node);
    redraw();
  }
  function numbers() {
    const { steps, i } = state;
    const { alpha, sigma, bar, noise, snr, beta } = momentOf(curve, steps, i, say);
    const name = say(state.kind);
    return [{
      title: say('title', { name, i, steps: say.count(steps), t: (i / steps).toFixed(3) }),
      head: [say('quantity'), say('value')],
      rows: [
        ['α', alpha],
        ['σ', sigma],
        [say('shareOf', { what: say('pictureRow') }), bar],
        [say('shareOf', { what: say('staticRow') }), noise],
        ['log-SNR', snr],
        [say('beta'), beta],
        ...(state.kind === 'own' ? [[say('own'), state.own.map((p) => p.toFixed(2)).join(', ')]] : []),
      ],
    }, {
      title: say('tenths'),
      head: ['t', 'α', 'σ', 'log-SNR'],
      rows: Array.from({ length: 11 }, (_, k) => {
        const at = momentOf(curve, GRID, (GRID * k) / 10, say);
        return [(k / 10).toFixed(1), at.alpha, at.sigma, at.snr];
      }),
    }];
  }
  start(state.steps);
  return { node, numbers, stop: () => time.stop() };
}

export default live({ load, fields, build });
