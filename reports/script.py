"""The one script of a report: it sorts, filters and copies, and without it the page reads just as well."""

from __future__ import annotations

import base64
import hashlib

SCRIPT = """(() => {
"use strict";
const number = text => {
  const found = text.replace(/,/g, "").match(/[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[-+]?\\d+)?/i);
  return found ? Number(found[0]) : NaN;
};
const unknown = text => ["", "-", "unknown"].includes(text);
const compare = (a, b, numeric) =>
  numeric ? number(a) - number(b) : a.localeCompare(b, "en", {numeric: true});
const worth = (text, numeric) => !unknown(text) && !(numeric && Number.isNaN(number(text)));
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button"), numeric = head.classList.contains("n");
    button.type = "button";
    button.title = "sort; again: the other way; a third time: as it was";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const now = was === "ascending" ? "descending" : was === "descending" ? "" : "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      if (now) head.setAttribute("aria-sort", now);
      const text = row => row.cells[column].textContent.trim();
      const known = rows.filter(row => worth(text(row), numeric));
      const rest = rows.filter(row => !worth(text(row), numeric));
      const way = now === "descending" ? -1 : 1;
      known.sort((a, b) => way * compare(text(a), text(b), numeric));
      body.append(...(now ? [...known, ...rest] : rows));
    });
  });
  if (!table.classList.contains("filterable")) continue;
  const label = document.createElement("label"), box = document.createElement("input");
  const count = document.createElement("output");
  label.className = "filter";
  box.type = "search";
  box.placeholder = "words that a row must have";
  label.append("Filter ", box, " ", count);
  table.parentElement.before(label);
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
    }
    const shown = rows.filter(row => !row.hidden).length;
    count.textContent = words.length ? shown + " of " + rows.length + " rows" : "";
  });
}
const button = (text, what) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = "copy";
  made.title = what;
  made.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      const choice = getSelection();
      choice.selectAllChildren(text);
      document.execCommand("copy");
      choice.removeAllRanges();
    }
    made.textContent = "copied";
    setTimeout(() => { made.textContent = "copy"; }, 1500);
  });
  return made;
};
for (const text of document.querySelectorAll(".copy")) {
  text.parentElement.classList.add("copied");
  text.before(button(text, "copy the whole text"));
}
})();"""

SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
"""What a content security policy has to name to allow exactly this script."""
