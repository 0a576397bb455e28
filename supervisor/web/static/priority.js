// Another priority for a task that waits.
import { act } from "./api.js";
import { show } from "./dialog.js";
import { Act } from "./parts.js";
import { html, useState } from "./ui.js";

export function PriorityAct({ task, after }) {
  const run = async () => {
    const chosen = await show(`Priority of ${task.name}`, Choose, { now: task.priority });
    return chosen === undefined ? null : act(`api/tasks/${task.id}/priority`, { priority: chosen });
  };
  return html`<${Act} label="Priority" icon="up" run=${run} after=${after} done=${(answer) => answer && (answer.done ? "Its priority was changed." : ["It has ended, or runs already.", { bad: true }])} />`;
}

function Choose({ now, close }) {
  const [text, setText] = useState(String(now));
  const number = Number(text);
  const good = text.trim() !== "" && Number.isInteger(number) && Math.abs(number) <= 1000;
  const submit = (event) => {
    event.preventDefault();
    if (good) close(number);
  };
  return html`<form onSubmit=${submit}>
    <label class="field"><span>From -1000 to 1000; larger goes first</span><input type="number" min="-1000" max="1000" step="1" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <footer><button type="button" onClick=${() => close()}>Keep as it is</button><button type="submit" class="primary" aria-disabled=${String(!good)}>Change it</button></footer>
  </form>`;
}
