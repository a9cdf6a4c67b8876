// Tables that sort by a column, and the choice of which tables are seen.

function startSorting() {
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      heading
        .querySelector("button")
        ?.addEventListener("click", () => {
          sortBy(table, heading);
          table.dispatchEvent(new Event("sorted", { bubbles: true }));
        });
    }
  }
}

/** Sorts each body of a table by a column, by default first the way its heading says, then the other. */
function sortBy(table, heading, wanted) {
  const first = heading.dataset.first ?? "descending";
  const other = first === "descending" ? "ascending" : "descending";
  const order = wanted ?? (heading.getAttribute("aria-sort") === first ? other : first);
  for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => row.className !== "group").map((row) => [row.cells[heading.cellIndex]?.dataset.value, row]);
    rows.sort(([a], [b]) => byValue(a, b, sign));
    body.append(...rows.map(([, row]) => row));
  }
}

/** Numbers by size, else text by alphabet; what has no value comes last either way. */
function byValue(a, b, sign) {
  if (!a || !b) return Boolean(b) - Boolean(a);
  const difference = a - b;
  return sign * (Number.isNaN(difference) ? a.localeCompare(b, "en", { numeric: true }) : difference);
}

/** Shows of each group of panels the one that the group's radio buttons name. */
function startChoices() {
  for (const group of document.querySelectorAll("[data-panels]")) {
    const panels = [...byId(group.dataset.panels).children];
    const show = () => {
      const chosen = [...group.querySelectorAll("input:checked")].map((input) => input.value);
      for (const panel of panels) panel.hidden = panel.dataset.panel !== chosen.join(" ");
    };
    group.addEventListener("change", show);
    show();
  }
}

/** Shows at which side of a table, or of the sections' links, more of it lies out of sight. */
function startHints() {
  for (const box of document.querySelectorAll(".scroll, .top nav")) {
    const hint = el("p", { class: "more", "aria-hidden": "true" }, "More columns: scroll sideways →");
    if (box.matches(".scroll")) box.before(hint);
    const show = () => {
      // Not clientWidth: what fits scrolls with the page, without the bar at its side.
      const hidden = box.scrollWidth - box.offsetWidth;
      hint.hidden = hidden < 2;
      box.classList.toggle("fits", hidden < 2);
      box.classList.toggle("more-left", box.scrollLeft > 1);
      box.classList.toggle("more-right", hidden - box.scrollLeft > 1);
    };
    box.addEventListener("scroll", show);
    new ResizeObserver(show).observe(box);
    new MutationObserver(show).observe(box, { childList: true });
    show();
  }
}
