// Signing in.
import { act, loadSession, session } from "../api.js";
import { ThemeSwitch } from "../frame.js";
import { go } from "../router.js";
import { html, useEffect, useRef, useState } from "../ui.js";

// Where one wanted to go, as long as that is one of our views.
function nextUrl(params) {
  const wanted = new URL(params.get("next") || ".", document.baseURI);
  const base = new URL(".", document.baseURI);
  return wanted.origin === base.origin && wanted.pathname.startsWith(base.pathname) ? wanted.href : base.href;
}

export function SignIn({ params }) {
  const [password, setPassword] = useState("");
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  useEffect(() => {
    field.current?.focus();
    loadSession().then((found) => found.role && go(nextUrl(params), { replace: true }), (error) => setSaid(error.message));
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setSaid("");
    try {
      session.set(await act("api/session", { password }));
      go(nextUrl(params), { replace: true });
    } catch (error) {
      setSaid(error.message);
      setBusy(false);
      field.current?.select();
    }
  };
  return html`<main class="sign-in">
    <form onSubmit=${submit} class="panel">
      <img src="static/icon.svg" width="40" height="40" alt="" />
      <h1 id="view-title" tabindex="-1">Sign in</h1>
      <p class="note">to the dashboard of this supervisor</p>
      <input class="hidden" type="text" name="username" autocomplete="username" value="supervisor" tabindex="-1" aria-hidden="true" readonly />
      <label class="field"><span>Password</span><input ref=${field} id="password" type="password" name="password" autocomplete="current-password" required value=${password} onInput=${(event) => setPassword(event.target.value)} aria-describedby="said" aria-invalid=${said ? "true" : undefined} /></label>
      <p id="said" class="said" role="alert">${said}</p>
      <button type="submit" class="primary" aria-disabled=${String(busy)}>${busy ? "Signing in…" : "Sign in"}</button>
    </form>
    <${ThemeSwitch} />
  </main>`;
}
