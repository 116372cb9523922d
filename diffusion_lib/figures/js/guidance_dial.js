// The dial of guidance. Above: pictures of one wish at eight scales: the reader's own wish from one static, drawn here
// by a network that reads, or recorded ones, by two models from six statics. Then what was measured of those two models
// (recorded). Below: the same scale in a world of one number, where everything is computed here.

// ---- Maths: a world of one number ------------------------------------------------------------------------------------

// Mice and rabbits, told apart by the length of their ears: two bells, equally frequent. The wish is "a rabbit".
const MOUSE = -1, RABBIT = 1, SPREAD = 0.5;
const STRIDES = 60;                                          // of Heun's method
const LEFT = -3, RIGHT = 4, CELLS = 350;                     // of the chart

const bell = (x, mean, spread) => Math.exp(-(((x - mean) / spread) ** 2) / 2) / (spread * Math.sqrt(2 * Math.PI));

// dx/dt of the probability flow at (x, t) on the cosine schedule, guided with scale w (diffusion_lib/oracles.py,
// guidance.py).
function arrow(x, t, w) {
  const alpha = Math.cos(Math.PI / 2 * t);
  const sigma = Math.sin(Math.PI / 2 * t);
  const variance = (alpha * SPREAD) ** 2 + sigma ** 2;
  const pull = (mean) => (x - alpha * mean) / variance;
  const rabbit = 1 / (1 + Math.exp(-alpha * x * (RABBIT - MOUSE) / variance));  // p(rabbit | x_t); the means are +-1
  const guided = (of) => (1 - w) * (rabbit * of(RABBIT) + (1 - rabbit) * of(MOUSE)) + w * of(RABBIT);
  const x0 = guided((mean) => mean + alpha * SPREAD ** 2 * pull(mean));
  const eps = guided((mean) => sigma * pull(mean));
  return Math.PI / 2 * (alpha * eps - sigma * x0);
}

// Where the walk carries static of the value z; into t = 0 the step is Euler's (diffusion_lib/samplers.py).
function walked(z, w) {
  let x = z;
  for (let k = STRIDES; k > 0; k--) {
    const t = k / STRIDES, s = (k - 1) / STRIDES, first = arrow(x, t, w), there = x + (s - t) * first;
    x = s === 0 ? there : x + (s - t) * (first + arrow(there, s, w)) / 2;
  }
  return x;
}

// The density that guided walks draw from: each z keeps its share, spread over a stretched piece. Points [x, p], and
// the mean and spread of them all.
function drawnWith(w) {
  const z = Array.from({ length: 321 }, (_, i) => -4 + i / 40);
  const x = z.map((value) => walked(value, w));
  const share = z.map((value) => bell(value, 0, 1) / 40);
  const points = z.slice(1, -1).map((value, i) => [x[i + 1], bell(value, 0, 1) / ((x[i + 2] - x[i]) * 20)]);
  return { points, ...moments(x, share) };
}

// p(x) p(rabbit | x)^w, normalised: what guidance is often said to sample.
function sharpened(w) {
  const places = Array.from({ length: CELLS + 1 }, (_, i) => LEFT + i * (RIGHT - LEFT) / CELLS);
  const heights = places.map((x) => {
    const mouse = bell(x, MOUSE, SPREAD);
    const rabbit = bell(x, RABBIT, SPREAD);
    return (mouse + rabbit) * (rabbit / (mouse + rabbit)) ** w;
  });
  const whole = heights.reduce((sum, p) => sum + p, 0);
  const cell = (RIGHT - LEFT) / CELLS;
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
  return p0 + (x - x0) / (x1 - x0) * (p1 - p0);
}

// The share that two densities have in common: the area below both.
const commonOf = (a, b) => b.reduce((sum, [x, p]) => sum + Math.min(p, heightAt(a, x)), 0) * ((RIGHT - LEFT) / CELLS);

// ---- Words for numbers -----------------------------------------------------------------------------------------------

const pipelineOf = (w, say) => (w > 1 ? `guidance_scale = ${w}` : say(w === 1 ? 'off1' : 'off0'));
const fixed = (v) => (Math.abs(v) < 0.005 ? 0 : v).toFixed(2);
// How each measured number is written, and how far up its chart goes: by quarters.
const MEASURES = {
  found: { most: 1, ticks: [0, 0.5, 1], digits: 1 },
  variety: { most: 3, ticks: [0, 1, 2, 3], digits: 0 },
  burnt: { most: 0.75, ticks: [0, 0.25, 0.5, 0.75], digits: 1 },
  obeyed: { digits: 1 },
};
const told = (row, name) => percent(row[name], MEASURES[name].digits);
const rangeOf = (row, name, say) => {
  const [low, high] = row.bands[name].map((v) => percent(v, MEASURES[name].digits));
  return say('range', { low, high });
};

