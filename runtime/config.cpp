#include "runtime/config.hpp"

#include "messages/names.hpp"
#include "messages/text.hpp"
#include "runtime/detail/config_table.hpp"
#include "runtime/detail/toml_text.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace gemel {

namespace {

using detail::option;
using detail::toml_entry;
using detail::toml_value;

constexpr std::string_view types_section = "types";
constexpr std::string_view policy_section = "supervision";

// One value on its way to its option.
struct setting {
  const option* about = nullptr;
  toml_value content;
  // Of `[types.<name>]`; empty: not of a type.
  std::string type;
  // With its place and key filled in.
  fault origin;
};

fault with(fault origin, errc code, std::string message, std::string hint) {
  origin.code = code;
  origin.message = std::move(message);
  origin.hint = std::move(hint);
  return origin;
}

fault at(fault origin, text_place place) {
  origin.line = place.line;
  origin.column = place.column;
  return origin;
}

std::string listed(const std::vector<std::string_view>& words) {
  std::string text;
  for (auto word : words)
    text += (text.empty() ? "" : ", ") + std::string{word};
  return text;
}

std::vector<std::string_view> names_in(std::string_view section) {
  std::vector<std::string_view> names;
  for (const auto& each : detail::options())
    if (each.section() == section)
      names.push_back(each.name());
  return names;
}

// The full key that was most likely meant; empty when none is near.
std::string nearest_key(const std::string& section, std::string_view shown_section,
                        std::string_view name) {
  auto names = names_in(section);
  if (auto near = nearest_word(name, names); !near.empty())
    return std::string{shown_section} + "." + std::string{near};
  std::vector<std::string_view> keys;
  for (const auto& each : detail::options()) {
    if (each.name() == name)
      return std::string{each.key};
    keys.push_back(each.key);
  }
  return std::string{nearest_word(section + "." + std::string{name}, keys)};
}

// @param shown_section is `types.<name>` where `section` is that of the policies.
std::string key_hint(const std::string& section, std::string_view shown_section,
                     std::string_view name) {
  if (auto near = nearest_key(section, shown_section, name); !near.empty())
    return "did you mean '" + near + "'?";
  auto names = names_in(section);
  if (names.empty())
    return "the sections are " + listed(detail::section_names());
  return "the keys of [" + std::string{shown_section} + "] are " + listed(names);
}

std::string section_hint(std::string_view name) {
  auto names = detail::section_names();
  auto near = nearest_word(name, names);
  return near.empty() ? "the sections are " + listed(names)
                      : "did you mean [" + std::string{near} + "]?";
}

class config_reader {
public:
  explicit config_reader(std::string_view file) : file_(file) {}

  void read_file(std::string_view text) {
    if (text.size() > config_bytes_max) {
      report(with(origin(""), errc::limit_reached,
                  "a config of " + std::to_string(text.size()) + " bytes",
                  "at most " + std::to_string(config_bytes_max) + " bytes are allowed"));
      return;
    }
    auto document = detail::read_toml(text, file_);
    for (auto& found : document.faults)
      report(std::move(found));
    readable_ = document.faults.empty();
    for (const auto& entry : document.entries)
      take_entry(entry);
  }

  void read_override(const std::string& text) {
    fault where{.file = "--set " + text};
    auto equals = text.find('=');
    if (equals == std::string::npos) {
      report(with(where, errc::bad_syntax, "'" + text + "' has no '='", "write --set key=value"));
      return;
    }
    where.at = text.substr(0, equals);
    auto made = find_override(where);
    if (made.about == nullptr)
      return;
    made.content = override_value(*made.about, text.substr(equals + 1));
    keep(std::move(made));
  }

  config_outcome finish() {
    for (auto& [type, policy] : made_.types)
      policy = made_.supervision;
    for (const auto& each : type_settings_)
      apply_to_type(each);
    if (readable_)
      check_together();
    if (faults_.empty())
      return std::move(made_);
    sort_faults(faults_);
    return tl::unexpected(std::move(faults_));
  }

private:
  fault origin(std::string key) const { return {.file = file_, .at = std::move(key)}; }

  void report(fault found) { add_fault(faults_, std::move(found)); }

  // ---- finding the option

  void take_entry(const toml_entry& entry) {
    switch (entry.path.size()) {
    case 1:
      return check_section(entry);
    case 2:
      return entry.path[0] == types_section ? check_type_section(entry) : take_key(entry);
    default:
      if (entry.path[0] == types_section)
        take_type_key(entry);
    }
  }

  static bool is_table(const toml_entry& entry) {
    return std::holds_alternative<detail::toml_table>(entry.content);
  }

