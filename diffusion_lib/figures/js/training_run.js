// A training run, minute by minute: the same wishes drawn from the same static by the averaged and by the raw weights, the
// loss with its floor, the loss by t, and what a classifier finds. Everything drawn here was recorded while a model learned.

const WORDS = {
  back: '◂ Rewind', forth: 'Train ▸', minus: '◂ 1', plus: '1 ▸', slider: 'minutes of training',
  stepBack: 'recorded minute before', stepForth: 'next recorded minute', run: 'which run', skip: 'Skip',
  question: 'Before you drag: four of the eight wishes ask for a hat. After how many minutes of the first run do all four wear it, for good?',
  kinds: [['ema', 'averaged weights'], ['raw', 'raw weights']], unseen: 'never seen in training',
};

// ---- Maths -----------------------------------------------------------------------------------------------------------

// One picture of the sheet.
function cellOf({ data, width }, row, column, size) {
  const rgba = new Uint8ClampedArray(4 * size * size);
  for (let i = 0; i < size; i++) {
    const from = 4 * ((row * size + i) * width + column * size);
    rgba.set(data.subarray(from, from + 4 * size), 4 * size * i);
  }
  return fromBytes(rgba);
}

// The row of the history that was written last when the run had made so many steps.
const rowAt = ({ step }, steps) => Math.max(0, step.filter((s) => s <= steps).length - 1);

// From which place on does a list of counts stay at `all`? -1 where it does not.
const staysFrom = (counts, all) => {
  const after = counts.findLastIndex((count) => count < all) + 1;
  return after < counts.length ? after : -1;
};

// ---- Data ------------------------------------------------------------------------------------------------------------

async function load(run) {
  if (run.missing) return run;
  const sheet = await bytesOf(run.sheet), size = sheet.height / (2 * run.minutes.length);
  const strip = (row) => run.prompts.map((_, column) => cellOf(sheet, row, column, size));
  return { ...run, last: run.minutes.length - 1,
    ema: run.minutes.map((_, k) => strip(k)), raw: run.minutes.map((_, k) => strip(run.minutes.length + k)) };
}

// ---- Parts -----------------------------------------------------------------------------------------------------------

// A question before the answer. It can be skipped.
function hatPart({ minutes, found }) {
  const from = staysFrom(found.hat.right, found.hat.asked);
  const truth = from < 0 ? 'In this run that never happens.' : from === 0 ? 'They do from the start.'
    : `It is minute ${minutes[from]}: one recorded minute earlier, at minute ${minutes[from - 1]}, ${found.hat.right[from - 1]} of ${found.hat.asked} do.`;
  const answer = (bet) => () => node.replaceChildren(markup`<p aria-live="polite">${bet === null ? '' : `You said: minute ${bet}. `}${truth}
    That is what a classifier sees in the averaged weights’ pictures. Now drag, and look for what appears before the hats and what after them.</p>`);
  const options = [1, 3, 5, 10, 20].filter((minute) => minute <= minutes.at(-1));
  const node = markup`<div class="live-bet"><p>${WORDS.question}</p><span class="live-answers">
    ${options.map((minute) => button(`minute ${minute}`, answer(minute)))} ${quietButton(WORDS.skip, answer(null))}</span></div>`;
  return node;
}

// Two strips, one under the other: the same wishes from the same static.
function stripsPart(count) {
  const strips = WORDS.kinds.map(([kind, name]) => {
    const tiles = Array.from({ length: count }, () => tile());
    const node = markup`<section class="live-weights"><p class="live-heading">${name}</p><div class="live-eight">${tiles.map((t) => t.node)}</div></section>`;
    set(node, { 'data-strip': kind, 'aria-label': name });
    return { kind, name, tiles, node };
  });
  const draw = (run, k) => {
    for (const { kind, name, tiles } of strips) {
      tiles.forEach((t, i) => t.draw(run[kind][k][i], `${run.prompts[i]}: ${name}, minute ${run.minutes[k]}`));
    }
  };
  return { nodes: strips.map((strip) => strip.node), draw };
}

