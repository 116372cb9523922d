// Draws formulas with MathJax:  node typeset.mjs PACKAGE.JSON < pages > drawn
// In: a JSON list of pages, each a list of [TeX, on a line of its own]. Out: for each page { formulas: [HTML], shapes
// }, where shapes are the outlines of the page's letters, to which its formulas refer. TeX that is wrong ends the run
// with a message.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const mathjax = await createRequire(process.argv[2])('mathjax').init({
  loader: { load: ['input/tex-full', 'output/svg', 'a11y/assistive-mml'] },
  tex: { formatError: (jax, error) => { throw error; } },
  svg: { fontCache: 'global' },
});
const { output, adaptor } = mathjax.startup;

// What only MathJax itself would read is left out, groups of one too: it is more than half of the bytes.
function lean(html) {
  const unread =
    / (?:(?:data-[\w-]+|xmlns(?::xlink)?|focusable|role|unselectable|jax)="[^"]*"|id="mjx-eqn:[^"]*"|class="(?:MathJax|MJX)[^"]*")/g;
  const bare = html.replace(unread, '').replaceAll('xlink:href', 'href').replace(/><\/(use|rect|path)>/g, '/>');
  let before, after = bare;
  do {
    before = after;
    after = before.replace(/<g>((?:<use [^>]*\/>)?)<\/g>/g, '$1');
  } while (after !== before);
  return after;
}

function draw([tex, display]) {
  try {
    return lean(adaptor.outerHTML(mathjax.tex2svg(tex, { display })));
  } catch (error) {
    console.error(`${error.message}: ${tex}`);
    process.exit(1);
  }
}

const pages = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(pages.map((page) => {
  output.clearFontCache();
  const formulas = page.map(draw);
  return { formulas, shapes: adaptor.innerHTML(output.fontCache.getCache()).replaceAll('></path>', '/>') };
})));
