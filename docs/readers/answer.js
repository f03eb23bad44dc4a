// Answers a question of docs/vectors.md in JSON:  node answer.js question.json answer.json
// One training step of Flipout layers in float64, every derivative by hand, no dependency.
"use strict";
const fs = require("fs");

const softplus = (a) => (a > 0 ? a : 0) + Math.log1p(Math.exp(-Math.abs(a)));
const sigmoid = (a) => (a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a)));

// The error function by its series, or by the continued fraction of its complement.
function erf(x) {
  const z = Math.abs(x);
  if (z < 3) {
    let term = z, sum = z;
    for (let n = 1; Math.abs(term) > 1e-18 * sum; n++) {
      term *= (2 * z * z) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
}
const phi = (a) => Math.exp((-a * a) / 2) / Math.sqrt(2 * Math.PI);
const cdf = (a) => (1 + erf(a / Math.SQRT2)) / 2;

const ACTIVATIONS = { // function, derivative
  linear: [(a) => a, () => 1],
  relu: [(a) => (a > 0 ? a : 0), (a) => (a > 0 ? 1 : 0)],
  tanh: [Math.tanh, (a) => 1 - Math.tanh(a) ** 2],
  sigmoid: [sigmoid, (a) => sigmoid(a) * sigmoid(-a)],
  softplus: [softplus, sigmoid],
  elu: [(a) => (a > 0 ? a : Math.expm1(a)), (a) => (a > 0 ? 1 : Math.exp(a))],
  gelu: [(a) => a * cdf(a), (a) => cdf(a) + a * phi(a)],
};

function klTerm(mu, sigma, prior) {
  const off = mu - prior.loc, s2 = prior.scale ** 2, r = (sigma * sigma) / s2;
  return -Math.log(sigma / prior.scale) + (r - 1 + (off * off) / s2) / 2;
}

function forward(h, layer, p, B, I) {
  const O = layer.units, t = { I, O, h, p, layer, kl: 0 };
  t.sigma = p.kernel_rho.map((rho) => layer.scale_shift + softplus(rho));
  t.sigma.forEach((s, i) => (t.kl += klTerm(p.kernel_mu[i], s, layer.kernel_prior)));
  t.random = layer.bias.startsWith("normal");
  if (t.random) {
    t.biasSigma = p.bias_rho.map((rho) => layer.scale_shift + softplus(rho));
    t.biasSigma.forEach((s, o) => (t.kl += klTerm(p.bias_mu[o], s, layer.bias_prior)));
  }
  t.a = new Float64Array(B * O);
  t.out = new Float64Array(B * O);
  for (let n = 0; n < B; n++)
    for (let o = 0; o < O; o++) {
      const so = p.sign_output[n * O + o];
      let mean = 0, noise = 0;
      for (let i = 0; i < I; i++) {
        const k = i * O + o, x = h[n * I + i];
        mean += x * p.kernel_mu[k];
        noise += x * p.sign_input[n * I + i] * t.sigma[k] * p.kernel_eps[k];
      }
      let a = mean + noise * so;
      if (layer.bias !== "none") a += p.bias_mu[o];
      if (t.random) a += t.biasSigma[o] * p.bias_eps[o] * (layer.bias === "normal_flipped" ? so : 1);
      t.a[n * O + o] = a;
      t.out[n * O + o] = ACTIVATIONS[layer.activation][0](a);
    }
  return t;
}

function likelihood(kind, z, y, B, O) { // [nll, gradient by z]
  const g = new Float64Array(B * O);
  let total = 0;
  for (let n = 0; n < B; n++) {
    if (kind.type === "categorical") {
      const row = z.subarray(n * O, n * O + O), top = Math.max(...row);
      const sum = row.reduce((s, v) => s + Math.exp(v - top), 0);
      total += top + Math.log(sum) - row[y[n]];
      for (let o = 0; o < O; o++)
        g[n * O + o] = (Math.exp(row[o] - top) / sum - (o === y[n] ? 1 : 0)) / B;
      continue;
    }
    for (let o = 0; o < O; o++) {
      const k = n * O + o;
      if (kind.type === "bernoulli") {
        total += softplus(z[k]) - y[k] * z[k];
        g[k] = (sigmoid(z[k]) - y[k]) / B;
      } else {
        const r = (z[k] - y[k]) / kind.scale;
        total += (r * r) / 2 + Math.log(kind.scale) + Math.log(2 * Math.PI) / 2;
        g[k] = r / kind.scale / B;
      }
    }
  }
  return [total / B, g];
}

function backward(t, gradOut, w, B, results, key) {
  const { I, O, p, layer, h } = t, kernel = layer.kernel_prior;
  const gm = new Float64Array(I * O), gr = new Float64Array(I * O), gx = new Float64Array(B * I);
  const gb = new Float64Array(O), gbr = new Float64Array(O);
  for (let n = 0; n < B; n++)
    for (let o = 0; o < O; o++) {
      const so = p.sign_output[n * O + o];
      const ga = gradOut[n * O + o] * ACTIVATIONS[layer.activation][1](t.a[n * O + o]);
      gb[o] += ga;
      if (t.random) gbr[o] += ga * p.bias_eps[o] * (layer.bias === "normal_flipped" ? so : 1);
      for (let i = 0; i < I; i++) {
        const k = i * O + o, x = h[n * I + i], si = p.sign_input[n * I + i];
        gm[k] += x * ga;
        gr[k] += x * si * ga * so * p.kernel_eps[k];
        gx[n * I + i] += ga * p.kernel_mu[k] + ga * so * t.sigma[k] * p.kernel_eps[k] * si;
      }
    }
  const add = (mu, rho, sigma, prior, byMu, bySigma) => {
    for (let k = 0; k < mu.length; k++) {
      const s2 = prior.scale ** 2;
      byMu[k] += (w * (mu[k] - prior.loc)) / s2;
      bySigma[k] = (bySigma[k] + w * (sigma[k] / s2 - 1 / sigma[k])) * sigmoid(rho[k]);
    }
  };
  add(p.kernel_mu, p.kernel_rho, t.sigma, kernel, gm, gr);
  results[`grad.${key}kernel_mu`] = { shape: [I, O], data: [...gm] };
  results[`grad.${key}kernel_rho`] = { shape: [I, O], data: [...gr] };
  if (t.random) {
    add(p.bias_mu, p.bias_rho, t.biasSigma, layer.bias_prior, gb, gbr);
    results[`grad.${key}bias_rho`] = { shape: [O], data: [...gbr] };
  }
  if (layer.bias !== "none") results[`grad.${key}bias_mu`] = { shape: [O], data: [...gb] };
  return gx;
}

// Of version 2: what version 1's layers, priors and likelihoods say. Anything else is declined.
function declined(meta) {
  if (meta.estimator === "local" || meta.sample_weight) return "local noise or sample weights";
  if (!["categorical", "bernoulli", "normal"].includes(meta.likelihood.type) ||
      meta.likelihood.learn_scale) return "this likelihood";
  for (const layer of meta.layers) {
    if (layer.type !== "DenseFlipout") return layer.type;
    if (layer.bias === "deterministic" && layer.bias_prior) return "a prior of a point estimate";
    for (const prior of [layer.kernel_prior, layer.bias_prior])
      if (prior && !(typeof prior.loc === "number" && typeof prior.scale === "number" && !prior.type))
        return "a prior that is not one Normal";
  }
  return "";
}

function answer(question) {
  const { meta, arrays } = question, [B, inputs] = arrays.x.shape;
  const traces = [], results = {};
  let h = Float64Array.from(arrays.x.data), I = inputs, kl = 0;
  meta.layers.forEach((layer, k) => {
    const p = {};
    for (const [name, array] of Object.entries(arrays))
      if (name.startsWith(`layers.${k}.`)) p[name.slice(`layers.${k}.`.length)] = array.data;
    const t = forward(h, layer, p, B, I);
    traces.push(t);
    kl += t.kl;
    results[`layers.${k}.kl`] = { shape: [], data: [t.kl] };
    h = t.out;
    I = layer.units;
  });
  const [nll, slope] = likelihood(meta.likelihood, h, arrays.y.data, B, I);
  results.outputs = { shape: [B, I], data: [...h] };
  results.nll = { shape: [], data: [nll] };
  results.kl = { shape: [], data: [kl] };
  results.loss = { shape: [], data: [nll + meta.kl_weight * kl] };
  let grad = slope;
  for (let k = traces.length - 1; k >= 0; k--)
    grad = backward(traces[k], grad, meta.kl_weight, B, results, `layers.${k}.`);
  results["grad.x"] = { shape: [B, inputs], data: [...grad] };
  return { meta: { ...meta, source: `docs/readers/answer.js, node ${process.version}` }, arrays, results };
}

const [, , from, to] = process.argv;
const question = JSON.parse(fs.readFileSync(from, "utf8"));
const reason = declined(question.meta);
if (reason) {
  console.error(`declined: ${reason}`);
  process.exit(3);
}
fs.writeFileSync(to, JSON.stringify(answer(question)));
