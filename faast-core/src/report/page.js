// What the page does beyond showing: theme, tabs, legend, sorting, filters, and the JSON as a file. All content is there
// without it.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);

  // The theme: as the system has it, light, dark.
  const themes = ["automatic", "light", "dark"];
  let theme = 0;
  by("theme").addEventListener("click", () => {
    theme = (theme + 1) % themes.length;
    if (theme === 0) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = themes[theme];
    by("theme").textContent = `Theme: ${themes[theme]}`;
  });

  by("save").addEventListener("click", () => {
    const blob = new Blob([by("data").textContent], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "run.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });

  // Tabs, as the ARIA practices have them: arrows move, Home and End jump, one of them is in the tab order.
  for (const list of all("[role=tablist]")) {
    const tabs = all("[role=tab]", list);
    const choose = (chosen, focus) => {
      for (const tab of tabs) {
        const is = tab === chosen;
        tab.setAttribute("aria-selected", String(is));
        tab.tabIndex = is ? 0 : -1;
        by(tab.getAttribute("aria-controls")).hidden = !is;
      }
      if (focus) chosen.focus();
    };
    list.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) choose(tab, false);
    });
    list.addEventListener("keydown", (event) => {
      const at = tabs.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(tabs.at(to % tabs.length), true);
    });
    choose(tabs[0], false);
  }

  for (const button of all("[data-hides]")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") === "true";
      button.setAttribute("aria-pressed", String(!shown));
      by("timeline").classList.toggle(`hide-${button.dataset.hides}`, shown);
    });
  }

  const sort = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") !== "descending";
    const value = (row) => {
      const cell = row.cells[column];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
    };
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (typeof x === "number" && typeof y === "number") return x - y;
      return String(x).localeCompare(String(y));
    };
    const rows = [...table.tBodies[0].rows].sort((a, b) => (down ? order(b, a) : order(a, b)));
    table.tBodies[0].append(...rows);
    for (const other of all("th", table)) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  for (const button of all(".sort")) {
    const heading = button.closest("th");
    button.addEventListener("click", () => sort(heading.closest("table"), heading.cellIndex, heading));
  }

  // Long tables can be searched.
  for (const frame of all("#failed .wide, #slowest .wide")) {
    const rows = all("tbody tr", frame);
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("span");
    label.className = "filter";
    input.type = "search";
    count.setAttribute("role", "status");
    label.append("Only rows with", input, " ", count);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = wanted ? `${shown} of ${rows.length}` : "";
    });
    frame.before(label);
  }
})();