const WIDE = 280, TALL = 132, TOP = 1.6, BOTTOM = 0.01;      // of the loss, on a logarithmic axis
const heightOf = (loss) => (Math.log(TOP / Math.min(TOP, Math.max(BOTTOM, loss))) / Math.log(TOP / BOTTOM)) * TALL;
const TICKS = [1, 0.5, 0.2, 0.1, 0.05, 0.02];

// The frame of a chart of the loss. ticks: [place 0 ... 1, text], along the bottom.
function lossChart(label, axis, ...caption) {
  const node = markup`<figure><svg viewBox="-34 -8 324 172" class="live-chart" role="img"><path class="live-grid"/>
    <g class="live-ticks-left"></g><g class="live-ticks-below"></g><text x="140" y="160">${axis}</text><g class="live-plot"></g></svg>
    <figcaption>${caption}</figcaption></figure>`;
  set(node.querySelector('svg'), { 'aria-label': label });
  set(node.querySelector('.live-grid'), { d: TICKS.map((v) => `M0 ${heightOf(v).toFixed(1)}H${WIDE}`).join('') });
  const text = (x, y, value) => { const t = set(svgElement('text'), { x, y }); t.textContent = value; return t; };
  node.querySelector('.live-ticks-left').append(...TICKS.map((v) => text(-6, heightOf(v) + 3, v)));
  const below = (ticks) => node.querySelector('.live-ticks-below').replaceChildren(...ticks.map(([part, value]) => text(part * WIDE, TALL + 13, value)));
  const path = (kind) => node.querySelector('.live-plot').appendChild(set(svgElement('path'), { class: kind }));
  return { node, below, path };
}

const curve = (points) => points.map(([x, y], i) => `${i ? 'L' : 'M'}${(x * WIDE).toFixed(1)},${heightOf(y).toFixed(2)}`).join('');
// Steps over the tenths of [0, 1]; a tenth without a number is left out.
const stairs = (values) => values.map((v, i) => (v === null ? '' : `M${((i * WIDE) / values.length).toFixed(1)},${heightOf(v).toFixed(2)}h${(WIDE / values.length).toFixed(1)}`)).join('');

function lossPart() {
  const chart = lossChart('the loss against minutes of training', 'minutes',
    markup`<span><b class="live-belief">The loss</b>, <output data-number="loss"></output> at this minute. The scale is logarithmic: each line is about half of the one above it.</span>`);
  const line = chart.path('live-line live-line-belief'), cursor = chart.path('live-cursor');
  const begin = ({ history, duration }) => {
    const parts = [0, 0.25, 0.5, 0.75, 1];
    chart.below(parts.map((part) => [part, String(Math.round(part * duration))]));
    set(line, { d: curve(history.minutes.map((minute, i) => [minute / duration, history.loss[i]])) });
  };
  const draw = ({ history, minutes, steps, duration }, k) => {
    set(cursor, { d: `M${(Math.min(1, minutes[k] / duration) * WIDE).toFixed(1)} 0V${TALL}` });
    fill(chart.node, { loss: history.loss[rowAt(history, steps[k])].toFixed(3) });
  };
  return { node: chart.node, begin, draw };
}

function byTimePart(floor) {
  const chart = lossChart('the loss in each tenth of the time t', 'time t, 0 = picture, 1 = static',
    markup`<span>The loss by t <b class="live-belief">at this minute</b>, and <b class="live-noise">the floor</b>: below it no network can be.
      Nearest to static: loss <output data-number="end"></output>, floor <output data-number="floor"></output>.</span>`);
  chart.below([[0, '0'], [0.5, '0.5'], [1, '1']]);
  const ground = chart.path('live-line live-line-noise live-dashed'), line = chart.path('live-line live-line-belief');
  set(ground, { d: stairs(floor.map((v) => (v > BOTTOM ? v : null))) });
  const draw = ({ history, steps }, k) => {
    const byT = history.loss_by_t[rowAt(history, steps[k])];
    set(line, { d: stairs(byT) });
    fill(chart.node, { end: byT.at(-1) === null ? '–' : byT.at(-1).toFixed(3), floor: floor.length ? floor.at(-1).toFixed(3) : '–' });
  };
  return { node: chart.node, draw };
}

