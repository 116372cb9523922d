// The book's models in the page: what `diffusion_lib.engine.pack` wrote, run by engine/unet.c, led from static to
// picture. It stands behind _shared.js, whose numbers it draws, and it knows nothing of pages: Worker and fetch are all
// it asks for.

// ---- The file: JSON, walks (float64), weights (float16) ------------------------------------------------------------

// The twin of Python's: whole words of 32 bits, of which a change of any one changes it.
function checksum(words) {
  let sum = 0;
  for (let i = 0; i < words.length; i++) sum = (sum + Math.imul(words[i], 2 * i + 1)) | 0;
  return sum >>> 0;
}

// bytes: an ArrayBuffer. Throws where the file is cut off, damaged, or not one of ours.
function unpack(bytes) {
  const damaged = (why) => new Error(`this is no model file, or a damaged one: ${why}`);
  if (bytes.byteLength < 4) throw damaged('it is empty');
  const length = new DataView(bytes).getUint32(0, true), begin = 4 + length;
  if (begin % 8 || begin > bytes.byteLength) throw damaged('its first bytes make no sense');
  let about;
  try {
    about = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  } catch {
    throw damaged('its head is unreadable');
  }
  const rows = about.steps * (about.steps + 3) / 2, end = begin + 32 * rows + 4 * Math.ceil(about.weights / 2);
  if (about.format !== 2 || end !== bytes.byteLength) throw damaged(`it has ${bytes.byteLength} bytes, not ${end}`);
  if (checksum(new Uint32Array(bytes, begin, (end - begin) / 4)) !== about.sum) {
    throw damaged('its checksum is another');
  }
  const halves = new Uint16Array(bytes, begin + 32 * rows, about.weights);
  return { ...about, walks: new Float64Array(bytes, begin, 4 * rows), halves };
}

// The network itself: ask(x, log-SNR, wish) -> y, or ask(x) -> a judge's answers. wasm: bytes of unet.wasm, or a
// compiled module.
// kept: room for the looks at words, in numbers; ask(x, log-SNR, wish, kept) -> [y, looks]. See `watched`.
async function startNetwork(wasm, { shape, halves, answers }) {
  const made = await WebAssembly.instantiate(wasm, { Math });
  const c = (made.instance ?? made).exports;
  new Int32Array(c.memory.buffer, c.shape(), shape.length).set(shape);
  const at = c.load(halves.length);
  new Uint16Array(c.memory.buffer, at, halves.length).set(halves);
  c.unfold();
  return (x, logSnr = 0, wish = [], kept = 0) => {
    new Float32Array(c.memory.buffer, c.picture(), x.length).set(x);
    new Int32Array(c.memory.buffer, c.wish(), wish.length).set(wish);
    const y = c.answer(wish.length, logSnr, kept);
    const numbers = (at, count) => new Float32Array(c.memory.buffer, at, count).slice();
    if (!y) throw new Error('the weights are not those of this network');
    return kept ? [numbers(y, x.length), numbers(c.looks(), kept)] : numbers(y, answers ?? x.length);
  };
}

// The same in Workers, so that the page stays awake: a question goes in, an answer comes out, and whoever wants to stop
// asks no more. Guidance asks two questions at a time; with two workers both are answered at once.
// Their source is that of the function above: nothing has to be fetched. close() gives all memory back.
function hireWorkers(wasm, model, count = 1) {
  const body = `${startNetwork}
    let ask;
    onmessage = async ({ data: { id, start, query } }) => {
      try {
        if (start) { ask = await startNetwork(...start); postMessage({ id }); } else postMessage({ id, y: ask(...query) });
      } catch (error) { postMessage({ id, error: String(error.message ?? error) }); }
    };`;
  const address = URL.createObjectURL(new Blob([body], { type: 'text/javascript' }));
  const waiting = new Map();
  let next = 0, closed = false;
  const post = (worker, message) => new Promise((resolve, reject) => {
    if (closed) throw new Error('closed');
    waiting.set(++next, { resolve, reject });
    worker.postMessage({ id: next, ...message });
  });
  const fail = (message) => {
    for (const { reject } of waiting.values()) reject(new Error(message));
    waiting.clear();
  };
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(address);
    worker.onmessage = ({ data: { id, y, error } }) => {
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(error)); else resolve?.(y);
    };
    worker.onerror = (event) => fail(event.message ?? 'the worker could not start');
    return worker;
  });
  const { shape, halves, answers } = model, begin = (start) => workers.map((worker) => post(worker, { start }));
  const ready = Promise.all(begin([wasm, { shape, halves, answers }])).finally(() => URL.revokeObjectURL(address));
  ready.catch(() => {});                                     // whoever awaits it hears of it; nobody has to
  let turn = 0;
  return { ready, ask: (...query) => post(workers[turn++ % count], { query }), close: () => {
    closed = true;
    for (const worker of workers) worker.terminate();
    fail('closed');
  } };
}

