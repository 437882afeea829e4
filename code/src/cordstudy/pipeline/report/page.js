// The viewer: NiiVue, unpacked from this page when it comes into sight. Without it, or without WebGL 2, the still
// images below show the same.
(() => {
  const box = document.getElementById("viewer");
  const data = JSON.parse(document.getElementById("cases").textContent);
  const [select, canvas, told] = ["select", "canvas", "output"].map((name) => box.querySelector(name));
  const boxes = [...box.querySelectorAll("input")];
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const colours = JSON.parse(box.dataset.colours);
  let viewer;

  const start = async () => {
    if (!document.createElement("canvas").getContext("webgl2")) throw new Error("this browser shows no WebGL 2");
    const packed = new Blob([bytes(document.getElementById("niivue").textContent)]);
    const script = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
    const { Niivue } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    viewer = new Niivue({ backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.5], crosshairWidth: 0.2,
                          isColorbar: false, logLevel: "error" });
    await viewer.attachToCanvas(canvas);
    viewer.setSliceType(viewer.sliceTypeMultiplanar);
    for (const [name, colour] of Object.entries(colours)) {
      const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      viewer.addColormap(name, { R: [0, r], G: [0, g], B: [0, b], A: [0, 255], I: [0, 255] });
    }
  };

  const opacities = () => boxes.forEach((one, n) => {
    if (viewer.volumes[n + 1]) viewer.setOpacity(n + 1, one.checked ? 0.45 : 0);
  });

  const show = async () => {
    const one = data[select.selectedIndex];
    told.textContent = "loading …";
    if (!viewer) await start();
    const names = ["image", ...boxes.map((b) => b.value)].filter((name) => one.volumes[name]);
    await viewer.loadVolumes(names.map((name) => ({
      url: "data:application/octet-stream;base64," + one.volumes[name], name: name + ".nii.gz",
      colormap: name === "image" ? "gray" : name, opacity: name === "image" ? 1 : 0.45,
      ...(name === "image" ? {} : { cal_min: 0.5, cal_max: 1 }),
    })));
    opacities();
    viewer.scene.crosshairPos = viewer.mm2frac(one.centre_mm);
    viewer.updateGLVolume();
    told.textContent = one.told;
  };

  const attempt = () => show().catch((error) => {
    told.textContent = `No interactive view (${error.message}); the still images below show the same cases.`;
    canvas.parentElement.hidden = true;
  });

  box.hidden = false;
  select.addEventListener("change", attempt);
  boxes.forEach((one) => one.addEventListener("change", () => viewer && opacities()));
  new IntersectionObserver((seen, observer) => {
    if (seen.some((one) => one.isIntersecting)) { observer.disconnect(); attempt(); }
  }, { rootMargin: "200px" }).observe(box);
})();
