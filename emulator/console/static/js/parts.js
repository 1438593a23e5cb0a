// Parts that several pages are made of.
import { html, useEffect, useId, useRef, useState } from "./lib.js";
import { t } from "./i18n.js";

export function Page({ title, tools, children }) {
  useEffect(() => {
    document.title = `${title} · fclocal`;
  }, [title]);
  return html`<div class="page">
    <div class="page-head"><h1>${title}</h1><div class="tools">${tools}</div></div>
    ${children}
  </div>`;
}

export function Badge({ kind, children }) {
  return html`<span class="badge badge-${kind}">${children}</span>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

// A choice with its label; `options` are [value, text].
export function Choice({ label, value, options, onChange }) {
  const id = useId();
  return html`<div class="field"><label for=${id}>${label}</label>
    <select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${options.map(([each, text]) => html`<option key=${each} value=${each} selected=${each === value}>${text}</option>`)}
    </select>
  </div>`;
}

export function FunctionChoice({ state, value, onChange, all = true }) {
  const options = state.functions.map((fn) => [fn.name, fn.name]);
  return html`<${Choice} label=${t("function")} value=${value} onChange=${onChange}
    options=${all ? [["", t("all")], ...options] : options} />`;
}

export function Search({ label, value, onInput }) {
  return html`<label class="field"><span>${label}</span>
    <input type="search" value=${value} onInput=${(event) => onInput(event.target.value)} data-search />
  </label>`;
}

// A table whose rows can be gone through by arrow keys, and opened by Enter or a click; on a narrow screen each row is a
// card, for which the roles are there. `columns` are
// {name, title, cell(row), number?}; `onOpen(row)` where rows can be opened.
export function Table({ label, columns, rows, rowKey, onOpen, selected }) {
  const body = useRef(null);
  const [at, setAt] = useState(0);
  const focus = (index) => {
    const row = body.current?.children[index];
    if (row) {
      setAt(index);
      row.focus();
    }
  };
  const onKeyDown = (event) => {
    if (event.target.tagName !== "TR") return;
    const index = [...body.current.children].indexOf(event.target);
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      focus(Math.max(0, Math.min(rows.length - 1, to)));
    } else if (event.key === "Enter" && onOpen) {
      onOpen(rows[index]);
    }
  };
  return html`<div class="table-box" tabindex="0" role="region" aria-label=${label}><table role="table">
    <caption class="hidden">${label}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th key=${column.name} scope="col" role="columnheader"
      class=${column.number ? "number" : ""}>${column.title}</th>`)}</tr></thead>
    <tbody role="rowgroup" ref=${body} onKeyDown=${onKeyDown}>
      ${rows.map((row, index) => html`<tr key=${rowKey(row)} role="row" tabindex=${index === Math.min(at, rows.length - 1) ? 0 : -1}
        class=${onOpen ? "opens" : ""} aria-selected=${selected === rowKey(row) ? "true" : undefined}
        onClick=${() => { setAt(index); onOpen?.(row); }}>
        ${columns.map((column) => html`<td key=${column.name} role="cell" data-title=${column.title}
          class=${column.number ? "number" : ""}>${column.cell(row)}</td>`)}
      </tr>`)}
    </tbody>
  </table></div>`;
}

// Names and values, one beside the other.
export function Facts({ facts }) {
  return html`<dl class="facts">${facts.filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export function Failure({ error }) {
  if (!error) return null;
  return html`<div class="failure" role="alert"><strong>${error.message}</strong>
    ${error.next_step && html`<span>→ ${error.next_step}</span>`}</div>`;
}
