// The word highlighter: a prompt as words to choose from. For the chosen word, where the picture looks for it at each
// step of the walk, and the picture that comes out of the same static when the prompt is said without it. Some prompts
// were recorded; for a sentence of the reader's own the network walks here.

// ---- Maths -----------------------------------------------------------------------------------------------------------

const NETWORK = 'pets32-text', STEPS = 20, LONGEST = 32;     // words that the network hears

// A share of each place, h x h, laid over a picture in grey with the pen's colour. As `highlighted` in Python.
function highlighted(picture, shares, marker) {
  const area = picture.length / 3;
  const size = Math.sqrt(area);
  const side = Math.sqrt(shares.length);
  const out = new Float32Array(picture.length);
  const clip = (v) => Math.max(-1, Math.min(1, v));
  for (let i = 0; i < area; i++) {
    const place = Math.floor(Math.floor(i / size) * side / size) * side + Math.floor((i % size) * side / size);
    const ink = 0.85 * shares[place];
    const grey = (clip(picture[i]) + clip(picture[area + i]) + clip(picture[2 * area + i])) / 3;
    for (let c = 0; c < 3; c++) out[c * area + i] = (1 - ink) * 0.6 * grey + ink * marker[c];
  }
  return out;
}

// How far two pictures are apart at each pixel, from 0 (black, -1) to as far as black is from white (1).
const changeOf = (a, b) => {
  const area = a.length / 3;
  return Float32Array.from(a, (_, i) => {
    let far = 0;
    for (let c = 0; c < 3; c++) far = Math.max(far, Math.abs(a[c * area + (i % area)] - b[c * area + (i % area)]));
    return far - 1;
  });
};

// One answer's looks (`watched`) as `views_of` in Python has them: [{ of, maps: one of each token }]. First all heads
// of all blocks of one size, then the heads of the last block of each, one by one.
function viewsOf(blocks) {
  const view = (of, heads) => ({
    of,
    maps: heads[0].map((map, token) => map.map((_, i) => meanOf(heads.map((head) => head[token][i])))),
  });
  const sizes = [...new Set(blocks.map(({ side }) => side))].sort((a, b) => b - a)
    .map((side) => [side, blocks.filter((one) => one.side === side)]);
  const single = ([side, own]) => own.at(-1).shares.map((head, k, { length }) =>
    view({ side, block: own.at(-1).name.replace('.words', ''), head: k + 1, heads: length }, [head]));
  return [
    ...sizes.map(([side, own]) => view({ side, blocks: own.length }, own.flatMap(({ shares }) => shares))),
    ...sizes.flatMap(single),
  ];
}

// A prompt that is walked here, of which nothing is known yet; and the looks of its next step.
const newPrompt = (words, seed) => ({
  words, seed,
  caption: words.join(' '),
  stops: Array.from({ length: STEPS }, (_, k) => T - (k * T) / STEPS),
  states: [], guesses: [], ends: [], read: [], views: [],
});

function addLooks({ views }, blocks) {
  viewsOf(blocks).forEach(({ of, maps }, v) => {
    const { frames, means, high } = (views[v] ??= {
      of, frames: [], means: [], high: [],
      map: (step, token) => scaled(frames[step][token], 1 / high[token]),
    });
    frames.push(maps);
    means.push(maps.map(meanOf));
    maps.forEach((map, token) => { high[token] = Math.max(high[token] ?? 0, ...map); });
  });
}

// The attributes that a classifier reads otherwise: [name, [value, chance] before, [value, chance] after].
const readOtherwise = (before, after) => ATTRIBUTES.filter((name) => before[name][0] !== after[name][0])
  .map((name) => [name, before[name], after[name]]);

async function decodePrompt(prompt) {
  const [guesses, ends] = await Promise.all([
    decodeFilm(prompt.guesses, prompt.guess_range), decodeFilm(prompt.ends, 1),
  ]);
  const views = await Promise.all(prompt.views.map(async (view) => {
    const maps = (await decodeFilm(view.maps, 1)).map((x) => x.subarray(0, x.length / 3).map((v) => (v + 1) / 2));
    return { ...view, map: (step, token) => maps[step * view.high.length + token] };
  }));
  return { ...prompt, guesses, ends, views, states: walkStates({ ...prompt, guesses }) };
}

// ---- Parts -----------------------------------------------------------------------------------------------------------

