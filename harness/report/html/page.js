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
      title: typeof own?.title === "string" ? { text: own.title, font: { size: 12 } } : own?.title });
    return { margin: { t: 16, r: 12, b: 40, l: 50 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, size: 12 }, legend: { orientation: "h", xref: "container", yref: "container", x: 0, y: 1, yanchor: "top" }, ...layout,
      ...Object.fromEntries(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis\d/.test(key))]
        .map((key) => [key, axis(layout[key])])) };
  };
  const touch = matchMedia("(hover: none)").matches; // the buttons would lie on the legend all the time
  const options = { responsive: true, displaylogo: false, displayModeBar: touch ? false : "hover", modeBarButtons: [["toImage", "resetScale2d"]] };
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "x"];
  const draw = async (place) => {
    place.dataset.drawn = "1";
    const [plotly, held] = [await library(), await rest()];
    const chart = held[place.dataset.suite].figures[place.dataset.figure][place.dataset.chart];
    place.style.height = chart.layout.height ? `${chart.layout.height}px` : "";
    const text = getComputedStyle(root).getPropertyValue("--text").trim();
    const line = getComputedStyle(root).getPropertyValue("--line").trim();
    const inked = (key, value) => (value === "#000000" ? text : value === "#CCCCCC" ? line : value);
    const data = JSON.parse(JSON.stringify(chart.data), inked).map((trace) =>
      ["error_x", "error_y"].reduce((made, error) => (
        made[error] ? { ...made, [error]: { ...made[error], color: trace.line?.color ?? text, thickness: 1 } } : made), trace));
    const layout = look({ ...chart.layout, height: undefined });
    await plotly.react(place, data, layout, options);
    const legend = place.querySelector(".legend .bg")?.getBBox().height ?? 0;
    if (legend > 30) place.style.height = `${place.clientHeight + legend - 20}px`;  // one line of names fits
    if (place.clientHeight) await plotly.Plots.resize(place);  // what is folded has no size
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "300px" });
  document.querySelectorAll(".charts .chart").forEach((place) => seen.observe(place));

  // ---- where one is
  const contents = document.getElementById("contents");
  const parts = [...document.querySelectorAll(".part")];
  const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
  const narrow = matchMedia("(max-width: 60rem)");
  const fold = () => { contents.open = !narrow.matches; };
  fold();
  narrow.addEventListener("change", fold);
  contents.addEventListener("click", (event) => { if (event.target.closest("a") && narrow.matches) contents.open = false; });
  let current;
  const locate = () => {
    const ended = innerHeight + scrollY >= root.scrollHeight - 2;
    const passed = parts.filter((part) => part.getBoundingClientRect().top < (ended ? innerHeight : 120));
    const link = links.get((passed.at(-1) ?? parts[0]).id);
    if (link === current) return;
    current?.removeAttribute("aria-current");
    current = link;
    link.setAttribute("aria-current", "true");
    contents.querySelectorAll(".suite-links").forEach((list) => list.classList.toggle("open", list.contains(link)));
    contents.querySelector(".here").textContent = link.textContent;
    if (!narrow.matches) {
      const side = contents.parentElement, from = link.offsetTop - side.offsetTop;
      if (from < side.scrollTop + 40 || from > side.scrollTop + side.clientHeight - 60) side.scrollTop = from - side.clientHeight / 2;
    }
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; locate(); });
  }, { passive: true });
  locate();

  // ---- a table that goes on beyond its frame shows where
  const frame = (box) => {
    box.classList.toggle("below", box.scrollTop + box.clientHeight < box.scrollHeight - 2);
    box.classList.toggle("right", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  };
  const framed = new ResizeObserver((entries) => entries.forEach((entry) => frame(entry.target)));
  document.querySelectorAll(".scroll").forEach((box) => {
    framed.observe(box);
    box.addEventListener("scroll", () => frame(box), { passive: true });
  });

  // ---- light and dark
  const choose = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    theme.setAttribute("aria-pressed", String(dark));
    document.querySelectorAll(".charts .chart[data-drawn]").forEach(draw);
  };
  choose(matchMedia("(prefers-color-scheme: dark)").matches);
  theme.addEventListener("click", () => choose(root.dataset.theme !== "dark"));

  // ---- printing: in light, every chart drawn, nothing folded
  document.getElementById("print").addEventListener("click", async () => {
    const dark = root.dataset.theme === "dark", folded = [...document.querySelectorAll("main details:not([open], .columns)")];
    folded.forEach((one) => { one.open = true; });
    root.classList.add("printing");
    if (dark) choose(false);
    await Promise.all([...document.querySelectorAll(".charts .chart")].map(draw));
    print();
    root.classList.remove("printing");
    folded.forEach((one) => { one.open = false; });
    choose(dark);
  });

  // ---- trials
  const trialLine = (highest) => (trial, at) => {
    const purpose = trial.chosen ? "search, chosen" : trial.purpose;
    const values = [trial.dataset, trial.backbone, trial.row, trial.steps, purpose, trial.seed, trial.status,
      number(trial.validation, 4), number(trial.test, 4), trial.epochs, number(trial.seconds, 1), trial.settings_tried];
    const numeric = new Set([3, 5, 7, 8, 9, 10]);
    const share = { 7: trial.validation / highest("validation"), 8: trial.test / highest("test") };
    const key = trial.key.slice(0, 8);
    return {
      words: [key, ...values.map(String)],
      numbers: [null, ...values.map((value, place) => (numeric.has(place) && value !== "" ? Number(value) : null))],
      row: () => {
        const row = element("tr"), head = element("th", null, { scope: "row" });
        head.append(element("button", key, { type: "button", class: "key", "data-trials": at }));
        row.append(head, ...values.map((value, place) => element("td", String(value), {
          ...(numeric.has(place) ? {} : { class: place === 6 ? `left ${trial.status}` : "left" }),
          ...(share[place] > 0 ? { class: "measured", style: `--share:${share[place].toFixed(3)}` } : {}),
        })));
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
    curves.classList.add(`c${trials[0].colour}`);
    const color = getComputedStyle(curves).getPropertyValue("--c").trim();
    const lines = trials.map((trial, at) => ({ type: "scatter", mode: "lines+markers", name: `seed ${trial.seed}`,
      x: trial.curve.epoch, y: trial.curve.validation, line: { color, dash: DASHES[at % DASHES.length] },
      marker: { color, symbol: SYMBOLS[at % SYMBOLS.length] } }));
    plotly.react(curves, lines, look({ xaxis: { title: "epoch", ...(first.epochs <= 10 && { dtick: 1 }) }, yaxis: { title: `validation ${first.metric}` } }), options);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-trials]");
    if (button) show(button.closest("[data-suite]").dataset.suite, button.dataset.trials.trim().split(" "));
  });

  // ---- tables: sort, filter, page, copy. All lines are sorted and filtered; those of one page are in the document.
  const PAGE = 100;
  const NARROW = new Set(["Row", "Status", "Validation", "Test"]);
  document.addEventListener("click", (event) => document.querySelectorAll("details.columns[open]").forEach((one) => {
    if (!one.contains(event.target)) one.open = false;
  }));
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
    const trials = section.matches(".trials") ? suites[section.dataset.suite].trials : null;
    const held = trials ? null : [...body.rows];
    const most = {};
    const highest = (name) => (most[name] ??= Math.max(...trials.map((trial) => trial[name] ?? 0)));
    const lines = once(() => (trials ? trials.map(trialLine(highest))
      : held.filter((row) => !row.matches(".group")).map(lineOf)));
    const heads = [...section.querySelectorAll("thead tr:last-child th")];
    const said = section.querySelector(".said"), reset = section.querySelector(".reset");
    let order = null, wanted = [], page = 0;
    const grouped = (rows) => {  // in the original order, each under its heading
      const kept = new Set(rows);
      let heading = null;
      return held.flatMap((row) => {
        if (row.matches(".group")) { heading = row; return []; }
        if (!kept.has(row)) return [];
        const shown = heading ? [heading, row] : [row];
        heading = null;
        return shown;
      });
    };
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
      const rows = part.map((line) => (line.held ??= line.row()));
      body.replaceChildren(...(trials || order ? rows : grouped(rows)));
      body.closest("table").classList.toggle("flat", order !== null);
      reset.hidden = order === null;
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
    reset.addEventListener("click", () => {
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
    if (trials) {
      const boxes = [...section.querySelectorAll(".columns input")], style = element("style");
      const kept = section.querySelector(".kept");
      const choose = () => {
        const left = boxes.filter((box) => !box.checked).map((box) => Number(box.value) + 1);
        style.textContent = left.map((place) =>
          `#${section.id} :is(th, td):nth-child(${place}) { display: none; }`).join("\n");
        kept.textContent = left.length ? `(${boxes.length + 1 - left.length} of ${boxes.length + 1})` : "";
      };
      if (innerWidth < 640) boxes.forEach((box) => { box.checked = NARROW.has(box.labels[0].textContent.trim()); });
      boxes.forEach((box) => box.addEventListener("change", choose));
      section.append(style);
      choose();
      fill();
    }
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
