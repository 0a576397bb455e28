// The dashboard: starts what runs beside the views, and shows the one that the URL names.
import { loadSession, session, toSignIn } from "./api.js";
import { Banner, Bar, Sidebar } from "./frame.js";
import { DialogHost } from "./dialog.js";
import { startKeys } from "./keys.js";
import { Failed, Skeleton } from "./parts.js";
import { route, startRouter } from "./router.js";
import { useStore } from "./store.js";
import { startStream } from "./stream.js";
import { Toasts } from "./toast.js";
import { html, render, useEffect, useRef, useState } from "./ui.js";
import { viewAt } from "./views/table-of-views.js";

function App() {
  const found = useStore(session);
  const { path, params } = useStore(route);
  const [fault, setFault] = useState(null);
  const main = useRef(null);
  const before = useRef(path);
  const begin = () => {
    setFault(null);
    loadSession().then((who) => who.role == null && toSignIn(), setFault);
  };
  useEffect(begin, []);
  const { View, title, props } = viewAt(path);
  useEffect(() => {
    document.title = [title, found?.title, "Supervisor"].filter(Boolean).join(" · ");
  }, [title, found?.title]);
  useEffect(() => {
    // A new view begins at its heading; a filter leaves the focus where it is.
    if (before.current !== path) {
      scrollTo(0, 0);
      document.querySelector("#view-title")?.focus({ preventScroll: true });
    }
    before.current = path;
  }, [path]);
  const skip = (event) => {
    event.preventDefault();
    main.current.focus();
  };
  if (path === "sign-in") return html`<${View} params=${params} /><${Toasts} />`;
  return html`<a class="skip" href="#view" onClick=${skip}>Skip to the content</a>
    <${Bar} /><${Sidebar} path=${path} />
    <main id="view" tabindex="-1" ref=${main}>
      <${Banner} />
      ${fault ? html`<${Failed} error=${fault} again=${begin} />` : found?.role ? html`<${View} key=${path} params=${params} ...${props} />` : html`<${Skeleton} lines=${8} />`}
    </main>
    <${DialogHost} /><${Toasts} />`;
}

startRouter();
startKeys();
startStream();
render(html`<${App} />`, document.querySelector("#app"));
