// The flow of time: one slider, t = 0 ... 1000. On the left a picture dissolves into static, by the exact formula; on
// the right a trained model walks out of static. Both stand at the same t, so the two sides hold equally much static.

// ---- Maths -----------------------------------------------------------------------------------------------------------

// The share of numbers that fall into each bin, divided by the bin's width: a density, to be compared with a curve.
function density(x, low, high, bins) {
  const heights = new Float64Array(bins), width = (high - low) / bins;
  for (const v of x) {
    const bin = Math.floor((v - low) / width);
    if (bin >= 0 && bin < bins) heights[bin]++;
  }
  return heights.map((count) => count / x.length / width);
}

const bell = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

// Detail of width w is what averaging takes away between blocks of w and of 2w pixels. Of the static that is
// sigma^2 (w^-2 - (2w)^-2), of the picture a sum over its pixels; static overtakes the detail where it is the larger
// one.
function overtaken(x0, size) {
  const power = (x) => rmsOf(x) ** 2, times = [];
  for (let x = x0, w = 1; size / w >= 4; w *= 2) {
    const next = halved(x, size / w);
    const ratio = (power(x) - power(next)) / (0.75 / w ** 2);
    times.push({ width: w, t: ALPHA_BAR.findIndex((bar) => bar * ratio <= 1 - bar) });
    x = next;
  }
  return times;
}

// ---- Data ------------------------------------------------------------------------------------------------------------

const PAPER = 0.92;                                          // of the reader's own picture

async function load(model) {
  const withGuesses = async (recorded) =>
    ({ ...recorded, guesses: await decodeFilm(recorded.guesses, recorded.guess_range) });
  const pet = await withGuesses(model.get('pet'));
  const photo = await decodePicture(model.get('photo'));
  const drawn = await decodePicture(pet.picture);
  const source = (x0, seed, more) => ({ x0, size: Math.sqrt(x0.length / 3), eps: staticOf(seed, x0.length), ...more });
  const walks = await Promise.all(model.get('walks').map(withGuesses));
  return {
    walks: walks.map((walk) => ({ ...walk, states: walkStates(walk) })),
    sources: {
      photo: source(photo, model.get('seed')),
      pet: source(drawn, pet.seed, { names: pet.caption, stops: pet.stops, guesses: pet.guesses }),
    },
  };
}

// own: the reader's picture, which no link can hold. told: what is known of the bet.
const fields = ({ sources: { photo }, walks }) => ({
  t: whole(0, 0, T),
  source: among(['photo', 'pet', 'own']),
  walk: whole(0, 0, walks.length - 1),
  own: kept(() => ({ ...photo, x0: photo.x0.map(() => PAPER) })),
  told: kept(() => ({ stage: 'ask' })),
});

// ---- Parts -----------------------------------------------------------------------------------------------------------

function histogramPart(say) {
  const low = -3.5, high = 3.5, bins = 56, wide = 280, tall = 96, step = wide / bins;
  const px = (v) => ((v - low) / (high - low)) * wide;
  const py = (d) => tall - Math.min(1, d / 1.15) * tall;
  const node = markup`<figure><svg viewBox="0 -4 280 118" class="live-chart" role="img">
    <rect class="live-screen" x="100" y="0" width="80" height="96"/><path class="live-area"/><path class="live-curve"/>
    <path class="live-axis" d="M0 96H280"/></svg><figcaption>${
      say.rich('histogramCaption', { x: symbol('x', 't') })}</figcaption></figure>`;
  const svg = node.firstChild;
  const [, area, curve] = svg.children;
  for (let v = -3; v <= 3; v++) {
    svg.append(Object.assign(svgElement('text', { x: px(v), y: 110 }), { textContent: minus(v) }));
  }
  set(curve, { d: lineOf(Array.from({ length: 141 }, (_, i) => low + 0.05 * i).map((v) => [px(v), py(bell(v))])) });
  const draw = (x) => {
    const tops = Array.from(density(x, low, high, bins), (d, i) => `L${i * step},${py(d).toFixed(2)}h${step}`);
    set(area, { d: `M0,${tall}${tops.join('')}L${wide},${tall}Z` });
    set(svg, { 'aria-label': say('histogram', { mean: meanOf(x).toFixed(2), spread: spreadOf(x).toFixed(2) }) });
  };
  return { node, draw };
}