// ---- For figures: the road from the page's address, or from the kernel, to a network that answers ---------------------

// What a reader is told when a model does not come. Each takes the detail that is known.
const TROUBLE = {
  en: {
    file: () => 'This page was opened from a file, and a browser lets no file read another one. '
      + 'Served by any web server, for example with "make book", it runs.',
    missing: (status) => `The model is not where this page expects it: the server answered ${status}.`,
    offline: () => 'The connection failed before the model had arrived. Try again.',
    damaged: (why) => `What arrived is not the model: ${why}. Try again.`,
    browser: (why) => `This browser cannot run the model: ${why}.`,
    kernel: () => 'The model comes from the kernel of the notebook, which has not sent it: run this cell again.',
  },
  te: {
    file: () => 'ఈ పేజీని ఫైల్‌గా తెరిచారు; ఒక ఫైల్ మరో ఫైల్‌ను చదవడానికి బ్రౌజర్ ఒప్పుకోదు. ఏ వెబ్ సర్వర్ నుంచి తెరిచినా (ఉదాహరణకు "make book") ఇది పని చేస్తుంది.',
    missing: (status) => `మోడల్ ఉండాల్సిన చోట లేదు: సర్వర్ ఇచ్చిన జవాబు ${status}.`,
    offline: () => 'మోడల్ పూర్తిగా రాకముందే కనెక్షన్ ఆగిపోయింది. మళ్ళీ ప్రయత్నించండి.',
    damaged: () => 'వచ్చిన ఫైల్ పాడైంది, అది మోడల్ కాదు. మళ్ళీ ప్రయత్నించండి.',
    browser: () => 'ఈ బ్రౌజర్ మోడల్‌ను నడపలేదు.',
    kernel: () => 'మోడల్ నోట్‌బుక్ కెర్నెల్ నుంచి రావాలి, ఇంకా రాలేదు: ఈ సెల్‌ను మళ్ళీ నడపండి.',
  },
};

const trouble = (code, detail = '') => Object.assign(new Error(TROUBLE.en[code](detail)), { code, detail });

// The sentence in the reader's language; what is no trouble of a model's says its own message.
const troubleIn = (error, lang = 'en') => (TROUBLE[lang] ?? TROUBLE.en)[error.code]?.(error.detail) ?? error.message;

// The bytes at an address, with progress(bytes so far, all bytes or 0 where nobody said).
async function fetchBytes(address, progress = () => {}, signal, options = {}) {
  if (new URL(address, location.href).protocol === 'file:') throw trouble('file');
  const broken = (error) => { throw error.name === 'AbortError' ? error : trouble('offline'); };
  const response = await fetch(address, { ...options, signal }).catch(broken);
  if (!response.ok) throw trouble('missing', response.status);
  const all = response.headers.get('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length') ?? 0);
  const parts = [], reader = response.body.getReader();
  let length = 0;
  for (let part = await reader.read().catch(broken); !part.done; part = await reader.read().catch(broken)) {
    parts.push(part.value);
    progress((length += part.value.length), all);
  }
  return new Blob(parts).arrayBuffer();
}

// Files that are named by their content stay on the browser's shelf, where it has one (not in every private window, and
// not over http from another machine). A new version throws the old one off.
const shelf = async () => globalThis.caches?.open('out-of-static');
const fromShelf = async (address) => (await (await shelf())?.match(address))?.arrayBuffer();
const withoutHash = (address) => address.replace(/\.[0-9a-f]{12}\.\w+$/, '');

async function toShelf(address, content) {
  const place = await shelf();
  for (const { url } of await place?.keys() ?? []) {
    if (withoutHash(url) === withoutHash(address)) await place.delete(url);
  }
  await place?.put(address, new Response(content));
}

