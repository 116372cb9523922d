// A training run, minute by minute: the same wishes drawn from the same static by the averaged and by the raw weights,
// the loss with its floor, the loss by t, and what a classifier finds. Everything drawn here was recorded while a model
// learned.

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

async function loadRun(run) {
  if (run.missing) return run;
  const sheet = await bytesOf(run.sheet), size = sheet.height / (2 * run.minutes.length);
  const strip = (row) => run.prompts.map((_, column) => cellOf(sheet, row, column, size));
  return { ...run, last: run.minutes.length - 1,
    ema: run.minutes.map((_, k) => strip(k)), raw: run.minutes.map((_, k) => strip(run.minutes.length + k)) };
}

// ---- Parts -----------------------------------------------------------------------------------------------------------

function hatPart({ minutes, found }, state, say) {
  const from = staysFrom(found.hat.right, found.hat.asked);
  const truth = from < 0 ? say('never') : from === 0 ? say('always')
    : say('from', {
      minute: minutes[from], before: minutes[from - 1],
      right: found.hat.right[from - 1], asked: found.hat.asked,
    });
  const options = [1, 3, 5, 10, 20].filter((minute) => minute <= minutes.at(-1))
    .map((minute) => say('minute', { minute }));
  return question({ state, say, options, tell: () => say('told', { truth }) });
}

// Two strips, one under the other: the same wishes from the same static.
function stripsPart(count, say, language) {
  const strips = ['ema', 'raw'].map((kind) => {
    const tiles = Array.from({ length: count }, () => tile());
    const node = markup`<section class="live-weights"><p class="live-heading">${say(kind)}</p><div class="live-eight">${
      tiles.map((t) => t.node)}</div></section>`;
    return { kind, tiles, node: set(node, { 'data-strip': kind, 'aria-label': say(kind) }) };
  });
  const draw = (run, k) => {
    for (const { kind, tiles } of strips) {
      tiles.forEach((t, i) => t.draw(run[kind][k][i],
        say('tile', { wish: run.prompts[i][language], kind: say(kind), minute: run.minutes[k] })));
    }
  };
  return { nodes: strips.map((strip) => strip.node), draw };
}

const WIDE = 280, TALL = 132, TOP = 1.6, BOTTOM = 0.01;      // of the loss, on a logarithmic axis
const heightOf = (loss) => (Math.log(TOP / Math.min(TOP, Math.max(BOTTOM, loss))) / Math.log(TOP / BOTTOM)) * TALL;
const lossTicks = [1, 0.5, 0.2, 0.1, 0.05, 0.02].map((v) => [heightOf(v), v]);
// Steps over the tenths of [0, 1]; a tenth without a number is left out.
const stairs = (values) => values.map((v, i) => (v === null ? ''
  : `M${((i * WIDE) / values.length).toFixed(1)},${heightOf(v).toFixed(2)}h${(WIDE / values.length).toFixed(1)}`))
  .join('');
const thousandths = (v) => (v ?? null) === null ? '–' : v.toFixed(3);

const lossAt = ({ history, steps }, k) => history.loss[rowAt(history, steps[k])];
const byTimeAt = ({ history, steps }, k) => history.loss_by_t[rowAt(history, steps[k])];
const rateAt = ({ history, steps }, k) => history.lr[rowAt(history, steps[k])].toFixed(5);

function lossPart(say) {
  const drawn = chart({
    label: say('lossChart'),
    tall: TALL,
    left: lossTicks,
    below: [],
    axis: say('minutes'),
    caption: say.rich('lossCaption'),
  });
  const line = drawn.path('live-line-belief');
  const begin = ({ history, duration }) => {
    drawn.ticks([0, 0.25, 0.5, 0.75, 1].map((part) => [part * WIDE, Math.round(part * duration)]));
    set(line, {
      d: lineOf(history.minutes.map((minute, i) => [(minute / duration) * WIDE, heightOf(history.loss[i])])),
    });
  };
  const draw = (run, k) => {
    drawn.point(Math.min(1, run.minutes[k] / run.duration) * WIDE);
    fill(drawn.node, { loss: thousandths(lossAt(run, k)) });
  };
  return { node: drawn.node, begin, draw };
}

function byTimePart(floor, say) {
  const drawn = chart({
    label: say('byTimeChart'),
    tall: TALL,
    left: lossTicks,
    below: [0, 0.5, 1].map((t) => [t * WIDE, t]),
    axis: say('byTimeAxis'),
    caption: say.rich('byTimeCaption'),
  });
  const ground = drawn.path('live-line-noise live-dashed');
  const line = drawn.path('live-line-belief');
  set(ground, { d: stairs(floor.map((v) => (v > BOTTOM ? v : null))) });
  const draw = (run, k) => {
    const byTime = byTimeAt(run, k);
    set(line, { d: stairs(byTime) });
    fill(drawn.node, { end: thousandths(byTime.at(-1)), floor: thousandths(floor.at(-1)) });
  };
  return { node: drawn.node, draw };
}

