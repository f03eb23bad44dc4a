// Answers a question of docs/vectors.md in JSON:  answer question.json answer.json
// One training step of Flipout layers in float64, every derivative by hand, no dependency.
//   g++ -std=c++17 -O2 -o answer answer.cpp
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using Numbers = std::vector<double>;
const double PI = 3.14159265358979323846;

// ---- JSON, as much of it as a vector needs; what was read is kept as text, to be written back.
struct Json {
  enum Kind { Null, Truth, Number, Text, List, Object } kind = Null;
  double number = 0;
  std::string text;
  std::vector<Json> list;
  std::map<std::string, Json> object;
  std::string source;
  const Json &operator[](const std::string &key) const { return object.at(key); }
  bool has(const std::string &key) const { return object.count(key) > 0; }
};

struct Parser {
  const std::string &s;
  size_t at = 0;
  explicit Parser(const std::string &text) : s(text) {}
  char peek() {
    while (at < s.size() && std::isspace(static_cast<unsigned char>(s[at]))) at++;
    if (at >= s.size()) throw std::runtime_error("JSON ends early");
    return s[at];
  }
  void expect(char c) {
    if (peek() != c) throw std::runtime_error(std::string("expected ") + c);
    at++;
  }
  std::string text() {
    expect('"');
    std::string found;
    while (s.at(at) != '"') {
      if (s[at] == '\\') found += s[at++];
      found += s[at++];
    }
    at++;
    return found;
  }
  Json value() {
    Json j;
    char c = peek();
    size_t start = at;
    if (c == '{') {
      j.kind = Json::Object;
      at++;
      while (peek() != '}') {
        std::string key = text();
        expect(':');
        j.object[key] = value();
        if (peek() == ',') at++;
      }
      at++;
    } else if (c == '[') {
      j.kind = Json::List;
      at++;
      while (peek() != ']') {
        j.list.push_back(value());
        if (peek() == ',') at++;
      }
      at++;
    } else if (c == '"') {
      j.kind = Json::Text;
      j.text = text();
    } else if (s.compare(at, 4, "null") == 0) {
      at += 4;
    } else if (s.compare(at, 4, "true") == 0 || s.compare(at, 5, "false") == 0) {
      j.kind = Json::Truth;
      j.number = s[at] == 't';
      at += s[at] == 't' ? 4 : 5;
    } else {
      j.kind = Json::Number;
      char *end;
      j.number = std::strtod(s.c_str() + at, &end);
      if (end == s.c_str() + at) throw std::runtime_error("expected a number");
      at = end - s.c_str();
    }
    j.source = s.substr(start, at - start);
    return j;
  }
};

// ---- The mathematics.
double softplus(double a) { return std::max(a, 0.0) + std::log1p(std::exp(-std::abs(a))); }
double sigmoid(double a) {
  return a >= 0 ? 1 / (1 + std::exp(-a)) : std::exp(a) / (1 + std::exp(a));
}
double cdf(double a) { return std::erfc(-a / std::sqrt(2.0)) / 2; }

double activate(const std::string &name, double a, bool derivative) {
  if (name == "linear") return derivative ? 1 : a;
  if (name == "relu") return a > 0 ? (derivative ? 1 : a) : 0;
  if (name == "tanh") return derivative ? 1 - std::tanh(a) * std::tanh(a) : std::tanh(a);
  if (name == "sigmoid") return derivative ? sigmoid(a) * sigmoid(-a) : sigmoid(a);
  if (name == "softplus") return derivative ? sigmoid(a) : softplus(a);
  if (name == "elu") return a > 0 ? (derivative ? 1 : a) : (derivative ? std::exp(a) : std::expm1(a));
  if (name == "gelu")
    return derivative ? cdf(a) + a * std::exp(-a * a / 2) / std::sqrt(2 * PI) : a * cdf(a);
  throw std::runtime_error("unknown activation " + name);
}

struct Prior {
  double loc, scale;
  explicit Prior(const Json &j) : loc(j["loc"].number), scale(j["scale"].number) {}
};

double kl_of(const Numbers &mu, const Numbers &sigma, const Prior &p) {
  double total = 0;
  for (size_t k = 0; k < mu.size(); k++) {
    double r = sigma[k] / p.scale, off = (mu[k] - p.loc) / p.scale;
    total += -std::log(r) + (r * r - 1 + off * off) / 2;
  }
  return total;
}

struct Layer {
  int I, O;
  std::string activation, bias;
  double shift, kl = 0;
  const Json *meta;
  std::map<std::string, Numbers> p;
  Numbers h, a, out, sigma, bias_sigma;
  bool random() const { return bias == "normal" || bias == "normal_flipped"; }
  double flip(double sign) const { return bias == "normal_flipped" ? sign : 1; }