// The numbers of a moment, as they are written.
const momentOf = (x, t) => ({
  alpha: alphaAt(t).toFixed(4),
  sigma: sigmaAt(t).toFixed(4),
  signal: percent(ALPHA_BAR[t], 1),
  noise: percent(1 - ALPHA_BAR[t], 1),
  mean: meanOf(x).toFixed(3),
  spread: spreadOf(x).toFixed(3),
});

function numbersPart(say) {
  const node = markup`<div class="live-numbers"><div class="live-shares" aria-hidden="true"><i></i></div>
    <dl><dt class="live-signal">${say('signalRow')}</dt>
      <dd>${symbol('α', 't')} <span data-number="alpha"></span></dd><dd>${
        symbol('α²')} <span data-number="signal"></span></dd>
      <dt class="live-noise">${say('noiseRow')}</dt>
      <dd>${symbol('σ', 't')} <span data-number="sigma"></span></dd><dd>${
        symbol('σ²')} <span data-number="noise"></span></dd>
      <dt>${say.rich('numbersIn', { x: symbol('x', 't') })}</dt><dd>${
        say.rich('meanIs')}</dd><dd>${say.rich('spreadIs')}</dd></dl></div>`;
  const draw = (x, t) => {
    fill(node, momentOf(x, t));
    node.querySelector('.live-shares').style.setProperty('--part', ALPHA_BAR[t]);
  };
  return { node, draw };
}

// A bet before the first drag: where will the detail be lost? It can be skipped, and never stands in the way.
// changed() is called when there is more to tell.
function betPart(state, say, changed) {
  const node = markup`<div class="live-bet"></div>`;
  const to = (told) => () => {
    state.told = typeof told === 'function' ? told() : told;
    show();
    node.querySelector('p')?.focus();
  };
  function show() {
    const { stage, bet, found } = state.told;
    const detail = say(`${state.source}Detail`);
    const marks = say('marks');
    if (stage === 'ask') {
      const line = markup`<label class="live-bet-line"><input
        type="range" min="0" max="1000" step="10" value="500"><span>t = <b>500</b></span></label>`;
      const range = set(line.firstChild, { 'aria-label': say('bet') });
      on(range, 'input', () => { line.querySelector('b').textContent = range.value; });
      node.replaceChildren(markup`<p tabindex="-1">${say.rich('ask', { detail })}</p>`, line,
        markup`<span>${
          button(say('place'), to(() => ({ stage: 'look', bet: Number(range.value) })))} ${
          quietButton(say('skip'), to({ stage: 'open' }))}</span>`);
    } else if (stage === 'look') {
      node.replaceChildren(markup`<p tabindex="-1">${say('look', { t: bet, detail })}</p>`,
        button(say('gone'), to(() => ({ stage: 'open', bet, found: state.t }))));
    } else if (found === undefined) {
      node.replaceChildren(markup`<p tabindex="-1">${marks}</p>`);
    } else {
      node.replaceChildren(markup`<p tabindex="-1">${
        say('tell', { bet, detail, found, share: percent(1 - ALPHA_BAR[found]), marks })}</p>`,
        quietButton(say('again'), to({ stage: 'ask' })));
    }
    changed();
  }
  return { node, show };
}

// Marks along the slider: the bet, what was found, and, once the reader may know, where static overtakes which detail.
function marksPart(say) {
  const node = markup`<div class="live-marks"></div>`;
  const mark = (t, text, kind) => {
    const flag = markup`<span class="live-mark">${text}</span>`;
    flag.classList.add(`live-mark-${kind}`);
    flag.style.setProperty('--part', t / T);
    return flag;
  };
  const draw = ({ stage, bet, found }, { x0, size }) => {
    const details = stage === 'open' ? overtaken(x0, size).filter(({ t }) => t > 0) : [];
    const spaced = details.filter(({ t }, i) => i === 0 || t - details[i - 1].t > 28);
    node.replaceChildren(
      ...spaced.map(({ t, width }) => mark(t, String(width), 'detail')),
      ...[[bet, 'betMark', 'bet'], [found, 'goneMark', 'found']].filter(([t]) => t !== undefined)
        .map(([t, key, kind]) => mark(t, say(key), kind)),
    );
    const text = details.map((detail) => say('overtakes', detail)).join('; ');
    set(node, text ? { role: 'img', 'aria-label': text } : { role: 'presentation', 'aria-label': '' });
  };
  return { node, draw };
}

