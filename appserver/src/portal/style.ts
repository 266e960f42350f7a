/** The portal's one style sheet, served as /portal/style.css. Colours are variables; the system chooses light or dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #12151a);
  --surface: light-dark(#ffffff, #1a1f27);
  --line: light-dark(#dfe3e9, #2c333f);
  --text: light-dark(#1b212b, #e7ebf1);
  --muted: light-dark(#5a6575, #9aa6b7);
  --accent: light-dark(#1d5fbf, #7db2ff);
  --good: light-dark(#116b3a, #6fdb9f); --good-ground: light-dark(#dff5e8, #12351f);
  --warn: light-dark(#7a4d00, #ffcf70); --warn-ground: light-dark(#fff0cf, #3b2c0a);
  --bad: light-dark(#a11626, #ff9aa4); --bad-ground: light-dark(#fde3e6, #43161c);
  --idle: light-dark(#4c5665, #b3bdcb); --idle-ground: light-dark(#e9ecf1, #2a313c);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; background: var(--surface); padding: .5rem 1rem; z-index: 1; }
.top { display: flex; justify-content: space-between; align-items: center; gap: 1rem; padding: .75rem clamp(1rem, 4vw, 2.5rem); background: var(--surface); border-bottom: 1px solid var(--line); }
.brand { margin: 0; font-weight: 650; letter-spacing: -.01em; }
.brand a { color: inherit; text-decoration: none; display: flex; align-items: center; gap: .55rem; }
.mark { width: 1.1rem; height: 1.1rem; border-radius: 50%; border: .3rem solid var(--accent); border-right-color: transparent; transform: rotate(-45deg); }
main { max-width: 84rem; margin: 0 auto; padding: clamp(1rem, 3vw, 2rem) clamp(1rem, 4vw, 2.5rem); }
h1 { font-size: 1.5rem; letter-spacing: -.02em; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 0; }
.lead { margin: 0 0 1.5rem; color: var(--muted); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0 0 1.25rem; }
.figures div { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.figures dt { color: var(--muted); font-size: .82rem; }
.figures dd { margin: .1rem 0 0; font-size: 1.45rem; font-weight: 620; font-variant-numeric: tabular-nums; letter-spacing: -.02em; }
main > section { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; margin: 0 0 1.25rem; overflow: hidden; }
main > section > header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; padding: .8rem 1rem; border-bottom: 1px solid var(--line); }
section > header p { margin: 0; font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .5rem 1rem; vertical-align: top; }
td time, td code, .nowrap { white-space: nowrap; }
th { color: var(--muted); font-weight: 550; font-size: .8rem; white-space: nowrap; }
tbody tr { border-top: 1px solid var(--line); }
tbody tr:hover { background: color-mix(in srgb, var(--accent) 5%, transparent); }
td { overflow-wrap: anywhere; }
td code, .id { font: .87em ui-monospace, "DejaVu Sans Mono", monospace; white-space: nowrap; }
.pill { display: inline-block; padding: .05rem .55rem; border-radius: 999px; font-size: .8rem; font-weight: 560; white-space: nowrap; color: var(--idle); background: var(--idle-ground); }
.pill.good { color: var(--good); background: var(--good-ground); }
.pill.warn { color: var(--warn); background: var(--warn-ground); }
.pill.bad { color: var(--bad); background: var(--bad-ground); }
.pill.quiet { color: var(--idle); background: var(--idle-ground); }
.empty { margin: 0; padding: 1.25rem 1rem; color: var(--muted); }
.quiet { color: var(--muted); }
th.number, td.number { text-align: right; }
.hidden { position: absolute; left: -100vw; }
main > section.login { max-width: 26rem; margin: 8vh auto 0; background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 1.75rem; }
.login p { color: var(--muted); }
.login label { display: block; margin: 1.25rem 0 .3rem; font-weight: 550; }
.login input[type=password] { width: 100%; padding: .6rem .75rem; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 8px; }
.login .problem { color: var(--bad); background: var(--bad-ground); border-radius: 8px; padding: .5rem .75rem; }
button { font: inherit; font-weight: 560; cursor: pointer; padding: .55rem 1.1rem; margin-top: 1rem; border: 0; border-radius: 8px; color: light-dark(#fff, #0d1420); background: var(--accent); }
button.quiet { margin: 0; padding: .3rem .8rem; color: inherit; background: transparent; border: 1px solid var(--line); }
.top nav { display: flex; flex-wrap: wrap; gap: .25rem; margin-right: auto; }
.top nav a { color: var(--muted); text-decoration: none; padding: .3rem .7rem; border-radius: 8px; }
.top nav a:hover { color: var(--text); }
.top nav a[aria-current] { color: var(--text); background: var(--idle-ground); font-weight: 560; }
.search { display: flex; gap: .6rem; align-items: center; margin: 0 0 1.25rem; }
.search input, .decide input { padding: .35rem .6rem; font: inherit; color: inherit; background: var(--surface); border: 1px solid var(--line); border-radius: 8px; }
.search input { width: min(24rem, 60vw); }
.decide { display: flex; flex-wrap: wrap; gap: 2rem; align-items: end; padding: 1rem; }
.decide p { margin: 0 0 .3rem; color: var(--muted); }
.decide button { margin-top: 0; }
.facts { margin: 0; padding: .4rem 1rem; }
.facts div { display: grid; grid-template-columns: 8rem 1fr; gap: 1rem; padding: .25rem 0; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.notice { background: var(--good-ground); color: var(--good); border-radius: 8px; padding: .5rem .9rem; }
.lines { white-space: pre-line; }
pre { margin: 0; padding: 1rem; overflow: auto; max-height: 30rem; font: .87em ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
footer { padding: 1rem; text-align: center; color: var(--muted); font-size: .82rem; }
`.trimStart();
