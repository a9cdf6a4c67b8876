// A list of any length, of which only the rows in view exist.

const ROW_HEIGHT = 44; // pixels; the same in the style sheet
const SPARE_ROWS = 6;

/** Fills a listbox.
 *
 * @param box The element with role listbox.
 * @param row Returns the content of an item's row.
 * @param onSelect Receives each item that is selected.
 */
function virtualList(box, row, onSelect) {
  const spacer = el("div", { class: "spacer", role: "presentation" });
  box.replaceChildren(spacer);
  let items = [];
  let selected = -1;

  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const last = Math.min(items.length, first + Math.ceil(box.clientHeight / ROW_HEIGHT) + 2 * SPARE_ROWS);
    const rows = [];
    // The selected row stays, in view or not: the box points at it.
    const seen = new Set(Array.from({ length: Math.max(0, last - first) }, (_, k) => first + k));
    if (selected >= 0) seen.add(selected);
    for (const place of seen) {
      const option = el(
        "div",
        {
          role: "option", id: `sample-${place}`, "aria-selected": String(place === selected),
          "aria-setsize": items.length, "aria-posinset": place + 1, click: () => select(place),
        },
        ...row(items[place]),
      );
      option.style.transform = `translateY(${place * ROW_HEIGHT}px)`;
      rows.push(option);
    }
    spacer.style.height = `${items.length * ROW_HEIGHT}px`;
    spacer.replaceChildren(...rows);
  }

  function select(place) {
    if (!items.length) return;
    selected = Math.min(Math.max(place, 0), items.length - 1);
    const top = selected * ROW_HEIGHT;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW_HEIGHT > box.scrollTop + box.clientHeight) {
      box.scrollTop = top + ROW_HEIGHT - box.clientHeight;
    }
    draw();
    box.setAttribute("aria-activedescendant", `sample-${selected}`);
    onSelect(items[selected], selected);
  }

  const page = () => Math.max(1, Math.floor(box.clientHeight / ROW_HEIGHT) - 1);
  const moves = {
    ArrowDown: () => selected + 1,
    ArrowUp: () => selected - 1,
    PageDown: () => selected + page(),
    PageUp: () => selected - page(),
    Home: () => 0,
    End: () => items.length - 1,
  };
  box.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    select(move());
  });
  let waiting = false;
  box.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  });
  new ResizeObserver(draw).observe(box);

  return {
    /** Shows other items and selects one of them, or the first; none if `wanted` is null. */
    fill(others, wanted) {
      items = others;
      selected = -1;
      box.removeAttribute("aria-activedescendant");
      box.scrollTop = 0;
      draw();
      if (wanted !== null) select(Math.max(0, items.indexOf(wanted)));
    },
    step: (by) => select(selected + by),
    get length() {
      return items.length;
    },
  };
}