// The words as radio buttons, each with a bar: the share of all places' looks that it has now.
function wordsPart(prompt, choose, say) {
  const name = `live-${Math.random().toString(36).slice(2)}`;
  const labels = [say('beginning'), ...prompt.words].map((word, token) => {
    const label = markup`<label class="live-word"><input type="radio"><span><i></i><bdi>${
      word}</bdi><small></small></span></label>`;
    Object.assign(on(label.firstChild, 'change', () => choose(token)), { name });
    if (token) label.querySelector('bdi').lang = /[\u0c00-\u0c7f]/.test(word) ? 'te' : 'en';
    else label.classList.add('live-word-beginning');
    return label;
  });
  const node = markup`<fieldset class="live-words"><legend class="live-hidden">${
    say('words')}</legend>${labels}</fieldset>`;
  return { node, draw: (shares, chosen) => labels.forEach((label, token) => {
    label.firstChild.checked = token === chosen;
    label.style.setProperty('--part', shares[token]);
    label.querySelector('small').textContent = percent(shares[token]);
  }) };
}

// How far the finished picture goes from where it was when a word is left out.
const changeWithout = ({ ends }, token) => distanceOf(ends[0], ends[token]);

function questionPart(prompt, state, say) {
  const changes = prompt.words.map((word, k) => ({ word, change: changeWithout(prompt, k + 1) }))
    .sort((a, b) => b.change - a.change);
  const first = changes.filter(({ word }, k) => changes.findIndex((other) => other.word === word) === k);
  const list = first.map(({ word, change }) => say('one', { word, change: change.toFixed(2) })).join(', ');
  return question({ state, say, options: [...new Set(prompt.words)], tell: () => say('told', { list }) });
}

const viewName = ({ of }, say) => say(of.blocks ? 'average' : 'head', of);

function viewPart(prompt, state, choose, say) {
  const select = set(element('select', prompt.views.map((view, v) =>
    set(element('option', viewName(view, say)), { value: v }))), { 'aria-label': say('view') });
  select.value = state.view;
  return on(select, 'change', () => choose(Number(select.value)));
}