// One file of the figure's trait `models`, from the kernel, the shelf or the server; read(bytes) throws where it is
// damaged.
async function bring(model, name, read, progress, signal) {
  const { file, bytes, content } = model.get('models')?.[name] ?? {}, base = model.get('_static');
  if (content) return read(
    new Uint8Array(content.buffer ?? content, content.byteOffset, content.byteLength).slice().buffer);
  if (!file || !base) throw trouble('kernel');
  const address = new URL(file, base).href, kept = await fromShelf(address).catch(() => null);
  if (kept?.byteLength === bytes) try {
    return await read(kept);
  } catch { /* then it is fetched again */ }
  const fetching = async (options) => {
    const fetched = await fetchBytes(address, progress, signal, options);
    if (fetched.byteLength !== bytes) throw trouble('damaged', `it has ${fetched.byteLength} bytes, not ${bytes}`);
    try {
      return [fetched, await read(fetched)];
    } catch (error) {
      throw error.code ? error : trouble('damaged', error.message);
    }
  };
  const again = () => fetching({ cache: 'reload' });          // past what the browser itself has kept of it
  const [fetched, made] = await (kept ? again() : fetching().catch((error) => {
    if (error.code === 'damaged') return again();
    throw error;
  }));
  toShelf(address, fetched).catch(() => {});                 // no room: it is fetched again next time
  return made;
}

// A module of 31 bytes that any WebAssembly with SIMD takes.
const SIMD = Uint8Array.from(atob('AGFzbQEAAAABBQFgAAF7AwIBAAoKAQgAQQD9D/1iCw=='), (c) => c.charCodeAt(0));

function readEngine(bytes, sum) {
  if (!globalThis.WebAssembly?.validate(SIMD)) throw trouble('browser', 'it lacks WebAssembly with SIMD');
  const whole = new Uint8Array(4 * Math.ceil(bytes.byteLength / 4));
  whole.set(new Uint8Array(bytes));
  if (checksum(new Uint32Array(whole.buffer)) !== sum) throw new Error('its checksum is another');
  return bytes;
}

// The promise, or AbortError as soon as the signal says so.
function unlessStopped(promise, signal) {
  if (!signal) return promise;
  let stop;
  const stopped = new Promise((_, reject) => { stop = () => reject(signal.reason); });
  if (signal.aborted) stop(); else signal.addEventListener('abort', stop);
  return Promise.race([promise, stopped]).finally(() => signal.removeEventListener('abort', stop));
}

// What was opened stands in a list of the whole page, because each figure is a module of its own. All who open the same
// share it; whoever comes last to close() closes it, or stops its coming.
const OPENED = (globalThis.outOfStaticOpened ??= new Map());

async function share(model, name, make, { progress = () => {}, signal } = {}) {
  signal?.throwIfAborted();
  const { unet, [name]: own } = model.get('models') ?? {};
  if (!unet || !own) throw trouble('kernel');
  const stop = new AbortController();
  const begun = { listeners: new Set(), engine: 0, weights: 0, close: () => stop.abort() };
  const one = OPENED.get(own.file) ?? begun;
  const forget = () => { if (OPENED.get(own.file) === one) OPENED.delete(own.file); };
  const listener = () => progress(one.engine + one.weights, unet.bytes + own.bytes);
  const close = () => {
    if (!one.listeners.delete(listener) || one.listeners.size) return;
    forget();
    one.close();
  };
  one.listeners.add(listener);
  if (one.made) listener();
  else {
    OPENED.set(own.file, one);
    const count = (part) => (bytes) => {
      one[part] = bytes;
      for (const tell of one.listeners) tell();
    };
    const readUnet = (bytes) => readEngine(bytes, unet.sum);
    one.made = Promise.all([
      bring(model, 'unet', readUnet, count('engine'), stop.signal),
      bring(model, name, unpack, count('weights'), stop.signal),
    ]).then(async ([wasm, file]) => {
      stop.signal.throwIfAborted();
      count('engine')(unet.bytes);
      count('weights')(own.bytes);
      let made;
      try {
        made = make(wasm, file);
        one.close = made.close;
        await made.ready;
      } catch (error) {
        made?.close();
        throw trouble('browser', error.message);
      }
      return made;
    });
    one.made.catch(forget);
  }
  try {
    return { ...await unlessStopped(one.made, signal), close };
  } catch (error) {
    close();
    throw error;
  }
}

