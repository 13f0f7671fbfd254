"use strict";
(() => {
  const suites = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const number = (value, digits) => (value === null || value === undefined ? "" : value.toFixed(digits));

  // ---- charts, drawn when they come into view
  const look = (layout) => {
    const style = getComputedStyle(root);
    const text = style.getPropertyValue("--text").trim(), line = style.getPropertyValue("--line").trim();
    const axis = (own) => ({ gridcolor: line, zerolinecolor: line, automargin: true, ...own,
      title: typeof own?.title === "string" ? { text: own.title } : own?.title });
    return { margin: { t: 30, r: 20, b: 40, l: 50 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, size: 12 }, legend: { orientation: "h", y: 1.15 }, ...layout,
      xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis) };
  };
  const draw = (place) => {
    const chart = suites[place.dataset.suite].charts[place.dataset.chart];
    place.dataset.drawn = "1";
    const text = getComputedStyle(root).getPropertyValue("--text").trim();
    const data = chart.data.map((trace) =>
      (trace.error_y ? { ...trace, error_y: { ...trace.error_y, color: text, thickness: 1 } } : trace));
    Plotly.react(place, data, look(chart.layout), { responsive: true, displaylogo: false });
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "300px" });
  document.querySelectorAll(".chart").forEach((place) => seen.observe(place));

  // ---- light and dark
  const choose = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    theme.setAttribute("aria-pressed", String(dark));
    document.querySelectorAll(".chart[data-drawn]").forEach(draw);
  };
  choose(matchMedia("(prefers-color-scheme: dark)").matches);
  theme.addEventListener("click", () => choose(root.dataset.theme !== "dark"));

  // ---- trials
  const byKey = new Map();
  suites.forEach((suite) => suite.trials.forEach((trial) => byKey.set(trial.key, trial)));
  const keyButton = (trial) => {
    const button = element("button", trial.key.slice(0, 8), { type: "button", class: "key", "data-keys": trial.key });
    return button;
  };
  document.querySelectorAll(".trials").forEach((section) => {
    const body = section.querySelector("tbody");
    for (const trial of suites[section.dataset.suite].trials) {
      const row = element("tr");
      const head = element("th", null, { scope: "row" });
      head.append(keyButton(trial));
      row.append(head);
      const purpose = trial.chosen ? "search, chosen" : trial.purpose;
      const cells = [trial.dataset, trial.backbone, trial.row, trial.steps, purpose, trial.seed, trial.status,
        number(trial.validation, 4), number(trial.test, 4), trial.epochs, number(trial.seconds, 1)];
      cells.forEach((value, place) => {
        const cell = element("td", String(value));
        if (place === 6) cell.className = trial.status;
        if (typeof value === "number" || (place > 6 && value !== "")) cell.dataset.sort = value;
        row.append(cell);
      });
      body.append(row);
    }
  });

  const dialog = document.getElementById("detail");
  const title = document.getElementById("detail-title");
  const detail = document.getElementById("detail-body");
  const list = (values) => {
    const made = element("dl");
    for (const [name, value] of Object.entries(values)) {
      const shown = value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
      made.append(element("dt", name), element("dd", shown));
    }
    return made;
  };
  const show = (keys) => {
    detail.replaceChildren();
    const trials = keys.map((key) => byKey.get(key)).filter(Boolean);
    const first = trials[0];
    if (!first) return;
    const steps = first.steps ? ` (K=${first.steps})` : "";
    title.textContent = `${first.dataset} ${first.backbone} ${first.row}${steps}: ` +
      (trials.length > 1 ? `${trials.length} runs` : `trial ${first.key.slice(0, 8)}`);
    const curves = element("div", null, { class: "chart", role: "img", "aria-label": "Validation metric by epoch" });
    detail.append(curves);
    for (const trial of trials) {
      const part = element("details");
      part.open = trials.length === 1;
      part.append(element("summary", `${trial.key.slice(0, 8)}, ${trial.purpose}, seed ${trial.seed}, ${trial.status}` +
        (trial.test === null ? "" : `: test ${trial.metric} ${number(trial.test, 4)}`)));
      if (trial.reason) part.append(element("pre", trial.reason));
      part.append(element("h3", "Metrics"), list(trial.metrics));
      for (const [name, values] of Object.entries(trial.settings)) part.append(element("h3", name), list(values));
      part.append(element("h3", "environment"), list({ ...trial.environment, parameters: trial.parameters,
        "best epoch": `${trial.best_epoch} of ${trial.epochs}`, seconds: number(trial.seconds, 1) }));
      part.append(element("h3", "To run it again"), element("pre", trial.rerun));
      detail.append(part);
    }
    dialog.showModal();
    const lines = trials.map((trial) => ({ type: "scatter", mode: "lines+markers", name: `seed ${trial.seed}`,
      x: trial.curve.epoch, y: trial.curve.validation }));
    Plotly.react(curves, lines, look({ xaxis: { title: "epoch" }, yaxis: { title: `validation ${first.metric}` } }),
      { responsive: true, displaylogo: false });
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-keys]");
    if (button) show(button.dataset.keys.split(" "));
  });

  // ---- tables: sort, filter, copy
  document.querySelectorAll(".table").forEach((section) => {
    const body = section.querySelector("tbody");
    const original = [...body.rows];
    const heads = [...section.querySelectorAll("thead tr:last-child th")];
    const said = section.querySelector(".said");
    heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const cell = row.cells[place];
        return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
      };
      const numeric = original.some((row) => value(row) !== null);
      const sorted = [...original].sort((a, b) => {
        if (!numeric) return a.cells[place].textContent.localeCompare(b.cells[place].textContent) * (down ? 1 : -1);
        const [x, y] = [value(a), value(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return down ? y - x : x - y;
      });
      body.append(...sorted);
    }));
    section.querySelector(".filter").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of original) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      said.textContent = words.length ? `${shown} of ${original.length} lines` : "";
    });
    section.querySelector(".reset")?.addEventListener("click", () => {
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      body.append(...original);
    });
    section.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
      const text = suites[section.dataset.suite].copies[section.dataset.table][button.dataset.form];
      try {
        await navigator.clipboard.writeText(text);
      } catch {  // pages from disk may have no clipboard of their own
        const area = element("textarea", text);
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      said.textContent = `${button.dataset.form === "latex" ? "LaTeX" : "CSV"} copied`;
    }));
  });
})();
