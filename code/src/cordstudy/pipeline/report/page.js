// How a number was made, beside it. Without scripts the link leads to the section that tells it.
(() => {
  const made = document.getElementById("made");
  const [told, command] = [made.querySelector("b"), made.querySelector("code")];
  const copy = made.querySelector(".copy");
  if (!made.showPopover) return;
  document.addEventListener("click", (event) => {
    const number = event.target.closest("a[data-how]");
    if (!number) return;
    event.preventDefault();
    told.textContent = number.textContent;
    command.textContent = number.dataset.how;
    copy.textContent = "Copy";
    made.showPopover();
    const [at, room] = [number.getBoundingClientRect(), made.getBoundingClientRect()];
    const below = at.bottom + 4;
    made.style.left = `${Math.max(8, Math.min(at.left, innerWidth - room.width - 8))}px`;
    made.style.top = `${below + room.height < innerHeight ? below : Math.max(8, at.top - room.height - 4)}px`;
    copy.focus();
  });
  copy.addEventListener("click", () => {
    const select = () => getSelection().selectAllChildren(command);
    if (!navigator.clipboard) return select();
    navigator.clipboard.writeText(command.textContent).then(() => { copy.textContent = "Copied"; }, select);
  });
})();

// Tables are sorted by a column where its heading is pressed, the rows of a group among themselves.
(() => {
  const value = (row, column) => {
    const words = row.cells[column]?.textContent.trim().replaceAll("−", "-") ?? "";
    const found = words.match(/^[<>]?\s*([+-]?\d+(?:\.\d+)?)/);
    return { words, number: found ? Number(found[1]) : NaN };
  };
  const compare = (one, other, turn) => { // what is no number stands last, either way
    const [a, b] = [Number.isNaN(one.number), Number.isNaN(other.number)];
    if (!a && !b) return turn * (one.number - other.number);
    return a - b || turn * one.words.localeCompare(other.words, "en");
  };
  const sort = (table, column, turn) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.querySelector(".group"));
      const keyed = rows.map((row) => [value(row, column), row]);
      keyed.sort(([one], [other]) => compare(one, other, turn));
      body.append(...keyed.map(([, row]) => row));
    }
  };
  for (const table of document.querySelectorAll("main table")) {
    const heads = [...table.tHead.rows[0].cells];
    if (![...table.tBodies].some((body) => body.rows.length > 2)) continue;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const turn = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
        sort(table, column, turn);
      });
    });
  }
})();

// The strips of slices: held and moved by hand; those who want less motion get them held.
(() => {
  for (const figure of document.querySelectorAll(".sides")) {
    const strip = figure.querySelector(".strip");
    const [button, slice] = [figure.querySelector("button"), figure.querySelector("input")];
    const hold = (held) => {
      strip.classList.toggle("held", held);
      button.textContent = held ? "Play" : "Pause";
    };
    button.addEventListener("click", () => hold(!strip.classList.contains("held")));
    slice.addEventListener("input", () => {
      strip.style.setProperty("--at", slice.value);
      hold(true);
    });
    hold(matchMedia("(prefers-reduced-motion: reduce)").matches);
    figure.querySelector(".controls").hidden = false;
  }
})();

// What is folded is opened where a link leads into it, and for printing.
(() => {
  const open = () => {
    const place = location.hash && document.getElementById(location.hash.slice(1));
    if (!place) return;
    for (let at = place; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const own = place.querySelector(":scope > details");
    if (own) own.open = true;
    place.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));
})();

// The viewer: NiiVue, unpacked from this page when it comes into sight. Without it, or without
// WebGL 2, the still images below show the same.
(() => {
  const box = document.getElementById("viewer");
  const data = JSON.parse(document.getElementById("cases").textContent);
  const select = box.querySelector("select");
  const canvas = box.querySelector("canvas");
  const told = box.querySelector("output");
  const boxes = [...box.querySelectorAll("input")];
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const colours = JSON.parse(box.dataset.colours);
  let viewer;

  const start = async () => {
    if (!document.createElement("canvas").getContext("webgl2")) {
      throw new Error("this browser shows no WebGL 2");
    }
    const packed = new Blob([bytes(document.getElementById("niivue").textContent)]);
    const unpacked = packed.stream().pipeThrough(new DecompressionStream("gzip"));
    const text = await new Response(unpacked).blob();
    const script = new Blob([text], { type: "text/javascript" });
    const { Niivue } = await import(URL.createObjectURL(script));
    viewer = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [1, 1, 1, 0.5],
      crosshairWidth: 0.2,
      isColorbar: false,
      logLevel: "error",
    });
    await viewer.attachToCanvas(canvas);
    viewer.setSliceType(viewer.sliceTypeMultiplanar);
    for (const [name, colour] of Object.entries(colours)) {
      const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      viewer.addColormap(name, { R: [0, r], G: [0, g], B: [0, b], A: [0, 255], I: [0, 255] });
    }
  };

  const opacities = () => boxes.forEach((mask, n) => {
    if (viewer.volumes[n + 1]) viewer.setOpacity(n + 1, mask.checked ? 1 : 0);
  });

  const volume = (shown, name) => {
    const url = "data:application/octet-stream;base64," + shown.volumes[name];
    const file = { url, name: name + ".nii.gz" };
    if (name === "image") return { ...file, colormap: "gray", opacity: 1 };
    return { ...file, colormap: name, opacity: 1, cal_min: 0.5, cal_max: 1 };
  };

  const show = async () => {
    const shown = data[select.selectedIndex];
    told.textContent = "loading …";
    if (!viewer) await start();
    const names = ["image", ...boxes.map((mask) => mask.value)];
    const held = names.filter((name) => shown.volumes[name]);
    await viewer.loadVolumes(held.map((name) => volume(shown, name)));
    opacities();
    viewer.scene.crosshairPos = viewer.mm2frac(shown.centre_mm);
    viewer.updateGLVolume();
    told.textContent = shown.told;
  };

  const attempt = () => show().catch((error) => {
    const why = `No interactive view (${error.message})`;
    told.textContent = `${why}; the still images below show the same cases.`;
    canvas.parentElement.hidden = true;
  });

  box.hidden = false;
  select.addEventListener("change", attempt);
  boxes.forEach((mask) => mask.addEventListener("change", () => viewer && opacities()));
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    attempt();
  }, { rootMargin: "200px" }).observe(box);
})();