// What a classifier reads in the two ends.
function readingPart(say, values) {
  const node = markup`<div class="live-reads"><p></p><ul></ul></div>`;
  const [intro, list] = node.children;
  const wait = (text) => {
    intro.replaceChildren(...say.quoting(text));
    list.replaceChildren();
  };
  const draw = (before, after, word, change) => {
    const differs = readOtherwise(before, after);
    intro.replaceChildren(...say.quoting(say('changed', {
      word, change: change.toFixed(2), verdict: say(differs.length ? 'otherwise' : 'same'),
    })));
    list.replaceChildren(...differs.map(([name, [was, p], [is, q]]) => element('li',
      `${say(name)}: ${values[name][was]} (${percent(p)}) → ${values[name][is]} (${percent(q)})`)));
  };
  return { node, wait, draw };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function load(model) {
  const prompts = await Promise.all(model.get('prompts').map(decodePrompt));
  return { ...model.get('about'), prompts, last: Math.max(STEPS, ...prompts.map(({ stops }) => stops.length)) - 1 };
}

// which: a recorded prompt's language, or own. token: 0 is the beginning of the text; it begins with the word that gets
// most ink at some place. place: of the slider, whose left end is the end of the walk, in steps of the longest walk.
function fields({ prompts, last }) {
  const [{ language, views, seed }] = prompts;
  const peaks = views[0].high.slice(1);
  return {
    which: among([...prompts.map((one) => one.language), 'own'], language),
    prompt: written('', 400),
    seed: whole(seed, 0, 2 ** 32 - 1),
    token: whole(1 + peaks.indexOf(Math.max(...peaks)), 0, LONGEST),
    view: whole(0, 0, views.length - 1),
    place: whole(Math.floor(last / 2), 0, last),
    muted: among([false, true]),
    answer: kept(() => -1),
    own: kept(() => null),
  };
}

function build({ model, data, state, say, language, changed }) {
  const { prompts, marker } = data;
  const speech = announcer();
  const reading = readingPart(say, data.values[language]);
  let prompt, words, clock, running, resting, sought, before;
  const seen = tile(...say.rich('state', { x: symbol('x', 't') }));
  const guess = tile(...say.rich('guess', { x: symbol('x̂', '0', 'signal') }));
  const looks = tile(say('looks'));
  const [whole, without, change] = ['whole', 'without', 'change'].map((key) => tile(say(key)));
  const mute = button(say('mute'), () => {
    state.muted = !state.muted;
    draw();
  });
  const [seats, view, clocks] = [element('div'), markup`<div class="live-choices"></div>`, element('div')];
  const share = markup`<span data-number="share"></span>`;
  const ends = markup`<div class="live-six live-ends">${[whole.node, without.node, change.node]}</div>`;
  const asked = askPart(state, say, () => (running ? stop() : start()), changed);
  const go = asked.lastChild;
  const status = markup`<p class="live-note live-status" role="status"></p>`;
  const tell = (...things) => status.replaceChildren(...things);
  const which = choice(say('which'),
    [...prompts.map((one) => [one.language, say.quoting(say(one.language))]), ['own', say('own')]], (next) => {
      state.which = next;
      tell();
      settle();
    }, state.which);
  const seed = numberInput(say('seed'), state.seed, [0, 2 ** 32 - 1, 1], (value) => {
    state.seed = value;
    changed();
  });
  const node = markup`<div class="live-body">${questionPart(recordedPrompt(language), state, say)} ${asked} ${
    status} <div class="live-knobs">${[which, seed]}</div> ${seats} ${view}
    <div class="live-six">${[seen.node, guess.node, looks.node]}</div>
    <p class="live-note">${share} ${badge('model', say)}</p>
    <div class="live-clock"><p class="live-readout">${say.rich('readout')}</p>${clocks}</div>
    <div class="live-asked">${mute}</div>${ends} ${reading.node}${speech.node}</div>`;

  function recordedPrompt(wanted) {
    return [wanted, language, prompts[0].language].map((code) => prompts.find((one) => one.language === code))
      .find(Boolean);
  }
  const wordAt = (token) => (token ? prompt.words[token - 1] : say('beginning'));
  const lastStep = () => prompt.stops.length - 1;
  const stepAt = (v) => Math.min(lastStep() - v, prompt.guesses.length - 1);  // those that are there
  const describe = (v) => say('at', { step: stepAt(v) + 1, steps: lastStep() + 1, t: prompt.stops[stepAt(v)] });
  function draw() {
    const token = Math.min(state.token, prompt.words.length);
    const step = stepAt(clock.t);
    const shown = prompt.views[state.view];
    const word = wordAt(token);
    const t = prompt.stops[step];
    const { caption } = prompt;
    words.draw(shown.means[step], token);
    fill(node, { t, step: step + 1, steps: lastStep() + 1 });
    share.replaceChildren(...say.quoting(say('shareNow', {
      word, share: percent(shown.means[step][token], 1), high: percent(shown.high[token], 1),
    })));
    seen.draw(prompt.states[step], say('stateAt', { t, caption }));
    guess.draw(prompt.guesses[step], say('guessAt', { t }));
    looks.draw(highlighted(prompt.guesses[step], shown.map(step, token), marker), say('looksAt', { t, word }));
    const able = Boolean(token && prompt.ends.length);
    const silent = able && state.muted;
    const there = silent && prompt.ends[token];
    set(mute, { 'aria-pressed': silent });
    mute.disabled = !able;
    ends.hidden = !there;
    reading.node.hidden = !silent;
    if (silent && !there) reading.wait(say('leaving', { word }));
    if (silent && !there && sought !== token) leaveOut(token);
    if (there) {
      whole.draw(prompt.ends[0], say('wholeAlt', { caption }));
      without.draw(prompt.ends[token], say('withoutAlt', { word }));
      change.draw(changeOf(prompt.ends[0], prompt.ends[token]), say('changeAlt', { word }));
      reading.draw(prompt.read[0], prompt.read[token], word, changeWithout(prompt, token));
    }
    changed();
  }

  // The prompt that is chosen: its words, its views, its clock.
  function show() {
    const next = (state.which === 'own' && state.own) || recordedPrompt(state.which);
    const radios = which.querySelectorAll('input');
    radios.forEach((radio, k) => { radio.checked = (prompts[k] ?? state.own) === next; });
    radios[prompts.length].disabled = !state.own;
    const last = next.stops.length - 1;
    if (next !== prompt) {
      prompt = next;
      words = wordsPart(prompt, (token) => {
        state.token = token;
        draw();
        speech.say(share.textContent);
      }, say);
      seats.replaceChildren(words.node);
      view.replaceChildren(viewPart(prompt, state, (v) => {
        state.view = v;
        draw();
      }, say));
      clock?.stop();
      const turn = (v) => {
        state.place = Math.round((v * data.last) / last);
        draw();
      };
      clock = timeline({ last, say, describe, show: turn, seconds: 5 });
      clocks.replaceChildren(clock.node);
    }
    clock.go((state.place * last) / data.last);
  }

  const open = (signal) =>
    openBoth(data, model, NETWORK, { progress: (bytes) => tell(...comingPart(say, bytes)), signal });
  const close = () => closeBoth(data);

  // What was begun and not finished goes.
  function halt() {
    running?.abort();
    running = sought = before = null;
    if (!state.own?.ends.length) state.own = null;
    state.place = resting ?? state.place;
    resting = null;
    go.textContent = say('draw');
    node.removeAttribute('aria-busy');
  }

  function settle() {
    halt();
    if (!state.own && state.which === 'own') state.which = recordedPrompt(language).language;
    show();
  }

  function stop() {
    state.muted = false;
    state.which = before ?? state.which;
    tell();
    settle();
  }

  // Does some work with the open network; whatever fails is said, and a recorded prompt is shown instead.
  async function work(task, done = settle) {
    halt();
    const mine = running = new AbortController();
    const { signal } = mine;
    go.textContent = say('stop');
    set(node, { 'aria-busy': true });
    try {
      await task(await open(signal), (options) => ({ steps: STEPS, guidance: 2, sampler: ddim, signal, ...options }));
    } catch (error) {
      if (running !== mine) return;
      const { caption, seed, language: which } = recordedPrompt(language);
      tell(markup`<strong>${troubleIn(error, language)}</strong>`,
        element('span', say.quoting(say('instead', { prompt: caption, seed }))));
      Object.assign(state, { which, muted: false });
      close();
      settle();
    }
    if (running === mine) done();
  }

  // How one end looks, with all words (0) or without one, and what the judge finds in it.
  async function finish(own, token, x) {
    const end = cut(x);
    const seen = await data.judge.see(end);
    const best = (shares) => Math.max(...shares);
    own.read[token] = Object.fromEntries(
      Object.entries(seen).map(([kind, shares]) => [kind, [shares.indexOf(best(shares)), best(shares)]]));
    own.ends[token] = end;
  }

  // Their own sentence counts as chosen from here on: where the figure is built anew while the network is still coming,
  // it begins again.
  function start() {
    const { which: chosen } = state;
    work(read);
    [before, state.which] = [chosen, 'own'];
  }

  async function read({ ask, file }, options) {
    const { said, heard, notices } = heardOf(state.prompt, file.wish, data.notices[language]);
    const { seed } = state;
    tell(...heardParts(say, said ? heard : say('nothing'), notices));
    if (!said) {
      state.which = before;
      return;
    }
    const own = newPrompt(readWords(said, file.wish).words, seed);
    [state.own, resting] = [own, state.place];
    for await (const { k, x, x0 } of walk(
      watched(ask, file, (blocks) => addLooks(own, blocks)), onTheClock(file, STEPS), options({ said, seed }))) {
      if (!x0) {
        await finish(own, 0, x);
        break;
      }
      own.states.push(x);
      own.guesses.push(x0);
      if (!k) show();
      clock.go(STEPS - 1 - k);
    }
  }

  // The walk without one word, from the same static.
  function leaveOut(token) {
    const own = prompt;
    const { words, seed } = own;
    work(async ({ ask, file }, options) => {
      for await (const { x, x0 } of walk(ask, onTheClock(file, STEPS), options({
        said: words.filter((_, k) => k + 1 !== token).join(' '), seed,
      }))) {
        if (!x0) await finish(own, token, x);
      }
    }, () => {
      halt();
      draw();
      speech.say(reading.node.textContent);
    });
    sought = token;
  }

  const numbers = () => [{
    title: `${prompt.caption} · ${say('seed')} ${prompt.seed} · ${
      say('title', { view: viewName(prompt.views[state.view], say), at: describe(clock.t) })}`,
    head: ['word', 'share', 'high', 'loudness'].map((key) => say(key)),
    rows: prompt.views[state.view].means[stepAt(clock.t)].map((mean, token) => [
      wordAt(token),
      percent(mean, 1),
      percent(prompt.views[state.view].high[token], 1),
      token && prompt.ends[token] ? changeWithout(prompt, token).toFixed(2) : '–',
    ]),
  }];

  const { place } = state;
  show();
  state.place = place;
  if (state.which === 'own' && !state.own) setTimeout(start);
  return {
    node,
    numbers,
    stop: () => {
      halt();
      clock.stop();
    },
    leave: close,
  };
}

export default live({ load, fields, build });