  void forward(int B) {
    for (double rho : p["kernel_rho"]) sigma.push_back(shift + softplus(rho));
    kl = kl_of(p["kernel_mu"], sigma, Prior((*meta)["kernel_prior"]));
    if (random()) {
      for (double rho : p["bias_rho"]) bias_sigma.push_back(shift + softplus(rho));
      kl += kl_of(p["bias_mu"], bias_sigma, Prior((*meta)["bias_prior"]));
    }
    a.resize(B * O);
    out.resize(B * O);
    for (int n = 0; n < B; n++)
      for (int o = 0; o < O; o++) {
        double mean = 0, noise = 0, sign = p["sign_output"][n * O + o];
        for (int i = 0; i < I; i++) {
          mean += h[n * I + i] * p["kernel_mu"][i * O + o];
          noise += h[n * I + i] * p["sign_input"][n * I + i] * sigma[i * O + o] *
                   p["kernel_eps"][i * O + o];
        }
        double total = mean + noise * sign;
        if (bias != "none") total += p["bias_mu"][o];
        if (random()) total += bias_sigma[o] * p["bias_eps"][o] * flip(sign);
        a[n * O + o] = total;
        out[n * O + o] = activate(activation, total, false);
      }
  }

  // The KL's gradient added, and the gradient by sigma carried on to rho.
  void finish(const std::string &part, const Numbers &sigmas, double w, Numbers &by_mu,
              Numbers &by_rho) {
    Prior prior((*meta)[part + "_prior"]);
    double s2 = prior.scale * prior.scale;
    for (size_t k = 0; k < by_mu.size(); k++) {
      by_mu[k] += w * (p[part + "_mu"][k] - prior.loc) / s2;
      by_rho[k] = (by_rho[k] + w * (sigmas[k] / s2 - 1 / sigmas[k])) * sigmoid(p[part + "_rho"][k]);
    }
  }

  Numbers backward(int B, const Numbers &grad_out, double w, std::map<std::string, Numbers> &g) {
    Numbers gx(B * I), &gm = g["kernel_mu"], &gr = g["kernel_rho"], gb(O), gbr(O);
    gm.assign(I * O, 0);
    gr.assign(I * O, 0);
    for (int n = 0; n < B; n++)
      for (int o = 0; o < O; o++) {
        double ga = grad_out[n * O + o] * activate(activation, a[n * O + o], true);
        double sign = p["sign_output"][n * O + o];
        gb[o] += ga;
        if (random()) gbr[o] += ga * p["bias_eps"][o] * flip(sign);
        for (int i = 0; i < I; i++) {
          int k = i * O + o;
          double x = h[n * I + i], si = p["sign_input"][n * I + i], eps = p["kernel_eps"][k];
          gm[k] += x * ga;
          gr[k] += x * si * ga * sign * eps;
          gx[n * I + i] += ga * p["kernel_mu"][k] + ga * sign * sigma[k] * eps * si;
        }
      }
    finish("kernel", sigma, w, gm, gr);
    if (random()) {
      finish("bias", bias_sigma, w, gb, gbr);
      g["bias_rho"] = gbr;
    }
    if (bias != "none") g["bias_mu"] = gb;
    return gx;
  }
};

double likelihood(const Json &kind, const Numbers &z, const Numbers &y, int B, int O, Numbers &g) {
  double total = 0;
  g.assign(B * O, 0);
  for (int n = 0; n < B; n++) {
    if (kind["type"].text == "categorical") {
      const double *row = &z[n * O];
      double top = *std::max_element(row, row + O), sum = 0;
      for (int o = 0; o < O; o++) sum += std::exp(row[o] - top);
      total += top + std::log(sum) - row[static_cast<int>(y[n])];
      for (int o = 0; o < O; o++)
        g[n * O + o] = (std::exp(row[o] - top) / sum - (o == static_cast<int>(y[n]))) / B;
      continue;
    }
    for (int k = n * O; k < n * O + O; k++) {
      if (kind["type"].text == "bernoulli") {
        total += softplus(z[k]) - y[k] * z[k];
        g[k] = (sigmoid(z[k]) - y[k]) / B;
      } else {
        double s = kind["scale"].number, r = (z[k] - y[k]) / s;
        total += r * r / 2 + std::log(s) + std::log(2 * PI) / 2;
        g[k] = r / s / B;
      }
    }
  }
  return total / B;
}

// ---- The file.
Numbers numbers(const Json &array) {
  Numbers found;
  for (const Json &value : array["data"].list) found.push_back(value.number);
  return found;
}

