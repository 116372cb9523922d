// The flow of time: one slider, t = 0 ... 1000. On the left a picture dissolves into static, by the exact formula; on the
// right a trained model walks out of static. Both stand at the same t, so the two sides hold equally much static.

const WORDS = {
  back: '◂ Walk back', forth: 'Add static ▸', stepBack: 'one step back', stepForth: 'one step on', slider: 'time t',
  into: 'Into static', out: 'Out of static', picture: 'the picture', asked: 'what the walk was asked for',
  sources: [['photo', 'A cat'], ['pet', 'A pet'], ['own', 'Your own']],
  names: { photo: 'the photo of a cat', own: 'your picture' },
  details: { photo: 'the whiskers', pet: 'the face', own: 'the finest line' },
  bet: 'your bet, a time t', place: 'That is my bet', skip: 'Skip', gone: 'Gone!', again: 'Again',
  marks: 'The marks under the slider are computed: there static overtakes details 1, 2, 4 … pixels wide. Small things go first.',
  open: 'Open a picture …', clear: 'Clear', draw: 'Draw on the square, or open a picture. It stays in this page.',
  letters: 'the walk as text',
};

// ---- Maths -----------------------------------------------------------------------------------------------------------

// The share of numbers that fall into each bin, divided by the bin's width: a density, to be compared with a curve.
function density(x, low, high, bins) {
  const heights = new Float64Array(bins), width = (high - low) / bins;
  for (const v of x) { const bin = Math.floor((v - low) / width); if (bin >= 0 && bin < bins) heights[bin]++; }
  return heights.map((count) => count / x.length / width);
}

const bell = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

// Detail of width w is what averaging takes away between blocks of w and of 2w pixels. Of the static that is
// sigma^2 (w^-2 - (2w)^-2), of the picture a sum over its pixels; static overtakes the detail where it is the larger one.
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

const answers = (recorded) => decodeFilm(recorded.guesses, recorded.guess_range);

async function load(model) {
  const pet = model.get('pet'), seed = model.get('seed');
  const photo = await decodePicture(model.get('photo')), drawn = await decodePicture(pet.picture);
  const source = (x0, seed, more) => ({ x0, size: Math.sqrt(x0.length / 3), eps: staticOf(seed, x0.length), ...more });
  const walks = await Promise.all(model.get('walks').map(async (w) => ({ ...w, guesses: await answers(w) })));
  return {
    sources: {
      photo: source(photo, seed, { name: WORDS.names.photo }),
      pet: source(drawn, pet.seed, { name: pet.caption, stops: pet.stops, guesses: await answers(pet) }),
      own: source(new Float32Array(photo.length).fill(0.92), seed, { name: WORDS.names.own }),
    },
    walks: walks.map((walk) => ({ ...walk, states: walkStates(walk) })),
  };
}

// ---- Parts -----------------------------------------------------------------------------------------------------------

function histogramPart() {
  const low = -3.5, high = 3.5, bins = 56, wide = 280, tall = 96, step = wide / bins;
  const px = (v) => ((v - low) / (high - low)) * wide, py = (d) => tall - Math.min(1, d / 1.15) * tall;
  const node = markup`<figure><svg viewBox="0 -4 280 118" class="live-chart" role="img">
    <rect class="live-screen" x="100" y="0" width="80" height="96"/><path class="live-area"/><path class="live-curve"/>
    <path class="live-axis" d="M0 96H280"/>
    <text x="20" y="110">−3</text><text x="60" y="110">−2</text><text x="100" y="110">−1</text><text x="140" y="110">0</text>
    <text x="180" y="110">1</text><text x="220" y="110">2</text><text x="260" y="110">3</text></svg>
    <figcaption>Numbers in ${symbol('x', 't')}, as a histogram. <span class="live-noise">Line:</span> the bell curve N(0, 1).
    Band: what a screen can show.</figcaption></figure>`;
  const chart = node.querySelector('svg'), area = node.querySelector('.live-area');
  const places = Array.from({ length: 141 }, (_, i) => low + 0.05 * i);
  set(node.querySelector('.live-curve'), { d: `M${places.map((v) => `${px(v).toFixed(1)},${py(bell(v)).toFixed(2)}`).join('L')}` });
  const draw = (x) => {
    const tops = Array.from(density(x, low, high, bins), (d, i) => `L${i * step},${py(d).toFixed(2)}h${step}`);
    set(area, { d: `M0,${tall}${tops.join('')}L${wide},${tall}Z` });
    set(chart, { 'aria-label': `histogram: mean ${meanOf(x).toFixed(2)}, standard deviation ${spreadOf(x).toFixed(2)}` });
  };
  return { node, draw };
}

