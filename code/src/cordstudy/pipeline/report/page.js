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
    if (viewer.volumes[n + 1]) viewer.setOpacity(n + 1, mask.checked ? 0.45 : 0);
  });

  const volume = (shown, name) => {
    const url = "data:application/octet-stream;base64," + shown.volumes[name];
    const file = { url, name: name + ".nii.gz" };
    if (name === "image") return { ...file, colormap: "gray", opacity: 1 };
    return { ...file, colormap: name, opacity: 0.45, cal_min: 0.5, cal_max: 1 };
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