  static bool is_section(std::string_view name) {
    auto names = detail::section_names();
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  void check_section(const toml_entry& entry) {
    const auto& name = entry.path[0];
    auto where = at(origin(name), entry.key_place);
    if (is_table(entry)) {
      if (!is_section(name))
        report(
            with(where, errc::unknown_key, "unknown section [" + name + "]", section_hint(name)));
    } else if (is_section(name)) {
      report(with(where, errc::bad_value,
                  "'" + name + "' is a section, not " + std::string{kind_name(entry.content)},
                  "write [" + name + "] and its keys below"));
    } else {
      report(with(where, errc::unknown_key, "unknown key '" + name + "' outside of any section",
                  key_hint({}, {}, name)));
    }
  }

  void check_type_section(const toml_entry& entry) {
    const auto& name = entry.path[1];
    auto where = at(origin("types." + name), entry.key_place);
    if (!is_table(entry))
      report(with(where, errc::bad_value,
                  "'types." + name + "' is a section, not " + std::string{kind_name(entry.content)},
                  "write [types." + name + "] and its keys below"));
    else if (auto valid = check_type(name); !valid)
      report(with(where, valid.error().code, valid.error().context, "a twin type"));
    else
      made_.types[name];
  }

  void take_key(const toml_entry& entry) {
    const auto& section = entry.path[0];
    if (!is_section(section))
      return;
    take(entry, section, section, {});
  }

  void take_type_key(const toml_entry& entry) {
    if (made_.types.contains(entry.path[1]))
      take(entry, std::string{policy_section}, "types." + entry.path[1], entry.path[1]);
  }

  void take(const toml_entry& entry, const std::string& section, const std::string& shown,
            const std::string& type) {
    const auto& name = entry.path.back();
    auto key = shown + "." + name;
    const auto* found = detail::find_option(section, name);
    if (found == nullptr)
      report(with(at(origin(key), entry.key_place), errc::unknown_key, "unknown key '" + key + "'",
                  key_hint(section, shown, name)));
    else
      keep({found, entry.content, type, at(origin(key), entry.value_place)});
  }

  // A type with a dot in its name may stand in quotes, as in the file.
  static std::string unquoted(const std::string& text) {
    auto read = text.starts_with('"') ? detail::read_toml_value(text) : std::nullopt;
    const auto* name = read ? std::get_if<std::string>(&*read) : nullptr;
    return name != nullptr ? *name : text;
  }

  // The option that `where.at` names; without one, a fault is reported.
  setting find_override(const fault& where) {
    auto dot = where.at.rfind('.');
    auto shown = where.at.substr(0, dot == std::string::npos ? 0 : dot);
    auto name = where.at.substr(dot == std::string::npos ? 0 : dot + 1);
    auto prefix = std::string{types_section} + ".";
    auto type = shown.starts_with(prefix) ? unquoted(shown.substr(prefix.size())) : std::string{};
    auto section = type.empty() ? shown : std::string{policy_section};
    const auto* found = detail::find_option(section, name);
    if (found == nullptr) {
      report(with(where, errc::unknown_key, "unknown key '" + where.at + "'",
                  key_hint(section, shown, name)));
      return {};
    }
    if (!type.empty()) {
      if (auto valid = check_type(type); !valid) {
        report(with(where, valid.error().code, valid.error().context, "a twin type"));
        return {};
      }
      made_.types[type];
    }
    return {found, {}, type, where};
  }

  // What is no TOML is a text without its quotes; so is everything where a text is wanted.
  static toml_value override_value(const option& about, const std::string& text) {
    auto read = detail::read_toml_value(text);
    node_config any;
    auto wants_text = std::holds_alternative<std::string*>(about.slot(any));
    if (!read || (wants_text && !std::holds_alternative<std::string>(*read)))
      return text;
    return *read;
  }

  // ---- putting the values in

  // Those of types wait until the policy that they refine is complete.
  void keep(setting each) {
    if (!each.type.empty())
      type_settings_.push_back(std::move(each));
    else
      apply(each, made_);
  }

  void apply(const setting& each, node_config& target) {
    if (auto refused = detail::assign(*each.about, each.content, target)) {
      refused_.insert(each.about->key);
      report(with(each.origin, refused->code, refused->message, refused->hint));
    }
    if (&target == &made_)
      origins_[each.about->key] = each.origin;
  }

  void apply_to_type(const setting& each) {
    auto& policy = made_.types[each.type];
    node_config scratch;
    scratch.supervision = policy;
    apply(each, scratch);
    policy = scratch.supervision;
  }

  // ---- what must fit together

  bool usable(std::initializer_list<std::string_view> keys) const {
    return std::none_of(keys.begin(), keys.end(), [&](auto key) { return refused_.contains(key); });
  }

  fault origin_of(std::string_view key) const {
    auto found = origins_.find(key);
    return found != origins_.end() ? found->second : origin(std::string{key});
  }

  // The later one of two in the file, which is the one to look at.
  fault later_of(std::string_view key, std::string_view other) const {
    return origins_.contains(key) ? origin_of(key) : origin_of(other);
  }

  void check_together() {
    if (usable({"listen.address", "listen.allow_insecure"}))
      check_reach();
    if (usable({"node.workers", "node.cells_per_worker"}))
      check_cells();
    if (usable({"limits.frame_bytes_max", "limits.cell_queue_bytes_max"}))
      check_queue();
  }

  void check_reach() {
    const auto& address = made_.listen.address;
    if (detail::is_loopback(address) || made_.listen.allow_insecure)
      return;
    report(with(origin_of("listen.address"), errc::bad_value,
                "'listen.address' is \"" + address
                    + "\", which other machines can reach: without certificates anyone who reaches "
                      "this node controls it",
                "use \"127.0.0.1\", or set listen.allow_insecure = true where everyone on the "
                "network is trusted"));
  }

  void check_cells() {
    auto cells = std::uint64_t{made_.node.workers} * made_.node.cells_per_worker;
    if (cells > limits::cells_max)
      report(with(later_of("node.cells_per_worker", "node.workers"), errc::bad_value,
                  "'node.workers' times 'node.cells_per_worker' is " + std::to_string(cells)
                      + " cells",
                  "at most " + std::to_string(limits::cells_max) + " cells"));
  }

  void check_queue() {
    auto frame = made_.limits.frame_bytes_max;
    if (made_.limits.cell_queue_bytes_max < frame) {
      report(with(
          later_of("limits.cell_queue_bytes_max", "limits.frame_bytes_max"), errc::bad_value,
          "'limits.cell_queue_bytes_max' is " + std::to_string(made_.limits.cell_queue_bytes_max)
              + ", but one frame can have " + std::to_string(frame) + " bytes",
          "at least limits.frame_bytes_max"));
    }
  }

  std::string file_;
  node_config made_;
  fault_list faults_;
  // Whether all of the file could be read, so that what is absent was really left out.
  bool readable_ = false;
  std::vector<setting> type_settings_; // in the order of the file, then of --set
  std::set<std::string_view> refused_;
  std::map<std::string_view, fault> origins_;
};

// ---- the sample

constexpr std::size_t comment_columns = 96;

// `text` as comment lines, broken between words.
void append_comment(std::string& out, std::string_view text) {
  auto start = out.size();
  out += "#";
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    if (out.size() - start + 1 + end > comment_columns) {
      out += "\n";
      start = out.size();
      out += "#";
    }
    out += " " + std::string{text.substr(0, end)};
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out += "\n";
}

void append_option(std::string& out, const option& about, const node_config& config) {
  out += "\n";
  append_comment(out, about.help);
  append_comment(out, detail::form_of(about) + "; default " + detail::literal_of(about, {}));
  out += std::string{about.name()} + " = " + detail::literal_of(about, config) + "\n";
}

// What needs no quotes as a key of TOML.
bool is_bare_key(std::string_view key) {
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !key.empty() && key.find_first_not_of(allowed) == std::string_view::npos;
}

void append_policy(std::string& out, std::string_view before, std::string_view type,
                   const supervision_policy& policy) {
  node_config scratch;
  scratch.supervision = policy;
  out += std::string{before} + "[types.";
  if (is_bare_key(type))
    out += type;
  else
    append_json_text(out, type);
  out += "]\n";
  for (const auto& each : detail::options())
    if (each.section() == policy_section)
      out += std::string{before} + std::string{each.name()} + " = "
             + detail::literal_of(each, scratch) + "\n";
}

void append_types(std::string& out, const node_config& config) {
  append_comment(out, detail::section_help(types_section));
  if (config.types.empty())
    append_policy(out, "# ", "building", config.supervision);
  for (const auto& [type, policy] : config.types)
    append_policy(out, "", type, policy);
}

constexpr std::string_view sample_head =
    R"(# The config of a gemel node: every option, with its default where nothing else is needed.
#
#   gemel node --config FILE                        starts a node
#   gemel node --config FILE --set listen.port=0    with another value for one option
#   gemel check FILE                                says what is wrong with a config
#
# What is left out has its default. Durations are texts ("250ms", "30s", "10m", "1h") or whole
# milliseconds.
)";

} // namespace

