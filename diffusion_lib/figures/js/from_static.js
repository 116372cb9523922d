// A wall of pictures that walk out of static together. The page draws each one's static from its seed and takes DDIM's
// steps itself; what the trained model guessed at each step was recorded.

const WORDS = {
  back: '◂ Out of static', forth: 'Into static ▸', stepBack: 'one step back', stepForth: 'one step on', slider: 'time t',
  wall: 'what the wall shows', walk: 'the walk', guess: 'the model’s guess',
};

async function render({ model, el }) {
  const walks = await Promise.all(model.get('walks').map(async (recorded) => {
    const walk = { ...recorded, guesses: await decodeFilm(recorded.guesses, recorded.guess_range) };
    return { ...walk, states: walkStates(walk), tile: tile() };
  }));
  const { steps, stops } = walks[0];
  let shown = 'walk';
  const what = choice(WORDS.wall, [['walk', WORDS.walk], ['guess', WORDS.guess]], (next) => { shown = next; time.go(time.t); });
  const time = timeline({ last: T, words: WORDS, seconds: 7, show, describe: (t) => `t = ${t} of ${T}` });
  const node = markup`<div class="live-body">
    <div class="live-wall">${walks.map((walk) => walk.tile.node)}</div>
    <div class="live-caption">
      <p class="live-readout"><b>t = <output data-number="t"></output></b> step <output data-number="step"></output> of ${String(steps)}</p>
      ${badge('model')}
    </div>
    ${time.node} ${what}</div>`;

  function show(t) {
    const k = lastStop(stops, t), from = stops[k];
    for (const { caption, states, guesses, tile } of walks) {
      const state = t === from ? states[k] : strideTo(t, from, states[k], guesses[k]);
      tile.draw(shown === 'walk' ? state : guesses[k], t === 0 ? caption : `${WORDS[shown]} at t = ${t}`);
    }
    fill(node, { t, step: t === 0 ? steps : k });
  }

  time.go(T);
  goLive(el);
  el.classList.add('live-hero');
  el.append(node);
  if (!calm()) setTimeout(() => time.toggle(-1), 900);
  return time.stop;
}

export default { render };
