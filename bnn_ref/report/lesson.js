"use strict";
// The Flipout lesson: the same numbers as the library's, from the same draws, moved by the reader.
// LESSON = {draws, rows, inputs, x, eps, signs_in, signs_out}: x (rows, inputs), eps (draws, inputs),
// signs_in (draws, rows, inputs), signs_out (draws, rows), all flat. One output, every mean 0, one
// sigma: a_n = sign_output_n * sum_i x_ni sign_input_ni sigma eps_i; nll_n = a_n^2 / 2.

const SVG = "http://www.w3.org/2000/svg";
const SIZES = [2, 4, 8, 16, 32];
const own = { flips: new Map() }; // signs that the reader has turned, of the draw that is shown

function element(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function signIn(draw, row, input) {
  return LESSON.signs_in[(draw * LESSON.rows + row) * LESSON.inputs + input];
}

function signOut(draw, row) {
  return LESSON.signs_out[draw * LESSON.rows + row];
}

function output(draw, row, sigma, flipout) {
  let sum = 0;
  for (let i = 0; i < LESSON.inputs; i++) {
    const sign = flipout ? signIn(draw, row, i) : 1;
    sum += LESSON.x[row * LESSON.inputs + i] * sign * sigma * LESSON.eps[draw * LESSON.inputs + i];
  }
  return flipout ? sum * signOut(draw, row) : sum;
}

function correlation(pairs) {
  let xx = 0, yy = 0, xy = 0;
  for (const [x, y] of pairs) { xx += x * x; yy += y * y; xy += x * y; }
  return xy / Math.sqrt(xx * yy);
}

function gradientVariance(size, sigma, flipout) {
  // of the gradient by kernel_mu, (1/B) sum_n x_n a_n: its mean over draws is 0 as every mean is
  let total = 0;
  for (let draw = 0; draw < LESSON.draws; draw++) {
    const outputs = [];
    for (let row = 0; row < size; row++) outputs.push(output(draw, row, sigma, flipout));
    for (let i = 0; i < LESSON.inputs; i++) {
      let g = 0;
      for (let row = 0; row < size; row++) g += LESSON.x[row * LESSON.inputs + i] * outputs[row];
      total += (g / size) ** 2;
    }
  }
  return total / (LESSON.draws * LESSON.inputs);
}

function say(id, text) { document.getElementById(id).textContent = text; }

function scatter(pairs, sigma) {
  const svg = document.getElementById("scatter");
  svg.replaceChildren();
  const reach = 6.5 * 1.0; // of the largest sigma, so that the eye sees it grow
  const at = (v) => 110 + (95 * Math.max(-1, Math.min(1, v / reach)));
  element("line", { x1: 15, y1: 110, x2: 205, y2: 110, class: "axis" }, svg);
  element("line", { x1: 110, y1: 15, x2: 110, y2: 205, class: "axis" }, svg);
  for (const [x, y] of pairs)
    element("circle", { cx: at(x), cy: 220 - at(y), r: 1.8, class: "dot" }, svg);
  const r = correlation(pairs);
  const said = `Outputs of two equal rows under ${pairs.length} draws: correlation ${r.toFixed(3)}`;
  svg.setAttribute("aria-label", said);
}

function curves(size, sigma, mode) {
  const svg = document.getElementById("curves");
  svg.replaceChildren();
  const values = { flipout: [], shared: [] };
  for (const b of SIZES)
    for (const kind of ["flipout", "shared"])
      values[kind].push(gradientVariance(b, sigma, kind === "flipout"));
  const every = [...values.flipout, ...values.shared];
  const low = Math.log(Math.min(...every)) - 0.2, high = Math.log(Math.max(...every)) + 0.2;
  const x = (b) => 40 + 170 * (Math.log2(b) - 1) / 4;
  const y = (v) => 15 + 160 * (high - Math.log(v)) / (high - low);
  element("line", { x1: 40, y1: 175, x2: 215, y2: 175, class: "axis" }, svg);
  element("line", { x1: 40, y1: 15, x2: 40, y2: 175, class: "axis" }, svg);
  for (const b of SIZES)
    element("text", { x: x(b), y: 190, "text-anchor": "middle" }, svg).textContent = b;
  for (const v of [Math.min(...every), Math.max(...every)])
    element("text", { x: 37, y: y(v) + 4, "text-anchor": "end" }, svg).textContent = v.toPrecision(2);
  element("text", { x: 127, y: 206, "text-anchor": "middle" }, svg).textContent = "batch size B";
  for (const kind of ["flipout", "shared"]) {
    const points = SIZES.map((b, k) => `${x(b)},${y(values[kind][k])}`).join(" ");
    element("polyline", { points, class: `curve ${kind}` }, svg);
    SIZES.forEach((b, k) => {
      const chosen = b === size && kind === mode;
      const place = { class: `mark ${kind}` };
      if (kind === "flipout")
        element("circle", { cx: x(b), cy: y(values[kind][k]), r: chosen ? 6 : 3, ...place }, svg);
      else {
        const s = chosen ? 6 : 3;
        element("rect", { x: x(b) - s, y: y(values[kind][k]) - s, width: 2 * s, height: 2 * s,
                          ...place }, svg);
      }
    });
  }
  const last = SIZES.indexOf(size);
  svg.setAttribute("aria-label", `Variance of the gradient by kernel_mu against the batch size. ` +
    `At B = ${size}: ${values.flipout[last].toPrecision(4)} with Flipout, ` +
    `${values.shared[last].toPrecision(4)} with one shared draw.`);
  return values[mode][last];
}

function oneDraw(draw, sigma) {
  const body = document.getElementById("signs");
  const focused = document.activeElement && document.activeElement.dataset.key;
  body.replaceChildren();
  for (let row = 0; row < 3; row++) {
    const line = body.insertRow();
    line.insertCell().textContent = row;
    let sum = 0;
    const signs = [];
    for (let i = 0; i <= LESSON.inputs; i++) {
      const key = `${row},${i}`;
      const sign = (i < LESSON.inputs ? signIn(draw, row, i) : signOut(draw, row)) *
        (own.flips.get(key) || 1);
      signs.push(sign);
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.key = key;
      button.textContent = sign > 0 ? "+" : "\u2212";
      const name = i < LESSON.inputs ? `sign_input ${i}` : "sign_output";
      button.setAttribute("aria-label", `row ${row}, ${name}: ${sign > 0 ? "plus" : "minus"}, turn`);
      button.addEventListener("click", () => {
        own.flips.set(key, -(own.flips.get(key) || 1));
        show();
      });
      line.insertCell().append(button);
      if (i < LESSON.inputs)
        sum += LESSON.x[row * LESSON.inputs + i] * sign * sigma * LESSON.eps[draw * LESSON.inputs + i];
    }
    const cell = line.insertCell();
    cell.className = "number";
    cell.textContent = (sum * signs[LESSON.inputs]).toFixed(4);
    cell.id = `output-${row}`;
  }
  if (focused) {
    const again = body.querySelector(`[data-key="${focused}"]`);
    if (again) again.focus();
  }
}

function show() {
  const sigma = Number(document.getElementById("sigma").value);
  const size = SIZES[Number(document.getElementById("batch").value)];
  const mode = document.querySelector("input[name=mode]:checked").value;
  const draw = Number(document.getElementById("draw").value);
  say("sigma-said", sigma.toFixed(2));
  say("batch-said", size);
  say("draw-said", draw);
  const pairs = [];
  for (let d = 0; d < LESSON.draws; d++)
    pairs.push([output(d, 0, sigma, mode === "flipout"), output(d, 1, sigma, mode === "flipout")]);
  scatter(pairs, sigma);
  say("correlation", correlation(pairs).toFixed(4));
  let spread = 0;
  for (const [x] of pairs) spread += x * x;
  say("deviation", Math.sqrt(spread / pairs.length).toFixed(4));
  say("variance", curves(size, sigma, mode).toPrecision(4));
  oneDraw(draw, sigma);
}

for (const input of document.querySelectorAll("#lesson input")) input.addEventListener("input", () => {
  if (input.id === "draw") own.flips.clear();
  show();
});
show();
