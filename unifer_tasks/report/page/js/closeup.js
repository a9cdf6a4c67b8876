// One run at a time: its confusions, its classes, and how often it gives each label.

const HEAT_STEPS = 10;

function startCloseup() {
  const form = byId("closeup-choice");
  const show = () => {
    const choice = Object.fromEntries(new FormData(form));
    const part = report.runs[runIndex(choice.run)].scores[choice.reader][choice.scope];
    const missing = !part || !part.n;
    byId("closeup-missing").hidden = !missing;
    byId("closeup-panels").hidden = missing;
    if (missing) return;
    byId("confusion").replaceChildren(confusionTable(part, choice));
    byId("classes").replaceChildren(classTable(part));
    byId("prior").replaceChildren(priorTable(part));
  };
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
}

function confusionTable({ labels, confusion }, choice) {
  const read = labels.concat("unreadable");
  const shares = choice.view === "shares";
  const head = el("tr", {}, el("th", { scope: "col" }, "truth ↓ answer →"));
  head.append(...read.map((label) => el("th", { scope: "col" }, label)), el("th", { scope: "col" }, "n"));
  const rows = confusion.map((row, true_) => {
    const n = row.reduce((sum, value) => sum + value, 0);
    const cells = row.map((value, answered) => {
      const share = n ? value / n : 0;
      const text = shares ? (n ? (100 * share).toFixed(0) : "–") : count(value);
      const heat = Math.round(share * HEAT_STEPS);
      const hit = answered === true_ ? " hit" : "";
      const title = `${count(value)} of ${count(n)} ${labels[true_]} read as ${read[answered]}`;
      const body = value
        ? el("a", { href: cellLink(choice, labels[true_], labels[answered]), title }, text)
        : text;
      return el("td", { class: `heat-${heat}${hit}` }, body);
    });
    return el("tr", {}, el("th", { scope: "row" }, labels[true_]), ...cells, el("td", { class: "total" }, count(n)));
  });
  const unit = shares ? "percent of each true label" : "questions";
  return table(`Confusion matrix, ${unit}`, "confusion", [head], rows);
}

function cellLink(choice, label, answer) {
  const filters = { run: choice.run, label };
  if (choice.reader === "strict") filters.answer = answer ?? "none";
  if (choice.scope !== "pooled") filters.dataset = choice.scope;
  return browseLink(filters);
}

function classTable({ labels, classes }) {
  const head = headRow("Label", "Questions", "Recall", "Precision", "F1");
  const rows = labels.map((label, k) => {
    const { support, recall, precision, f1 } = classes[k];
    const cells = [recall, precision, f1].map((value) => el("td", {}, percent(value), bar(value)));
    return el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, count(support)), ...cells);
  });
  return table("Recall, precision and F1 of each label", "", [head], rows);
}

function priorTable({ labels, classes, n }) {
  const head = headRow("Label", "True share", "Predicted share", "Difference");
  const rows = labels.map((label, k) => {
    const [true_, predicted] = [classes[k].support / n, classes[k].predicted / n];
    const points = 100 * (predicted - true_);
    return el(
      "tr", {},
      el("th", { scope: "row" }, label),
      el("td", {}, percent(true_), bar(true_, "true")),
      el("td", {}, percent(predicted), bar(predicted)),
      el("td", {}, signed(points)),
    );
  });
  return table("How often each label is true, and how often it is given", "", [head], rows);
}

/** Writes a difference with its sign; what rounds to zero has none. */
function signed(points) {
  const size = Math.abs(points).toFixed(1);
  return `${Number(size) ? (points < 0 ? "−" : "+") : ""}${size}`;
}

function headRow(...titles) {
  return el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title)));
}

function table(caption, name, head, rows) {
  return el("table", { class: name }, el("caption", {}, caption), el("thead", {}, ...head), el("tbody", {}, ...rows));
}

function bar(share, kind = "") {
  return svg(
    "svg", { class: `share ${kind}`, viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "track", width: 100, height: 6 }),
    svg("rect", { class: "value", width: 100 * share, height: 6 }),
  );
}