// A model that answers: { file, ask, close } for `walk(ask, file, ...)`. model: the figure's, whose Python wrote
// `present(..., models=(name,))`. options: { progress(bytes so far, all bytes), signal }. Throws what TROUBLE says, or
// AbortError.
// close() gives the memory back once every figure that opened it has closed it.
const openModel = (model, name, options) => share(model, name, (wasm, file) => {
  const network = hireWorkers(wasm, file, (navigator.hardwareConcurrency ?? 1) >= 4 ? 2 : 1);
  return { ...network,
    file: { ...file, walks: file.walks.slice(), halves: null } };  // the weights are the workers' now
}, options);

// What a judge sees in a picture: { see(x0) -> { animal: Float64Array of probabilities, ... }, questions, close }.
const openJudge = (model, options, name = 'pets32-classifier') => share(model, name, (wasm, file) => {
  const network = hireWorkers(wasm, file), { questions } = file;                           // here too
  return { ...network, questions, see: async (x) => sharesOf(questions, await network.ask(x)) };
}, options);

// softmax, a question at a time.
function sharesOf(questions, logits) {
  let next = 0;
  return Object.fromEntries(Object.entries(questions).map(([name, { length }]) => {
    const own = Float64Array.from(logits.subarray(next, (next += length))), most = Math.max(...own);
    const powers = own.map((y) => Math.exp(y - most)), sum = powers.reduce((a, b) => a + b);
    return [name, powers.map((p) => p / sum)];
  }));
}

// ---- Words: the twin of diffusion_lib/words.py ----------------------------------------------------------------------

const splitWords = (text) =>
  text.normalize('NFC').toLowerCase().replace(/[\u200c\u200d]/g, '').match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];

// Words as arrays of letters: whether a letter left out, added or changed, or two neighbours swapped, makes a into b.
function oneSlip(a, b) {
  const same = (i, j) => {
    if (a.length - i !== b.length - j) return false;
    while (i < a.length && a[i] === b[j]) { i++; j++; }
    return i >= a.length;
  };
  if (Math.abs(a.length - b.length) > 1 || same(0, 0)) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return same(at + 1, at + 1) || same(at + 1, at) || same(at, at + 1)
    || (at + 1 < a.length && a[at] === b[at + 1] && a[at + 1] === b[at] && same(at + 2, at + 2));
}

// Vocabulary.read: the known words in their order, whether they say anything, and what was done to the others. sense:
// what words mean, what is read instead of others, the subjects, and what a longer word may be by a slip, and what a
// shorter one.
function readWords(text, { words, length, sense: [meanings, others, subjects, long, short] }) {
  const means = new Map(meanings), instead = new Map(others);
  const picked = (word, pool) => {
    if ([...word].length < 4 !== (pool === short)) return null;           // SHORTEST_REPAIRED
    const near = pool.filter((known) => oneSlip([...word], [...known]));
    const telling = near.filter((known) => means.has(known));
    const some = telling[0] ? telling : near;
    return new Set(some.map((known) => means.get(known) ?? known)).size === 1 ? some[0] : null;
  };
  let read = splitWords(text).map((word) =>
    [word, instead.get(word) ?? (words.includes(word) ? word : picked(word, long))]);
  if (!read.some(([, m]) => subjects.includes(m))) read = read.map(([word, m]) => [word, m ?? picked(word, short)]);
  const all = read.filter(([, m]) => m).map(([, m]) => m), known = all.slice(0, length);
  return {
    says: known.some((word) => means.has(word)),
    words: known, numbers: known.map((word) => words.indexOf(word) + 1),
    repaired: read.filter(([word, m]) => m && m !== word),
    unknown: [...new Set(read.filter(([, m]) => !m).map(([word]) => word))],
    tooMany: all.length - known.length,
  };
}

// A network and a judge together, in `kept.network` and `kept.judge`, from when somebody first asks until `closeBoth`.
// progress: told the bytes of both, [so far, all].
async function openBoth(kept, model, name, { progress, signal }) {
  const models = model.get('models') ?? {};
  const whole = (file) => [0, ['unet', file].reduce((sum, one) => sum + (models[one]?.bytes ?? 0), 0)];
  const far = [whole('pets32-classifier'), whole(name)];
  const of = (who) => (...bytes) => {
    far[who] = bytes;
    progress([0, 1].map((i) => far[0][i] + far[1][i]));
  };
  kept.judge ??= await openJudge(model, { progress: of(0), signal });
  return kept.network ??= await openModel(model, name, { progress: of(1), signal });
}
function closeBoth(kept) {
  kept.network?.close();
  kept.judge?.close();
  kept.network = kept.judge = null;
}

