// What a page does besides its figures: light or dark, where the reader is, copying code. It reads well without all of this.

const root = document.documentElement;

// Light or dark: as the system has it, until the reader chooses.
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', ({ matches }) => {
  if (!stored()) root.dataset.theme = matches ? 'dark' : 'light';
});
document.querySelector('.to-theme').addEventListener('click', () => {
  root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
  try { localStorage.setItem('theme', root.dataset.theme); } catch { /* no storage: for this page only */ }
});
function stored() { try { return localStorage.getItem('theme'); } catch { return null; } }

// The list of places on this page marks the one that is being read; a tap on a place closes the list on a phone.
const places = document.getElementById('places');
if (places) {
  const links = [...places.querySelectorAll('a')];
  const targets = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
  const mark = () => {
    const passed = targets.findLastIndex((target) => target && target.getBoundingClientRect().top < innerHeight / 4);
    links.forEach((link, i) => (i === passed ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current')));
  };
  let waiting = false;
  addEventListener('scroll', () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; mark(); });
    waiting = true;
  }, { passive: true });
  mark();
  places.addEventListener('click', ({ target }) => { if (target.closest('a') && places.matches(':popover-open')) places.hidePopover(); });
}

// In the list of pages this page is in sight. (scrollIntoView would move the page too.)
const menu = document.getElementById('menu'), current = menu.querySelector('a.current');
const show = () => { if (current) menu.scrollTop = current.offsetTop - menu.clientHeight / 2; };
menu.addEventListener('toggle', show);
show();

// Code can be copied, without the outputs below it.
if (navigator.clipboard) {
  for (const block of document.querySelectorAll('.highlight-python, .highlight-ipython3, .highlight-sh')) {
    const button = Object.assign(document.createElement('button'), { type: 'button', className: 'copy', textContent: 'Copy' });
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(block.querySelector('pre').textContent.trimEnd());
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
    block.append(button);
  }
}

// What is too wide for the screen can be scrolled by keyboard too.
const reach = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0; else target.removeAttribute('tabindex');
  }
});
for (const wide of document.querySelectorAll('.bd-article :is(pre, .wide, div.math)')) reach.observe(wide);
