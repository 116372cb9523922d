// The frame around every live figure: its words, its state and the link that holds it, and the foot below it, from
// which readers take away numbers and pictures. The page "Write a figure" says what a figure gives and gets. It stands
// behind _shared.js.

// ---- State and words -------------------------------------------------------------------------------------------------

// What a figure's state is made of: how each part begins, and how a link writes and reads it.
const whole = (start, low, high) => ({ start, write: String,
  read: (text) => (/^-?\d+$/.test(text) ? Math.min(high, Math.max(low, Number(text))) : undefined) });
const among = (options, start = options[0]) => ({ start, write: String,
  read: (text) => options.find((option) => String(option) === text) });
const written = (start, longest, read = (text) => text.slice(0, longest).toWellFormed()) =>
  ({ start, read, write: read });
// A part that no link holds: a reader's own drawing, an answer given. It outlives a change of language, and Reset makes
// it anew.
const kept = (make) => ({ make });

const begun = (kinds) =>
  Object.fromEntries(Object.entries(kinds).map(([part, { start, make }]) => [part, make ? make() : start]));

// #flow_of_time=t:500,source:pet&other=...: each figure of a page has its own entry and reads no other.
const entries = () => location.hash.slice(1).split('&').filter((entry) => entry.includes('='));

function linkTo(name, kinds, state) {
  const parts = Object.entries(kinds).filter(([, kind]) => kind.write)
    .map(([part, kind]) => `${part}:${encodeURIComponent(kind.write(state[part]))}`);
  return `#${[`${name}=${parts}`, ...entries().filter((entry) => !entry.startsWith(`${name}=`))].join('&')}`;
}

// The state that the page's address asks for, or undefined. What makes no sense stays as it begins.
function linked(name, kinds) {
  const entry = entries().find((one) => one.startsWith(`${name}=`));
  if (!entry) return undefined;
  const state = begun(kinds);
  for (const [part, value = ''] of entry.slice(name.length + 1).split(',').map((one) => one.split(':'))) {
    try { state[part] = kinds[part]?.read?.(decodeURIComponent(value)) ?? state[part]; } catch { /* a broken % sign */ }
  }
  return state;
}

// say(key, { name: text }) is a text of the table; say.rich gives its nodes, where a {name} may be an element, and one
// that is not given waits for `fill`. say.count(1000): a number as the language groups it. say.quoting(text): the
// pieces of a text that holds others' words; what is written in another language's script is marked as that language,
// so that it is spoken as such.
function speaker(language) {
  const words = WORDS[language];
  const say = (key, things = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => things[name]);
  say.rich = (key, things = {}) =>
    [...composed(words[key].replace(/\{(\w+)\}/g, '<slot name="$1"></slot>'), things).childNodes];
  say.count = (number) => number.toLocaleString(language);
  const others = Object.entries(WORDS).filter(([code]) => code !== language);
  say.quoting = (text) => others.reduce((parts, [lang, { script }]) => parts.flatMap((part) => part.lang ? part
    : part.split(RegExp(`([${script}][${script}\\d_. ’'-]*[${script}\\d])`))
      .map((words, k) => (k % 2 ? set(element('bdi', words), { lang }) : words))), [text]);
  return say;
}

// A question before the answer; it can be skipped. state.answer is `kept(() => -1)`, tell(answer) is the text that
// follows, its answer null where the reader skipped.
function question({ state, say, options, tell, ask = say('question') }) {
  const node = markup`<div class="live-bet"></div>`;
  const show = (k) => node.replaceChildren(markup`<p tabindex="-1">${
    k < options.length ? [...say.quoting(say('said', { answer: options[k] })), ' '] : ''}${
    say.quoting(tell(options[k] ?? null))}</p>`);
  const answer = (k) => () => {
    state.answer = k;
    show(k);
    node.firstChild.focus();
  };
  if (state.answer >= 0) show(state.answer);
  else node.append(markup`<p>${ask}</p>`, markup`<span class="live-answers">${
    options.map((text, k) => button(say.quoting(text), answer(k)))} ${
    quietButton(say('skip'), answer(options.length))}</span>`);
  return node;
}

