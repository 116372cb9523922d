// A wall of pictures that walk out of static together. The page draws each one's static from its seed and takes DDIM's
// steps itself; what the trained model guessed at each step was recorded.

const load = (model) => Promise.all(model.get('walks').map(async (recorded) => {
  const walk = { ...recorded, guesses: await decodeFilm(recorded.guesses, recorded.guess_range) };
  return { ...walk, states: walkStates(walk) };
}));

const fields = () => ({ t: whole(T, 0, T), shown: among(['walk', 'guess']) });

function build({ data: walks, state, say, language, changed }) {
  const { steps, stops } = walks[0];
  const tiles = walks.map(() => tile());
  const describe = (t) => say('at', { t, last: T });
  const choose = (next) => {
    state.shown = next;
    show(state.t);
  };
  const what = choice(say('wall'), [['walk', say('walk')], ['guess', say('guess')]], choose, state.shown);
  const time = timeline({ last: T, say, seconds: 7, show, describe });
  const node = markup`<div class="live-body live-hero">
    <div class="live-wall">${tiles.map((one) => one.node)}</div>
    <div class="live-caption"><p class="live-readout">${say.rich('readout', { steps })}</p> ${badge('model', say)}</div>
    ${time.node} ${what}</div>`;
  const stepAt = (t) => (t === 0 ? steps : lastStop(stops, t));

  function pictureAt({ states, guesses }, t) {
    const k = lastStop(stops, t);
    if (state.shown === 'guess') return guesses[k];
    return t === stops[k] ? states[k] : strideTo(t, stops[k], states[k], guesses[k]);
  }
  function show(t) {
    state.t = t;
    walks.forEach((walk, i) => tiles[i].draw(pictureAt(walk, t),
      t === 0 ? walk.caption[language] : say(state.shown === 'walk' ? 'walkAt' : 'guessAt', { t })));
    fill(node, { t, step: stepAt(t) });
    changed();
  }
  const numbers = () => [{
    title: say('title', { what: say(state.shown), t: state.t, step: stepAt(state.t), steps }),
    head: [say('asked'), say('mean'), say('spread')],
    rows: walks.map((walk) => [
      walk.caption[language], ...[meanOf, spreadOf].map((of) => of(pictureAt(walk, state.t)).toFixed(3)),
    ]),
  }];

  time.go(state.t);
  let soon;
  const begin = () => {
    if (!calm()) soon = setTimeout(() => { if (time.t === T) time.toggle(-1); }, 900);
  };
  return { node, numbers, begin, stop: () => { clearTimeout(soon); time.stop(); } };
}

export default live({ load, fields, build });
