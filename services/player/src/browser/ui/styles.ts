/** Looks of the player's surface, inside its shadow root: nothing leaks in or out. Colours can be set by custom properties. */
export const STYLES = `
:host { display: block; position: relative; contain: layout; container-type: inline-size;
  --accent: var(--weir-accent, #ff5a4e); --ink: #f4f4f2; --dim: #b4b6ba; --glass: rgb(14 15 18 / .78);
  font: 500 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink);
  background: #08090b; border-radius: var(--weir-radius, 12px); overflow: hidden; -webkit-tap-highlight-color: transparent; }
:host(:fullscreen) { border-radius: 0; }
:host([data-idle]) { cursor: none; }
.frame { position: relative; width: 100%; aspect-ratio: var(--ratio, 16 / 9); outline: none; }
:host(:fullscreen) .frame { height: 100%; aspect-ratio: auto; }
::slotted(video) { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; background: #08090b; }
.freeze { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; visibility: hidden; pointer-events: none; }
.freeze.on { visibility: visible; }
.veil { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 6px; padding: 24px 24px 64px;
  text-align: center; background: rgb(8 9 11 / .7); opacity: 0; pointer-events: none; transition: opacity .2s; }
.veil.on { opacity: 1; }
.veil h2 { margin: 0; font-size: clamp(17px, 2.6cqi, 24px); font-weight: 600; letter-spacing: -.01em; text-wrap: balance; }
.veil p { margin: 0; max-width: 40ch; color: var(--dim); text-wrap: balance; }
.veil p:empty { display: none; }
.veil button { pointer-events: auto; margin-top: 12px; }
.spin { width: 28px; height: 28px; margin-bottom: 10px; border-radius: 50%; border: 2.5px solid rgb(255 255 255 / .18); border-top-color: var(--ink);
  animation: turn .9s linear infinite; }
.spin[hidden] { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }
button { font: inherit; color: inherit; border: 0; background: none; cursor: pointer; }
.pill { padding: 9px 18px; border-radius: 99px; background: var(--ink); color: #111317; font-weight: 600; }
.pill[hidden], .big[hidden] { display: none; }
.big { position: absolute; inset: 0; margin: auto; width: 76px; height: 76px; border-radius: 50%; background: var(--glass); display: grid; place-items: center; }
.big svg { width: 38px; height: 38px; }
.unmute { position: absolute; top: 14px; left: 14px; display: flex; gap: 8px; align-items: center; padding: 7px 14px 7px 10px; border-radius: 99px; background: var(--glass); font-weight: 600; }
.unmute[hidden] { display: none; }
.bar { position: absolute; inset: auto 0 0; display: flex; align-items: center; gap: 2px; padding: 34px 10px max(8px, env(safe-area-inset-bottom));
  background: linear-gradient(transparent, rgb(8 9 11 / .8)); transition: opacity .2s; }
:host([data-idle]) .bar { opacity: 0; pointer-events: none; }
.bar button { display: grid; place-items: center; min-width: 44px; height: 44px; border-radius: 10px; }
.bar button:hover { background: rgb(255 255 255 / .12); }
.bar button[hidden] { display: none; }
svg { width: 22px; height: 22px; }
.filled { fill: currentColor; }
.line { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.volume { width: 84px; accent-color: var(--ink); height: 24px; cursor: pointer; }
.bar .live { display: flex; align-items: center; gap: 7px; padding: 0 12px; margin-left: 4px; font-size: 13px; font-weight: 600; white-space: nowrap; font-variant-numeric: tabular-nums; }
.live i { width: 8px; height: 8px; border-radius: 50%; background: #75787f; }
.live.now i { background: var(--accent); }
.live span { color: var(--dim); font-weight: 500; }
.space { flex: 1; }
:focus-visible { outline: 2px solid #fff; outline-offset: 2px; box-shadow: 0 0 0 5px rgb(0 0 0 / .55); }
.frame:focus-visible { outline-offset: -3px; box-shadow: none; }
.figures { position: absolute; top: 12px; right: 12px; margin: 0; padding: 12px 14px; border-radius: 10px; background: var(--glass); backdrop-filter: blur(10px);
  font: 500 12px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-variant-numeric: tabular-nums; display: grid; grid-template-columns: auto auto; gap: 0 18px;
  max-width: calc(100% - 24px); box-sizing: border-box; pointer-events: none; }
.figures[hidden] { display: none; }
.figures dt { color: var(--dim); }
.figures dd { margin: 0; text-align: right; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.figures canvas { grid-column: 1 / -1; width: 100%; height: 34px; margin-top: 6px; }
.hush { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@container (max-width: 520px) {
  .volume { display: none; } .bar { padding-inline: 4px; } .bar button { min-width: 42px; }
  .veil { padding-bottom: 52px; } .veil p { font-size: 13px; }
  .figures { font-size: 10px; line-height: 1.5; padding: 8px 10px; gap: 0 8px; inset: 8px 8px auto; grid-template-columns: auto 1fr auto 1fr; max-width: none; }
  .figures canvas { display: none; } .big { width: 60px; height: 60px; }
}
@media (hover: none) { .volume { display: none; } }
@media (prefers-reduced-motion: reduce) { .spin { animation-duration: 3s; } .bar, .veil { transition: none; } }
@media (prefers-contrast: more) { .veil { background: rgb(0 0 0 / .88); } .bar { background: #000; } :host { --glass: #000; --dim: #ddd; } }
`;