// A figure's module: export default live({ load, fields, build }).
//   load(model) -> data, once.   fields(data) -> the parts of its state, by name.
//   build({ model, data, state, say, language, changed }) -> { node, numbers, stop, begin }, anew for each language,
//   Reset or link.
// node: <div class="live-body">. numbers(): tables of what is drawn now, [{ title, head, rows }]. stop(): it goes.
// begin(): it has come, and no link has brought the reader. changed(): to be called when it has drawn.
function live({ load = () => ({}), fields = () => ({}), build }) {
  async function render({ model, el }) {
    const data = await load(model), kinds = fields(data);
    const name = model.anchor, gone = new AbortController();
    let language = [remembered(), document.documentElement.lang.slice(0, 2), 'en'].find((one) => one in WORDS);
    let state = linked(name, kinds), shown, waiting;
    const met = !state, link = () => linkTo(name, kinds, state);
    const foot = footPart({ name, link, shown: () => shown, reset: () => open(begun(kinds)) });
    const changed = () => {
      waiting ??= requestAnimationFrame(() => {
        waiting = undefined;
        foot.draw();
      });
    };
    function open(next) {
      const say = speaker(language), before = shown;
      before?.stop?.();
      [state, el.lang] = [next, language];
      shown = build({ model, data, state, say, language, changed });
      if (before) before.node.replaceWith(shown.node);
      else el.append(shown.node, foot.node);
      foot.speak(say, language);
    }
    on(document, 'live-language', ({ detail }) => {
      language = detail;
      open(state);
    }, gone);
    on(window, 'hashchange', () => {
      const next = linked(name, kinds);
      if (next && linkTo(name, kinds, next) !== link()) open(next);
    }, gone);
    goLive(el);
    open(state ?? begun(kinds));
    if (met) shown.begin?.();
    return () => {
      gone.abort();
      shown.stop?.();
      shown.leave?.();
    };
  }
  return { render };
}

// The language chosen last, in any figure of the site. remembered(language) keeps it, where the browser lets us.
function remembered(language) {
  try {
    return language ? (localStorage.liveLanguage = language) : localStorage.liveLanguage;
  } catch {
    return undefined;
  }
}

// Reset, link, numbers, picture, language. A link belongs to a page: in Jupyter, where the model has no anchor, there
// is none.
function footPart({ name, link, shown, reset }) {
  let say;
  const file = name ?? 'figure', status = markup`<p class="live-note" role="status"></p>`;
  const table = markup`<div class="live-table" role="region" tabindex="0"></div>`;
  const csv = quietButton('', () =>
    save(new Blob(['\ufeff', shown().numbers().map(commas).join('\n')], { type: 'text/csv' }), `${file}.csv`));
  const tables = markup`<div hidden>${[table, csv]}</div>`;
  const keys = {
    reset: quietButton('', () => {
      reset();
      status.textContent = say('wasReset');
    }),
    ...(name && { link: on(markup`<a class="live-button live-quiet" href="#"></a>`, 'click', share) }),
    numbers: quietButton('', () => {
      tables.hidden = !tables.hidden;
      draw();
    }),
    picture: quietButton('', async () => save(await pictureOf(shown().node), `${file}.png`)),
  };
  const tongue = element('select', Object.entries(WORDS).map(([code, { tongue }]) =>
    set(element('option', tongue), { value: code, lang: code })));
  on(tongue, 'change', () => {
    remembered(tongue.value);
    document.dispatchEvent(new CustomEvent('live-language', { detail: tongue.value }));
  });
  const node = markup`<div class="live-foot" role="group"><div class="live-foot-keys">${
    [...Object.values(keys), tongue]}</div>${status}${tables}</div>`;

  async function share(event) {
    event.preventDefault();
    history.replaceState(null, '', link());
    status.textContent = say(await navigator.clipboard?.writeText(location.href).then(() => 'copied', () => 'linked')
      ?? 'linked');
  }
  function draw() {
    if (name) set(keys.link, { href: link() });
    set(keys.numbers, { 'aria-expanded': !tables.hidden });
    if (!tables.hidden) table.replaceChildren(...shown().numbers().map((one) => tableOf(one, say)));
  }
  function speak(next, language) {
    say = next;
    for (const [key, control] of Object.entries({ ...keys, csv })) control.textContent = say(key);
    for (const [part, key] of [[node, 'foot'], [table, 'numbers'], [tongue, 'language']]) {
      set(part, { 'aria-label': say(key) });
    }
    tongue.value = language;
    status.textContent = '';
    draw();
  }
  return { node, draw, speak };
}

