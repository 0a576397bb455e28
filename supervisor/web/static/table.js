// Tables: keyed rows, so that focus and selection outlive an update; rows become cards on a phone.
import { html } from "./ui.js";

// columns: {key, label, num, hide, cell(row)}; `id(row)` tells one row from another.
export function Table({ label, className = "", columns, rows, id, empty }) {
  if (!rows.length) return empty;
  return html`<div class="table-wrap" tabindex="0" role="region" aria-label=${label}>
    <table role="table" class=${className} aria-label=${label}>
      <thead role="rowgroup">
        <tr role="row">
          ${columns.map((column) => html`<th key=${column.key} role="columnheader" scope="col" class=${kind(column)}>${column.bare ? html`<span class="hidden">${column.label}</span>` : column.label}</th>`)}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map(
          (row) => html`<tr key=${id(row)} role="row" data-key=${id(row)}>
            ${columns.map(
              (column) => html`<td key=${column.key} role="cell" class=${kind(column)} data-label=${column.bare ? "" : column.label}>${column.cell(row)}</td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

const kind = (column) => [column.num && "num", column.wide && "wide-cell", column.bare && "bare", column.minor && "minor"].filter(Boolean).join(" ");