function numbersPart() {
  const node = markup`<div class="live-numbers"><div class="live-shares" aria-hidden="true"><i></i></div>
    <dl><dt class="live-signal">signal</dt>
      <dd>${symbol('α', 't')} <output data-number="alpha"></output></dd><dd>${symbol('α²')} <output data-number="signal"></output></dd>
      <dt class="live-noise">noise</dt>
      <dd>${symbol('σ', 't')} <output data-number="sigma"></output></dd><dd>${symbol('σ²')} <output data-number="noise"></output></dd>
      <dt>numbers in ${symbol('x', 't')}</dt>
      <dd>mean <output data-number="mean"></output></dd><dd>spread <output data-number="spread"></output></dd></dl></div>`;
  const percent = (v) => `${(100 * v).toFixed(1)} %`;
  const draw = (x, t) => {
    fill(node, { alpha: alphaAt(t).toFixed(4), sigma: sigmaAt(t).toFixed(4), signal: percent(ALPHA_BAR[t]),
      noise: percent(1 - ALPHA_BAR[t]), mean: meanOf(x).toFixed(3), spread: spreadOf(x).toFixed(3) });
    node.querySelector('.live-shares').style.setProperty('--part', ALPHA_BAR[t]);
  };
  return { node, draw };
}

// A bet before the first drag: where will the detail be lost? It can be skipped, and never stands in the way.
// now() is the time at which the reader stands; changed() is called when there is more to tell.
function betPart(now, changed) {
  const node = markup`<div class="live-bet"></div>`;
  let bet, found, open, detail;
  const show = (...content) => { node.replaceChildren(...content); changed(); };
  function ask() {
    [bet, found, open] = [null, null, false];
    const line = markup`<label class="live-bet-line"><input type="range" min="0" max="1000" step="10" value="500">
      <span>t = <output>500</output></span></label>`;
    const range = set(line.querySelector('input'), { 'aria-label': WORDS.bet });
    on(range, 'input', () => { line.querySelector('output').textContent = range.value; });
    show(markup`<p><b>Before you drag:</b> by which t will you have lost ${detail}?</p>`, line,
      markup`<span>${button(WORDS.place, () => look(Number(range.value)))} ${quietButton(WORDS.skip, skip)}</span>`);
  }
  function look(t) {
    bet = t;
    show(markup`<p>Your bet is t = ${String(t)}. Now drag time, and press when ${detail} can no longer be seen.</p>`,
      button(WORDS.gone, tell));
  }
  function tell() {
    [found, open] = [now(), true];
    show(markup`<p aria-live="polite">You bet t = ${String(bet)} and lost ${detail} at t = ${String(found)}, where static is
      ${(100 * (1 - ALPHA_BAR[found])).toFixed(0)} % of the mixture. ${WORDS.marks}</p>`, quietButton(WORDS.again, ask));
  }
  function skip() {
    open = true;
    show(markup`<p>${WORDS.marks}</p>`);
  }
  return { node, about: (thing) => { detail = thing; ask(); }, get told() { return { bet, found, open }; } };
}

