#include "runtime/config.hpp"

#include "messages/names.hpp"
#include "messages/text.hpp"
#include "runtime/detail/cluster_check.hpp"
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
constexpr std::string_view properties_section = "properties";

// Sections of the table whose options may stand in one place of a file: in `[types.<type>]` those
// of two, and the tables of its properties.
using scope = std::vector<std::string_view>;

scope scope_of_type() {
  return {types_section, policy_section};
}

const option* find_option(const scope& in, std::string_view name) {
  for (auto section : in)
    if (const auto* found = detail::find_option(section, name))
      return found;
  return nullptr;
}

// One value on its way to its option.
struct setting {
  const option* about = nullptr;
  toml_value content;
  // Of `[types.<name>]`; empty: not of a type.
  std::string type;
  // Of `[types.<type>.properties.<key>]`; empty: not of a property.
  std::string property;
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

std::vector<std::string_view> names_in(const scope& in) {
  std::vector<std::string_view> names;
  for (auto section : in)
    for (const auto& each : detail::options())
      if (each.section() == section)
        names.push_back(each.name());
  if (in == scope_of_type())
    names.push_back(properties_section);
  return names;
}

// The full key that was most likely meant; empty when none is near.
std::string nearest_key(const scope& in, std::string_view shown_section, std::string_view name) {
  auto names = names_in(in);
  if (auto near = nearest_word(name, names); !near.empty())
    return std::string{shown_section} + "." + std::string{near};
  std::vector<std::string_view> keys;
  for (const auto& each : detail::options()) {
    if (each.name() == name)
      return detail::display_key(each);
    keys.push_back(each.key);
  }
  return std::string{nearest_word(std::string{shown_section} + "." + std::string{name}, keys)};
}

// @param shown_section such as `types.machine`.
std::string key_hint(const scope& in, std::string_view shown_section, std::string_view name) {
  if (auto near = nearest_key(in, shown_section, name); !near.empty())
    return "did you mean '" + near + "'?";
  auto names = names_in(in);
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
    for (auto& [type, section] : made_.types) {
      section.supervision = made_.supervision;
      std::sort(section.model.properties.begin(), section.model.properties.end(),
                [](const auto& a, const auto& b) { return a.key < b.key; });
    }
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
      if (entry.path[0] == types_section && made_.types.contains(entry.path[1]))
        take_in_type(entry);
    }
  }

  // Three to five steps: `types.<type>.<key>`, `types.<type>.properties.<property>[.<key>]`. What
  // lies deeper in another place belongs to a table that is wrong already.
  void take_in_type(const toml_entry& entry) {
    bool in_properties = entry.path[2] == properties_section;
    if (entry.path.size() == 3)
      return in_properties ? check_properties(entry) : take_type_key(entry);
    if (in_properties && entry.path.size() == 4)
      check_property(entry);
    else if (in_properties && find_property(entry.path[1], entry.path[3]) != nullptr)
      take(entry, {properties_section}, "types." + entry.path[1] + ".properties." + entry.path[3],
           entry.path[1], entry.path[3]);
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
      declare(name);
  }

  void declare(const std::string& type) { made_.types[type].model.name = type; }

  property_model* find_property(const std::string& type, std::string_view key) {
    auto& declared = made_.types[type].model.properties;
    auto found = std::find_if(declared.begin(), declared.end(),
                              [&](const property_model& each) { return each.key == key; });
    return found != declared.end() ? &*found : nullptr;
  }

  void declare(const std::string& type, const std::string& property) {
    if (find_property(type, property) == nullptr)
      made_.types[type].model.properties.emplace_back().key = property;
  }

  void check_properties(const toml_entry& entry) {
    auto key = "types." + entry.path[1] + ".properties";
    if (!is_table(entry))
      report(with(at(origin(key), entry.key_place), errc::bad_value,
                  "'" + key + "' is a section, not " + std::string{kind_name(entry.content)},
                  "write [" + key + ".NAME] and its keys below"));
  }

  void check_property(const toml_entry& entry) {
    const auto& name = entry.path[3];
    auto key = "types." + entry.path[1] + ".properties." + name;
    auto where = at(origin(key), entry.key_place);
    if (!is_table(entry))
      report(with(where, errc::bad_value,
                  "'" + key + "' is a section, not " + std::string{kind_name(entry.content)},
                  "write [" + key + "] and its keys below"));
    else if (auto valid = check_key(name); !valid)
      report(with(where, valid.error().code, valid.error().context, "a property key"));
    else
      declare(entry.path[1], name);
    type_origins_[key] = where;
  }

  void take_key(const toml_entry& entry) {
    const auto& section = entry.path[0];
    if (!is_section(section))
      return;
    take(entry, {section}, section, {}, {});
  }

  void take_type_key(const toml_entry& entry) {
    take(entry, scope_of_type(), "types." + entry.path[1], entry.path[1], {});
  }

  void take(const toml_entry& entry, const scope& in, const std::string& shown,
            const std::string& type, const std::string& property) {
    const auto& name = entry.path.back();
    auto key = shown + "." + name;
    const auto* found = find_option(in, name);
    if (found == nullptr)
      report(with(at(origin(key), entry.key_place), errc::unknown_key, "unknown key '" + key + "'",
                  key_hint(in, shown, name)));
    else
      keep({found, entry.content, type, property, at(origin(key), entry.value_place)});
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
    auto type = shown.starts_with(prefix) ? shown.substr(prefix.size()) : std::string{};
    auto property = split_property(type);
    type = unquoted(type);
    auto in = type.empty()       ? scope{shown}
              : property.empty() ? scope_of_type()
                                 : scope{properties_section};
    const auto* found = type.empty() && is_inner(shown) ? nullptr : find_option(in, name);
    if (found == nullptr) {
      report(with(where, errc::unknown_key, "unknown key '" + where.at + "'",
                  key_hint(in, shown, name)));
      return {};
    }
    if (!type.empty() && !declare_checked(type, property, where))
      return {};
    return {found, {}, type, property, where};
  }

  // Sections of the table that are none of a file.
  static bool is_inner(std::string_view section) {
    return section == types_section || section == properties_section;
  }

  // Takes `.properties.<key>` off the end of a type; empty: it has none.
  static std::string split_property(std::string& type) {
    constexpr std::string_view between = ".properties.";
    auto at = type.find(between);
    if (at == std::string::npos)
      return {};
    auto key = unquoted(type.substr(at + between.size()));
    type.resize(at);
    return key;
  }

  bool declare_checked(const std::string& type, const std::string& property, const fault& where) {
    if (auto valid = check_type(type); !valid) {
      report(with(where, valid.error().code, valid.error().context, "a twin type"));
      return false;
    }
    declare(type);
    if (property.empty())
      return true;
    if (auto valid = check_key(property); !valid) {
      report(with(where, valid.error().code, valid.error().context, "a property key"));
      return false;
    }
    declare(type, property);
    type_origins_["types." + type + ".properties." + property] = where;
    return true;
  }

  // What is no TOML is a text without its quotes; so is everything where a text is wanted.
  static toml_value override_value(const option& about, const std::string& text) {
    auto read = detail::read_toml_value(text);
    detail::option_values any;
    auto wants_text = std::holds_alternative<std::string*>(about.slot(any.target()));
    if (!read || (wants_text && !std::holds_alternative<std::string>(*read)))
      return text;
    return *read;
  }

  // ---- putting the values in

  // Those of types wait until the policy that they refine is complete.
  void keep(setting each) {
    if (!each.type.empty())
      return type_settings_.push_back(std::move(each));
    type_model no_model;
    property_model no_property;
    if (!apply(each, {made_, made_.supervision, no_model, no_property}))
      refused_.insert(each.about->key);
    origins_[each.about->key] = each.origin;
  }

  // What is said of an option in general, said of the key that stands there.
  static std::string in_words_of(const setting& each, std::string message) {
    auto general = detail::display_key(*each.about);
    auto at = each.type.empty() ? std::string::npos : message.find(general);
    return at == std::string::npos ? message : message.replace(at, general.size(), each.origin.at);
  }

  // False: it was refused, and a fault says so.
  bool apply(const setting& each, detail::option_target target) {
    auto refused = detail::assign(*each.about, each.content, target);
    if (refused)
      report(with(each.origin, refused->code, in_words_of(each, refused->message), refused->hint));
    return !refused;
  }

  void apply_to_type(const setting& each) {
    auto& section = made_.types[each.type];
    property_model no_property;
    auto* property = each.property.empty() ? &no_property : find_property(each.type, each.property);
    if (!apply(each, {made_, section.supervision, section.model, *property}))
      refused_types_ = true;
    else if (each.about->key == "types.extends")
      type_origins_["types." + each.type + ".extends"] = each.origin;
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
    if (!refused_types_)
      check_types();
    if (usable({"cluster.peers", "cluster.key_file", "cluster.listen_address"}))
      for (auto& found : detail::check_cluster(made_))
        report(with(origin_of(found.key), errc::bad_value, std::move(found.message),
                    std::move(found.hint)));
  }

  void check_types() {
    bool related = true;
    for (const auto& [name, section] : made_.types) {
      for (const auto& property : section.model.properties)
        check_property_of(name, property);
      related = check_extends(section.model) && related;
    }
    if (related)
      check_circles();
  }

  void check_property_of(const std::string& type, const property_model& property) {
    auto key = "types." + type + ".properties." + property.key;
    if (auto fine = check_declaration(property); !fine)
      report(with(type_origins_[key], fine.error().code, "'" + key + "': " + fine.error().context,
                  "kind is \"" + std::string{to_string(property.kind)} + "\""));
  }

  // False, and a fault says so: it extends a type that is not declared.
  bool check_extends(const type_model& model) {
    if (model.extends.empty() || made_.types.contains(model.extends))
      return true;
    std::vector<std::string_view> names;
    for (const auto& [name, section] : made_.types)
      names.push_back(name);
    auto near = nearest_word(model.extends, names);
    auto key = "types." + model.name + ".extends";
    report(with(type_origins_[key], errc::bad_value,
                "'" + key + "' is \"" + model.extends + "\", which is not declared",
                near.empty() ? "declare it with [types." + model.extends + "]"
                             : "did you mean \"" + std::string{near} + "\"?"));
    return false;
  }

  // One fault for each type that is part of a circle.
  void check_circles() {
    for (const auto& [name, section] : made_.types) {
      auto path = name;
      auto above = section.model.extends;
      for (std::size_t steps = 0; !above.empty() && above != name && steps < made_.types.size();
           ++steps) {
        path += " extends " + above + ", which";
        above = made_.types[above].model.extends;
      }
      if (above != name)
        continue;
      auto key = "types." + name + ".extends";
      report(with(type_origins_[key], errc::bad_value, path + " extends " + name,
                  "a type cannot have its own declarations by way of others"));
    }
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
  bool refused_types_ = false;
  // Of the tables of properties and the values of `extends`, by key.
  std::map<std::string, fault> type_origins_;
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

std::string form_and_default(const option& about) {
  auto standard = detail::default_of(about);
  return detail::form_of(about) + "; default " + (standard.empty() ? "none" : standard);
}

void append_option(std::string& out, const option& about, detail::option_target values) {
  out += "\n";
  append_comment(out, about.help);
  append_comment(out, form_and_default(about));
  out += std::string{about.name()} + " = " + detail::literal_of(about, values) + "\n";
}

// What needs no quotes as a key of TOML.
bool is_bare_key(std::string_view key) {
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !key.empty() && key.find_first_not_of(allowed) == std::string_view::npos;
}

std::string key_text(std::string_view key) {
  if (is_bare_key(key))
    return std::string{key};
  std::string quoted;
  append_json_text(quoted, key);
  return quoted;
}

// All options of a section of the table that have a value, each in a line behind `before`.
void append_values(std::string& out, std::string_view before, std::string_view section,
                   detail::option_target values) {
  for (const auto& each : detail::options()) {
    auto literal = each.section() == section ? detail::literal_of(each, values) : std::string{};
    if (!literal.empty())
      out.append(before).append(each.name()).append(" = ").append(literal).append("\n");
  }
}

void append_type(std::string& out, std::string_view before, const std::string& name,
                 type_section section) {
  node_config no_node;
  property_model property;
  auto header = "[types." + key_text(name);
  out.append(before).append(header).append("]\n");
  append_values(out, before, types_section,
                {no_node, section.supervision, section.model, property});
  append_values(out, before, policy_section,
                {no_node, section.supervision, section.model, property});
  for (auto& each : section.model.properties) {
    out.append(before).append(header).append(".properties.").append(key_text(each.key));
    out += "]\n";
    append_values(out, before, properties_section,
                  {no_node, section.supervision, section.model, each});
  }
}

// What stands in a sample that declares no type.
type_section example_type(const node_config& config) {
  type_section made{config.supervision, {}};
  made.model.capabilities = {"cooling"};
  made.model.stale_after_us = 30'000'000;
  auto& property = made.model.properties.emplace_back();
  property.key = "temperature";
  property.kind = property_kind::number;
  property.unit = "degC";
  property.min = -50;
  property.max = 200;
  property.indexed = true;
  return made;
}

void append_types(std::string& out, const node_config& config) {
  append_comment(out, detail::section_help(types_section));
  for (auto section : {types_section, properties_section}) {
    out += section == types_section ? "#\n# Keys of a type:\n" : "#\n# Keys of a property:\n";
    for (const auto& each : detail::options())
      if (each.section() == section) {
        append_comment(out, std::string{each.name()} + ": " + std::string{each.help});
        append_comment(out, form_and_default(each));
      }
  }
  if (config.types.empty()) {
    out += "#\n";
    append_type(out, "# ", "machine", example_type(config));
  }
  for (const auto& [name, section] : config.types) {
    out += "\n";
    append_type(out, "", name, section);
  }
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
  return found == types.end() ? supervision : found->second.supervision;
}

result<model_table> node_config::models() const {
  std::vector<type_model> declared;
  for (const auto& [name, section] : types) {
    declared.push_back(section.model);
    declared.back().name = name;
  }
  return model_table::make(std::move(declared));
}

std::string history_without_store(const node_config& config) {
  if (!config.store.path.empty())
    return {};
  for (const auto& [name, type] : config.types)
    for (const auto& property : type.model.properties)
      if (property.history)
        return "types." + name + ".properties." + property.key + ".history";
  return {};
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
  detail::option_values values{config, {}, {}};
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
        append_option(out, each, values.target());
  }
  return out;
}

std::vector<config_option> config_options() {
  std::vector<config_option> described;
  for (const auto& each : detail::options())
    described.push_back({detail::display_key(each), detail::form_of(each), detail::default_of(each),
                         each.help, each.choices});
  return described;
}

} // namespace gemel
