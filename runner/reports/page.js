// Searches and filters the output, links to lines, and opens the element that a URL points to.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const logs = [...document.querySelectorAll(".log")];
  const query = byId("query"), found = byId("found"), filter = byId("filter"), only = byId("switch-only");
  const MOST_HITS = 20000;
  let hits = [], current = -1, timer = 0;

  // A URL can point to a Task, to the output of a Step, or to one of its lines (#log-build-compile.12).
  function reveal() {
    let name;
    try { name = decodeURIComponent(location.hash.slice(1)); } catch { return; }
    const [, id, number] = /^(.*?)(?:\.(\d+))?$/.exec(name);
    const target = byId(id);
    if (!target) return;
    if (target.classList.contains("none")) { filter.value = ""; select(); }
    open(target);
    const line = number && lineOf(target, Number(number));
    document.querySelectorAll(".target").forEach((old) => old.classList.remove("target"));
    if (line) line.classList.add("target");
    (line || target).scrollIntoView({ block: line ? "center" : "start" });
  }

  function open(element) {
    for (let node = element; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  }

  function lineOf(log, number) {
    let chunk;
    for (const candidate of log.querySelectorAll(".chunk")) if (Number(candidate.dataset.first) <= number) chunk = candidate;
    return chunk && chunk.children[number - chunk.dataset.first];
  }

  function numberOf(line) {
    return Number(line.parentElement.dataset.first) + [].indexOf.call(line.parentElement.children, line);
  }

  function address(line) {
    history.replaceState(null, "", `#${line.closest(".log").id}.${numberOf(line)}`);
  }

  function search() {
    for (const hit of hits) hit.classList.remove("hit", "now");
    hits = []; current = -1;
    const needle = query ? query.value.toLowerCase() : "";
    for (const log of logs) {
      const before = hits.length;
      if (needle && hits.length < MOST_HITS && !log.classList.contains("none")) {
        for (const chunk of log.querySelectorAll(".chunk")) {
          chunk.style.setProperty("--hits", "0px");
          if (!chunk.textContent.toLowerCase().includes(needle)) continue;
          const first = hits.length;
          for (const [place, line] of [...chunk.children].entries()) {
            if (!line.textContent.toLowerCase().includes(needle)) continue;
            line.dataset.n = Number(chunk.dataset.first) + place;  // hidden lines are not counted
            hits.push(line);
          }
          chunk.style.setProperty("--hits", `${(hits.length - first) * 1.4}em`);
        }
      }
      const count = hits.length - before, total = log.querySelector(".count");
      log.classList.toggle("has-hits", count > 0);
      total.textContent = total.dataset.total + (needle ? `, ${count.toLocaleString("en")} found` : "");
    }
    for (const hit of hits) hit.classList.add("hit");
    document.querySelector(".logs").classList.toggle("searched", needle !== "");
    openFound();
    showCount(needle);
  }

  // With "only lines found", there is no other way to see that a Step has some.
  function openFound() {
    if (only.checked) for (const log of logs) if (log.classList.contains("has-hits")) log.open = true;
  }

  // Shows the output of the Tasks and Steps whose names contain the text.
  function select() {
    const needle = filter.value.toLowerCase();
    for (const log of logs) log.classList.toggle("none", !log.dataset.name.toLowerCase().includes(needle));
    for (const group of document.querySelectorAll(".group")) {
      group.classList.toggle("none", !group.querySelector(".log:not(.none)"));
    }
    if (query.value) search();
  }

  function showCount(needle) {
    const many = hits.length >= MOST_HITS ? "more than " : "";
    found.textContent = !needle ? "" : !hits.length ? "no matches"
      : (current < 0 ? "" : `${(current + 1).toLocaleString("en")} of `) + many + `${hits.length.toLocaleString("en")} lines`;
  }

  function go(step) {
    if (timer) { clearTimeout(timer); timer = 0; search(); }
    if (!hits.length) return;
    if (current >= 0) hits[current].classList.remove("now");
    current = current < 0 && step < 0 ? hits.length - 1 : (current + step + hits.length) % hits.length;
    const line = hits[current];
    line.classList.add("now");
    open(line);
    line.scrollIntoView({ block: "center" });
    address(line);
    showCount(query.value);
  }

  for (const count of document.querySelectorAll(".count")) count.dataset.total = count.textContent;
  if (query) {
    byId("search").hidden = false;
    query.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => { timer = 0; search(); }, 150); });
    query.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); go(event.shiftKey ? -1 : 1); }
      if (event.key === "Escape") { query.value = ""; search(); }
    });
    filter.addEventListener("input", select);
    only.addEventListener("change", openFound);
    byId("next").addEventListener("click", () => go(1));
    byId("previous").addEventListener("click", () => go(-1));
  }
  // A line number is a link to its line.
  document.addEventListener("click", (event) => {
    const line = event.target.closest(".logs .chunk > span");
    if (!line || event.clientX - line.getBoundingClientRect().left > 64 || String(getSelection())) return;
    address(line);
    reveal();
  });
  addEventListener("hashchange", reveal);
  reveal();
})();
