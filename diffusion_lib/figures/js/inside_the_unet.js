// Inside the U-Net: the network drawn as the letter it is named after. Choose a block and see what it makes of the
// picture at the chosen time, where in the picture it listens, how far it reaches and what it costs.

// What a block is: its kind has two words in the table, `${kind}Name` and `${kind}`.
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

const millions = (n) => (n / 1e6).toFixed(n < 1e6 ? 3 : 2);

// The pictures of a film in grey: one channel of what `decodeFilm` gives is enough.
const greys = (film) => film.map((x) => x.subarray(0, x.length / 3));
const asColours = (x) => {
  const y = new Float32Array(3 * x.length);
  for (let c = 0; c < 3; c++) y.set(x, c * x.length);
  return y;
};

// ---- Parts -----------------------------------------------------------------------------------------------------------

const nameOf = (block, say) => say(`${kindOf(block)}Name`);

function mapPart(blocks, choose, say) {
  const places = placed(blocks);
  const columns = Math.max(...places.map((p) => p.column)) + 1;
  const rows = Math.max(...places.map((p) => p.row)) + 1;
  const name = `live-${Math.random().toString(36).slice(2)}`;
  const labels = blocks.map((block, k) => {
    const label = markup`<label class="live-block"><input type="radio"><span>${String(block.shape[0])}</span></label>`;
    const [c, h, w] = block.shape;
    Object.assign(on(label.firstChild, 'change', () => choose(k)), { name });
    set(label.firstChild, { 'aria-label': say('label', { name: nameOf(block, say), module: block.module, c, h, w }) });
    label.style.gridArea = `${2 * places[k].row + 2} / ${places[k].column + 1}`;
    label.classList.add(`live-block-${kindOf(block)}`);
    return label;
  });
  const x = (k) => places[k].column + 0.5;
  const top = (k) => places[k].row * 1.5 + 0.5;
  const copies = blocks.flatMap((block, k) => {
    const from = blocks.findIndex((other) => other.module === block.hears);
    if (from < 0) return [];
    const height = block.level < rows - 1 ? 0.3
      : 0.1 + 0.08 * ((x(k) - x(from)) / 2 - 1);             // nested, the innermost lowest
    return [{ to: k, from, d: `M${x(from)} ${top(from)}V${(top(from) - height).toFixed(3)}H${x(k)}V${top(k)}` }];
  });
  const steps = blocks.slice(1).map((_, k) => (places[k].row === places[k + 1].row
    ? `M${x(k)} ${top(k) + 0.5}H${x(k + 1)}`
    : `M${x(k)} ${top(k) + 0.5}V${top(k + 1) + 0.5}`)).join('');
  const node = markup`<fieldset class="live-unet"><legend class="live-hidden">${say('blocks')}</legend>
    <svg aria-hidden="true" preserveAspectRatio="none"><path class="live-unet-steps"/></svg>
    ${labels}</fieldset>`;
  node.style.setProperty('--columns', columns);
  node.style.setProperty('--rows', rows);
  const svg = set(node.querySelector('svg'), { viewBox: `0 0 ${columns} ${rows * 1.5}` });
  set(svg.firstChild, { d: steps });
  for (const copy of copies) {
    copy.path = svg.appendChild(svgElement('path', { d: copy.d, class: 'live-unet-copy' }));
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

function questionPart(blocks, state, say) {
  const levels = [...new Set(blocks.map((b) => b.level))].map((level) => {
    const own = blocks.filter((b) => b.level === level), wide = own[0].shape[1];
    return { name: `${wide} × ${wide}`, flops: own.reduce((sum, b) => sum + b.flops, 0) };
  });
  const whole = levels.reduce((sum, l) => sum + l.flops, 0);
  const shares = levels.map(({ name, flops }) => say('share', { share: percent(flops / whole, 1), name })).join(', ');
  return question({ state, say, options: levels.map(({ name }) => name), tell: () => say('told', { shares }) });
}

// What a block costs and sees, as [number, share of the whole network].
function factsOf(block, whole, say) {
  const [c, h, w] = block.shape;
  return {
    shape: [`${c} × ${h} × ${w}`],
    reach: [kindOf(block) === 'attention' ? say('everything') : `${block.reach} × ${block.reach} px`],
    parameters: [say.count(block.parameters), percent(block.parameters / whole.parameters, 1)],
    flops: [`${millions(block.flops)} MFLOP`, percent(block.flops / whole.flops, 1)],
  };
}

function factsPart(whole, go, say) {
  const rows = ['shape', 'reach', 'parameters', 'flops'].map((name) => [
    markup`<dt>${say(name)}</dt>`,
    markup`<dd>${set(element('span'), { 'data-number': name })} <span></span></dd>`,
  ]);
  const node = markup`<div class="live-block-facts"><div class="live-caption"><p><b></b> <code></code></p><span
    class="live-answers">${go}</span></div><p class="live-block-words"></p><dl>${rows.flat()}</dl></div>`;
  const [title, module, words] = node.querySelectorAll('b, code, .live-block-words');
  return { node, draw: (block) => {
    [title.textContent, module.textContent, words.textContent] = [nameOf(block, say), block.module, say(kindOf(block))];
    Object.entries(factsOf(block, whole, say)).forEach(([name, [number, share]], k) => {
      fill(node, { [name]: number });
      rows[k][1].lastChild.textContent = share ? `(${share})` : '';
    });
  } };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function load(model) {
  const x0 = await decodePicture(model.get('picture')), given = model.get('blocks');
  const blocks = await Promise.all(given.map(async (block) => ({
    ...block,
    maps: greys(await decodeFilm(block.maps, 1)),
    heard: greys(await decodeFilm(block.listens, 1)),
  })));
  const sum = (name) => blocks.reduce((total, block) => total + block[name], 0);
  return {
    blocks, x0,
    eps: staticOf(model.get('seed'), x0.length),
    guesses: await decodeFilm(model.get('guesses'), model.get('guess_range')),
    times: model.get('times'),
    caption: model.get('caption'),
    whole: { parameters: sum('parameters') + model.get('told'), flops: sum('flops') },
  };
}

const fields = ({ blocks, times }) => ({
  block: whole(2, 0, blocks.length - 1),
  time: whole(4, 0, times.length - 1),
  answer: kept(() => -1),
});

function build({ data, state, say, language, changed }) {
  const { blocks, times, x0, eps, guesses, caption } = data;
  const block = () => blocks[state.block];
  const t = () => times[state.time];
  // On a phone the blocks are narrower than a finger: these two go through them as well.
  const go = [-1, 1].map((way) => set(
    button(way < 0 ? '◂' : '▸', () => choose((state.block + way + blocks.length) % blocks.length)),
    { 'aria-label': say(way < 0 ? 'blockBefore' : 'blockAfter') }));
  const facts = factsPart(data.whole, go, say);
  const drawn = mapPart(blocks, choose, say);
  const speech = announcer();
  const shown = tile(...say.rich('state', { x: symbol('x', 't') }));
  const guess = tile(...say.rich('guess', { x: symbol('x̂', '0', 'signal') }));
  const listens = tile(say('listens'));
  const channels = Array.from({ length: Math.max(...blocks.map((b) => b.low.length)) }, () => tile());
  const clock = timeline({
    last: times.length - 1, say,
    describe: (v) => say('at', { t: times[v] }),
    show: (v) => {
      state.time = v;
      draw();
    },
    seconds: 4,
  });
  const node = markup`<div class="live-body">${questionPart(blocks, state, say)} ${drawn.node}
    <div class="live-block-panel">${facts.node}<div class="live-block-pictures">${
      [shown.node, guess.node, listens.node]}</div></div>
    <div class="live-features">${channels.map((c) => c.node)}</div>
    <p class="live-note">${say.rich('channels', { badge: badge('model', say) })}</p>
    <div class="live-clock"><p class="live-readout"><b>t = <span data-number="t"></span></b></p>${
      clock.node}</div>${speech.node}</div>`;

  // The maps of the chosen block's channels at the chosen time.
  const mapsNow = () => block().low.map((_, c) => block().maps[state.time * block().low.length + c]);
  function draw() {
    const { module, heard } = block();
    const at = { t: t(), module };
    const maps = mapsNow();
    fill(node, { t: t().toFixed(2) });
    shown.draw(stateAt(x0, eps, t()), say('stateAt', { caption: caption[language], ...at }));
    guess.draw(guesses[state.time], say('guessAt', at));
    listens.draw(asColours(heard[state.time]), say('listensAt', at));
    channels.forEach((channel, c) => {
      channel.node.hidden = c >= maps.length;
      if (maps[c]) channel.draw(asColours(maps[c]), say('channelAt', { c: c + 1, count: maps.length, ...at }));
    });
    changed();
  }
  function choose(k) {
    state.block = k;
    drawn.choose(k);
    facts.draw(block());
    draw();
    speech.say(titleOf());
  }
  const titleOf = () => say('title', { name: nameOf(block(), say), module: block().module, t: t().toFixed(2) });
  // A map stands between -1 and 1; this is one of them in the numbers that the network computes with.
  const numbersOf = (c, map) => {
    const { low, high } = block();
    return map.map((v) => low[c] + ((v + 1) / 2) * (high[c] - low[c]));
  };
  const numbers = () => [{
    title: `${titleOf()}, ${say('channelTable')}`,
    head: [say('channel'), say('mean'), say('spread')],
    rows: mapsNow().map((map, c) => [
      block().channels[c], ...[meanOf, spreadOf].map((of) => of(numbersOf(c, map)).toFixed(3)),
    ]),
  }, {
    title: say('allBlocks'),
    head: [say('block1'), ...['shape', 'reach', 'parameters', 'flops'].map((name) => say(name))],
    rows: blocks.map((one) => [
      one.module, ...Object.values(factsOf(one, data.whole, say)).map((fact) => fact.join(', ')),
    ]),
  }];

  clock.go(state.time);
  choose(state.block);
  return { node, numbers, stop: clock.stop };
}

export default live({ load, fields, build });