// How many letters two words share, longest run first, and the known words most like one: words.py, `nearest`.
function lettersShared(a, b) {
  let [most, i, j] = [0, 0, 0];
  a.forEach((_, k) => b.forEach((_, l) => {
    let run = 0;
    while (k + run < a.length && a[k + run] === b[l + run]) run++;
    if (run > most) [most, i, j] = [run, k, l];
  }));
  return most && most + lettersShared(a.slice(0, i), b.slice(0, j))
    + lettersShared(a.slice(i + most), b.slice(j + most));
}

const nearWords = (word, words) => words
  .map((known) => [2 * lettersShared([...known], [...word]) / ([...known].length + [...word].length), known])
  .sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([ratio], i) => !i || ratio >= 0.6).map(([, known]) => known);

const NAMED_UNKNOWN = 8;                                     // words, one by one

// What the network reads in a text, and what was done to its words, a sentence each: Vocabulary.read with its notices.
// wording: `notices` in figures/dream_machine.py, of one language.
function heardOf(text, vocabulary, wording) {
  const { says, words, repaired, unknown, tooMany } = readWords(text, vocabulary), notices = new Set();
  const tell = (key, things) => wording[key].replace(/\{(\w+)(!r)?\}/g,
    (_, name, quoted) => quoted ? `“${things[name]}”` : things[name]);
  for (const [word, meant] of repaired) notices.add(tell('repaired', { word, meant }));
  for (const word of unknown.slice(0, NAMED_UNKNOWN).map((letters) => [...letters].slice(0, 40).join(''))) {
    notices.add(tell('unknown', {
      word, near: nearWords(word, vocabulary.sense[0].map(([known]) => known)).join(', ') }));
  }
  if (unknown.length > NAMED_UNKNOWN) notices.add(tell('more_unknown', { count: unknown.length - NAMED_UNKNOWN }));
  if (tooMany) notices.add(tell('too_long', { length: vocabulary.length, count: words.length + tooMany }));
  return { said: says ? text : null,
    heard: tell(says ? 'heard' : 'heard_nothing', { words: words.join(' ') }), notices: [...notices] };
}

// A wish as rows of the network's table: a text, or an attribute's number each (-1: unsaid), or null for "nothing".
function wishOf({ wish }, said) {
  if (wish.words) return said === null ? [] : readWords(said, wish).numbers;
  let next = 0;                                              // each table has one row more: its first is "unsaid"
  return (wish.sizes ?? []).map((size, i) => (next += size + 1) - size + (said === null ? -1 : said[i]));
}

// ---- Looks at words: the twin of networks/attention.py, `recorded` ---------------------------------------------------

// The blocks that look at words, in the order in which an answer keeps their looks.
function readersOf({ shape: [, size, , patch, , , , , , , , levels, ...rows] }) {
  const [widths, blocks, , reads] = [0, 8, 16, 24].map((from) => rows.slice(from, from + levels));
  const stage = (part, level) => ({
    name: `${part}.words`, side: (size / patch) >> level, heads: widths[level] / 32, reads: reads[level] });
  const way = (part) => blocks.map((count, level) =>
    Array.from({ length: count }, (_, b) => stage(`${part}.${level}.${b}`, level)));
  const middle = [0, 1].map((b) => stage(`middle.${b}`, levels - 1));
  return [...way('down'), middle, ...way('up').reverse()].flat().filter((one) => one.reads);
}

// The same `ask`, which tells where the places looked whenever words are asked for:
// tell([{ name, side, shares }, ...]), for each block its shares[head][token], a map of side x side places. Token 0 is
// the beginning; at each place they sum to 1.
function watched(ask, file, tell) {
  const readers = readersOf(file);
  return async (x, logSnr, wish) => {
    const tokens = wish.length + 1, room = ({ side, heads }) => heads * tokens * side ** 2;
    if (tokens < 2) return ask(x, logSnr, wish);
    const [y, looks] = await ask(x, logSnr, wish, readers.reduce((sum, one) => sum + room(one), 0));
    let next = 0;
    const cut = (count, part) => Array.from({ length: count }, part);
    const map = (area) => looks.subarray(next, (next += area));
    tell(readers.map(({ name, side, heads }) =>
      ({ name, side, shares: cut(heads, () => cut(tokens, () => map(side ** 2))) })));
    return y;
  };
}

