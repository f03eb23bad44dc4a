// Answers a question of docs/vectors.md in JSON:  answer question.json answer.json
// One training step of Flipout layers in float64, every derivative by hand, no dependency.
//   rustc --edition 2021 -O answer.rs
use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::fmt::Write;
use std::{env, fs};

type Numbers = Vec<f64>;

// ---- JSON, as much of it as a vector needs; what was read is kept as text, to be written back.
enum Value {
    Null,
    Truth(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

struct Json {
    value: Value,
    source: String,
}

impl Json {
    fn object(&self) -> &BTreeMap<String, Json> {
        match &self.value {
            Value::Object(map) => map,
            _ => panic!("expected an object"),
        }
    }
    fn get(&self, key: &str) -> &Json {
        self.object().get(key).unwrap_or_else(|| panic!("expected the key {key}"))
    }
    fn list(&self) -> &[Json] {
        match &self.value {
            Value::List(list) => list,
            _ => panic!("expected a list"),
        }
    }
    fn number(&self) -> f64 {
        match self.value {
            Value::Number(number) => number,
            Value::Null => f64::NAN,
            _ => panic!("expected a number"),
        }
    }
    fn text(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            _ => panic!("expected a text"),
        }
    }
    fn numbers(&self) -> Numbers {
        self.get("data").list().iter().map(Json::number).collect()
    }
}

struct Parser<'a> {
    s: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> u8 {
        while self.s.as_bytes()[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
        self.s.as_bytes()[self.at]
    }
    fn skip(&mut self, c: u8) {
        if self.peek() == c {
            self.at += 1;
        }
    }
    fn text(&mut self) -> String {
        self.peek();
        let start = self.at + 1;
        self.at = start;
        while self.s.as_bytes()[self.at] != b'"' {
            self.at += if self.s.as_bytes()[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        self.s[start..self.at - 1].to_string()
    }
    fn parse(&mut self) -> Json {
        let first = self.peek();
        let start = self.at;
        let value = match first {
            b'{' => {
                self.at += 1;
                let mut map = BTreeMap::new();
                while self.peek() != b'}' {
                    let key = self.text();
                    self.skip(b':');
                    map.insert(key, self.parse());
                    self.skip(b',');
                }
                self.at += 1;
                Value::Object(map)
            }
            b'[' => {
                self.at += 1;
                let mut list = Vec::new();
                while self.peek() != b']' {
                    list.push(self.parse());
                    self.skip(b',');
                }
                self.at += 1;
                Value::List(list)
            }
            b'"' => Value::Text(self.text()),
            b'n' => {
                self.at += 4;
                Value::Null
            }
            b't' | b'f' => {
                self.at += if first == b't' { 4 } else { 5 };
                Value::Truth(first == b't')
            }
            _ => {
                let rest = &self.s[start..];
                let end = rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(rest.len());
                self.at += end;
                Value::Number(rest[..end].parse().expect("expected a number"))
            }
        };
        Json { value, source: self.s[start..self.at].to_string() }
    }
}

// ---- The mathematics.
fn softplus(a: f64) -> f64 {
    a.max(0.0) + (-a.abs()).exp().ln_1p()
}

fn sigmoid(a: f64) -> f64 {
    if a >= 0.0 { 1.0 / (1.0 + (-a).exp()) } else { a.exp() / (1.0 + a.exp()) }
}

// The error function by its series, or by the continued fraction of its complement.
fn erf(x: f64) -> f64 {
    let z = x.abs();
    if z < 3.0 {
        let (mut term, mut sum, mut n) = (z, z, 1.0);
        while term > 1e-18 * sum {
            term *= 2.0 * z * z / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        return x.signum() * 2.0 / PI.sqrt() * (-z * z).exp() * sum;
    }
    let mut fraction = 0.0;
    for n in (1..=60).rev() {
        fraction = n as f64 / 2.0 / (z + fraction);
    }
    x.signum() * (1.0 - (-z * z).exp() / PI.sqrt() / (z + fraction))
}

// Returns the function and its derivative.
fn activate(name: &str, a: f64) -> (f64, f64) {
    match name {
        "linear" => (a, 1.0),
        "relu" => if a > 0.0 { (a, 1.0) } else { (0.0, 0.0) },
        "tanh" => (a.tanh(), 1.0 - a.tanh() * a.tanh()),
        "sigmoid" => (sigmoid(a), sigmoid(a) * sigmoid(-a)),
        "softplus" => (softplus(a), sigmoid(a)),
        "elu" => if a > 0.0 { (a, 1.0) } else { (a.exp_m1(), a.exp()) },
        "gelu" => {
            let cdf = (1.0 + erf(a / 2f64.sqrt())) / 2.0;
            (a * cdf, cdf + a * (-a * a / 2.0).exp() / (2.0 * PI).sqrt())
        }
        _ => panic!("unknown activation {name}"),
    }
}

struct Layer<'a> {
    inputs: usize,
    units: usize,
    meta: &'a Json,
    p: BTreeMap<String, Numbers>,
    h: Numbers,
    a: Numbers,
    out: Numbers,
    sigma: Numbers,
    bias_sigma: Numbers,
    kl: f64,
}

impl Layer<'_> {
    fn bias(&self) -> &str {
        self.meta.get("bias").text()
    }
    fn random(&self) -> bool {
        self.bias().starts_with("normal")
    }
    fn flip(&self, sign: f64) -> f64 {
        if self.bias() == "normal_flipped" { sign } else { 1.0 }
    }
    fn prior(&self, part: &str) -> (f64, f64) {
        let prior = self.meta.get(&format!("{part}_prior"));
        (prior.get("loc").number(), prior.get("scale").number())
    }
    fn kl_of(&self, part: &str, sigma: &Numbers) -> f64 {
        let (loc, scale) = self.prior(part);
        self.p[&format!("{part}_mu")].iter().zip(sigma).map(|(mu, sigma)| {
            let (r, off) = (sigma / scale, (mu - loc) / scale);
            -r.ln() + (r * r - 1.0 + off * off) / 2.0
        }).sum()
    }

    fn forward(&mut self, rows: usize) {
        let shift = self.meta.get("scale_shift").number();
        let sigmas = |rhos: &Numbers| rhos.iter().map(|rho| shift + softplus(*rho)).collect();
        self.sigma = sigmas(&self.p["kernel_rho"]);
        self.kl = self.kl_of("kernel", &self.sigma);
        if self.random() {
            self.bias_sigma = sigmas(&self.p["bias_rho"]);
            self.kl += self.kl_of("bias", &self.bias_sigma);
        }
        let name = self.meta.get("activation").text().to_string();
        for n in 0..rows {
            for o in 0..self.units {
                let sign = self.p["sign_output"][n * self.units + o];
                let (mut mean, mut noise) = (0.0, 0.0);
                for i in 0..self.inputs {
                    let (k, x) = (i * self.units + o, self.h[n * self.inputs + i]);
                    mean += x * self.p["kernel_mu"][k];
                    noise += x * self.p["sign_input"][n * self.inputs + i] * self.sigma[k]
                        * self.p["kernel_eps"][k];
                }
                let mut a = mean + noise * sign;
                if self.bias() != "none" {
                    a += self.p["bias_mu"][o];
                }
                if self.random() {
                    a += self.bias_sigma[o] * self.p["bias_eps"][o] * self.flip(sign);
                }
                self.a.push(a);
                self.out.push(activate(&name, a).0);
            }
        }
    }

    // The KL's gradient added, and the gradient by sigma carried on to rho.
    fn finish(&self, part: &str, sigma: &Numbers, w: f64, by_mu: &mut Numbers, by_rho: &mut Numbers) {
        let (loc, scale) = self.prior(part);
        let (mu, rho) = (&self.p[&format!("{part}_mu")], &self.p[&format!("{part}_rho")]);
        for k in 0..mu.len() {
            by_mu[k] += w * (mu[k] - loc) / scale / scale;
            let kl = sigma[k] / scale / scale - 1.0 / sigma[k];
            by_rho[k] = (by_rho[k] + w * kl) * sigmoid(rho[k]);
        }
    }

    fn backward(&self, rows: usize, grad_out: &Numbers, w: f64) -> (Numbers, Vec<(String, Numbers)>) {
        let (inputs, units) = (self.inputs, self.units);
        let name = self.meta.get("activation").text();
        let (mut gm, mut gr) = (vec![0.0; inputs * units], vec![0.0; inputs * units]);
        let (mut gb, mut gbr, mut gx) = (vec![0.0; units], vec![0.0; units], vec![0.0; rows * inputs]);
        for n in 0..rows {
            for o in 0..units {
                let ga = grad_out[n * units + o] * activate(name, self.a[n * units + o]).1;
                let sign = self.p["sign_output"][n * units + o];
                gb[o] += ga;
                if self.random() {
                    gbr[o] += ga * self.p["bias_eps"][o] * self.flip(sign);
                }
                for i in 0..inputs {
                    let (k, x) = (i * units + o, self.h[n * inputs + i]);
                    let (si, eps) = (self.p["sign_input"][n * inputs + i], self.p["kernel_eps"][k]);
                    gm[k] += x * ga;
                    gr[k] += x * si * ga * sign * eps;
                    gx[n * inputs + i] +=
                        ga * self.p["kernel_mu"][k] + ga * sign * self.sigma[k] * eps * si;
                }
            }
        }
        self.finish("kernel", &self.sigma, w, &mut gm, &mut gr);
        let mut named = vec![("kernel_mu".to_string(), gm), ("kernel_rho".to_string(), gr)];
        if self.random() {
            self.finish("bias", &self.bias_sigma, w, &mut gb, &mut gbr);
            named.push(("bias_rho".to_string(), gbr));
        }
        if self.bias() != "none" {
            named.push(("bias_mu".to_string(), gb));
        }
        (gx, named)
    }
}

// Returns the nll, a mean over rows, and its gradient by the outputs.
fn likelihood(kind: &Json, z: &Numbers, y: &Numbers, rows: usize, units: usize) -> (f64, Numbers) {
    let (mut total, mut g, b) = (0.0, vec![0.0; rows * units], rows as f64);
    for n in 0..rows {
        if kind.get("type").text() == "categorical" {
            let row = &z[n * units..(n + 1) * units];
            let top = row.iter().cloned().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
            let class = y[n] as usize;
            total += top + sum.ln() - row[class];
            for o in 0..units {
                let one = if o == class { 1.0 } else { 0.0 };
                g[n * units + o] = ((row[o] - top).exp() / sum - one) / b;
            }
            continue;
        }
        for k in n * units..(n + 1) * units {
            if kind.get("type").text() == "bernoulli" {
                total += softplus(z[k]) - y[k] * z[k];
                g[k] = (sigmoid(z[k]) - y[k]) / b;
            } else {
                let s = kind.get("scale").number();
                let r = (z[k] - y[k]) / s;
                total += r * r / 2.0 + s.ln() + (2.0 * PI).ln() / 2.0;
                g[k] = r / s / b;
            }
        }
    }
    (total / b, g)
}

fn put(out: &mut String, name: &str, shape: &[usize], data: &[f64]) {
    let comma = if out.ends_with('{') { "" } else { ", " };
    write!(out, "{comma}\"{name}\": {{\"shape\": {shape:?}, \"data\": {data:?}}}").unwrap();
}

// Of version 2: what version 1's layers, priors and likelihoods say. Anything else is declined.
fn declined(meta: &Json) -> Option<String> {
    let is = |json: &Json, kind: &str| matches!(&json.value, Value::Text(text) if text == kind);
    if meta.get("version").number() == 1.0 {
        return None;
    }
    if is(meta.get("estimator"), "local") || matches!(meta.get("sample_weight").value, Value::Truth(true)) {
        return Some("local noise or sample weights".into());
    }
    let likelihood = meta.get("likelihood");
    let known = ["categorical", "bernoulli", "normal"].contains(&likelihood.get("type").text());
    if !known || likelihood.object().contains_key("learn_scale") {
        return Some("this likelihood".into());
    }
    for layer in meta.get("layers").list() {
        if !is(layer.get("type"), "DenseFlipout") {
            return Some(layer.get("type").text().into());
        }
        let bias_prior = layer.get("bias_prior");
        if is(layer.get("bias"), "deterministic") && !matches!(bias_prior.value, Value::Null) {
            return Some("a prior of a point estimate".into());
        }
        for prior in [layer.get("kernel_prior"), bias_prior] {
            let number = |key| matches!(prior.get(key).value, Value::Number(_));
            if !matches!(prior.value, Value::Null)
                && (prior.object().contains_key("type") || !number("loc") || !number("scale"))
            {
                return Some("a prior that is not one Normal".into());
            }
        }
    }
    None
}

fn main() {
    let paths: Vec<String> = env::args().collect();
    if paths.len() != 3 {
        eprintln!("usage: answer question.json answer.json");
        std::process::exit(2);
    }
    let content = fs::read_to_string(&paths[1]).expect("cannot read the question");
    let question = Parser { s: &content, at: 0 }.parse();
    let (meta, arrays) = (question.get("meta"), question.get("arrays"));
    let shape = arrays.get("x").get("shape").list();
    let (rows, inputs) = (shape[0].number() as usize, shape[1].number() as usize);
    if let Some(reason) = declined(meta) {
        eprintln!("declined: {reason}");
        std::process::exit(3);
    }
    let w = meta.get("kl_weight").number();
    let (mut h, mut width, mut layers, mut kl) = (arrays.get("x").numbers(), inputs, vec![], 0.0);
    for (k, described) in meta.get("layers").list().iter().enumerate() {
        let prefix = format!("layers.{k}.");
        let p = arrays.object().iter()
            .filter_map(|(name, array)| Some((name.strip_prefix(&prefix)?.to_string(), array.numbers())))
            .collect();
        let units = described.get("units").number() as usize;
        let mut layer = Layer { inputs: width, units, meta: described, p, h, a: vec![], out: vec![],
                                sigma: vec![], bias_sigma: vec![], kl: 0.0 };
        layer.forward(rows);
        kl += layer.kl;
        h = layer.out.clone();
        width = units;
        layers.push(layer);
    }
    let y = arrays.get("y").numbers();
    let (nll, mut grad) = likelihood(meta.get("likelihood"), &h, &y, rows, width);

    let mut out = String::from("{\"meta\": {");
    for (key, value) in meta.object().iter().filter(|(key, _)| *key != "source") {
        write!(out, "\"{key}\": {}, ", value.source).unwrap();
    }
    out += "\"source\": \"docs/readers/answer.rs\"}, \"arrays\": ";
    out += &arrays.source;
    out += ", \"results\": {";
    put(&mut out, "outputs", &[rows, width], &h);
    put(&mut out, "nll", &[], &[nll]);
    put(&mut out, "kl", &[], &[kl]);
    put(&mut out, "loss", &[], &[nll + w * kl]);
    for (k, layer) in layers.iter().enumerate().rev() {
        let (grad_x, named) = layer.backward(rows, &grad, w);
        put(&mut out, &format!("layers.{k}.kl"), &[], &[layer.kl]);
        for (name, values) in &named {
            let shape = [layer.inputs, layer.units];
            let shape = if name.starts_with("kernel") { &shape[..] } else { &shape[1..] };
            put(&mut out, &format!("grad.layers.{k}.{name}"), shape, values);
        }
        grad = grad_x;
    }
    put(&mut out, "grad.x", &[rows, inputs], &grad);
    out += "}}\n";
    fs::write(&paths[2], out).expect("cannot write the answer");
}