// What a classifier finds of what was asked, attribute by attribute.
const askedOf = (found) => ATTRIBUTES.filter((name) => found[name]).map((name) => [name, found[name]]);
function foundPart(say) {
  const node = markup`<div class="live-found"><p class="live-heading">${say('foundHeading')}</p><dl></dl></div>`;
  const draw = ({ found }, k) => {
    node.querySelector('dl').replaceChildren(...askedOf(found).flatMap(([name, { asked, right }]) => {
      const bar = element('i');
      bar.style.setProperty('--part', right[k] / asked);
      return [
        markup`<dt>${say(name)}</dt>`,
        set(markup`<dd><span class="live-share">${bar}</span> <span class="live-tally">${
          say('of', { right: right[k], asked })}</span></dd>`, { 'data-found': name }),
      ];
    }));
  };
  return { node, draw };
}

function wishesPart(say, language) {
  const node = markup`<details class="live-wishes"><summary>${say('wishes')}</summary><ol></ol></details>`;
  const begin = ({ prompts }) => node.querySelector('ol').replaceChildren(
    ...prompts.map(({ [language]: wish }, i) =>
      markup`<li>${i >= prompts.length / 2 ? say('unseen', { wish }) : wish}</li>`));
  return { node, begin };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

const load = async (model) => ({ runs: await Promise.all(model.get('runs').map(loadRun)), floor: model.get('floor') });

// minute: the place in the list of recorded minutes.
function fields({ runs }) {
  const last = Math.max(...runs.map((run) => run.last ?? 0));
  return { run: whole(0, 0, runs.length - 1), minute: whole(0, 0, last), answer: kept(() => -1) };
}

function build({ data: { runs, floor }, state, say, language, changed }) {
  let run = runs[0], time;
  const strips = stripsPart(run.prompts.length, say, language);
  const loss = lossPart(say);
  const byTime = byTimePart(floor, say);
  const seen = foundPart(say);
  const wishes = wishesPart(say, language);
  const choose = choice(say('run'), runs.map(({ label }, i) => [i, label[language]]), start, state.run);
  const how = markup`<p class="live-note"></p>`;
  const missing = markup`<p class="live-missing" role="status" hidden></p>`;
  const recorded = markup`<div class="live-body-part">${strips.nodes} ${wishes.node}
    <div class="live-clock live-minutes"><p class="live-readout">${say.rich('readout')}</p><div></div></div>
    <div class="live-facts">${loss.node} ${byTime.node} ${seen.node}${how}</div></div>`;
  const node = markup`<div class="live-body">${hatPart(runs[0], state, say)}<div class="live-choices">${
    choose} ${badge('model', say)}</div>
    ${missing} ${recorded}</div>`;

  const factsAt = (k) => ({
    minute: run.minutes[k],
    pictures: say.count(run.pictures[k]),
    steps: say.count(run.steps[k]),
    lr: rateAt(run, k),
  });
  const describe = (k) => say('at', { ...factsAt(k), loss: thousandths(lossAt(run, k)) });
  function show(k) {
    state.minute = k;
    for (const part of [strips, loss, byTime, seen]) part.draw(run, k);
    fill(recorded, factsAt(k));
    changed();
  }
  // Runs have their own minutes, so each choice gets a clock of its own; the reader stays at about the same minute.
  function start(i) {
    const before = time && run.minutes[time.t];
    state.run = i;
    time?.stop();
    missing.hidden = !runs[i].missing;
    recorded.hidden = !missing.hidden;
    missing.textContent = say('missing', { label: runs[i].label[language] });
    changed();
    if (runs[i].missing) return;
    run = runs[i];
    for (const part of [wishes, loss]) part.begin(run);
    how.textContent = say('how', { ...run, hardware: run.hardware[language], sampler: run.sampler[language] });
    time = timeline({ last: run.last, say, describe, show, seconds: 10 });
    recorded.querySelector('.live-clock > div').replaceChildren(time.node);
    time.go(before === undefined ? state.minute
      : Math.max(0, run.minutes.filter((minute) => minute <= before).length - 1));
  }
  function numbers() {
    if (runs[state.run].missing) {
      return [{ title: missing.textContent, head: [say('quantity'), say('value')], rows: [] }];
    }
    const k = state.minute;
    const { pictures, steps, lr } = factsAt(k);
    const byT = byTimeAt(run, k);
    return [{
      title: say('title', { label: run.label[language], minute: run.minutes[k] }),
      head: [say('quantity'), say('value')],
      rows: [
        [say('pictures'), pictures],
        [say('step'), steps],
        [say('rate'), lr],
        [say('loss'), thousandths(lossAt(run, k))],
      ],
    }, {
      title: say('byTime'),
      head: ['t', say('loss'), say('floor')],
      rows: byT.map((v, i) => [
        say('between', { low: i / byT.length, high: (i + 1) / byT.length }),
        thousandths(v),
        thousandths(floor[i]),
      ]),
    }, {
      title: say('foundHeading'),
      head: [say('attribute'), say('right'), say('askedCount')],
      rows: askedOf(run.found).map(([name, { asked, right }]) => [say(name), right[k], asked]),
    }];
  }
  start(state.run);
  return { node, numbers, stop: () => time?.stop() };
}

export default live({ load, fields, build });
