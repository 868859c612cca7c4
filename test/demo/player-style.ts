/** The look of the player page. */
export const playerStyle = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f4f2ec, #14181a);
  --card: light-dark(#fffdf8, #1c2224);
  --ink: light-dark(#1e2a2c, #e8ece9);
  --quiet: light-dark(#66716f, #93a09e);
  --line: light-dark(#e0dcd1, #2c3437);
  --water: light-dark(#12786e, #4cc2b2);
  --pale: light-dark(#c9d8d2, #34474a);
  --warn: light-dark(#b3441e, #f08a5d);
}
*, ::before, ::after { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
.kicker { margin: 0; color: var(--water); font-weight: 600; letter-spacing: .06em; font-size: .85rem; }
h1 { margin: .1rem 0 1.5rem; font-size: clamp(1.9rem, 6vw, 2.9rem); line-height: 1.1; letter-spacing: -.02em; }
h2 { margin: 0 0 .75rem; font-size: 1rem; }
small { display: block; color: var(--quiet); font-size: .8rem; font-weight: 400; }
.route { display: flex; list-style: none; margin: 0 0 1.5rem; padding: 0; font-weight: 600; font-size: .95rem; }
.route li { flex: 1; position: relative; padding-top: 1.5rem; }
.route li:last-child { flex: 0 0 auto; }
.route li::before {
  content: ""; position: absolute; z-index: 1; top: .2rem; left: 0; width: 1rem; height: 1rem;
  border-radius: 50%; background: var(--ground); border: 3px solid var(--water);
}
.route li:not(:last-child)::after {
  content: ""; position: absolute; top: calc(.7rem - 1.5px); left: 1.2rem; right: .2rem; height: 3px;
  background: repeating-linear-gradient(90deg, var(--pale) 0 8px, transparent 8px 16px);
}
.route.flowing li:not(:last-child)::after {
  background-image: repeating-linear-gradient(90deg, var(--water) 0 8px, transparent 8px 16px);
  background-size: 16px 3px; animation: flow .6s linear infinite;
}
@keyframes flow { from { background-position-x: 16px; } to { background-position-x: 0; } }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: 1.25rem; margin-bottom: 1rem;
}
.wave { display: flex; align-items: center; gap: 2px; height: 84px; margin-bottom: 1rem; cursor: pointer; }
.wave i { flex: 1; min-height: 3px; border-radius: 2px; background: var(--pale); }
.wave i.played { background: var(--water); }
audio { display: block; width: 100%; }
.seek { margin: 1rem 0 0; color: var(--quiet); font-size: .9rem; }
button {
  font: inherit; font-weight: 600; color: var(--water); background: none; cursor: pointer;
  border: 1px solid var(--pale); border-radius: 8px; padding: .2rem .7rem; margin-left: .35rem;
}
button:hover:not(:disabled) { border-color: var(--water); }
button:focus-visible { outline: 3px solid var(--water); outline-offset: 2px; }
button:disabled { opacity: .5; cursor: default; }
.numbers { display: grid; grid-template-columns: repeat(3, 1fr); margin: 1.5rem 0; }
.numbers div { padding: 0 1.25rem; border-left: 1px solid var(--line); }
.numbers div:first-child { border: 0; }
.numbers b { display: block; font-size: clamp(1.3rem, 4vw, 1.8rem); letter-spacing: -.02em; white-space: nowrap; }
.numbers span { color: var(--quiet); font-size: .9rem; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th { text-align: left; font-weight: 400; color: var(--quiet); padding: 0 .5rem .3rem 0; }
td { border-top: 1px solid var(--line); padding: .35rem .5rem .35rem 0; }
td.range { font-family: ui-monospace, monospace; font-size: .85em; word-break: break-all; }
td.size, td.state { white-space: nowrap; }
td.state { text-align: right; color: var(--quiet); }
td.state.running { color: var(--water); font-weight: 600; }
td.empty { color: var(--quiet); padding: .6rem 0; }
.check { display: flex; gap: 1.25rem; align-items: center; flex-wrap: wrap; }
.check button { margin: 0; padding: .5rem 1rem; }
.check p { flex: 1; min-width: 14rem; margin: 0; color: var(--quiet); font-size: .9rem; overflow-wrap: anywhere; }
.check p.equal { color: var(--water); } .check p.different { color: var(--warn); }
@media (max-width: 34rem) {
  .numbers div { padding: 0 .6rem; } .numbers div:first-child { padding-left: 0; }
  .route { font-size: .8rem; } .route li { padding-right: .3rem; }
}
@media (prefers-reduced-motion: reduce) { .route.flowing li::after { animation: none; } }
`;