// ---- What a figure shows, to take away ---------------------------------------------------------------------------------

const minus = (value) => String(value).replace(/-(?=[\d.])/g, '−');

function tableOf({ title, head, rows }, say) {
  const cell = (tag, value) => element(tag, say.quoting(minus(value)));
  const cells = (row, scope, first) => element('tr',
    row.map((value, k) => (k < first ? set(cell('th', value), { scope }) : cell('td', value))));
  return element('table', cell('caption', title), element('thead', cells(head, 'col', head.length)),
    element('tbody', rows.map((row) => cells(row, 'row', 1))));
}

// A table as CSV (RFC 4180): its title, its head, its rows.
const commas = ({ title, head, rows }) => [[title], head, ...rows]
  .map((row) => row.map((cell) => `"${String(cell).replaceAll('"', '""')}"`).join()).join('\n');

function save(blob, download) {
  const href = URL.createObjectURL(blob);
  Object.assign(document.createElement('a'), { href, download }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

// The pictures, charts, numbers and words of a node as they stand on the screen, without its controls: a PNG.
async function pictureOf(node) {
  const seen = [...node.querySelectorAll('*')].filter((part) => part.checkVisibility() && !part.closest(CONTROLS)
    && (part.tagName === 'text' || !part.parentElement.closest('svg')));
  const { left: x, top: y, right } = node.getBoundingClientRect();
  const edge = parseFloat(getComputedStyle(node).paddingTop), wide = right - x;
  const tall = Math.max(...seen.filter((part) => !part.querySelector(CONTROLS))
    .map((part) => part.getBoundingClientRect().bottom)) - y + edge;
  const scale = Math.min(2, Math.sqrt(16e6 / wide / tall));
  const canvas = Object.assign(document.createElement('canvas'), { width: wide * scale, height: tall * scale });
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
  for (const part of [node, ...seen]) {
    const { left, top, width, height } = part.getBoundingClientRect();
    const look = getComputedStyle(part);
    pen.fillStyle = look.backgroundColor;
    pen.fillRect(left, top, width, height);
    pen.imageSmoothingEnabled = look.imageRendering !== 'pixelated';
    if (part.tagName === 'CANVAS') pen.drawImage(part, left, top, width, height);
    else if (part.tagName === 'svg') pen.drawImage(await imageOf(part, width, height), left, top, width, height);
    else writeWords(pen, part, look);
  }
  return new Promise((done) => canvas.toBlob(done));
}
const CONTROLS = 'button, select, input, .live-choice, .live-time, .live-hidden, .live-bet';

// A chart's lines as an image of its own, which knows no style sheet and no fonts.
async function imageOf(svg, width, height) {
  const copy = set(svg.cloneNode(true), { xmlns: 'http://www.w3.org/2000/svg', width, height });
  const copies = [copy, ...copy.querySelectorAll('*')];
  [svg, ...svg.querySelectorAll('*')].forEach((part, k) => {
    for (const name of DRAWN) copies[k].style.setProperty(name, getComputedStyle(part).getPropertyValue(name));
  });
  for (const text of copy.querySelectorAll('text')) text.remove();
  const image = Object.assign(new Image(), {
    src: `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}` });
  await image.decode();
  return image;
}
const DRAWN = ['display', 'fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linecap', 'opacity',
  'vector-effect'];

// Each word where it stands; a chart's have its scale.
function writeWords(pen, part, look) {
  const size = parseFloat(look.fontSize) * (part.getScreenCTM?.().a ?? 1);
  [pen.fillStyle, pen.font] = [part.getScreenCTM ? look.fill : look.color,
    `${look.fontStyle} ${look.fontWeight} ${size}px ${look.fontFamily}`];
  for (const node of part.childNodes) {
    for (const { 0: word, index } of (node.nodeType === 3 ? node.data : '').matchAll(/\S+/g)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const { left, bottom } = range.getBoundingClientRect();
      pen.fillText(word, left, bottom - pen.measureText(word).fontBoundingBoxDescent);
    }
  }
}
