// Filters, case panels and copying. The page is readable without it; nothing here makes markup.
(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const [peer, suite, text, clear, count, none] =
    ["f-peer", "f-suite", "f-text", "f-clear", "f-count", "f-none"].map(one);
  const chips = all(".chip"), rows = all(".row"), groups = all("tbody[data-suite]");
  const cases = all(".case"), bar = one("filters");
  const links = new Map();
  for (const a of all(".row:not(.parent) .v")) links.set(decodeURIComponent(a.hash.slice(1)), a);
  root.classList.add("js");

  const measure = () => {
    const sticky = getComputedStyle(bar).position === "sticky";
    root.style.setProperty("--bar", (sticky ? bar.offsetHeight : 0) + "px");
    root.style.setProperty("--head", document.querySelector(".matrix thead").offsetHeight + "px");
  };

  // Filters.
  const filtered = () => pressed().length > 0 || peer.value || suite.value || text.value.trim();
  const pressed = () => chips.filter((c) => c.getAttribute("aria-pressed") === "true")
    .map((c) => c.dataset.verdict);
  const filter = () => {
    const verdicts = pressed(), words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const narrow = verdicts.length > 0 || words.length > 0;
    const counted = [0, 0];
    for (const cell of all("[data-col]")) cell.classList.toggle("gone", peer.value !== "" && cell.dataset.col !== peer.value);
    for (const group of groups) {
      let any = false, parent = null;
      const wanted = !suite.value || group.dataset.suite === suite.value;
      for (const row of all(".row", group)) {
        let hit = false;
        all("td", row).forEach((td, column) => {
          const here = peer.value === "" || String(column) === peer.value;
          td.classList.toggle("gone", !here);
          for (const a of all(".v", td)) {
            const match = verdicts.length === 0 || verdicts.includes(a.dataset.v);
            a.classList.toggle("dim", !match);
            if (here && match) hit = true;
          }
        });
        const show = wanted && hit && words.every((word) => row.dataset.text.includes(word));
        if (row.classList.contains("parent")) {
          parent = row;
          row.classList.add("gone");
        } else {
          row.classList.toggle("gone", !show);
          if (show) {
            any = true;
            for (const a of all("td:not(.gone) .v:not(.dim)", row)) counted[a.closest(".self") ? 1 : 0] += 1;
          }
          if (row.classList.contains("variant")) {
            if (show && parent) parent.classList.remove("gone");
            const open = parent && parent.querySelector(".fold").getAttribute("aria-expanded") === "true";
            row.classList.toggle("shown", narrow || open);
          }
        }
      }
      group.classList.toggle("gone", !any);
    }
    clear.hidden = !filtered();
    none.hidden = counted[0] + counted[1] > 0 || rows.length === 0;
    count.textContent = tell(counted);
    measure();
  };
  // Interoperability and self-checks are counted apart here too.
  const tell = ([real, self]) => [[real, "case"], [self, "self-check"]].filter(([n], at) => n > 0 || at === 0)
    .map(([n, what]) => `${n} ${what}${n === 1 ? "" : "s"}`).join(", ") + (filtered() ? " shown" : "");
  const remember = () => {
    const state = new URLSearchParams();
    if (pressed().length) state.set("verdict", pressed().join(","));
    if (peer.value) state.set("peer", peer.value);
    if (suite.value) state.set("suite", suite.value);
    if (text.value) state.set("text", text.value);
    history.replaceState(null, "", "#" + state);
  };
  const changed = () => { filter(); if (!current()) remember(); };
  for (const chip of chips) chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
    changed();
  });
  for (const field of [peer, suite, text]) field.addEventListener("input", changed);
  clear.addEventListener("click", () => {
    chips.forEach((chip) => chip.setAttribute("aria-pressed", "false"));
    for (const field of [peer, suite, text]) field.value = "";
    changed();
    text.focus();
  });
  for (const fold of all(".fold")) fold.addEventListener("click", () => {
    const open = fold.getAttribute("aria-expanded") !== "true";
    fold.setAttribute("aria-expanded", open);
    filter();
  });

  // Panels.
  const current = () => cases.find((c) => c.classList.contains("open"));
  const open = (focus) => {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { /* a name that no case has */ }
    const before = current(), next = name.startsWith("case=") ? one(name) : null;
    if (before && before !== next) before.classList.remove("open");
    for (const [id, a] of links) a.classList.toggle("open", next !== null && id === name);
    if (!next) return before;
    next.classList.add("open");
    one("panel").scrollTop = 0;
    if (focus) next.focus({ preventScroll: true });
    const link = links.get(name), row = link && link.closest(".row");
    if (row && row.classList.contains("variant")) {
      row.classList.add("shown");
      let parent = row;
      while (parent && !parent.classList.contains("parent")) parent = parent.previousElementSibling;
      if (parent) { parent.querySelector(".fold").setAttribute("aria-expanded", "true"); filter(); }
    }
    if (link) reveal(link);
    return before;
  };
  // Scrolls the matrix only, and only if the cell is out of its sight.
  const reveal = (link) => {
    const box = one("matrix"), a = box.getBoundingClientRect(), b = link.getBoundingClientRect();
    if (b.top < a.top + 90) box.scrollTop += b.top - a.top - 120;
    else if (b.bottom > a.bottom) box.scrollTop += b.bottom - a.bottom + 120;
  };
  const close = () => {
    const before = current();
    if (!before) return;
    remember();
    open(false);
    const link = links.get(before.id);
    if (link) link.focus();
  };
  const go = (id) => { if (id && id !== current()?.id) location.hash = "#" + encodeURIComponent(id).replace(/%2F/g, "/").replace("%3D", "="); };
  const visible = () => [...links].filter(([, a]) => !a.closest(".gone") && !a.classList.contains("dim")).map(([id]) => id);
  const step = (by, problems) => {
    const now = current();
    const ids = visible().filter((id) => !problems || one(id)?.hasAttribute("data-problem") || id === now?.id);
    if (!ids.length) return;
    const at = now ? ids.indexOf(now.id) : by > 0 ? -1 : 0;
    go(ids[(at + by + ids.length) % ids.length]);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches(".close")) close();
    if (button.matches(".prev")) step(-1, false);
    if (button.matches(".next")) step(1, false);
    if (button.matches(".unfold")) {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      button.textContent = on ? "Close all" : "Decode all";
      all("details", button.closest(".ladder")).forEach((d) => { d.open = on; });
    }
    if (button.matches(".copy")) copy(button);
  });
  const copy = async (button) => {
    const code = button.previousElementSibling;
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Press Ctrl-C";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };

  // Keys.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { if (event.target === text && text.value) return; close(); return; }
    if (event.target.closest("input, select, textarea")) return;
    const keys = { j: [1, false], k: [-1, false], n: [1, true], N: [-1, true] };
    if (event.key === "/") { event.preventDefault(); text.focus(); text.select(); }
    else if (keys[event.key]) step(...keys[event.key]);
    else if (event.key.startsWith("Arrow") && event.target.matches(".v")) {
      const row = event.target.closest(".row"), column = event.target.closest("td").cellIndex;
      const near = (from, by) => {
        const list = all(".row").filter((r) => r.offsetParent !== null);
        for (let at = list.indexOf(from) + by; list[at]; at += by) {
          const link = list[at].cells[column]?.querySelector(".v");
          if (link) return link;
        }
      };
      const beside = (by) => {
        for (let at = column + by; row.cells[at]; at += by) {
          const link = row.cells[at].querySelector(".v");
          if (link && link.offsetParent !== null) return link;
        }
      };
      const to = { ArrowDown: () => near(row, 1), ArrowUp: () => near(row, -1), ArrowRight: () => beside(1), ArrowLeft: () => beside(-1) }[event.key]?.();
      if (to) { event.preventDefault(); to.focus(); }
    }
  });

  const state = new URLSearchParams(location.hash.slice(1));
  if (!state.has("case")) {
    const verdicts = (state.get("verdict") || "").split(",");
    chips.forEach((chip) => chip.setAttribute("aria-pressed", verdicts.includes(chip.dataset.verdict)));
    for (const [field, name] of [[peer, "peer"], [suite, "suite"], [text, "text"]]) {
      if (state.has(name)) field.value = state.get(name);
    }
  }
  addEventListener("hashchange", () => open(true));
  addEventListener("resize", measure);
  filter();
  open(false);
})();
