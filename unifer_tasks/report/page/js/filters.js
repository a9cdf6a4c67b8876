// Which samples are seen. A filter that is not set is absent.

const FILTERS = ["dataset", "label", "answer", "outcome", "verdict", "other", "pairing", "text"];
const BROWSE = "#browse?";

const browseLink = (filters) => BROWSE + new URLSearchParams(filters);

/** Reads a link's filters; null if the address is not the browser's. */
function filtersOfHash(hash) {
  return hash.startsWith(BROWSE) ? Object.fromEntries(new URLSearchParams(hash.slice(BROWSE.length))) : null;
}

const runIndex = (name) => report.runs.findIndex((run) => run.name === name);

/** What each filter but the text asks of question i. */
const TESTS = {
  dataset: (value, { all }) => {
    const wanted = report.datasets.findIndex(({ key }) => key === value);
    return (i) => all.dataset[i] === wanted;
  },
  label: (value, { all }) => {
    const wanted = report.labels.indexOf(value);
    return (i) => all.target[i] === wanted;
  },
  answer: (value, { own }) => {
    const wanted = value === "none" ? NONE : report.labels.indexOf(value);
    return (i) => own.answer[i] === wanted;
  },
  outcome: (value, { own }) => {
    const wanted = report.outcomes.indexOf(value);
    return (i) => own.outcome[i] === wanted;
  },
  verdict: (value, { all, own }) => (i) => (own.answer[i] === all.target[i]) === (value === "right"),
  pairing: (value, { all, own, others }) => {
    if (!others) return () => true;
    const answered = (i) => others.outcome[i] !== ABSENT;
    const right = (side, i) => side.answer[i] === all.target[i];
    return {
      differ: (i) => answered(i) && own.answer[i] !== others.answer[i],
      gained: (i) => answered(i) && right(own, i) && !right(others, i),
      lost: (i) => answered(i) && !right(own, i) && right(others, i),
    }[value] ?? (() => true);
  },
};

/** Returns the questions of a run that pass every filter, in order. */
async function matching(filters, isCurrent, onProgress) {
  const run = runIndex(filters.run);
  const other = runIndex(filters.other);
  const [all, own, others] = await Promise.all([
    questions(), readings(run), other < 0 ? null : readings(other),
  ]);
  const tests = Object.entries(TESTS)
    .filter(([name]) => filters[name])
    .map(([name, test]) => test(filters[name], { all, own, others }));
  const found = [];
  for (let i = 0; i < all.id.length; i++) {
    if (own.outcome[i] !== ABSENT && tests.every((test) => test(i))) found.push(i);
  }
  return filters.text ? containing(filters.text, run, found, all, isCurrent, onProgress) : found;
}

/** Returns those questions whose id or response holds a text, in any case. */
async function containing(text, run, among, all, isCurrent, onProgress) {
  const wanted = text.toLowerCase();
  const found = [];
  let block = null;
  let number = -1;
  for (const [done, i] of among.entries()) {
    if (Math.floor(i / report.chunk) !== number) {
      number = Math.floor(i / report.chunk);
      onProgress(done / among.length);
      block = await responses(run, number);
      if (!isCurrent()) return found;
    }
    const response = block.texts[i % report.chunk] ?? "";
    if (all.id[i].toLowerCase().includes(wanted) || response.toLowerCase().includes(wanted)) found.push(i);
  }
  return found;
}
