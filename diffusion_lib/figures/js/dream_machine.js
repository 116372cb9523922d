// The dream machine: a network draws what the reader asks for, here, and a second one says what it sees coming. The
// walk can be walked back; or the static is a card that clears where it is rubbed, and nowhere else.

// ---- Maths -----------------------------------------------------------------------------------------------------------

const SIDE = 32, AREA = SIDE * SIDE, NETWORK = 'pets32-text';
const RUBBED_IN = 12;                                        // steps at most, so that the brush does not wait
const BRUSH = 3.2;                                           // pixels from its middle to its rim
const NARRATED = ['animal', 'hat', 'accessory'];

// Pixel by pixel x where the mask says so, else y.
const where = (mask, x, y) => x.map((value, i) => (mask[i % AREA] ? value : y[i]));

// Marks what the brush touches on its way from one place to another; places are in pixels.
function stroke(mask, from, to) {
  const steps = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
  for (let k = 0; k <= steps; k++) {
    const [u, v] = [0, 1].map((i) => from[i] + (k / steps) * (to[i] - from[i]));
    for (let i = 0; i < AREA; i++) {
      if (Math.hypot((i % SIDE) + 0.5 - u, Math.floor(i / SIDE) + 0.5 - v) < BRUSH) mask[i] = 1;
    }
  }
}

// A card of static: eps is the static, known the picture where `clear` says that it is clear, rubbed what waits for the
// network.
const newCard = (seed) => ({
  eps: staticOf(seed, 3 * AREA), known: new Float32Array(3 * AREA),
  clear: new Uint8Array(AREA), rubbed: new Uint8Array(AREA), covers: 0,
});

// A walk for what has been rubbed. The network sees the whole card, draws all that is not clear, and only what was
// rubbed is kept. What is clear is held: there the picture it believes in is the known one, and so its state is alpha
// known + sigma eps (Lugmayr et al. 2022, eq. 8, with the walk's own noise). now: what was rubbed. Yields as `walk`.
async function* redraw(card, now, ask, file, options) {
  for await (const here of walk(ask, file, {
    ...options, x: scaled(card.eps, stopsOf(file, options.steps)[0].sigma),
  })) {
    if (here.x0) here.x0 = where(card.clear, card.known, here.x0);
    yield here;
    if (!here.x0) {
      card.known = where(now, cut(here.x), card.known);
      card.clear = card.clear.map((clear, i) => clear || now[i]);
    }
  }
}

// What the judge takes a picture for, one thing a question. names: the words for all answers.
const likeliest = (shares) => shares.indexOf(Math.max(...shares));
const thingsIn = (seen, names) => ATTRIBUTES.map((kind) => {
  const best = likeliest(seen[kind]);
  return { kind, best, name: names[kind][best], share: seen[kind][best] };
});

// ---- Data ------------------------------------------------------------------------------------------------------------

const load = (model) => ({ ...model.get('about') });

const fields = ({ prompt, seed, steps, guidance, scratch }) => ({
  prompt: written(prompt, 400),
  seed: whole(seed, 0, 2 ** 32 - 1),
  steps: whole(steps, 1, 50),
  guidance: among(Array.from({ length: 17 }, (_, i) => i / 2), guidance),
  mode: among(['watch', 'scratch'], scratch ? 'scratch' : 'watch'),
  brush: among(['clear', 'cover']),
  k: whole(-1, -1, 50),                                      // the step that is shown; -1: nothing has been drawn
  film: kept(() => []), card: kept(() => null),
});

const recordedFilm = async ({ states, guesses, noise_range, guess_range }) => {
  const [xs, x0s] = await Promise.all([decodeFilm(states, noise_range), decodeFilm(guesses, guess_range)]);
  return xs.map((x, k) => ({ k, x, x0: x0s[k] }));
};

// The archive's pictures, at half size, from their sheet of square tiles.
async function archivePictures({ sheet, count }) {
  const { data, width } = await bytesOf(sheet), side = SIDE / 2, columns = width / side;
  return Array.from({ length: count }, (_, n) => Float32Array.from({ length: 3 * side * side }, (_, i) => {
    const [x, y] = [(n % columns) * side + (i % side), Math.floor(n / columns) * side + (Math.floor(i / side) % side)];
    return (2 * data[4 * (y * width + x) + Math.floor(i / side / side)]) / 255 - 1;
  }));
}

