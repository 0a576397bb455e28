// Dialogs: one at a time, of the browser's own kind, which keeps the focus inside and gives it back.
import { Icon } from "./icons.js";
import { Store, useStore } from "./store.js";
import { html, useEffect, useRef, useState } from "./ui.js";

const open = new Store(null);

// Shows a component, which is given `close`; resolves with what it closed with, undefined for Escape.
export function show(title, Content, props = {}, { wide = false } = {}) {
  return new Promise((resolve) => open.set({ title, Content, props, wide, resolve }));
}

// Resolves to true when it was confirmed; with `word`, only once that was typed.
export function confirmed({ title, text, label, word = "", danger = true }) {
  return show(title, Confirm, { text, label, word, danger });
}

export function DialogHost() {
  const dialog = useStore(open);
  const element = useRef(null);
  useEffect(() => {
    if (dialog && element.current && !element.current.open) element.current.showModal();
  }, [dialog]);
  if (!dialog) return null;
  const close = (value) => {
    element.current?.close();
    open.set(null);
    dialog.resolve(value);
  };
  const { Content } = dialog;
  return html`<dialog
    ref=${element}
    class=${dialog.wide ? "wide" : ""}
    aria-labelledby="dialog-title"
    onCancel=${(event) => {
      event.preventDefault();
      close();
    }}
    onClick=${(event) => event.target === element.current && close()}
  >
    <div class="dialog-inside">
      <header>
        <h2 id="dialog-title">${dialog.title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick=${() => close()}><${Icon} name="close" /></button>
      </header>
      <${Content} ...${dialog.props} close=${close} />
    </div>
  </dialog>`;
}

function Confirm({ text, label, word, danger, close }) {
  const [typed, setTyped] = useState("");
  const ready = !word || typed.trim() === word;
  const submit = (event) => {
    event.preventDefault();
    if (ready) close(true);
  };
  return html`<form onSubmit=${submit}>
    <p>${text}</p>
    ${word &&
    html`<label class="field"
      ><span>Type <code>${word}</code> to confirm</span
      ><input autocomplete="off" spellcheck="false" value=${typed} onInput=${(event) => setTyped(event.target.value)}
    /></label>`}
    <footer>
      <button type="button" onClick=${() => close()}>Keep as it is</button>
      <button type="submit" class=${danger ? "danger" : "primary"} aria-disabled=${String(!ready)}>${label}</button>
    </footer>
  </form>`;
}
