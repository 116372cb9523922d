// Inside the U-Net: the network drawn as the letter it is named after. Choose a block and see what it makes of the picture at
// the chosen time, where in the picture it listens, how far it reaches and what it costs.

const WORDS = {
  back: '◂ Cleaner', forth: 'More static ▸', minus: '◂', plus: '▸', stepBack: 'recorded time before', stepForth: 'next recorded time', slider: 'time t',
  blocks: 'a block of the network', skip: 'Skip',
  question: 'Before you click: on which level does this network do most of its arithmetic?',
  state: 'it is shown, ', guess: 'and believes in, ', listens: 'where the middle of this block listens',
};

// ---- What a block is, in words -----------------------------------------------------------------------------------------

const KINDS = {
  stem: ['Stem', 'A 3×3 convolution: from three colours to a thin stack of maps, at full size.'],
  fold: ['Fold', 'Each 2×2 square of places becomes one place with four times the channels. Nothing is lost; then a 1×1 convolution mixes them.'],
  shrink: ['Halve', 'A 3×3 convolution in strides of two: half as high, half as wide, and something is lost.'],
  down: ['Residual block', 'Way down. What it is given, plus what two 3×3 convolutions have to add. Its answer is kept for the way up.'],
  block: ['Residual block', 'The bottom of the U. What it is given, plus what two 3×3 convolutions have to add.'],
  attention: ['Attention', 'Each place asks all other places, and adds what it learned.'],
  up: ['Merge, residual block', 'Way up. The copy from the way down is laid beside what came from below; a 1×1 convolution mixes the two.'],
  grow: ['Double', 'Each place is copied into 2×2, then a 3×3 convolution.'],
  unfold: ['Unfold', 'The channels of one place become a 2×2 square again: full size.'],
  head: ['Head', 'The stem’s copy is laid beside it, and two 3×3 convolutions give three channels: the network’s answer y.'],
};

const kindOf = ({ module, side }) => {
  const [name] = module.split('.');
  return name !== 'middle' ? name : module.endsWith('attention') ? 'attention' : 'block';
};

// ---- Maths -----------------------------------------------------------------------------------------------------------

// x_t of rectified flow.
const stateAt = (x0, eps, t) => blend(x0, eps, 1 - t, t);

// Where each block stands: rows by its level, columns so that the path goes only right, down or up.
function placed(blocks) {
  let column = 0;
  return blocks.map((block, k) => {
    const before = blocks[k - 1], same = before && before.level === block.level;
    if (!before || same) column += 1;
    return { row: block.level, column: column - 1 };
  });
}