// Marks along the slider: the bet, what was found, and, once the reader may know, where static overtakes which detail.
function marksPart() {
  const node = markup`<div class="live-marks"></div>`;
  const mark = (t, text, kind) => {
    const flag = markup`<span class="live-mark">${text}</span>`;
    flag.classList.add(`live-mark-${kind}`);
    flag.style.setProperty('--part', t / T);
    return flag;
  };
  const draw = ({ bet, found, open }, { x0, size }) => {
    const details = open ? overtaken(x0, size).filter(({ t }) => t > 0) : [];
    const spaced = details.filter(({ t }, i) => i === 0 || t - details[i - 1].t > 28);
    node.replaceChildren(...spaced.map(({ t, width }) => mark(t, String(width), 'detail')),
      ...(bet === null ? [] : [mark(bet, 'bet', 'bet')]), ...(found === null ? [] : [mark(found, 'gone', 'found')]));
    const text = details.map(({ t, width }) => `static overtakes details of ${width} pixels at t = ${t}`).join('; ');
    set(node, text ? { role: 'img', 'aria-label': text } : { role: 'presentation', 'aria-label': '' });
  };
  return { node, draw };
}

// The reader's own picture: from a file, or drawn with the pointer. It never leaves the page.
function ownPart(canvas, own, changed) {
  const file = markup`<input type="file" accept="image/*" class="live-hidden" tabindex="-1" aria-hidden="true">`;
  const note = markup`<p class="live-note" role="status">${WORDS.draw}</p>`;
  const node = markup`<div class="live-own" hidden>${button(WORDS.open, () => file.click())}
    ${quietButton(WORDS.clear, () => { own.x0.fill(0.92); changed(); })} ${file} ${note}</div>`;
  on(file, 'change', async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try {
      own.x0.set(await squareOf(chosen, own.size));
      note.textContent = `${chosen.name}: it stays in this page.`;
      changed();
    } catch {
      note.textContent = `${chosen.name} cannot be opened as a picture. PNG, JPEG and WebP files work.`;
    }
    file.value = '';
  });
  const drawAt = (event) => {
    const box = canvas.getBoundingClientRect();
    ink(own, ((event.clientX - box.left) / box.width) * own.size, ((event.clientY - box.top) / box.height) * own.size);
    changed();
  };
  on(canvas, 'pointerdown', (event) => { if (!node.hidden) { canvas.setPointerCapture(event.pointerId); drawAt(event); } });
  on(canvas, 'pointermove', (event) => { if (!node.hidden && event.buttons) drawAt(event); });
  return { node, show: (shown) => { node.hidden = !shown; canvas.classList.toggle('live-paper', shown); } };
}

// The square in the middle of a picture file, size pixels wide, on white where it is transparent.
async function squareOf(file, size) {
  const image = await createImageBitmap(file), side = Math.min(image.width, image.height);
  const pen = Object.assign(document.createElement('canvas'), { width: size, height: size }).getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, size, size);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, size, size);
  return fromBytes(pen.getImageData(0, 0, size, size).data);
}

// A round dot of ink, 4 pixels wide, on the picture.
function ink({ x0, size }, x, y) {
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) {
    if (Math.hypot(i + 0.5 - y, j + 0.5 - x) < 2.2) [-0.75, -0.72, -0.65].forEach((v, c) => { x0[(c * size + i) * size + j] = v; });
  }
}

// The walk in letters, at four of its fifty steps. jump(t) brings the clock there.
function lettersPart(jump) {
  const steps = [0, 10, 30, 50];
  const blocks = steps.map((step) => markup`<div>${quietButton(`Step ${step}`, () => jump(T - 20 * step))}
    <pre aria-hidden="true"></pre></div>`);
  const node = set(markup`<section class="live-typed">${blocks}</section>`, { 'aria-label': WORDS.letters });
  const draw = ({ states }) => steps.forEach((step, i) => { blocks[i].lastElementChild.textContent = typed(states[step], 32); });
  return { node, draw };
}

