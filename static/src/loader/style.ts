// The look of the button and of the frame's place. Logical sides, so that right-to-left pages mirror it.
export const STYLE = `
:host{all:initial;--brand:#1f2937;--on-brand:#fff}
*{box-sizing:border-box}
.launcher{position:fixed;inset-block-end:calc(20px + env(safe-area-inset-bottom,0px));inset-inline-end:20px;z-index:2147483000;width:58px;height:58px;padding:0;border:0;border-radius:50%;background:var(--brand);color:var(--on-brand);cursor:pointer;box-shadow:0 2px 6px rgb(0 0 0/.16),0 8px 28px rgb(0 0 0/.2);transition:transform .18s}
.launcher:hover{transform:translateY(-2px)}
.launcher:focus-visible{outline:3px solid var(--brand);outline-offset:3px;box-shadow:0 0 0 3px #fff}
svg{position:absolute;inset:0;margin:auto;width:28px;height:28px;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round;transition:opacity .18s,transform .18s}
.away,.open .talk{opacity:0;transform:rotate(-40deg) scale(.7)}
.open .away{opacity:1;transform:none}
.badge{position:absolute;inset-block-start:-3px;inset-inline-end:-3px;min-width:22px;height:22px;padding:0 6px;border-radius:11px;background:#d92d20;color:#fff;font:600 12px/22px system-ui,sans-serif;text-align:center;box-shadow:0 0 0 2px #fff}
.badge[hidden]{display:none}
.panel{position:fixed;inset-block-end:calc(92px + env(safe-area-inset-bottom,0px));inset-inline-end:20px;z-index:2147483001;width:min(408px,calc(100vw - 40px));height:min(700px,calc(100dvh - 116px));border-radius:20px;overflow:hidden;background:Canvas;color-scheme:light dark;box-shadow:0 0 0 1px rgb(0 0 0/.06),0 8px 28px rgb(0 0 0/.12),0 32px 72px rgb(0 0 0/.18);visibility:hidden;opacity:0;transform:translateY(14px) scale(.985);transform-origin:100% 100%;transition:opacity .18s,transform .18s,visibility 0s .18s}
.panel.open{visibility:visible;opacity:1;transform:none;transition-delay:0s}
iframe{display:block;width:100%;height:100%;border:0;color-scheme:light dark}
@media (max-width:480px){
.panel{inset:0;width:100%;height:100dvh;border-radius:0}
.launcher.open{display:none}
}
@media (prefers-reduced-motion:reduce){.launcher,.panel,svg{transition:none}.launcher:hover{transform:none}}
`;