// The share of a picture's numbers that no screen can show, as benchmarks/guidance_dial.py measures it.
const burntOf = (x) => x.filter((v) => Math.abs(v) > 1 + 2 / 255).length / x.length;

// ---- Parts -----------------------------------------------------------------------------------------------------------

function betPart(measured, scales, state, say) {
  const found = (model, i) => told(model.rows[i], 'found'), last = scales.length - 1;
  const ofOne = (model) => say('toldOne', { label: model.label, one: found(model, scales.indexOf(1)),
    top: found(model, model.best), best: scales[model.best], end: found(model, last), last: scales[last] });
  return question({ state, say, ask: say('question', { first: measured[0].label, second: measured[1].label }),
    options: ['first', 'second', 'both', 'neither'].map((key) => say(key)),
    tell: () => say('told', { models: measured.map(ofOne).join(' ') }) });
}

const TALL = 92, WIDE = 280;                                 // of a chart

// One measured number against the scale: the chosen model with its band, the other one faintly.
function measurePart(name, { scales, real, n }, say) {
  const { most, ticks } = MEASURES[name], last = scales.at(-1);
  const x = (w) => w / last * WIDE;
  const y = (v) => (1 - Math.min(1, v / most)) * TALL;
  const range = element('span');
  const drawn = chart({ label: say('against', { what: say(`${name}Name`) }), tall: TALL,
    left: ticks.map((v) => [y(v), percent(v)]), below: [0, 1, 2, 4, 6, 8, 10].map((w) => [x(w), w]),
    axis: say('axis'), caption: say.rich(name, { range, n: n.pictures, real: percent(real[name], 1) }) });
  const band = drawn.path('live-band');
  const other = drawn.path('live-faint');
  const line = drawn.path('live-line-belief');
  const curve = ({ rows }, of = (row) => row[name]) => rows.map((row, i) => [x(scales[i]), y(of(row))]);
  const begin = (model, rest) => {
    const edge = (k) => curve(model, (row) => row.bands[name][k]);
    set(band, { d: `${lineOf([...edge(0), ...edge(1).reverse()])}Z` });
    set(line, { d: lineOf(curve(model)) });
    set(other, { d: rest ? lineOf(curve(rest)) : '' });
  };
  const draw = (row, w) => {
    drawn.point(x(w));
    fill(drawn.node, { [name]: told(row, name) });
    range.textContent = rangeOf(row, name, say);
  };
  return { node: drawn.node, begin, draw };
}

