// The word highlighter: a prompt as words to choose from. For the chosen word, where the picture looks for it at each step of
// the walk, and the picture that comes out of the same static when the prompt is said without it.

const WORDS = {
  back: '◂ Walk on', forth: 'Back to static ▸', minus: '−1', plus: '+1', stepBack: 'one step further on the walk', stepForth: 'one step back towards static', slider: 'time t',
  words: 'a word of the prompt', language: 'language of the prompt', view: 'which of its looks', beginning: 'beginning', skip: 'Skip',
  question: 'Before you click: which one of these words, left out, changes the finished picture most?',
  state: 'it is shown, ', guess: 'and believes in, ', looks: 'where it looks for the word', whole: 'the end, all words said', without: 'the end without the word', change: 'what that changed',
  mute: 'Mute this word', same: 'A classifier reads the same seven things in both.',
};
const LANGUAGES = { en: 'English', te: 'తెలుగు' };

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
function wordsPart(prompt, choose) {
  const name = `live-${Math.random().toString(36).slice(2)}`;
  const labels = [WORDS.beginning, ...prompt.words].map((word, token) => {
    const label = markup`<label class="live-word"><input type="radio"><span><bdi>${word}</bdi><small></small></span></label>`;
    Object.assign(on(label.firstChild, 'change', () => choose(token)), { name });
    if (token) label.querySelector('bdi').lang = prompt.language;
    else label.classList.add('live-word-beginning');
    return label;
  });
  const node = markup`<fieldset class="live-words"><legend class="live-hidden">${WORDS.words}</legend>${labels}</fieldset>`;
  return { node, draw: (shares, chosen) => labels.forEach((label, token) => {
    label.firstChild.checked = token === chosen;
    label.style.setProperty('--part', shares[token]);
    label.querySelector('small').textContent = percent(shares[token]);
  }) };
}

function questionPart(prompt) {
  const changes = prompt.words.map((word, k) => ({ word, change: distanceOf(prompt.ends[0], prompt.ends[k + 1]) })).sort((a, b) => b.change - a.change);
  const first = changes.filter(({ word }, k) => changes.findIndex((other) => other.word === word) === k);
  const list = first.map(({ word, change }) => `“${word}” ${change.toFixed(2)}`).join(', ');
  const answer = (bet) => () => node.replaceChildren(markup`<p aria-live="polite">${bet ? `You said “${bet}”. ` : ''}Measured, as the loudness of the change
    (pictures go from −1 to 1; of a word that stands there twice, the larger): ${list}.</p>`);
  const node = markup`<div class="live-bet"><p>${WORDS.question}</p><span class="live-answers">
    ${[...new Set(prompt.words)].map((word) => button(word, answer(word)))} ${quietButton(WORDS.skip, answer(''))}</span></div>`;
  return node;
}

function viewPart(prompt, choose) {
  const select = set(markup`<select></select>`, { 'aria-label': WORDS.view });
  prompt.views.forEach((view, v) => select.append(Object.assign(document.createElement('option'), { value: v, textContent: view.name })));
  on(select, 'change', () => choose(Number(select.value)));
  return select;
}

// What a classifier reads in the two ends.
function readingPart() {
  const node = markup`<div class="live-reads"><p></p><ul></ul></div>`, [intro, list] = node.children;
  return { node, draw: (before, after, word, change) => {
    const differs = readOtherwise(before, after);
    intro.textContent = `Without “${word}” the picture changes with a loudness of ${change.toFixed(2)}. ${differs.length ? 'A classifier reads otherwise:' : WORDS.same}`;
    list.replaceChildren(...differs.map(([name, [was, p], [is, q]]) => {
      const item = document.createElement('li');
      item.textContent = `${name}: ${was} (${percent(p)}) → ${is} (${percent(q)})`;
      return item;
    }));
  } };
}

// ---- The figure ------------------------------------------------------------------------------------------------------