// What a classifier finds of what was asked, attribute by attribute.
function foundPart() {
  const node = markup`<div class="live-found"><p class="live-heading">What a classifier finds of what was asked</p><dl></dl></div>`;
  const draw = ({ found }, k) => {
    node.querySelector('dl').replaceChildren(...Object.entries(found).flatMap(([name, { asked, right }]) => {
      const bar = markup`<i></i>`;
      bar.style.setProperty('--part', right[k] / asked);
      return [markup`<dt>${name}</dt>`, set(markup`<dd><span class="live-share">${bar}</span> <output>${right[k]} of ${asked}</output></dd>`, { 'data-found': name })];
    }));
  };
  return { node, draw };
}

function wishesPart() {
  const node = markup`<details class="live-wishes"><summary>What was asked for, from left to right</summary><ol></ol></details>`;
  const begin = ({ prompts }) => node.querySelector('ol').replaceChildren(...prompts.map((prompt, i) =>
    markup`<li>${prompt}${i >= prompts.length / 2 ? ` (${WORDS.unseen})` : ''}</li>`));
  return { node, begin };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const runs = await Promise.all(model.get('runs').map(load)), floor = model.get('floor');
  let run = runs[0], time;
  const strips = stripsPart(run.prompts.length), loss = lossPart(), byTime = byTimePart(floor), seen = foundPart(), wishes = wishesPart();
  const speech = announcer();
  const choose = choice(WORDS.run, runs.map(({ label }, i) => [i, label]), (i) => start(runs[i]));
  const recorded = markup`<div class="live-body-part">${strips.nodes} ${wishes.node}
    <div class="live-clock live-minutes"><p class="live-readout"><b>minute <output data-number="minute"></output></b>
      <output data-number="pictures"></output> pictures seen, step <output data-number="steps"></output>,
      learning rate <output data-number="lr"></output></p><div></div></div>
    <div class="live-facts">${loss.node} ${byTime.node} ${seen.node}<p class="live-note"><span data-note="how"></span></p></div></div>`;
  const missing = markup`<p class="live-missing" role="status" hidden></p>`;
  const node = markup`<div class="live-body">${hatPart(run)}<div class="live-choices">${choose} ${badge('model')}</div>
    ${missing} ${recorded} ${speech.node}</div>`;

  const describe = (k) => `minute ${run.minutes[k]}: loss ${run.history.loss[rowAt(run.history, run.steps[k])].toFixed(3)}, `
    + `${run.pictures[k].toLocaleString('en')} pictures seen`;
  function show(k) {
    for (const part of [strips, loss, byTime, seen]) part.draw(run, k);
    fill(recorded, { minute: run.minutes[k], pictures: run.pictures[k].toLocaleString('en'), steps: run.steps[k].toLocaleString('en'),
      lr: run.history.lr[rowAt(run.history, run.steps[k])].toFixed(5) });
    speech.say(describe(k));
  }
  // Runs have their own minutes, so each choice gets a clock of its own; the reader stays at about the same minute.
  function start(chosen) {
    time?.stop();
    missing.hidden = !chosen.missing;
    recorded.hidden = Boolean(chosen.missing);
    if (chosen.missing) {
      missing.textContent = chosen.missing;
      return;
    }
    const minute = time ? run.minutes[time.t] : Infinity;
    run = chosen;
    for (const part of [wishes, loss]) part.begin(run);
    recorded.querySelector('[data-note]').textContent = `${run.hardware}, ${run.duration} minutes. Pictures: ${run.sampler}. Averages over a few`
      + ' hundred steps. Eight pictures are few: the bars tell the order in which things appear, not how good the model is.';
    time = timeline({ last: run.last, words: WORDS, describe, show, seconds: 10 });
    recorded.querySelector('.live-clock > div').replaceChildren(time.node);
    time.go(minute === Infinity ? 0 : Math.max(0, run.minutes.filter((m) => m <= minute).length - 1));
  }
  start(run);
  goLive(el);
  el.append(node);
  return () => time.stop();
}

export default { render };
