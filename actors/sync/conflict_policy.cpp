#include "actors/sync/conflict_policy.hpp"

#include "actors/sync/merged_content.hpp"
#include "messages/packed.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 11> names = {
    "last_write_wins", "version_based", "authority", "max",      "min",   "sum",
    "counter",         "set",           "map",       "function", "manual"};

auto age(const sibling& s) {
  return std::tuple{s.time, s.write.writer, s.write.number};
}

template <class Better>
const sibling& best(const sibling_set& siblings, Better better) {
  const auto* found = &siblings.front();
  for (const auto& s : siblings)
    if (better(s, *found))
      found = &s;
  return *found;
}

const sibling& latest(const sibling_set& siblings) {
  return best(siblings, [](const auto& l, const auto& r) { return age(l) > age(r); });
}

const sibling& deepest(const sibling_set& siblings) {
  return best(siblings, [](const sibling& l, const sibling& r) {
    return std::tuple{l.depth, age(l)} > std::tuple{r.depth, age(r)};
  });
}

const sibling& of_site(const sibling_set& siblings, site_id site) {
  return best(siblings, [site](const sibling& l, const sibling& r) {
    return std::tuple{site_of(l.write.writer) == site, age(l)}
           > std::tuple{site_of(r.write.writer) == site, age(r)};
  });
}

const sibling& extreme(const sibling_set& siblings, double sign) {
  auto rank = [sign](const sibling& s) {
    auto number = s.content.number();
    return std::tuple{number.has_value(), sign * number.value_or(0), age(s)};
  };
  return best(siblings, [&](const auto& l, const auto& r) { return rank(l) > rank(r); });
}

contributions joined_shares(const sibling_set& siblings, bool by_site) {
  contributions all;
  for (const auto& s : siblings)
    all.join(contributions::of(s, by_site));
  return all;
}

causal_members joined_members(const sibling_set& siblings, bool set) {
  causal_members all;
  for (const auto& s : siblings)
    all.join(set ? causal_members::of_set(s) : causal_members::of_map(s));
  return all;
}

bool differ(const sibling_set& siblings) {
  return std::any_of(siblings.begin(), siblings.end(),
                     [&](const sibling& s) { return !(s.content == siblings.front().content); });
}

result<value> merged_by_function(const conflict_policy& policy, sibling_set siblings) {
  if (policy.merge == nullptr)
    return fail(errc::unsupported, "no function '" + policy.function + "'");
  std::sort(siblings.begin(), siblings.end(),
            [](const sibling& l, const sibling& r) { return age(l) < age(r); });
  std::vector<value> contents;
  for (auto& s : siblings)
    contents.push_back(std::move(s.content));
  return (*policy.merge)(contents);
}

value shown(const conflict_policy& policy, const sibling_set& siblings) {
  switch (policy.strategy) {
  case conflict_strategy::version_based:
    return deepest(siblings).content;
  case conflict_strategy::authority:
    return of_site(siblings, policy.site).content;
  case conflict_strategy::merge_max:
    return extreme(siblings, 1).content;
  case conflict_strategy::merge_min:
    return extreme(siblings, -1).content;
  case conflict_strategy::merge_sum:
    return joined_shares(siblings, true).sum();
  case conflict_strategy::merge_counter:
    return joined_shares(siblings, false).sum();
  case conflict_strategy::merge_set:
    return joined_members(siblings, true).as_list();
  case conflict_strategy::merge_map:
    return joined_members(siblings, false).as_map();
  case conflict_strategy::last_write_wins:
  case conflict_strategy::merge_function:
  case conflict_strategy::manual:
    break;
  }
  return latest(siblings).content;
}

result<value> share_to_keep(const sibling_set& seen, std::uint64_t owner, bool by_site,
                            const value& wanted) {
  if (!wanted.is_number())
    return fail(errc::bad_value, "sums and counters take numbers only");
  auto all = joined_shares(seen, by_site);
  if (by_site) {
    all.set(owner, wanted);
    return all.to_value();
  }
  // By how much the writer changed what it saw.
  auto before = all.sum();
  std::int64_t own = 0;
  auto kept = all.amount(owner);
  if (wanted.is_integer() && before.is_integer() && kept.is_integer()
      && !__builtin_sub_overflow(wanted.as_integer(), before.as_integer(), &own)
      && !__builtin_add_overflow(own, kept.as_integer(), &own))
    all.set(owner, value{own});
  else
    all.set(owner, value{*kept.number() + (*wanted.number() - *before.number())});
  return all.to_value();
}

} // namespace

