// A URL that is no view.
import { Empty, Head } from "../parts.js";
import { html } from "../ui.js";

export const Missing = () => html`<${Head} title="There is nothing here" /><${Empty} title="No view has this address."><a href=".">To the overview</a><//>`;