void put(std::ostream &out, bool &first, const std::string &name, const std::vector<int> &shape,
         const Numbers &data) {
  out << (first ? "" : ", ") << '"' << name << "\": {\"shape\": [";
  first = false;
  for (size_t k = 0; k < shape.size(); k++) out << (k ? ", " : "") << shape[k];
  out << "], \"data\": [";
  char text[40];
  for (size_t k = 0; k < data.size(); k++) {
    std::snprintf(text, sizeof text, "%.17g", data[k]);
    out << (k ? ", " : "") << text;
  }
  out << "]}";
}

// Of version 2: what version 1's layers, priors and likelihoods say. Anything else is declined.
std::string declined(const Json &meta) {
  if (meta["version"].number == 1) return "";
  if (meta["estimator"].text == "local" || meta["sample_weight"].number)
    return "local noise or sample weights";
  const Json &likelihood = meta["likelihood"];
  const std::string kind = likelihood["type"].text;
  if ((kind != "categorical" && kind != "bernoulli" && kind != "normal") ||
      likelihood.has("learn_scale"))
    return "this likelihood";
  for (const Json &layer : meta["layers"].list) {
    if (layer["type"].text != "DenseFlipout") return layer["type"].text;
    if (layer["bias"].text == "deterministic" && layer["bias_prior"].kind != Json::Null)
      return "a prior of a point estimate";
    for (const char *part : {"kernel_prior", "bias_prior"}) {
      const Json &prior = layer[part];
      if (prior.kind != Json::Null &&
          (prior.has("type") || prior["loc"].kind != Json::Number ||
           prior["scale"].kind != Json::Number))
        return "a prior that is not one Normal";
    }
  }
  return "";
}

int main(int argc, char **argv) {
  if (argc != 3) return std::cerr << "usage: answer question.json answer.json\n", 2;
  std::ifstream file(argv[1]);
  std::stringstream buffer;
  buffer << file.rdbuf();
  const std::string content = buffer.str();
  Json question = Parser(content).value();
  const Json &meta = question["meta"], &arrays = question["arrays"];
  const std::string reason = declined(meta);
  if (!reason.empty()) return std::cerr << "declined: " << reason << "\n", 3;
  int B = static_cast<int>(arrays["x"]["shape"].list[0].number);
  int inputs = static_cast<int>(arrays["x"]["shape"].list[1].number), I = inputs;
  double w = meta["kl_weight"].number, kl = 0;
  Numbers h = numbers(arrays["x"]);
  std::vector<Layer> layers(meta["layers"].list.size());
  for (size_t k = 0; k < layers.size(); k++) {
    Layer &layer = layers[k];
    layer.meta = &meta["layers"].list[k];
    layer.I = I;
    layer.O = I = static_cast<int>((*layer.meta)["units"].number);
    layer.activation = (*layer.meta)["activation"].text;
    layer.bias = (*layer.meta)["bias"].text;
    layer.shift = (*layer.meta)["scale_shift"].number;
    const std::string prefix = "layers." + std::to_string(k) + ".";
    for (const auto &[name, array] : arrays.object)
      if (name.rfind(prefix, 0) == 0) layer.p[name.substr(prefix.size())] = numbers(array);
    layer.h = h;
    layer.forward(B);
    kl += layer.kl;
    h = layer.out;
  }
  Numbers grad;
  double nll = likelihood(meta["likelihood"], h, numbers(arrays["y"]), B, I, grad);

  std::ofstream out(argv[2]);
  out << "{\"meta\": {";
  for (const auto &[key, value] : meta.object)
    if (key != "source") out << '"' << key << "\": " << value.source << ", ";
  out << "\"source\": \"docs/readers/answer.cpp\"}, \"arrays\": " << arrays.source;
  out << ", \"results\": {";
  bool first = true;
  put(out, first, "outputs", {B, I}, h);
  put(out, first, "nll", {}, {nll});
  put(out, first, "kl", {}, {kl});
  put(out, first, "loss", {}, {nll + w * kl});
  for (int k = static_cast<int>(layers.size()) - 1; k >= 0; k--) {
    Layer &layer = layers[k];
    std::map<std::string, Numbers> g;
    grad = layer.backward(B, grad, w, g);
    const std::string key = "layers." + std::to_string(k) + ".";
    put(out, first, key + "kl", {}, {layer.kl});
    for (const auto &[name, values] : g) {
      bool kernel = name.rfind("kernel", 0) == 0;
      put(out, first, "grad." + key + name,
          kernel ? std::vector<int>{layer.I, layer.O} : std::vector<int>{layer.O}, values);
    }
  }
  put(out, first, "grad.x", {B, inputs}, grad);
  out << "}}\n";
  return out ? 0 : 1;
}