std::string_view to_string(conflict_strategy strategy) noexcept {
  auto index = static_cast<std::size_t>(strategy);
  return index < names.size() ? names[index] : std::string_view{"unknown"};
}

result<conflict_strategy> strategy_from_string(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name)
      return static_cast<conflict_strategy>(i);
  std::string known;
  for (auto n : names)
    known.append(known.empty() ? "" : ", ").append(n);
  return fail(errc::bad_value, "no strategy '" + std::string{name} + "'; there are " + known);
}

site_id site_of_name(std::string_view node) noexcept {
  auto site = static_cast<std::uint32_t>(hash_of(node));
  return site_id{site == 0 ? 1 : site};
}

result<conflict_policy> policy_from_string(std::string_view text) {
  auto colon = text.find(':');
  auto strategy = strategy_from_string(text.substr(0, colon));
  if (!strategy)
    return tl::unexpected<error>(std::move(strategy.error()));
  auto name = colon != std::string_view::npos ? text.substr(colon + 1) : std::string_view{};
  auto is_function = *strategy == conflict_strategy::merge_function;
  auto is_authority = *strategy == conflict_strategy::authority;
  if (colon != std::string_view::npos && !is_function && !is_authority)
    return fail(errc::bad_value, "only 'authority' and 'function' are followed by a name");
  if (name.empty() && is_authority)
    return fail(errc::bad_value, "whose writes win has to be said: authority:NODE");
  if (name.empty() && is_function)
    return fail(errc::bad_value, "which function merges has to be said: function:NAME");
  conflict_policy made;
  made.strategy = *strategy;
  if (is_authority)
    made.site = site_of_name(name);
  if (is_function)
    made.function = name;
  return made;
}

resolved_value resolve(const conflict_policy& policy, const sibling_set& siblings) {
  resolved_value made;
  if (siblings.empty())
    return made;
  made.present = true;
  made.time = latest(siblings).time;
  auto is_function = policy.strategy == conflict_strategy::merge_function;
  made.undecided =
      (is_function || policy.strategy == conflict_strategy::manual) && differ(siblings);
  if (is_function && made.undecided)
    if (auto merged = merged_by_function(policy, siblings)) {
      made.content = std::move(*merged);
      made.undecided = false;
      return made;
    }
  made.content = shown(policy, siblings);
  return made;
}

result<value> content_to_keep(const conflict_policy& policy, const sibling_set& seen, write_id own,
                              hybrid_time now, const value& wanted) {
  switch (policy.strategy) {
  case conflict_strategy::merge_sum:
    return share_to_keep(seen, static_cast<std::uint64_t>(site_of(own.writer)), true, wanted);
  case conflict_strategy::merge_counter:
    return share_to_keep(seen, static_cast<std::uint64_t>(own.writer), false, wanted);
  case conflict_strategy::merge_set: {
    if (!wanted.is_list())
      return fail(errc::bad_value, "a set takes lists only");
    auto all = joined_members(seen, true);
    all.become(causal_members::elements(wanted), own, now);
    return all.to_value();
  }
  case conflict_strategy::merge_map: {
    if (!wanted.is_map())
      return fail(errc::bad_value, "the strategy 'map' takes maps only");
    auto all = joined_members(seen, false);
    all.become(causal_members::members(wanted), own, now);
    return all.to_value();
  }
  default:
    return wanted;
  }
}

// ---- which policy -------------------------------------------------------------------------------

void conflict_policies::set_type(std::string type, conflict_policy policy) {
  types_[std::move(type)] = std::move(policy);
}

void conflict_policies::set_twin(std::string twin, conflict_policy policy) {
  twins_[std::move(twin)] = std::move(policy);
}

void conflict_policies::set_property(std::string type, std::string key, conflict_policy policy) {
  properties_[{std::move(type), std::move(key)}] = std::move(policy);
}

void conflict_policies::set_twin_property(std::string twin, std::string key,
                                          conflict_policy policy) {
  twin_properties_[{std::move(twin), std::move(key)}] = std::move(policy);
}

