// Filters. The page is whole without it; nothing here makes markup.
(() => {
  "use strict";
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const [where, level, text, count, none] = ["f-document", "f-level", "f-text", "f-count", "f-none"].map(one);
  const chips = all(".chip"), groups = all(".document");
  const pressed = () => chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.status);
  const filter = () => {
    const wanted = pressed(), words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const group of groups) {
      let any = false;
      const here = !where.value || group.dataset.document === where.value;
      for (const row of all(".subject", group)) {
        const fits = here && (wanted.length === 0 || wanted.includes(row.dataset.status))
          && (!level.value || row.dataset.level.split(" ")[0] === level.value)
          && words.every((word) => row.dataset.text.includes(word));
        row.classList.toggle("gone", !fits);
        if (fits) { any = true; shown += 1; }
      }
      group.classList.toggle("gone", !any);
    }
    none.hidden = shown > 0;
    count.textContent = shown + " shown";
  };
  for (const chip of chips) chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    filter();
  });
  for (const field of [where, level, text]) field.addEventListener("input", filter);
  filter();
})();
