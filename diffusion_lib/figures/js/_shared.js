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
const spreadOf = (x) => { const m = meanOf(x); return Math.sqrt(x.reduce((sum, v) => sum + (v - m) ** 2, 0) / x.length); };

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

// Which question the walk had asked last when it stood at t.
const lastStop = (stops, t) => Math.max(0, stops.filter((stop) => stop >= t).length - 1);

// ---- Pictures: from bytes, and onto a canvas -------------------------------------------------------------------------

async function bytesOf(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const pen = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d', { willReadFrequently: true });
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
  for (let c = 0; c < 3; c++) for (let i = 0; i < area; i++) x[c * area + i] = ((2 * rgba[4 * i + c]) / 255 - 1) * range;
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

// An element written as HTML: markup`<p>t = ${thing}</p>`. A thing is a text, an element, or a list of these.
function markup(strings, ...things) {
  const template = document.createElement('template');
  template.innerHTML = strings.map((text, i) => (i ? `<slot name="${i - 1}"></slot>${text}` : text.trimStart())).join('');
  for (const slot of template.content.querySelectorAll('slot')) slot.replaceWith(...[things[slot.getAttribute('name')]].flat());
  return template.content.firstElementChild;
}

// Writes values where the markup has <output data-number="name">.
function fill(node, values) {
  for (const [name, value] of Object.entries(values)) {
    node.querySelector(`[data-number="${name}"]`).textContent = String(value).replace('-', '−');
  }
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

const on = (node, type, listener) => { node.addEventListener(type, listener); return node; };

// The figure is there. A key pressed in it is its own: JupyterLab would take arrows, Enter and Space for its shortcuts.
function goLive(el) {
  el.classList.add('live');
  on(el, 'keydown', (event) => { if (!(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation(); });
}

const button = (text, press) => on(markup`<button type="button" class="live-button">${text}</button>`, 'click', press);
const quietButton = (text, press) => on(markup`<button type="button" class="live-button live-quiet">${text}</button>`, 'click', press);

// x with a small t below it: symbol('x', 't'). kind: signal or noise, which have their colours.
function symbol(letter, below = '', kind = 'plain') {
  const node = markup`<span class="live-symbol"><i>${letter}</i><sub>${below}</sub></span>`;
  node.classList.add(`live-${kind}`);
  return node;
}

// Where does what you see come from? Every figure says so.
const BADGES = { model: 'trained model', formula: 'exact formula', drawing: 'drawing' };

function badge(origin) {
  const node = markup`<span class="live-badge">${BADGES[origin]}</span>`;
  node.classList.add(`live-badge-${origin}`);
  return node;
}

// A picture with its caption. draw(x, description): the description is for those who cannot see it.
function tile(...caption) {
  const node = markup`<figure class="live-tile"><canvas width="32" height="32" role="img"></canvas></figure>`;
  const canvas = node.firstChild;
  if (caption.length) node.append(markup`<figcaption>${caption}</figcaption>`);
  return { node, canvas, draw: (x, description) => { paint(canvas, x); canvas.setAttribute('aria-label', description); } };
}

// One of several, as radio buttons. options: [[value, text], ...], the first is chosen.
function choice(legend, options, choose) {
  const name = `live-${Math.random().toString(36).slice(2)}`;
  const labels = options.map(([value, text], i) => {
    const label = markup`<label><input type="radio"><span>${text}</span></label>`;
    Object.assign(on(label.firstChild, 'change', () => choose(value)), { name, checked: i === 0 });
    return label;
  });
  return markup`<fieldset class="live-choice"><legend class="live-hidden">${legend}</legend>${labels}</fieldset>`;
}

// A line that a screen reader speaks once the reader has stopped moving.
function announcer() {
  const node = markup`<p class="live-hidden" aria-live="polite"></p>`;
  let timer;
  return { node, say: (text) => { clearTimeout(timer); timer = setTimeout(() => { node.textContent = text; }, 400); } };
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
// show(t) draws; describe(t) says it in words.
function timeline({ last, words, describe, show, marks = '', seconds = 8 }) {
  let t = 0;
  const node = markup`<div class="live-time">
    <div class="live-time-track"><input type="range" min="0" step="1" value="0">${marks}</div>
    <div class="live-time-keys">
      <button type="button" class="live-button live-play" aria-pressed="false">${words.back}</button>
      <button type="button" class="live-button live-step">${words.minus ?? '−1'}</button>
      <button type="button" class="live-button live-step">${words.plus ?? '+1'}</button>
      <button type="button" class="live-button live-play" aria-pressed="false">${words.forth}</button>
    </div></div>`;
  const slider = set(node.querySelector('input'), { max: last, 'aria-label': words.slider });
  const [back, minus, plus, forth] = node.querySelectorAll('button');
  set(minus, { 'aria-label': `${minus.textContent}: ${words.stepBack}` });
  set(plus, { 'aria-label': `${plus.textContent}: ${words.stepForth}` });

  const press = (way) => { for (const [key, its] of [[back, -1], [forth, 1]]) set(key, { 'aria-pressed': its === way }); };
  const clock = clockwork({ last, seconds, go, started: press, stopped: () => press(0) });
  function go(to) {
    t = Math.min(last, Math.max(0, Math.round(to)));
    slider.value = t;
    set(slider, { 'aria-valuetext': describe(t) });
    show(t);
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
