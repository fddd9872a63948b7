"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const names = ["automatic", "light", "dark"];
  let now = 0;
  theme.hidden = false;
  theme.addEventListener("click", () => {
    now = (now + 1) % names.length;
    if (now) root.dataset.theme = names[now]; else delete root.dataset.theme;
    document.getElementById("theme-name").textContent = names[now];
  });

  const table = document.getElementById("class-table");
  if (!table) return;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  // Read once: asking the page for each comparison would take seconds with 20,000 classes.
  const rows = [...body.rows].map((row, at) => {
    const cells = [...row.cells].map((cell) => cell.textContent);
    const words = cells.filter((_, n) => !heads[n].classList.contains("n"));
    return { row, at, cells, words: words.join("\n").toLowerCase() };
  });
  const isNumber = /^\d[\d,]*$/;
  const numeric = heads.map((_, n) => rows.every((one) => isNumber.test(one.cells[n])));
  const value = (text) => Number(text.replaceAll(",", ""));
  const collator = new Intl.Collator(undefined, { numeric: true });

  heads.forEach((head, n) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => {
      // Numbers of images begin with the largest, as that is what people look for.
      const first = head.classList.contains("n") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const compare = numeric[n]
        ? (a, b) => value(a.cells[n]) - value(b.cells[n])
        : (a, b) => collator.compare(a.cells[n], b.cells[n]);
      rows.sort((a, b) => sign * compare(a, b) || a.at - b.at);
      body.append(...rows.map((one) => one.row));
    });
  });

  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const one of rows) {
      const match = words.every((word) => one.words.includes(word));
      if (one.row.hidden === match) one.row.hidden = !match;
      if (match) count += 1;
    }
    const all = rows.length.toLocaleString("en");
    found.textContent = words.length
      ? `${count.toLocaleString("en")} of ${all} classes` : `${all} classes`;
  };
  let waiting = 0;
  find.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, rows.length > 2000 ? 150 : 0);
  });
  find.closest("p").hidden = false;
  show();
})();
