// The word highlighter: a prompt as words to choose from. For the chosen word, where the picture looks for it at each step of
// the walk, and the picture that comes out of the same static when the prompt is said without it.

// ---- Maths -----------------------------------------------------------------------------------------------------------

// A share of each place, h x h, laid over a picture in grey with the pen's colour. As `highlighted` in Python.
function highlighted(picture, shares, marker) {
  const area = picture.length / 3, size = Math.sqrt(area), side = Math.sqrt(shares.length), out = new Float32Array(picture.length);
  const clip = (v) => Math.max(-1, Math.min(1, v));
  for (let i = 0; i < area; i++) {
    const ink = 0.85 * shares[Math.floor(Math.floor(i / size) * side / size) * side + Math.floor((i % size) * side / size)];
    const grey = (clip(picture[i]) + clip(picture[area + i]) + clip(picture[2 * area + i])) / 3;
    for (let c = 0; c < 3; c++) out[c * area + i] = (1 - ink) * 0.6 * grey + ink * marker[c];
  }
  return out;
}

// How far two pictures are apart at each pixel, from 0 (black, -1) to as far as black is from white (1).
const changeOf = (a, b) => { const area = a.length / 3; return Float32Array.from(a, (_, i) => {
  let far = 0;
  for (let c = 0; c < 3; c++) far = Math.max(far, Math.abs(a[c * area + (i % area)] - b[c * area + (i % area)]));
  return far - 1;
}); };
const distanceOf = (a, b) => rmsOf(a.map((value, i) => value - b[i]));


// The attributes that a classifier reads otherwise: [name, [value, chance] before, [value, chance] after].
const readOtherwise = (before, after) => Object.keys(before).filter((name) => before[name][0] !== after[name][0]).map((name) => [name, before[name], after[name]]);

async function decodePrompt(prompt) {
  const [guesses, ends] = await Promise.all([decodeFilm(prompt.guesses, prompt.guess_range), decodeFilm(prompt.ends, 1)]);
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
    const label = markup`<label class="live-word"><input type="radio"><span><bdi>${word}</bdi><small></small></span></label>`;
    Object.assign(on(label.firstChild, 'change', () => choose(token)), { name });
    if (token) label.querySelector('bdi').lang = prompt.language;
    else label.classList.add('live-word-beginning');
    return label;
  });
  const node = markup`<fieldset class="live-words"><legend class="live-hidden">${say('words')}</legend>${labels}</fieldset>`;
  return { node, draw: (shares, chosen) => labels.forEach((label, token) => {
    label.firstChild.checked = token === chosen;
    label.style.setProperty('--part', shares[token]);
    label.querySelector('small').textContent = percent(shares[token]);
  }) };
}

// How far the finished picture goes from where it was when a word is left out.
const changeWithout = ({ ends }, token) => distanceOf(ends[0], ends[token]);

function questionPart(prompt, state, say) {
  const changes = prompt.words.map((word, k) => ({ word, change: changeWithout(prompt, k + 1) })).sort((a, b) => b.change - a.change);
  const first = changes.filter(({ word }, k) => changes.findIndex((other) => other.word === word) === k);
  const list = first.map(({ word, change }) => say('one', { word, change: change.toFixed(2) })).join(', ');
  return question({ state, say, options: [...new Set(prompt.words)], tell: () => say('told', { list }) });
}

const viewName = ({ of }, say) => say(of.blocks ? 'average' : 'head', of);

function viewPart(prompt, state, choose, say) {
  const select = set(element('select', prompt.views.map((view, v) => set(element('option', viewName(view, say)), { value: v }))), { 'aria-label': say('view') });
  select.value = state.view;
  return on(select, 'change', () => choose(Number(select.value)));
}