// On the left: a picture, static, and their mixture.
function intoPart(sources, choose) {
  const mixture = tile('what you see, ', symbol('x', 't')), belief = tile('the model’s guess of ', symbol('x', '0'));
  const signal = tile(symbol('α', 't', 'signal'), ' · picture'), noise = tile(symbol('σ', 't', 'noise'), ' · static');
  const node = set(markup`<section class="live-panel"><header><strong>${WORDS.into}</strong>${badge('formula')}</header>
    ${choice(WORDS.picture, WORDS.sources, choose)}
    <div class="live-recipe">${mixture.node}<div class="live-parts">${[signal, noise, belief].map((t) => t.node)}</div></div></section>`,
  { 'aria-label': WORDS.into });
  const draw = ({ x0, eps, name, guesses, stops }, x, t) => {
    mixture.draw(x, `${name} with static, t = ${t}`);
    signal.draw(scaled(x0, alphaAt(t)), `${name}, dimmed to ${alphaAt(t).toFixed(2)}`);
    noise.draw(scaled(eps, sigmaAt(t)), `static of loudness ${sigmaAt(t).toFixed(2)}`);
    belief.node.hidden = !guesses;
    if (guesses) belief.draw(guesses[lastStop(stops, t)], `the model’s guess of the picture at t = ${stops[lastStop(stops, t)]}`);
  };
  return { node, draw, canvas: mixture.canvas };
}

// On the right: the walk back, and the guess that leads it.
function outPart(walks, choose) {
  const state = tile('the walk, ', symbol('x', 't')), guess = tile('its guess of ', symbol('x', '0'));
  const options = walks.map((walk) => markup`<option>${walk.caption}</option>`);
  const asked = set(markup`<select></select>`, { 'aria-label': WORDS.asked });
  asked.append(...options);
  on(asked, 'change', () => choose(walks[asked.selectedIndex]));
  const node = set(markup`<section class="live-panel"><header><strong>${WORDS.out}</strong>${badge('model')}</header>
    <div class="live-asked">asked for: ${asked}</div><div class="live-pair">${state.node}${guess.node}</div></section>`,
  { 'aria-label': WORDS.out });
  const draw = ({ stops, states, guesses }, t) => {
    const k = lastStop(stops, t), from = stops[k];
    state.draw(t === from ? states[k] : strideTo(t, from, states[k], guesses[k]), `the walk at t = ${t}`);
    guess.draw(guesses[k], `the model’s guess of the clean picture, asked at t = ${from}`);
  };
  return { node, draw };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const { sources, walks } = await load(model);
  let source = 'photo', walk = walks[0];
  const histogram = histogramPart(), numbers = numbersPart(), marks = marksPart(), speech = announcer();
  const into = intoPart(sources, (next) => { source = next; own.show(next === 'own'); bet.about(WORDS.details[next]); time.go(time.t); });
  const out = outPart(walks, (next) => { walk = next; letters.draw(walk); time.go(time.t); });
  const bet = betPart(() => time.t, () => marks.draw(bet.told, sources[source]));
  const own = ownPart(into.canvas, sources.own, () => { time.jump(0); marks.draw(bet.told, sources.own); });
  const describe = (t) => `t = ${t} of ${T}: signal ${(100 * ALPHA_BAR[t]).toFixed(1)} %, noise ${(100 * (1 - ALPHA_BAR[t])).toFixed(1)} %`;
  const time = timeline({ last: T, words: WORDS, describe, show, marks: marks.node });
  const letters = lettersPart(time.jump);
  into.node.append(own.node);
  const node = markup`<div class="live-body">${bet.node}
    <div class="live-panels">${into.node}${out.node}</div>
    <div class="live-clock"><p class="live-readout"><b>t = <output data-number="t"></output></b> of 1000</p>${time.node}</div>
    <div class="live-facts">${numbers.node}${histogram.node}</div>
    ${letters.node} ${speech.node}</div>`;

  function show(t) {
    const { x0, eps } = sources[source], x = blend(x0, eps, alphaAt(t), sigmaAt(t));
    into.draw(sources[source], x, t);
    out.draw(walk, t);
    numbers.draw(x, t);
    histogram.draw(x);
    fill(node, { t });
    speech.say(describe(t));
  }
  bet.about(WORDS.details[source]);
  letters.draw(walk);
  time.go(0);
  goLive(el);
  el.append(node);
  return time.stop;
}

export default { render };
