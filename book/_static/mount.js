// Mounts live figures on the published page: for each <div data-figure="NAME"> it loads figures/NAME.js, the module that
// Jupyter runs through anywidget, and gives it a model with the figure's data. Until the module has drawn, and if it
// cannot, the still pictures stay.

const here = new URL('.', import.meta.url);

// A figure's data lies beside the page, where the build has put it (book/_ext/pictures.py), or still in the page.
async function dataOf(figure) {
  if (!figure.dataset.source) return JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
  const answer = await fetch(figure.dataset.source);
  if (!answer.ok) throw new Error(`its data did not come (${answer.status})`);
  return answer.json();
}

// Tor's browser gives a page stripes in place of the pixels that it drew. A figure would read them as its film.
function pixelsAreTrue() {
  const pen = Object.assign(document.createElement('canvas'), { width: 8, height: 8 }).getContext('2d');
  pen.fillStyle = '#936';
  pen.fillRect(0, 0, 8, 8);
  return pen.getImageData(0, 0, 8, 8).data.every((value, i) => Math.abs(value - [153, 51, 102, 255][i % 4]) < 9);
}

async function mount(figure) {
  try {
    if (!pixelsAreTrue()) throw new Error('this browser hides pixels from pages, to protect its reader');
    const { default: widget } = await import(new URL(figure.dataset.module ?? `figures/${figure.dataset.figure}.js`, here));
    const state = { ...await dataOf(figure), _static: here.href }, el = document.createElement('div');
    await widget.render({ model: { anchor: figure.id, get: (name) => state[name] }, el });           // as much of anywidget's model as a figure needs
    figure.append(el);
    figure.dataset.state = 'live';
  } catch (error) {
    figure.dataset.state = 'still';
    console.error(`The live figure ${figure.dataset.figure} could not start: ${error.message}`);
    figure.append(Object.assign(document.createElement('p'), { role: 'note', textContent: `This figure stands still: ${error.message}.` }));
  }
}

const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) { near.unobserve(target); mount(target); }
}, { rootMargin: '600px' });

// A figure's name in links (#flow_of_time=t:500); the second of a kind on one page is flow_of_time-2. The link brings the reader there.
const counts = {};
for (const figure of document.querySelectorAll('[data-figure]')) {
  const { figure: stem } = figure.dataset, count = (counts[stem] = (counts[stem] ?? 0) + 1);
  figure.id ||= count === 1 ? stem : `${stem}-${count}`;
  near.observe(figure);
}
const bring = () => { if (location.hash.includes('=')) document.getElementById(location.hash.slice(1).split('=')[0])?.scrollIntoView(); };
bring();
addEventListener('hashchange', bring);