// ---- Parts -----------------------------------------------------------------------------------------------------------

// The card under a finger, a mouse or the keys. rub(from, to): from place to place, in pixels.
function rubbable(canvas, rub) {
  const ring = markup`<i class="live-brush"></i>`;
  let at = null, place = [16, 16];
  const placeOf = ({ clientX, clientY }) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    return [((clientX - left) / width) * SIDE, ((clientY - top) / width) * SIDE];
  };
  const show = () => set(ring, { style: `left: ${(100 * place[0]) / SIDE}%; top: ${(100 * place[1]) / SIDE}%` });
  const move = (event) => {
    const next = placeOf(event);
    rub(at, next);
    place = at = next;
    show();
  };
  on(canvas, 'pointerdown', (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    at = placeOf(event);
    move(event);
  });
  on(canvas, 'pointermove', (event) => { if (at) move(event); });
  for (const type of ['pointerup', 'pointercancel']) on(canvas, type, () => { at = null; });
  on(canvas, 'keydown', (event) => {
    const way = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], ' ': [0, 0], Enter: [0, 0],
    }[event.key];
    if (!way || canvas.tabIndex < 0) return;                 // only a card that can be rubbed
    event.preventDefault();
    const next = place.map((value, i) => Math.min(SIDE, Math.max(0, value + 2 * way[i])));
    if (event.shiftKey || !(way[0] || way[1])) rub(place, next);
    place = next;
    show();
  });
  show();
  return markup`<div class="live-card live-paper">${[canvas, ring]}</div>`;
}

// Are there training pictures like this one? x: the finished picture, or none yet.
function existedPart(data, say) {
  const node = markup`<details><summary>${
    say('existed')}</summary><div class="live-alike"></div><p class="live-note"></p></details>`;
  const [, row, told] = node.children;
  let x, pictures;
  async function draw() {
    if (!node.open || !x) return;
    const { count, of, fresh, median, near } = data.archive, own = halved(cut(x), SIDE);
    pictures ??= await archivePictures(data.archive);
    const nearest = pictures.map((picture) => [distanceOf(own, picture), picture])
      .sort((a, b) => a[0] - b[0]).slice(0, 3);
    const distance = nearest[0][0], exact = (value) => value.toFixed(3);
    row.replaceChildren(...[[null, own], ...nearest].map(([away, picture]) => {
      const caption = away === null ? say('own') : exact(away), one = tile(caption);
      one.draw(picture, caption);
      return one.node;
    }));
    const verdict = say(distance < near ? 'copy' : 'new');
    told.textContent = say('existedTold', {
      count: say.count(count), of: say.count(of), fresh,
      distance: exact(distance), median: exact(median), verdict,
    });
  }
  on(node, 'toggle', draw);
  return { node, draw: (next) => {
    x = next;
    return draw();
  } };
}

// When was what decided? A strip for each thing that the judge sees at the end: the stronger its colour, the surer the
// judge was at that step. It runs as the slider above it does.
function decidedPart(say) {
  const list = markup`<ul class="live-decided"></ul>`;
  const node = markup`<div>${list}<p class="live-note">${say('decided')}</p></div>`;
  return { node, draw: (film, k, names) => {
    const seen = film.filter((frame) => frame.seen), last = seen.at(-1);
    node.hidden = !last;
    list.replaceChildren(...(last ? thingsIn(last.seen, names) : []).map(({ kind, best, name }) => {
      const share = (frame) => frame.seen[kind][best], here = seen.find((frame) => frame.k === k);
      const steps = seen.toReversed().map((frame) => set(element('i'), { style: `--part: ${share(frame)}` }));
      return markup`<li><div>${steps}</div><span>${name}</span><span>${here ? percent(share(here)) : ''}</span></li>`;
    }));
  } };
}