// The reader's own picture: from a file, or drawn with the pointer. It never leaves the page.
function ownPart(canvas, own, say, changed) {
  const file = markup`<input type="file" accept="image/*" class="live-hidden" tabindex="-1" aria-hidden="true">`;
  const note = markup`<p class="live-note" role="status">${say('draw')}</p>`;
  const clear = () => {
    own.x0.fill(PAPER);
    changed();
  };
  const node = markup`<div class="live-own" hidden>${button(say('open'), () => file.click())}
    ${quietButton(say('clear'), clear)} ${file} ${note}</div>`;
  on(file, 'change', async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
      own.x0.set(await squareOf(chosen, own.size));
      note.textContent = say('stays', { file: chosen.name });
      changed();
    } catch {
      note.textContent = say('refused', { file: chosen.name });
    }
    file.value = '';
  });
  const drawAt = (event) => {
    const box = canvas.getBoundingClientRect();
    ink(own,
      ((event.clientX - box.left) / box.width) * own.size,
      ((event.clientY - box.top) / box.height) * own.size);
    changed();
  };
  on(canvas, 'pointerdown', (event) => {
    if (node.hidden) return;
    canvas.setPointerCapture(event.pointerId);
    drawAt(event);
  });
  on(canvas, 'pointermove', (event) => { if (!node.hidden && event.buttons) drawAt(event); });
  const show = (shown) => {
    node.hidden = !shown;
    canvas.classList.toggle('live-paper', shown);
  };
  return { node, show };
}

// The square in the middle of a picture file, size pixels wide, on white where it is transparent.
async function squareOf(file, size) {
  const image = await createImageBitmap(file), side = Math.min(image.width, image.height);
  const pen = Object.assign(document.createElement('canvas'), { width: size, height: size }).getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, size, size);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, size, size);
  image.close();                                             // a photo of a phone takes 48 MB
  return fromBytes(pen.getImageData(0, 0, size, size).data);
}

// A round dot of ink, 4 pixels wide, on the picture.
function ink({ x0, size }, x, y) {
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
    if (Math.hypot(i + 0.5 - y, j + 0.5 - x) < 2.2) {
      [-0.75, -0.72, -0.65].forEach((v, c) => { x0[(c * size + i) * size + j] = v; });
    }
  }
}

// The walk in letters, at four of its fifty steps. jump(t) brings the clock there.
function lettersPart(jump, say) {
  const steps = [0, 10, 30, 50];
  const blocks = steps.map((step) => markup`<div>${quietButton(say('stepButton', { step }), () => jump(T - 20 * step))}
    <pre aria-hidden="true"></pre></div>`);
  const node = set(markup`<section class="live-typed">${blocks}</section>`, { 'aria-label': say('letters') });
  const draw = ({ states }) => steps.forEach((step, i) => {
    blocks[i].lastElementChild.textContent = typed(states[step], 32);
  });
  return { node, draw };
}

// Half of the figure: its name, where it comes from, what it shows.
const panel = (name, origin, ...parts) =>
  set(markup`<section class="live-panel"><header><strong>${name}</strong>${origin}</header>${parts}</section>`,
    { 'aria-label': name });

// On the left: a picture, static, and their mixture.
function intoPart(chosen, choose, say) {
  const [mixture, belief, signal, noise] = [
    ['mixture', symbol('x', 't')],
    ['belief', symbol('x', '0')],
    ['signal', symbol('α', 't', 'signal')],
    ['noise', symbol('σ', 't', 'noise')],
  ].map(([key, x]) => tile(...say.rich(key, { x })));
  const node = panel(say('into'), badge('formula', say),
    choice(say('which'), ['photo', 'pet', 'own'].map((name) => [name, say(name)]), choose, chosen),
    markup`<div class="live-recipe">${mixture.node}<div class="live-parts">${
      [signal, noise, belief].map((t) => t.node)}</div></div>`);
  const draw = ({ x0, eps, guesses, stops }, name, x, t) => {
    const alpha = alphaAt(t), sigma = sigmaAt(t);
    mixture.draw(x, say('mixed', { name, t }));
    signal.draw(scaled(x0, alpha), say('dimmed', { name, alpha: alpha.toFixed(2) }));
    noise.draw(scaled(eps, sigma), say('loud', { sigma: sigma.toFixed(2) }));
    belief.node.hidden = !guesses;
    if (guesses) belief.draw(guesses[lastStop(stops, t)], say('guessAt', { t: stops[lastStop(stops, t)] }));
  };
  return { node, draw, canvas: mixture.canvas };
}

