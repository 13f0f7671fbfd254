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

  // ---- what is packed, unpacked when it is first needed
  document.getElementById("old").hidden = "DecompressionStream" in window;
  const unpack = async (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (sign) => sign.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const once = (make) => { let made; return () => (made ??= make()); };
  const rest = once(async () => JSON.parse(await unpack("rest")));
  const library = once(async () => {
    document.head.append(element("script", await unpack("plotly")));
    return window.Plotly;
  });

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
  const options = { responsive: true, displaylogo: false };
  const draw = async (place) => {
    place.dataset.drawn = "1";
    const [plotly, held] = [await library(), await rest()];
    const chart = held[place.dataset.suite].figures[place.dataset.figure][place.dataset.chart];
    if (chart.layout.height) place.style.height = `${chart.layout.height}px`;
    const text = getComputedStyle(root).getPropertyValue("--text").trim();
    const inked = (key, value) => (value === "#000000" ? text : value);
    const data = JSON.parse(JSON.stringify(chart.data), inked).map((trace) =>
      (trace.error_y ? { ...trace, error_y: { ...trace.error_y, color: text, thickness: 1 } } : trace));
    plotly.react(place, data, look(chart.layout), options);
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "300px" });
  document.querySelectorAll(".charts .chart").forEach((place) => seen.observe(place));

  // ---- light and dark
  const choose = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    theme.setAttribute("aria-pressed", String(dark));
    document.querySelectorAll(".charts .chart[data-drawn]").forEach(draw);
  };
  choose(matchMedia("(prefers-color-scheme: dark)").matches);
  theme.addEventListener("click", () => choose(root.dataset.theme !== "dark"));

  // ---- trials
  const trialLine = (trial, at) => {
    const purpose = trial.chosen ? "search, chosen" : trial.purpose;
    const values = [trial.dataset, trial.backbone, trial.row, trial.steps, purpose, trial.seed, trial.status,
      number(trial.validation, 4), number(trial.test, 4), trial.epochs, number(trial.seconds, 1)];
    const numeric = new Set([3, 5, 7, 8, 9, 10]);
    const key = trial.key.slice(0, 8);
    return {
      words: [key, ...values.map(String)],
      numbers: [null, ...values.map((value, place) => (numeric.has(place) && value !== "" ? Number(value) : null))],
      row: () => {
        const row = element("tr"), head = element("th", null, { scope: "row" });
        head.append(element("button", key, { type: "button", class: "key", "data-trials": at }));
        row.append(head, ...values.map((value, place) =>
          element("td", String(value), place === 6 ? { class: trial.status } : {})));
        return row;
      },
    };
  };

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
  const show = async (suite, places) => {
    const first = suites[suite].trials[places[0]];
    const steps = first.steps ? ` (K=${first.steps})` : "";
    title.textContent = `${first.dataset} ${first.backbone} ${first.row}${steps}: ` +
      (places.length > 1 ? `${places.length} runs` : `trial ${first.key.slice(0, 8)}`);
    const curves = element("div", null, { class: "chart", role: "group", "aria-label": "Validation metric by epoch" });
    detail.replaceChildren(curves);
    dialog.showModal();
    const [plotly, held] = [await library(), (await rest())[suite]];
    if (!curves.isConnected) return;
    const trials = places.map((place) => ({ ...suites[suite].trials[place], ...held.trials[place] }));
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
    const lines = trials.map((trial) => ({ type: "scatter", mode: "lines+markers", name: `seed ${trial.seed}`,
      x: trial.curve.epoch, y: trial.curve.validation }));
    plotly.react(curves, lines, look({ xaxis: { title: "epoch" }, yaxis: { title: `validation ${first.metric}` } }), options);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-trials]");
    if (button) show(button.closest("[data-suite]").dataset.suite, button.dataset.trials.trim().split(" "));
  });

  // ---- tables: sort, filter, page, copy. All lines are sorted and filtered; those of one page are in the document.
  const PAGE = 100;
  const lineOf = (row) => {
    const cells = [...row.cells];
    return {
      words: cells.map((cell) => cell.textContent),
      numbers: cells.map((cell) => (cell.dataset.sort === undefined ? null : Number(cell.dataset.sort))),
      row: () => row,
    };
  };
  document.querySelectorAll(".table").forEach((section) => {
    const body = section.querySelector("tbody");
    const pager = section.querySelector(".pager");
    const lines = once(() => (section.matches(".trials") ? suites[section.dataset.suite].trials.map(trialLine)
      : [...body.rows].map(lineOf)));
    const heads = [...section.querySelectorAll("thead tr:last-child th")];
    const said = section.querySelector(".said");
    let order = null, wanted = [], page = 0;
    const fill = () => {
      const original = lines(), sorted = order ?? original;
      const shown = wanted.length ? sorted.filter((line) => {
        line.text ??= line.words.join(" ").toLowerCase();
        return wanted.every((word) => line.text.includes(word));
      }) : sorted;
      const size = pager ? PAGE : Math.max(1, original.length);
      const last = Math.max(0, Math.ceil(shown.length / size) - 1);
      page = Math.min(Math.max(page, 0), last);
      const from = page * size, part = shown.slice(from, from + size);
      body.replaceChildren(...part.map((line) => (line.held ??= line.row())));
      const found = wanted.length ? `${shown.length} of ${original.length} lines` : "";
      if (!pager) { said.textContent = found; return; }
      const at = `lines ${from + 1} to ${from + part.length} of ${shown.length}`;
      pager.hidden = last === 0;
      pager.querySelector(".at").textContent = at;
      pager.querySelectorAll("button").forEach((button) => {
        const stuck = ["first", "back"].includes(button.dataset.go) ? page === 0 : page === last;
        button.setAttribute("aria-disabled", String(stuck));
      });
      said.textContent = last ? [found, at].filter(Boolean).join(", ") : found;
    };
    heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = lines().some((line) => line.numbers[place] !== null);
      order = [...lines()].sort((a, b) => {
        if (!numeric) return a.words[place].localeCompare(b.words[place]) * (down ? 1 : -1);
        const [x, y] = [a.numbers[place], b.numbers[place]];
        if (x === null || y === null) return (x === null) - (y === null);
        return down ? y - x : x - y;
      });
      page = 0;
      fill();
    }));
    section.querySelector(".filter").addEventListener("input", (event) => {
      wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      page = 0;
      fill();
    });
    section.querySelector(".reset").addEventListener("click", () => {
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      order = null;
      page = 0;
      fill();
    });
    pager?.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || button.getAttribute("aria-disabled") === "true") return;
      page = { first: 0, back: page - 1, on: page + 1, last: Infinity }[button.dataset.go];
      fill();
      section.querySelector(".scroll").scrollTop = 0;
    });
    if (pager) fill();
    section.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
      const text = (await rest())[section.dataset.suite].copies[section.dataset.table][button.dataset.form];
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
