// What all live figures share. It stands once, here: Python puts it in front of a figure's own module for Jupyter, and
// the book's build does the same for the page, because a module given to anywidget cannot import another one.
// Maths first, drawing after. Pictures are Float32Arrays in [-1, 1], channels first, as in Python.

// ---- Random numbers: the twin of diffusion_lib/random.py, equal number for number ------------------------------------

function mix(x) {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

function bits(seed, index) {
  const key = mix(seed + 0x9e3779b9);
  return mix(mix(index + key) ^ mix(key ^ 0x85ebca6b));
}

const uniform = (seed, index) => (bits(seed, index) + 0.5) / 2 ** 32;

const normal = (seed, index) =>
  Math.sqrt(-2 * Math.log(uniform(seed, 2 * index))) * Math.cos(2 * Math.PI * uniform(seed, 2 * index + 1));

// eps: `count` numbers from place `first` of a seed's row, as randn with CounterGenerator(seed, first) draws them.
const staticOf = (seed, count, first = 0) => Float32Array.from({ length: count }, (_, i) => normal(seed, first + i));

// ---- The schedule of Ho et al. 2020: LinearBetaSchedule at its own steps i = 0 ... T ---------------------------------

const T = 1000;

const ALPHA_BAR = (() => {
  const bar = new Float64Array(T + 1).fill(1);
  for (let i = 1; i <= T; i++) bar[i] = bar[i - 1] * (1 - (1e-4 + ((2e-2 - 1e-4) * (i - 1)) / (T - 1)));
  return bar;
})();

const alphaAt = (i) => Math.sqrt(ALPHA_BAR[i]);
const sigmaAt = (i) => Math.sqrt(1 - ALPHA_BAR[i]);

// ---- Sums of pictures ------------------------------------------------------------------------------------------------

// a x + b y; diffuse is blend(x0, eps, alpha, sigma).
const blend = (x, y, a, b) => x.map((value, i) => a * value + b * y[i]);
const scaled = (x, a) => x.map((value) => a * value);
const meanOf = (x) => x.reduce((sum, v) => sum + v, 0) / x.length;
const rmsOf = (x) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
const distanceOf = (a, b) => rmsOf(a.map((value, i) => value - b[i]));
const cut = (x) => x.map((value) => Math.min(1, Math.max(-1, value)));
const spreadOf = (x) => {
  const m = meanOf(x);
  return Math.sqrt(x.reduce((sum, v) => sum + (v - m) ** 2, 0) / x.length);
};

// The average of each 2x2 block: a picture half as wide.
function halved(x, size) {
  const half = size >> 1, y = new Float32Array(3 * half * half);
  for (let c = 0; c < 3; c++) for (let i = 0; i < half; i++) for (let j = 0; j < half; j++) {
    const k = c * size * size + 2 * i * size + 2 * j;
    y[(c * half + i) * half + j] = (x[k] + x[k + 1] + x[k + size] + x[k + size + 1]) / 4;
  }
  return y;
}

// A picture in shaded characters, one pixel each: the twin of diffusion_lib's text_picture.
function typed(x, size, width = 32) {
  const shades = '█▓▒░ ', lines = width / 2, area = size * size;
  const nearest = (i, count) => Math.floor(((i + 0.5) * size) / count);
  const row = (i, length, value) =>
    Array.from({ length }, (_, j) => value(nearest(i, lines) * size + nearest(j, width)));
  const shade = (place) => {
    const [r, g, b] = cut([0, 1, 2].map((c) => x[c * area + place]));
    return shades[Math.min(4, Math.floor(((0.299 * r + 0.587 * g + 0.114 * b + 1) / 2) * 5))];
  };
  return Array.from({ length: lines }, (_, i) => row(i, width, shade).join('')).join('\n');
}

// The walk of DDIM (diffusion_lib/samplers.py), computed again from the seed and the model's recorded guesses:
// x_s = alpha_s x0 + sigma_s eps with eps = (x_t - alpha_t x0) / sigma_t. Returns the state at each stop, and at 0.
function walkStates({ seed, stops, guesses }) {
  let x = scaled(staticOf(seed, guesses[0].length), sigmaAt(stops[0]));
  const states = [x];
  stops.forEach((t, k) => states.push((x = strideTo(stops[k + 1] ?? 0, t, x, guesses[k]))));
  return states;
}

function strideTo(s, t, x, x0) {
  const kept = sigmaAt(s) / sigmaAt(t);
  return blend(x0, x, alphaAt(s) - kept * alphaAt(t), kept);
}

// A model's file (`openModel`) as it is asked on this schedule, in so many steps. It has to be a flow: its a and b are
// the same everywhere.
function onTheClock(file, steps) {
  const walks = file.walks.slice(), first = ((steps - 1) * (steps + 2)) / 2;
  for (let k = 0; k <= steps; k++) {
    walks.set([alphaAt(T - (k * T) / steps), sigmaAt(T - (k * T) / steps)], 4 * (first + k));
  }
  return { ...file, walks };
}

// Which question the walk had asked last when it stood at t.
const lastStop = (stops, t) => Math.max(0, stops.filter((stop) => stop >= t).length - 1);

// ---- Pictures: from bytes, and onto a canvas -------------------------------------------------------------------------

async function bytesOf(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const pen = Object.assign(document.createElement('canvas'), { width, height })
    .getContext('2d', { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, width, height);
}

// One picture in a file (a data: address).
const decodePicture = async (address) => fromBytes((await bytesOf(address)).data);

// Pictures in a file whose rows are the lives of single pixels. Bytes 0 ... 255 stand for -range ... range.
async function decodeFilm(address, range) {
  const { data, width: count, height: area } = await bytesOf(address);
  return Array.from({ length: count }, (_, k) => {
    const frame = new Uint8ClampedArray(4 * area);
    for (let i = 0; i < area; i++) frame.set(data.subarray(4 * (i * count + k), 4 * (i * count + k) + 4), 4 * i);
    return fromBytes(frame, range);
  });
}

function fromBytes(rgba, range = 1) {
  const area = rgba.length / 4, x = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < area; i++) x[c * area + i] = ((2 * rgba[4 * i + c]) / 255 - 1) * range;
  }
  return x;
}