const walkedTo = ({ stops, states, guesses }, t) => {
  const k = lastStop(stops, t), from = stops[k];
  return { from, guess: guesses[k], state: t === from ? states[k] : strideTo(t, from, states[k], guesses[k]) };
};

// On the right: the walk back, and the guess that leads it.
function outPart(walks, chosen, choose, say, language) {
  const [walk, belief] = ['walk', 'guess'].map((key, k) => tile(...say.rich(key, { x: symbol('x', k ? '0' : 't') })));
  const wish = set(element('select', walks.map(({ caption }) => element('option', caption[language]))),
    { 'aria-label': say('wish') });
  wish.selectedIndex = chosen;
  on(wish, 'change', () => choose(wish.selectedIndex));
  const node = panel(say('out'), badge('model', say),
    markup`<div class="live-asked">${say.rich('askedFor', { wish })}</div>`,
    markup`<div class="live-pair">${walk.node}${belief.node}</div>`);
  const draw = (which, t) => {
    const { from, guess, state } = walkedTo(which, t);
    walk.draw(state, say('walkAt', { t }));
    belief.draw(guess, say('guessAt', { t: from }));
  };
  return { node, draw };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

function build({ data: { sources, walks }, state, say, language, changed }) {
  const histogram = histogramPart(say);
  const figures = numbersPart(say);
  const marks = marksPart(say);
  const source = () => (state.source === 'own' ? state.own : sources[state.source]);
  const nameOf = () => source().names?.[language] ?? say(`${state.source}Name`);
  const marked = () => marks.draw(state.told, source());
  const into = intoPart(state.source, (next) => {
    state.source = next;
    state.told = { stage: 'ask' };
    own.show(next === 'own');
    bet.show();
    time.go(time.t);
  }, say);
  const out = outPart(walks, state.walk, (next) => {
    state.walk = next;
    letters.draw(walks[next]);
    time.go(time.t);
  }, say, language);
  const bet = betPart(state, say, marked);
  const own = ownPart(into.canvas, state.own, say, () => {
    time.jump(0);
    marked();
  });
  const describe = (t) =>
    say('at', { t, last: T, signal: percent(ALPHA_BAR[t], 1), noise: percent(1 - ALPHA_BAR[t], 1) });
  const time = timeline({ last: T, say, describe, show, marks: marks.node });
  const letters = lettersPart(time.jump, say);
  into.node.append(own.node);
  const node = markup`<div class="live-body">${bet.node}
    <div class="live-panels">${into.node}${out.node}</div>
    <div class="live-clock"><p class="live-readout">${say.rich('readout')}</p>${time.node}</div>
    <div class="live-facts">${figures.node}${histogram.node}</div>
    ${letters.node}</div>`;

  const mixture = (t) => blend(source().x0, source().eps, alphaAt(t), sigmaAt(t));
  function show(t) {
    const x = mixture(t);
    state.t = t;
    into.draw(source(), nameOf(), x, t);
    out.draw(walks[state.walk], t);
    figures.draw(x, t);
    histogram.draw(x);
    fill(node, { t });
    changed();
  }
  function numbers() {
    const { t } = state;
    const { alpha, sigma, signal, noise, mean, spread } = momentOf(mixture(t), t);
    const walk = walks[state.walk];
    const { guess, state: x } = walkedTo(walk, t);
    const rows = (what, x) => [
      [say('meanOf', { what }), meanOf(x).toFixed(3)],
      [say('spreadOf', { what }), spreadOf(x).toFixed(3)],
    ];
    return [{
      title: say('title', { name: nameOf(), t }),
      head: [say('quantity'), say('value')],
      rows: [
        ['α', alpha],
        ['α²', signal],
        ['σ', sigma],
        ['σ²', noise],
        [say('mean'), mean],
        [say('spread'), spread],
      ],
    }, {
      title: say('title', { name: walk.caption[language], t }),
      head: [say('quantity'), say('value')],
      rows: [...rows('x', x), ...rows('x̂₀', guess)],
    }];
  }
  own.show(state.source === 'own');
  bet.show();
  letters.draw(walks[state.walk]);
  time.go(state.t);
  return { node, numbers, stop: time.stop };
}

export default live({ load, fields, build });
