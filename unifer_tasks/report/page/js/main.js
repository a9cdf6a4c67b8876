startTheme();
startSorting();
startChoices();
startCloseup();
startHints();
startAddresses();
// The samples come last in the file; all before them works while it still loads.
if (document.readyState === "loading") {
  await new Promise((done) => document.addEventListener("DOMContentLoaded", done));
}
await startBrowser();
document.documentElement.dataset.ready = "";