async function render({ model, el }) {
  const prompts = await Promise.all(model.get('prompts').map(decodePrompt)), marker = model.get('marker');
  const peaks = prompts[0].views[0].high.slice(1);                // begin with the word that gets most ink at some place
  let prompt = prompts[0], view = 0, token = 1 + peaks.indexOf(Math.max(...peaks)), muted = false, words, select;

  const speech = announcer(), reading = readingPart();
  const state = tile(WORDS.state, symbol('x', 't')), guess = tile(WORDS.guess, symbol('x̂', '0', 'signal')), looks = tile(WORDS.looks);
  const whole = tile(WORDS.whole), without = tile(WORDS.without), change = tile(WORDS.change);
  const mute = button(WORDS.mute, () => { muted = !muted; draw(); });
  const last = prompts[0].stops.length - 1, step = () => last - clock.t;               // the slider's left end is the end of the walk
  const describe = (v) => `step ${last - v + 1} of ${last + 1}, t = ${prompts[0].stops[last - v]}`;
  const clock = timeline({ last, words: WORDS, describe, show: () => draw(), seconds: 5 });
  const seats = { words: markup`<div></div>`, view: markup`<div class="live-choices"></div>` };
  const ends = markup`<div class="live-six live-ends">${[whole.node, without.node, change.node]}</div>`;
  const languages = choice(WORDS.language, prompts.map((one, k) => [k, LANGUAGES[one.language] ?? one.language]), (k) => speak(prompts[k]));
  const node = markup`<div class="live-body">${questionPart(prompts[0])} ${prompts.length > 1 ? markup`<div>${languages}</div>` : ''} ${seats.words} ${seats.view}
    <div class="live-six">${[state.node, guess.node, looks.node]}</div>
    <p class="live-note"><output data-number="share"></output> ${badge('model')}</p>
    <div class="live-clock"><p class="live-readout"><b>t = <output data-number="t"></output></b> step <output data-number="step"></output> of ${String(last + 1)}</p>${clock.node}</div>
    <div class="live-asked">${mute}</div>${ends} ${reading.node}${speech.node}</div>`;

  function draw() {
    const at = step(), shown = prompt.views[view], word = token ? prompt.words[token - 1] : WORDS.beginning, t = prompt.stops[at];
    const map = shown.map(at, token), high = shown.high[token];
    words.draw(shown.means[at], token);
    fill(node, { t, step: at + 1,
      share: `For “${word}”: ${percent(shown.means[at][token], 1)} of all looks now; full yellow is ${percent(high, 1)}, the most that one place gives it at any step.` });
    state.draw(prompt.states[at], `the state at t = ${t} on the walk for: ${prompt.caption}`);
    guess.draw(prompt.guesses[at], `the model’s guess of the clean picture at t = ${t}`);
    looks.draw(highlighted(prompt.guesses[at], map, marker), `the guess in grey, yellow where the picture looks for the word ${word} at t = ${t}`);
    const silent = token && muted;
    set(mute, { 'aria-pressed': Boolean(silent) });
    mute.disabled = !token;
    ends.hidden = reading.node.hidden = !silent;
    if (silent) {
      whole.draw(prompt.ends[0], `the finished picture for: ${prompt.caption}`);
      without.draw(prompt.ends[token], `the finished picture from the same static, the prompt said without ${word}`);
      change.draw(changeOf(prompt.ends[0], prompt.ends[token]), `bright where leaving out ${word} changed the finished picture`);
      reading.draw(prompt.read[0], prompt.read[token], word, distanceOf(prompt.ends[0], prompt.ends[token]));
    }
    speech.say(`${word}, ${percent(shown.means[at][token])} of all looks, t = ${t}`);
  }
  function speak(next) {
    prompt = next;
    token = Math.min(token, prompt.words.length);
    words = wordsPart(prompt, (chosen) => { token = chosen; draw(); });
    select = viewPart(prompt, (chosen) => { view = chosen; draw(); });
    select.value = view;
    seats.words.replaceChildren(words.node);
    seats.view.replaceChildren(select);
    draw();
  }
  words = { draw: () => {} };
  goLive(el);
  el.append(node);
  speak(prompt);
  clock.go(Math.floor(last / 2));
  return () => clock.stop();
}

export default { render };