// The reader's own wish from one static: a picture at each mark of the dial, drawn one after the other, the nearest to
// the dial first.
// state.drawn: of each mark how far its walk has come. ask(): shows this part. arrived(): the dial's picture is there.
// fail(): none comes.
function ownPart({ model, data, state, say, language, changed, ask, arrived, fail }) {
  const { scales, own } = data;
  const large = tile(' ');
  const tiles = scales.map((w) => tile(`w = ${w}`));
  const by = markup`<p class="live-note"></p>`;
  const status = markup`<p class="live-note live-status" role="status"></p>`;
  const size = (model.get('models')[NETWORK].bytes / 1e6).toFixed(1);
  const another = button(say('another'), () => {
    state.seed = Math.floor(1e4 * Math.random());
    anew();
  });
  const node = markup`<div class="live-world"><div class="live-dialled">${
    [large, ...tiles].map((one) => one.node)}</div>
    <div class="live-choices">${by} ${another}</div></div>`;
  const form = askPart(state, say, () => {
    ask();
    anew();
  }, anew);
  let running, waiting;

  const done = (i) => state.drawn[i] && !state.drawn[i].x0;
  const burnt = (i) => (done(i) ? percent(burntOf(state.drawn[i].x), 1) : '');
  const title = (i) => `w = ${scales[i]}${done(i) ? `, ${say('burntName')} ${burnt(i)}` : ''}`;
  const prompt = () => state.prompt.slice(0, 80);
  const told = () => say('by', { network: NETWORK, prompt: prompt(), seed: state.seed, steps: own.steps });
  const tell = (...things) => {
    set(status, { 'aria-busy': !!running && !data.network });
    status.replaceChildren(...things);
  };

  function draw() {
    const begin = { x: staticOf(state.seed, 3 * 32 * 32) };
    const { x, x0 } = state.drawn[state.mark] ?? begin;
    const describe = (i) => `${prompt()}: ${title(i)}`;
    tiles.forEach((one, i) => {
      one.draw((state.drawn[i] ?? begin).x, describe(i));
      set(one.node, { 'aria-current': i === state.mark });
    });
    large.draw(x0 ?? x, describe(state.mark));
    large.node.lastChild.textContent = title(state.mark) + (x0 ? `: ${say('guess')}` : '');
    by.replaceChildren(...say.quoting(told()));
    changed();
  }
  function halt() {
    clearTimeout(waiting);
    running?.abort();
    running = null;
    if (!data.network) tell(say('idle', { size }));
  }
  // A network that is here waits until the reader stands still; one that is on its way is not called back.
  function soon() {
    draw();
    if (data.network) {
      halt();
      waiting = setTimeout(work, 300);
    } else if (!running) work();
  }
  function anew() {
    state.drawn = [];
    if (state.model === 'own') soon();
    changed();
  }
  const next = () => [...scales.keys()].filter((i) => !done(i))
    .sort((a, b) => Math.abs(a - state.mark) - Math.abs(b - state.mark))[0];

  async function work() {
    const { signal } = running = new AbortController();
    try {
      const network = data.network ??= await openModel(model, NETWORK, {
        progress: (...bytes) => tell(...comingPart(say, bytes)), signal });
      const { said, heard, notices } = heardOf(state.prompt, network.file.wish, own.notices[language]);
      tell(...heardParts(say, heard, notices));
      for (let i = next(); i >= 0; i = next()) {
        for await (const here of walk(network.ask, network.file, {
          said, seed: state.seed, steps: own.steps, guidance: scales[i], signal })) {
          if (!node.isConnected) return close();
          state.drawn[i] = here;
          if (!calm() || done(i)) draw();
        }
        arrived();
      }
      running = null;
    } catch (error) {
      if (error.name === 'AbortError' || error.message === 'closed') return;
      close();
      fail();
      tell(element('strong', troubleIn(error, language)));
    }
  }
  function close() {
    halt();
    data.network?.close();
    data.network = null;
  }
  halt();
  const numbers = () => ({ title: told(), head: ['w', say('burntName')], rows: scales.map((w, i) => [w, burnt(i)]) });
  return { form, status, node, title, halt, numbers,
    turn: () => (running ? done(state.mark) : next() === undefined) ? draw() : soon(), close };
}

