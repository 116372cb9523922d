// A pet dissolves in static: x_t = alpha_t x0 + sigma_t eps.

const load = async (model) => { const x0 = await decodePicture(model.get('pet')); return { x0, eps: staticOf(7, x0.length) }; };

const fields = () => ({ t: whole(300, 0, T) });

function build({ data: { x0, eps }, state, say, changed }) {
  const shown = tile(...say.rich('caption', { x: symbol('x', 't') })), pet = tile(...say.rich('pet', { x: symbol('x', '0') }));
  const describe = (t) => say('at', { t });
  const time = timeline({ last: T, say, describe, show });
  const node = markup`<div class="live-body"><div class="live-pair">${[shown.node, pet.node]}</div>
    <p class="live-readout">${say.rich('readout')} ${badge('formula', say)}</p>${time.node}</div>`;
  const alpha = (t) => alphaAt(t).toFixed(4), sigma = (t) => sigmaAt(t).toFixed(4);
  function show(t) {
    state.t = t;
    shown.draw(blend(x0, eps, alphaAt(t), sigmaAt(t)), describe(t));
    fill(node, { t, alpha: alpha(t), sigma: sigma(t) });
    changed();
  }
  const numbers = () => [{ title: describe(state.t), head: [say('quantity'), say('value')], rows: [['α', alpha(state.t)], ['σ', sigma(state.t)]] }];
  pet.draw(x0, say('clean'));
  time.go(state.t);
  return { node, numbers, stop: time.stop };
}

export default live({ load, fields, build });
