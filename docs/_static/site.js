// On a phone a wide figure keeps its size and scrolls, and so does a table: each column is as wide
// as its text on one line, at most `MOST` pixels. Without this a column of sentences gets what a
// column of names leaves.
const MOST = 240;

function widen(table) {
  table.style.whiteSpace = "nowrap";
  const rows = [...table.rows].map((row) => [...row.cells]);
  const widths = rows.map((row) => row.map((cell) => cell.getBoundingClientRect().width));
  table.style.whiteSpace = "";
  rows.forEach((row, i) => row.forEach((cell, j) => {
    cell.style.minWidth = `${Math.min(widths[i][j], MOST)}px`;
  }));
}

// What is wider than the page says so, and is scrolled by the keyboard as well.
function mark(table) {
  if (table.scrollWidth <= table.clientWidth + 1) return;
  const hint = document.createElement("div");
  hint.className = "sideways";
  hint.textContent = "scroll sideways →";
  table.before(hint);
  table.tabIndex = 0;
}

window.addEventListener("load", () => {
  for (const cell of document.querySelectorAll(".bd-article td")) {
    if (/^[-\d.,e±\s]+$/.test(cell.textContent)) cell.classList.add("number");
  }
  const tables = document.querySelectorAll(".bd-article table");
  if (!window.matchMedia("(max-width: 600px)").matches) return tables.forEach(mark);
  for (const image of document.querySelectorAll(".bd-article img")) {
    const width = image.naturalWidth;
    if (width <= 560) continue;
    image.classList.add("panels");
    image.style.width = `${width <= 740 ? 540 : Math.min(width, 900)}px`; // small words stay legible
  }
  tables.forEach(widen);
  tables.forEach(mark);
});