// The walk in letters, as the terminal prints it.
function lettersPart(say) {
  const blocks = markup`<div class="live-typed"></div>`;
  const status = markup`<span class="live-note" role="status"></span>`;
  let text = '';
  const copy = quietButton(say('copyLetters'), async () => {
    const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    if (!copied) getSelection().selectAllChildren(blocks);   // then Ctrl-C does
    status.textContent = copied ? say('lettersCopied') : '';
  });
  const node = markup`<details><summary>${say('letters')}</summary>${blocks}<p class="live-own">${
    [copy, status]}</p></details>`;
  return { node, draw: (film) => {
    const last = film.length - 1;
    const ks = [...new Set([0, Math.round(last / 5), Math.round((3 * last) / 5), last])];
    const strips = ks.map((k) => [`Step ${k}`.padEnd(SIDE), ...typed(film[k].x, SIDE).split('\n')]);
    text = strips[0].map((_, line) => strips.map((strip) => strip[line]).join('  ')).join('\n');
    blocks.replaceChildren(...strips.map((strip) => markup`<pre lang="en">${strip.join('\n')}</pre>`));
    status.textContent = '';
  } };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

function build({ model, data, state, say, language, changed }) {
  const { small } = data, speech = announcer();
  const asked = askPart(state, say, () => {
    if (running) return stopped();
    if (again()) reseed();
    start();
  }, () => {
    label();
    changed();
  });
  const [input, go] = asked.children;
  const examples = markup`<div class="live-examples" role="group">${data.examples.map(([lang, text]) =>
    set(button(text, () => {
      state.prompt = input.value = text;
      start();
    }), { lang }))}</div>`;
  const status = markup`<p class="live-note live-status" role="status"></p>`;
  const tell = (...things) => status.replaceChildren(...things);

  const now = tile(say.rich('state'));
  const guess = tile(say('guess'));
  const sight = markup`<p class="live-sight"></p>`;
  const card = rubbable(now.canvas, rub);
  const clock = markup`<div class="live-clock"></div>`;
  now.node.prepend(card);
  const existed = existedPart(data, say);
  const letters = lettersPart(say);
  const decided = decidedPart(say);
  const knob = (name, range, then = changed) => numberInput(say(name), state[name], range, (value) => {
    state[name] = value;
    then();
  });
  const seed = knob('seed', [0, 2 ** 32 - 1, 1], () => {
    state.card = null;
    if (state.mode === 'scratch') {
      halt();
      arrange();
    }
    changed();
  });
  const reseed = () => {
    seed.lastChild.value = state.seed = Math.floor(1e4 * Math.random());
    state.card = null;
  };
  const another = button(say('another'), () => {
    halt();
    reseed();
    if (state.mode === 'scratch') arrange(); else start();
  });
  const pick = (part, options, then) =>
    choice(options.map((one) => say(one)).join(' / '), options.map((one) => [one, say(one)]), (next) => {
      state[part] = next;
      then?.();
    }, state[part]);
  const mode = pick('mode', ['watch', 'scratch'], () => {
    halt();
    arrange();
  });
  const finished = button(say('finished'), takeFinished);
  const tools = markup`<div class="live-choices">${[pick('brush', ['clear', 'cover']), finished]}</div>`;
  const rule = markup`<p class="live-note">${say('rule')}</p>`;
  const knobs = markup`<div class="live-knobs">
    ${[knob('steps', [1, 50, 1]), knob('guidance', [0, 8, 0.5]), seed, another, mode, badge('model', say)]}</div>`;
  const node = markup`<div class="live-body live-dream">${asked} ${small ? [] : examples} ${status}
    <div class="live-dreaming">${now.node}<div class="live-belief-side">${[guess.node, sight]}</div></div>
    ${small ? [] : [tools, rule, clock, knobs, existed.node, letters.node]}
    ${speech.node}</div>`;

  node.classList.toggle('live-small', small);
  let running = null, time = null;

  const open = (signal) =>
    openBoth(data, model, NETWORK, { progress: (bytes) => tell(...comingPart(say, bytes)), signal });
  const close = () => closeBoth(data);

  // In the small form its one button draws another one where nothing else is asked for.
  const again = () => small && !running && state.film.prompt === state.prompt;
  const label = () => {
    go.textContent = say(running ? 'stop' : state.mode === 'scratch' ? 'rest' : again() ? 'another' : 'draw');
  };

  function stopped() {
    halt();
    if (state.mode === 'scratch') paintCard(); else if (!data.network) tell();
  }
  function halt() {
    running?.abort();
    running = null;
    label();
    node.removeAttribute('aria-busy');
    unfold();
  }

  // Does some work with the open network; whatever fails is said, and what was recorded is shown instead.
  async function work(task) {
    halt();
    const stop = running = new AbortController();
    label();
    set(node, { 'aria-busy': true });
    try {
      const network = await open(stop.signal);
      const { said, heard, notices } = heardOf(state.prompt, network.file.wish, data.notices[language]);
      tell(...heardParts(say, heard, notices));
      await task(network, { said, guidance: state.guidance, signal: stop.signal });
    } catch (error) {
      if (error.name !== 'AbortError' && error.message !== 'closed') await fail(error);
    }
    if (running === stop) halt();
  }

  async function fail(error) {
    const { prompt, seed } = data.recorded;
    tell(markup`<strong>${troubleIn(error, language)}</strong>`,
      element('span', say.quoting(say('instead', { prompt, seed }))));
    state.film = Object.assign(await recordedFilm(data.recorded), { prompt, seed, done: true });
    mode.querySelector('input').click();
    arrange();
  }

  function start(k = Infinity) {
    if (state.mode === 'scratch') {
      state.card ??= newCard(state.seed);
      state.card.rubbed = state.card.clear.map((clear) => 1 - clear);
      return clearing();
    }
    return work(async (network, options) => {
      const { prompt, steps, seed } = state;
      const film = state.film = Object.assign([], { prompt, seed, steps });
      clockFor(steps);
      for await (const here of walk(network.ask, network.file, { ...options, steps, seed })) {
        if (!node.isConnected) {
          leave();
          return;
        }
        const { k, x, x0 = x } = here;
        const frame = { k, x, x0 };
        film.push(frame);
        if (!k) unfold();
        time.go(steps - k);
        data.judge.see(cut(x0)).then((seen) => {
          frame.seen = seen;
          if (state.k === k && state.film === film) narrate(frame);
        }, () => {});
      }
      film.done = true;
      finish(Math.min(k, steps));
    });
  }

  function finish(k) {
    const last = state.film.length - 1, steps = state.film.steps ?? last;
    clockFor(steps);
    time.go(steps - k);
    existed.draw(state.film[last].x);
    letters.draw(state.film);
  }

  // The slider runs as in all figures: static on the right, the picture on the left.
  function clockFor(last) {
    time?.stop();
    if (time?.last === last) return;
    const show = (t) => {
      if (state.film.length) showStep(Math.min(last - t, state.film.length - 1), last);
    };
    const describe = (t) => say('state', { k: last - t, steps: last });
    time = { last, ...timeline({ last, say, seconds: 5, show, describe }) };
    clock.replaceChildren(time.node, decided.node);
  }

  function showStep(k, steps) {
    const { x, x0 } = state.film[k];
    state.k = k;
    const asks = `${state.film.prompt.slice(0, 80)}: `, place = say('state', { k, steps });
    now.draw(x, asks + place);
    guess.draw(x0, `${asks}${say('guess')}, ${place}`);
    fill(now.node, { k, steps });
    narrate(state.film[k]);
  }

  function narrate({ seen }) {
    const names = data.names[language];
    const noteworthy = ({ kind, best }) => NARRATED.includes(kind) && data.judge.questions[kind][best] !== 'none';
    const things = (seen ? thingsIn(seen, names) : []).filter(noteworthy)
      .map(({ name, share }) => `${name} (${percent(share)})`).join(', ');
    sight.textContent = things && say('sees', { things });
    decided.draw(state.film, state.k, names);
    if (things) speech.say(sight.textContent);
    changed();
  }

  // ---- the card

  function paintCard(drawn, batch) {
    const { eps, known, clear, rubbed } = state.card;
    const covered = where(rubbed, scaled(eps, 0.4), eps);
    now.draw(where(clear, known, drawn ? where(batch, drawn, covered) : covered), say('brushHelp'));
    now.node.lastChild.textContent = say('cardAt', { share: percent(meanOf(Float32Array.from(clear))) });
    changed();
  }
  function rub(from, to) {
    const one = state.card;
    if (state.mode !== 'scratch') return;
    if (state.brush === 'clear') {
      stroke(one.rubbed, from, to);
      one.rubbed = one.rubbed.map((rubbed, i) => (one.clear[i] ? 0 : rubbed));
      if (!running) clearing(); else paintCard();
      return;
    }
    const mask = new Uint8Array(AREA), fresh = staticOf(state.seed + ++one.covers, 3 * AREA);
    stroke(mask, from, to);
    one.eps = where(mask.map((covered, i) => covered && one.clear[i]), fresh, one.eps);
    one.clear = one.clear.map((clear, i) => (mask[i] ? 0 : clear));
    paintCard();
  }
  const clearing = () => work(async (network, options) => {
    while (state.card.rubbed.some(Boolean)) {
      const one = state.card, batch = one.rubbed;
      one.rubbed = new Uint8Array(AREA);
      for await (const here of redraw(one, batch, network.ask, network.file, {
        ...options, steps: Math.min(RUBBED_IN, state.steps),
      })) {
        if (!node.isConnected) {
          leave();
          return;
        }
        paintCard(here.x, batch);
        guess.draw(here.x0 ?? here.x, say('guess'));
        data.judge.see(cut(here.x0 ?? here.x)).then((seen) => {
          if (state.card === one) narrate({ seen });
        }, () => {});
      }
    }
    paintCard();
  });
  function takeFinished() {
    halt();
    state.card = Object.assign(newCard(state.seed), {
      known: cut(state.film.at(-1).x), clear: new Uint8Array(AREA).fill(1),
    });
    tools.querySelectorAll('input')[1].click();
    paintCard();
  }

  // Shows what there is something to show in.
  function unfold() {
    const scratching = state.mode === 'scratch';
    const drawn = !scratching && state.film.length;
    const done = !scratching && state.film.done;
    const parts = [
      [tools, scratching], [finished, state.film.done], [rule, scratching],
      [clock, drawn], [letters.node, done], [existed.node, done],
    ];
    for (const [part, shown] of parts) part.hidden = !shown;
  }

  function arrange() {
    const scratching = state.mode === 'scratch', drawn = state.film.length;
    unfold();
    card.classList.toggle('live-rubbing', scratching);
    now.canvas.tabIndex = scratching ? 0 : -1;
    set(now.canvas, { role: scratching ? 'application' : 'img' });
    sight.textContent = '';
    if (scratching) {
      state.card ??= newCard(state.seed);
      paintCard();
    } else {
      now.node.lastChild.replaceChildren(...say.rich('state'));
      if (drawn) finish(Math.min(state.k < 0 ? Infinity : state.k, drawn - 1));
      else {
        now.draw(staticOf(state.seed, 3 * AREA), say('idle'));
        fill(now.node, { k: 0, steps: state.steps });
        tell(say('idle'));
      }
    }
    label();
  }

  function stop() {
    halt();
    time?.stop();
  }
  function leave() {
    stop();
    close();
  }
  const cellsOf = (seen) => thingsIn(seen, data.names[language]).map(({ name, share }) => `${name} ${percent(share)}`);
  const titleOf = ({ prompt, seed }) => `${prompt} · ${say('seed')} ${seed}`;
  const numbers = () => [{
    title: titleOf(state.film.length ? state.film : state),
    head: [say('steps'), ...ATTRIBUTES.map((kind) => say(kind))],
    rows: state.film.map(({ k, seen }) => [k, ...(seen ? cellsOf(seen) : [])]),
  }];

  arrange();
  if (state.k >= 0 && !state.film.length && state.mode === 'watch') setTimeout(() => start(state.k));
  return { node, numbers, stop, leave };
}

export default live({ load, fields, build });