// What lies outside [-1, 1] is shown as black or full light: a screen has no more than that.
function paint(canvas, x) {
  const area = x.length / 3, size = Math.round(Math.sqrt(area));
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const image = new ImageData(size, size);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(((x[c * area + i] + 1) / 2) * 255);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

// ---- Elements --------------------------------------------------------------------------------------------------------

// HTML with things in the places of its <slot name="...">. A thing is a text, an element, or a list of these; where
// none is given for a name, a <span> waits for a number (see fill).
function composed(html, things) {
  const { content } = Object.assign(document.createElement('template'), { innerHTML: html });
  for (const slot of content.querySelectorAll('slot')) {
    const number = set(document.createElement('span'), { 'data-number': slot.name });
    slot.replaceWith(...[things[slot.name] ?? number].flat());
  }
  return content;
}

// An element written as HTML: markup`<p>t = ${thing}</p>`.
function markup(strings, ...things) {
  return composed(strings.map((text, i) =>
    i ? `<slot name="${i - 1}"></slot>${text}` : text.trimStart()).join(''), things).firstElementChild;
}

// Writes values where the markup has <span data-number="name">.
function fill(node, values) {
  for (const [name, value] of Object.entries(values)) {
    for (const place of node.querySelectorAll(`[data-number="${name}"]`)) place.textContent = minus(value);
  }
}

const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;

// An element that HTML's parser would not take apart into slots, such as a table's row.
function element(tag, ...children) {
  const node = document.createElement(tag);
  node.append(...children.flat());
  return node;
}

function set(node, attributes = {}) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

const on = (node, type, listener, until) => {
  node.addEventListener(type, listener, until);
  return node;
};

// What a pet has, as attributes.py names it; a word of the table for each.
const ATTRIBUTES = ['animal', 'fur', 'pattern', 'hat', 'accessory', 'mood', 'background'];

// The figure is there. A key pressed in it is its own: JupyterLab would take arrows, Enter and Space for its shortcuts.
function goLive(el) {
  el.classList.add('live');
  on(el, 'keydown', (event) => {
    if (!(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
  });
}

const button = (text, press) =>
  on(markup`<button type="button" class="live-button">${text}</button>`, 'click', press);
const quietButton = (text, press) =>
  on(markup`<button type="button" class="live-button live-quiet">${text}</button>`, 'click', press);

// x with a small t below it: symbol('x', 't'). kind: signal or noise, which have their colours.
function symbol(letter, below = '', kind = 'plain') {
  const node = markup`<span class="live-symbol"><i>${letter}</i><sub>${below}</sub></span>`;
  node.classList.add(`live-${kind}`);
  return node;
}

// Where does what you see come from, a model, a formula or a drawing? Every figure says so.
const badge = (origin, say) =>
  set(markup`<span class="live-badge">${say(origin)}</span>`, { class: `live-badge live-badge-${origin}` });

// A picture with its caption. draw(x, description): the description is for those who cannot see it; until then the
// caption is.
function tile(...caption) {
  const node = markup`<figure class="live-tile"><canvas width="32" height="32" role="img"></canvas></figure>`;
  const canvas = node.firstChild;
  if (caption.length) set(canvas, {
    'aria-label': node.appendChild(markup`<figcaption>${caption}</figcaption>`).textContent.trim() });
  return { node, canvas, draw: (x, description) => {
    paint(canvas, x);
    canvas.setAttribute('aria-label', description);
  } };
}

// A form of a sentence to be typed, and its button. send() when the reader sends it, write() after each letter; say has
// ask and draw.
function askPart(state, say, send, write) {
  const node = markup`<form class="live-ask"><input type="text" dir="auto" autocomplete="off"><button
    class="live-button live-go">${say('draw')}</button></form>`;
  const input = node.firstChild;
  Object.assign(set(input, { 'aria-label': say('ask'), placeholder: say('ask') }), { value: state.prompt });
  on(input, 'input', () => {
    state.prompt = input.value;
    write();
  });
  return on(node, 'submit', (event) => {
    event.preventDefault();
    send();
  });
}

// What was heard of a sentence, and a note for each word that was not: as `heardOf` tells them.
const heardParts = (say, heard, notices) =>
  [heard, ...notices].map((sentence) => element('span', say.quoting(sentence)));

// How far a model has come, of bytes so far and all of them; say has coming.
function comingPart(say, bytes) {
  const [done, all] = bytes.map((count) => (count / 1e6).toFixed(1));
  const text = say('coming', { done, all });
  return [text, set(markup`<progress></progress>`, { 'aria-label': text, value: done / all || 0 })];
}

// One of several, as radio buttons. options: [[value, text], ...].
function choice(legend, options, choose, chosen = options[0][0]) {
  const name = `live-${Math.random().toString(36).slice(2)}`;
  const labels = options.map(([value, text]) => {
    const label = markup`<label><input type="radio"><span>${text}</span></label>`;
    Object.assign(on(label.firstChild, 'change', () => choose(value)), { name, checked: value === chosen });
    return label;
  });
  return markup`<fieldset class="live-choice"><legend class="live-hidden">${legend}</legend>${labels}</fieldset>`;
}

// A number to be typed, from low to high in steps.
function numberInput(label, value, [low, high, step], change) {
  const node = markup`<label class="live-knob"><span>${label}</span><input type="number"></label>`;
  const input = node.lastChild;
  Object.assign(input, { min: low, max: high, step, value });
  on(input, 'change', () => {
    input.value = Math.min(high, Math.max(low, Math.round(input.value / step) * step || 0));
    change(Number(input.value));
  });
  return node;
}

const svgElement = (name, attributes) => set(document.createElementNS('http://www.w3.org/2000/svg', name), attributes);

// A line through points [x, y].
const lineOf = (points) =>
  (points.length ? `M${Array.from(points, ([x, y]) => `${x.toFixed(1)},${y.toFixed(2)}`).join('L')}` : '');

// A chart of wide by tall units, y downwards: a grid line and a text for each tick on the left [y, text], texts below
// [x, text], the name of the axis, a caption. path(kind) is a new line in it; point(x) moves its cursor.
function chart({ label, wide = 280, tall, left, below, axis, caption }) {
  const node = markup`<figure><svg class="live-chart" role="img">
    <path class="live-grid"/><g class="live-ticks-left"></g><g class="live-ticks-below"></g><text></text>
    <g class="live-plot"></g><path class="live-cursor"/></svg><figcaption>${caption}</figcaption></figure>`;
  const svg = set(node.firstChild, { viewBox: `-38 -8 ${wide + 52} ${tall + 40}`, 'aria-label': label });
  const [grid, before, beneath, name, plot, cursor] = svg.children;
  const texts = (list) => list.map(([x, y, text]) => {
    const tick = svgElement('text', { x, y });
    tick.textContent = text;
    return tick;
  });
  const ticks = (below) => beneath.replaceChildren(...texts(below.map(([x, text]) => [x, tall + 14, text])));
  set(grid, { d: left.map(([y]) => `M0 ${y.toFixed(1)}H${wide}`).join('') });
  before.append(...texts(left.map(([y, text]) => [-6, y + 3, text])));
  ticks(below);
  set(name, { x: wide / 2, y: tall + 28 }).textContent = axis;
  return { node, svg, plot, ticks, path: (kind) => plot.appendChild(svgElement('path', { class: `live-line ${kind}` })),
    point: (x) => set(cursor, { d: `M${x.toFixed(1)} 0V${tall}` }) };
}

// A line that a screen reader speaks once the reader has stopped moving. What is said before it stands in the page is
// not spoken.
function announcer() {
  const node = markup`<p class="live-hidden" aria-live="polite"></p>`;
  let timer;
  return { node, say: (text) => {
    clearTimeout(timer);
    if (node.isConnected) timer = setTimeout(() => {
      node.textContent = text;
    }, 800);
  } };
}

// ---- Time ------------------------------------------------------------------------------------------------------------

const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

// Calls go(t) as time runs from `t` to 0 (way -1) or to `last` (way +1). A reader who asked for less motion gets twenty
// still pictures instead of a film.
function clockwork({ last, seconds, go, started, stopped }) {
  let frame = 0, way = 0;
  function stop() {
    cancelAnimationFrame(frame);
    way = 0;
    stopped();
  }
  function run(toward, t) {
    stop();
    way = toward;
    started(way);
    let at = way < 0 ? t || last : t % last, before = performance.now();
    const tick = (now) => {
      frame = requestAnimationFrame(tick);
      if (calm() && now - before < 700) return;
      const part = calm() ? 1 / 20 : Math.min(0.1, Math.max(0, now - before) / 1000) / seconds;
      at = Math.min(last, Math.max(0, at + way * part * last));
      before = now;
      go(at);
      if (at === (way < 0 ? 0 : last)) stop();
    };
    frame = requestAnimationFrame(tick);
  }
  return { run, stop, get way() { return way; } };
}

// Time's own controls: a slider from 0 to `last`, one step back or on, and both ways by themselves.
// show(t) draws; describe(t) says it in words, which are spoken once the reader stands still; `say` has back, forth,
// stepBack, stepForth, slider, and minus and plus.
function timeline({ last, say, describe, show, marks = '', seconds = 8, at = 0 }) {
  const speech = announcer();
  let t = Math.min(at, last);
  const node = markup`<div class="live-time">
    <div class="live-time-track"><input type="range" min="0" step="1" value="0">${marks}</div>
    <div class="live-time-keys">
      <button type="button" class="live-button live-play" aria-pressed="false">${say('back')}</button>
      <button type="button" class="live-button live-step">${say('minus')}</button>
      <button type="button" class="live-button live-step">${say('plus')}</button>
      <button type="button" class="live-button live-play" aria-pressed="false">${say('forth')}</button>
    </div>${speech.node}</div>`;
  const slider = set(node.querySelector('input'), { max: last, 'aria-label': say('slider') });
  const [back, minus, plus, forth] = node.querySelectorAll('button');
  set(minus, { 'aria-label': `${minus.textContent}: ${say('stepBack')}` });
  set(plus, { 'aria-label': `${plus.textContent}: ${say('stepForth')}` });

  const press = (way) => {
    for (const [key, its] of [[back, -1], [forth, 1]]) set(key, { 'aria-pressed': its === way });
  };
  const clock = clockwork({ last, seconds, go, started: press, stopped: () => press(0) });
  function go(to) {
    t = Math.min(last, Math.max(0, Math.round(to)));
    slider.value = t;
    set(slider, { 'aria-valuetext': describe(t) });
    show(t);
    speech.say(describe(t));
  }
  const jump = (to) => { clock.stop(); go(to); };
  const toggle = (way) => (clock.way === way ? clock.stop() : clock.run(way, t));
  on(slider, 'input', () => jump(Number(slider.value)));
  on(minus, 'click', () => jump(t - 1));
  on(plus, 'click', () => jump(t + 1));
  on(back, 'click', () => toggle(-1));
  on(forth, 'click', () => toggle(1));
  return { node, go, jump, toggle, stop: clock.stop, get t() { return t; } };
}

export { bits, uniform, normal, staticOf, ALPHA_BAR, walkStates };