namespace {

// What replicas agree upon about the twin itself.
bool is_reserved(std::string_view key) noexcept {
  return !key.empty() && static_cast<unsigned char>(key.front()) < ' ';
}

} // namespace

void conflict_policies::set_functions(merge_functions functions) {
  for (auto& [name, function] : functions)
    functions_[name] = std::make_shared<const merge_function>(std::move(function));
}

result<conflict_policy> conflict_policies::bind(conflict_policy policy) const {
  if (policy.strategy != conflict_strategy::merge_function)
    return policy;
  if (auto at = functions_.find(policy.function); at != functions_.end()) {
    policy.merge = at->second;
    return policy;
  }
  std::string known;
  for (const auto& [name, function] : functions_)
    known.append(known.empty() ? "; there are " : ", ").append(name);
  return fail(errc::bad_value, "no merge function '" + policy.function + "'"
                                   + (known.empty() ? "; this program has none" : known));
}

result<conflict_policy> conflict_policies::own(std::string_view text) const {
  constexpr std::size_t text_bytes_max = 256;
  if (text.size() > text_bytes_max)
    return fail(errc::bad_value, "a strategy has at most 256 bytes");
  auto made = policy_from_string(text);
  if (made && is_merged(made->strategy))
    return fail(errc::bad_value, "'" + std::string{text}
                                     + "' is a strategy of single properties: say it of the type's "
                                       "property in the config");
  return made ? bind(std::move(*made)) : made;
}

conflict_policy conflict_policies::with_own(const conflict_policy& configured, std::string_view key,
                                            const value& text) const {
  if (!text.is_text() || is_reserved(key) || is_merged(configured.strategy))
    return configured;
  return own(text.as_text()).value_or(configured);
}

const conflict_policy& conflict_policies::of(std::string_view twin, std::string_view type,
                                             std::string_view key) const {
  static const conflict_policy latest_wins{};
  if (is_reserved(key))
    return latest_wins;
  auto of_pair = [](const by_pair& in, std::string_view first, std::string_view second) {
    auto at = in.empty() ? in.end() : in.find({std::string{first}, std::string{second}});
    return at != in.end() ? &at->second : nullptr;
  };
  if (const auto* found = of_pair(twin_properties_, twin, key))
    return *found;
  if (auto at = twins_.find(twin); at != twins_.end())
    return at->second;
  if (const auto* found = of_pair(properties_, type, key))
    return *found;
  if (auto at = types_.find(type); at != types_.end())
    return at->second;
  if (const auto* found = of_pair(properties_, {}, key))
    return *found;
  return fallback_;
}

// ---- laws of merge functions --------------------------------------------------------------------

namespace {

value random_number(const std::function<std::uint64_t()>& random) {
  constexpr std::int64_t range = 2'001;
  auto number = static_cast<std::int64_t>(random() % range) - range / 2;
  return (random() & 1) != 0 ? value{number} : value{static_cast<double>(number) / 4};
}

result<void> check_laws_once(const merge_function& merge, const value& a, const value& b,
                             const value& c) {
  auto broken = [&](const char* law) {
    return fail(errc::bad_value, std::string{"the function breaks the law of "} + law + " with "
                                     + to_json(a) + ", " + to_json(b) + ", " + to_json(c));
  };
  auto ab = merge({a, b});
  auto ba = merge({b, a});
  auto bc = merge({b, c});
  if (!ab || !ba || !bc)
    return tl::unexpected{!ab ? ab.error() : !ba ? ba.error() : bc.error()};
  if (!(*ab == *ba))
    return broken("order (merge(a, b) is merge(b, a))");
  auto again = merge({*ab, a});
  if (!again || !(*again == *ab))
    return broken("repetition (merge(merge(a, b), a) is merge(a, b))");
  auto left = merge({*ab, c});
  auto right = merge({a, *bc});
  if (!left || !right || !(*left == *right))
    return broken("grouping (merge(merge(a, b), c) is merge(a, merge(b, c)))");
  return {};
}

} // namespace

result<void> check_merge_laws(const merge_function& merge,
                              const std::function<std::uint64_t()>& random, std::uint32_t cases) {
  for (std::uint32_t i = 0; i < cases; ++i)
    if (auto held = check_laws_once(merge, random_number(random), random_number(random),
                                    random_number(random));
        !held)
      return held;
  return {};
}

} // namespace gemel
