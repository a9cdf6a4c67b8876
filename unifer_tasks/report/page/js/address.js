// The address names what a section shows: its choices, and the order of its table.

/** Names a section's choices in the address when they change, and adopts those of an address. */
function startAddresses() {
  for (const section of document.querySelectorAll("section[id]")) {
    const form = section.querySelector("form.choices");
    if (!form) continue;
    let sorted = null; // The table that was sorted last.
    const name = () => {
      const choices = new URLSearchParams(new FormData(form));
      const heading = sorted?.checkVisibility() && sorted.querySelector("[aria-sort]");
      if (heading) {
        choices.set("table", tablesIn(section).indexOf(sorted));
        choices.set("sort", titleOf(heading));
        choices.set("order", heading.getAttribute("aria-sort"));
      }
      history.replaceState(null, "", `#${section.id}?${choices}`);
    };
    form.addEventListener("change", name);
    section.addEventListener("sorted", (event) => {
      sorted = event.target;
      name();
    });
  }
  addEventListener("hashchange", adoptAddress);
  adoptAddress();
}

/** Shows what the address names; what it names wrongly stays as it is. */
function adoptAddress() {
  const [id, query] = location.hash.slice(1).split(/\?(.*)/s);
  const section = query !== undefined && [...document.querySelectorAll("section[id]")].find((each) => each.id === id);
  const form = section && section.querySelector("form.choices");
  if (!form) return;
  const asked = new URLSearchParams(query);
  for (const field of form.elements) {
    const value = asked.get(field.name);
    if (field.type === "radio") field.checked ||= field.value === value;
    else if ([...(field.options ?? [])].some((option) => option.value === value)) field.value = value;
  }
  // Those who follow the choices hear of it, and the address stays as it was opened.
  const address = location.hash;
  form.dispatchEvent(new Event("change", { bubbles: true }));
  const table = tablesIn(section)[Number(asked.get("table"))];
  const heading = [...(table?.tHead.rows[0].cells ?? [])].find((cell) => titleOf(cell) === asked.get("sort"));
  const order = asked.get("order");
  if (heading && ["ascending", "descending"].includes(order)) {
    sortBy(table, heading, order);
    table.dispatchEvent(new Event("sorted", { bubbles: true }));
  }
  history.replaceState(null, "", address);
  section.scrollIntoView();
}

const tablesIn = (section) => [...section.querySelectorAll("table.sortable")].filter((table) => table.checkVisibility());
const titleOf = (heading) => heading.querySelector("button")?.firstChild.data ?? "";