// What a classifier reads in the two ends.
function readingPart(say) {
  const node = markup`<div class="live-reads"><p></p><ul></ul></div>`, [intro, list] = node.children;
  return { node, draw: (before, after, word, change) => {
    const differs = readOtherwise(before, after);
    intro.textContent = say('changed', { word, change: change.toFixed(2), verdict: say(differs.length ? 'otherwise' : 'same') });
    list.replaceChildren(...differs.map(([name, [was, p], [is, q]]) => element('li', `${say(name)}: ${was} (${percent(p)}) → ${is} (${percent(q)})`)));
  } };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

const load = async (model) => ({ prompts: await Promise.all(model.get('prompts').map(decodePrompt)), marker: model.get('marker') });

// token: 0 is the beginning of the text; it begins with the word that gets most ink at some place. place: of the slider, whose
// left end is the end of the walk.
function fields({ prompts }) {
  const peaks = prompts[0].views[0].high.slice(1), last = prompts[0].stops.length - 1;
  return { prompt: among(prompts.map(({ language }) => language)), token: whole(1 + peaks.indexOf(Math.max(...peaks)), 0, Math.max(...prompts.map(({ words }) => words.length))),
    view: whole(0, 0, prompts[0].views.length - 1), place: whole(Math.floor(last / 2), 0, last), muted: among([false, true]), answer: kept(() => -1) };
}

function build({ data: { prompts, marker }, state, say, language, changed }) {
  let prompt, words;
  const last = prompts[0].stops.length - 1, speech = announcer(), reading = readingPart(say);
  const seen = tile(...say.rich('state', { x: symbol('x', 't') })), guess = tile(...say.rich('guess', { x: symbol('x̂', '0', 'signal') })), looks = tile(say('looks'));
  const [whole, without, change] = ['whole', 'without', 'change'].map((key) => tile(say(key)));
  const mute = button(say('mute'), () => { state.muted = !state.muted; draw(); });
  const steps = last + 1, describe = (v) => say('at', { step: steps - v, steps, t: prompt.stops[last - v] });
  const clock = timeline({ last, say, describe, show: (v) => { state.place = v; draw(); }, seconds: 5 });
  const seats = { words: element('div'), view: markup`<div class="live-choices"></div>` }, share = markup`<output data-number="share"></output>`;
  const ends = markup`<div class="live-six live-ends">${[whole.node, without.node, change.node]}</div>`;
  const languages = choice(say('promptLanguage'), prompts.map(({ language }) => [language, say(language)]), speak, state.prompt);
  const node = markup`<div class="live-body">${questionPart(prompts.find((one) => one.language === language) ?? prompts[0], state, say)} ${prompts.length > 1 ? element('div', languages) : ''} ${seats.words} ${seats.view}
    <div class="live-six">${[seen.node, guess.node, looks.node]}</div>
    <p class="live-note">${share} ${badge('model', say)}</p>
    <div class="live-clock"><p class="live-readout">${say.rich('readout', { steps: String(steps) })}</p>${clock.node}</div>
    <div class="live-asked">${mute}</div>${ends} ${reading.node}${speech.node}</div>`;

  const wordAt = (token) => (token ? prompt.words[token - 1] : say('beginning'));
  function draw() {
    const { token } = state, step = last - state.place, shown = prompt.views[state.view], word = wordAt(token), t = prompt.stops[step], { caption } = prompt;
    words.draw(shown.means[step], token);
    fill(node, { t, step: step + 1 });
    share.textContent = say('shareNow', { word, share: percent(shown.means[step][token], 1), high: percent(shown.high[token], 1) });
    seen.draw(prompt.states[step], say('stateAt', { t, caption }));
    guess.draw(prompt.guesses[step], say('guessAt', { t }));
    looks.draw(highlighted(prompt.guesses[step], shown.map(step, token), marker), say('looksAt', { t, word }));
    const silent = Boolean(token && state.muted);
    set(mute, { 'aria-pressed': silent });
    mute.disabled = !token;
    ends.hidden = reading.node.hidden = !silent;
    if (silent) {
      whole.draw(prompt.ends[0], say('wholeAlt', { caption }));
      without.draw(prompt.ends[token], say('withoutAlt', { word }));
      change.draw(changeOf(prompt.ends[0], prompt.ends[token]), say('changeAlt', { word }));
      reading.draw(prompt.read[0], prompt.read[token], word, changeWithout(prompt, token));
    }
    changed();
  }
  function speak(language) {
    state.prompt = language;
    prompt = prompts.find((one) => one.language === language);
    state.token = Math.min(state.token, prompt.words.length);
    words = wordsPart(prompt, (token) => { state.token = token; draw(); speech.say(share.textContent); }, say);
    seats.words.replaceChildren(words.node);
    seats.view.replaceChildren(viewPart(prompt, state, (view) => { state.view = view; draw(); }, say));
    clock.go(state.place);
  }
  const numbers = () => [{ title: say('title', { view: viewName(prompt.views[state.view], say), at: describe(state.place) }), head: ['word', 'share', 'high', 'loudness'].map((key) => say(key)),
    rows: prompt.views[state.view].means[last - state.place].map((mean, token) =>
      [wordAt(token), percent(mean, 1), percent(prompt.views[state.view].high[token], 1), token ? changeWithout(prompt, token).toFixed(2) : '–']) }];

  speak(state.prompt);
  return { node, numbers, stop: clock.stop };
}

export default live({ load, fields, build });