const percentOf = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`;
const millions = (n) => (n / 1e6).toFixed(n < 1e6 ? 3 : 2);

// The pictures of a film in grey: one channel of what `decodeFilm` gives is enough.
const greys = (film) => film.map((x) => x.subarray(0, x.length / 3));
const asColours = (x) => { const y = new Float32Array(3 * x.length); for (let c = 0; c < 3; c++) y.set(x, c * x.length); return y; };

// ---- Parts -----------------------------------------------------------------------------------------------------------

function mapPart(blocks, choose) {
  const places = placed(blocks), columns = Math.max(...places.map((p) => p.column)) + 1, rows = Math.max(...places.map((p) => p.row)) + 1;
  const name = `live-${Math.random().toString(36).slice(2)}`;
  const labels = blocks.map((block, k) => {
    const label = markup`<label class="live-block"><input type="radio"><span></span></label>`;
    Object.assign(on(label.firstChild, 'change', () => choose(k)), { name, checked: k === 0 });
    set(label.firstChild, { 'aria-label': `${KINDS[kindOf(block)][0]} ${block.module}, ${block.shape[0]} channels at ${block.shape[1]} by ${block.shape[2]}` });
    label.lastChild.textContent = block.shape[0];
    label.style.gridArea = `${2 * places[k].row + 2} / ${places[k].column + 1}`;
    label.classList.add(`live-block-${kindOf(block)}`);
    return label;
  });
  const x = (k) => places[k].column + 0.5, top = (k) => places[k].row * 1.5 + 0.5;
  const copies = blocks.flatMap((block, k) => {
    const from = blocks.findIndex((other) => other.module === block.hears);
    if (from < 0) return [];
    const height = block.level < rows - 1 ? 0.3 : 0.1 + 0.08 * ((x(k) - x(from)) / 2 - 1);    // nested, the innermost lowest
    return [{ to: k, from, d: `M${x(from)} ${top(from)}V${(top(from) - height).toFixed(3)}H${x(k)}V${top(k)}` }];
  });
  const steps = blocks.slice(1).map((_, k) => (places[k].row === places[k + 1].row ? `M${x(k)} ${top(k) + 0.5}H${x(k + 1)}`
    : `M${x(k)} ${top(k) + 0.5}V${top(k + 1) + 0.5}`)).join('');
  const node = markup`<fieldset class="live-unet"><legend class="live-hidden">${WORDS.blocks}</legend>
    <svg aria-hidden="true" preserveAspectRatio="none"><path class="live-unet-steps"/></svg>
    ${labels}</fieldset>`;
  node.style.setProperty('--columns', columns);
  node.style.setProperty('--rows', rows);
  const svg = set(node.querySelector('svg'), { viewBox: `0 0 ${columns} ${rows * 1.5}` });
  set(svg.firstChild, { d: steps });
  for (const copy of copies) {
    copy.path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    svg.append(set(copy.path, { d: copy.d, class: 'live-unet-copy' }));
  }
  for (let row = 0; row < rows; row++) {
    const own = blocks.filter((b) => b.level === row), wide = own[0].shape[1];
    const text = markup`<span class="live-unet-level" aria-hidden="true"></span>`;
    text.textContent = row < rows - 1 ? `${wide} × ${wide}` : '';
    text.style.gridArea = `${2 * row + 2} / 4 / auto / ${columns - 3}`;
    node.append(text);
  }
  return { node, choose: (k) => {
    labels[k].firstChild.checked = true;
    for (const copy of copies) copy.path.classList.toggle('live-unet-heard', copy.to === k || copy.from === k);
  } };
}

function questionPart(blocks) {
  const levels = [...new Set(blocks.map((b) => b.level))].map((level) => {
    const own = blocks.filter((b) => b.level === level), wide = own[0].shape[1];
    return { name: `${wide} × ${wide}`, flops: own.reduce((sum, b) => sum + b.flops, 0) };
  });
  const whole = levels.reduce((sum, l) => sum + l.flops, 0);
  const shares = levels.map((l) => `${percentOf(l.flops, whole)} at ${l.name}`).join(', ');
  const answer = (bet) => () => node.replaceChildren(markup`<p aria-live="polite">${bet ? `You said ${bet}. ` : ''}Counted: ${shares}. A place of the
    small maps has many channels, and there are so few places that it stays cheap.</p>`);
  const node = markup`<div class="live-bet"><p>${WORDS.question}</p><span class="live-answers">
    ${levels.map((l) => button(l.name, answer(l.name)))} ${quietButton(WORDS.skip, answer(''))}</span></div>`;
  return node;
}

function factsPart(blocks, told) {
  const parameters = blocks.reduce((sum, b) => sum + b.parameters, 0) + told, flops = blocks.reduce((sum, b) => sum + b.flops, 0);
  const node = markup`<div class="live-block-facts"><p><b></b> <code></code></p><p class="live-block-words"></p>
    <dl><dt>answers with</dt><dd><output data-number="shape"></output></dd>
    <dt>sees (convolutions)</dt><dd><output data-number="reach"></output></dd>
    <dt>parameters</dt><dd><output data-number="parameters"></output> <span></span></dd>
    <dt>arithmetic</dt><dd><output data-number="flops"></output> <span></span></dd></dl></div>`;
  const [parameterShare, flopShare] = node.querySelectorAll('dd > span');
  return { node, draw: (block) => {
    const [title, words] = KINDS[kindOf(block)];
    node.querySelector('b').textContent = title;
    node.querySelector('code').textContent = block.module;
    node.querySelector('.live-block-words').textContent = words;
    const [c, h, w] = block.shape;
    fill(node, { shape: `${c} × ${h} × ${w}`, parameters: block.parameters.toLocaleString('en'), flops: `${millions(block.flops)} MFLOP`,
      reach: kindOf(block) === 'attention' ? 'everything, by attention' : `${block.reach} × ${block.reach} px` });
    parameterShare.textContent = `(${percentOf(block.parameters, parameters)})`;
    flopShare.textContent = `(${percentOf(block.flops, flops)})`;
  } };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const blocks = model.get('blocks'), times = model.get('times'), x0 = await decodePicture(model.get('picture'));
  const guesses = await decodeFilm(model.get('guesses'), model.get('guess_range')), eps = staticOf(model.get('seed'), x0.length);
  const caption = model.get('caption');
  const maps = await Promise.all(blocks.map(async (block) => greys(await decodeFilm(block.maps, 1))));
  const heard = await Promise.all(blocks.map(async (block) => greys(await decodeFilm(block.listens, 1))));
  let chosen = 0;

  const speech = announcer(), facts = factsPart(blocks, model.get('told'));
  const drawn = mapPart(blocks, (k) => choose(k));
  const state = tile(WORDS.state, symbol('x', 't')), guess = tile(WORDS.guess, symbol('x̂', '0', 'signal')), listens = tile(WORDS.listens);
  const channels = Array.from({ length: Math.max(...blocks.map((b) => b.low.length)) }, () => tile());
  const describe = (v) => `t = ${times[v]}`;
  const clock = timeline({ last: times.length - 1, words: WORDS, describe, show: () => draw(), seconds: 4 });
  const node = markup`<div class="live-body">${questionPart(blocks)} ${drawn.node}
    <div class="live-block-panel">${facts.node}<div class="live-block-pictures">${[state.node, guess.node, listens.node]}</div></div>
    <div class="live-features">${channels.map((c) => c.node)}</div>
    <p class="live-note">Its channels that vary most, each from its least (black) to its greatest value (white) at all recorded times. ${badge('model')}</p>
    <div class="live-clock"><p class="live-readout"><b>t = <output data-number="t"></output></b></p>${clock.node}</div>${speech.node}</div>`;

  function draw() {
    const v = clock.t, t = times[v], block = blocks[chosen], shown = block.low.length;
    fill(node, { t: t.toFixed(2) });
    state.draw(stateAt(x0, eps, t), `${caption}, with static, at t = ${t}`);
    guess.draw(guesses[v], `the model’s guess of the clean picture at t = ${t}`);
    listens.draw(asColours(heard[chosen][v]), `bright where a pixel matters for the middle place of ${block.module} at t = ${t}`);
    channels.forEach((channel, c) => {
      channel.node.hidden = c >= shown;
      if (c < shown) channel.draw(asColours(maps[chosen][v * shown + c]), `channel ${c + 1} of ${shown} of ${block.module} at t = ${t}`);
    });
    speech.say(`${KINDS[kindOf(block)][0]}, ${block.module}, t = ${t}`);
  }
  function choose(k) {
    chosen = k;
    drawn.choose(k);
    facts.draw(blocks[k]);
    draw();
  }
  goLive(el);
  el.append(node);
  clock.go(4);
  choose(2);
  return () => clock.stop();
}

export default { render };