// ---- The walk: the twins of denoisers.py, guidance.py and samplers.py -----------------------------------------------

// The stops of a walk of so many steps: what x_t is made of there (alpha, sigma), and what the network's answer (a, b).
function stopsOf({ walks, data_std: spread }, steps) {
  const first = (steps - 1) * (steps + 2) / 2;
  if (!(steps >= 1 && 4 * (first + steps) < walks.length)) {
    throw new Error(`a walk of ${steps} steps is not in the table of this model`);
  }
  return Array.from({ length: steps + 1 }, (_, k) => {
    const [alpha, sigma, a, b] = walks.subarray(4 * (first + k), 4 * (first + k) + 4);
    return {
      t: 1 - k / steps, alpha, sigma, a, b, det: alpha * b - sigma * a, scale: Math.hypot(alpha * spread, sigma),
      logSnr: Math.min(20, Math.max(-20, 2 * (Math.log(alpha) - Math.log(sigma)))),
    };
  });
}

// One question: x_t = alpha x0 + sigma eps and y = a x0 + b eps, solved for x0. eps follows from x0, but not where
// sigma is 0.
async function believe(ask, x, at, wish) {
  const y = await ask(scaled(x, 1 / at.scale), at.logSnr, wish);
  return { x0: blend(x, y, at.b / at.det, -at.sigma / at.det), eps: blend(y, x, at.alpha / at.det, -at.a / at.det) };
}

async function guided(ask, x, at, wish, nothing, guidance) {
  if (guidance === 1) return believe(ask, x, at, wish);
  const [said, unsaid] = await Promise.all([believe(ask, x, at, wish), believe(ask, x, at, nothing)]);
  const mix = (u, v) => blend(u, v, guidance, 1 - guidance);
  return { x0: mix(said.x0, unsaid.x0), eps: mix(said.eps, unsaid.eps) };
}

// Samplers: one step from `here` (x, at, x0, eps; before: the same one step earlier, or null) to the stop `s`.
const ddim = (here, s) => blend(here.x0, here.eps, s.alpha, s.sigma);

function dpmSolverPP2M({ x, at, x0, before }, s) {
  const half = (stop) => Math.log(stop.alpha) - Math.log(stop.sigma), h = half(s) - half(at);
  if (before && Number.isFinite(h)) {
    const lean = h / (2 * (half(at) - half(before.at)));
    x0 = blend(x0, before.x0, 1 + lean, -lean);
  }
  return blend(x, x0, s.sigma / at.sigma, -s.alpha * Math.expm1(-h));
}

// From static to picture: yields steps + 1 states { k, x, at, x0, eps }; the last is the picture and has no belief.
// What is not given is as in the terminal (`diffusion_lib sample`), which draws the same picture.
// ask: as `startNetwork` or `hireWorkers` give it. said: as in `wishOf`. x: where to begin, if not at the static of the
// seed.
// signal: of an AbortController; once it says so nothing more is asked, and AbortError is thrown.
async function* walk(ask, model,
  { said = null, seed = 7, steps = 30, guidance = 2, sampler = dpmSolverPP2M, x = null, signal } = {}) {
  const [channels, size] = model.shape, stops = stopsOf(model, steps);
  const wish = wishOf(model, said), nothing = wishOf(model, null);
  let before = null;
  x ??= scaled(staticOf(seed, channels * size * size), stops[0].sigma);
  for (let k = 0; k < steps; k++) {
    signal?.throwIfAborted();
    const at = stops[k], belief = guided(ask, x, at, wish, nothing, said === null ? 1 : guidance);
    const here = { k, x, at, before, ...await unlessStopped(belief, signal) };
    yield here;
    x = sampler(here, stops[k + 1]);
    before = { ...here, before: null };
  }
  yield { k: steps, x, at: stops[steps] };
}

export {
  unpack, startNetwork, hireWorkers, openModel, openJudge, troubleIn, fetchBytes, splitWords, readWords, wishOf,
  stopsOf, ddim, dpmSolverPP2M, walk, watched,
};