const supervision_policy& node_config::supervision_of(std::string_view type) const noexcept {
  auto found = types.find(type);
  return found == types.end() ? supervision : found->second;
}

std::uint32_t cells_of(const node_config& config, std::uint32_t cores) noexcept {
  std::uint64_t workers = config.node.workers == 0 ? cores : config.node.workers;
  auto cells = workers * config.node.cells_per_worker;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(cells, 1, limits::cells_max));
}

config_outcome parse_config(std::string_view text, std::string_view file_name,
                            std::span<const std::string> overrides) {
  config_reader reader{file_name};
  reader.read_file(text);
  for (const auto& each : overrides)
    reader.read_override(each);
  return reader.finish();
}

std::string write_config(const node_config& config) {
  std::string out{sample_head};
  for (auto section : detail::section_names()) {
    out += "\n";
    if (section == types_section) {
      append_types(out, config);
      continue;
    }
    append_comment(out, detail::section_help(section));
    out += "[" + std::string{section} + "]\n";
    for (const auto& each : detail::options())
      if (each.section() == section)
        append_option(out, each, config);
  }
  return out;
}

std::vector<config_option> config_options() {
  std::vector<config_option> described;
  for (const auto& each : detail::options())
    described.push_back(
        {each.key, detail::form_of(each), detail::literal_of(each, {}), each.help, each.choices});
  return described;
}

} // namespace gemel