// The exact world: the bell of rabbits, the sharpened density, and what guided walks draw.
function worldPart(say) {
  const most = 1.8;
  const x = (v) => (v - LEFT) / (RIGHT - LEFT) * WIDE;
  const y = (p) => (1 - Math.min(1, p / most)) * TALL;
  const place = ([v, p]) => [x(v), y(p)];
  const drawn = chart({ label: say('worldLabel'), tall: TALL,
    left: [0, 0.5, 1, 1.5].map((p) => [y(p), p]), below: [-3, -2, -1, 0, 1, 2, 3, 4].map((v) => [x(v), minus(v)]),
    axis: say('ears'), caption: say.rich('worldCaption') });
  set(drawn.path('live-faint'), { d: lineOf(sharpened(0).points.map(place)) });
  const said = drawn.path('live-line-signal live-dashed'), walked = drawn.path('live-line-noise');
  const numbers = markup`<div class="live-numbers"></div>`;
  let table;
  const draw = (w) => {
    const sharp = sharpened(w), walk = drawnWith(w);
    const momentsOf = (name, { mean, spread }) => [say(name), fixed(mean), fixed(spread)];
    set(said, { d: lineOf(sharp.points.map(place)) });
    set(walked, { d: lineOf(walk.points.map(place)) });
    table = { title: say('worldTitle', { w }), head: [say('ears'), say('mean'), say('spread')],
      rows: [momentsOf('sharp', sharp), momentsOf('guided', walk),
        [say('common'), percent(commonOf(walk.points, sharp.points)), '']] };
    numbers.replaceChildren(tableOf(table, say));
  };
  return { node: markup`<section class="live-world"><p class="live-heading">${say.rich('world', {
    badge: badge('formula', say) })}</p>
    <div class="live-facts">${drawn.node}${numbers}</div></section>`, draw, numbers: () => table };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

const NETWORK = 'pets32-text';

async function load(model) {
  const data = Object.fromEntries(
    ['scales', 'wishes', 'real', 'n', 'about', 'own'].map((name) => [name, model.get(name)]));
  const measured = await Promise.all(model.get('measured').map(async (one) => ({ ...one,
    films: await Promise.all(one.films.map((film) => decodeFilm(film, 1))) })));
  return { ...data, measured };
}

const fields = ({ scales, wishes, measured, own }) => ({
  model: among([...measured.map(({ name }) => name), 'own']),
  wish: whole(0, 0, wishes.length - 1),
  mark: whole(scales.indexOf(1), 0, scales.length - 1),
  prompt: written(own.prompt, 400), seed: whole(own.seed, 0, 2 ** 32 - 1),
  answer: kept(() => -1),
  drawn: kept(() => []),
});

function build({ model, data, state, say, language, changed }) {
  const { scales } = data;
  const wishes = data.wishes.map((wish) => wish[language]);
  const measured = data.measured.map((one) => ({ ...one, label: one.label[language] }));
  const count = measured[0].films[0].length / scales.length;
  const chosen = () => measured.find(({ name }) => name === state.model) ?? measured[0];
  const tiles = Array.from({ length: count }, () => tile());
  const world = worldPart(say);
  const charts = ['found', 'variety', 'burnt'].map((name) => measurePart(name, data, say));
  const choose = choice(say('which'),
    [...measured.map(({ name, label }) => [name, label]), ['own', say('own')]], (next) => {
      state.model = next;
      own.halt();
      begin();
    }, state.model);
  const take = (k) => () => choose.querySelectorAll('input')[k].click();
  const own = ownPart({ model, data, state, say, language, changed, ask: take(measured.length),
    arrived: () => time.go(state.mark), fail: take(0) });
  const ask = choice(say('wish'), wishes.map((text, i) => [i, i === 0 ? say('long') : `“${text}”`]), (next) => {
    state.wish = next;
    show(state.mark);
  }, state.wish);
  const note = markup`<span class="live-note">${say.rich('note')}</span>`;
  const wish = markup`<p class="live-note" data-wish></p>`;
  const range = markup`<span data-obeyed></span>`;
  const strip = markup`<div class="live-statics">${tiles.map((t) => t.node)}</div>`;
  const names = Object.keys(MEASURES);
  const row = (i) => names.map((name) => told(chosen().rows[i], name));
  const heads = names.map((name) => say(`${name}Name`));
  const describe = (i) => (state.model === 'own' ? own.title(i)
    : `w = ${scales[i]}: ${row(i).map((value, k) => `${heads[k]} ${value}`).join(', ')}`);
  const time = timeline({ last: scales.length - 1, say, describe, show, seconds: 9 });
  const node = markup`<div class="live-body">${betPart(measured, scales, state, say)} ${own.form} ${own.status}
    <div class="live-choices">${choose} ${ask} ${badge('model', say)}</div>
    ${wish} ${strip} ${own.node}
    <div class="live-clock"><p class="live-readout">${say.rich('readout', { note })}</p>${time.node}</div>
    <div class="live-facts live-measures">${charts.map((one) => one.node)}
      <p class="live-note">${say.rich('obeyed', { range })}</p></div>
    ${world.node} <p class="live-note">${say('about', { about: data.about[language] })}</p></div>`;

  function show(i) {
    state.mark = i;
    const w = scales[i], { label, films, rows } = chosen();
    tiles.forEach((t, k) => t.draw(films[state.wish][i * count + k],
      say('tile', { wish: wishes[state.wish], label, w, k: k + 1 })));
    for (const one of charts) one.draw(rows[i], w);
    world.draw(w);
    fill(node, { w, obeyed: told(rows[i], 'obeyed'), paper: w - 1, pipeline: pipelineOf(w, say) });
    range.textContent = rangeOf(rows[i], 'obeyed', say);
    wish.textContent = say('statics', { wish: wishes[state.wish] });
    if (state.model === 'own') own.turn();
    changed();
  }
  function begin() {
    for (const part of [ask, wish, strip]) part.hidden = state.model === 'own';
    own.node.hidden = state.model !== 'own';
    for (const one of charts) one.begin(chosen(), measured.find((other) => other !== chosen()));
    time.go(state.mark);
  }
  const numbers = () => [...(state.model === 'own' ? [own.numbers()] : []),
    { title: say('title', { label: chosen().label, n: data.n.pictures }),
      head: ['w', ...heads], rows: scales.map((w, i) => [w, ...row(i)]) },
    world.numbers(),
    ...[scales[state.mark]].map((w) => ({ title: `w = ${w}`,
      head: [say('quantity'), say('value')],
      rows: [['Ho, Salimans', `w = ${w - 1}`], ['diffusers', pipelineOf(w, say)]] }))];

  begin();
  return { node, numbers, stop: () => { time.stop(); own.halt(); }, leave: own.close };
}

export default live({ load, fields, build });
